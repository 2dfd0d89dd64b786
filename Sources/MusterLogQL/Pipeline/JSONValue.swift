/// A JSON document with the places its values stand at.
indirect enum JSONValue {
    case object([Member], Range<Int>)
    case array([JSONValue], Range<Int>)
    case string(String)
    /// A number as written, `true` or `false`.
    case plain(String)
    case null

    struct Member {
        var key: String
        var value: JSONValue
    }

    /// Nil for what is no JSON, too large or too deep.
    init?(_ bytes: [UInt8]) {
        var reader = JSONReader(bytes: bytes)
        guard let value = reader.document() else { return nil }
        self = value
    }

    /// The text of a label: of objects and arrays their source; nil for `null`.
    func text(in bytes: [UInt8]) -> String? {
        switch self {
        case .object(_, let range), .array(_, let range): String(decoding: bytes[range], as: UTF8.self)
        case .string(let text), .plain(let text): text
        case .null: nil
        }
    }
}

private struct JSONReader {
    let bytes: [UInt8]
    private var index = 0
    private var values = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() -> JSONValue? {
        guard let value = value(depth: 0) else { return nil }
        skipSpace()
        return index == bytes.count ? value : nil
    }

    private mutating func value(depth: Int) -> JSONValue? {
        skipSpace()
        values += 1
        guard index < bytes.count, depth < LogQLLimits.jsonDepth, values <= LogQLLimits.jsonValues else { return nil }
        switch bytes[index] {
        case UInt8(ascii: "{"): return object(depth)
        case UInt8(ascii: "["): return array(depth)
        case UInt8(ascii: "\""): return string().map(JSONValue.string)
        case UInt8(ascii: "t"): return word("true").map(JSONValue.plain)
        case UInt8(ascii: "f"): return word("false").map(JSONValue.plain)
        case UInt8(ascii: "n"): return word("null").map { _ in JSONValue.null }
        default: return number().map(JSONValue.plain)
        }
    }

    private mutating func object(_ depth: Int) -> JSONValue? {
        let start = index
        index += 1
        var members: [JSONValue.Member] = []
        if take(UInt8(ascii: "}")) { return .object(members, start..<index) }
        repeat {
            skipSpace()
            guard let key = string(), take(UInt8(ascii: ":")), let value = value(depth: depth + 1) else { return nil }
            members.append(JSONValue.Member(key: key, value: value))
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "}")) ? .object(members, start..<index) : nil
    }

    private mutating func array(_ depth: Int) -> JSONValue? {
        let start = index
        index += 1
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return .array(elements, start..<index) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            elements.append(value)
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "]")) ? .array(elements, start..<index) : nil
    }

    private mutating func string() -> String? {
        guard index < bytes.count, bytes[index] == UInt8(ascii: "\"") else { return nil }
        let start = index + 1
        index = start
        var hasEscapes = false
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
            if bytes[index] == UInt8(ascii: "\\") {
                hasEscapes = true
                index += 1
            }
            index += 1
        }
        guard index < bytes.count else { return nil }
        index += 1
        let body = bytes[start..<index - 1]
        return hasEscapes ? TextEscapes.decoded(body) : String(decoding: body, as: UTF8.self)
    }

    private mutating func word(_ word: String) -> String? {
        guard bytes[index...].starts(with: word.utf8) else { return nil }
        index += word.utf8.count
        return word
    }

    private mutating func number() -> String? {
        let start = index
        while index < bytes.count, bytes[index].isDigit || "+-.eE".utf8.contains(bytes[index]) { index += 1 }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        guard let last = text.utf8.last, last.isDigit, !text.hasPrefix("+"), !text.hasPrefix("."),
            Double(text) != nil
        else { return nil }
        return text
    }

    private mutating func skipSpace() {
        while index < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[index]) { index += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }
}

/// Escapes in JSON strings and in quoted logfmt values.
///
/// ASCII letters and digits that are written as `\u0061` stay as they stand: no writer escapes them, and so a value of
/// letters and digits alone stands in its line as it is. Questions rely on that.
enum TextEscapes {
    /// Nil for an escape that is none.
    static func decoded(_ body: ArraySlice<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var index = body.startIndex
        while index < body.endIndex {
            guard body[index] == UInt8(ascii: "\\") else {
                bytes.append(body[index])
                index += 1
                continue
            }
            guard index + 1 < body.endIndex else { return nil }
            if let byte = simple[body[index + 1]] {
                bytes.append(byte)
                index += 2
                continue
            }
            guard body[index + 1] == UInt8(ascii: "u"), let unit = unit(body, index) else { return nil }
            var scalar = Unicode.Scalar(unit)
            var length = 6
            if (0xd800..<0xdc00).contains(unit), let low = self.unit(body, index + 6), (0xdc00..<0xe000).contains(low) {
                scalar = Unicode.Scalar(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
                length = 12
            }
            if let byte = UInt8(exactly: unit), byte.isAlphanumeric {
                bytes += body[index..<index + 6]
            } else {
                bytes.append(contentsOf: String(scalar ?? "\u{fffd}").utf8)
            }
            index += length
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let simple: [UInt8: UInt8] = [
        UInt8(ascii: "\""): 0x22, UInt8(ascii: "\\"): 0x5c, UInt8(ascii: "/"): 0x2f, UInt8(ascii: "b"): 8,
        UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13, UInt8(ascii: "t"): 9,
        UInt8(ascii: "'"): 0x27,
    ]

    /// The four digits of the `\uXXXX` at `index`.
    private static func unit(_ body: ArraySlice<UInt8>, _ index: Int) -> UInt32? {
        guard index + 6 <= body.endIndex, body[index] == UInt8(ascii: "\\"), body[index + 1] == UInt8(ascii: "u"),
            body[index + 2..<index + 6].allSatisfy(\.isAlphanumeric)
        else { return nil }
        return UInt32(String(decoding: body[index + 2..<index + 6], as: UTF8.self), radix: 16)
    }
}
