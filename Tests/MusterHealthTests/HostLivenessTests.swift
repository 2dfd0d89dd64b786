import MusterHealth
import MusterModel
import Testing

@Suite struct HostLivenessTests {
    private let host = valid(HostID("web-1"))
    private let other = valid(HostID("web-2"))
    /// 2026-01-01T12:00:00Z.
    private let start = Instant(seconds: 1_767_268_800)

    private func at(_ milliseconds: Int64) -> Instant { start + .milliseconds(milliseconds) }

    /// Ticks every 500 ms up to a time, as the loop does. Gives the changes of the last tick that had any.
    private func run(_ machine: inout HostLiveness, from: Int64, to: Int64) -> [HostLiveness.Change] {
        var all: [HostLiveness.Change] = []
        for time in stride(from: from, through: to, by: 500) { all += machine.tick(now: at(time)) }
        return all
    }

    @Test func aHostThatIsHeardIsAliveAndOnlyTheFirstTimeIsNews() {
        var machine = HostLiveness()
        #expect(machine.wakeAt == nil)
        let change = machine.heartbeatReceived(from: host, now: at(0))
        #expect(change?.from == nil)
        #expect(change?.to == .alive)
        #expect(machine.wakeAt == at(500))
        #expect(machine.heartbeatReceived(from: host, now: at(400)) == nil)
        #expect(machine.connected(host, now: at(450)) == nil)
        #expect(machine.status(of: host, now: at(450))?.reason == "heartbeats arrive")
        #expect(machine.state(of: other) == nil)
    }

