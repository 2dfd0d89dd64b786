import MusterModel
import MusterSeries
import MusterStore
import Testing

struct PartBudgetTests {
    let io = MemoryFileIO()

    @Test func aWriteBeyondTheLimitIsRefusedBeforeItStarts() throws {
        let store = try StoreSample.open(io, maxBytes: 5_000).store
        try StoreSample.runCheckpoint(store, round: 1)
        let free = 5_000 - store.bytesOnDisk
        #expect(!store.wouldExceed(free) && store.wouldExceed(free + 1) && store.wouldExceed(.max))
        let operations = io.operationCount
        #expect { try store.beginPart(expectedBytes: free + 1) } throws: { ($0 as? StoreError)?.cause == .budget }
        #expect(io.operationCount == operations, "something was done")
        // What was not expected is refused as well.
        let writer = try store.beginPart(expectedBytes: 0)
        #expect {
            for group in 1...200 as ClosedRange<UInt32> {
                try writer.append(try StoreSample.block(StoreSample.rows(round: 2, group: group), group: group))
            }
            _ = try writer.finish()
        } throws: {
            ($0 as? StoreError)?.cause == .budget
        }
        #expect(io.peakBytes <= 5_000 && store.bytesOnDisk == io.usedBytes)
        try StoreSample.runCheckpoint(store, round: 2)
    }

    @Test func theOldestPartsGoFirstAndNoMoreThanNeeded() throws {
        let store = try StoreSample.open(io).store
        for round in 1...8 { try StoreSample.runCheckpoint(store, round: round) }
        #expect(try store.dropOldest(toFit: 1_000).isEmpty)
        let partBytes = Int(store.manifest.parts[0].bytes)
        store.maxBytes = store.bytesOnDisk
        let dropped = try store.dropOldest(toFit: partBytes + 10)
        #expect(dropped.count == 1 || dropped.count == 2)
        #expect(try store.samples() == StoreSample.places(rounds: (dropped.count + 1)...8))
        #expect(!store.wouldExceed(partBytes + 10))
    }

    @Test func whatWasSetAsideGoesBeforeAnyPart() throws {
        let first = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(first, round: round) }
        let path = "\(StoreSample.directory)/00000001.part"
        io.setContent(path, [UInt8](repeating: 0, count: 2_000))
        let (store, recovery) = try StoreSample.open(io)
        #expect(recovery.setAside.count == 1 && store.bytesOnDisk == io.usedBytes)
        #expect(try store.dropOldest(freeing: 1_500).isEmpty)
        #expect(io.content(path + ".damaged") == nil)
        #expect(try store.samples() == StoreSample.places(rounds: 2...4))
    }

    @Test func aLimitLoweredWhileRunningIsReached() throws {
        let store = try StoreSample.open(io).store
        for round in 1...10 { try StoreSample.runCheckpoint(store, round: round) }
        store.maxBytes = store.bytesOnDisk / 2
        #expect(throws: StoreError.self) { try StoreSample.runCheckpoint(store, round: 11) }
        let dropped = try store.dropOldest(toFit: 0)
        #expect(dropped.count >= 4 && store.bytesOnDisk <= store.maxBytes)
        #expect(io.usedBytes == store.bytesOnDisk)
        store.maxBytes = 100
        #expect { try store.dropOldest(toFit: 0) } throws: { ($0 as? StoreError)?.cause == .budget }
    }

    /// Checkpoints, merges, restarts and lowered limits in any order: the disk never holds more than was allowed.
    @Test(arguments: 1...6 as ClosedRange<UInt64>) func theLimitHoldsAtEveryMoment(seed: UInt64) throws {
        let io = MemoryFileIO(seed: seed)
        let limit = 9_000
        var generator = SplitMix64(seed)
        var store = try StoreSample.open(io, maxBytes: limit).store
        var kept: Set<Int> = []
        var round = 0
        var checkpoints = 0
        for _ in 0..<120 {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<6:
                round += 1
                do {
                    try StoreSample.runCheckpoint(store, round: round)
                    kept.insert(round)
                    checkpoints += 1
                } catch let error as StoreError {
                    #expect(error.cause == .budget)
                    _ = try store.dropOldest(toFit: 2_500)
                }
            case 6..<8:
                do {
                    _ = try StoreSample.merge(store)
                } catch let error as StoreError {
                    #expect(error.cause == .budget)
                    _ = try store.dropOldest(toFit: 2_500)
                }
            case 8:
                io.kill()
                store = try StoreSample.open(io, maxBytes: limit).store
            default:
                try store.restartCatalogue()
            }
            #expect(store.bytesOnDisk == io.usedBytes)
            #expect(io.usedBytes <= limit)
        }
        #expect(io.peakBytes <= limit, "over the limit in between")
        #expect(checkpoints > 20)
        // Nothing that is there is from a checkpoint that failed, and the newest is there.
        let samples = try store.samples()
        #expect(samples.isSubset(of: StoreSample.places(rounds: kept)))
        #expect(samples.isSuperset(of: StoreSample.places(round: try #require(kept.max()))))
    }
}
