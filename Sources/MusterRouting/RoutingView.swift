package import MusterModel

/// How checks and hosts become weights.
package struct RoutingPolicy: Equatable, Sendable {
    /// Share of its weight that an instance keeps while its check warns, 0 to 100.
    package var warningPercent: Int
    /// Below this share of usable instances every instance that is not drained gets traffic. 0 turns the rule off.
    package var panicPercent: Int

    package init(warningPercent: Int = 50, panicPercent: Int = 0) {
        self.warningPercent = min(max(warningPercent, 0), 100)
        self.panicPercent = min(max(panicPercent, 0), 100)
    }
}

/// What routing has to know of a host.
package struct HostCondition: Equatable, Sendable {
    package var state: HostState
    package var reason: String

    package init(state: HostState, reason: String) {
        self.state = state
        self.reason = reason
    }
}

/// What operators took out of traffic, with their reasons.
package struct Draining: Equatable, Sendable {
    package var hosts: [HostID: String]
    /// By instance id.
    package var instances: [String: String]

    package init(hosts: [HostID: String] = [:], instances: [String: String] = [:]) {
        self.hosts = hosts
        self.instances = instances
    }

    func reason(for instance: Instance) -> String? {
        if let reason = instances[instance.id] { return "drained: \(reason)" }
        return hosts[instance.host].map { "host \(instance.host) is drained: \($0)" }
    }
}

/// Who gets the traffic of one service, and why.
package struct RoutingView: Equatable, Sendable {
    package struct Routed: Equatable, Sendable {
        package let instance: Instance
        /// Relative to the other routed instances; 0 keeps an instance known but idle.
        package let weight: Int
        package let reason: String
    }

    package struct Excluded: Equatable, Sendable {
        package let instance: Instance
        package let reason: String
    }

    package let service: ServiceName
    /// Rises whenever anything else here changed.
    package internal(set) var version: UInt64
    /// In order of their ids.
    package let instances: [Routed]
    package let excluded: [Excluded]
    /// The panic rule applied: health was not regarded.
    package let isPanic: Bool

    /// A pure function of what is known. A host of which nothing is known yet counts as suspect.
    package init(
        service: ServiceName, version: UInt64, instances: [Instance], hosts: [HostID: HostCondition],
        draining: Draining, policy: RoutingPolicy
    ) {
        self.service = service
        self.version = version
        var routed: [Routed] = []
        var excluded: [Excluded] = []
        var failedOpen: [Routed] = []
        for instance in instances.sorted(by: { ($0.id, $0.host) < ($1.id, $1.host) }) {
            if let reason = draining.reason(for: instance) {
                excluded.append(Excluded(instance: instance, reason: reason))
            } else if let reason = Self.unfit(instance, hosts[instance.host]) {
                excluded.append(Excluded(instance: instance, reason: reason))
                failedOpen.append(
                    Routed(
                        instance: instance, weight: max(0, instance.weight), reason: "panic rule; otherwise \(reason)"))
            } else {
                routed.append(Self.fit(instance, hosts[instance.host], policy))
            }
        }
        let candidates = routed.count + failedOpen.count
        isPanic = !failedOpen.isEmpty && routed.count * 100 < policy.panicPercent * candidates
        if isPanic {
            let opened = Set(failedOpen.map(\.instance.id))
            routed = (routed + failedOpen).sorted {
                ($0.instance.id, $0.instance.host) < ($1.instance.id, $1.instance.host)
            }
            excluded.removeAll { opened.contains($0.instance.id) && draining.reason(for: $0.instance) == nil }
        }
        self.instances = routed
        self.excluded = excluded
    }

    private static func unfit(_ instance: Instance, _ host: HostCondition?) -> String? {
        if let host, host.state == .unreachable || host.state == .dead {
            return "host \(instance.host) is \(host.state.rawValue): \(host.reason)"
        }
        switch instance.health {
        case .starting, .critical: return worded(instance)
        case .passing, .warning: return nil
        }
    }

    private static func fit(_ instance: Instance, _ host: HostCondition?, _ policy: RoutingPolicy) -> Routed {
        let own = max(0, instance.weight)
        var weight = own
        var reason = worded(instance)
        if instance.health == .warning, own > 0 {
            let (product, overflow) = own.multipliedReportingOverflow(by: policy.warningPercent)
            weight = max(1, (overflow ? own : product) / 100)
            reason += "; weight \(weight) instead of \(own)"
        }
        switch host?.state {
        case .suspect: reason += "; host is suspect, traffic kept: \(host?.reason ?? "")"
        case nil: reason += "; nothing is known of its host yet, traffic kept"
        case .alive, .unreachable, .dead: break
        }
        return Routed(instance: instance, weight: weight, reason: reason)
    }

    private static func worded(_ instance: Instance) -> String {
        instance.reason.isEmpty ? instance.health.rawValue : "\(instance.health.rawValue): \(instance.reason)"
    }

    var isEmpty: Bool { instances.isEmpty && excluded.isEmpty }

    func hasSameContent(as other: RoutingView) -> Bool {
        var aligned = other
        aligned.version = version
        return self == aligned
    }
}
