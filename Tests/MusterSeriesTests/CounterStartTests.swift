import MusterModel
import MusterSeries
import Testing

/// Times of these tests are milliseconds behind this one.
private let origin: Int64 = 9_000_000

/// The value of a series at a tick.
private struct Measured {
    var handle: Int
    var value: Double
    var kind: MetricKind
    var start: Int64?

    static func counter(_ value: Double, since start: Int64?) -> Measured {
        Measured(handle: 0, value: value, kind: .counter, start: start)
    }

    static func gauge(_ value: Double, handle: Int = 1) -> Measured {
        Measured(handle: handle, value: value, kind: .gauge, start: nil)
    }
}

/// One agent's encoder, the coordinator's side of it, and the blocks behind that. An hour is kept, and it is 1,000 s
/// behind the origin.
private struct Watch: ~Copyable {
    var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
    var series = HostSeries(host: hostA, compressor: RunLengthCompressor())
    var store = Watch.makeStore()
    var disk = TestDisk()
    /// Of the last frame.
    private(set) var report: HostSeries.Report?
    private var catalogue = SeriesCatalogue()
    private var groupsBelow: UInt32 = 0

    init() {}

    private static func makeStore() -> SeriesStore {
        var store = SeriesStore(settings: .init(retention: .hours(1), maxBytes: 16 << 20), seed: testSeed)
        store.timeAdvanced(to: Instant(seconds: 10_000))
        return store
    }

    /// `ended` are handles whose series end in this tick. Its frames.
    @discardableResult
    mutating func tick(_ time: Int64, _ measured: [Measured], ended: [Int] = []) throws -> [[UInt8]] {
        encoder.beginTick(milliseconds: origin + time)
        for handle in ended { encoder.ended(handle) }
        for one in measured {
            let labels: Labels = ["__name__": one.kind == .counter ? "m_total" : "m", "n": "\(one.handle)"]
            let start = one.start.map { origin + $0 }
            encoder.set(one.handle, one.value, MetricSeries(labels, one.kind, startMilliseconds: start))
        }
        let frames = encoder.endTick()
        try receive(frames)
        return frames
    }

    mutating func receive(_ frames: [[UInt8]], isKnown: Bool = false) throws {
        for frame in frames { report = try series.frameReceived(frame, into: &store, isKnown: isKnown) }
    }

    /// Everything so far is in blocks, and the catalogue names the series.
    mutating func checkpoint(part: UInt32) {
        disk.seal(&store, part: part)
        catalogue = store.takeWholeCatalogue().catalogue()
        groupsBelow = store.groupsBelow
    }

    /// Of the coordinator, which knows what the last checkpoint said.
    mutating func restart() {
        store = Watch.makeStore()
        let refused = store.restore(catalogue)
        #expect(refused == 0)
        var blocks: [(GroupID, BlockRef)] = []
        for (part, pieces) in disk.parts {
            for (offset, piece) in pieces.enumerated() {
                let times = piece.rows.times
                let block = BlockRef(
                    part: part, offset: UInt32(offset), length: 1, rows: UInt32(times.count), from: times.first ?? 0,
                    to: times.last ?? 0)
                blocks.append((piece.group, block))
            }
        }
        store.restoreBlocks(blocks, groupsBelow: groupsBelow)
        series = HostSeries(host: hostA, compressor: RunLengthCompressor())
    }

    private mutating func sorted(_ handle: Int) -> [(time: Int64, bits: UInt64)] {
        for (labels, samples) in store.content(disk: disk) where labels["n"] == "\(handle)" {
            // This is how `content` says that a time stands twice or before an earlier one.
            let isAscending = samples[.min] == nil
            #expect(isAscending, "times of series \(handle) do not ascend")
            let inOrder = samples.filter { $0.key != .min }.sorted { $0.key < $1.key }
            return inOrder.map { (time: $0.key - origin, bits: $0.value) }
        }
        return []
    }

