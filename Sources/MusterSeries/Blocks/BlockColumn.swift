/// The values of one slot, one behind the other, as bytes and back. Every bit pattern comes back as it was.
///
/// A column is written in the cheapest of these ways; the first that fits, in this order:
///
///     integer      the same whole number in every row: zigzag
///     bits         the same bit pattern in every row: 8 bytes
///     line         scale, first, difference: every row adds the same
///     delta        scale, first, then the differences
///     delta2       scale, first, first difference, then the differences of the differences
///     exclusiveOr  first pattern, then what changed against the one before
///
/// The middle three hold whole numbers: the values times 10^scale, where dividing again gives exactly the value. Single
/// values that are no such number (a stale marker at the end of a counter) stand in front as patches.
enum BlockColumn {
    enum Kind: UInt8 {
        case integer = 0
        case bits = 1
        case line = 2
        case delta = 3
        case delta2 = 4
        case exclusiveOr = 5
    }

    /// Kinds take the low three bits of a column's head, this is the fourth.
    static let patched: UInt8 = 8
    static let headBits: UInt64 = 4

    /// Appends the column, which is not empty, and returns its kind and flag. `whole` is scratch memory.
    static func encode(_ column: [UInt64], whole: inout WholeColumn, to bytes: inout [UInt8]) -> UInt8 {
        let first = column[0]
        if column.allSatisfy({ $0 == first }) {
            if let number = ExactInteger.value(ofBits: first) {
                Varint.append(Varint.zigzag(number), to: &bytes)
                return Kind.integer.rawValue
            }
            bytes.appendFixed(first)
            return Kind.bits.rawValue
        }
        guard whole.find(in: column) else {
            ExclusiveOr.encode(column, to: &bytes)
            return Kind.exclusiveOr.rawValue
        }
        if !whole.patches.isEmpty { whole.appendPatches(of: column, to: &bytes) }
        bytes.append(UInt8(truncatingIfNeeded: whole.scale))
        return whole.append(to: &bytes).rawValue | (whole.patches.isEmpty ? 0 : patched)
    }

    /// Fills `column`, whose count is the number of rows, from all of `bytes[range]`; false when these are not a column
    /// of that many values.
    static func decode(_ head: UInt8, _ bytes: Span<UInt8>, in range: Range<Int>, into column: inout [UInt64]) -> Bool {
        guard let kind = Kind(rawValue: head & ~patched) else { return false }
        let bytes = bytes.extracting(range)
        var position = 0
        let isDecoded =
            switch kind {
            case .integer: integer(bytes, &position, &column)
            case .bits: bits(bytes, &position, &column)
            case .line, .delta, .delta2:
                WholeColumn.decode(kind, isPatched: head & patched != 0, bytes, &position, &column)
            case .exclusiveOr: ExclusiveOr.decode(bytes, &position, &column)
            }
        return isDecoded && position == bytes.count
    }

    private static func integer(_ bytes: Span<UInt8>, _ position: inout Int, _ column: inout [UInt64]) -> Bool {
        guard let number = Varint.read(bytes, at: &position) else { return false }
        fill(&column, with: Double(Varint.unzigzag(number)).bitPattern)
        return true
    }

    private static func bits(_ bytes: Span<UInt8>, _ position: inout Int, _ column: inout [UInt64]) -> Bool {
        guard let pattern = fixed64(bytes, &position) else { return false }
        fill(&column, with: pattern)
        return true
    }

    private static func fill(_ column: inout [UInt64], with value: UInt64) {
        for row in column.indices { column[row] = value }
    }

    static func fixed64(_ bytes: Span<UInt8>, _ position: inout Int) -> UInt64? {
        guard bytes.count - position >= 8 else { return nil }
        var word: UInt64 = 0
        for index in 0..<8 { word |= UInt64(bytes[position + index]) << UInt64(8 * index) }
        position += 8
        return word
    }
}

/// Bit patterns that no scale makes whole: each against the one before, as a byte `zero bytes at the low end << 4 |
/// bytes that follow` and those bytes, low end first.
enum ExclusiveOr {
    static func encode(_ column: [UInt64], to bytes: inout [UInt8]) {
        bytes.appendFixed(column[0])
        var previous = column[0]
        for value in column.dropFirst() {
            let changed = value ^ previous
            previous = value
            guard changed != 0 else {
                bytes.append(0)
                continue
            }
            let low = changed.trailingZeroBitCount / 8
            let count = 8 - low - changed.leadingZeroBitCount / 8
            bytes.append(UInt8(truncatingIfNeeded: low << 4 | count))
            var left = changed >> UInt64(8 * low)
            for _ in 0..<count {
                bytes.append(UInt8(truncatingIfNeeded: left))
                left >>= 8
            }
        }
    }

    static func decode(_ bytes: Span<UInt8>, _ position: inout Int, _ column: inout [UInt64]) -> Bool {
        guard var value = BlockColumn.fixed64(bytes, &position) else { return false }
        guard !column.isEmpty else { return false }
        column[0] = value
        for row in 1..<column.count {
            guard position < bytes.count else { return false }
            let low = Int(bytes[position] >> 4)
            let count = Int(bytes[position] & 15)
            position += 1
            guard low + count <= 8, count <= bytes.count - position else { return false }
            var changed: UInt64 = 0
            for index in 0..<count { changed |= UInt64(bytes[position + index]) << UInt64(8 * index) }
            position += count
            value ^= low < 8 ? changed << UInt64(8 * low) : 0
            column[row] = value
        }
        return true
    }
}
