/// Reads a run of bytes from its front. Never reads outside it, never allocates from a length it has not checked.
package struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    /// Bytes read so far.
    package var offset: Int { position - bytes.startIndex }
    package var remaining: Int { bytes.endIndex - position }

    /// `field` names what is read in the error's text.
    package mutating func byte(_ field: String) throws(ByteError) -> UInt8 {
        guard position < bytes.endIndex else { throw error(field, .truncated(needed: 1, available: 0)) }
        defer { position += 1 }
        return bytes[position]
    }

    /// An unsigned integer of fixed width, little endian.
    package mutating func fixed<Number: FixedWidthInteger & UnsignedInteger>(
        _ field: String, as type: Number.Type = Number.self
    ) throws(ByteError) -> Number {
        let width = Number.bitWidth / 8
        var value: Number = 0
        for (index, byte) in try take(width, field).enumerated() {
            value |= Number(truncatingIfNeeded: byte) << (8 * index)
        }
        return value
    }

    /// Seven bits in each byte, lowest first; at most ten bytes. A number has one spelling only: longer ones are
    /// refused.
    package mutating func varint(_ field: String) throws(ByteError) -> UInt64 {
        let start = position
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte(field)
            let bits = UInt64(next & 0x7f)
            let isTooLong = shift > 63 || (shift == 63 && bits > 1) || (next == 0 && shift > 0)
            guard !isTooLong else {
                position = start
                throw error(field, .overlongVarint)
            }
            value |= bits << shift
            if next & 0x80 == 0 { return value }
            shift += 7
        }
    }

    /// A signed number as a varint, zigzag: 0, -1, 1, -2 are 0, 1, 2, 3.
    package mutating func signedVarint(_ field: String) throws(ByteError) -> Int64 {
        let value = try varint(field)
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    package mutating func take(_ count: Int, _ field: String) throws(ByteError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else {
            throw error(field, .truncated(needed: count, available: remaining))
        }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    /// Everything that is left.
    package mutating func rest() -> ArraySlice<UInt8> {
        defer { position = bytes.endIndex }
        return bytes[position...]
    }

    /// A varint length of at most `maxBytes`, then that much UTF-8.
    package mutating func string(_ field: String, maxBytes: Int) throws(ByteError) -> String {
        let start = position
        let length = try varint(field)
        guard length <= UInt64(maxBytes) else {
            position = start
            throw error(field, .tooLong(bytes: length, limit: maxBytes))
        }
        guard let text = String(validating: try take(Int(length), field), as: UTF8.self) else {
            position = start
            throw error(field, .notUTF8)
        }
        return text
    }

    /// Refuses bytes that nobody read.
    package func finish() throws(ByteError) {
        guard remaining == 0 else { throw error("end", .trailingBytes(remaining)) }
    }

    /// An error at the place where the reader stands.
    package func error(_ field: String, _ problem: ByteError.Problem) -> ByteError {
        ByteError(field: field, offset: offset, problem: problem)
    }
}

/// What is wrong with a run of bytes, in which field, and how many bytes from its start.
package struct ByteError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Problem: Equatable, Sendable {
        case truncated(needed: Int, available: Int)
        case overlongVarint
        case tooLong(bytes: UInt64, limit: Int)
        case notUTF8
        case trailingBytes(Int)
        /// The value is readable but not allowed; `allowed` says what is.
        case notAllowed(String, allowed: String)
    }

    package let field: String
    package let offset: Int
    package let problem: Problem

    package init(field: String, offset: Int, problem: Problem) {
        self.field = field
        self.offset = offset
        self.problem = problem
    }

    package var description: String { "\(field) at byte \(offset) \(problem)" }
}

extension ByteError.Problem: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated(let needed, let available): "needs \(needed) bytes, \(available) are there"
        case .overlongVarint: "is a number in more bytes than it needs or than 64 bits hold"
        case .tooLong(let bytes, let limit): "is \(bytes) bytes long, the limit is \(limit)"
        case .notUTF8: "is not UTF-8"
        case .trailingBytes(let count): "should come here, but \(count) bytes follow"
        case .notAllowed(let value, let allowed): "is \(value), allowed: \(allowed)"
        }
    }
}