    @Test func silenceLeadsThroughEveryStateWithAReason() {
        var machine = HostLiveness()
        _ = machine.heartbeatReceived(from: host, now: at(0))
        let changes = run(&machine, from: 500, to: 61_000)
        #expect(changes.map(\.to) == [.suspect, .unreachable, .dead])
        #expect(changes.map(\.from) == [.alive, .suspect, .unreachable])
        #expect(
            changes.map(\.reason) == [
                "no heartbeat for 1.5 s; last seen 12:00:00", "no heartbeat for 3.0 s; last seen 12:00:00",
                "no heartbeat for 1m; last seen 12:00:00",
            ])
        #expect(run(&machine, from: 61_500, to: 70_000).isEmpty)
        #expect(
            machine.status(of: host, now: at(25 * 3_600_000))?.reason.hasSuffix("last seen 2026-01-01T12:00:00.000Z")
                == true)
        let back = machine.heartbeatReceived(from: host, now: at(70_100))
        #expect(back?.from == .dead)
        #expect(back?.to == .alive)
    }

    @Test func theThresholdsAreExact() {
        for (silence, state) in [
            (1_499, HostState.alive), (1_500, .suspect), (2_999, .suspect), (3_000, .unreachable),
            (59_999, .unreachable), (60_000, .dead),
        ] {
            var machine = HostLiveness()
            _ = machine.heartbeatReceived(from: host, now: at(0))
            _ = run(&machine, from: 500, to: Int64(silence))
            _ = machine.tick(now: at(Int64(silence)))
            #expect(machine.state(of: host) == state, "after \(silence) ms")
        }
    }

    private enum Event: CaseIterable { case heartbeat, connected, disconnected, restored, tickAtOnce }

    @Test func everyEventInEveryState() {
        let reached: [HostState: Int64] = [.alive: 0, .suspect: 2_000, .unreachable: 10_000, .dead: 61_000]
        for state in HostState.allCases {
            for event in Event.allCases {
                var machine = HostLiveness()
                let time = reached[state] ?? 0
                _ = machine.heartbeatReceived(from: host, now: at(0))
                _ = run(&machine, from: 500, to: time)
                #expect(machine.state(of: host) == state)
                let now = at(time + 10)
                let change: HostLiveness.Change?
                let expected: HostState
                switch event {
                case .heartbeat: (change, expected) = (machine.heartbeatReceived(from: host, now: now), .alive)
                case .connected: (change, expected) = (machine.connected(host, now: now), .alive)
                case .disconnected:
                    change = machine.disconnected(host, reason: "reset", now: now)
                    expected = state == .alive ? .suspect : state
                case .restored: (change, expected) = (machine.restored(host, lastSeen: nil, now: now), state)
                case .tickAtOnce: (change, expected) = (machine.tick(now: now).first, state)
                }
                #expect(machine.state(of: host) == expected, "\(event) while \(state)")
                #expect((change != nil) == (expected != state), "\(event) while \(state)")
            }
        }
    }

    @Test func aClosedConnectionIsEvidenceButNotProof() {
        var machine = HostLiveness()
        _ = machine.connected(host, now: at(0))
        let change = machine.disconnected(host, reason: "connection reset by peer", now: at(100))
        #expect(change?.to == .suspect)
        #expect(change?.reason == "disconnected: connection reset by peer; last seen 12:00:00")
        #expect(run(&machine, from: 500, to: 2_500).isEmpty)
        #expect(run(&machine, from: 3_000, to: 3_000).map(\.to) == [.unreachable])
        #expect(machine.disconnected(other, reason: "never known", now: at(3_000)) == nil)
    }

    @Test func hostsOfAnEarlierProcessAreSuspectUntilTheirGraceIsOver() {
        var machine = HostLiveness()
        let seen = start - .seconds(90)
        let change = machine.restored(host, lastSeen: seen, now: at(0))
        #expect(change?.to == .suspect)
        #expect(change?.reason == "last known before the coordinator restarted; last seen 11:58:30")
        let grace = machine.settings.restoreGrace.nanoseconds / 1_000_000
        #expect(run(&machine, from: 500, to: grace - 500).isEmpty)
        #expect(run(&machine, from: grace, to: grace).map(\.to) == [.unreachable])
        #expect(machine.heartbeatReceived(from: host, now: at(grace + 1))?.to == .alive)
    }

    @Test func aCoordinatorThatSleptAccusesNobody() {
        var machine = HostLiveness()
        _ = machine.heartbeatReceived(from: host, now: at(0))
        _ = machine.heartbeatReceived(from: other, now: at(400))
        #expect(run(&machine, from: 500, to: 500).isEmpty)
        // Stopped from 0.5 s to 40 s; the tick that was due at 1 s comes first, before any waiting heartbeat is read.
        #expect(machine.tick(now: at(40_000)).isEmpty)
        #expect(machine.pauses == 1)
        #expect(machine.state(of: host) == .alive)
        #expect(machine.heartbeatReceived(from: other, now: at(40_010)) == nil)
        // The one that really is gone is found out within its usual time after the sleep.
        let changes = run(&machine, from: 40_500, to: 42_000)
        #expect(changes.map(\.host) == [host, host, other])
        #expect(changes.map(\.to) == [.suspect, .unreachable, .suspect])
        #expect(machine.state(of: other) == .suspect)
    }

    @Test func aLittleLatenessIsNoSleep() {
        var machine = HostLiveness()
        _ = machine.heartbeatReceived(from: host, now: at(0))
        _ = machine.tick(now: at(1_500))
        #expect(machine.pauses == 0)
        #expect(machine.state(of: host) == .suspect)
    }

    @Test func theNumberOfHostsIsBounded() {
        var settings = HostLiveness.Settings()
        settings.hostsMax = 2
        var machine = HostLiveness(settings: settings)
        #expect(machine.heartbeatReceived(from: host, now: at(0)) != nil)
        #expect(machine.restored(other, lastSeen: nil, now: at(0)) != nil)
        let third = valid(HostID("web-3"))
        #expect(machine.heartbeatReceived(from: third, now: at(0)) == nil)
        #expect(machine.restored(third, lastSeen: nil, now: at(0)) == nil)
        #expect(machine.refusedHosts == 2)
        #expect(machine.count == 2)
        machine.removed(other)
        #expect(machine.heartbeatReceived(from: third, now: at(1)) != nil)
        #expect(machine.statuses(now: at(1)).map(\.host) == [host, third])
        machine.removed(host)
        machine.removed(third)
        #expect(machine.wakeAt == nil)
    }

    @Test func timeAtTheEndOfItsRangeDoesNotTrap() {
        var machine = HostLiveness()
        _ = machine.heartbeatReceived(from: host, now: Instant(seconds: -9_000_000_000))
        _ = machine.tick(now: .distantFuture)
        _ = machine.restored(other, lastSeen: start, now: .distantFuture)
        #expect(machine.statuses(now: .distantFuture).count == 2)
    }
}
