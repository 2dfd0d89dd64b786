/// Why bytes are no protobuf message, and at which byte.
package struct ProtobufError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Problem: Equatable, Sendable {
        case truncated
        /// A number of more than 64 bits, or a key of more than 32.
        case numberTooLong
        case fieldNumberZero
        /// Wire types 3 and 4 (groups) and the two that are not assigned.
        case wireType(Int)
        /// A known field in another wire type than its own.
        case wrongWireType(field: Int)
        case tooDeep(limit: Int)
        case notUTF8
        case overLimit(String)
    }

    package var problem: Problem
    package var offset: Int

    package init(_ problem: Problem, at offset: Int) {
        self.problem = problem
        self.offset = offset
    }

    package var description: String { "no protobuf message: \(problem.text) at byte \(offset)" }
}

extension ProtobufError.Problem {
    fileprivate var text: String {
        switch self {
        case .truncated: "it ends too early"
        case .numberTooLong: "a number has too many bytes"
        case .fieldNumberZero: "field number 0"
        case .wireType(let type): "wire type \(type), which is not in use"
        case .wrongWireType(let field): "field \(field) has another wire type than it should"
        case .tooDeep(let limit): "more than \(limit) messages within each other"
        case .notUTF8: "a text that is no UTF-8"
        case .overLimit(let limit): "the limit \(limit) is passed"
        }
    }
}

/// A place in the bytes of one message. The bytes themselves are an argument of every call, so that a reader is three
/// numbers and a message within the message costs nothing.
///
/// No bytes make it trap: every length is compared with what is left of the message around it.
package struct ProtobufReader: Sendable {
    /// The key of a field: number and wire type, as it stands in the bytes.
    package typealias Key = UInt32

    package private(set) var offset: Int
    package let end: Int
    private let depth: Int

    /// `range` is within the bytes of every call that follows.
    package init(_ range: Range<Int>) {
        offset = range.lowerBound
        end = range.upperBound
        depth = 0
    }

    @inline(__always)
    private init(_ range: Range<Int>, depth: Int) {
        offset = range.lowerBound
        end = range.upperBound
        self.depth = depth
    }

    /// The key of the next field, nil at the end of the message.
    @inline(__always)
    package mutating func key(_ bytes: Span<UInt8>) throws(ProtobufError) -> Key? {
        guard offset < end else { return nil }
        let first = bytes[offset]
        if first < 0x80, first >= 8 {
            offset &+= 1
            return Key(first)
        }
        return try longKey(bytes)
    }

    private mutating func longKey(_ bytes: Span<UInt8>) throws(ProtobufError) -> Key {
        let start = offset
        let number = try varint(bytes)
        guard let key = Key(exactly: number) else { throw ProtobufError(.numberTooLong, at: start) }
        guard key >> 3 != 0 else { throw ProtobufError(.fieldNumberZero, at: start) }
        return key
    }

    @inline(__always)
    package mutating func varint(_ bytes: Span<UInt8>) throws(ProtobufError) -> UInt64 {
        guard offset < end else { throw ProtobufError(.truncated, at: offset) }
        let first = bytes[offset]
        if first < 0x80 {
            offset &+= 1
            return UInt64(first)
        }
        return try longVarint(bytes)
    }

    private mutating func longVarint(_ bytes: Span<UInt8>) throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        var position = offset
        while position < end {
            let byte = bytes[position]
            position &+= 1
            // The tenth byte has room for one bit.
            guard shift < 63 || (shift == 63 && byte <= 1) else { throw ProtobufError(.numberTooLong, at: offset) }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                offset = position
                return value
            }
            shift &+= 7
        }
        throw ProtobufError(.truncated, at: offset)
    }

    @inline(__always)
    package mutating func fixed64(_ bytes: Span<UInt8>) throws(ProtobufError) -> UInt64 {
        guard end &- offset >= 8 else { throw ProtobufError(.truncated, at: offset) }
        let value = unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
        offset &+= 8
        return UInt64(littleEndian: value)
    }

    package mutating func double(_ bytes: Span<UInt8>) throws(ProtobufError) -> Double {
        Double(bitPattern: try fixed64(bytes))
    }

    /// Where the bytes of a length-delimited field are; the reader moves behind them.
    @inline(__always)
    package mutating func range(_ bytes: Span<UInt8>) throws(ProtobufError) -> Range<Int> {
        let length = try varint(bytes)
        guard length <= UInt64(end &- offset) else { throw ProtobufError(.truncated, at: offset) }
        let start = offset
        offset &+= Int(length)
        return start..<offset
    }

    /// A message within this one; the reader moves behind it.
    @inline(__always)
    package mutating func message(_ bytes: Span<UInt8>) throws(ProtobufError) -> ProtobufReader {
        guard depth < InterchangeLimits.protobufDepth else {
            throw ProtobufError(.tooDeep(limit: InterchangeLimits.protobufDepth), at: offset)
        }
        return ProtobufReader(try range(bytes), depth: depth &+ 1)
    }

    /// Steps over fields of one key as long as they come and their length takes one byte. Whatever is different, a
    /// field that does not end included, is left to the caller.
    @inline(__always)
    package mutating func skipRun(of key: UInt8, _ bytes: Span<UInt8>) {
        var position = offset
        while position &+ 1 < end, bytes[position] == key {
            let length = bytes[position &+ 1]
            let next = position &+ 2 &+ Int(length)
            guard length < 0x80, next <= end else { break }
            position = next
        }
        offset = position
    }

    package mutating func string(_ bytes: Span<UInt8>) throws(ProtobufError) -> String {
        let range = try range(bytes)
        guard let text = String(bytes, range) else { throw ProtobufError(.notUTF8, at: range.lowerBound) }
        return text
    }

    /// Steps over the value of a field. A field of the numbers in `known` must have been read by the caller: here it
    /// can only be one of the wrong wire type.
    package mutating func skip(
        _ key: Key, _ bytes: Span<UInt8>, known: ClosedRange<Key> = 0...0
    ) throws(ProtobufError) {
        guard !known.contains(key >> 3) else {
            throw ProtobufError(.wrongWireType(field: Int(key >> 3)), at: offset)
        }
        switch key & 7 {
        case 0: _ = try varint(bytes)
        case 1: _ = try fixed64(bytes)
        case 2: _ = try range(bytes)
        case 5:
            guard end &- offset >= 4 else { throw ProtobufError(.truncated, at: offset) }
            offset &+= 4
        default: throw ProtobufError(.wireType(Int(key & 7)), at: offset)
        }
    }
}

extension String {
    /// Nil when the bytes are no UTF-8.
    init?(_ bytes: Span<UInt8>, _ range: Range<Int>) {
        guard let text = try? UTF8Span(validating: bytes.extracting(range)) else { return nil }
        self.init(copying: text)
    }
}
