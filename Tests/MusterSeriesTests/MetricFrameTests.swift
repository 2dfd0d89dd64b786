import MusterModel
import MusterSeries
import Testing

private func labels(_ number: Int) -> Labels { ["__name__": "m", "n": "\(number)"] }

/// An agent and a coordinator with a faultless link between them.
private struct Pair {
    var encoder: MetricFrameEncoder
    var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
    var milliseconds: Int64 = 1_000
    /// What the coordinator knows: labels by ref.
    var known: [Int: Labels] = [:]

    init(compressor: (any Compressor)? = nil) { encoder = MetricFrameEncoder(firstEpoch: 7, compressor: compressor) }

    mutating func tick(_ values: [(Int, Double)], ended: [Int] = []) throws -> [MetricTick] {
        encoder.beginTick(milliseconds: milliseconds)
        milliseconds += 1_000
        for handle in ended { encoder.ended(handle) }
        for (handle, value) in values { encoder.set(handle, value, labels: labels(handle)) }
        return try encoder.endTick().map { try decode($0) }
    }

    mutating func decode(_ frame: [UInt8]) throws -> MetricTick {
        let tick = try decoder.decode(frame)
        if tick.isKeyframe { known = [:] }
        for definition in tick.definitions { known[definition.ref] = definition.labels }
        return tick
    }

    /// Values by handle number, read back from the labels.
    func values(_ ticks: [MetricTick]) -> [String: UInt64] {
        var values: [String: UInt64] = [:]
        for value in ticks.flatMap(\.values) { values[known[value.ref]?["n"] ?? "?"] = value.bitPattern }
        return values
    }
}

@Suite struct MetricFrames {
    @Test func `every bit pattern survives in every order`() throws {
        var pair = Pair(compressor: RunLengthCompressor())
        var chance = Seeded(state: 1)
        for _ in 0..<60 {
            let bits = awkwardBits.shuffled(using: &chance)
            let ticks = try pair.tick(bits.enumerated().map { ($0.offset, Double(bitPattern: $0.element)) })
            let expected = Dictionary(uniqueKeysWithValues: bits.enumerated().map { ("\($0.offset)", $0.element) })
            #expect(pair.values(ticks) == expected)
        }
    }

    @Test func `labels travel once`() throws {
        var pair = Pair()
        let first = try pair.tick([(0, 1), (1, 2)])
        #expect(first[0].isKeyframe && first[0].isComplete)
        #expect(first[0].milliseconds == 1_000)
        #expect(first[0].definitions.map(\.labels) == [labels(0), labels(1)])
        let second = try pair.tick([(0, 2), (1, 2), (2, 3)])
        #expect(!second[0].isKeyframe)
        #expect(second[0].definitions.map(\.labels) == [labels(2)])
        #expect(pair.values(second) == ["0": 2.0.bitPattern, "1": 2.0.bitPattern, "2": 3.0.bitPattern])
    }

    @Test func `a series that is not set has no sample in that tick`() throws {
        var pair = Pair()
        _ = try pair.tick([(0, 1), (1, 2), (2, 3)])
        #expect(pair.values(try pair.tick([(1, 2)])) == ["1": 2.0.bitPattern])
        #expect(pair.values(try pair.tick([])) == [:])
        #expect(pair.values(try pair.tick([(0, 5), (2, 3)])) == ["0": 5.0.bitPattern, "2": 3.0.bitPattern])
    }

    @Test func `a series ends and its handle serves another`() throws {
        var pair = Pair()
        _ = try pair.tick([(0, 1), (1, 2)])
        let ticks = try pair.tick([(1, 2)], ended: [0])
        #expect(ticks[0].ended == [0])
        #expect(pair.decoder.liveSeries == 1)
        let again = try pair.tick([(0, 9), (1, 2)])
        #expect(again[0].definitions.map(\.ref) == [2])
        #expect(pair.encoder.liveSeries == 2)
        // Unknown handles and second ends say nothing.
        #expect(try pair.tick([], ended: [77, -1])[0].ended == [])
    }

    @Test func `a series may begin and end within a tick`() throws {
        var pair = Pair()
        pair.encoder.beginTick(milliseconds: 1)
        pair.encoder.set(4, 1, labels: labels(4))
        pair.encoder.ended(4)
        let tick = try pair.decode(pair.encoder.endTick()[0])
        #expect(tick.definitions.count == 1 && tick.ended == [0] && tick.values == [])
    }

    @Test func `a new epoch defines everything again`() throws {
        var pair = Pair()
        _ = try pair.tick([(0, 1), (1, 2)])
        pair.encoder.beginEpoch()
        #expect(pair.encoder.epoch == 8)
        let ticks = try pair.tick([(0, 1), (1, 2)])
        #expect(ticks[0].isKeyframe && ticks[0].definitions.count == 2)
    }