    /// The samples of a series as `time: value`, with `!` for a stale marker.
    mutating func samples(_ handle: Int = 0) -> [String] {
        sorted(handle).map { sample in
            let isStale = sample.bits == StaleMarker.bitPattern
            return "\(sample.time): " + (isStale ? "!" : "\(Int(Double(bitPattern: sample.bits)))")
        }
    }

    /// What the counter counted from its first sample to its last: where it falls it began anew at zero.
    mutating func counted() -> Double {
        let values = sorted(0).filter { $0.bits != StaleMarker.bitPattern }.map { Double(bitPattern: $0.bits) }
        var sum = 0.0
        for (earlier, later) in zip(values, values.dropFirst()) { sum += later < earlier ? later : later - earlier }
        return sum
    }
}

@Suite struct CounterStarts {
    @Test func `what a counter counted before its first sample is an increase, and gauges get no zero`() throws {
        var watch = Watch()
        try watch.tick(0, [.gauge(5)])
        try watch.tick(1_000, [.gauge(6)])
        try watch.tick(2_000, [.gauge(7), .counter(7, since: 1_400)])
        try watch.tick(3_000, [.gauge(8), .counter(9, since: 1_400)])
        let (counter, counted) = (watch.samples(), watch.counted())
        #expect(counter == ["1400: 0", "2000: 7", "3000: 9"] && counted == 9)
        let gauge = watch.samples(1)
        #expect(gauge == ["0: 5", "1000: 6", "2000: 7", "3000: 8"])
    }

    @Test func `a counter that does not say when it began counts from its first sample on`() throws {
        var watch = Watch()
        try watch.tick(2_000, [.counter(7, since: nil)])
        try watch.tick(3_000, [.counter(9, since: nil)])
        let (counter, counted) = (watch.samples(), watch.counted())
        #expect(counter == ["2000: 7", "3000: 9"] && counted == 2)
    }

    /// The hour that is kept begins 2,600 s before the origin; the counter's first sample is at the origin.
    @Test(
        arguments: [
            (-2_600_000, true), (-2_600_001, false), (-9_000_000, false), (-9_000_001, false), (-1, true), (0, false),
            (1, false), (2_000_000, false),
        ] as [(Int64, Bool)])
    func `a zero stands within what is kept and before the first sample`(start: Int64, hasZero: Bool) throws {
        var watch = Watch()
        try watch.tick(0, [.counter(7, since: start)])
        let found = watch.samples()
        let zero = hasZero ? ["\(start): 0"] : []
        #expect(found == zero + ["0: 7"])
        // One that is left out is no refused sample.
        let counters = watch.store.counters
        #expect(counters.stored == (hasZero ? 2 : 1))
        #expect(counters.tooOld == 0 && counters.tooFarAhead == 0 && counters.conflicting == 0)
    }

    /// Between, at and behind the samples of a gauge in the same group.
    @Test(arguments: [400, 1_000, 1_999] as [Int64])
    func `a zero among the samples of others disturbs none`(start: Int64) throws {
        var watch = Watch()
        try watch.tick(0, [.gauge(5)])
        try watch.tick(1_000, [.gauge(6)])
        try watch.tick(2_000, [.gauge(7), .counter(7, since: start)])
        try watch.tick(3_000, [.gauge(8), .counter(9, since: start)])
        for isSealed in [false, true] {
            if isSealed { watch.checkpoint(part: 1) }
            let (counter, gauge) = (watch.samples(), watch.samples(1))
            #expect(counter == ["\(start): 0", "2000: 7", "3000: 9"], "sealed: \(isSealed)")
            #expect(gauge == ["0: 5", "1000: 6", "2000: 7", "3000: 8"], "sealed: \(isSealed)")
        }
    }

