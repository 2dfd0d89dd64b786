/// The times and masks of a block as bytes and back.
///
///     times   0, when they are a grid from the first to the last time of the head
///             1, first difference, then differences of the differences (zigzag)
///     masks   the number of rows with the same mask and the mask (8 bytes), until all rows have one
enum RowColumns {
    private static let grid: UInt8 = 0
    private static let differences: UInt8 = 1

    static func appendTimes(_ times: [Int64], to bytes: inout [UInt8]) {
        if isGrid(times) { return bytes.append(grid) }
        bytes.append(differences)
        var previous: Int64 = 0
        for row in 1..<times.count {
            let difference = times[row] &- times[row - 1]
            Varint.append(Varint.zigzag(difference &- previous), to: &bytes)
            previous = difference
        }
    }

    private static func isGrid(_ times: [Int64]) -> Bool {
        guard times.count > 1 else { return true }
        let step = times[1] &- times[0]
        return (1..<times.count).allSatisfy { times[$0] &- times[$0 - 1] == step }
    }

    /// Nil unless they are ascending and lead from the first time of the head to its last.
    static func readTimes(_ reader: inout ByteReader, head: BlockHead) -> [Int64]? {
        switch reader.byte() {
        case grid: gridTimes(head)
        case differences: differentTimes(&reader, head)
        default: nil
        }
    }

    private static func gridTimes(_ head: BlockHead) -> [Int64]? {
        guard head.rows > 1 else { return head.from == head.to ? [head.from] : nil }
        let (span, steps) = (UInt64(bitPattern: head.to &- head.from), UInt64(head.rows - 1))
        guard head.to > head.from, span.isMultiple(of: steps) else { return nil }
        let step = Int64(bitPattern: span / steps)
        return (0..<head.rows).map { head.from &+ Int64($0) &* step }
    }

    private static func differentTimes(_ reader: inout ByteReader, _ head: BlockHead) -> [Int64]? {
        var times = [head.from]
        times.reserveCapacity(head.rows)
        var difference: Int64 = 0
        for row in 1..<max(1, head.rows) {
            guard let change = reader.zigzag() else { return nil }
            difference &+= change
            let time = times[row - 1] &+ difference
            guard time > times[row - 1] else { return nil }
            times.append(time)
        }
        return times.last == head.to ? times : nil
    }

    static func appendMasks(_ masks: [UInt64], to bytes: inout [UInt8]) {
        var row = 0
        while row < masks.count {
            let end = masks[row...].firstIndex { $0 != masks[row] } ?? masks.count
            Varint.append(UInt64(end - row), to: &bytes)
            bytes.appendFixed(masks[row])
            row = end
        }
    }

    static func readMasks(_ reader: inout ByteReader, rows: Int) -> [UInt64]? {
        var masks: [UInt64] = []
        masks.reserveCapacity(rows)
        while masks.count < rows {
            guard let count = reader.count(upTo: rows - masks.count), count > 0, let mask = reader.fixed64(), mask != 0
            else { return nil }
            masks.append(contentsOf: repeatElement(mask, count: count))
        }
        return masks
    }
}

/// Where in the values of a block, which go row by row, those of one slot are.
struct RowLayout {
    private let masks: [UInt64]
    /// Of the first value of each row; empty when all rows have the same mask.
    private var starts: [Int] = []
    /// All values of all rows.
    private(set) var count = 0

    init(masks: [UInt64]) {
        self.masks = masks
        if let first = masks.first, masks.allSatisfy({ $0 == first }) {
            count = masks.count * first.nonzeroBitCount
            return
        }
        starts.reserveCapacity(masks.count)
        for mask in masks {
            starts.append(count)
            count += mask.nonzeroBitCount
        }
    }

    /// Makes `column` the values of a slot, by row.
    func gather(_ slot: UInt64, from values: [UInt64], into column: inout [UInt64]) {
        column.removeAll(keepingCapacity: true)
        forEachIndex(slot) { index in column.append(values[index]) }
    }

    /// Puts the values of a slot, of which there are `rows(of:)`, where they belong.
    func scatter(_ slot: UInt64, _ column: [UInt64], into values: inout [UInt64]) {
        var row = 0
        forEachIndex(slot) { index in
            values[index] = column[row]
            row += 1
        }
    }

    /// Rows that have a value for a slot that is in use.
    func rows(of slot: UInt64) -> Int {
        starts.isEmpty ? masks.count : masks.reduce(0) { $0 + ($1 & slot == 0 ? 0 : 1) }
    }

    /// `slot` is its bit.
    @inline(__always)
    private func forEachIndex(_ slot: UInt64, _ body: (Int) -> Void) {
        if starts.isEmpty {
            guard let mask = masks.first, mask & slot != 0 else { return }
            let width = mask.nonzeroBitCount
            var index = (mask & (slot &- 1)).nonzeroBitCount
            for _ in masks.indices {
                body(index)
                index += width
            }
            return
        }
        for row in masks.indices where masks[row] & slot != 0 {
            body(starts[row] + (masks[row] & (slot &- 1)).nonzeroBitCount)
        }
    }
}
