import MusterLogs
import MusterModel

/// Searches for a literal; `[0-9]+` in it is a run of digits and its group. `(` is not valid. Enough for what is tested
/// here: the regular expressions themselves are MusterPattern's.
struct LiteralCompiler: PatternCompiler {
    struct Literal: SearchPattern {
        let head: [UInt8]
        let takesDigits: Bool
        let groupNames: [String: Int]

        func isFound(in bytes: Span<UInt8>) -> Bool { firstMatch(in: bytes, from: 0) != nil }

        func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? {
            var index = start
            while index + head.count <= bytes.count {
                var length = 0
                while length < head.count, bytes[index + length] == head[length] { length += 1 }
                var end = index + length
                while takesDigits, end < bytes.count, (0x30...0x39).contains(bytes[end]) { end += 1 }
                let digits = index + length..<end
                if length == head.count, !takesDigits || !digits.isEmpty {
                    return [index..<end] + (takesDigits ? [digits] : [])
                }
                index += 1
            }
            return nil
        }
    }

    struct NoPattern: Pattern {
        func isFullMatch(_ text: String) -> Bool { false }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern { NoPattern() }

    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern {
        var head = expression
        var names: [String: Int] = [:]
        var takesDigits = false
        for (suffix, name) in [("([0-9]+)", ""), ("(?P<n>[0-9]+)", "n")] where head.hasSuffix(suffix) {
            head.removeLast(suffix.count)
            takesDigits = true
            if !name.isEmpty { names[name] = 1 }
        }
        guard !head.contains("(") else { throw PatternError(expression: expression, reason: "missing )") }
        return Literal(head: Array(head.utf8), takesDigits: takesDigits, groupNames: names)
    }
}

func searching(_ expression: String) throws -> any SearchPattern { try LiteralCompiler().compileSearch(expression) }

extension Redactor {
    /// The line as it would travel.
    mutating func text(_ line: String) -> String { String(decoding: bytes(Array(line.utf8)), as: UTF8.self) }

    mutating func bytes(_ line: [UInt8]) -> [UInt8] { redact(line.span) ? output : line }

    func count(_ rule: String) -> UInt64 { ruleNames.firstIndex(of: rule).map { counts[$0] } ?? 0 }
}

extension FieldList {
    var texts: [String] {
        (0..<count).compactMap { self[$0] }.map {
            "\(String(decoding: $0.name, as: UTF8.self))=\(String(decoding: $0.value, as: UTF8.self))"
        }
    }
}
