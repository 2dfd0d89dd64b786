/// The text of a query and the places in it, as people count them.
package struct QueryText: Sendable {
    /// UTF-8.
    let bytes: [UInt8]

    package init(_ text: String) { bytes = Array(text.utf8) }

    /// The text in a range that the parser gave out for this query; clamped to it otherwise.
    package subscript(range: TextRange) -> String {
        let end = min(max(range.end, 0), bytes.count)
        let start = min(max(range.start, 0), end)
        return String(decoding: bytes[start..<end], as: UTF8.self)
    }

    /// Line and column of a UTF-8 offset, both from 1; a column is a character.
    package func place(of offset: Int) -> (line: Int, column: Int) {
        let before = bytes[..<min(max(offset, 0), bytes.count)]
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        return (line, Self.characters(before[lineStart...]) + 1)
    }

    /// An error that shows the line with a caret below the place.
    func error(_ message: String, at offset: Int) -> QueryError {
        let (line, column) = place(of: offset)
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let text = line <= lines.count ? String(decoding: lines[line - 1], as: UTF8.self) : ""
        // The window around the place, so that a long line stays readable.
        let skipped = max(0, column - 1 - 60)
        let window = text.unicodeScalars.dropFirst(skipped).prefix(100)
        var excerpt = "  "
        excerpt.unicodeScalars.append(contentsOf: window.map { $0 == "\t" || $0 == "\r" ? " " : $0 })
        excerpt += "\n  " + String(repeating: " ", count: column - 1 - skipped) + "^"
        return .syntax(line: line, column: column, message: message, excerpt: excerpt)
    }

    /// The character that begins at an offset, for messages.
    func character(at offset: Int) -> String {
        let rest = String(decoding: bytes[min(offset, bytes.count)...].prefix(4), as: UTF8.self)
        return rest.unicodeScalars.first.map { String($0) } ?? ""
    }

    private static func characters(_ utf8: ArraySlice<UInt8>) -> Int { utf8.count { $0 & 0xC0 != 0x80 } }
}
