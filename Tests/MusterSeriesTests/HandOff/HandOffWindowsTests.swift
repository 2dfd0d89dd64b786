import MusterModel
import MusterSeries
import Testing

private func at(_ seconds: Double) -> Instant { Instant(milliseconds: Int64(seconds * 1_000)) }

private var settings: HandOffWindows.Settings {
    var settings = HandOffWindows.Settings()
    settings.width = .seconds(10)
    settings.delay = .seconds(3)
    return settings
}

@Suite struct HandOffWindowsTests {
    @Test func `a window is given once its end and the delay have passed`() {
        var windows = HandOffWindows(settings, now: at(1_005))
        windows.timePassed(now: at(1_012.9), keptFrom: 0)
        #expect(windows.next(now: at(1_012.9)) == nil)
        windows.timePassed(now: at(1_013), keptFrom: 0)
        let work = windows.next(now: at(1_013))
        #expect(work?.window == 100 && work?.from == 1_000_000 && work?.to == 1_009_999)
        windows.given(100, now: at(1_013))
        #expect(windows.next(now: at(1_013)) == nil && windows.backlog == 0)
        #expect(windows.counters.given == 1 && windows.counters.failures == 0)
    }

    @Test func `after an outage the present goes first and the backlog follows, newest first and at a limited rate`() {
        var windows = HandOffWindows(settings, now: at(1_000))
        windows.timePassed(now: at(1_053), keptFrom: 0)
        #expect(windows.backlog == 5)
        var order: [Int64] = []
        var now = at(1_053)
        while let work = windows.next(now: now) {
            order.append(work.window)
            windows.given(work.window, now: now)
            if windows.backlog > 0, order.count > 1 { #expect(windows.next(now: now) == nil) }
            now = now + windows.settings.backlogInterval
        }
        #expect(order == [104, 103, 102, 101, 100])
        // A fresh window does not wait for the rate of the backlog.
        windows.timePassed(now: at(1_063), keptFrom: 0)
        windows.sampleCameLate(at: 1_005_000)
        #expect(windows.next(now: at(1_063))?.window == 105)
        windows.given(105, now: at(1_063))
        #expect(windows.next(now: at(1_063))?.window == 100)
    }

    @Test func `a failure waits, longer each time, and not less than it was asked to`() {
        var windows = HandOffWindows(settings, now: at(1_000))
        windows.timePassed(now: at(1_013), keptFrom: 0)
        var now = at(1_013)
        for wait in [1.0, 2, 4, 8, 16, 32, 64, 120, 120] {
            windows.failed(retryAfter: nil, jitter: 1, now: now)
            #expect(windows.next(now: now + .milliseconds(Int64(wait * 1_000) - 1)) == nil)
            now = now + .milliseconds(Int64(wait * 1_000))
            #expect(windows.next(now: now) != nil)
        }
        windows.given(100, now: now)
        windows.sampleCameLate(at: 1_001_000)
        windows.failed(retryAfter: .seconds(7), jitter: 0, now: now)
        #expect(windows.next(now: now + .milliseconds(6_999)) == nil && windows.next(now: now + .seconds(7)) != nil)
        windows.failed(retryAfter: .hours(5), jitter: 0, now: now)
        #expect(windows.next(now: now + .minutes(2)) != nil)
    }

    @Test func `what the store has no more is lost and counted`() {
        var windows = HandOffWindows(settings, now: at(1_000))
        windows.timePassed(now: at(1_103), keptFrom: 0)
        windows.timePassed(now: at(1_103), keptFrom: 1_035_000)
        #expect(windows.counters.lost == 3 && windows.pending == [103...109])
        windows.timePassed(now: at(1_103), keptFrom: 2_000_000)
        #expect(windows.counters.lost == 10 && windows.pending.isEmpty)
    }

    @Test func `a refused window is not asked again`() {
        var windows = HandOffWindows(settings, now: at(1_000))
        windows.timePassed(now: at(1_013), keptFrom: 0)
        windows.refused(100, now: at(1_013))
        #expect(windows.next(now: at(2_000)) == nil && windows.counters.refused == 1)
    }

    @Test func `it goes on where the process before it was`() {
        var before = HandOffWindows(settings, now: at(1_000))
        before.timePassed(now: at(1_033), keptFrom: 0)
        before.given(102, now: at(1_033))
        var after = HandOffWindows(settings, now: at(1_071), restoring: before.stored)
        #expect(after.pending == [100...101])
        after.timePassed(now: at(1_073), keptFrom: 0)
        #expect(after.pending == [100...101, 103...106])
        // Another width would name other times.
        var other = settings
        other.width = .seconds(5)
        #expect(HandOffWindows(other, now: at(1_071), restoring: before.stored).pending.isEmpty)
        #expect(HandOffWindows(settings, now: at(900), restoring: before.stored).pending.isEmpty)
    }

    /// Against a set of numbers.
    @Test(arguments: 0..<50) func `ranges hold what a set would hold`(seed: UInt64) {
        var random = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        func next(_ below: UInt64) -> Int64 {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return Int64(random % below)
        }
        var windows = HandOffWindows(settings, now: at(0))
        var model: Set<Int64> = []
        windows.timePassed(now: at(2_003), keptFrom: 0)
        model.formUnion(0..<200)
        for _ in 0..<500 {
            let window = next(200)
            if next(2) == 0 {
                windows.sampleCameLate(at: window * 10_000 + next(10_000))
                model.insert(window)
            } else {
                windows.given(window, now: at(2_003))
                model.remove(window)
            }
            #expect(windows.backlog == Int64(model.count))
            #expect(windows.next(now: at(9_999))?.window == model.max())
        }
        #expect(windows.pending.flatMap { Array($0) } == model.sorted())
        for (a, b) in zip(windows.pending, windows.pending.dropFirst()) { #expect(a.upperBound + 1 < b.lowerBound) }
    }

    @Test func `the number of ranges is bounded and nothing pending is forgotten`() {
        var windows = HandOffWindows(settings, now: at(0))
        windows.timePassed(now: at(100_003), keptFrom: 0)
        for window in stride(from: Int64(0), to: 10_000, by: 2) { windows.given(window, now: at(100_003)) }
        #expect(windows.pending.count <= HandOffWindows.rangesMax)
        for window in stride(from: Int64(0), to: 10_000, by: 4) { windows.sampleCameLate(at: window * 10_000) }
        #expect(windows.pending.count <= HandOffWindows.rangesMax)
        let pending = Set(windows.pending.flatMap { Array($0) })
        for window in Int64(0)..<10_000 where window % 2 == 1 || window % 4 == 0 { #expect(pending.contains(window)) }
    }
}