    @Test func `a start that is said again adds nothing`() throws {
        var watch = Watch()
        try watch.tick(0, [.counter(7, since: -400)])
        watch.encoder.beginEpoch()
        try watch.tick(1_000, [.counter(8, since: -400)])
        // Another process of the agent.
        watch.encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 500)
        try watch.tick(2_000, [.counter(9, since: -400)])
        // Another boot of the host, whose frames are read from their beginning.
        watch.series = HostSeries(host: hostA, compressor: RunLengthCompressor())
        watch.encoder.beginEpoch()
        try watch.tick(3_000, [.counter(10, since: -400)])
        // What was there is in a block.
        watch.checkpoint(part: 1)
        watch.encoder.beginEpoch()
        try watch.tick(4_000, [.counter(11, since: -400)])
        // The block is all that is known.
        watch.checkpoint(part: 2)
        watch.restart()
        watch.encoder.beginEpoch()
        try watch.tick(5_000, [.counter(12, since: -400)])
        let (found, counted) = (watch.samples(), watch.counted())
        #expect(found == ["-400: 0", "0: 7", "1000: 8", "2000: 9", "3000: 10", "4000: 11", "5000: 12"])
        #expect(counted == 12)
    }

    @Test func `a host that was given up and comes back goes on without another zero`() throws {
        var watch = Watch()
        try watch.tick(0, [.counter(7, since: -400)])
        let owner = watch.store.ownerRef(key: hostA.text)
        watch.store.ownerLost(try #require(owner))
        watch.encoder.beginEpoch()
        try watch.tick(5_000, [.counter(9, since: -400)])
        let (found, counted) = (watch.samples(), watch.counted())
        #expect(found == ["-400: 0", "0: 7", "1: !", "5000: 9"] && counted == 9)
    }

    /// The start lies before the newest sample that the checkpoint has of the group, as it does when a counter begins
    /// in the second in which the checkpoint is taken.
    @Test func `a zero that readers have seen is there when its frame is read again`() throws {
        var watch = Watch()
        var known = try watch.tick(0, [.gauge(5)])
        known += try watch.tick(1_000, [.gauge(6)])
        watch.checkpoint(part: 1)
        let new = try watch.tick(2_000, [.gauge(7), .counter(7, since: 600)])
        let before = watch.samples()
        #expect(before == ["600: 0", "2000: 7"])
        watch.restart()
        try watch.receive(known, isKnown: true)
        try watch.receive(new)
        let after = watch.samples()
        #expect(after == before)
    }
}

@Suite struct CounterRestarts {
    /// A zero stands at the new start when that is behind the last sample of the old count.
    @Test(
        arguments: [(1_700, true), (1_001, true), (1_000, false), (900, false), (-400, false)] as [(Int64, Bool)])
    func `a counter that starts anew within a tick begins with another zero`(start: Int64, hasZero: Bool) throws {
        var watch = Watch()
        try watch.tick(0, [.counter(7, since: -400)])
        try watch.tick(1_000, [.counter(9, since: -400)])
        // More than before: without the zero nobody could see that the count began anew.
        try watch.tick(2_000, [.counter(20, since: start)], ended: [0])
        try watch.tick(3_000, [.counter(21, since: start)])
        let (found, counted) = (watch.samples(), watch.counted())
        let zero = hasZero ? ["\(start): 0"] : []
        #expect(found == ["-400: 0", "0: 7", "1000: 9"] + zero + ["2000: 20", "3000: 21"])
        #expect(counted == (hasZero ? 30 : 21))
    }

    @Test(arguments: [(3_500, true), (2_001, true), (2_000, false), (1_500, false)] as [(Int64, Bool)])
    func `a counter that ended and starts anew later begins behind its end`(start: Int64, hasZero: Bool) throws {
        var watch = Watch()
        try watch.tick(0, [.counter(7, since: -400)])
        try watch.tick(1_000, [.counter(9, since: -400)])
        try watch.tick(2_000, [], ended: [0])
        try watch.tick(3_000, [])
        try watch.tick(4_000, [.counter(13, since: start)])
        let (found, counted) = (watch.samples(), watch.counted())
        let zero = hasZero ? ["\(start): 0"] : []
        #expect(found == ["-400: 0", "0: 7", "1000: 9", "2000: !"] + zero + ["4000: 13"])
        #expect(counted == (hasZero ? 22 : 13))
    }
}

