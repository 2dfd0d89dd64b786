/// Why a text is no JSON, and at which byte.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    package var problem: String
    package var offset: Int

    package init(_ problem: String, at offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    package var description: String { "\(problem) at byte \(offset)" }
}

/// Reads RFC 8259 piece by piece, in the order of the text, without building a tree.
///
///     try reader.beginObject()
///     while let key = try reader.nextKey() {
///         if key == "name" { name = try reader.string() } else { try reader.skipValue() }
///     }
///     try reader.end()
///
/// The caller bounds the size of the text; depth is bounded here. Nothing recurses.
package struct JSONReader: Sendable {
    package enum Kind: Sendable { case object, array, string, number, bool, null }

    private let bytes: [UInt8]
    package private(set) var offset = 0
    private let depthLimit: Int
    private var depth = 0
    /// By depth, lowest bit innermost: whether the container is an object, and whether it has a member already.
    private var objects: UInt64 = 0
    private var started: UInt64 = 0

    /// `depthLimit` is at most 64.
    package init(_ bytes: [UInt8], depthLimit: Int = InterchangeLimits.jsonDepth) {
        self.bytes = bytes
        self.depthLimit = min(64, depthLimit)
    }

    /// What the next value is.
    package mutating func peek() throws(JSONError) -> Kind {
        skipSpace()
        guard let next else { throw error("the text ends where a value should be") }
        switch next {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        default: throw error("no value")
        }
    }

    // MARK: Containers

    package mutating func beginObject() throws(JSONError) { try begin(UInt8(ascii: "{"), "no object", isObject: true) }

    package mutating func beginArray() throws(JSONError) { try begin(UInt8(ascii: "["), "no array", isObject: false) }

    private mutating func begin(_ byte: UInt8, _ problem: String, isObject: Bool) throws(JSONError) {
        guard take(byte) else { throw error(problem) }
        guard depth < depthLimit else { throw error("more than \(depthLimit) levels") }
        depth += 1
        objects = objects << 1 | (isObject ? 1 : 0)
        started <<= 1
    }

    /// The key of the next member, its value comes next. Nil when the object ends here.
    package mutating func nextKey() throws(JSONError) -> String? {
        guard try nextMember(end: UInt8(ascii: "}"), "an object") else { return nil }
        let key = try string()
        guard take(UInt8(ascii: ":")) else { throw error("no colon after a key") }
        return key
    }

    /// Whether an element comes next; false when the array ends here.
    package mutating func nextElement() throws(JSONError) -> Bool {
        try nextMember(end: UInt8(ascii: "]"), "an array")
    }

    private mutating func nextMember(end: UInt8, _ container: String) throws(JSONError) -> Bool {
        if take(end) {
            depth -= 1
            objects >>= 1
            started >>= 1
            return false
        }
        if started & 1 == 1 {
            guard take(UInt8(ascii: ",")) else { throw error("\(container) that does not end") }
        }
        started |= 1
        return true
    }

    /// Steps over the next value, whatever it is.
    package mutating func skipValue() throws(JSONError) {
        let floor = depth
        while true {
            switch try peek() {
            case .object: try beginObject()
            case .array: try beginArray()
            case .string: _ = try string()
            case .number: _ = try number()
            case .bool: _ = try bool()
            case .null: _ = try null()
            }
            while depth > floor {
                let goesOn = objects & 1 == 1 ? try nextKey() != nil : try nextElement()
                if goesOn { break }
            }
            if depth == floor { return }
        }
    }

    /// Only white space may follow.
    package mutating func end() throws(JSONError) {
        skipSpace()
        guard offset == bytes.count else { throw error("something follows the end of the document") }
    }

    // MARK: Values

    package mutating func bool() throws(JSONError) -> Bool {
        skipSpace()
        if next == UInt8(ascii: "t") {
            try word("true")
            return true
        }
        try word("false")
        return false
    }

    /// True when the next value is null, which is then read.
    package mutating func null() throws(JSONError) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: "n") else { return false }
        try word("null")
        return true
    }

    /// A number as it is written.
    package mutating func number() throws(JSONError) -> String {
        skipSpace()
        let start = offset
        takeByte(UInt8(ascii: "-"))
        if !takeByte(UInt8(ascii: "0")) { try digits() }
        if takeByte(UInt8(ascii: ".")) { try digits() }
        if takeByte(UInt8(ascii: "e")) || takeByte(UInt8(ascii: "E")) {
            if !takeByte(UInt8(ascii: "+")) { takeByte(UInt8(ascii: "-")) }
            try digits()
        }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    /// Bytes that are no UTF-8 are an error.
    package mutating func string() throws(JSONError) -> String {
        guard take(UInt8(ascii: "\"")) else { throw error("no text where one should be") }
        let start = offset
        while let byte = next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { offset += 1 }
        var text = Array(bytes[start..<offset])
        while let byte = next {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw JSONError("a text that is no UTF-8", at: start)
                }
                return string
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw JSONError("a control character in a text", at: offset - 1)
            default: text.append(byte)
            }
        }
        throw error("a text that does not end")
    }
}

// MARK: - Pieces

extension JSONReader {
    private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private func error(_ problem: String) -> JSONError { JSONError(problem, at: offset) }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        return takeByte(byte)
    }

    @discardableResult
    private mutating func takeByte(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        offset += 1
        return true
    }

    private mutating func word(_ text: String) throws(JSONError) {
        guard bytes[offset...].starts(with: text.utf8) else { throw error("not the word \(text)") }
        offset += text.utf8.count
    }

    private mutating func digits() throws(JSONError) {
        let start = offset
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
        guard offset > start else { throw error("no digit") }
    }

    private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
        guard let byte = next else { throw error("a text that does not end") }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += Array(String(try scalar()).utf8)
        default: throw JSONError("an unknown escape", at: offset - 1)
        }
    }

    /// After `\u`: one scalar, from a surrogate pair where it takes two. A surrogate alone becomes U+FFFD.
    private mutating func scalar() throws(JSONError) -> Unicode.Scalar {
        let first = try hex()
        if let scalar = Unicode.Scalar(first) { return scalar }
        let rest = offset
        if (0xd800..<0xdc00).contains(first), takeByte(UInt8(ascii: "\\")), takeByte(UInt8(ascii: "u")) {
            let second = try hex()
            let joined = 0x10000 &+ ((UInt32(first) &- 0xd800) << 10) &+ (UInt32(second) &- 0xdc00)
            if (0xdc00..<0xe000).contains(second), let scalar = Unicode.Scalar(joined) { return scalar }
        }
        offset = rest
        return "\u{fffd}"
    }

    private mutating func hex() throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("no four hexadecimal digits")
            }
            value = value << 4 | UInt16(digit)
            offset += 1
        }
        return value
    }
}
