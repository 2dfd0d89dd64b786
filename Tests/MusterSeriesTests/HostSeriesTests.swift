import MusterModel
import MusterSeries
import Testing

/// One agent's encoder and the coordinator's side of it.
private struct Stream {
    var encoder = MetricFrameEncoder(firstEpoch: 1)
    var series = HostSeries(host: hostA, hostLabels: ["rack": "r1"], compressor: RunLengthCompressor())
    var store = HotStore(settings: .init(retention: .hours(1), maxBytes: 1 << 20, seriesPerHost: 3))
    var now = Instant(seconds: 10_000)

    @discardableResult
    mutating func tick(_ milliseconds: Int64, _ values: [Int: Double], ended: [Int] = []) throws -> Int {
        encoder.beginTick(milliseconds: milliseconds)
        for handle in ended { encoder.ended(handle) }
        for (handle, value) in values.sorted(by: { $0.key < $1.key }) {
            encoder.set(handle, value, labels: ["__name__": "m", "n": "\(handle)"])
        }
        var stored = 0
        for frame in encoder.endTick() { stored += try series.frameReceived(frame, into: &store, now: now) }
        return stored
    }

    /// `n` -> the values, `!` for the stale marker.
    var contents: [String: [String]] {
        var contents: [String: [String]] = [:]
        for series in store.select([], from: .min, to: .max) {
            contents[series.labels["n"] ?? ""] = series.samples.map { sample in
                StaleMarker.isMarker(sample.value) ? "!" : "\(Int(sample.value))"
            }
        }
        return contents
    }
}

@Suite struct HostSeriesFrames {
    private let start: Int64 = 9_000_000

    @Test func `frames become samples under the host's labels`() throws {
        var stream = Stream()
        #expect(try stream.tick(start, [0: 1, 1: 2]) == 2)
        #expect(try stream.tick(start + 1_000, [0: 2, 1: 2]) == 2)
        #expect(stream.contents == ["0": ["1", "2"], "1": ["2", "2"]])
        #expect(
            stream.store.labelSets([LabelMatcher("n", equals: "0")], limit: 1)
                == [["__name__": "m", "n": "0", "host": "host-a", "rack": "r1"]])
    }

    @Test func `an ended series is marked at the tick that ends it`() throws {
        var stream = Stream()
        try stream.tick(start, [0: 1, 1: 2])
        try stream.tick(start + 1_000, [1: 3], ended: [0])
        #expect(stream.contents == ["0": ["1", "!"], "1": ["2", "3"]])
    }

    @Test func `what a keyframe does not define again has ended`() throws {
        var stream = Stream()
        try stream.tick(start, [0: 1, 1: 2])
        // The agent starts anew.
        stream.encoder = MetricFrameEncoder(firstEpoch: 2)
        try stream.tick(start + 1_000, [1: 3])
        #expect(stream.contents == ["0": ["1", "!"], "1": ["2", "3"]])
    }

    @Test func `a series that ends and begins within a tick goes on`() throws {
        var stream = Stream()
        try stream.tick(start, [0: 1])
        try stream.tick(start + 1_000, [0: 5], ended: [0])
        try stream.tick(start + 2_000, [0: 6])
        #expect(stream.contents == ["0": ["1", "5", "6"]])
        try stream.tick(start + 3_000, [:], ended: [0])
        #expect(stream.contents == ["0": ["1", "5", "6", "!"]])
    }

    @Test func `a series the store refuses costs only itself`() throws {
        var stream = Stream()
        #expect(try stream.tick(start, [0: 1, 1: 1, 2: 1, 3: 1]) == 3)
        #expect(try stream.tick(start + 1_000, [0: 2, 3: 2]) == 1)
        #expect(stream.store.counters.refusedSeries == 1)
        try stream.tick(start + 2_000, [0: 3], ended: [3])
        #expect(stream.contents["0"] == ["1", "2", "3"])
    }

    @Test func `ticks outside the time that is kept are counted but keep the dictionary whole`() throws {
        var stream = Stream()
        #expect(try stream.tick(1_000, [0: 1]) == 0)
        #expect(try stream.tick(start, [0: 2]) == 1)
        #expect(try stream.tick(20_000_000, [0: 3]) == 0)
        #expect(try stream.tick(start + 1_000, [0: 4]) == 1)
        #expect(stream.store.counters.outsideTime == 2)
        #expect(stream.contents == ["0": ["2", "4"]])
    }

    @Test func `after a gap nothing reaches the store until the next keyframe`() throws {
        var stream = Stream()
        try stream.tick(start, [0: 1])
        stream.encoder.beginTick(milliseconds: start + 1_000)
        stream.encoder.set(0, 2, labels: [:])
        _ = stream.encoder.endTick()
        #expect(throws: MetricFrameError.needsKeyframe(epoch: 1, index: 2)) { try stream.tick(start + 2_000, [0: 3]) }
        stream.encoder.beginEpoch()
        try stream.tick(start + 3_000, [0: 4])
        #expect(stream.contents == ["0": ["1", "4"]])
    }

    @Test func `the same bytes read again give the same store`() throws {
        var encoder = MetricFrameEncoder(firstEpoch: 1)
        var frames: [[UInt8]] = []
        for tick in 0..<50 {
            encoder.beginTick(milliseconds: start + Int64(tick) * 1_000)
            for handle in 0..<3 { encoder.set(handle, Double(handle * tick), labels: ["n": "\(handle)"]) }
            frames += encoder.endTick()
        }
        var stream = Stream()
        for frame in frames { try stream.series.frameReceived(frame, into: &stream.store, now: stream.now) }
        let first = stream.contents
        // The coordinator restarts and reads its segments again.
        var again = Stream()
        for frame in frames { try again.series.frameReceived(frame, into: &again.store, now: again.now) }
        #expect(again.contents == first)
        #expect(again.store.counters.stored == 150)
    }
}
