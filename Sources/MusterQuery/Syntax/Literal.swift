import MusterModel

/// What the spelling of a number, a duration or a string means.
enum Literal {
    /// Decimal with fraction and exponent, hexadecimal after `0x`, octal after a leading `0` as in Go; `_` between
    /// digits. Nil for anything else and for what no double can hold.
    static func number(_ spelling: String) -> Double? {
        let characters = Array(spelling.utf8)
        if spelling.hasPrefix("0x") || spelling.hasPrefix("0X") {
            // Go allows one more underscore behind the prefix.
            let digits = characters.dropFirst(characters.dropFirst(2).first == UInt8(ascii: "_") ? 3 : 2)
            return plain(Array(digits), isHexDigit).flatMap { Int64($0, radix: 16) }.map { Double($0) }
        }
        guard var text = plain(characters, isDigit),
            text.utf8.allSatisfy({ isDigit($0) || ".eE+-".utf8.contains($0) })
        else { return nil }
        if text.hasPrefix("0"), text.utf8.allSatisfy(isDigit), let octal = Int64(text, radix: 8) {
            return Double(octal)
        }
        // `.5`, `1.` and `1.e5` lack a digit that Swift asks for.
        if text.hasPrefix(".") { text = "0" + text }
        if let point = text.firstIndex(of: "."), text[point...].utf8.dropFirst().first.map(isDigit) != true {
            text.insert("0", at: text.index(after: point))
        }
        return Double(text).flatMap { $0.isFinite ? $0 : nil }
    }

    /// Seconds of `1h30m`.
    static func duration(_ spelling: String) -> Double? {
        guard spelling.utf8.last.map(isDigit) == false, let duration = Duration(shortText: spelling) else { return nil }
        return Double(duration.nanoseconds) / 1e9
    }

    /// The value of a quoted string; `range` includes the quotes. The lexer has found the closing one.
    static func string(in text: QueryText, _ range: TextRange) throws(QueryError) -> String {
        let quote = text.bytes[range.start]
        let content = text.bytes[range.start + 1..<range.end - 1]
        guard quote != UInt8(ascii: "`") else { return String(decoding: content, as: UTF8.self) }
        var bytes: [UInt8] = []
        var rest = content
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\") {
                try escape(&rest, quote: quote, into: &bytes, text)
            } else {
                bytes.append(byte)
            }
        }
        guard let value = String(validating: bytes, as: UTF8.self) else {
            throw text.error("the escapes of this string make no valid UTF-8", at: range.start)
        }
        return value
    }

    /// `rest` begins behind the backslash.
    private static func escape(
        _ rest: inout ArraySlice<UInt8>, quote: UInt8, into bytes: inout [UInt8], _ text: QueryText
    ) throws(QueryError) {
        let start = rest.startIndex - 1
        let kind = rest.first ?? 0
        if (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(kind) {
            let value = try digits(3, radix: 8, of: &rest, at: start, text)
            guard value <= 255 else { throw text.error("an octal escape is at most \\377", at: start) }
            bytes.append(UInt8(truncatingIfNeeded: value))
            return
        }
        rest = rest.dropFirst()
        switch kind {
        case quote, UInt8(ascii: "\\"): bytes.append(kind)
        case UInt8(ascii: "x"):
            bytes.append(UInt8(truncatingIfNeeded: try digits(2, radix: 16, of: &rest, at: start, text)))
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let value = try digits(kind == UInt8(ascii: "u") ? 4 : 8, radix: 16, of: &rest, at: start, text)
            guard let scalar = Unicode.Scalar(value) else {
                throw text.error("this escape is no Unicode character", at: start)
            }
            bytes.append(contentsOf: String(scalar).utf8)
        default:
            guard let byte = control[kind] else {
                let name = text.character(at: start + 1)
                throw text.error(
                    "unknown escape \\\(name); in a regular expression write \\\\\(name), or use `...`", at: start)
            }
            bytes.append(byte)
        }
    }

    private static let control: [UInt8: UInt8] = [
        UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "t"): 9, UInt8(ascii: "n"): 10,
        UInt8(ascii: "v"): 11, UInt8(ascii: "f"): 12, UInt8(ascii: "r"): 13,
    ]

    private static func digits(
        _ count: Int, radix: Int, of rest: inout ArraySlice<UInt8>, at start: Int, _ text: QueryText
    ) throws(QueryError) -> UInt32 {
        let digits = rest.prefix(count)
        rest = rest.dropFirst(count)
        guard digits.count == count, !digits.contains(UInt8(ascii: "+")), !digits.contains(UInt8(ascii: "-")),
            let value = UInt32(String(decoding: digits, as: UTF8.self), radix: radix)
        else { throw text.error("this escape needs \(count) digits", at: start) }
        return value
    }

    /// Without the underscores, if each of them stands between two digits.
    private static func plain(_ characters: [UInt8], _ isDigit: (UInt8) -> Bool) -> String? {
        for (index, byte) in characters.enumerated() where byte == UInt8(ascii: "_") {
            guard index > 0, index + 1 < characters.count, isDigit(characters[index - 1]),
                isDigit(characters[index + 1])
            else { return nil }
        }
        return String(decoding: characters.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
}
