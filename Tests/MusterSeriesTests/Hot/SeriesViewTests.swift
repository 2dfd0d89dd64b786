import MusterModel
import MusterSeries
import Testing

private let everything = [SeriesRequest(matchers: [])]

@Suite struct SeriesViews {
    private struct Unreadable: Error {}

    @Test func `a view shows what there was when it was taken, whatever happens later`() throws {
        var owned = try OwnedStore()
        var disk = TestDisk()
        let refs = try (0..<80).map { try owned.store.series(of: owned.relayed, ["n": "\($0)", "job": "x"]) }
        for time in 0..<10 { for ref in refs { _ = owned.append(ref, Int64(time) * 1_000, UInt64(time)) } }
        disk.seal(&owned.store, part: 1)
        for time in 10..<15 { for ref in refs { _ = owned.append(ref, Int64(time) * 1_000, UInt64(time)) } }
        let heads = owned.store.takeSealable(.all)
        for time in 15..<18 { for ref in refs { _ = owned.append(ref, Int64(time) * 1_000, UInt64(time)) } }
        let view = owned.store.view(everything)
        let expected = view.content(disk: disk)
        #expect(expected.count == 80 && expected[["n": "7", "job": "x"]]?.count == 18)
        // The open row, closed rows, the end of sealing, other blocks, forgotten series, used again numbers and texts.
        for ref in refs.prefix(40) { _ = owned.append(ref, 17_000, 99) }
        for ref in refs { _ = owned.append(ref, 18_000, 18) }
        #expect(view.content(disk: disk) == expected)
        for head in heads { owned.store.sealed(head.group, [disk.write(head.rows(), of: head.group, part: 2)]) }
        #expect(view.content(disk: disk) == expected)
        owned.store.forgetEverything()
        owned.store.partsDropped([1, 2])
        #expect(owned.store.seriesCount == 0)
        let found = owned.store.owner(key: "target", kind: .relayed)
        let owner = try #require(found)
        for number in 0..<200 {
            let ref = try owned.store.series(of: owner, ["x\(number)": "other\(number)", "job": "y"])
            _ = owned.append(ref, 5, 5)
        }
        #expect(view.content(disk: disk) == expected)
        #expect(view.labelNames == ["job", "n"] && view.labelValues("job") == ["x"] && view.labelValues("x1").isEmpty)
        #expect(view.symbol(for: "other1") == nil)
        let symbol = try #require(view.symbol(for: "79"))
        #expect(view.text(of: symbol) == "79" && symbol < view.symbolLimit)
    }

