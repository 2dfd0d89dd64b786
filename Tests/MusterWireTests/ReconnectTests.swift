import MusterModel
import MusterWire
import Testing

struct ReconnectTests {
    private func wait(_ attempt: Reconnect.Attempt, since now: Instant) -> Double {
        Double((attempt.at - now).nanoseconds) / 1e9
    }

    @Test func `the first dial is at once`() {
        let now = Samples.seconds(0)
        #expect(Reconnect(addresses: 3).started(now: now) == Reconnect.Attempt(address: 0, at: now))
    }

    @Test(arguments: 0..<100)
    func `waits grow from half a second to thirty and never leave their range`(seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        var reconnect = Reconnect(addresses: 1)
        let now = Samples.seconds(0)
        let ceilings: [Double] = [1, 2, 4, 8, 16, 30, 30, 30]
        for ceiling in ceilings {
            let attempt = reconnect.ended(.lost, now: now, using: &chance)
            #expect(attempt.address == 0)
            #expect((0.5...ceiling).contains(wait(attempt, since: now)))
        }
        for _ in 0..<1_000 { _ = reconnect.ended(.lost, now: now, using: &chance) }
        #expect((0.5...30).contains(wait(reconnect.ended(.lost, now: now, using: &chance), since: now)))
    }

    @Test func `waits are spread over the whole range`() {
        var chance = SeededGenerator(seed: 1)
        let now = Samples.seconds(0)
        var waits: [Double] = []
        for _ in 0..<2_000 {
            var reconnect = Reconnect(addresses: 1)
            for _ in 0..<6 { _ = reconnect.ended(.lost, now: now, using: &chance) }
            waits.append(wait(reconnect.ended(.lost, now: now, using: &chance), since: now))
        }
        for third in [0.5..<10.33, 10.33..<20.17, 20.17..<30.0] {
            #expect((500...850).contains(waits.count { third.contains($0) }))
        }
    }

    @Test func `addresses are tried in turn and each once before the wait grows`() {
        var chance = SeededGenerator(seed: 2)
        var reconnect = Reconnect(addresses: 3)
        let now = Samples.seconds(0)
        var addresses: [Int] = []
        for index in 0..<7 {
            let attempt = reconnect.ended(.lost, now: now, using: &chance)
            addresses.append(attempt.address)
            if index < 3 { #expect((0.5...1).contains(wait(attempt, since: now))) }
        }
        #expect(addresses == [1, 2, 0, 1, 2, 0, 1])
    }

    @Test func `a welcome that held forgets failures and keeps the address`() {
        var chance = SeededGenerator(seed: 3)
        var reconnect = Reconnect(addresses: 2)
        for _ in 0..<9 { _ = reconnect.ended(.lost, now: Samples.seconds(0), using: &chance) }
        reconnect.welcomed(now: Samples.seconds(1))
        let now = Samples.seconds(11)
        let attempt = reconnect.ended(.lost, now: now, using: &chance)
        #expect(attempt.address == 1)
        #expect((0.5...1).contains(wait(attempt, since: now)))
    }

    @Test func `a welcome that did not hold forgets nothing`() {
        var chance = SeededGenerator(seed: 3)
        var reconnect = Reconnect(addresses: 2)
        for _ in 0..<100 { _ = reconnect.ended(.lost, now: Samples.seconds(0), using: &chance) }
        var longest = 0.0
        for _ in 0..<50 {
            reconnect.welcomed(now: Samples.seconds(1))
            let now = Samples.seconds(10.9)
            longest = max(longest, wait(reconnect.ended(.lost, now: now, using: &chance), since: now))
        }
        #expect(longest > 10)
    }

    @Test func `a planned return is at once, to the same address, but not over and over`() {
        var chance = SeededGenerator(seed: 4)
        var reconnect = Reconnect(addresses: 2)
        reconnect.welcomed(now: Samples.seconds(0))
        let now = Samples.seconds(60)
        #expect(reconnect.ended(.planned, now: now, using: &chance) == Reconnect.Attempt(address: 0, at: now))
        reconnect.welcomed(now: now)
        #expect(reconnect.ended(.planned, now: now, using: &chance).at > now)
        reconnect.welcomed(now: now)
        let later = Samples.seconds(90)
        #expect(reconnect.ended(.planned, now: later, using: &chance).at == later)
    }

    @Test(arguments: RefusalCode.allCases)
    func `a lasting refusal waits long, any other as after a loss`(code: RefusalCode) {
        var chance = SeededGenerator(seed: 5)
        let now = Samples.seconds(0)
        for _ in 0..<50 {
            var reconnect = Reconnect(addresses: 1)
            let seconds = wait(reconnect.ended(.refused(code), now: now, using: &chance), since: now)
            #expect((code.isLasting ? 15.0...30.0 : 0.5...1.0).contains(seconds))
        }
        #expect(!code.description.isEmpty)
    }

    @Test func `no address counts as one`() {
        var chance = SeededGenerator(seed: 6)
        var reconnect = Reconnect(addresses: 0)
        #expect(reconnect.ended(.lost, now: Samples.seconds(0), using: &chance).address == 0)
    }
}
