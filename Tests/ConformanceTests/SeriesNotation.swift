import MusterModel
import MusterPattern
import MusterQuery

/// One item of a sequence.
enum SequenceValue: Equatable {
    case omitted
    case value(Double)
    /// A native histogram; what is in it does not matter here.
    case histogram
}

/// A line such as `up{job="a"} 0+1x10 _ stale 7`.
struct SeriesNotation {
    var labels: Labels
    var values: [SequenceValue]

    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    init(_ line: String) throws {
        let end = Self.endOfLabels(line)
        labels = try Self.labels(String(line[..<end]))
        values = try Self.items(line[end...]).flatMap(Self.values)
    }

    /// Behind the closing brace, or at the first space or histogram when there are no braces.
    private static func endOfLabels(_ line: String) -> String.Index {
        var quote: Character?
        var isOpen = false
        var isEscaped = false
        for index in line.indices {
            let character = line[index]
            if isEscaped {
                isEscaped = false
            } else if let open = quote {
                if character == "\\" { isEscaped = true } else if character == open { quote = nil }
            } else if isOpen, character == "\"" || character == "'" {
                quote = character
            } else if !isOpen, line[index...].hasPrefix("{{") {
                return index
            } else if character == "{" {
                isOpen = true
            } else if isOpen, character == "}" {
                return line.index(after: index)
            } else if !isOpen, character == " " || character == "\t" {
                // `metric {a="b"}` goes on.
                if line[index...].drop(while: { $0 == " " || $0 == "\t" }).first != "{" { return index }
            }
        }
        return line.endIndex
    }

    private static func labels(_ text: String) throws -> Labels {
        let braces = text.firstIndex(of: "{").map { text[$0...] } ?? ""
        let name = text.prefix { $0 != "{" }.filter { $0 != " " && $0 != "\t" }
        // The same syntax as a selector's; with a name before the braces no set of labels is refused for being empty.
        let isNamed = braces.isEmpty || (try? Expression(parsing: String(braces), compiler: RE2Compiler())) == nil
        let selector = isNamed ? "x\(braces)" : String(braces)
        guard case .selector(let parsed) = try Expression(parsing: selector, compiler: RE2Compiler()) else {
            throw Malformed(description: "\(text) are no labels")
        }
        var labels = Labels()
        for matcher in parsed.matchers.dropFirst(isNamed ? 1 : 0) where !matcher.value.isEmpty {
            labels[matcher.name] = matcher.value
        }
        if !name.isEmpty { labels["__name__"] = String(name) }
        return labels
    }

    /// Split at spaces, but not within `{{...}}`.
    private static func items(_ text: Substring) throws -> [Substring] {
        var items: [Substring] = []
        var rest = text.drop { $0 == " " || $0 == "\t" }
        while !rest.isEmpty {
            var end = rest.startIndex
            while end < rest.endIndex, rest[end] != " ", rest[end] != "\t" {
                if rest[end...].hasPrefix("{{") {
                    guard let close = rest[end...].firstRange(of: "}}") else {
                        throw Malformed(description: "\(text): no }}")
                    }
                    end = close.upperBound
                } else {
                    end = rest.index(after: end)
                }
            }
            items.append(rest[..<end])
            rest = rest[end...].drop { $0 == " " || $0 == "\t" }
        }
        return items
    }

    /// `7`, `7x3` (four times), `7+2x3` (7 9 11 13), `_`, `_x3` (three times), `stale`, `{{...}}`, `{{...}}x3`.
    private static func values(_ item: Substring) throws -> [SequenceValue] {
        if item == "_" { return [.omitted] }
        if item == "stale" { return [.value(StaleMarker.value)] }
        var base = item
        var times = 0
        if let x = item.lastIndex(of: "x"), let count = Int(item[item.index(after: x)...]) {
            base = item[..<x]
            times = count
        }
        if base == "_" { return Array(repeating: .omitted, count: times) }
        if base.hasPrefix("{{") { return Array(repeating: .histogram, count: times + 1) }
        let (first, rest) = try number(base)
        let increment = rest.isEmpty ? 0 : try number(rest).value
        var value = first
        var values: [SequenceValue] = [.value(value)]
        for _ in 0..<times {
            if !rest.isEmpty { value += increment }
            values.append(.value(value))
        }
        return values
    }

    /// A number with its sign, and what follows it.
    private static func number(_ text: Substring) throws -> (value: Double, rest: Substring) {
        let sign = text.prefix { $0 == "+" || $0 == "-" }.prefix(1)
        let unsigned = text.dropFirst(sign.count)
        let word = unsigned.prefix(3).lowercased()
        let length: Int
        if word == "inf" || word == "nan" {
            length = 3
        } else {
            var previous: Character = " "
            length =
                unsigned.prefix { character in
                    defer { previous = character }
                    return character.isNumber || ".eE".contains(character)
                        || ("+-".contains(character) && "eE".contains(previous))
                }.count
        }
        guard let value = parse(String(unsigned.prefix(length))) else {
            throw Malformed(description: "\(text) is no number")
        }
        return (sign == "-" ? -value : value, unsigned.dropFirst(length))
    }

    /// A number in the language's spelling.
    static func parse(_ text: String) -> Double? {
        guard case .number(let value, _) = try? Expression(parsing: text, compiler: RE2Compiler()) else { return nil }
        return value
    }
}
