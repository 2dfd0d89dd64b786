import MusterModel
import MusterSeries
import Testing

@Suite struct HostSilenceTests {
    private let other: HostID

    init() throws { other = try #require(HostID("host-b")) }

    @Test(arguments: [(100, 1_100), (1_000, 2_000), (10_000, 20_000)] as [(Int64, Int64)])
    func `a host is silent when the tick that is due has not come for an interval`(interval: Int64, after: Int64) {
        var silence = HostSilence()
        let start = Instant(seconds: 1_000)
        silence.heard(hostA, interval: interval, now: start)
        silence.heard(other, interval: 60_000, now: start)
        #expect(silence.takeSilent(now: start + .milliseconds(after)) == [])
        #expect(silence.takeSilent(now: start + .milliseconds(after + 1)) == [hostA])
        // It is told once.
        #expect(silence.takeSilent(now: start + .milliseconds(after + 2)) == [])
        silence.heard(hostA, interval: interval, now: start + .milliseconds(after + 3))
        #expect(silence.takeSilent(now: start + .milliseconds(after + after + 4)) == [hostA])
    }

    @Test func `after a start hosts have time to come back`() {
        var silence = HostSilence()
        let start = Instant(seconds: 1_000)
        // What was read back from the disk was heard long ago.
        silence.heard(hostA, interval: 1_000, now: start - .seconds(500))
        silence.started(with: [hostA, other], now: start)
        #expect(silence.takeSilent(now: start + .seconds(9)) == [])
        silence.heard(hostA, interval: 10_000, now: start + .seconds(9))
        #expect(silence.takeSilent(now: start + .seconds(11)) == [other])
    }
}
