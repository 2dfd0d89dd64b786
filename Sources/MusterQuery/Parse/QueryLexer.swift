/// A piece of the text and where it begins.
struct QueryToken: Equatable {
    enum Kind: Equatable {
        /// A word: a metric or label name, a keyword, a number such as `Inf`.
        case name(String)
        case string(String)
        case number(Double)
        /// Punctuation and operators, as written.
        case symbol(String)
        case end
    }

    var kind: Kind
    /// Index into the text's scalars.
    var offset: Int

    /// How an error calls it.
    var text: String {
        switch kind {
        case .name(let name): "\"\(name)\""
        case .string(let value): "the string \"\(value)\""
        case .number(let number): "the number \(GoFloat.general(number))"
        case .symbol(let symbol): "\"\(symbol)\""
        case .end: "the end of the query"
        }
    }
}

/// Splits a text into tokens, by the rules of Prometheus.
struct QueryLexer {
    private static let symbols = [
        "=~", "!~", "==", "!=", ">=", "<=", "{", "}", "(", ")", "[", "]", ",", "=", ">", "<", "+", "-", "*", "/", "%",
        "^",
        "@", ":",
    ]

    let scalars: [Unicode.Scalar]
    private(set) var position = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    mutating func next() throws(QueryError) -> QueryToken {
        skipSpaceAndComments()
        let start = position
        guard let first = peek() else { return QueryToken(kind: .end, offset: start) }
        if first == "\"" || first == "'" || first == "`" {
            return QueryToken(kind: .string(try string(quote: first)), offset: start)
        }
        if Self.isDigit(first) || (first == "." && peek(1).map(Self.isDigit) == true) {
            return QueryToken(kind: .number(try number()), offset: start)
        }
        if Self.isNameStart(first) || (first == ":" && peek(1).map(Self.isNameStart) == true) {
            while let scalar = peek(), Self.isNameStart(scalar) || Self.isDigit(scalar) || scalar == ":" {
                position += 1
            }
            return QueryToken(kind: .name(text(from: start)), offset: start)
        }
        for symbol in Self.symbols where isNext(symbol) {
            position += symbol.unicodeScalars.count
            return QueryToken(kind: .symbol(symbol), offset: start)
        }
        throw error("unexpected character '\(first)'", at: start)
    }

    /// An error that shows the line with a caret below the place.
    func error(_ message: String, at offset: Int) -> QueryError {
        let before = scalars.prefix(offset)
        let lineStart = before.lastIndex(of: "\n").map { $0 + 1 } ?? 0
        let line = before.count { $0 == "\n" } + 1
        let lineText = scalars[lineStart...].prefix { $0 != "\n" }
        // The window around the place, so that a long line stays readable.
        let windowStart = max(lineStart, offset - 60)
        let window = lineText.dropFirst(windowStart - lineStart).prefix(100)
        var excerpt = "  "
        excerpt.unicodeScalars.append(contentsOf: window.map { $0 == "\t" ? " " : $0 })
        excerpt += "\n  " + String(repeating: " ", count: offset - windowStart) + "^"
        return .syntax(line: line, column: offset - lineStart + 1, message: message, excerpt: excerpt)
    }

    private mutating func skipSpaceAndComments() {
        while let scalar = peek() {
            if scalar == "#" {
                while let scalar = peek(), scalar != "\n" { position += 1 }
            } else if scalar == " " || scalar == "\t" || scalar == "\n" || scalar == "\r" {
                position += 1
            } else {
                return
            }
        }
    }

