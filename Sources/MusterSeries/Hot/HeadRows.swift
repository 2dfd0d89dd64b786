/// Closed rows of a group in the order in which they were closed. They are only added, so a copy is a picture of the
/// rows up to now and costs two references.
///
/// A row is its time, the mask of slots that have a value, the mask of those whose value is another than in the slot's
/// row before (0 at first), and these values. A series that does not move costs nothing but its share of the row.
package struct HeadRows: Sendable {
    private static let headWords = 3
    private static let leastWords = 32
    private static let mostWords = 1_024

    private var chunks: [RowChunk] = []
    /// Words of the last chunk that are written.
    private var used = 0
    package private(set) var rowCount = 0
    /// Values of the fullest row.
    private var width = 0
    /// Milliseconds; of no row `from` is above `to`.
    package private(set) var from = Int64.max
    package private(set) var to = Int64.min

    package init() {}

    package var isEmpty: Bool { rowCount == 0 }

    package private(set) var bytes = 0

    /// Adds a row. `cells` holds the values of the slots, then, from `width` on, their values of the row before, which
    /// become the new ones.
    package mutating func append(time: Int64, mask: UInt64, cells: inout [UInt64], width: Int) {
        var changed: UInt64 = 0
        var left = mask
        while left != 0 {
            let slot = left.trailingZeroBitCount
            let isOther = cells[slot] != cells[width + slot]
            changed |= (isOther ? 1 : 0) << UInt64(slot)
            left &= left - 1
        }
        makeRoom(Self.headWords + changed.nonzeroBitCount)
        let chunk = chunks[chunks.count - 1]
        chunk.store(UInt64(bitPattern: time), at: used)
        chunk.store(mask, at: used + 1)
        chunk.store(changed, at: used + 2)
        used += Self.headWords
        left = changed
        while left != 0 {
            let slot = left.trailingZeroBitCount
            chunk.store(cells[slot], at: used)
            cells[width + slot] = cells[slot]
            used += 1
            left &= left - 1
        }
        rowCount += 1
        self.width = max(self.width, mask.nonzeroBitCount)
        from = min(from, time)
        to = max(to, time)
    }

    /// A row lies in one chunk. A mask of 0, which no row has, says that the rest of a chunk is left out.
    private mutating func makeRoom(_ words: Int) {
        let capacity = chunks.last?.capacity ?? 0
        guard used + words > capacity else { return }
        if used + Self.headWords <= capacity { chunks[chunks.count - 1].store(0, at: used + 1) }
        let next = max(capacity * 2, Self.leastWords, words * 2)
        let chunk = RowChunk(capacity: min(next, max(Self.mostWords, words)))
        chunks.append(chunk)
        // The array's place for it included.
        bytes += chunk.bytes + 16
        used = 0
    }

    /// Where a reader is: the row, and the value so far of each slot that it reads.
    private struct Cursor {
        let slots: UInt64
        var chunk = 0
        var position = 0
        var time: Int64 = 0
        var mask: UInt64 = 0
        var last = InlineArray<64, UInt64>(repeating: 0)

        init(slots: UInt64) { self.slots = slots }

        @inline(__always)
        mutating func advance(_ chunks: [RowChunk]) {
            if position + HeadRows.headWords > chunks[chunk].capacity || chunks[chunk][position + 1] == 0 {
                chunk += 1
                position = 0
            }
            let words = chunks[chunk]
            time = Int64(bitPattern: words[position])
            mask = words[position + 1]
            let changed = words[position + 2]
            position += HeadRows.headWords
            var left = changed & slots
            while left != 0 {
                let bit = left & (0 &- left)
                last[left.trailingZeroBitCount] = words[position + (changed & (bit - 1)).nonzeroBitCount]
                left &= left - 1
            }
            position += changed.nonzeroBitCount
        }
    }

    /// The value of a slot at a time, nil when no row has it.
    package func value(slot: Int, time: Int64) -> UInt64? {
        guard from <= time, time <= to else { return nil }
        var cursor = Cursor(slots: 1 << UInt64(slot))
        for _ in 0..<rowCount {
            cursor.advance(chunks)
            if cursor.time == time, cursor.mask >> UInt64(slot) & 1 == 1 { return cursor.last[slot] }
        }
        return nil
    }

    /// The rows with a time from `from` to `to` and a value in `slots`, with these slots only, in the order in which
    /// they were closed.
    package func rows(slots: UInt64 = .max, from: Int64 = .min, to: Int64 = .max) -> BlockRows {
        var found = BlockRows()
        guard from <= self.to, self.from <= to else { return found }
        var cursor = Cursor(slots: slots)
        found.times.reserveCapacity(rowCount)
        found.masks.reserveCapacity(rowCount)
        found.values.reserveCapacity(rowCount * min(width, slots.nonzeroBitCount))
        for _ in 0..<rowCount {
            cursor.advance(chunks)
            var left = cursor.mask & slots
            guard left != 0, from <= cursor.time, cursor.time <= to else { continue }
            found.times.append(cursor.time)
            found.masks.append(left)
            while left != 0 {
                found.values.append(cursor.last[left.trailingZeroBitCount])
                left &= left - 1
            }
        }
        return found
    }
}