    @Test func `a missing frame asks for a keyframe and nothing is read until it comes`() throws {
        var pair = Pair()
        _ = try pair.tick([(0, 1)])
        pair.encoder.beginTick(milliseconds: 1)
        pair.encoder.set(0, 5, labels: labels(0))
        _ = pair.encoder.endTick()
        #expect(throws: MetricFrameError.needsKeyframe(epoch: 7, index: 2)) { try pair.tick([(0, 6)]) }
        #expect(throws: MetricFrameError.needsKeyframe(epoch: 7, index: 3)) { try pair.tick([(0, 6)]) }
        pair.encoder.beginEpoch()
        #expect(pair.values(try pair.tick([(0, 6)])) == ["0": 6.0.bitPattern])
    }

    @Test func `a frame of another epoch asks for a keyframe`() throws {
        var pair = Pair()
        _ = try pair.tick([(0, 1)])
        var other = MetricFrameEncoder(firstEpoch: 99)
        for _ in 0..<2 {
            other.beginTick(milliseconds: 1)
            other.set(0, 1, labels: labels(0))
            let frame = other.endTick()[0]
            if frame[2] & 1 == 0 {
                #expect(throws: MetricFrameError.needsKeyframe(epoch: 99, index: 1)) { try pair.decode(frame) }
            }
        }
    }

    @Test func `a body is deflated only when that is smaller`() throws {
        func frame(_ compressor: (any Compressor)?, _ text: String) -> [UInt8] {
            var encoder = MetricFrameEncoder(firstEpoch: 1, compressor: compressor)
            encoder.beginTick(milliseconds: 1)
            encoder.set(0, 1, labels: ["a": text])
            return encoder.endTick()[0]
        }
        let long = String(repeating: "x", count: 2_000)
        #expect(frame(RunLengthCompressor(), long).count < 100)
        #expect(frame(RunLengthCompressor(), "abc") == frame(nil, "abc"))
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        #expect(try decoder.decode(frame(RunLengthCompressor(), long)).definitions[0].labels["a"] == long)
    }

    @Test func `a steady tick is small`() throws {
        var pair = Pair()
        let values = (0..<900).map { ($0, Double($0) * 1.5) }
        _ = try pair.tick(values)
        pair.encoder.beginTick(milliseconds: 2)
        for (handle, value) in values { pair.encoder.set(handle, value, labels: labels(handle)) }
        let frame = pair.encoder.endTick()[0]
        #expect(frame.count < 19 + 3 + 113 + 2)
    }

    @Test func `definitions beyond one frame continue in the next`() throws {
        var pair = Pair()
        let filler = String(repeating: "f", count: 2_000)
        pair.encoder.beginTick(milliseconds: 5)
        for handle in 0..<400 {
            pair.encoder.set(handle, Double(handle), labels: ["n": "\(handle)", "f": filler + "\(handle)"])
        }
        pair.encoder.ended(3)
        let frames = pair.encoder.endTick()
        #expect(frames.count > 4)
        #expect(frames.allSatisfy { $0.count <= Limits.frameBytes })
        let ticks = try frames.map { try pair.decode($0) }
        #expect(ticks.map(\.isKeyframe) == [true] + Array(repeating: false, count: frames.count - 1))
        #expect(ticks.map(\.isComplete) == Array(repeating: false, count: frames.count - 1) + [true])
        #expect(ticks.last?.ended == [3])
        #expect(pair.values(ticks).count == 399)
        #expect(ticks.flatMap(\.values).count == 399)
    }
}