    @Test func `other threads read a view while the store goes on`() async throws {
        var owned = try OwnedStore()
        var disk = TestDisk()
        let refs = try (0..<64).map { try owned.store.series(of: owned.agent, ["n": "\($0)"]) }
        var chance = Seeded(state: 6)
        var readers: [Task<Bool, Never>] = []
        var time: Int64 = 0
        for round in 0..<12 {
            for _ in 0..<12 {
                time += 1_000
                let bits = refs.map { _ in UInt64.random(in: 0..<3, using: &chance) }
                _ = owned.store.appendTick(milliseconds: time, refs: refs.span, bits: bits.span)
            }
            let view = owned.store.view(everything)
            let expected = view.content(disk: disk)
            let copy = disk
            readers.append(
                Task.detached {
                    (0..<3).allSatisfy { _ in view.content(disk: copy) == expected }
                })
            if round % 5 == 4 { disk.seal(&owned.store, part: UInt32(round)) }
            if round % 10 == 9 { _ = try owned.store.series(of: owned.agent, ["new\(round)": "x"]) }
        }
        for reader in readers { #expect(await reader.value) }
    }

    @Test func `ranges include both ends and leave out series without a sample`() throws {
        var owned = try OwnedStore()
        var disk = TestDisk()
        let a = try owned.store.series(of: owned.relayed, ["a": "1"])
        let b = try owned.store.series(of: owned.relayed, ["b": "1"])
        for time in [1_000, 2_000, 3_000] as [Int64] { _ = owned.append(a, time, UInt64(time)) }
        _ = owned.append(b, 3_000, 3)
        for stage in 0..<3 {
            if stage == 1 { _ = owned.append(a, 9_000, 9) }
            if stage == 2 { disk.seal(&owned.store, part: 1) }
            let from2 = owned.store.content(disk: disk, from: 2_000, to: 3_000)
            #expect(from2 == [["a": "1"]: [2_000: 2_000, 3_000: 3_000], ["b": "1"]: [3_000: 3]])
            let only1 = owned.store.content(disk: disk, from: 0, to: 1_000)
            #expect(only1 == [["a": "1"]: [1_000: 1_000]])
            #expect(owned.store.content(disk: disk, from: 1_001, to: 1_999).isEmpty)
            #expect(owned.store.content(disk: disk, from: 9_001, to: .max).isEmpty)
            #expect(owned.store.content(disk: disk, from: .min, to: 999).isEmpty)
            #expect(owned.store.content(disk: disk, from: 3_000, to: 2_000).isEmpty)
        }
    }

    @Test func `a view stops behind the series, reading behind the samples that were asked for`() throws {
        var owned = try OwnedStore()
        for number in 0..<200 {
            let ref = try owned.store.series(of: owned.agent, ["n": "\(number)"])
            for time in 0..<3 { _ = owned.append(ref, Int64(time), 1) }
        }
        for (limit, count, isOver) in [(199, 199, true), (200, 200, false), (0, 0, true), (.max, 200, false)] {
            let view = owned.store.view([SeriesRequest(matchers: [], maxSeries: limit)])
            #expect(view.selections[0].count == count && view.selections[0].isOverSeries == isOver)
        }
        let view = owned.store.view(everything)
        for (limit, isOver) in [(600, false), (599, true), (0, true), (Int.max, false)] {
            let decoded = view.decode(view.selections[0], maxSamples: limit) { (_, _, _) throws(Never) in BlockRows() }
            #expect(decoded.isOverSamples == isOver && decoded.times.count <= limit)
            #expect(decoded.times.count == decoded.bits.count && (isOver || decoded.entries.count == 200))
        }
    }

    @Test func `several selectors share one picture`() throws {
        var owned = try OwnedStore()
        let a = try owned.store.series(of: owned.agent, ["a": "1"])
        let b = try owned.store.series(of: owned.agent, ["b": "1"])
        for ref in [a, b] { for time in [1, 2] as [Int64] { _ = owned.append(ref, time, 1) } }
        let view = owned.store.view([
            SeriesRequest(matchers: [LabelMatcher("a", equals: "1")]), SeriesRequest(matchers: [], from: 2, to: 2),
            SeriesRequest(matchers: [LabelMatcher("a", equals: "2")]), SeriesRequest(matchers: [], from: 2, to: 1),
        ])
        #expect(view.selections.map(\.count) == [1, 2, 0, 0])
        #expect(view.content(0, disk: TestDisk()) == [["a": "1"]: [1: 1, 2: 1]])
        #expect(view.content(1, disk: TestDisk()) == [["a": "1"]: [2: 1], ["b": "1"]: [2: 1]])
        #expect(view.content(2, disk: TestDisk()).isEmpty && view.content(3, disk: TestDisk()).isEmpty)
        #expect(view.labels(of: view.selections[1], limit: 1) == [["a": "1"]])
    }

    @Test func `blocks that cannot be read end the reading, damaged ones are counted`() throws {
        var owned = try OwnedStore()
        var disk = TestDisk()
        let ref = try owned.store.series(of: owned.agent, ["a": "1"])
        _ = owned.append(ref, 1, 1)
        disk.seal(&owned.store, part: 1)
        _ = owned.append(ref, 2, 2)
        let view = owned.store.view(everything)
        #expect(throws: Unreadable.self) {
            try view.decode(view.selections[0]) { (_, _, _) throws(Unreadable) in throw Unreadable() }
        }
        let wrong: [BlockRows] = [
            rows([2, 1], [1, 1], [5, 5]), rows([1], [3], [5]), rows([1], [0], []), rows([1, 1], [1, 1], [5, 5]),
            rows([1], [1, 1], [5]),
        ]
        for bad in wrong {
            let decoded = view.decode(view.selections[0]) { (_, _, _) throws(Never) in bad }
            #expect(decoded.damagedBlocks == 1 && view.content(of: decoded) == [["a": "1"]: [2: 2]])
        }
    }

    @Test func `of a block only what some selector found is asked for`() throws {
        var owned = try OwnedStore()
        var disk = TestDisk()
        for number in 0..<40 {
            let ref = try owned.store.series(of: owned.agent, ["n": "\(number)"])
            _ = owned.append(ref, 1, UInt64(number))
        }
        disk.seal(&owned.store, part: 1)
        let view = owned.store.view([3, 17, 17].map { SeriesRequest(matchers: [LabelMatcher("n", equals: "\($0)")]) })
        var asked: [UInt64] = []
        for (selection, number) in zip(view.selections, [3, 17, 17]) {
            // The codec gives no more, through the whole of what is stored.
            let decoded = try view.decode(selection) { (group, block, slots) throws(FormatError) in
                asked.append(slots)
                let bytes = try BlockCodec.encode(disk.read(block), group: group, compressor: RunLengthCompressor())
                return try BlockCodec.decode(bytes[...], slots: slots, compressor: RunLengthCompressor())
            }
            #expect(decoded.bits == [UInt64(number)])
        }
        let slots: UInt64 = 1 << 3 | 1 << 17
        #expect(asked == [slots, slots, slots])
    }

    private func rows(_ times: [Int64], _ masks: [UInt64], _ values: [UInt64]) -> BlockRows {
        var rows = BlockRows()
        rows.times = times
        rows.masks = masks
        rows.values = values
        return rows
    }

    @Test func `labels of a decoded series are sorted by symbol`() throws {
        var owned = try OwnedStore()
        for number in 0..<20 {
            let ref = try owned.store.series(of: owned.agent, ["z\(number)": "1", "a": "\(number)", "m": "x"])
            _ = owned.append(ref, 1, 1)
        }
        let view = owned.store.view(everything)
        let decoded = view.decode(view.selections[0]) { (_, _, _) throws(Never) in BlockRows() }
        for entry in decoded.entries {
            let names = decoded.pairs[entry.labels].map(\.name)
            #expect(names.count == 3 && zip(names, names.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test func `names and values are listed in order, up to a limit`() throws {
        var owned = try OwnedStore()
        for job in ["web", "api", "db"] { _ = try owned.store.series(of: owned.agent, ["job": job, "x\(job)": "1"]) }
        #expect(owned.store.labelNames.sorted() == ["job", "xapi", "xdb", "xweb"])
        #expect(owned.store.labelValues("job").sorted(limit: 2) == ["api", "db"])
        #expect(owned.store.labelValues("nothing").sorted().isEmpty)
    }
}
