extension BlockRows {
    /// Rows of a block that merging makes. Longer blocks save little and make a reader of one minute decode more.
    package static let joinedRows = 240

    /// What `BlockCodec` and every reader may count on: the shape that the properties describe.
    package var isValid: Bool {
        guard times.count == masks.count else { return false }
        var count = 0
        for row in times.indices {
            if masks[row] == 0 || row > 0 && times[row] <= times[row - 1] { return false }
            count += masks[row].nonzeroBitCount
        }
        return count == values.count
    }

    /// Adds a row behind the last one. `values` holds one for each bit of `mask`.
    package mutating func append(time: Int64, mask: UInt64, values row: some Sequence<UInt64>) {
        times.append(time)
        masks.append(mask)
        values.append(contentsOf: row)
    }

    /// All rows in order of time, each time once. Rows of the same time are united; where two of them have a value for
    /// the same slot, the one that comes first in `pieces` counts. The rows of a piece need not be in order.
    package static func merged(_ pieces: [BlockRows]) -> BlockRows {
        var merged = BlockRows()
        merged.times.reserveCapacity(pieces.reduce(0) { $0 + $1.rowCount })
        merged.masks.reserveCapacity(merged.times.capacity)
        merged.values.reserveCapacity(pieces.reduce(0) { $0 + $1.values.count })
        if isAscending(pieces) {
            for piece in pieces {
                merged.times += piece.times
                merged.masks += piece.masks
                merged.values += piece.values
            }
            return merged
        }
        for place in ordered(pieces) {
            let piece = pieces[place.piece]
            let mask = piece.masks[place.row]
            let row = piece.values[place.firstValue..<(place.firstValue + mask.nonzeroBitCount)]
            if merged.times.last == place.time {
                merged.uniteLast(mask: mask, values: row)
            } else {
                merged.append(time: place.time, mask: mask, values: row)
            }
        }
        return merged
    }

    /// The same rows in pieces of at most `rows`, which is positive.
    package func split(rows: Int = BlockRows.joinedRows) -> [BlockRows] {
        guard rowCount > rows else { return rowCount == 0 ? [] : [self] }
        var pieces: [BlockRows] = []
        var value = 0
        for start in stride(from: 0, to: rowCount, by: rows) {
            var piece = BlockRows()
            piece.times = Array(times[start..<min(start + rows, rowCount)])
            piece.masks = Array(masks[start..<min(start + rows, rowCount)])
            let count = piece.masks.reduce(0) { $0 + $1.nonzeroBitCount }
            piece.values = Array(values[value..<(value + count)])
            value += count
            pieces.append(piece)
        }
        return pieces
    }

    /// True when one after the other they are in order already, as all blocks of an agent are.
    private static func isAscending(_ pieces: [BlockRows]) -> Bool {
        var last: Int64?
        for piece in pieces {
            for time in piece.times {
                if let last, time <= last { return false }
                last = time
            }
        }
        return true
    }

    private struct Place {
        var time: Int64
        var piece: Int
        var row: Int
        var firstValue: Int
    }

    /// By time; rows of the same time in the order of `pieces`.
    private static func ordered(_ pieces: [BlockRows]) -> [Place] {
        var places: [Place] = []
        for (index, piece) in pieces.enumerated() {
            var value = 0
            for row in piece.times.indices {
                places.append(Place(time: piece.times[row], piece: index, row: row, firstValue: value))
                value += piece.masks[row].nonzeroBitCount
            }
        }
        return places.sorted { ($0.time, $0.piece, $0.row) < ($1.time, $1.piece, $1.row) }
    }

    /// Adds to the last row the slots that it does not have.
    private mutating func uniteLast(mask: UInt64, values row: ArraySlice<UInt64>) {
        let last = masks.count - 1
        let old = masks[last]
        let oldValues = Array(values.suffix(old.nonzeroBitCount))
        values.removeLast(oldValues.count)
        masks[last] = old | mask
        var left = masks[last]
        while left != 0 {
            let bit = left & (0 &- left)
            let isOld = old & bit != 0
            let rank = ((isOld ? old : mask) & (bit - 1)).nonzeroBitCount
            values.append(isOld ? oldValues[rank] : row[row.startIndex + rank])
            left &= left - 1
        }
    }
}