@Suite struct MetricFrameLimits {
    @Test func `labels beyond the limits are refused once an epoch and counted`() {
        var encoder = MetricFrameEncoder(firstEpoch: 1)
        let tooMany = Labels((0...Limits.labelsPerSet).map { ("l\($0)", "v") })
        let bad: [Labels] = [
            tooMany, ["a": String(repeating: "v", count: Limits.labelValueBytes + 1)],
            [String(repeating: "n", count: Limits.labelNameBytes + 1): "v"], ["": "v"],
        ]
        for _ in 0..<3 {
            encoder.beginTick(milliseconds: 1)
            for (handle, labels) in bad.enumerated() { #expect(encoder.set(handle, 1, labels: labels) == false) }
            _ = encoder.endTick()
        }
        #expect(encoder.refusedSeries == UInt64(bad.count))
        #expect(encoder.set(MetricFrameEncoder.handles, 1, labels: [:]) == false)
        #expect(encoder.set(-1, 1, labels: [:]) == false)
        #expect(encoder.refusedSeries == UInt64(bad.count + 2))
        #expect(encoder.set(5, 1, labels: ["a": String(repeating: "v", count: Limits.labelValueBytes)]) == true)
    }

    @Test func `a host has no more series than the limit on either side and every frame fits`() throws {
        var encoder = MetricFrameEncoder(firstEpoch: 1)
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        for round in 0..<2 {
            encoder.beginTick(milliseconds: Int64(round))
            for handle in 0...Limits.seriesPerHost {
                encoder.set(handle, Double(handle) + 0.1 + Double(round), labels: ["n": "\(handle)"])
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
        var encoder = MetricFrameEncoder(firstEpoch: 1)
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        let each = 20_000
        var begun = 0
        for round in 0..<12 {
            encoder.beginTick(milliseconds: Int64(round))
            if round > 0 { for handle in 0..<each { encoder.ended(handle) } }
            for handle in 0..<each { encoder.set(handle, 1, labels: ["n": "\(round).\(handle)"]) }
            for frame in encoder.endTick() { begun += try decoder.decode(frame).isKeyframe ? 1 : 0 }
        }
        #expect(encoder.refusedSeries == 0)
        #expect(begun >= 2)
        #expect(decoder.liveSeries == each)
    }

    /// Frames no encoder of ours makes: `strings`, `definitions` and so on as raw body bytes.
    @Test(arguments: [
        ([0, 0, 0] as [UInt8], nil as String?),
        ([], "ends within the number of strings"),
        ([1], "ends within the strings"),
        ([1, 2, 65, 66, 0, 0], nil),
        ([1, 2, 0xff, 0xfe, 0, 0], "no UTF-8"),
        ([0, 1, 1, 0, 0, 0], "was not sent"),
        ([1, 1, 65, 1, 1, 0, 0, 0, 0], nil),
        ([1, 1, 65, 1, 2, 0, 0, 0, 0, 0, 0, 0], "two labels of one name"),
        ([1, 0, 1, 1, 0, 0, 0, 0, 0], "labelNameBytes"),
        ([0, 1, 65, 0, 0], "ends within the labels"),
        ([0, 0, 1, 0], "an ended series is unknown"),
        ([1, 1, 65, 1, 1, 0, 0, 2, 0, 0], "an ended series is unknown"),
        ([0, 0, 0, 0], "follow its end"),
        ([1, 1, 65, 1, 1, 0, 0, 0, 2], "bits behind its end"),
        ([1, 1, 65, 1, 1, 0, 0, 0, 1], "ends within the bitmap of raw values"),
        ([1, 1, 65, 1, 1, 0, 0, 0, 1, 1, 0, 0], "ends within a raw value"),
        ([1, 1, 65, 1, 1, 0, 0, 0, 1, 0], "ends within a difference"),
        (
            [1, 1, 65, 1, 1, 0, 0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            "leaves the whole numbers"
        ),
        ([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "ends within the number of strings"),
        ([0xff, 0xff, 0xff, 0xff, 0x0f], "ends within the strings"),
    ])
    func `damaged bodies are told apart`(body: [UInt8], problem: String?) {
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        let header: [UInt8] = [1, 1, 5] + [UInt8](repeating: 0, count: 16)
        do {
            _ = try decoder.decode(header + body)
            #expect(problem == nil)
        } catch {
            #expect(problem.map { error.description.contains($0) } == true, "\(error)")
        }
    }

    @Test func `headers are checked`() {
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        let rest = [UInt8](repeating: 0, count: 16)
        #expect(throws: MetricFrameError.truncated("the header")) { try decoder.decode([1, 1, 5]) }
        #expect(throws: MetricFrameError.unsupported(version: 2, codec: 1)) { try decoder.decode([2, 1, 5] + rest) }
        #expect(throws: MetricFrameError.unsupported(version: 1, codec: 9)) { try decoder.decode([1, 9, 5] + rest) }
        #expect(throws: MetricFrameError.malformed("unknown flags 128")) { try decoder.decode([1, 1, 128] + rest) }
        #expect(throws: MetricFrameError.self) { try decoder.decode([1, 1, 4] + rest) }
        #expect(throws: MetricFrameError.compression(.damaged("odd length"))) {
            try decoder.decode([1, 1, 7] + rest + [1])
        }
    }

    @Test func `no bytes make the decoder trap`() throws {
        var chance = Seeded(state: 42)
        var encoder = MetricFrameEncoder(firstEpoch: 1, compressor: RunLengthCompressor())
        var frames: [[UInt8]] = []
        for tick in 0..<4 {
            encoder.beginTick(milliseconds: Int64(tick))
            if tick == 2 { encoder.ended(1) }
            for handle in 0..<12 where handle != tick {
                encoder.set(handle, Double(handle * tick) + 0.5, labels: labels(handle))
            }
            frames += encoder.endTick()
        }
        for _ in 0..<3_000 {
            var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
            for frame in frames {
                var bytes = frame
                for _ in 0..<Int.random(in: 0...3, using: &chance) {
                    bytes[Int.random(in: 0..<bytes.count, using: &chance)] = UInt8.random(in: 0...255, using: &chance)
                }
                if Bool.random(using: &chance) { bytes.removeLast(Int.random(in: 0..<bytes.count, using: &chance)) }
                _ = try? decoder.decode(bytes)
            }
        }
        // After all that a sound stream reads.
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        for frame in frames { _ = try decoder.decode(frame) }
    }

    @Test func `every prefix of a frame is refused`() throws {
        var encoder = MetricFrameEncoder(firstEpoch: 1)
        encoder.beginTick(milliseconds: 1)
        for handle in 0..<9 { encoder.set(handle, 0.1 + Double(handle), labels: labels(handle)) }
        let frame = encoder.endTick()[0]
        for length in 0..<frame.count {
            var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
            #expect(throws: MetricFrameError.self) { try decoder.decode(frame[..<length]) }
        }
    }
}
