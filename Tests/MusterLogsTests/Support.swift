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
}

func encode(_ lines: [TestLine], labels: Labels = ["service": "web"], collectsTokens: Bool = true) -> [UInt8] {
    var builder = LogBlockBuilder(collectsTokens: collectsTokens)
    for line in lines { append(line, to: &builder) }
    return builder.finish(labels: labels, compressor: StoringCompressor()) ?? []
}

@discardableResult
func append(_ line: TestLine, to builder: inout LogBlockBuilder) -> Bool {
    Array(line.text.utf8).withUnsafeBytes { bytes in
        builder.append(bytes, timestamp: line.timestamp, flags: line.flags, stream: line.stream)
    }
}

func block(_ lines: [TestLine], labels: Labels = ["service": "web"]) throws -> LogBlock {
    try LogBlock.decode(encode(lines, labels: labels)[...], compressor: StoringCompressor())
}

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
