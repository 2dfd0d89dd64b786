/// Bits on their way into bytes, lowest first.
struct BitWriter {
    private(set) var bytes: [UInt8]
    private var pending: UInt64 = 0
    private var fill: UInt64 = 0

    /// Goes on behind `bytes`.
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The low `count` bits of a value that has no others; 0 to 64.
    @inline(__always)
    mutating func append(_ value: UInt64, _ count: Int) {
        guard count <= 32 else {
            append(value & 0xffff_ffff, 32)
            append(value >> 32, count - 32)
            return
        }
        pending |= value << fill
        fill += UInt64(count)
        while fill >= 8 {
            bytes.append(UInt8(truncatingIfNeeded: pending))
            pending >>= 8
            fill -= 8
        }
    }

    /// The exponential Golomb code of order `order`: short for numbers below 2^order, twice the logarithm beyond.
    /// `value` below 2^56, `order` at most 56.
    @inline(__always)
    mutating func appendGolomb(_ value: UInt64, order: Int) {
        let shifted = value + 1 << UInt64(order)
        let length = 64 - shifted.leadingZeroBitCount
        append(1 << UInt64(length - 1 - order), length - order)
        append(shifted ^ 1 << UInt64(length - 1), length - 1)
    }

    /// Fills the last byte with zeros.
    mutating func finished() -> [UInt8] {
        if fill > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
        pending = 0
        fill = 0
        return bytes
    }
}

/// Reads what `BitWriter` wrote. Behind the end there are zeros, and `isOverrun` says that they were read.
struct BitReader {
    /// The bytes as words, and one more.
    private let words: [UInt64]
    private let end: Int
    private var position = 0

    init(_ bytes: Span<UInt8>, at start: Int) {
        let count = max(0, bytes.count - start)
        var words = [UInt64](repeating: 0, count: count / 8 + 2)
        for offset in 0..<count { words[offset >> 3] |= UInt64(bytes[start + offset]) << UInt64(8 * (offset & 7)) }
        self.words = words
        end = 8 * count
    }

    /// The next 64 bits.
    @inline(__always)
    private var next: UInt64 {
        let index = position >> 6
        let shift = UInt64(position & 63)
        guard index + 1 < words.count else { return 0 }
        return words[index] >> shift | (words[index + 1] << 1) << (63 - shift)
    }

    /// 0 to 64 bits.
    @inline(__always)
    mutating func take(_ count: Int) -> UInt64 {
        let bits = next
        position += count
        return bits & ~(~0 << UInt64(count))
    }

    /// Nil when the bits are no such code. `order` at most 56; the value is below 2^57.
    @inline(__always)
    mutating func takeGolomb(order: Int) -> UInt64? {
        let zeros = next.trailingZeroBitCount
        guard zeros < 57 - order else { return nil }
        position += zeros + 1
        return (take(order + zeros) | 1 << UInt64(order + zeros)) &- 1 << UInt64(order)
    }

    var isOverrun: Bool { position > end }

    /// Whether every byte was read and only zeros fill the last.
    var isAtEnd: Bool { !isOverrun && end - position < 8 && next == 0 }
}
