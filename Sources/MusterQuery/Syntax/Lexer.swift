/// Splits a text into tokens. A `:` belongs to a name in the open, separates the step from the range in brackets, and
/// has no place in braces.
struct Lexer {
    let text: QueryText
    private var position = 0
    private var isInBraces = false
    private var isInBrackets = false

    init(_ text: QueryText) { self.text = text }

    mutating func next() throws(QueryError) -> Token {
        skipSpaceAndComments()
        let start = position
        guard let first = peek() else { return Token(kind: .end, range: TextRange(start, start)) }
        if first == UInt8(ascii: "\"") || first == UInt8(ascii: "'") || first == UInt8(ascii: "`") {
            try skipString(quote: first)
            return Token(kind: .string, range: TextRange(start, position))
        }
        if first.isDigit || (first == UInt8(ascii: ".") && peek(1)?.isDigit == true) {
            return try numberOrDuration()
        }
        if isWordStart(first) {
            while let byte = peek(), isWordStart(byte) || byte.isDigit { position += 1 }
            let range = TextRange(start, position)
            return Token(kind: .word, range: range, keyword: Keyword(rawValue: text[range].lowercased()))
        }
        guard let found = Token.Kind.punctuation.first(where: { text.bytes[start...].starts(with: $0.spelling) }),
            found.kind != .colon || isInBrackets
        else { throw text.error("unexpected character '\(text.character(at: start))'", at: start) }
        position += found.spelling.count
        enterOrLeave(found.kind)
        return Token(kind: found.kind, range: TextRange(start, position))
    }

    private mutating func enterOrLeave(_ kind: Token.Kind) {
        switch kind {
        case .leftBrace: isInBraces = true
        case .rightBrace: isInBraces = false
        case .leftBracket: isInBrackets = true
        case .rightBracket: isInBrackets = false
        default: break
        }
    }

    private mutating func skipSpaceAndComments() {
        while let byte = peek() {
            if byte == UInt8(ascii: "#") {
                while let byte = peek(), !byte.isLineEnd { position += 1 }
            } else if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte.isLineEnd {
                position += 1
            } else {
                return
            }
        }
    }

    /// Moves behind the closing quote. What the escapes mean is read by `Literal.string`.
    private mutating func skipString(quote: UInt8) throws(QueryError) {
        let start = position
        let isRaw = quote == UInt8(ascii: "`")
        position += 1
        while let byte = peek(), isRaw || byte != UInt8(ascii: "\n") {
            position += 1
            if byte == quote { return }
            // The character behind a backslash closes nothing; a newline is found in the next round.
            if byte == UInt8(ascii: "\\"), !isRaw, let escaped = peek(), escaped != UInt8(ascii: "\n") {
                position += 1
            }
        }
        throw text.error("this string has no end: \(text.character(at: start)) is missing", at: start)
    }

    private mutating func numberOrDuration() throws(QueryError) -> Token {
        let start = position
        let isHexadecimal = peek() == UInt8(ascii: "0") && peek(1).map { $0 | 0x20 } == UInt8(ascii: "x")
        var previous: UInt8 = 0
        while let byte = peek() {
            let isExponentSign =
                (byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")) && !isHexadecimal
                && previous | 0x20 == UInt8(ascii: "e")
            guard byte.isDigit || byte.isLetter || byte == UInt8(ascii: ".") || isExponentSign else { break }
            previous = byte
            position += 1
        }
        let range = TextRange(start, position)
        let spelling = text[range]
        if Literal.number(spelling) != nil { return Token(kind: .number, range: range) }
        if Literal.duration(spelling) != nil { return Token(kind: .duration, range: range) }
        let shown = spelling.count > 40 ? spelling.prefix(40) + "..." : spelling
        throw text.error("\"\(shown)\" is neither a number nor a duration such as 1h30m", at: start)
    }

    private func peek(_ ahead: Int = 0) -> UInt8? {
        position + ahead < text.bytes.count ? text.bytes[position + ahead] : nil
    }

    private func isWordStart(_ byte: UInt8) -> Bool {
        byte.isLetter || (byte == UInt8(ascii: ":") && !isInBraces && !isInBrackets)
    }
}

extension UInt8 {
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var isLineEnd: Bool { self == UInt8(ascii: "\n") || self == UInt8(ascii: "\r") }
    /// ASCII letters and `_`.
    fileprivate var isLetter: Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self | 0x20) || self == UInt8(ascii: "_")
    }
}
