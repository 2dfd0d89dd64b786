/// The series of an exposition by the bytes they are written in, so that one that was seen before is found without
/// being taken apart. Open addressing over rows; ends are rare and rebuild the index.
struct KnownSeries: Sendable {
    private static let minSlots = 64
    private static let empty: Int32 = -1

    /// By row; empty for a row that is free.
    private var keys: [[UInt8]] = []
    private var hashes: [UInt64] = []
    /// Rows by hash, linear probing, never more than half full; the count is a power of two.
    private var slots: [Int32] = []
    private(set) var count = 0

    /// The row of a series, nil when it is not known.
    func row(_ bytes: Span<UInt8>, _ range: Range<Int>, hash: UInt64) -> Int? {
        guard !slots.isEmpty else { return nil }
        let mask = slots.count &- 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != Self.empty {
            let row = Int(slots[slot])
            if hashes[row] == hash, Self.isEqual(bytes, range, keys[row]) { return row }
            slot = (slot &+ 1) & mask
        }
        return nil
    }

    /// `row` is not in use; a series that `row(...)` did not find.
    mutating func insert(_ key: [UInt8], hash: UInt64, row: Int) {
        while keys.count <= row {
            keys.append([])
            hashes.append(0)
        }
        keys[row] = key
        hashes[row] = hash
        count += 1
        if 2 * count > slots.count { rebuild() } else { place(row) }
    }

    /// Forgets rows.
    mutating func remove(_ rows: [Int]) {
        guard !rows.isEmpty else { return }
        for row in rows { keys[row] = [] }
        count -= rows.count
        rebuild()
    }

    private mutating func rebuild() {
        var size = Self.minSlots
        while size < 4 * count { size *= 2 }
        slots = Array(repeating: Self.empty, count: size)
        for row in keys.indices where !keys[row].isEmpty { place(row) }
    }

    private mutating func place(_ row: Int) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hashes[row]) & mask
        while slots[slot] != Self.empty { slot = (slot + 1) & mask }
        slots[slot] = Int32(truncatingIfNeeded: row)
    }

    /// Eight bytes at a time, each step mixed as in the finalizer of SplitMix64.
    static func hash(_ bytes: Span<UInt8>, _ range: Range<Int>) -> UInt64 {
        var hash = UInt64(range.count) &* 0x9e37_79b9_7f4a_7c15
        var index = range.lowerBound
        while index &+ 8 <= range.upperBound {
            hash = mix(hash ^ word(bytes, index))
            index &+= 8
        }
        var rest: UInt64 = 0
        while index < range.upperBound {
            rest = rest << 8 | UInt64(bytes[index])
            index &+= 1
        }
        return mix(hash ^ rest)
    }

    private static func isEqual(_ bytes: Span<UInt8>, _ range: Range<Int>, _ key: [UInt8]) -> Bool {
        guard key.count == range.count else { return false }
        let key = key.span
        let start = range.lowerBound
        var index = 0
        while index &+ 8 <= key.count {
            if word(bytes, start &+ index) != word(key, index) { return false }
            index &+= 8
        }
        while index < key.count {
            if bytes[start &+ index] != key[index] { return false }
            index &+= 1
        }
        return true
    }

    /// `index + 8` is within the bytes.
    @inline(__always)
    private static func word(_ bytes: Span<UInt8>, _ index: Int) -> UInt64 {
        unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
    }

    @inline(__always)
    private static func mix(_ value: UInt64) -> UInt64 {
        let once = (value ^ value >> 32) &* 0xbf58_476d_1ce4_e5b9
        return once ^ once >> 29
    }
}
