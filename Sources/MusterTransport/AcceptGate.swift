package import MusterModel

/// Who may connect to a listener at all, decided before the first byte is read. A connection is unknown, then
/// unauthenticated, then authenticated, then unknown again; of the unauthenticated ones the oldest makes room.
package struct AcceptGate: Sendable {
    package struct Limits: Sendable {
        package var connections = 10_000
        package var connectionsPerAddress = 1_000
        package var unauthenticated = 512
        package var unauthenticatedPerAddress = 128
        /// A handshake costs some 3 ms of a core: this leaves the other work its share.
        package var acceptsPerSecond = 200
        package var acceptBurst = 400

        package init() {}
    }

    package enum Refusal: Hashable, Sendable, CustomStringConvertible {
        case tooManyConnections(Int)
        case tooManyFromAddress(Int)
        case tooManyUnauthenticatedFromAddress(Int)
        case tooFast(perSecond: Int)

        package var description: String {
            switch self {
            case .tooManyConnections(let limit): "all \(limit) connections are in use"
            case .tooManyFromAddress(let limit): "this address already has \(limit) connections"
            case .tooManyUnauthenticatedFromAddress(let limit):
                "this address already has \(limit) connections that did not authenticate yet"
            case .tooFast(let perSecond): "more than \(perSecond) connections are arriving each second"
            }
        }
    }

    package enum AcceptEffect: Hashable, Sendable {
        /// Close the named connection first: it had not authenticated and its place is needed.
        case admit(evicting: UInt64?)
        case refuse(Refusal)
    }

    private let limits: Limits
    private var addresses: [UInt64: String] = [:]
    private var countByAddress: [String: Int] = [:]
    /// Oldest first.
    private var unauthenticated: [UInt64] = []
    private var permits: Double
    private var permitsCountedAt = Instant.distantPast

    package init(_ limits: Limits = Limits()) {
        self.limits = limits
        permits = Double(limits.acceptBurst)
    }

    package var connectionCount: Int { addresses.count }
    package var unauthenticatedCount: Int { unauthenticated.count }

    package mutating func connectionAccepted(_ id: UInt64, from address: String, now: Instant) -> AcceptEffect {
        refill(now: now)
        guard permits >= 1 else { return .refuse(.tooFast(perSecond: limits.acceptsPerSecond)) }
        let fromAddress = countByAddress[address, default: 0]
        guard fromAddress < limits.connectionsPerAddress else {
            return .refuse(.tooManyFromAddress(limits.connectionsPerAddress))
        }
        let strangers = unauthenticated.count { addresses[$0] == address }
        guard strangers < limits.unauthenticatedPerAddress else {
            return .refuse(.tooManyUnauthenticatedFromAddress(limits.unauthenticatedPerAddress))
        }
        let isFull = addresses.count >= limits.connections
        guard !isFull || !unauthenticated.isEmpty else { return .refuse(.tooManyConnections(limits.connections)) }
        permits -= 1
        var evicted: UInt64?
        if isFull || unauthenticated.count >= limits.unauthenticated, let oldest = unauthenticated.first {
            connectionClosed(oldest)
            evicted = oldest
        }
        addresses[id] = address
        countByAddress[address, default: 0] += 1
        unauthenticated.append(id)
        return .admit(evicting: evicted)
    }

    package mutating func connectionAuthenticated(_ id: UInt64) {
        unauthenticated.removeAll { $0 == id }
    }

    /// Of no effect for a connection that is not known, such as one that was evicted.
    package mutating func connectionClosed(_ id: UInt64) {
        guard let address = addresses.removeValue(forKey: id) else { return }
        unauthenticated.removeAll { $0 == id }
        let left = countByAddress[address, default: 1] - 1
        countByAddress[address] = left > 0 ? left : nil
    }

    private mutating func refill(now: Instant) {
        guard now > permitsCountedAt else { return }
        let seconds = Double((now - permitsCountedAt).nanoseconds) / 1e9
        permits = min(Double(limits.acceptBurst), permits + seconds * Double(limits.acceptsPerSecond))
        permitsCountedAt = now
    }
}
