import MusterModel
import MusterSeries
import Testing

@Suite struct MetricFrameLimits {
    @Test func `series beyond the limits are refused once an epoch and counted`() {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
        let tooMany = Labels((0...Limits.labelsPerSet).map { ("l\($0)", "v") })
        let long = String(repeating: "v", count: Limits.labelValueBytes + 1)
        let bad = [
            MetricSeries(tooMany), MetricSeries(["a": long]), MetricSeries(["": "v"]),
            MetricSeries([String(repeating: "n", count: Limits.labelNameBytes + 1): "v"]),
            MetricSeries(["a": "b"], .gauge, unit: long), MetricSeries(["a": "b"], .gauge, help: long),
        ]
        for _ in 0..<3 {
            encoder.beginTick(milliseconds: 1)
            for (handle, series) in bad.enumerated() { #expect(encoder.set(handle, 1, series) == false) }
            _ = encoder.endTick()
        }
        #expect(encoder.refusedSeries == UInt64(bad.count))
        #expect(encoder.set(MetricFrameEncoder.handles, 1, MetricSeries([:])) == false)
        #expect(encoder.set(-1, 1, MetricSeries([:])) == false)
        #expect(encoder.refusedSeries == UInt64(bad.count + 2))
        #expect(encoder.set(9, 1, MetricSeries(["a": String(long.dropLast())])) == true)
    }

    @Test func `a host has no more series than the limit on either side and every frame fits`() throws {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        for round in 0..<2 {
            encoder.beginTick(milliseconds: Int64(round))
            for handle in 0...Limits.seriesPerHost {
                // The square root of a number that is none has no short decimal.
                let value = Double(3 * handle + 2 + round).squareRoot()
                encoder.set(handle, value, MetricSeries(["n": "\(handle)"]))
            }
            for frame in encoder.endTick() {
                #expect(frame.count <= Limits.frameBytes)
                _ = try decoder.decode(frame)
            }
        }
        #expect(encoder.refusedSeries == 1)
        #expect(decoder.liveSeries == Limits.seriesPerHost)
    }

    @Test func `churn begins a new epoch before refs run out`() throws {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        let each = 20_000
        var begun = 0
        for round in 0..<12 {
            encoder.beginTick(milliseconds: Int64(round))
            if round > 0 { for handle in 0..<each { encoder.ended(handle) } }
            for handle in 0..<each { encoder.set(handle, 1, MetricSeries(["n": "\(round).\(handle)"])) }
            for frame in encoder.endTick() { begun += try decoder.decode(frame).isKeyframe ? 1 : 0 }
        }
        #expect(encoder.refusedSeries == 0)
        #expect(begun >= 2)
        #expect(decoder.liveSeries == each)
    }

    /// Keyframes no encoder of ours makes: strings, families, starts, definitions and so on as raw body bytes.
    @Test(arguments: [
        ([0, 0, 0, 0, 0, 0] as [UInt8], nil as String?),
        ([], "ends within the number of strings"),
        ([1], "ends within the strings"),
        ([1, 2, 65, 66, 0, 0, 0, 0, 0], nil),
        ([1, 2, 0xff, 0xfe, 0, 0, 0, 0, 0], "no UTF-8"),
        ([0, 1, 0, 0, 0, 0], "a text was not sent"),
        ([1, 0, 1, 0, 9, 0, 0], "the kind of metric 9 is unknown"),
        ([1, 0, 1, 0], "ends within a family"),
        ([0, 0, 1], "ends within the start times"),
        ([0, 0, 1, 0xff], "ends within a start time"),
        ([0, 0, 0, 1, 0, 0, 0], "names a family that was not sent"),
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0], "names a start that was not sent"),
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], nil),
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], "labelNameBytes"),
        ([2, 0, 1, 65, 1, 0, 0, 0, 0, 0, 1, 0, 0, 2, 1, 0, 1, 0, 0, 0], "two labels of one name"),
        ([0, 0, 0, 0, 1, 0, 0], "an ended series is unknown"),
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0], "a series ends twice"),
        ([0, 0, 0, 0, 0], "ends within the presence"),
        ([0, 0, 0, 0, 0, 2], "a pattern of presence is unknown"),
        ([0, 0, 0, 0, 0, 1, 1, 0, 0], "a toggled series is unknown"),
        ([0, 0, 0, 0, 0, 0, 0], "bytes follow its end"),
        // One series that has failed once: its flag, then its value.
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], "ends within the values"),
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1], "a value makes no sense"),
        ([1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3], "ends within the values"),
        ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "ends within the number of strings"),
        ([0xff, 0xff, 0xff, 0xff, 0x0f], "ends within the strings"),
    ])
    func `damaged bodies are told apart`(body: [UInt8], problem: String?) {
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        // Codec 2, a keyframe with a dictionary; number 1, at 0 ms, every ms, none missed.
        let header: [UInt8] = [2 | (1 | 16) << 3, 1, 0, 1, 0]
        do {
            _ = try decoder.decode(header + body)
            #expect(problem == nil)
        } catch {
            #expect(problem.map { error.description.contains($0) } == true, "\(error)")
        }
    }

    @Test func `headers are checked`() {
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        #expect(throws: MetricFrameError.truncated("the header")) { try decoder.decode([]) }
        #expect(throws: MetricFrameError.truncated("the header")) { try decoder.decode([2 | 1 << 3, 1, 0]) }
        #expect(throws: MetricFrameError.malformed("an interval of 0 ms")) {
            try decoder.decode([2 | 1 << 3, 1, 0, 0, 0, 0])
        }
        #expect(throws: MetricFrameError.needsKeyframe(number: 5)) { try decoder.decode([2, 5, 0]) }
        #expect(throws: MetricFrameError.compression(.damaged("odd length"))) {
            try decoder.decode([2 | 3 << 3, 1, 0, 1, 0, 1])
        }
    }

    @Test func `an older or newer frame is refused by name`() {
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        // What an agent of codec 1 sent began with its version and its codec.
        let old: [UInt8] = [1, 1, 5] + [UInt8](repeating: 0, count: 20)
        #expect(throws: MetricFrameError.unsupported(codec: 1)) { try decoder.decode(old) }
        #expect(throws: MetricFrameError.unsupported(codec: 3)) { try decoder.decode([3, 1, 0]) }
        #expect(MetricFrameError.unsupported(codec: 1).description.contains("codec 1; this coordinator reads codec 2"))
        #expect(!MetricFrame.isKeyframe(old))
    }

    /// Frames of a small host in which everything happens.
    private func sound() -> [[UInt8]] {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1, compressor: RunLengthCompressor())
        var frames: [[UInt8]] = []
        for tick in 0..<6 {
            encoder.beginTick(milliseconds: Int64(tick), missed: UInt64(tick / 5))
            if tick == 2 { encoder.ended(1) }
            for handle in 0..<70 where handle % 7 != tick {
                let value = [Double(handle * tick), 0.25, 1 / Double(handle + tick + 1), -3][handle % 4]
                encoder.set(handle, value, Stream.series(handle))
            }
            frames += encoder.endTick()
        }
        return frames
    }

    @Test func `no bytes make the decoder trap`() throws {
        var chance = Seeded(state: 42)
        let frames = sound()
        var mutations = 0
        var broken = 0
        while mutations < 100_000 {
            var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
            for frame in frames {
                var bytes = frame
                for _ in 0..<Int.random(in: 0...3, using: &chance) {
                    bytes[Int.random(in: 0..<bytes.count, using: &chance)] = UInt8.random(in: 0...255, using: &chance)
                }
                if Int.random(in: 0..<8, using: &chance) == 0 {
                    bytes.removeLast(Int.random(in: 0..<bytes.count, using: &chance))
                }
                mutations += 1
                guard let tick = try? decoder.decode(bytes) else { continue }
                // A frame gives no more than it could hold.
                let isBounded = tick.refs.count <= decoder.liveSeries && tick.definitions.count <= 255 * bytes.count
                if !isBounded || tick.refs.count != tick.bits.count { broken += 1 }
            }
        }
        #expect(broken == 0)
        // After all that a sound stream reads.
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        for frame in frames { _ = try decoder.decode(frame) }
    }

    @Test func `every prefix of a frame is refused`() throws {
        let frames = sound()
        for (index, frame) in frames.enumerated() {
            for length in 0..<frame.count {
                var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
                for before in frames[..<index] { _ = try decoder.decode(before) }
                #expect(throws: MetricFrameError.self) { try decoder.decode(Array(frame[..<length])) }
            }
        }
    }
}
