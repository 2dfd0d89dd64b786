import MusterModel

/// `<ip> - <_> "<method> <path>`: text with captures between, matched from left to right without going back.
struct LinePattern: Sendable {
    private enum Part: Equatable {
        case text([UInt8])
        /// Nil for `<_>`.
        case capture(String?)
    }

    private let parts: [Part]

    /// Errors have no place: the caller knows where the pattern stands.
    init(_ pattern: String) throws(LogQLError) {
        var parts: [Part] = []
        var text: [UInt8] = []
        var rest = Array(pattern.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "<"), let end = rest.firstIndex(of: UInt8(ascii: ">")),
                Labels.isName(String(decoding: rest[..<end], as: UTF8.self))
            else {
                text.append(byte)
                continue
            }
            let name = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            if !text.isEmpty { parts.append(.text(text)) }
            text = []
            if case .capture = parts.last { throw Self.error("has two captures without text between them", pattern) }
            guard name == "_" || !parts.contains(.capture(name)) else {
                throw Self.error("captures <\(name)> twice", pattern)
            }
            parts.append(.capture(name == "_" ? nil : name))
        }
        if !text.isEmpty { parts.append(.text(text)) }
        let hasName = parts.contains { if case .capture(.some) = $0 { true } else { false } }
        guard hasName else { throw Self.error("captures nothing", pattern) }
        self.parts = parts
    }

    private static func error(_ problem: String, _ pattern: String) -> LogQLError {
        LogQLError(.syntax, "the pattern \"\(pattern)\" \(problem); write one such as \"<ip> - <_> <method>\"")
    }

    /// What the captures hold; nothing when the line does not begin like the pattern. When a text is missing the
    /// capture before it holds all that is left.
    func captures(in line: [UInt8]) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        var start = 0
        var open: String?
        var isOpen = false
        for (index, part) in parts.enumerated() {
            switch part {
            case .capture(let name): (open, isOpen) = (name, true)
            case .text(let text):
                guard let place = ByteSearch.first(text, in: line, from: start), index > 0 || place == 0 else {
                    if index == 0 { return [] }
                    if let open { found.append((open, String(decoding: line[start...], as: UTF8.self))) }
                    return found
                }
                if let open { found.append((open, String(decoding: line[start..<place], as: UTF8.self))) }
                (open, isOpen) = (nil, false)
                start = place + text.count
            }
        }
        if isOpen, let open { found.append((open, String(decoding: line[start...], as: UTF8.self))) }
        return found
    }
}
