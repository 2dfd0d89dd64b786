package import MusterModel

/// A text of a rule's labels or annotations with `{{ $labels.NAME }}` and `{{ $value }}` in it. Everything else between
/// double braces is refused when the rule is loaded, so that no message ever shows a half-expanded text.
package struct AlertTemplate: Equatable, Sendable {
    package enum Part: Equatable, Sendable {
        case text(String)
        case label(String)
        case value
    }

    package static let supported = "{{ $labels.NAME }} and {{ $value }}"

    package let parts: [Part]
    /// As it was written.
    package let source: String

    package init(_ source: String) throws(AlertTemplateError) {
        var parts: [Part] = []
        var rest = Substring(source)
        while let open = rest.firstRange(of: "{{") {
            if open.lowerBound > rest.startIndex { parts.append(.text(String(rest[..<open.lowerBound]))) }
            let tail = rest[open.upperBound...]
            guard let close = tail.firstRange(of: "}}") else { throw .unclosed(String(rest[open.lowerBound...])) }
            parts.append(try Self.part(tail[..<close.lowerBound]))
            rest = tail[close.upperBound...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        self.parts = parts
        self.source = source
    }

    /// A label that is absent expands to nothing. Longer texts than `AlertLimits.expandedTextBytes` are cut.
    package func expanded(labels: Labels, value: Double) -> String {
        var text = ""
        for part in parts {
            switch part {
            case .text(let literal): text += literal
            case .label(let name): text += labels[name] ?? ""
            case .value: text += Self.number(value)
            }
        }
        guard text.utf8.count > AlertLimits.expandedTextBytes else { return text }
        var cut = ""
        for character in text {
            guard cut.utf8.count + character.utf8.count <= AlertLimits.expandedTextBytes - 3 else { break }
            cut.append(character)
        }
        return cut + "…"
    }

    private static func part(_ body: Substring) throws(AlertTemplateError) -> Part {
        let expression = body.drop { $0.isWhitespace }
        let trimmed = String(expression.reversed().drop { $0.isWhitespace }.reversed())
        if trimmed == "$value" { return .value }
        let prefix = "$labels."
        guard trimmed.hasPrefix(prefix) else { throw .unsupported(trimmed) }
        let name = trimmed.dropFirst(prefix.count)
        guard Labels.isName(name) else { throw .unsupported(trimmed) }
        return .label(String(name))
    }

    /// The shortest decimal that reads back as the same number, whole numbers without a fraction, and Prometheus's
    /// spelling of what is no number. Unlike Go's `%v` no exponent below 10^15: people read this.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }
}

package enum AlertTemplateError: Error, Equatable, CustomStringConvertible {
    case unsupported(String)
    case unclosed(String)

    package var description: String {
        switch self {
        case .unsupported(let expression):
            "{{ \(expression) }} is not supported; supported are \(AlertTemplate.supported)"
        case .unclosed(let text): "\"\(text)\" has no closing }}"
        }
    }
}

extension Substring {
    /// The first place of a text; the standard library's search needs the regex engine, which this does not.
    func firstRange(of needle: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) {
                return start..<index(start, offsetBy: needle.count)
            }
            start = index(after: start)
        }
        return nil
    }
}
