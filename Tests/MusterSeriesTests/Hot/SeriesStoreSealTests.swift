import MusterModel
import MusterSeries
import Testing

@Suite struct SeriesStoreSealing {
    private func filled(rows: Int, settings: SeriesStore.Settings = .init()) throws -> OwnedStore {
        var owned = try OwnedStore(settings)
        let a = try owned.store.series(of: owned.relayed, ["a": "1"])
        let b = try owned.store.series(of: owned.relayed, ["b": "1"])
        for row in 0..<rows {
            _ = owned.append(a, Int64(row) * 1_000, UInt64(row))
            _ = owned.append(b, Int64(row) * 1_000, 7)
        }
        return owned
    }

    @Test func `full heads are offered once, without the open row`() throws {
        var owned = try filled(rows: 120, settings: .init(rowsPerBlock: 120))
        #expect(owned.store.takeSealable(.full).isEmpty == true)
        let a = try owned.store.series(of: owned.relayed, ["a": "1"])
        #expect(owned.append(a, 120_000, 1) == .stored)
        let heads = owned.store.takeSealable(.full)
        #expect(heads.map { $0.rows().rowCount } == [120])
        #expect(owned.store.takeSealable(.full).isEmpty && owned.store.takeSealable(.all).isEmpty)
        var disk = TestDisk()
        owned.store.sealed(heads[0].group, [disk.write(heads[0].rows(), of: heads[0].group, part: 1)])
        #expect(owned.store.takeSealable(.full).isEmpty == true)
        #expect(owned.store.takeSealable(.all).map { $0.rows().times } == [[120_000]])
        #expect(owned.store.content(disk: disk)[["a": "1"]]?.count == 121)
    }

    @Test func `rows that could not be written are handed out again with the later ones`() throws {
        var owned = try filled(rows: 5, settings: .init(rowsPerBlock: 4))
        let expected = owned.store.content()
        let first = owned.store.takeSealable(.all)
        #expect(first.map { $0.rows().rowCount } == [5])
        let a = try owned.store.series(of: owned.relayed, ["a": "1"])
        _ = owned.append(a, 2_500, 9)
        #expect(owned.store.takeSealable(.all).isEmpty == true)
        owned.store.sealingFailed(first[0].group)
        // More than a block's worth of them: offered at once.
        let second = owned.store.takeSealable(.full)
        #expect(second.map { $0.rows().rowCount } == [5])
        owned.store.sealingFailed(second[0].group)
        let third = owned.store.takeSealable(.all)
        #expect(third.map { $0.rows().times } == [[0, 1_000, 2_000, 2_500, 3_000, 4_000]])
        var disk = TestDisk()
        owned.store.sealed(third[0].group, [disk.write(third[0].rows(), of: third[0].group, part: 1)])
        var samples = expected
        samples[["a": "1"]]?[2_500] = 9
        #expect(owned.store.content(disk: disk) == samples)
    }

    @Test func `heads can be chosen by age`() throws {
        var owned = try OwnedStore()
        let old = try owned.store.series(of: owned.agent, ["a": "old"])
        let young = try owned.store.series(of: owned.relayed, ["a": "young"])
        _ = owned.append(old, 1_000, 1)
        _ = owned.append(young, 2_000, 1)
        #expect(owned.store.takeSealable(.olderThan(1_000)).isEmpty)
        let heads = owned.store.takeSealable(.olderThan(2_000))
        #expect(heads.map(\.group) == [owned.store.position(of: old)?.group])
    }

    @Test func `rows of one time are made one, in order of time`() throws {
        var owned = try OwnedStore()
        let refs = try (0..<3).map { try owned.store.series(of: owned.relayed, ["n": "\($0)"]) }
        for (index, time) in [(0, 3_000), (1, 1_000), (2, 3_000), (1, 2_000), (0, 1_000), (2, 2_000)] as [(Int, Int64)]
        {
            #expect(owned.append(refs[index], time, UInt64(index)) == .stored)
        }
        let heads = owned.store.takeSealable(.all)
        var expected = BlockRows()
        expected.append(time: 1_000, mask: 0b011, values: [0, 1])
        expected.append(time: 2_000, mask: 0b110, values: [1, 2])
        expected.append(time: 3_000, mask: 0b101, values: [0, 2])
        #expect(heads.map { $0.rows() } == [expected])
    }

