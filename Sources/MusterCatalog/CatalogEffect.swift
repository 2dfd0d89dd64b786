package import MusterModel

/// What follows from an event, in the order in which it has to be done.
package struct CatalogEffect: Equatable, Sendable {
    /// The host's snapshot (or its absence) is new and belongs into storage before anybody is told.
    package var isToBeStored: Bool
    /// Something about the host differs: containers, labels, instances, boot. A new sequence alone is no change.
    package var isHostChanged: Bool
    /// Services whose instances differ, in order. Their versions have risen; their watchers are to be told.
    package var changedServices: [ServiceName]

    package init(isToBeStored: Bool, isHostChanged: Bool, changedServices: [ServiceName]) {
        self.isToBeStored = isToBeStored
        self.isHostChanged = isHostChanged
        self.changedServices = changedServices
    }

    package static let ignored = CatalogEffect(isToBeStored: false, isHostChanged: false, changedServices: [])
}

/// Why a snapshot was not taken. The catalogue is unchanged.
package enum CatalogError: Error, Equatable, CustomStringConvertible {
    case tooManyHosts(limit: Int)
    case tooManyContainers(host: HostID, count: Int, limit: Int)
    case tooManyInstances(host: HostID, count: Int, limit: Int)
    case foreignInstance(host: HostID, instance: String, claimed: HostID)
    case repeatedInstance(host: HostID, instance: String)

    package var description: String {
        switch self {
        case .tooManyHosts(let limit):
            "the catalogue holds \(limit) hosts, which is its limit; remove hosts that are gone: muster hosts remove ID"
        case .tooManyContainers(let host, let count, let limit):
            "host \(host) reports \(count) containers; at most \(limit) are taken"
        case .tooManyInstances(let host, let count, let limit):
            "host \(host) reports \(count) service instances; at most \(limit) are taken"
        case .foreignInstance(let host, let instance, let claimed):
            "host \(host) reports instance \"\(instance)\" of host \(claimed); a host speaks only of itself"
        case .repeatedInstance(let host, let instance):
            "host \(host) reports instance \"\(instance)\" twice; ids have to be unique, see SERVICE_ID"
        }
    }
}
