/// Little-endian base-128 numbers, as everywhere else in the field.
enum Varint {
    /// The longest spelling of a 64-bit number.
    static let maxBytes = 10

    @inline(__always)
    static func append(_ value: UInt64, to bytes: inout [UInt8]) {
        var left = value
        while left >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: left) | 0x80)
            left >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: left))
    }

    /// Small numbers of either sign become small numbers.
    @inline(__always)
    static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }

    @inline(__always)
    static func unzigzag(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }

    /// The number at `position`, which moves behind it. Nil when the bytes end early or spell more than 64 bits.
    @inline(__always)
    static func read(_ bytes: Span<UInt8>, at position: inout Int) -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            guard shift < 63 || byte <= 1 else { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }
}

/// Whole numbers that a double holds exactly and that are therefore sent as differences.
enum ExactInteger {
    /// 2^53: beyond it doubles skip whole numbers.
    static let bound: Int64 = 1 << 53

    /// The number, when the bits are a whole one below the bound; -0.0 is none.
    @inline(__always)
    static func value(ofBits bits: UInt64) -> Int64? {
        let number = Double(bitPattern: bits)
        guard number.magnitude < 9_007_199_254_740_992 else { return nil }
        let whole = Int64(number)
        return Double(whole).bitPattern == bits ? whole : nil
    }

    @inline(__always)
    static func isInRange(_ value: Int64) -> Bool { value > -bound && value < bound }
}
