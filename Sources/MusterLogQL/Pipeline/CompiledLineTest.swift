import MusterLogs
import MusterModel

/// A line filter ready to run, and what it means for a question.
struct CompiledLineTest: Sendable {
    private enum Needle {
        case text([UInt8])
        case pattern(any SearchPattern)
    }

    private let isNegative: Bool
    private let needles: [Needle]
    private var regexWords: RegexWords?
    /// The same condition for the logs.
    private(set) var filters: [LineFilter] = []

    /// Words that stand in every line that passes, beside those of `filters`.
    var words: [NeedleWord] { regexWords?.needed ?? [] }

    init(_ test: LineTest, compiler: some PatternCompiler) throws(LogQLError) {
        isNegative = test.operator == .excludes || test.operator == .mismatches
        let isText = test.operator == .contains || test.operator == .excludes
        var needles: [Needle] = []
        for alternative in test.alternatives {
            needles.append(isText ? .text(Array(alternative.utf8)) : .pattern(try Self.search(alternative, compiler)))
        }
        self.needles = needles
        if !isNegative, needles.count > 1 {
            // One expression for all, unless one of them passes every line.
            guard !isText || !test.alternatives.contains("") else { return }
            let parts = test.alternatives.map { "(?:" + (isText ? Self.escaped($0) : $0) + ")" }
            filters = [.matches(try Self.search(parts.joined(separator: "|"), compiler))]
            return
        }
        filters = needles.map { needle in
            switch needle {
            case .text(let bytes): isNegative ? .excludes(bytes) : .contains(bytes)
            case .pattern(let pattern): isNegative ? .mismatches(pattern) : .matches(pattern)
            }
        }
        if !isNegative, !isText { regexWords = test.alternatives.first.map(RegexWords.init) }
    }

    func isMatch(_ line: [UInt8]) -> Bool {
        let isFound = needles.contains { needle in
            switch needle {
            case .text(let bytes): ByteSearch.first(bytes, in: line) != nil
            case .pattern(let pattern): pattern.isFound(in: line.span)
            }
        }
        guard isFound != isNegative else { return false }
        return regexWords?.holds(line) ?? true
    }

    private static func search(
        _ expression: String, _ compiler: some PatternCompiler
    ) throws(LogQLError) -> any SearchPattern {
        do throws(PatternError) {
            return try compiler.compileSearch(expression)
        } catch {
            throw LogQLError(.syntax, error.description)
        }
    }

    /// The text as an expression that matches it alone.
    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            if "\\.+*?()|[]{}^$".unicodeScalars.contains(scalar) { escaped += "\\" }
            escaped.unicodeScalars.append(scalar)
        }
        return escaped
    }
}
