import MusterSeries
import Testing

struct BlockRowsTests {
    private static func rows(_ list: (Int64, UInt64, [UInt64])...) -> BlockRows {
        var rows = BlockRows()
        for (time, mask, values) in list { rows.append(time: time, mask: mask, values: values) }
        return rows
    }

    @Test func piecesInOrderAreJoinedEndToEnd() {
        let a = Self.rows((1, 1, [10]), (2, 3, [11, 12]))
        let b = Self.rows((3, 2, [13]))
        #expect(BlockRows.merged([a, b]) == Self.rows((1, 1, [10]), (2, 3, [11, 12]), (3, 2, [13])))
        #expect(BlockRows.merged([b, a]) == BlockRows.merged([a, b]))
        #expect(BlockRows.merged([]) == BlockRows())
        #expect(BlockRows.merged([BlockRows(), a, BlockRows()]) == a)
    }

    @Test func rowsOfOneTimeAreUnitedAndTheFirstCounts() {
        let a = Self.rows((5, 0b0101, [1, 3]))
        let b = Self.rows((5, 0b0111, [91, 2, 93]), (6, 1, [4]))
        let c = Self.rows((4, 1, [0]), (5, 0b1000, [8]))
        #expect(BlockRows.merged([a, b, c]) == Self.rows((4, 1, [0]), (5, 0b1111, [1, 2, 3, 8]), (6, 1, [4])))
    }

    @Test func rowsOutOfOrderWithinAPieceAreSorted() {
        let head = Self.rows((9, 1, [1]), (7, 2, [2]), (9, 2, [3]), (8, 1, [4]), (7, 2, [99]))
        #expect(BlockRows.merged([head]) == Self.rows((7, 2, [2]), (8, 1, [4]), (9, 3, [1, 3])))
    }

    /// Against the plainest thing that gives the same: a dictionary by time and slot.
    @Test func mergingIsWhatADictionaryGives() {
        var generator = Seeded(state: 21)
        for _ in 0..<300 {
            var expected: [Int64: [Int: UInt64]] = [:]
            var pieces: [BlockRows] = []
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                var piece = BlockRows()
                for _ in 0..<Int.random(in: 0...12, using: &generator) {
                    let time = Int64.random(in: 0..<15, using: &generator)
                    let mask = UInt64.random(in: 1...255, using: &generator)
                    let slots = (0..<8).filter { mask >> UInt64($0) & 1 == 1 }
                    let values = slots.map { _ in UInt64.random(in: 0...9, using: &generator) }
                    piece.append(time: time, mask: mask, values: values)
                    for (slot, value) in zip(slots, values) where expected[time]?[slot] == nil {
                        expected[time, default: [:]][slot] = value
                    }
                }
                pieces.append(piece)
            }
            var plain = BlockRows()
            for time in expected.keys.sorted() {
                let slots = (expected[time] ?? [:]).sorted { $0.key < $1.key }
                plain.append(time: time, mask: slots.reduce(0) { $0 | 1 << UInt64($1.key) }, values: slots.map(\.value))
            }
            let merged = BlockRows.merged(pieces)
            #expect(merged == plain)
            #expect(merged.isValid)
        }
    }

    @Test func splittingLosesNothingAndKeepsTheLimit() {
        var generator = Seeded(state: 4)
        for _ in 0..<50 {
            let rows = SampleRows.wild(&generator, maxRows: 60)
            let pieces = rows.split(rows: 7)
            #expect(pieces.allSatisfy { $0.rowCount <= 7 && $0.rowCount > 0 && $0.isValid })
            #expect(BlockRows.merged(pieces) == rows)
        }
        #expect(BlockRows().split().isEmpty)
        let long = SampleRows.quietHost(rows: 500)
        #expect(long.split().map(\.rowCount) == [240, 240, 20])
        #expect(SampleRows.quietHost(rows: 240).split().count == 1)
    }

    @Test func whatIsNoBlockIsSeen() {
        var rows = Self.rows((1, 1, [1]), (2, 2, [2]))
        #expect(rows.isValid && BlockRows().isValid)
        #expect(rows.slotsInUse == 3)
        rows.times[1] = 1
        #expect(!rows.isValid)
    }
}
