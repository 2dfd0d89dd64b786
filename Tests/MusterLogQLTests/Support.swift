import MusterLogQL
import MusterLogs
import MusterModel

/// Expressions by the standard library's engine, for tests only. Lines are searched as text.
struct TestPatterns: PatternCompiler {
    struct Compiled: Pattern {
        let expression: String

        func isFullMatch(_ text: String) -> Bool { captures(text) != nil }

        func captures(_ text: String) -> [String?]? {
            guard let match = try? TestPatterns.regex(expression).wholeMatch(in: text) else { return nil }
            return match.output.map { $0.substring.map(String.init) }
        }
    }

    struct Search: SearchPattern {
        let expression: String
        let groupNames: [String: Int]

        func isFound(in bytes: Span<UInt8>) -> Bool { firstMatch(in: bytes, from: 0) != nil }

        func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? {
            let copy = bytes.indices.map { bytes[$0] }
            let text =
                String(validating: copy, as: UTF8.self)
                ?? String(decoding: copy.map { $0 < 0x80 ? $0 : 0x1a }, as: UTF8.self)
            guard let match = try? TestPatterns.regex(expression).firstMatch(in: text) else { return nil }
            return match.output.map { output in
                output.range.map {
                    text.utf8.distance(
                        from: text.startIndex, to: $0.lowerBound)..<text.utf8.distance(
                            from: text.startIndex, to: $0.upperBound)
                }
            }
        }
    }

    /// With RE2's meaning of `\b` and of characters.
    static func regex(_ expression: String) throws -> Regex<AnyRegexOutput> {
        try Regex(expression).wordBoundaryKind(.simple).asciiOnlyWordCharacters().matchingSemantics(.unicodeScalar)
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        try check(expression)
        return Compiled(expression: expression)
    }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        try check(expression)
        var names: [String: Int] = [:]
        var number = 0
        var rest = expression[...]
        while let open = rest.firstIndex(of: "(") {
            rest = rest[rest.index(after: open)...]
            guard !rest.hasPrefix("?:"), !rest.hasPrefix("?i") else { continue }
            number += 1
            if rest.hasPrefix("?P<") || rest.hasPrefix("?<") {
                names[String(rest.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" })] = number
            }
        }
        return Search(expression: expression, groupNames: names)
    }

    private func check(_ expression: String) throws(PatternError) {
        do { _ = try Regex(expression) } catch { throw PatternError(expression: expression, reason: "no regex") }
    }
}

/// Leaves bytes as they are.
struct StoringCompressor: Compressor {
    func deflate(_ bytes: [UInt8], level: Int) -> [UInt8] { bytes }

    func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        guard bytes.count <= maxBytes else { throw .tooLarge(maxBytes: maxBytes) }
        return Array(bytes)
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

    mutating func pick<T>(_ items: [T]) -> T { items[Int.random(in: 0..<items.count, using: &self)] }
}

func parsed(_ text: String) throws -> LogQLQuery { try LogQLQuery(parsing: text, compiler: TestPatterns()) }

func compiled(_ text: String) throws -> LogPipeline {
    guard case .logs(let query) = try parsed(text) else { throw NoLogQuery() }
    return try LogPipeline(query, compiler: TestPatterns())
}

struct NoLogQuery: Error {}

func logEntry(
    _ line: String, _ labels: Labels = ["job": "a"], fields: String = "", level: LogLevel = .unknown, at: Int64 = 0
) -> LogEntry {
    LogEntry(
        timestamp: Instant(milliseconds: at), labels: labels, line: Array(line.utf8), fields: Array(fields.utf8),
        level: level)
}
