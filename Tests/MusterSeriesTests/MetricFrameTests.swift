import MusterModel
import MusterSeries
import Testing

@Suite struct MetricFrames {
    @Test func `labels travel once`() throws {
        var stream = Stream()
        let first = try stream.tick([(0, 1), (1, 2)])
        #expect(first[0].isKeyframe && first[0].isComplete)
        #expect(first[0].milliseconds == 1_000)
        #expect(first[0].definitions.map(\.labels) == [Stream.series(0).labels, Stream.series(1).labels])
        let second = try stream.tick([(0, 2), (1, 2), (2, 3)])
        #expect(!second[0].isKeyframe)
        #expect(second[0].definitions.map(\.labels) == [Stream.series(2).labels])
        #expect(stream.values(second) == [0: 2.0.bitPattern, 1: 2.0.bitPattern, 2: 3.0.bitPattern])
    }

    @Test func `what a family is and when a counter began travel with the definitions`() throws {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        func cpu(_ number: Int, _ start: Int64?) -> MetricSeries {
            MetricSeries(
                ["__name__": "cpu_seconds_total", "cpu": "\(number)"], .counter, unit: "seconds", help: "Time.",
                startMilliseconds: start)
        }
        encoder.beginTick(milliseconds: 5)
        encoder.set(0, 1, cpu(0, 1_700_000_000_000))
        encoder.set(1, 1, cpu(1, -5))
        encoder.set(2, 1, MetricSeries(["__name__": "load"], .gauge))
        let tick = try decoder.decode(encoder.endTick()[0])
        #expect(
            tick.families == [
                MetricFamily("cpu_seconds_total", .counter, unit: "seconds", help: "Time."),
                MetricFamily("load", .gauge),
            ])
        #expect(tick.definitions.map(\.startMilliseconds) == [1_700_000_000_000, -5, nil])
        #expect(tick.definitions.map(\.family) == [0, 0, 1])
        // Later series of the same family say neither again.
        encoder.beginTick(milliseconds: 1_005)
        encoder.set(3, 1, cpu(2, 1_700_000_000_000))
        let frame = encoder.endTick()[0]
        #expect(!frame.contains(UInt8(ascii: "T")))
        let next = try decoder.decode(frame)
        #expect(next.families.isEmpty && next.definitions.map(\.family) == [0])
        #expect(next.definitions.map(\.startMilliseconds) == [1_700_000_000_000])
        #expect(next.definitions[0].labels == cpu(2, nil).labels)
        // One name may be of two kinds: an agent does not judge what it measures.
        encoder.beginTick(milliseconds: 2_005)
        encoder.set(4, 1, MetricSeries(["__name__": "load"], .counter))
        #expect(try decoder.decode(encoder.endTick()[0]).families == [MetricFamily("load", .counter)])
    }

    @Test func `labels without a name stay without one`() throws {
        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1)
        encoder.beginTick(milliseconds: 5)
        encoder.set(0, 1, MetricSeries(["a": "b"]))
        encoder.set(1, 1, MetricSeries([:]))
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        #expect(try decoder.decode(encoder.endTick()[0]).definitions.map(\.labels) == [["a": "b"], [:]])
    }

    @Test func `a series that is not set has no sample in that tick`() throws {
        var stream = Stream()
        try stream.tick([(0, 1), (1, 2), (2, 3)])
        #expect(stream.values(try stream.tick([(1, 2)])) == [1: 2.0.bitPattern])
        #expect(stream.values(try stream.tick([])) == [:])
        #expect(stream.values(try stream.tick([(0, 5), (2, 3)])) == [0: 5.0.bitPattern, 2: 3.0.bitPattern])
    }

    @Test func `a series ends and its handle serves another, its ref never again`() throws {
        var stream = Stream()
        try stream.tick([(0, 1), (1, 2)])
        let ticks = try stream.tick([(1, 2)], ended: [0])
        #expect(ticks[0].ended == [0])
        #expect(stream.decoder.liveSeries == 1)
        let again = try stream.tick([(0, 9), (1, 2)])
        #expect(again[0].definitions.map(\.ref) == [2])
        #expect(stream.encoder.liveSeries == 2)
        // Unknown handles and second ends say nothing.
        #expect(try stream.tick([], ended: [77, -1])[0].ended == [])
    }

    @Test func `a series may begin and end within a tick`() throws {
        var stream = Stream()
        stream.encoder.beginTick(milliseconds: 1)
        stream.encoder.set(4, 1, Stream.series(4))
        stream.encoder.ended(4)
        let tick = try stream.decode(stream.encoder.endTick()[0])
        #expect(tick.definitions.count == 1 && tick.ended == [0] && tick.refs == [])
    }

    @Test func `a new epoch defines everything again`() throws {
        var stream = Stream()
        try stream.tick([(0, 1), (1, 2)])
        stream.encoder.beginEpoch()
        #expect(stream.encoder.nextNumber == 8)
        let ticks = try stream.tick([(0, 1), (1, 2)])
        #expect(ticks[0].isKeyframe && ticks[0].definitions.count == 2)
        #expect(MetricFrame.isKeyframe(stream.frames[0]))
        try stream.tick([(0, 1), (1, 2)])
        #expect(!MetricFrame.isKeyframe(stream.frames[0]) && !MetricFrame.isKeyframe([]))
    }

    @Test func `a missing frame asks for a keyframe and nothing is read until it comes`() throws {
        var stream = Stream()
        try stream.tick([(0, 1)])
        stream.encode([(0, 5)])
        #expect(throws: MetricFrameError.needsKeyframe(number: 9)) { try stream.tick([(0, 6)]) }
        #expect(throws: MetricFrameError.needsKeyframe(number: 10)) { try stream.tick([(0, 6)]) }
        stream.encoder.beginEpoch(number: 4_000)
        #expect(stream.values(try stream.tick([(0, 6)])) == [0: 6.0.bitPattern])
        #expect(stream.values(try stream.tick([(0, 7)])) == [0: 7.0.bitPattern])
    }

    @Test func `a frame that comes twice is not read twice`() throws {
        var stream = Stream()
        try stream.tick([(0, 1)])
        try stream.tick([(0, 3)])
        #expect(throws: MetricFrameError.needsKeyframe(number: 8)) { try stream.decode(stream.frames[0]) }
    }

    @Test(
        arguments: [
            // (milliseconds of the ticks, missed before each)
            ([1_000, 2_000, 3_000], [0, 0, 0]), ([0, 1_000, 5_000, 6_000], [0, 0, 3, 0]),
            ([5_000, 4_000, 4_500, -7_000], [2, 0, 1, 0]), ([.max - 1, .max], [0, 0]),
            ([.min, .max, 0], [UInt64.max, UInt64.max, 1]),
        ] as [([Int64], [UInt64])])
    func `times need not be regular, and missed ticks are told`(times: [Int64], missed: [UInt64]) throws {
        var stream = Stream()
        for (time, missed) in zip(times, missed) {
            stream.encoder.beginTick(milliseconds: time, missed: missed)
            stream.encoder.set(0, 1, Stream.series(0))
            let ticks = try stream.encoder.endTick().map { try stream.decode($0) }
            #expect(ticks.map(\.milliseconds) == [time] && ticks.map(\.missedTicks) == [missed])
        }
    }

    @Test func `a body is deflated only when it defines series and that makes it smaller`() throws {
        func frame(_ compressor: (any Compressor)?, _ text: String) -> [UInt8] {
            var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1, compressor: compressor)
            encoder.beginTick(milliseconds: 1)
            encoder.set(0, 1, MetricSeries(["a": text]))
            return encoder.endTick()[0]
        }
        let long = String(repeating: "x", count: 2_000)
        #expect(frame(RunLengthCompressor(), long).count < 100)
        #expect(frame(RunLengthCompressor(), "abc") == frame(nil, "abc"))
        let mixed = String((0..<2_000).map { Character(UnicodeScalar(UInt8(97 + $0 % 26))) })
        #expect(frame(RunLengthCompressor(), mixed) == frame(nil, mixed))
        var decoder = MetricFrameDecoder(compressor: RunLengthCompressor())
        #expect(try decoder.decode(frame(RunLengthCompressor(), long)).definitions[0].labels["a"] == long)
    }

    @Test func `definitions beyond one frame continue in the next`() throws {
        var stream = Stream()
        let filler = String(repeating: "f", count: 2_000)
        stream.encoder.beginTick(milliseconds: 5, missed: 4)
        for handle in 0..<400 {
            stream.encoder.set(
                handle, Double(handle), MetricSeries(["n": "\(handle)", "f": filler + "\(handle)"]))
        }
        stream.encoder.ended(3)
        let frames = stream.encoder.endTick()
        #expect(frames.count > 4)
        #expect(frames.allSatisfy { $0.count <= Limits.frameBytes })
        let ticks = try frames.map { try stream.decode($0) }
        #expect(ticks.map(\.isKeyframe) == [true] + Array(repeating: false, count: frames.count - 1))
        #expect(ticks.map(\.isComplete) == Array(repeating: false, count: frames.count - 1) + [true])
        #expect(ticks.map(\.missedTicks) == [4] + Array(repeating: 0, count: frames.count - 1))
        #expect(ticks.allSatisfy { $0.milliseconds == 5 })
        #expect(ticks.last?.ended == [3])
        #expect(stream.values(ticks).count == 399)
        #expect(ticks.flatMap(\.refs).count == 399)
        // The grid goes on from the tick, whatever the number of its frames.
        stream.encoder.beginTick(milliseconds: 1_005)
        let next = stream.encoder.endTick()
        #expect(next.count == 1 && next[0].count <= 9)
        #expect(try stream.decode(next[0]).milliseconds == 1_005)
    }

    @Test func `whatever begins, ends and pauses, both ends agree`() throws {
        var chance = Seeded(state: 11)
        var stream = Stream(compressor: RunLengthCompressor())
        var live: [Int: Double] = [:]
        for _ in 0..<400 {
            let ended = live.keys.sorted().filter { _ in Int.random(in: 0..<30, using: &chance) == 0 }
            for handle in ended { live[handle] = nil }
            for _ in 0..<Int.random(in: 0...3, using: &chance) { live[Int.random(in: 0..<300, using: &chance)] = 0 }
            // Groups of handles are read every so many ticks, and single ones stay away.
            let phase = Int(stream.milliseconds / 1_000)
            let read = live.keys.sorted().filter { handle in
                phase % (1 + handle / 100) == 0 && Int.random(in: 0..<40, using: &chance) > 0
            }
            for handle in read { live[handle, default: 0] += Double.random(in: 0...3, using: &chance).rounded(.down) }
            let values = read.map { ($0, live[$0] ?? 0) }
            let ticks = try stream.tick(values, ended: ended)
            let expected = Dictionary(uniqueKeysWithValues: values.map { ($0.0, $0.1.bitPattern) })
            #expect(stream.values(ticks) == expected)
            if Int.random(in: 0..<100, using: &chance) == 0 { stream.encoder.beginEpoch() }
        }
        #expect(stream.decoder.liveSeries > 20)
    }
}
