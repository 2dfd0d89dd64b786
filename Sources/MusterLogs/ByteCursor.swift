/// Reads values off the front of bytes that a peer or a disk gave us. Every read is checked; nothing traps.
struct ByteCursor {
    /// The bytes end, or a number does not fit.
    struct Malformed: Error, Equatable {
        let what: String
    }

    private(set) var bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { bytes.isEmpty }
    /// Index of the next byte in the underlying array.
    var position: Int { bytes.startIndex }

    mutating func byte(_ what: String) throws(Malformed) -> UInt8 {
        guard let first = bytes.popFirst() else { throw Malformed(what: what) }
        return first
    }

    mutating func slice(_ count: Int, _ what: String) throws(Malformed) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count else { throw Malformed(what: what) }
        let taken = bytes.prefix(count)
        bytes = bytes.dropFirst(count)
        return taken
    }

    /// LEB128, at most ten bytes.
    mutating func varint(_ what: String) throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte(what)
            guard shift < 63 || next <= 1 else { throw Malformed(what: what) }
            value |= UInt64(next & 0x7f) << shift
            guard next & 0x80 != 0 else { return value }
            shift += 7
        }
    }

    /// A count or a length that has to lie in `0...limit`.
    mutating func count(_ what: String, limit: Int) throws(Malformed) -> Int {
        let value = try varint(what)
        guard value <= UInt64(limit) else { throw Malformed(what: what) }
        return Int(value)
    }

    /// A signed number, written with its sign in the lowest bit.
    mutating func zigzag(_ what: String) throws(Malformed) -> Int64 {
        let raw = try varint(what)
        return Int64(bitPattern: raw >> 1) ^ -Int64(bitPattern: raw & 1)
    }

    mutating func text(_ what: String, limit: Int) throws(Malformed) -> String {
        let bytes = try slice(try count(what, limit: limit), what)
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Malformed(what: what) }
        return text
    }
}

/// The writing side of `ByteCursor`.
extension Array where Element == UInt8 {
    mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func appendZigzag(_ value: Int64) {
        appendVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }

    mutating func appendText(_ text: String) {
        appendVarint(UInt64(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}
