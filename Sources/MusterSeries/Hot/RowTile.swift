/// The row of a group that is being filled: a place for each slot. A hot path.
///
/// Beside the row's values it has, for each slot, the value that `HeadRows` knows last and the time of the newest
/// closed sample.
package struct RowTile: Sendable {
    package private(set) var time: Int64 = 0
    /// Slots that have a value; 0 when no row is open.
    package private(set) var mask: UInt64 = 0
    /// Three planes of `width`: the row's values, the values of the row before, times.
    private var cells: [UInt64] = []
    /// Slots that there is room for: 8, 16, 32 or 64.
    private var width = 0
    /// No other row of the group, sealed or not, has this time or a later one.
    private var isFresh = false

    package init() {}

    package var isOpen: Bool { mask != 0 }
    package var bytes: Int { cells.capacity * 8 }

    /// Makes room for a slot, which is below 64.
    package mutating func widen(toHold slot: Int) {
        guard slot >= width else { return }
        var newWidth = max(width, 8)
        while newWidth <= slot { newWidth *= 2 }
        var wide = [UInt64](repeating: 0, count: 3 * newWidth)
        for index in 0..<newWidth { wide[2 * newWidth + index] = UInt64(bitPattern: .min) }
        for plane in 0..<3 {
            for index in 0..<width { wide[plane * newWidth + index] = cells[plane * width + index] }
        }
        cells = wide
        width = newWidth
    }

    /// The value of a slot at a time, if this row has it.
    package func value(slot: Int, time: Int64) -> UInt64? {
        self.time == time && mask >> UInt64(slot) & 1 == 1 ? cells[slot] : nil
    }

    /// The time of the slot's newest sample, `Int64.min` when it has none.
    package func newest(of slot: Int) -> Int64 {
        let closed = Int64(bitPattern: cells[2 * width + slot])
        return mask >> UInt64(slot) & 1 == 1 ? max(closed, time) : closed
    }

    /// The common case: this is the time of the row, nothing is as new, and the slot is free. False when it is not so.
    @inline(__always)
    package mutating func fill(slot: Int, time: Int64, bits: UInt64) -> Bool {
        let bit: UInt64 = 1 << UInt64(slot)
        guard self.time == time, isFresh, mask & bit == 0, slot < width else { return false }
        cells[slot] = bits
        mask |= bit
        return true
    }

    /// `fill` for the samples from `start` on that belong to this group and stand together. Returns the index behind
    /// them, and the slots that got a stale marker.
    @inline(__always)
    package mutating func fill(
        time: Int64, refs: Span<SeriesRef>, bits: Span<UInt64>, from start: Int, group: UInt32,
        records: [SeriesRecord], staleBits: UInt64
    ) -> (next: Int, stale: UInt64) {
        guard self.time == time, isFresh else { return (start, 0) }
        var filled = mask
        var stale: UInt64 = 0
        var index = start
        var values = cells.mutableSpan
        while index < refs.count {
            let ref = refs[index]
            guard ref.number < records.count else { break }
            let record = records[Int(ref.number)]
            let bit: UInt64 = 1 << UInt64(record.slot)
            guard record.birth == ref.birth, record.group == group, filled & bit == 0 else { break }
            values[Int(record.slot)] = bits[index]
            filled |= bit
            if bits[index] == staleBits { stale |= bit }
            index += 1
        }
        mask = filled
        return (index, stale)
    }

    /// Begins a row; the one before is closed.
    package mutating func open(time: Int64, isFresh: Bool) {
        self.time = time
        self.isFresh = isFresh
    }

    /// Sets a slot of the open row.
    package mutating func set(slot: Int, bits: UInt64) {
        cells[slot] = bits
        mask |= 1 << UInt64(slot)
    }

    /// Moves the row, if there is one, behind the closed ones. From here on its time is not fresh any more.
    package mutating func close(into rows: inout HeadRows) {
        isFresh = false
        guard mask != 0 else { return }
        rows.append(time: time, mask: mask, cells: &cells, width: width)
        var left = mask
        while left != 0 {
            let at = 2 * width + left.trailingZeroBitCount
            cells[at] = UInt64(bitPattern: max(Int64(bitPattern: cells[at]), time))
            left &= left - 1
        }
        mask = 0
    }

    /// The next row closed is the first of new `HeadRows`.
    package mutating func startAfresh() {
        for at in width..<2 * width { cells[at] = 0 }
    }

    /// Appends the row's values, by slot.
    package func copy(into values: inout [UInt64]) {
        var left = mask
        while left != 0 {
            values.append(cells[left.trailingZeroBitCount])
            left &= left - 1
        }
    }
}
