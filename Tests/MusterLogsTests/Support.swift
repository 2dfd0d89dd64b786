import MusterLogs
import MusterModel

/// Leaves bytes as they are.
struct StoringCompressor: Compressor {
    func deflate(_ bytes: [UInt8], level: Int) -> [UInt8] { bytes }

    func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        guard bytes.count <= maxBytes else { throw .tooLarge(maxBytes: maxBytes) }
        return Array(bytes)
    }
}

/// Patterns of one kind: `prefix.*`.
struct PrefixCompiler: PatternCompiler {
    struct Prefix: Pattern {
        let prefix: String
        func isFullMatch(_ text: String) -> Bool { text.hasPrefix(prefix) }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        guard expression.hasSuffix(".*") else { throw PatternError(expression: expression, reason: "no .* at its end") }
        return Prefix(prefix: String(expression.dropLast(2)))
    }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        throw PatternError(expression: expression, reason: "nothing is searched here")
    }
}

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}

struct TestLine: Equatable {
    var text: String
    var timestamp: Int64
    var flags: LineFlags = []
    var stream: LogStreams = []
    var fields = ""
}

func encode(_ lines: [TestLine], labels: Labels = ["service": "web"]) -> [UInt8] {
    var builder = LogBlockBuilder()
    for line in lines { append(line, to: &builder) }
    return builder.finish(labels: labels, compressor: StoringCompressor()) ?? []
}

@discardableResult
func append(_ line: TestLine, to builder: inout LogBlockBuilder) -> Bool {
    Array(line.text.utf8).withUnsafeBytes { bytes in
        builder.append(
            bytes, timestamp: line.timestamp, flags: line.flags, stream: line.stream, fields: Array(line.fields.utf8))
    }
}

func block(_ lines: [TestLine], labels: Labels = ["service": "web"]) throws -> LogBlock {
    try LogBlock.decode(encode(lines, labels: labels)[...], compressor: StoringCompressor())
}

/// A block of lines as bytes, all at one time.
func block(of lines: [[UInt8]]) throws -> LogBlock {
    var builder = LogBlockBuilder()
    for line in lines {
        let isAppended = line.withUnsafeBytes { builder.append($0, timestamp: 1) }
        guard isAppended else { throw BlockIsFull() }
    }
    let bytes = builder.finish(labels: [:], compressor: StoringCompressor()) ?? []
    return try LogBlock.decode(bytes[...], compressor: StoringCompressor())
}

struct BlockIsFull: Error {}

/// Parses bytes into a fresh block and gives back its lines.
func parsed(
    _ bytes: [UInt8], _ parse: (UnsafeRawBufferPointer, inout LogBlockBuilder) -> LineParse
) throws -> (lines: [LogEntry], parse: LineParse) {
    var builder = LogBlockBuilder()
    let result = bytes.withUnsafeBytes { parse($0, &builder) }
    guard let encoded = builder.finish(labels: [:], compressor: StoringCompressor()) else { return ([], result) }
    return (try LogBlock.decode(encoded[...], compressor: StoringCompressor()).entries, result)
}

extension LogEntry {
    var text: String { String(decoding: line, as: UTF8.self) }
}
