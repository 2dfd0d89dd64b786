/// The samples of one group (at most 64 series of one owner) over a stretch of time, row by row: one time for all, a
/// mask of who has a value, and only the values that are there.
package struct BlockRows: Equatable, Sendable {
    package static let slots = 64

    /// Milliseconds, ascending, each once.
    package var times: [Int64] = []
    /// By row: bit `s` says that slot `s` has a value. Never 0.
    package var masks: [UInt64] = []
    /// Bit patterns, row by row, within a row by ascending slot: `masks[row].nonzeroBitCount` of them for each row.
    package var values: [UInt64] = []

    package init() {}

    package var rowCount: Int { times.count }
    /// Slots that have a value in any row.
    package var slotsInUse: UInt64 { masks.reduce(0, |) }
}

/// A group of the store. Numbers are not used again within the life of a data directory.
package struct GroupID: Hashable, Comparable, Sendable {
    package let number: UInt32

    package init(number: UInt32) { self.number = number }

    package static func < (a: GroupID, b: GroupID) -> Bool { a.number < b.number }
}

/// Where a sealed block of a group is, and what a reader must know to skip it. Blocks of a group may overlap in time
/// when samples came out of order; a slot has a time at most once across them.
package struct BlockRef: Hashable, Sendable {
    /// The part (a file, or the blocks that wait in memory for the next one).
    package var part: UInt32
    package var offset: UInt32
    package var length: UInt32
    package var rows: UInt32
    /// Milliseconds of the first and the last row.
    package var from: Int64
    package var to: Int64

    package init(part: UInt32, offset: UInt32, length: UInt32, rows: UInt32, from: Int64, to: Int64) {
        self.part = part
        self.offset = offset
        self.length = length
        self.rows = rows
        self.from = from
        self.to = to
    }
}
