import MusterModel
import MusterSeries
import Testing

/// Fills a tile and closes rows, as a group does.
private struct RowWriter {
    var tile = RowTile()
    var rows = HeadRows()

    init() { tile.widen(toHold: 63) }

    mutating func add(_ time: Int64, _ values: [Int: UInt64]) {
        tile.open(time: time, isFresh: true)
        for (slot, bits) in values { tile.set(slot: slot, bits: bits) }
        tile.close(into: &rows)
    }
}

@Suite struct HeadRowsInMemory {
    private func random(_ chance: inout Seeded, _ count: Int) -> [(time: Int64, values: [Int: UInt64])] {
        let usual = UInt64.random(in: 0 ... .max, using: &chance)
        var rows: [(Int64, [Int: UInt64])] = []
        for _ in 0..<count {
            var mask = Bool.random(using: &chance) ? usual : UInt64.random(in: 0 ... .max, using: &chance)
            if Int.random(in: 0..<4, using: &chance) == 0 { mask &= 0x11 }
            var values: [Int: UInt64] = [:]
            for slot in 0..<64 where mask >> UInt64(slot) & 1 == 1 {
                values[slot] =
                    Int.random(in: 0..<3, using: &chance) == 0
                    ? awkwardBits[Int.random(in: 0..<awkwardBits.count, using: &chance)] : UInt64(slot)
            }
            if !values.isEmpty { rows.append((Int64.random(in: -50...50, using: &chance), values)) }
        }
        return rows
    }

    private func flat(_ rows: [(time: Int64, values: [Int: UInt64])]) -> BlockRows {
        var flat = BlockRows()
        for (time, values) in rows {
            let slots = values.keys.sorted()
            flat.append(
                time: time, mask: slots.reduce(0) { $0 | 1 << UInt64($1) }, values: slots.compactMap { values[$0] })
        }
        return flat
    }

    @Test func `rows come back to the bit, all of them or some slots and times`() {
        for seed in 0..<60 {
            var chance = Seeded(state: UInt64(seed))
            var writer = RowWriter()
            let rows = random(&chance, Int.random(in: 0...200, using: &chance))
            for (time, values) in rows { writer.add(time, values) }
            #expect(writer.rows.rowCount == rows.count)
            #expect(writer.rows.rows() == flat(rows))
            let slots = UInt64.random(in: 0 ... .max, using: &chance)
            let some = rows.map { row in
                (time: row.time, values: row.values.filter { slots >> UInt64($0.key) & 1 == 1 })
            }.filter { !$0.values.isEmpty && (-10...20).contains($0.time) }
            #expect(writer.rows.rows(slots: slots, from: -10, to: 20) == flat(some))
            for (time, values) in rows.prefix(20) {
                for slot in [0, 4, 63] {
                    let first = rows.first { $0.time == time && $0.values[slot] != nil }
                    #expect(writer.rows.value(slot: slot, time: time) == first?.values[slot])
                }
                #expect(writer.rows.from <= time && time <= writer.rows.to && !values.isEmpty)
            }
            #expect(writer.rows.value(slot: 0, time: 51) == nil)
        }
    }

    @Test func `a copy shows the rows there were and no other`() {
        var chance = Seeded(state: 99)
        var writer = RowWriter()
        let rows = random(&chance, 150)
        var copies: [HeadRows] = []
        for (time, values) in rows {
            copies.append(writer.rows)
            writer.add(time, values)
        }
        for (count, copy) in copies.enumerated() { #expect(copy.rows() == flat(Array(rows[..<count]))) }
    }

    @Test func `what does not change costs three words a row for all slots`() {
        var writer = RowWriter()
        let values = Dictionary(uniqueKeysWithValues: (0..<64).map { ($0, UInt64($0 + 1)) })
        for time in 0..<100 { writer.add(Int64(time), values) }
        // 64 words once and 300 for the rows, in chunks that double.
        #expect(writer.rows.bytes < 2 * (64 + 300) * 8 + 400)
        #expect(HeadRows().bytes == 0 && HeadRows().isEmpty)
    }

    @Test func `chunks are small at first and never larger than they have to be`() {
        var writer = RowWriter()
        writer.add(1, [0: 5])
        #expect(writer.rows.bytes < 400)
        var chance = Seeded(state: 4)
        for time in 2..<400 {
            writer.add(Int64(time), Dictionary(uniqueKeysWithValues: (0..<64).map { ($0, chance.next()) }))
        }
        // 67 words for each row; the last chunk may be nearly empty and each ends with less than a row.
        #expect(writer.rows.bytes < 400 * 67 * 8 * 110 / 100 + 9_000)
    }
}

@Suite struct RowTiles {
    @Test func `a tile takes a sample only for its time, a free slot, and while nothing is as new`() {
        var tile = RowTile()
        tile.widen(toHold: 9)
        #expect(tile.fill(slot: 0, time: 0, bits: 1) == false)
        tile.open(time: 10, isFresh: true)
        #expect(tile.fill(slot: 3, time: 10, bits: 7) && tile.isOpen)
        #expect(tile.fill(slot: 3, time: 10, bits: 7) == false)
        #expect(tile.fill(slot: 4, time: 11, bits: 7) == false)
        // There is room for 16 slots now.
        #expect(tile.fill(slot: 16, time: 10, bits: 7) == false)
        #expect(tile.value(slot: 3, time: 10) == 7)
        #expect(tile.value(slot: 3, time: 11) == nil && tile.value(slot: 4, time: 10) == nil)
        tile.open(time: 12, isFresh: false)
        #expect(tile.fill(slot: 5, time: 12, bits: 1) == false)
    }

    @Test func `a closed row's time is not fresh any more`() {
        var tile = RowTile()
        var rows = HeadRows()
        tile.widen(toHold: 0)
        tile.open(time: 10, isFresh: true)
        tile.set(slot: 0, bits: 1)
        tile.close(into: &rows)
        #expect(!tile.isOpen && rows.rowCount == 1)
        #expect(tile.fill(slot: 1, time: 10, bits: 1) == false)
        tile.close(into: &rows)
        #expect(rows.rowCount == 1)
    }

    @Test func `widening keeps values, the row before and the newest times`() {
        var tile = RowTile()
        var rows = HeadRows()
        tile.widen(toHold: 0)
        tile.open(time: 10, isFresh: true)
        tile.set(slot: 7, bits: 70)
        tile.close(into: &rows)
        tile.open(time: 20, isFresh: true)
        tile.set(slot: 2, bits: 22)
        let narrow = tile.bytes
        for (slot, factor) in [(7, 1), (8, 2), (15, 2), (16, 4), (40, 8), (63, 8)] {
            tile.widen(toHold: slot)
            // Arrays round up a little.
            #expect((tile.bytes + narrow / 2) / narrow == factor)
            #expect(tile.newest(of: 7) == 10 && tile.newest(of: 2) == 20 && tile.newest(of: 3) == .min)
        }
        #expect(tile.newest(of: 63) == .min)
        tile.set(slot: 7, bits: 70)
        var values: [UInt64] = []
        tile.copy(into: &values)
        #expect(values == [22, 70])
        tile.close(into: &rows)
        #expect(rows.rows().values == [70, 22, 70])
    }

    @Test func `newest times only rise`() {
        var tile = RowTile()
        var rows = HeadRows()
        tile.widen(toHold: 1)
        for time in [Int64(50), 30, .max, .min] {
            tile.open(time: time, isFresh: false)
            tile.set(slot: 0, bits: 1)
            tile.close(into: &rows)
        }
        #expect(tile.newest(of: 0) == .max && tile.newest(of: 1) == .min)
    }
}
