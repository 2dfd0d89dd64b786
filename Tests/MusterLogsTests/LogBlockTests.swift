import MusterLogs
import MusterModel
import Testing

@Suite struct LogBlockTests {
    private let lines = [
        TestLine(text: "GET /index.html 200", timestamp: 1_000),
        TestLine(text: "", timestamp: 1_000),
        TestLine(text: "time steps back", timestamp: 400),
        TestLine(text: "goes on", timestamp: 2_000, flags: .continues),
    ]

    @Test func `a block gives back what was put in`() throws {
        let decoded = try block(lines)
        #expect(decoded.entries.map(\.text) == lines.map(\.text))
        #expect(decoded.lines.map(\.timestamp.nanoseconds) == lines.map(\.timestamp))
        #expect(decoded.entries.map(\.isContinued) == [false, false, false, true])
        #expect(decoded.header.labels == ["service": "web"])
        #expect(decoded.header.lineCount == 4)
        #expect(decoded.header.first.nanoseconds == 400)
        #expect(decoded.header.last.nanoseconds == 2_000)
    }

    @Test func `the header is readable without the body`() throws {
        var bytes = encode(lines)
        bytes[bytes.count - 1] ^= 0xff
        let (header, body) = try LogBlockHeader.decode(bytes[...])
        #expect(header.lineCount == 4)
        #expect(body.count == header.columnBytes)
        #expect(header.rawBytes == lines.reduce(0) { $0 + $1.text.utf8.count })
    }

    @Test func `streams become a label of each line`() throws {
        let decoded = try block([
            TestLine(text: "out", timestamp: 1, stream: .stdout),
            TestLine(text: "err", timestamp: 1, flags: .stderr, stream: .stderr),
        ])
        #expect(decoded.entries.map { $0.labels["stream"] } == ["stdout", "stderr"])
        #expect(decoded.header.variants.count == 2)
    }

