import MusterSeries
import Testing

@Suite struct PagedElements {
    @Test func `a copy stays as it was whatever is written afterwards`() {
        var paged = Paged<UInt32>()
        let count = Paged<UInt32>.pageCount * 2 + 17
        for index in 0..<count { paged.append(UInt32(index)) }
        let copy = paged
        for index in stride(from: 0, to: count, by: 3) { paged[index] = 9_999_999 }
        paged.append(7)
        paged.truncate(to: count - 30)
        #expect(copy.count == count)
        #expect((0..<count).allSatisfy { copy[$0] == UInt32($0) })
        #expect(paged.count == count - 30)
        #expect(paged[3] == 9_999_999 && paged[4] == 4)
    }

    @Test func `elements behind a cut are gone and room is given back`() {
        var paged = Paged<UInt32>()
        let pages = Paged<UInt32>.pageCount
        for cut in [0, 1, pages - 1, pages, pages + 1, 2 * pages, 3 * pages] {
            while paged.count < 3 * pages { paged.append(UInt32(paged.count)) }
            let full = paged.bytes
            paged.truncate(to: cut)
            #expect(paged.count == cut)
            #expect(cut == 3 * pages || paged.bytes < full || cut > 2 * pages)
            paged.append(42)
            #expect(paged[cut] == 42)
            if cut > 0 { #expect(paged[cut - 1] == UInt32(cut - 1)) }
            paged = Paged()
        }
    }
}

@Suite struct RunArenas {
    @Test func `runs come back and never cross a page`() throws {
        var chance = Seeded(state: 1)
        var arena = RunArena<UInt32>()
        var runs: [(place: UInt32, values: [UInt32])] = []
        for _ in 0..<4_000 {
            let values = (0..<Int.random(in: 0...40, using: &chance)).map { _ in
                UInt32.random(in: 0...9, using: &chance)
            }
            let place = arena.append(values.span)
            runs.append((try #require(place), values))
        }
        let copy = arena
        for (place, values) in runs {
            #expect(Array(copy.run(place, count: values.count)) == values)
            #expect(copy.withRun(place, count: values.count) { span in span.indices.map { span[$0] } } == values)
            for (index, value) in values.enumerated() { #expect(copy.element(of: place, at: index) == value) }
        }
    }

    @Test func `the longest run is a page, and one behind a full page is empty too`() {
        var arena = RunArena<UInt8>()
        let page = [UInt8](repeating: 1, count: 1 << RunArena<UInt8>.pageBits)
        let tooLong = page + [1]
        #expect(arena.append(tooLong.span) == nil)
        #expect(arena.append(page.span) == 0)
        let none: [UInt8] = []
        let place = arena.append(none.span)
        #expect(place == UInt32(page.count))
        #expect(place.map { arena.run($0, count: 0).isEmpty } == true)
        #expect(!arena.hasRoom(runs: 1, of: page.count + 1))
        #expect(arena.hasRoom(runs: 1_000, of: page.count))
        #expect(!arena.hasRoom(runs: 1 << 18, of: page.count))
    }

    @Test func `an arena is wasteful when more is dead than alive`() {
        var arena = RunArena<UInt32>()
        let run = [UInt32](repeating: 1, count: 1_024)
        for _ in 0..<64 { _ = arena.append(run.span) }
        arena.release(count: 32 * 1_024)
        #expect(!arena.isWasteful)
        arena.release(count: 1_024)
        #expect(arena.isWasteful)
    }
}

@Suite struct NumberPools {
    @Test func `the lowest free number comes first and the limit falls`() {
        var pool = NumberPool()
        let taken = (0..<10).map { _ in pool.take() }
        #expect(taken == Array(0..<10))
        pool.giveBack([7, 2, 9, 8])
        #expect(pool.limit == 7)
        #expect(pool.take() == 2 && pool.take() == 7 && pool.take() == 8)
        pool.giveBack([0, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(pool.limit == 0 && pool.bytes < 1_000)
        #expect(pool.take() == 0)
    }
}

@Suite struct ProbeTables {
    /// Hashes that collide a lot, and the ends of the range.
    @Test(arguments: [UInt32(0xff), 0xffff_ffff, 0xff00_0000, 0x8000_0001])
    func `a table is a dictionary from hash to numbers`(_ bits: UInt32) {
        var chance = Seeded(state: UInt64(bits))
        var table = ProbeTable()
        var model: [UInt32: Set<UInt32>] = [:]
        var numbers: [(number: UInt32, hash: UInt32)] = []
        for step in 0..<6_000 {
            if numbers.isEmpty || UInt32.random(in: 0..<100, using: &chance) < (step < 4_000 ? 70 : 20) {
                let hash = UInt32.random(in: 0 ... .max, using: &chance) & bits
                table.insert(UInt32(step), hash: hash)
                model[hash, default: []].insert(UInt32(step))
                numbers.append((UInt32(step), hash))
            } else {
                let gone = numbers.remove(at: Int.random(in: 0..<numbers.count, using: &chance))
                table.remove(gone.number, hash: gone.hash)
                model[gone.hash]?.remove(gone.number)
                // Once more changes nothing.
                table.remove(gone.number, hash: gone.hash)
            }
            if step % 1_000 == 999 { table.trim() }
        }
        #expect(table.count == numbers.count)
        for (hash, expected) in model { #expect(found(table, hash) == expected) }
        #expect(found(table, 0x1234_5678).isEmpty || bits == 0xffff_ffff)
    }

    private func found(_ table: ProbeTable, _ hash: UInt32) -> Set<UInt32> {
        var probe = table.probe(hash)
        var found: Set<UInt32> = []
        while let number = table.next(&probe) { found.insert(number) }
        return found
    }

    @Test func `a copy stays, room is given back, the largest number fits`() {
        var table = ProbeTable()
        let empty = table.bytes
        for number in 0..<UInt32(20_000) { table.insert(number, hash: number &* 0x9e37_79b9) }
        let copy = table
        for number in 0..<UInt32(20_000) { table.remove(number, hash: number &* 0x9e37_79b9) }
        table.trim()
        #expect(table.count == 0 && table.bytes == empty)
        #expect((0..<UInt32(20_000)).allSatisfy { found(copy, $0 &* 0x9e37_79b9).contains($0) })
        table.insert(.max - 1, hash: .max)
        #expect(found(table, .max) == [UInt32.max - 1])
        table.reserve(100_000)
        #expect(found(table, .max) == [UInt32.max - 1])
    }
}

@Suite struct PostingLists {
    @Test func `a list is a set of ascending numbers`() {
        var chance = Seeded(state: 5)
        for _ in 0..<50 {
            var list = PostingList()
            var model: Set<UInt32> = []
            for _ in 0..<30 {
                for _ in 0..<Int.random(in: 0...20, using: &chance) {
                    let number = UInt32.random(in: 0..<500, using: &chance)
                    if model.insert(number).inserted { list.add(number) }
                }
                var dead = NumberSet(limit: 500)
                for number in 0..<UInt32(500) where UInt32.random(in: 0..<4, using: &chance) == 0 {
                    dead.insert(number)
                    model.remove(number)
                }
                // Before the numbers are asked for, so that removing meets lists in any order.
                list.remove(dead)
                var set = NumberSet(limit: 500)
                list.insert(into: &set)
                #expect(set.numbers == model.sorted())
                #expect(list.numbers() == model.sorted())
                #expect(list.count == model.count)
            }
        }
    }

    @Test func `one number needs no storage, many little more than their own`() {
        var list = PostingList()
        list.add(77)
        #expect(list.bytes == 0 && list.numbers() == [77])
        for number in 100..<UInt32(100_100) { list.add(number) }
        #expect(list.bytes < 100_001 * 4 * 5 / 4)
    }

    @Test func `sets of numbers have edges`() {
        var set = NumberSet(limit: 65)
        #expect(set.inserting(64) && !set.inserting(64) && set.inserting(0) && set.inserting(63))
        #expect(set.numbers == [0, 63, 64])
        #expect(!set.contains(65) && !set.contains(.max))
        #expect(NumberSet(limit: 0).numbers.isEmpty)
    }
}
