import MusterModel

/// A buffer of strings that grows to a bound. Strings are pieces of it; new ones may be made of earlier ones.
struct TextArena {
    private var bytes: [UInt8]
    private(set) var count = 0
    private let maxBytes: Int

    init(maxBytes: Int) {
        self.maxBytes = maxBytes
        bytes = [UInt8](repeating: 0, count: min(maxBytes, 16 << 10))
    }

    /// The strings, one behind the other.
    consuming func finished() -> [UInt8] {
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    @inline(__always)
    private mutating func makeRoom(_ more: Int) throws(ByteCursor.Malformed) {
        guard count &+ more > bytes.count else { return }
        guard more <= maxBytes, count <= maxBytes - more else { throw ByteCursor.Malformed(what: "text size") }
        let wanted = min(maxBytes, max(bytes.count * 2, count + more))
        bytes.append(contentsOf: repeatElement(0, count: wanted - bytes.count))
    }

    mutating func append(_ more: ArraySlice<UInt8>) throws(ByteCursor.Malformed) -> Piece {
        try makeRoom(more.count)
        let piece = Piece(count, more.count)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe more.withUnsafeBytes { more in
                guard let to = buffer.baseAddress, let from = more.baseAddress else { return }
                unsafe (to + piece.lower).copyMemory(from: from, byteCount: more.count)
            }
        }
        count &+= piece.length
        return piece
    }

    /// A string that is there already once more, behind the others.
    @inline(__always)
    mutating func append(_ piece: Piece) throws(ByteCursor.Malformed) {
        try makeRoom(piece.length)
        let at = count
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe (base + at).copyMemory(from: base + piece.lower, byteCount: piece.length)
        }
        count &+= piece.length
    }

    /// A number of this many digits, zeros in front; 0 for as many as it needs.
    mutating func append(number: Int64, digits: Int) throws(ByteCursor.Malformed) -> Piece {
        try makeRoom(20)
        var rest = UInt64(max(0, number))
        var length = digits
        if length == 0 {
            var bound: UInt64 = 10
            length = 1
            while length < 19, rest >= bound {
                length &+= 1
                bound &*= 10
            }
        }
        var at = count &+ length
        unsafe bytes.withUnsafeMutableBytes { buffer in
            while at > count {
                at &-= 1
                unsafe buffer[at] = UInt8(truncatingIfNeeded: 0x30 &+ rest % 10)
                rest /= 10
            }
        }
        let piece = Piece(count, length)
        count &+= length
        return piece
    }

    /// Hexadecimal digits in lower case, one less when `isOdd`.
    mutating func append(digitsOf packed: ArraySlice<UInt8>, isOdd: Bool) throws(ByteCursor.Malformed) {
        try makeRoom(packed.count * 2)
        var at = count
        unsafe bytes.withUnsafeMutableBytes { buffer in
            for byte in packed {
                unsafe buffer[at] = Self.digit(byte >> 4)
                unsafe buffer[at &+ 1] = Self.digit(byte & 15)
                at &+= 2
            }
        }
        count = isOdd ? max(count, at - 1) : at
    }

    @inline(__always)
    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 &+ value : 0x57 &+ value }
}
