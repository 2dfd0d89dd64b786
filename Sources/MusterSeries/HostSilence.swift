package import MusterModel

/// Which hosts have stopped to send samples: their series have to go stale then, and not after the lookback.
///
/// A host is silent when the tick that is due has not come one interval later, or one second later when its interval is
/// shorter. This is about samples alone; whether a host is reachable is another question.
package struct HostSilence: Sendable {
    /// The least time that a tick that is due is waited for, in milliseconds.
    package static let patience: Int64 = 1_000
    /// How long after a start hosts have time to come back.
    package static let patienceAfterStart = Duration.seconds(10)

    private var deadlines: [HostID: Instant] = [:]

    package init() {}

    /// A tick of this host has arrived. The next one is due after `interval` milliseconds.
    package mutating func heard(_ host: HostID, interval: Int64, now: Instant) {
        deadlines[host] = now + .milliseconds(interval + max(interval, Self.patience))
    }

    /// Begins with hosts whose series are known from before.
    package mutating func started(with hosts: some Sequence<HostID>, now: Instant) {
        deadlines = [:]
        for host in hosts { deadlines[host] = now + Self.patienceAfterStart }
    }

    /// The hosts that have become silent since the last call.
    package mutating func takeSilent(now: Instant) -> [HostID] {
        let silent = deadlines.filter { $0.value < now }.map(\.key)
        for host in silent { deadlines[host] = nil }
        return silent
    }
}
