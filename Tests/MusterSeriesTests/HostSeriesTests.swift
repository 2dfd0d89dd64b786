import MusterModel
import MusterSeries
import Testing

/// One agent's encoder and the coordinator's side of it.
private struct HostStream: ~Copyable {
    var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
    var series = HostSeries(host: hostA, compressor: RunLengthCompressor())
    var store = SeriesStore(
        settings: .init(retention: .hours(1), maxBytes: 16 << 20, seriesPerOwner: 3), seed: HashSeed(1, 2))

    init() { store.timeAdvanced(to: Instant(seconds: 10_000)) }

    @discardableResult
    mutating func tick(_ milliseconds: Int64, _ values: [Int: Double], ended: [Int] = []) throws -> Int {
        encoder.beginTick(milliseconds: milliseconds)
        for handle in ended { encoder.ended(handle) }
        for (handle, value) in values.sorted(by: { $0.key < $1.key }) {
            encoder.set(handle, value, MetricSeries(["__name__": "m", "n": "\(handle)"], .gauge, help: "a metric"))
        }
        var stored = 0
        for frame in encoder.endTick() { stored += try received(frame).outcome.stored }
        return stored
    }

    @discardableResult
    mutating func received(_ frame: [UInt8], isKnown: Bool = false) throws -> HostSeries.Report {
        try series.frameReceived(frame, into: &store, isKnown: isKnown)
    }

    /// `n` -> the values, `!` for the stale marker.
    mutating func contents() throws -> [String: [String]] {
        let view = store.view([SeriesRequest(matchers: [])])
        var contents: [String: [String]] = [:]
        let decoded = view.decode(view.selections[0]) { (_: GroupID, _: BlockRef, _: UInt64) in BlockRows() }
        for entry in decoded.entries {
            let pair = decoded.pairs[entry.labels].first { view.text(of: $0.name) == "n" }
            contents[pair.map { view.text(of: $0.value) } ?? ""] = decoded.bits[entry.samples].map { bits in
                bits == StaleMarker.bitPattern ? "!" : "\(Int(Double(bitPattern: bits)))"
            }
        }
        return contents
    }
}

@Suite struct HostSeriesFrames {
    private let start: Int64 = 9_000_000

    @Test func `frames become samples under the host's labels`() throws {
        var stream = HostStream()
        #expect(try stream.tick(start, [0: 1, 1: 2]) == 2)
        #expect(try stream.tick(start + 1_000, [0: 2, 1: 2]) == 2)
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["1", "2"], "1": ["2", "2"]])
        }
        let view = stream.store.view([SeriesRequest(matchers: [LabelMatcher("n", equals: "0")])])
        #expect(view.labels(of: view.selections[0]) == [["__name__": "m", "n": "0", "host": "host-a"]])
        #expect(stream.store.metadata(of: "m")?.type == "gauge" && stream.store.metadata(of: "m")?.help == "a metric")
    }

    @Test func `an ended series is marked at the tick that ends it`() throws {
        var stream = HostStream()
        try stream.tick(start, [0: 1, 1: 2])
        try stream.tick(start + 1_000, [1: 3], ended: [0])
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["1", "!"], "1": ["2", "3"]])
        }
    }

    @Test func `what a keyframe does not define again has ended`() throws {
        var stream = HostStream()
        try stream.tick(start, [0: 1, 1: 2])
        // The agent starts anew.
        stream.encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1_001)
        try stream.tick(start + 1_000, [1: 3])
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["1", "!"], "1": ["2", "3"]])
        }
    }

    @Test func `a series that ends and begins within a tick goes on`() throws {
        var stream = HostStream()
        try stream.tick(start, [0: 1])
        try stream.tick(start + 1_000, [0: 5], ended: [0])
        try stream.tick(start + 2_000, [0: 6])
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["1", "5", "6"]])
        }
        try stream.tick(start + 3_000, [:], ended: [0])
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["1", "5", "6", "!"]])
        }
    }

    @Test func `a series the store refuses costs only itself`() throws {
        var stream = HostStream()
        #expect(try stream.tick(start, [0: 1, 1: 1, 2: 1, 3: 1]) == 3)
        #expect(try stream.tick(start + 1_000, [0: 2, 3: 2]) == 1)
        #expect(stream.store.counters.refusedOverOwnerBudget == 1)
        try stream.tick(start + 2_000, [0: 3], ended: [3])
        do {
            let contents = try stream.contents()
            #expect(contents["0"] == ["1", "2", "3"])
        }
    }

    @Test func `ticks outside the time that is kept are counted but keep the dictionary whole`() throws {
        var stream = HostStream()
        #expect(try stream.tick(1_000, [0: 1]) == 0)
        #expect(try stream.tick(start, [0: 2]) == 1)
        #expect(try stream.tick(20_000_000, [0: 3]) == 0)
        #expect(try stream.tick(start + 1_000, [0: 4]) == 1)
        #expect(stream.store.counters.tooOld == 1 && stream.store.counters.tooFarAhead == 1)
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["2", "4"]])
        }
    }

    @Test func `after a gap nothing reaches the store until the next keyframe`() throws {
        var stream = HostStream()
        try stream.tick(start, [0: 1])
        stream.encoder.beginTick(milliseconds: start + 1_000)
        stream.encoder.set(0, 2, MetricSeries([:]))
        _ = stream.encoder.endTick()
        #expect(throws: MetricFrameError.needsKeyframe(number: 3)) { try stream.tick(start + 2_000, [0: 3]) }
        stream.encoder.beginEpoch()
        try stream.tick(start + 3_000, [0: 4])
        do {
            let contents = try stream.contents()
            #expect(contents == ["0": ["1", "4"]])
        }
    }

    @Test func `the same bytes read again give the same store`() throws {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
        var frames: [[UInt8]] = []
        for tick in 0..<50 {
            encoder.beginTick(milliseconds: start + Int64(tick) * 1_000)
            for handle in 0..<3 { encoder.set(handle, Double(handle * tick), MetricSeries(["n": "\(handle)"])) }
            frames += encoder.endTick()
        }
        var stream = HostStream()
        for frame in frames { try stream.received(frame) }
        let first = try stream.contents()
        // The coordinator restarts and reads its segments again.
        var again = HostStream()
        for frame in frames { try again.received(frame) }
        let second = try again.contents()
        #expect(second == first)
        #expect(again.store.counters.stored == 150)
        // What a checkpoint has is read for what it defines only.
        var known = HostStream()
        for frame in frames.dropLast() { try known.received(frame, isKnown: true) }
        #expect(known.store.counters.stored == 0)
        #expect(try known.received(frames[49]).outcome.stored == 3)
    }
}
