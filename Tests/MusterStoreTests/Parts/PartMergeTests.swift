import MusterModel
import MusterSeries
import MusterStore
import Testing

struct PartMergeTests {
    let io = MemoryFileIO()

    /// A part of group 1 with these blocks, each a list of times; a sample's value follows from its time.
    private func part(_ store: PartDirectory, _ blocks: [[Int64]], group: UInt32 = 1) throws -> Part {
        let writer = try store.beginPart(expectedBytes: 0)
        for times in blocks {
            var rows = BlockRows()
            for time in times {
                rows.append(
                    time: time, mask: 1,
                    values: [StoreSample.value(StoreSample.Place(group: group, time: time, slot: 0))])
            }
            try writer.append(try StoreSample.block(rows, group: group))
        }
        return try #require(try writer.finish())
    }

    private func mergeAll(
        _ store: PartDirectory, isLive: (GroupID) -> Bool = { _ in true }
    ) throws -> PartMerge.Outcome {
        let parts = store.manifest.parts
        let plan = MergePlan(parts: parts.map(\.number), level: 1, bytes: parts.reduce(0) { $0 + $1.bytes })
        return try PartMerge.run(plan, in: store, compressor: StoreSample.zlib, isLive: isLive)
    }

    private func store(_ parts: [[[Int64]]]) throws -> PartDirectory {
        let store = try StoreSample.open(io).store
        for blocks in parts {
            try store.commit(StoreSample.checkpoint(round: 1), adding: [try part(store, blocks)])
        }
        return store
    }

    private static func times(_ range: Range<Int64>) -> [Int64] { range.map { $0 * 10 } }

    @Test func smallBlocksAreJoinedUpToTheLimitAndNothingIsLost() throws {
        let pieces = (0..<16 as Range<Int64>).map { [Self.times(($0 * 30)..<($0 * 30 + 30))] }
        let store = try store(pieces)
        let before = try store.samples()
        let outcome = try mergeAll(store)
        let merged = try #require(outcome.part)
        #expect(outcome.damaged.isEmpty && outcome.leftOut == 0 && outcome.blocks == 2)
        #expect(try merged.index().map(\.block.rows) == [240, 240])
        #expect(store.manifest.parts == [merged.entry] && merged.entry.level == 1)
        #expect(merged.entry.from == 0 && merged.entry.to == 4_790)
        #expect(try store.samples() == before)
    }

    @Test func blocksThatOverlapBecomeRowsInOrder() throws {
        let store = try store([
            [[0, 10, 20, 200], [5, 30]], [[15, 25, 210]], [[220], [221]], [[1, 2, 3, 230]],
        ])
        let before = try store.samples()
        let merged = try #require(try mergeAll(store).part)
        let index = try merged.index()
        #expect(index.count == 1 && before.count == 15)
        let rows = try merged.rows(index[0].block, of: index[0].group, compressor: StoreSample.zlib)
        #expect(rows.isValid && rows.rowCount == 15)
        #expect(try store.samples() == before)
    }

    @Test func longOverlapsAreSplitAgain() throws {
        let even = (0..<200 as Range<Int64>).map { $0 * 20 }
        let store = try store([[even], [even.map { $0 + 10 }]])
        let before = try store.samples()
        let merged = try #require(try mergeAll(store).part)
        #expect(try merged.index().map(\.block.rows) == [240, 160])
        #expect(try store.samples() == before)
    }