@Suite struct AgentClocks {
    @Test func `a grid of seconds goes on in order behind one of quarters of a minute`() throws {
        var watch = Watch()
        watch.encoder = MetricFrameEncoder(interval: 15_000, firstNumber: 1)
        for tick in 0..<3 as Range<Int64> {
            try watch.tick(tick * 15_000, [.counter(Double(tick + 1), since: -5_000), .gauge(Double(tick))])
        }
        let slow = watch.report?.intervalMilliseconds
        #expect(slow == 15_000)
        // The agent comes back with another interval, first at a time that it has measured already.
        watch.encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 4)
        for second in 30...33 as ClosedRange<Int64> {
            try watch.tick(second * 1_000, [.counter(Double(second), since: -5_000), .gauge(Double(second))])
        }
        let fast = watch.report?.intervalMilliseconds
        #expect(fast == 1_000)
        for isSealed in [false, true] {
            if isSealed { watch.checkpoint(part: 1) }
            let (counter, gauge) = (watch.samples(), watch.samples(1))
            let kept = ["31000: 31", "32000: 32", "33000: 33"]
            #expect(counter == ["-5000: 0", "0: 1", "15000: 2", "30000: 3"] + kept, "sealed: \(isSealed)")
            #expect(gauge == ["0: 0", "15000: 1", "30000: 2"] + kept, "sealed: \(isSealed)")
        }
        let counters = watch.store.counters
        #expect(counters.conflicting == 2 && counters.tooOld == 0 && counters.duplicate == 0)
        #expect(watch.store.seriesCount == 2)
    }

    /// An agent's samples come in order; what is older than the newest of its series is refused and counted.
    @Test func `behind a clock that stepped back a series goes on where it was, each time once`() throws {
        var watch = Watch()
        for tick in 0...3 as ClosedRange<Int64> { try watch.tick(tick * 1_000, [.gauge(Double(tick))]) }
        // A series that is new has nothing that it could be older than.
        try watch.tick(1_500, [.gauge(10), .gauge(50, handle: 2)])
        try watch.tick(2_500, [.gauge(11), .gauge(51, handle: 2)])
        try watch.tick(3_000, [.gauge(12), .gauge(52, handle: 2)])
        try watch.tick(3_000, [.gauge(3), .gauge(52, handle: 2)])
        try watch.tick(4_000, [.gauge(13), .gauge(53, handle: 2)])
        for isSealed in [false, true] {
            if isSealed { watch.checkpoint(part: 1) }
            let (old, new) = (watch.samples(1), watch.samples(2))
            #expect(old == ["0: 0", "1000: 1", "2000: 2", "3000: 3", "4000: 13"], "sealed: \(isSealed)")
            #expect(new == ["1500: 50", "2500: 51", "3000: 52", "4000: 53"], "sealed: \(isSealed)")
        }
        let counters = watch.store.counters
        #expect(counters.tooOld == 2 && counters.conflicting == 1 && counters.duplicate == 2)
        #expect(watch.store.seriesCount == 2 && counters.seriesForgotten == 0)
    }

    @Test func `an end at a time that has passed marks nothing, and the series goes on`() throws {
        var watch = Watch()
        for tick in 0...3 as ClosedRange<Int64> { try watch.tick(tick * 1_000, [.gauge(Double(tick))]) }
        try watch.tick(1_500, [], ended: [1])
        try watch.tick(4_000, [.gauge(5)])
        let found = watch.samples(1)
        #expect(found == ["0: 0", "1000: 1", "2000: 2", "3000: 3", "4000: 5"])
        #expect(watch.store.seriesCount == 1)
    }
}
