/// Reading bytes of a line without copying it: words of eight, searches, comparisons. Everything is bounds-checked by
/// `Span`; the checks of a word cost two comparisons, the compiler turns the eight reads into one.
extension Span where Element == UInt8 {
    static var ones: UInt64 { 0x0101_0101_0101_0101 }
    static var highs: UInt64 { 0x8080_8080_8080_8080 }

    /// Bytes `index ..< index + 8`, the first in the lowest bits. All must be inside.
    @inline(__always)
    func word(at index: Int) -> UInt64 {
        let eight = extracting(index..<index &+ 8)
        let low =
            UInt64(eight[0]) | UInt64(eight[1]) << 8 | UInt64(eight[2]) << 16 | UInt64(eight[3]) << 24
        let high =
            UInt64(eight[4]) << 32 | UInt64(eight[5]) << 40 | UInt64(eight[6]) << 48 | UInt64(eight[7]) << 56
        return low | high
    }

    /// The byte at `index`, or 0 outside: a NUL stands for "nothing", as no rule gives it a meaning.
    @inline(__always)
    func byte(at index: Int) -> UInt8 {
        index >= 0 && index < count ? self[index] : 0
    }

    /// Index of the first `byte` in `start ..< end`, or `end`.
    func first(_ byte: UInt8, from start: Int, to end: Int) -> Int {
        let wanted = Self.ones &* UInt64(byte)
        var index = start
        while index &+ 8 <= end {
            let word = word(at: index) ^ wanted
            let hits = (word &- Self.ones) & ~word & Self.highs
            if hits != 0 { return index &+ hits.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end {
            if self[index] == byte { return index }
            index &+= 1
        }
        return end
    }

    /// Index of the first byte at or behind `start` that is not plain in a JSON string: `"`, `\`, below 0x20, from
    /// 0x80; or
    /// the count.
    func firstNotPlain(from start: Int) -> Int {
        var index = start
        while index &+ 8 <= count {
            let word = word(at: index)
            let quotes = word ^ (Self.ones &* 0x22)
            let slashes = word ^ (Self.ones &* 0x5c)
            // The borrow of a lower byte can only add hits above the first one, and the first one is what counts.
            let hits =
                ((quotes &- Self.ones) | (slashes &- Self.ones) | (word &- Self.ones &* 0x20) | word) & Self.highs
            if hits != 0 { return index &+ hits.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < count {
            let byte = self[index]
            if byte == 0x22 || byte == 0x5c || byte < 0x20 || byte >= 0x80 { return index }
            index &+= 1
        }
        return count
    }

    /// True when `literal` stands at `index`.
    func has(_ literal: [UInt8], at index: Int) -> Bool {
        guard index >= 0, index <= count, literal.count <= count &- index else { return false }
        var offset = 0
        while offset < literal.count {
            guard self[index &+ offset] == literal[offset] else { return false }
            offset &+= 1
        }
        return true
    }

    /// As `has`, but letters of any case; `literal` is in lower case.
    func hasFolded(_ literal: [UInt8], at index: Int) -> Bool {
        guard index >= 0, index <= count, literal.count <= count &- index else { return false }
        var offset = 0
        while offset < literal.count {
            guard ASCIIByte.lower(self[index &+ offset]) == literal[offset] else { return false }
            offset &+= 1
        }
        return true
    }

    /// True when `literal` occurs anywhere. An empty one occurs everywhere.
    func contains(_ literal: [UInt8]) -> Bool {
        guard let head = literal.first else { return true }
        let end = count &- literal.count &+ 1
        var index = 0
        while index < end {
            index = first(head, from: index, to: end)
            guard index < end else { return false }
            if has(literal, at: index) { return true }
            index &+= 1
        }
        return false
    }

    /// Index behind the run of spaces and tabs that begins at `start`.
    @inline(__always)
    func skippingBlanks(from start: Int) -> Int {
        var index = start
        while index < count, self[index] == 0x20 || self[index] == 0x09 { index &+= 1 }
        return index
    }

    /// The largest index up to `limit` at which no UTF-8 sequence is split.
    func characterBoundary(atMost limit: Int) -> Int {
        guard limit < count else { return count }
        var index = limit
        // A sequence has at most three bytes behind its first; more are not UTF-8 and may be cut anywhere.
        while index > 0, index > limit &- 3, self[index] & 0xc0 == 0x80 { index &-= 1 }
        return self[index] & 0xc0 == 0x80 ? limit : index
    }
}

/// Kinds of bytes.
enum ASCIIByte {
    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
    @inline(__always) static func isUpper(_ byte: UInt8) -> Bool { byte &- 0x41 < 26 }
    @inline(__always) static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
    @inline(__always) static func isAlphanumeric(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) }
    /// Letters, digits, `-` and `_`.
    @inline(__always) static func isBase64URL(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == 0x2d || byte == 0x5f
    }
    /// Letters, digits, `+`, `/` and `=`.
    @inline(__always) static func isBase64(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == 0x2b || byte == 0x2f || byte == 0x3d
    }
    /// Letters in lower case, others as they are.
    @inline(__always) static func lower(_ byte: UInt8) -> UInt8 { isUpper(byte) ? byte | 0x20 : byte }
}
