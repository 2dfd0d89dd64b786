/// The bytes of a query and the places in them, as people count them.
struct QueryText {
    let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    subscript(range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// `offset` counts bytes from 0; columns are characters from 1.
    func error(_ message: String, at offset: Int, _ kind: LogQLError.Kind = .syntax) -> LogQLError {
        let before = bytes[..<min(max(offset, 0), bytes.count)]
        let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        let line = before.count { $0 == UInt8(ascii: "\n") } + 1
        let column = before[lineStart...].count { $0 & 0xC0 != 0x80 } + 1
        return LogQLError(kind, message, line: line, column: column)
    }
}

/// A piece of a query. What a word or a number means depends on where it stands.
struct Token {
    enum Kind: String {
        case end = "the end of the query"
        case word = "a name"
        case string = "a string"
        /// A number, a duration or an amount of bytes: all begin with a digit.
        case number = "a number"
        case punctuation
    }

    var kind: Kind
    var range: Range<Int>
    /// As written.
    var text: String
    /// The value of a string.
    var value = ""
}
