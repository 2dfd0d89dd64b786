package import MusterModel

/// The newest snapshot of every host, and what follows from them. A copy is a consistent view for readers.
///
/// Transitions of a host:
///
///     (unknown) --snapshotRestored--> restored     last known good, from storage
///     (unknown) --snapshotReceived--> live
///     restored --snapshotReceived, any boot and sequence--> live
///     live --snapshotReceived, same boot and higher sequence, or another boot--> live
///     live --snapshotReceived, same boot and sequence not higher--> live, ignored
///     live, restored --snapshotRestored--> unchanged, ignored
///     live, restored --hostRemoved--> (unknown)
package struct Catalog: Sendable {
    /// One host as the catalogue knows it.
    package struct Host: Equatable, Sendable {
        package let snapshot: HostSnapshot
        /// Of the encoded snapshot, as agent and wiring compute it.
        package let hash: UInt64
        package let receivedAt: Instant
        /// True until the host's agent was heard by this process.
        package let isRestored: Bool
    }

    package struct Service: Equatable, Sendable {
        package let name: ServiceName
        package let version: UInt64
        /// In order of their ids.
        package let instances: [Instance]
    }

    package struct HostContainer: Equatable, Sendable {
        package let host: HostID
        package let container: Container
    }

    package static let hostsMax = 20_000
    /// Services without instances whose versions are remembered one by one.
    package static let goneServicesMax = 10_000

    private var hosts_: [HostID: Host] = [:]
    private var services_: [ServiceName: [HostID: [Instance]]] = [:]
    private var versions: [ServiceName: UInt64] = [:]
    private var gone = 0
    /// What is said of services that nobody remembers: not lower than any version ever given for them.
    private var floor: UInt64
    private var awaited: Set<HostID> = []
    private var warmUntil: Instant = .distantPast

    /// Rises with every change of any service.
    package private(set) var revision: UInt64

    /// `firstVersion` has to be higher than any version of an earlier process, so that a watcher who kept one never
    /// sees versions fall; milliseconds since 1970 at start serve.
    package init(firstVersion: UInt64) {
        revision = firstVersion
        floor = firstVersion
    }

    // MARK: Events

    /// An agent sent a whole snapshot. Throws, and changes nothing, when the snapshot breaks a limit or speaks of
    /// another host.
    package mutating func snapshotReceived(
        _ snapshot: HostSnapshot, hash: UInt64, now: Instant
    ) throws(CatalogError) -> CatalogEffect {
        try Self.check(snapshot)
        let known = hosts_[snapshot.host]
        if let known, !known.isRestored, known.snapshot.boot == snapshot.boot,
            snapshot.sequence <= known.snapshot.sequence
        {
            return .ignored
        }
        guard known != nil || hosts_.count < Self.hostsMax else { throw .tooManyHosts(limit: Self.hostsMax) }
        awaited.remove(snapshot.host)
        return replace(
            known, with: Host(snapshot: snapshot, hash: hash, receivedAt: now, isRestored: false))
    }

    /// Storage knew this of a host when the coordinator stopped. The host is awaited until it sends a snapshot or the
    /// warm-up ends.
    package mutating func snapshotRestored(
        _ snapshot: HostSnapshot, hash: UInt64, storedAt: Instant
    ) throws(CatalogError) -> CatalogEffect {
        try Self.check(snapshot)
        guard hosts_[snapshot.host] == nil else { return .ignored }
        guard hosts_.count < Self.hostsMax else { throw .tooManyHosts(limit: Self.hostsMax) }
        awaited.insert(snapshot.host)
        var effect = replace(nil, with: Host(snapshot: snapshot, hash: hash, receivedAt: storedAt, isRestored: true))
        effect.isToBeStored = false
        return effect
    }

    /// From now on the catalogue is warming up, until every restored host has sent a snapshot or `deadline` passes.
    package mutating func warmUpStarted(until deadline: Instant) { warmUntil = deadline }

    /// A host was removed or revoked by an operator, or nobody waits for it any more.
    package mutating func hostRemoved(_ host: HostID) -> CatalogEffect {
        guard let known = hosts_.removeValue(forKey: host) else { return .ignored }
        awaited.remove(host)
        let changed = names(known.snapshot.instances)
        for name in changed { set(name, host, []) }
        return CatalogEffect(isToBeStored: true, isHostChanged: true, changedServices: changed)
    }

    /// A heartbeat carried the hash of what the agent has. True when the agent has to be asked for a whole snapshot.
    package func needsSnapshot(of host: HostID, boot: BootID, hash: UInt64) -> Bool {
        guard let known = hosts_[host] else { return true }
        return known.snapshot.boot != boot || known.hash != hash
    }

    // MARK: Reading

    /// True while answers may be last known good because not every known host has been heard.
    package func isWarmingUp(now: Instant) -> Bool { !awaited.isEmpty && now < warmUntil }

    /// Hosts that the warm-up waits for, in order.
    package var awaitedHosts: [HostID] { awaited.sorted() }

    package func host(_ id: HostID) -> Host? { hosts_[id] }

    /// Every host, in order of its id.
    package var hosts: [Host] { hosts_.values.sorted { $0.snapshot.host < $1.snapshot.host } }

    /// Every container with its host, in order of host and name.
    package var containers: [HostContainer] {
        hosts.flatMap { host in
            host.snapshot.containers
                .sorted { ($0.name, $0.id) < ($1.name, $1.id) }
                .map { HostContainer(host: host.snapshot.host, container: $0) }
        }
    }

    /// Every service that has an instance, in order of its name.
    package var services: [Service] {
        services_.keys.sorted().map { Service(name: $0, version: version(of: $0), instances: instances(of: $0)) }
    }

    /// The instances of a service, in order of their ids; empty when nobody offers it.
    package func instances(of service: ServiceName) -> [Instance] {
        (services_[service] ?? [:]).values.flatMap { $0 }.sorted { ($0.id, $0.host) < ($1.id, $1.host) }
    }

    /// When the service last changed. For a service nobody offers: when it was last known to be gone.
    package func version(of service: ServiceName) -> UInt64 { versions[service] ?? floor }

    // MARK: Decisions

    private static func check(_ snapshot: HostSnapshot) throws(CatalogError) {
        let host = snapshot.host
        guard snapshot.containers.count <= Limits.containersPerHost else {
            throw .tooManyContainers(host: host, count: snapshot.containers.count, limit: Limits.containersPerHost)
        }
        guard snapshot.instances.count <= Limits.instancesPerHost else {
            throw .tooManyInstances(host: host, count: snapshot.instances.count, limit: Limits.instancesPerHost)
        }
        var ids: Set<String> = []
        for instance in snapshot.instances {
            guard instance.host == host else {
                throw .foreignInstance(host: host, instance: instance.id, claimed: instance.host)
            }
            guard ids.insert(instance.id).inserted else { throw .repeatedInstance(host: host, instance: instance.id) }
        }
    }

    private mutating func replace(_ known: Host?, with new: Host) -> CatalogEffect {
        let host = new.snapshot.host
        hosts_[host] = new
        let before = Dictionary(grouping: known?.snapshot.instances ?? [], by: \.service)
        let after = Dictionary(grouping: new.snapshot.instances, by: \.service)
        var changed: [ServiceName] = []
        for name in Set(before.keys).union(after.keys).sorted() {
            let instances = Self.ordered(after[name] ?? [])
            guard Self.ordered(before[name] ?? []) != instances else { continue }
            set(name, host, instances)
            changed.append(name)
        }
        return CatalogEffect(
            isToBeStored: true, isHostChanged: Self.isChange(known?.snapshot, new.snapshot), changedServices: changed)
    }

    private mutating func set(_ name: ServiceName, _ host: HostID, _ instances: [Instance]) {
        revision += 1
        let wasOffered = services_[name] != nil
        if !wasOffered, versions[name] != nil { gone -= 1 }
        versions[name] = revision
        services_[name, default: [:]][host] = instances.isEmpty ? nil : instances
        guard services_[name]?.isEmpty == true else { return }
        services_[name] = nil
        gone += 1
        guard gone > Self.goneServicesMax else { return }
        // Forget them all at once: the floor rises above every version they had.
        versions = versions.filter { services_[$0.key] != nil }
        floor = revision
        gone = 0
    }

    private static func isChange(_ before: HostSnapshot?, _ after: HostSnapshot) -> Bool {
        guard var before else { return true }
        before.sequence = after.sequence
        return before != after
    }

    private static func ordered(_ instances: [Instance]) -> [Instance] { instances.sorted { $0.id < $1.id } }

    private func names(_ instances: [Instance]) -> [ServiceName] { Set(instances.map(\.service)).sorted() }
}