    @Test func `levels and fields travel with their lines`() throws {
        var builder = LogBlockBuilder()
        append(TestLine(text: "plain", timestamp: 1), to: &builder)
        append(
            TestLine(text: "bad", timestamp: 2, flags: LineFlags(level: .error), fields: #"{"trace":"abc"}"#),
            to: &builder)
        append(TestLine(text: "worse", timestamp: 3, flags: [LineFlags(level: .fatal), .continues]), to: &builder)
        let finished = builder.finish(labels: [:], compressor: StoringCompressor())
        let decoded = try LogBlock.decode(try #require(finished)[...], compressor: StoringCompressor())
        #expect(decoded.entries.map(\.level) == [.unknown, .error, .fatal])
        #expect(decoded.entries.map(\.isContinued) == [false, false, true])
        #expect(decoded.entries.map { String(decoding: $0.fields, as: UTF8.self) } == ["", #"{"trace":"abc"}"#, ""])
        #expect(LogLevel.allCases.map { decoded.header.levels[$0] } == [1, 0, 0, 0, 0, 1, 1])
        #expect(decoded.header.levels.total == 3)
    }

    @Test func `fields of lines that were taken back are gone`() throws {
        var builder = LogBlockBuilder()
        append(TestLine(text: "a", timestamp: 1), to: &builder)
        let mark = builder.mark
        append(TestLine(text: "b", timestamp: 2, fields: #"{"gone":"1"}"#), to: &builder)
        builder.rewind(to: mark)
        append(TestLine(text: "c", timestamp: 3, fields: #"{"kept":"1"}"#), to: &builder)
        let finished = builder.finish(labels: [:], compressor: StoringCompressor())
        let decoded = try LogBlock.decode(try #require(finished)[...], compressor: StoringCompressor())
        #expect(decoded.entries.map { String(decoding: $0.fields, as: UTF8.self) } == ["", #"{"kept":"1"}"#])
    }

    @Test(arguments: [Int64.min, -1, 0, 1, Int64.max]) func `times reach both ends of their range`(time: Int64) throws {
        let decoded = try block([TestLine(text: "a", timestamp: time), TestLine(text: "b", timestamp: .min)])
        #expect(decoded.lines.map(\.timestamp.nanoseconds) == [time, .min])
    }

    @Test func `a full block refuses a line and stays whole`() throws {
        var builder = LogBlockBuilder()
        let line = TestLine(text: String(repeating: "x", count: 1_000), timestamp: 1)
        var count = 0
        while append(line, to: &builder) { count += 1 }
        #expect(builder.rawBytes <= Limits.logBlockBytes)
        #expect(builder.rawBytes + count * LogBlockBuilder.lineOverhead > Limits.logBlockBytes - 2_000)
        let finished = builder.finish(labels: [:], compressor: StoringCompressor())
        let bytes = try #require(finished)
        #expect(try LogBlock.decode(bytes[...], compressor: StoringCompressor()).lines.count == count)
        #expect(bytes.count < Limits.frameBytes)
        #expect(builder.isEmpty)
    }

    @Test func `lines after a mark can be taken back`() throws {
        var builder = LogBlockBuilder()
        append(TestLine(text: "kept", timestamp: 5), to: &builder)
        let mark = builder.mark
        append(TestLine(text: "not kept", timestamp: 1, stream: .stderr), to: &builder)
        builder.rewind(to: mark)
        append(TestLine(text: "kept too", timestamp: 7), to: &builder)
        let finished = builder.finish(labels: [:], compressor: StoringCompressor())
        let bytes = try #require(finished)
        let decoded = try LogBlock.decode(bytes[...], compressor: StoringCompressor())
        #expect(decoded.entries.map(\.text) == ["kept", "kept too"])
        #expect(decoded.header.first.nanoseconds == 5)
        #expect(decoded.header.streams.isEmpty)
    }

    @Test func `an empty builder gives no block`() {
        var builder = LogBlockBuilder()
        let finished = builder.finish(labels: [:], compressor: StoringCompressor())
        #expect(finished == nil)
    }

    @Test func `labels beyond the limits are cut at a character`() throws {
        let value = String(repeating: "é", count: Limits.labelValueBytes)
        var labels: Labels = ["long": value]
        for number in 0..<Limits.labelsPerSet { labels["z\(number)"] = "x" }
        let decoded = try block([TestLine(text: "a", timestamp: 1)], labels: labels)
        #expect(decoded.header.labels.count == Limits.labelsPerSet)
        #expect(decoded.header.labels["long"] == String(repeating: "é", count: Limits.labelValueBytes / 2))
    }

    @Test func `unknown versions and codecs say so`() {
        var bytes = encode(lines)
        bytes[0] = 9
        #expect(throws: LogBlockError.unknownVersion(9)) { try LogBlockHeader.decode(bytes[...]) }
        bytes[0] = 2
        bytes[1] = 7
        #expect(throws: LogBlockError.unknownCodec(7)) { try LogBlockHeader.decode(bytes[...]) }
    }

    @Test func `every truncation is refused`() {
        let bytes = encode(lines)
        for count in 0..<bytes.count {
            #expect(throws: LogBlockError.self) {
                try LogBlock.decode(bytes[..<count], compressor: StoringCompressor())
            }
        }
        #expect(throws: LogBlockError.malformed(what: "end")) { try LogBlockHeader.decode((bytes + [0])[...]) }
    }

    @Test func `a body that disagrees with its header is refused`() throws {
        var bytes = encode([TestLine(text: "a", timestamp: 1), TestLine(text: "b", timestamp: 1)], labels: [:])
        // version, codec, streams, labels, then the line count.
        #expect(bytes[4] == 2)
        for count in [1, 3] as [UInt8] {
            bytes[4] = count
            #expect(throws: LogBlockError.self) { try LogBlock.decode(bytes[...], compressor: StoringCompressor()) }
        }
    }

    @Test func `mutated blocks never trap and never give more than the limits`() {
        var generator = SeededGenerator(seed: 7)
        let original = encode(lines + (0..<50).map { TestLine(text: "word\($0) more", timestamp: Int64($0)) })
        for _ in 0..<20_000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                switch Int.random(in: 0..<3, using: &generator) {
                case 0:
                    bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(
                        in: 0...255, using: &generator)
                case 1: bytes.remove(at: Int.random(in: bytes.indices, using: &generator))
                default: bytes.insert(0xff, at: Int.random(in: bytes.indices, using: &generator))
                }
            }
            guard let decoded = try? LogBlock.decode(bytes[...], compressor: StoringCompressor()) else { continue }
            #expect(decoded.lines.reduce(0) { $0 + $1.range.count } <= Limits.logBlockBytes)
            #expect(decoded.lines.allSatisfy { $0.range.upperBound <= decoded.body.count })
        }
    }
}