    /// Decimal with fraction and exponent, or hexadecimal.
    private mutating func number() throws(QueryError) -> Double {
        let start = position
        if peek() == "0", let x = peek(1), x == "x" || x == "X" {
            position += 2
            let digits = position
            while let scalar = peek(), scalar.properties.isASCIIHexDigit { position += 1 }
            guard let value = UInt64(text(from: digits), radix: 16), !isNameAhead else {
                throw error("bad number \"\(wholeWord(from: start))\"", at: start)
            }
            return Double(value)
        }
        while let scalar = peek(), Self.isDigit(scalar) { position += 1 }
        if peek() == "." { position += 1 }
        while let scalar = peek(), Self.isDigit(scalar) { position += 1 }
        if let e = peek(), e == "e" || e == "E" {
            position += 1
            if let sign = peek(), sign == "+" || sign == "-" { position += 1 }
            while let scalar = peek(), Self.isDigit(scalar) { position += 1 }
        }
        var spelling = text(from: start)
        if spelling.hasPrefix(".") { spelling = "0" + spelling }
        if spelling.hasSuffix(".") { spelling += "0" }
        guard let value = Double(spelling.replacingDot()), !isNameAhead else {
            throw error("bad number \"\(wholeWord(from: start))\"", at: start)
        }
        return value
    }

    private var isNameAhead: Bool { peek().map(Self.isNameStart) ?? false }

    private mutating func wholeWord(from start: Int) -> String {
        while let scalar = peek(), Self.isNameStart(scalar) || Self.isDigit(scalar) { position += 1 }
        return text(from: start)
    }

    mutating func string(quote: Unicode.Scalar) throws(QueryError) -> String {
        let start = position
        position += 1
        var bytes: [UInt8] = []
        while let scalar = peek() {
            position += 1
            if scalar == quote {
                guard let value = String(validating: bytes, as: UTF8.self) else {
                    throw error("the escapes of this string make no valid UTF-8", at: start)
                }
                return value
            }
            if scalar == "\n", quote != "`" { break }
            if scalar == "\\", quote != "`" {
                try escape(quote: quote, into: &bytes)
            } else {
                bytes.append(contentsOf: String(scalar).utf8)
            }
        }
        throw error("this string has no end: \(quote) is missing", at: start)
    }

    private mutating func escape(quote: Unicode.Scalar, into bytes: inout [UInt8]) throws(QueryError) {
        let start = position - 1
        guard let kind = peek() else { throw error("this escape has no end", at: start) }
        position += 1
        let plain: [Unicode.Scalar: UInt8] = [
            "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92,
        ]
        if let byte = plain[kind] {
            bytes.append(byte)
        } else if kind == quote {
            bytes.append(contentsOf: String(kind).utf8)
        } else if kind == "x" || kind == "u" || kind == "U" {
            let value = try digits(kind == "x" ? 2 : kind == "u" ? 4 : 8, radix: 16, escapeAt: start)
            if kind == "x" {
                bytes.append(UInt8(truncatingIfNeeded: value))
            } else if let scalar = Unicode.Scalar(value) {
                bytes.append(contentsOf: String(scalar).utf8)
            } else {
                throw error("this escape is no Unicode character", at: start)
            }
        } else if ("0"..."7").contains(kind) {
            position -= 1
            let value = try digits(3, radix: 8, escapeAt: start)
            guard value <= 255 else { throw error("an octal escape is at most \\377", at: start) }
            bytes.append(UInt8(truncatingIfNeeded: value))
        } else {
            throw error("unknown escape \\\(kind); in a regular expression write \\\\\(kind), or use `...`", at: start)
        }
    }

    private mutating func digits(_ count: Int, radix: Int, escapeAt start: Int) throws(QueryError) -> UInt32 {
        let first = position
        position = min(position + count, scalars.count)
        guard position - first == count, text(from: first).allSatisfy({ $0.isHexDigit }),
            let value = UInt32(text(from: first), radix: radix)
        else { throw error("this escape needs \(count) digits", at: start) }
        return value
    }

    private func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
        position + ahead < scalars.count ? scalars[position + ahead] : nil
    }

    private func isNext(_ symbol: String) -> Bool { scalars[position...].starts(with: symbol.unicodeScalars) }

    private func text(from start: Int) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars[start..<position])
        return text
    }

    static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    static func isNameStart(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || scalar == "_"
    }
}

extension String {
    /// `1.e5` is a number to Prometheus and none to Swift: `1.0e5`.
    fileprivate func replacingDot() -> String {
        guard let dot = firstIndex(of: "."), index(after: dot) < endIndex, self[index(after: dot)].isLetter else {
            return self
        }
        return String(self[...dot]) + "0" + String(self[index(after: dot)...])
    }
}
