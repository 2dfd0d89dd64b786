/// Splits a query into tokens; spaces and `#` comments separate them.
struct Lexer {
    let text: QueryText
    private var position = 0

    /// Longest first.
    private static let punctuation = [
        "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", "{", "}", "(", ")", "[", "]", ",", "|", "=", ">",
        "<", "+", "-", "*", "/", "%", "^",
    ].map { Array($0.utf8) }

    init(_ text: QueryText) { self.text = text }

    mutating func next() throws(LogQLError) -> Token {
        skipSpaceAndComments()
        let start = position
        guard let first = peek() else { return Token(kind: .end, range: start..<start, text: "") }
        switch first {
        case UInt8(ascii: "\""): return try quoted()
        case UInt8(ascii: "`"): return try raw()
        case UInt8(ascii: "'"): throw text.error("write strings in double quotes or in `, not in '", at: start)
        case _ where first.isDigit || (first == UInt8(ascii: ".") && peek(1)?.isDigit == true): return number()
        case _ where first.isLetter:
            while let byte = peek(), byte.isLetter || byte.isDigit { position += 1 }
            return token(.word, from: start)
        default:
            let rest = text.bytes[start...]
            guard let found = Self.punctuation.first(where: { rest.starts(with: $0) }) else {
                let character = String(decoding: rest.prefix(4), as: UTF8.self).first.map(String.init) ?? ""
                throw text.error(
                    "unexpected character '\(character)'; text to search for is written in double quotes", at: start)
            }
            position += found.count
            return token(.punctuation, from: start)
        }
    }

    private func token(_ kind: Token.Kind, from start: Int) -> Token {
        Token(kind: kind, range: start..<position, text: text[start..<position])
    }

    private func peek(_ ahead: Int = 0) -> UInt8? {
        position + ahead < text.bytes.count ? text.bytes[position + ahead] : nil
    }

    private mutating func skipSpaceAndComments() {
        while let byte = peek() {
            if byte == UInt8(ascii: "#") {
                while let byte = peek(), byte != 0x0a { position += 1 }
            } else if byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d {
                position += 1
            } else {
                return
            }
        }
    }

    /// Digits with what belongs to them: `1.5`, `1e-3`, `0x1f`, `1h30m`, `20KiB`, `5µs`.
    private mutating func number() -> Token {
        let start = position
        var isPlain = true
        while let byte = peek() {
            if byte.isDigit || byte == UInt8(ascii: ".") {
                position += 1
            } else if byte | 0x20 == UInt8(ascii: "e"), isPlain, let sign = peek(1), let digit = peek(2),
                sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"), digit.isDigit
            {
                position += 2
                isPlain = false
            } else if byte.isLetter || byte >= 0x80 {
                position += 1
                isPlain = false
            } else {
                break
            }
        }
        return token(.number, from: start)
    }

    private mutating func raw() throws(LogQLError) -> Token {
        let start = position
        position += 1
        while let byte = peek(), byte != UInt8(ascii: "`") { position += 1 }
        guard peek() != nil else { throw text.error("this string lacks its closing `", at: start) }
        position += 1
        var token = token(.string, from: start)
        token.value = text[start + 1..<position - 1]
        return token
    }

    private mutating func quoted() throws(LogQLError) -> Token {
        let start = position
        position += 1
        while let byte = peek(), byte != UInt8(ascii: "\"") {
            guard byte != 0x0a else { break }
            position += byte == UInt8(ascii: "\\") ? 2 : 1
        }
        guard peek() == UInt8(ascii: "\"") else {
            throw text.error("this string lacks its closing quote; write several lines in `", at: start)
        }
        position += 1
        var token = token(.string, from: start)
        let body = text.bytes[start + 1..<position - 1]
        switch Escapes.decoded(body) {
        case .text(let value): token.value = value
        case .bad(let offset):
            throw text.error(
                "unknown escape in a string; write regular expressions in ` or double the backslash", at: offset)
        }
        return token
    }
}

extension UInt8 {
    var isDigit: Bool { self &- 0x30 < 10 }
    /// ASCII letters and `_`.
    var isLetter: Bool { (self | 0x20) &- 0x61 < 26 || self == 0x5f }
    var isAlphanumeric: Bool { isDigit || (self | 0x20) &- 0x61 < 26 }
    /// What the word filters of blocks count as part of a word.
    var isWordByte: Bool { isLetter || isDigit || self >= 0x80 }
}