    @Test func `moved blocks are read from where they are, older views from where they were`() throws {
        var owned = try filled(rows: 3)
        var disk = TestDisk()
        disk.seal(&owned.store, part: 1)
        let a = try owned.store.series(of: owned.relayed, ["a": "1"])
        _ = owned.append(a, 9_000, 1)
        disk.seal(&owned.store, part: 2)
        let expected = owned.store.content(disk: disk)
        let view = owned.store.view([SeriesRequest(matchers: [])])
        #expect(view.parts == [1, 2])
        owned.store.blocksMoved(from: [1, 2], to: disk.merge([1, 2], into: 3))
        #expect(owned.store.view([SeriesRequest(matchers: [])]).parts == [3])
        #expect(owned.store.content(disk: disk) == expected && view.content(disk: disk) == expected)
        // A group that nobody has is passed over.
        owned.store.blocksMoved(
            from: [], to: [(GroupID(number: 99), disk.write(BlockRows(), of: GroupID(number: 99), part: 4))])
        owned.store.sealed(GroupID(number: 99), [])
        owned.store.sealingFailed(GroupID(number: 99))
        #expect(owned.store.content(disk: disk) == expected)
    }

    @Test func `series are forgotten when they ended and their samples are gone`() throws {
        var owned = try filled(rows: 3)
        var disk = TestDisk()
        let a = try owned.store.series(of: owned.relayed, ["a": "1"])
        let b = try owned.store.series(of: owned.relayed, ["b": "1"])
        owned.store.end(a, milliseconds: 5_000)
        owned.store.partsDropped([])
        #expect(owned.store.seriesCount == 2)
        disk.seal(&owned.store, part: 1)
        owned.store.partsDropped([7])
        #expect(owned.store.seriesCount == 2)
        owned.store.partsDropped([1])
        #expect(owned.store.position(of: a) == nil && owned.store.position(of: b) != nil)
        #expect(owned.store.labelNames.sorted() == ["b"] && owned.store.counters.seriesForgotten == 1)
        // The one that has not ended goes on in its slot.
        #expect(owned.append(b, 6_000, 1) == .stored)
        #expect(owned.store.content(disk: disk) == [["b": "1"]: [6_000: 1]])
    }

    @Test func `series that are not heard of are forgotten after the retention`() throws {
        var owned = try OwnedStore(.init(retention: .hours(1)))
        owned.store.timeAdvanced(to: Instant(milliseconds: 10_000_000))
        let silent = try owned.store.series(of: owned.agent, ["a": "never"])
        let spoke = try owned.store.series(of: owned.agent, ["a": "spoke"])
        _ = owned.append(spoke, 10_000_000, 1)
        var disk = TestDisk()
        disk.seal(&owned.store, part: 1)
        owned.store.timeAdvanced(to: Instant(milliseconds: 10_000_000 + 3_600_000))
        owned.store.partsDropped([1])
        #expect(owned.store.seriesCount == 2)
        owned.store.timeAdvanced(to: Instant(milliseconds: 10_000_001 + 3_600_000))
        owned.store.forgetSeries()
        #expect(owned.store.seriesCount == 0 && owned.store.position(of: silent) == nil)
        #expect(owned.store.takeDroppedGroups() == [GroupID(number: 0)] && owned.store.takeDroppedGroups().isEmpty)
        // Ids of groups are not used again.
        let owner = owned.store.owner(key: "host-a", kind: .agent)
        let new = try owned.store.series(of: try #require(owner), ["a": "new"])
        #expect(owned.store.position(of: new)?.group == GroupID(number: 1))
    }
}

@Suite struct SeriesStoreCatalogues {
    private func filled(_ disk: inout TestDisk) throws -> OwnedStore {
        var owned = try OwnedStore()
        for number in 0..<150 {
            let owner = number % 3 == 0 ? owned.agent : owned.relayed
            let ref = try owned.store.series(of: owner, ["__name__": "m\(number % 7)", "n": "\(number)", "job": "x"])
            _ = owned.append(ref, 1_000, UInt64(number))
        }
        disk.seal(&owned.store, part: 1)
        return owned
    }

