/// Which three bytes in a row can belong to a secret: one bit for each combination of their lowest five bits, in which
/// letters of both cases agree. A line is scanned once against it; only where a bit is set does anything look closer.
struct TriggerTable: Sendable {
    /// 2^15 bits.
    private static var wordCount: Int { 512 }
    private var bits = [UInt64](repeating: 0, count: TriggerTable.wordCount)

    /// `trigram` has three bytes.
    mutating func insert(_ trigram: [UInt8]) {
        var code: UInt64 = 0
        for byte in trigram { code = code << 5 | UInt64(byte & 31) }
        bits[Int(code >> 6 & 511)] |= 1 << (code & 63)
    }

    @inline(__always)
    private static func bit(_ code: UInt64, _ bits: Span<UInt64>) -> UInt64 {
        bits[Int(truncatingIfNeeded: code &>> 6 & 511)] &>> (code & 63)
    }

    /// Index of the last byte of the first trigger that ends at or behind `start`; the count without one. What is found
    /// has to be looked at: other bytes share the bits.
    func firstHit(in line: Span<UInt8>, from start: Int) -> Int {
        let bits = bits.span
        // Says to the compiler that no index below can be out of range.
        guard bits.count == Self.wordCount else { return start }
        var index = start
        var code = UInt64(line.byte(at: start &- 2) & 31) &<< 5 | UInt64(line.byte(at: start &- 1) & 31)
        let count = line.count
        while index &+ 8 <= count {
            let word = line.word(at: index) & 0x1f1f_1f1f_1f1f_1f1f
            let c0 = code &<< 5 | word & 31
            let c1 = c0 &<< 5 | word &>> 8 & 31
            let c2 = c1 &<< 5 | word &>> 16 & 31
            let c3 = c2 &<< 5 | word &>> 24 & 31
            let c4 = c3 &<< 5 | word &>> 32 & 31
            let c5 = c4 &<< 5 | word &>> 40 & 31
            let c6 = c5 &<< 5 | word &>> 48 & 31
            let c7 = c6 &<< 5 | word &>> 56
            let low = Self.bit(c0, bits) | Self.bit(c1, bits) | Self.bit(c2, bits) | Self.bit(c3, bits)
            let high = Self.bit(c4, bits) | Self.bit(c5, bits) | Self.bit(c6, bits) | Self.bit(c7, bits)
            if (low | high) & 1 != 0 { break }
            code = c7
            index &+= 8
        }
        while index < count {
            code = code &<< 5 | UInt64(line[index] & 31)
            if Self.bit(code, bits) & 1 != 0 { return index }
            index &+= 1
        }
        return count
    }
}