    @Test func anyPartsKeepTheirSamples() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let io = MemoryFileIO(seed: seed)
            let store = try StoreSample.open(io).store
            var generator = SplitMix64(seed)
            var free = Array(Int64(0)..<900)
            for _ in 0..<Int.random(in: 2...6, using: &generator) {
                let writer = try store.beginPart(expectedBytes: 0)
                for group in 1...4 as ClosedRange<UInt32> where Bool.random(using: &generator) || group == 1 {
                    let start = Int.random(in: 0..<free.count / 2, using: &generator)
                    let count = Int.random(in: 1...150, using: &generator)
                    let times = Array(free[start...].prefix(count))
                    free.removeSubrange(start..<(start + times.count))
                    var rows = BlockRows()
                    for time in times {
                        let slot = Int.random(in: 0..<64, using: &generator)
                        rows.append(
                            time: time, mask: 1 << UInt64(slot),
                            values: [StoreSample.value(StoreSample.Place(group: group, time: time, slot: slot))])
                    }
                    try writer.append(try StoreSample.block(rows, group: group))
                    if free.count < 200 { free = (0..<900).map { (free.max() ?? 0) + 1 + $0 } }
                }
                let part = try #require(try writer.finish())
                try store.commit(StoreSample.checkpoint(round: 1), adding: [part])
            }
            let before = try store.samples()
            let parts = store.manifest.parts
            let plan = MergePlan(parts: parts.map(\.number), level: 1, bytes: parts.reduce(0) { $0 + $1.bytes })
            let outcome = try PartMerge.run(plan, in: store, compressor: StoreSample.zlib) { _ in true }
            #expect(try store.samples() == before, "seed \(seed)")
            let rows = try #require(outcome.part).index().map(\.block.rows)
            #expect(rows.allSatisfy { $0 <= 240 }, "seed \(seed)")
        }
    }

    @Test func groupsThatAreNoMoreAreLeftOut() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        let outcome = try mergeAll(store) { $0.number != 2 }
        #expect(outcome.leftOut == 4)
        #expect(try store.samples() == StoreSample.places(rounds: 1...4).filter { $0.group != 2 })
        #expect(try mergeAll(store) { _ in false }.part == nil)
        #expect(store.parts.isEmpty)
        try StoreSample.runCheckpoint(store, round: 5)
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(round: 5))
    }

    @Test func aDamagedBlockCostsThatBlock() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        let damaged = store.parts[2]
        let block = try damaged.index()[1].block
        io.flipBit(damaged.path, offset: Int(block.offset) + 9, bit: 2)
        let outcome = try mergeAll(store)
        #expect(outcome.damaged.map(\.cause) == [.damaged])
        #expect("\(outcome.damaged[0])".contains("group 2"))
        let lost = StoreSample.places(round: 3).filter { $0.group == 2 }
        #expect(try store.samples() == StoreSample.places(rounds: 1...4).subtracting(lost))
    }

    @Test func aMergeThatDoesNotFitBesideItsSourcesIsRefusedBeforeItStarts() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        store.maxBytes = store.bytesOnDisk + 100
        let before = try io.list(StoreSample.directory)
        #expect { try mergeAll(store) } throws: { ($0 as? StoreError)?.cause == .budget }
        #expect(try io.list(StoreSample.directory) == before)
        #expect(try store.samples() == StoreSample.places(rounds: 1...4))
    }

    @Test func aMergeOfPartsThatWereDroppedIsRefusedAndNothingComesBack() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        let parts = store.manifest.parts
        let plan = MergePlan(parts: parts.map(\.number), level: 1, bytes: 0)
        // Dropped while the merge looks at its second group.
        var isDropped = false
        #expect {
            try PartMerge.run(plan, in: store, compressor: StoreSample.zlib) { group in
                if group.number == 2, !isDropped {
                    isDropped = true
                    do { try store.drop([parts[0].number]) } catch { Issue.record(error) }
                }
                return true
            }
        } throws: {
            ($0 as? StoreError)?.cause == .notFound
        }
        #expect(try store.samples() == StoreSample.places(rounds: 2...4))
        #expect(store.bytesOnDisk == io.usedBytes)
        #expect { try PartMerge.run(plan, in: store, compressor: StoreSample.zlib) { _ in true } } throws: {
            ($0 as? StoreError)?.cause == .notFound
        }
    }

    @Test func aCheckpointWhileAMergeRunsLosesNothing() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        var isDone = false
        let plan = MergePlan(parts: store.manifest.parts.map(\.number), level: 1, bytes: 0)
        _ = try PartMerge.run(plan, in: store, compressor: StoreSample.zlib) { _ in
            if !isDone {
                isDone = true
                do { try StoreSample.runCheckpoint(store, round: 5) } catch { Issue.record(error) }
            }
            return true
        }
        #expect(store.manifest.parts.map(\.level) == [1, 0])
        #expect(store.manifest.replayFrom.segment == 5)
        io.kill()
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(rounds: 1...5))
    }
}