    private func blocks(_ disk: TestDisk) -> [(GroupID, BlockRef)] {
        (disk.parts[1] ?? []).enumerated().map { offset, block in
            let rows = block.rows
            return (
                block.group,
                BlockRef(
                    part: 1, offset: UInt32(offset), length: 1, rows: UInt32(rows.rowCount), from: rows.times[0],
                    to: rows.times[rows.rowCount - 1])
            )
        }
    }

    @Test func `a store made from the catalogue answers the same`() throws {
        var disk = TestDisk()
        var owned = try filled(&disk)
        let catalogue = owned.store.takeCatalogue().catalogue()
        #expect(owned.store.takeCatalogue().count == 0)
        #expect(catalogue.entries.count == 150 && catalogue.owners.map(\.key).sorted() == ["host-a", "target"])
        var copy = SeriesStore(seed: HashSeed(3, 4))
        #expect(copy.restore(catalogue) == 0)
        copy.restoreBlocks(blocks(disk), groupsBelow: owned.store.groupsBelow)
        #expect(copy.content(disk: disk) == owned.store.content(disk: disk))
        #expect(copy.seriesCount == 150 && copy.groupCount == owned.store.groupCount)
        #expect(copy.takeCatalogue().count == 0 && copy.takeWholeCatalogue().count == 150)
        // The same samples once more are recognised, in order or not; new ones go on.
        let owner = copy.owner(key: "host-a", kind: .agent)
        let ref = try copy.series(of: try #require(owner), ["__name__": "m0", "n": "0", "job": "x"])
        #expect(copy.append(ref, milliseconds: 1_000, bits: 0) == .undecided)
        let waiting = copy.takeUndecided()
        #expect(copy.settle(waiting[0], known: waiting[0].value(in: disk.read(waiting[0].blocks[0]))) == .duplicate)
        // What was taken before the start may be behind other series; what is behind its own newest is too old again.
        #expect(copy.append(ref, milliseconds: 999, bits: 0) == .stored)
        #expect(copy.append(ref, milliseconds: 2_000, bits: 0) == .stored)
        #expect(copy.append(ref, milliseconds: 1_999, bits: 0) == .tooOld)
        // New series continue in the groups there are; new groups get new ids.
        let more = try copy.series(of: try #require(owner), ["n": "new"])
        #expect(copy.position(of: more)?.slot == 50)
        let third = copy.owner(key: "third", kind: .agent)
        let other = try copy.series(of: try #require(third), ["n": "third"])
        #expect(copy.position(of: other)?.group.number == owned.store.groupsBelow)
    }

    @Test func `only what is new is in the next catalogue, and what was forgotten in none`() throws {
        var owned = try OwnedStore()
        let a = try owned.store.series(of: owned.agent, ["a": "1"])
        #expect(owned.store.takeCatalogue().catalogue().entries.count == 1)
        _ = try owned.store.series(of: owned.agent, ["b": "1"])
        let gone = try owned.store.series(of: owned.agent, ["c": "1"])
        for ref in [a, gone] { _ = owned.append(ref, 1, 1) }
        owned.store.end(gone, milliseconds: 2)
        var disk = TestDisk()
        disk.seal(&owned.store, part: 1)
        owned.store.partsDropped([1])
        #expect(owned.store.position(of: gone) == nil)
        let next = owned.store.takeCatalogue().catalogue()
        #expect(next.entries.map(\.slot) == [1])
        #expect(String(decoding: next.texts, as: UTF8.self) == "b1")
        #expect(owned.store.takeWholeCatalogue().catalogue().entries.map(\.slot) == [0, 1])
    }

    @Test func `a draft shows the labels as they were when it was taken`() throws {
        var disk = TestDisk()
        var owned = try filled(&disk)
        let draft = owned.store.takeCatalogue()
        let early = draft.catalogue()
        owned.store.forgetEverything()
        let owner = owned.store.owner(key: "z", kind: .agent)
        for number in 0..<200 {
            _ = try owned.store.series(of: try #require(owner), ["other\(number)": "text\(number)"])
        }
        #expect(draft.catalogue() == early)
    }

    @Test func `what is impossible in a catalogue is left out and counted`() throws {
        var disk = TestDisk()
        var owned = try filled(&disk)
        let good = owned.store.takeCatalogue().catalogue()
        var chance = Seeded(state: 77)
        for round in 0..<160 {
            var bad = good
            switch round % 8 {
            case 0:
                bad.textEnds[Int.random(in: 0..<bad.textEnds.count, using: &chance)] = UInt32.random(
                    in: 0 ... .max, using: &chance)
            case 1: bad.labels[Int.random(in: 0..<bad.labels.count, using: &chance)].name = .max
            case 2: bad.labels[Int.random(in: 0..<bad.labels.count, using: &chance)].value = UInt32(bad.textEnds.count)
            case 3: bad.labelIndices[Int.random(in: 0..<bad.labelIndices.count, using: &chance)] = .max
            case 4: bad.labelIndices.removeLast(Int.random(in: 1..<20, using: &chance))
            case 5: bad.entries[Int.random(in: 0..<150, using: &chance)].owner = 2
            case 6:
                bad.entries[Int.random(in: 0..<150, using: &chance)].slot = UInt8.random(in: 64...255, using: &chance)
            default: bad.texts[Int.random(in: 0..<bad.texts.count, using: &chance)] = 0xff
            }
            var copy = SeriesStore(seed: testSeed)
            let refused = copy.restore(bad)
            #expect(refused > 0 && copy.seriesCount >= 0 && copy.seriesCount + refused <= 151)
            let whole = copy.takeWholeCatalogue()
            #expect(whole.count == copy.seriesCount)
            copy.forgetEverything()
        }
        #expect(owned.store.restore(good) == 150)
        #expect(owned.store.seriesCount == 150)
    }

    @Test func `series that the catalogue names twice are taken once`() throws {
        var owned = try OwnedStore()
        _ = try owned.store.series(of: owned.agent, ["a": "1", "b": "2"])
        var catalogue = owned.store.takeCatalogue().catalogue()
        catalogue.entries.append(.init(group: GroupID(number: 5), slot: 0, labelCount: 2, owner: 0))
        catalogue.labelIndices += [1, 0]
        catalogue.entries.append(.init(group: GroupID(number: 0), slot: 0, labelCount: 1, owner: 0))
        catalogue.labelIndices += [0]
        catalogue.entries.append(.init(group: GroupID(number: 0), slot: 1, labelCount: 2, owner: 0))
        catalogue.labelIndices += [0, 0]
        catalogue.entries.append(.init(group: GroupID(number: 0), slot: 63, labelCount: 1, owner: 0))
        catalogue.labelIndices += [0]
        var copy = SeriesStore(seed: testSeed)
        // The same labels in another order, a slot that is taken, a label twice; the last is good.
        #expect(copy.restore(catalogue) == 3)
        #expect(copy.seriesCount == 2)
        let owner = copy.owner(key: "host-a", kind: .agent)
        let ref = try copy.series(of: try #require(owner), ["b": "2"])
        #expect(copy.seriesCount == (copy.position(of: ref)?.slot == 63 ? 2 : 3))
    }
}
