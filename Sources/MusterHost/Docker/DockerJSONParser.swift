/// Why a text is no JSON, and at which byte.
package struct DockerJSONError: Error, Equatable, CustomStringConvertible {
    package var problem: String
    package var offset: Int

    package var description: String { "\(problem) at byte \(offset)" }
}

extension DockerJSON {
    /// One value and nothing after it but white space. Bytes that are no UTF-8 are repaired.
    package init(parsing bytes: [UInt8]) throws(DockerJSONError) {
        var parser = DockerJSONParser(bytes)
        self = try parser.document()
    }
}

/// Reads RFC 8259. The caller bounds the size of the text, `DockerJSON.depthLimit` its depth.
struct DockerJSONParser {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() throws(DockerJSONError) -> DockerJSON {
        let value = try value(depth: 0)
        skipSpace()
        guard offset == bytes.count else { throw error("something follows the end of the document") }
        return value
    }

    private func error(_ problem: String) -> DockerJSONError { DockerJSONError(problem: problem, offset: offset) }

    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ expected: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: expected) else { return false }
        offset += 1
        return true
    }

    private mutating func value(depth: Int) throws(DockerJSONError) -> DockerJSON {
        guard depth <= DockerJSON.depthLimit else { throw error("more than \(DockerJSON.depthLimit) levels") }
        skipSpace()
        switch next {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case nil: throw error("the text ends where a value should be")
        default: return .number(try number())
        }
    }

    private mutating func word(_ text: String, _ value: DockerJSON) throws(DockerJSONError) -> DockerJSON {
        let word = Array(text.utf8)
        guard bytes[offset...].starts(with: word) else { throw error("a word that is no JSON") }
        offset += word.count
        return value
    }

    private mutating func object(depth: Int) throws(DockerJSONError) -> DockerJSON {
        offset += 1
        var members: [DockerJSON.Member] = []
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw error("no key") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw error("no colon after a key") }
            members.append(DockerJSON.Member(key, try value(depth: depth + 1)))
            skipSpace()
        } while take(",")
        guard take("}") else { throw error("an object that does not end") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(DockerJSONError) -> DockerJSON {
        offset += 1
        var elements: [DockerJSON] = []
        skipSpace()
        if take("]") { return .array(elements) }
        repeat {
            elements.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw error("an array that does not end") }
        return .array(elements)
    }

    private mutating func digits() throws(DockerJSONError) {
        let start = offset
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
        guard offset > start else { throw error("no digit") }
    }

    private mutating func number() throws(DockerJSONError) -> String {
        let start = offset
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func string() throws(DockerJSONError) -> String {
        offset += 1
        var text: [UInt8] = []
        while let byte = next {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw error("a control character in a text")
            default: text.append(byte)
            }
        }
        throw error("a text that does not end")
    }

    private mutating func escape(into text: inout [UInt8]) throws(DockerJSONError) {
        guard let byte = next else { throw error("a text that does not end") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += try scalar().utf8
        default: throw error("an unknown escape")
        }
    }

    /// After `\u`: one scalar, from a surrogate pair where it takes two. A surrogate alone becomes U+FFFD.
    private mutating func scalar() throws(DockerJSONError) -> String {
        let first = try hex()
        if let scalar = Unicode.Scalar(first) { return String(scalar) }
        let rest = offset
        if (0xD800..<0xDC00).contains(first), take("\\"), take("u") {
            let second = try hex()
            let joined = 0x10000 + ((UInt32(first) - 0xD800) << 10) + (UInt32(second) &- 0xDC00)
            if (0xDC00..<0xE000).contains(second), let scalar = Unicode.Scalar(joined) { return String(scalar) }
        }
        offset = rest
        return "\u{FFFD}"
    }

    private mutating func hex() throws(DockerJSONError) -> UInt16 {
        guard bytes.count - offset >= 4,
            let value = UInt16(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16),
            bytes[offset..<offset + 4].allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") })
        else { throw error("no four hexadecimal digits") }
        offset += 4
        return value
    }
}
