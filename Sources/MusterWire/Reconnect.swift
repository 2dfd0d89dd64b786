package import MusterModel

/// When an agent dials which address again.
///
///     event                                        next address          wait
///     started                                      the first             none
///     connection ended, welcome held `steadyAfter`  the same              0.5 to 1 s; what failed before is forgotten
///     connection ended otherwise                   the next in turn      0.5 s to twice as long each round, up to 30 s
///     refused for a lasting reason                 the next in turn      15 to 30 s
///     planned (renewed certificate)                the same              none, once for each steady welcome
///
/// The wait is drawn evenly from its range (full jitter), so a fleet that lost its coordinator does not return at once.
package struct Reconnect: Sendable {
    package struct Attempt: Equatable, Sendable {
        /// An index into the list of addresses.
        package let address: Int
        package let at: Instant

        package init(address: Int, at: Instant) {
            self.address = address
            self.at = at
        }
    }

    package enum Ending: Equatable, Sendable {
        /// The dial failed, the peer closed, the deadline passed.
        case lost
        case refused(RefusalCode)
        /// We closed it to come back at once.
        case planned
    }

    /// A welcome that held this long shows that the coordinator is well.
    package static let steadyAfter = Duration.seconds(10)

    private let addresses: Int
    private var address = 0
    private var failures = 0
    private var welcomedAt: Instant?
    private var hasPlanned = false

    /// `addresses`: how many there are, at least 1.
    package init(addresses: Int) { self.addresses = max(1, addresses) }

    package func started(now: Instant) -> Attempt { Attempt(address: address, at: now) }

    package mutating func welcomed(now: Instant) { welcomedAt = now }

    package mutating func ended(
        _ ending: Ending, now: Instant, using generator: inout some RandomNumberGenerator
    ) -> Attempt {
        let isSteady = welcomedAt.map { now - $0 >= Self.steadyAfter } ?? false
        welcomedAt = nil
        if isSteady {
            failures = 0
            hasPlanned = false
        }
        if ending == .planned, !hasPlanned {
            hasPlanned = true
            return Attempt(address: address, at: now)
        }
        if !isSteady { address = (address + 1) % addresses }
        defer { failures = min(failures + 1, 1 << 20) }
        let wait = drawWait(range(after: ending), using: &generator)
        return Attempt(address: address, at: now + wait)
    }

    /// Every address is tried once before the wait grows.
    private func range(after ending: Ending) -> ClosedRange<Int64> {
        let floor = Limits.reconnectFloor.nanoseconds
        let ceiling = Limits.reconnectCeiling.nanoseconds
        if case .refused(let code) = ending, code.isLasting { return (ceiling / 2)...ceiling }
        let doublings = min(failures / addresses + 1, 16)
        return floor...max(floor, min(ceiling, floor << doublings))
    }

    private func drawWait(
        _ range: ClosedRange<Int64>, using generator: inout some RandomNumberGenerator
    ) -> Duration {
        .nanoseconds(Int64.random(in: range, using: &generator))
    }
}
