package import MusterModel

/// The views of all services. A copy is a consistent view for readers.
package struct RouteTable: Sendable {
    /// Services without instances whose empty views are remembered.
    package static let goneViewsMax = 10_000

    package private(set) var policy: RoutingPolicy
    private var views: [ServiceName: RoutingView] = [:]
    private var services: [HostID: Set<ServiceName>] = [:]
    private var hosts: [HostID: HostCondition] = [:]
    private var draining = Draining()
    private var lastVersion: UInt64
    private var gone = 0

    /// `firstVersion` as for the catalogue: higher than any version of an earlier process.
    package init(firstVersion: UInt64, policy: RoutingPolicy = RoutingPolicy()) {
        lastVersion = firstVersion
        self.policy = policy
    }

    // MARK: Events. Each returns the services whose view changed, in order.

    /// The catalogue's list for one service is new. An empty list keeps an empty view, so that its watchers learn of
    /// it.
    package mutating func instancesChanged(_ service: ServiceName, _ instances: [Instance]) -> [ServiceName] {
        for instance in all(service) where !instances.contains(where: { $0.host == instance.host }) {
            services[instance.host]?.remove(service)
            if services[instance.host]?.isEmpty == true { services[instance.host] = nil }
        }
        for instance in instances { services[instance.host, default: []].insert(service) }
        return update(service, instances) ? [service] : []
    }

    package mutating func hostChanged(_ host: HostID, _ condition: HostCondition) -> [ServiceName] {
        hosts[host] = condition
        return refresh(services[host] ?? [])
    }

    package mutating func hostRemoved(_ host: HostID) -> [ServiceName] {
        hosts[host] = nil
        return refresh(services[host] ?? [])
    }

    package mutating func drainingChanged(_ draining: Draining) -> [ServiceName] {
        self.draining = draining
        return refresh(Set(views.keys))
    }

    package mutating func policyChanged(_ policy: RoutingPolicy) -> [ServiceName] {
        self.policy = policy
        return refresh(Set(views.keys))
    }

    // MARK: Reading

    package var viewCount: Int { views.count }

    /// Nil when the service was never offered.
    package func view(of service: ServiceName) -> RoutingView? { views[service] }

    /// The version a watcher of this service has to wait from; 0 for a service that is not
    /// remembered, so that whoever waits from another version is answered at once.
    package func version(of service: ServiceName) -> UInt64 { views[service]?.version ?? 0 }

    // MARK: Decisions

    private func all(_ service: ServiceName) -> [Instance] {
        guard let view = views[service] else { return [] }
        return view.instances.map(\.instance) + view.excluded.map(\.instance)
    }

    private mutating func refresh(_ names: Set<ServiceName>) -> [ServiceName] {
        names.sorted().filter { update($0, all($0)) }
    }

    private mutating func update(_ service: ServiceName, _ instances: [Instance]) -> Bool {
        let view = RoutingView(
            service: service, version: lastVersion + 1, instances: instances, hosts: hosts, draining: draining,
            policy: policy)
        if let known = views[service], known.hasSameContent(as: view) { return false }
        if views[service] == nil, instances.isEmpty { return false }
        lastVersion += 1
        if let known = views[service], known.isEmpty { gone -= 1 }
        if instances.isEmpty { gone += 1 }
        views[service] = view
        if gone > Self.goneViewsMax {
            views = views.filter { !$0.value.isEmpty || $0.key == service }
            gone = views[service]?.isEmpty == true ? 1 : 0
        }
        return true
    }
}
