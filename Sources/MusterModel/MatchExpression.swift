/// What a matcher compares with. Most expressions of dashboards and rules are literals in disguise (`api`, `a|b|c`,
/// `/v1/.*`): comparing bytes is far cheaper than running a regular expression, and literals can be looked up in an
/// index.
enum MatchExpression: Sendable {
    /// Any of these; `set` when they are too many to try one after the other.
    case literals([String], set: Set<String>?)
    /// `text` with something or anything before and after it.
    case around(before: Gap, text: [UInt8], after: Gap)
    case pattern(any Pattern)

    /// How many bytes may stand beside a text.
    enum Gap: Sendable {
        case nothing
        /// `.+`
        case something
        /// `.*`
        case anything

        func allows(_ bytes: Int) -> Bool {
            switch self {
            case .nothing: bytes == 0
            case .something: bytes > 0
            case .anything: true
            }
        }
    }

    /// Up to here a list is searched, beyond it a set.
    static let listedLiterals = 8

    init(literals: [String]) {
        self = .literals(literals, set: literals.count > Self.listedLiterals ? Set(literals) : nil)
    }

    func isMatch(_ actual: String) -> Bool {
        switch self {
        case .literals(let texts, let set): set?.contains(actual) ?? texts.contains(actual)
        case .around(let before, let text, let after):
            Self.stands(text, in: actual.utf8Span.span, before: before, after: after)
        case .pattern(let pattern): pattern.isFullMatch(actual)
        }
    }

    private static func stands(_ text: [UInt8], in actual: Span<UInt8>, before: Gap, after: Gap) -> Bool {
        let room = actual.count - text.count
        guard room >= 0 else { return false }
        let first = after == .nothing ? room : 0
        let last = before == .nothing ? 0 : room
        guard first <= last else { return false }
        return (first...last).contains { start in
            before.allows(start) && after.allows(room - start)
                && text.indices.allSatisfy { actual[start + $0] == text[$0] }
        }
    }
}

// MARK: - Reading a regular expression

extension MatchExpression {
    /// Nil when the expression needs an engine, or is not valid.
    init?(simple expression: String) {
        guard let alternatives = Self.alternatives(of: expression) else { return nil }
        let texts = alternatives.compactMap(\.literal)
        if texts.count == alternatives.count {
            var seen: Set<String> = []
            self.init(literals: texts.filter { seen.insert($0).inserted })
        } else if alternatives.count == 1, let around = alternatives[0].around {
            self = around
        } else {
            return nil
        }
    }

    /// A text between two gaps, as far as one was read.
    private struct Alternative {
        var before: Gap?
        var text: [UInt8] = []
        var after: Gap?

        var literal: String? { before == nil && after == nil ? String(validating: text, as: UTF8.self) : nil }

        var around: MatchExpression? {
            .around(before: before ?? .nothing, text: text, after: after ?? .nothing)
        }

        mutating func append(_ byte: UInt8) -> Bool {
            guard after == nil else { return false }
            text.append(byte)
            return true
        }

        mutating func append(_ gap: Gap) -> Bool {
            if text.isEmpty, before == nil {
                before = gap
            } else if !text.isEmpty, after == nil {
                after = gap
            } else {
                return false
            }
            return true
        }
    }

    private static func alternatives(of expression: String) -> [Alternative]? {
        var bytes = unwrapped(expression)
        var alternatives: [Alternative] = []
        var current = Alternative()
        while let byte = bytes.popFirst() {
            let isRead: Bool
            switch byte {
            case UInt8(ascii: "|"):
                alternatives.append(current)
                current = Alternative()
                isRead = true
            case UInt8(ascii: "."):
                switch bytes.popFirst() {
                case UInt8(ascii: "*"): isRead = current.append(.anything)
                case UInt8(ascii: "+"): isRead = current.append(.something)
                default: isRead = false
                }
            case UInt8(ascii: "\\"):
                guard let escaped = bytes.popFirst(), isPunctuation(escaped) else { return nil }
                isRead = current.append(escaped)
            default: isRead = !special.contains(byte) && current.append(byte)
            }
            guard isRead else { return nil }
        }
        return alternatives + [current]
    }

    /// Without anchors, which say nothing where the whole text has to match, and without one group around it all.
    private static func unwrapped(_ expression: String) -> ArraySlice<UInt8> {
        var bytes = Array(expression.utf8)[...]
        if bytes.first == UInt8(ascii: "^") { bytes.removeFirst() }
        if endsUnescaped(bytes, with: UInt8(ascii: "$")) { bytes.removeLast() }
        if bytes.first == UInt8(ascii: "("), endsUnescaped(bytes, with: UInt8(ascii: ")")) {
            bytes = bytes.dropFirst().dropLast()
            if bytes.starts(with: "?:".utf8) { bytes = bytes.dropFirst(2) }
        }
        return bytes
    }

    private static func endsUnescaped(_ bytes: ArraySlice<UInt8>, with end: UInt8) -> Bool {
        bytes.last == end && bytes.dropLast().reversed().prefix { $0 == UInt8(ascii: "\\") }.count.isMultiple(of: 2)
    }

    /// What means something other than itself; whoever meets one of these here asks the engine.
    private static let special = Set("*+?()[]{}^$".utf8)

    /// ASCII that means itself after a backslash.
    private static func isPunctuation(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e: true
        default: false
        }
    }
}
