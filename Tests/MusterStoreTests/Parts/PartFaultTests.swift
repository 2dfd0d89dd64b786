import MusterModel
import MusterSeries
import MusterStore
import Testing

struct PartFaultTests {
    /// What a store holds after a commit.
    private struct State: Equatable {
        var rounds: Set<Int> = []
        /// Of the last checkpoint.
        var replay = 0
        var catalogue: [Int] = []

        func isFound(in store: PartDirectory) throws -> Bool {
            let manifest = store.manifest
            guard manifest.replayFrom.segment == UInt64(replay), manifest.appliedThrough.segment == UInt64(replay),
                try store.samples() == StoreSample.places(rounds: rounds), try store.catalogueRounds() == catalogue
            else { return false }
            return true
        }
    }

    /// States that commits returned for, newest last, and the one that is being committed.
    private struct Promises {
        var acknowledged: [State] = []
        var attempted: State?
        var current: State { acknowledged.last ?? State() }

        mutating func run(_ next: State, _ commit: () throws -> Void) rethrows {
            attempted = next
            try commit()
            acknowledged.append(next)
            attempted = nil
        }
    }

    private static func work(_ io: MemoryFileIO, _ promises: inout Promises) throws {
        let store = try StoreSample.open(io).store
        promises.acknowledged = [State()]
        for round in 1...5 {
            var next = promises.current
            next.rounds.insert(round)
            next.replay = round
            next.catalogue.append(round)
            if round == 4 {
                try store.restartCatalogue()
                next.catalogue = [40, 4]
                try store.appendCatalogue(try StoreSample.chunk(round: 40))
            }
            try promises.run(next) { try StoreSample.runCheckpoint(store, round: round) }
            if round == 4 {
                try promises.run(next) { _ = try #require(try StoreSample.merge(store)) }
            }
        }
        var next = promises.current
        next.rounds = [5]
        let merged = try #require(store.parts.first).number
        try promises.run(next) { try store.drop([merged]) }
    }

    @Test func deathBehindAnyCallLeavesTheLastCommitOrTheOneUnderWay() throws {
        try sweepDeaths {
            Promises()
        } work: { io, promises in
            try Self.work(io, &promises)
        } check: { io, promises, place in
            let (store, recovery) = try StoreSample.open(io)
            let candidates = [promises.current] + (promises.attempted.map { [$0] } ?? [])
            #expect(try candidates.contains { try $0.isFound(in: store) }, "\(place)")
            #expect(!recovery.fellBack && recovery.setAside.isEmpty && recovery.missing.isEmpty, "\(place)")
            #expect(store.bytesOnDisk == io.usedBytes, "\(place)")
            // And the store is as good as new.
            let found = try store.samples()
            try StoreSample.runCheckpoint(store, round: 9)
            io.kill()
            let again = try StoreSample.open(io).store
            #expect(try again.samples() == found.union(StoreSample.places(round: 9)), "not usable \(place)")
        }
    }

    /// After any death the newest manifest may be damaged as well: the one before still has everything.
    @Test func aDamagedManifestAfterADeathLeavesTheCommitBefore() throws {
        try sweepDeaths {
            Promises()
        } work: { io, promises in
            try Self.work(io, &promises)
        } check: { io, promises, place in
            let first = try StoreSample.open(io).store
            let history = promises.acknowledged + (promises.attempted.map { [$0] } ?? [])
            let floor = first.replayFloor
            let manifests = try io.list(StoreSample.directory).filter { $0.hasPrefix("MANIFEST") }.sorted()
            guard manifests.count == 2, let newest = manifests.last else { return }
            io.flipBit("\(StoreSample.directory)/\(newest)", offset: 101, bit: 1)
            let (store, recovery) = try StoreSample.open(io)
            #expect(recovery.fellBack, "\(place)")
            #expect(store.manifest.replayFrom >= floor, "the log it needs was given up \(place)")
            let dropped = recovery.missing
            if dropped.isEmpty {
                #expect(try history.suffix(3).contains { try $0.isFound(in: store) }, "\(place)")
            } else {
                // Only what was dropped for its age may be missing.
                #expect(promises.acknowledged.count > 6, "\(place)")
            }
        }
    }

    /// The caller does what failed again, as the coordinator does with its checkpoint.
    @Test(arguments: [StoreError.Cause.inputOutput, .diskFull])
    func oneFailingCallOfAnyKindLosesNothingAndTheNextTryWorks(cause: StoreError.Cause) throws {
        var at = 1
        var isThrough = false
        while !isThrough {
            let io = MemoryFileIO(seed: UInt64(at))
            io.inject(MemoryFileIO.Fault(at: at, effect: .fails(cause)))
            let ending = Ending.allCases[(at + (cause == .diskFull ? 2 : 0)) % Ending.allCases.count]
            let place = "\(cause) at call \(at), \(ending)"
            func again<Value>(_ body: () throws -> Value) throws -> Value {
                do { return try body() } catch let error as StoreError where error.cause == cause { return try body() }
            }
            let store = try again { try StoreSample.open(io).store }
            for round in 1...4 {
                let part = try again { try StoreSample.writePart(store, round: round) }
                try again { try store.appendCatalogue(try StoreSample.chunk(round: round)) }
                try again { try store.commit(StoreSample.checkpoint(round: round), adding: [part]) }
                #expect(store.bytesOnDisk == io.usedBytes, "\(place)")
            }
            _ = try again { try StoreSample.merge(store) }
            try again { try StoreSample.runLastRound(store) }
            isThrough = io.operationCount < at
            ending.happen(to: io, seed: UInt64(at))
            let (found, recovery) = try StoreSample.open(io)
            #expect(try found.samples() == StoreSample.places(rounds: 1...5), "\(place)")
            #expect(try Set(found.catalogueRounds()) == Set(1...5), "\(place)")
            #expect(recovery.setAside.isEmpty && recovery.missing.isEmpty, "\(place)")
            at += 1
        }
        #expect(at > 130)
    }

    /// Where no manifest fits any more, files go before the manifest that drops them.
    @Test func deathWhileTheOldestAreDroppedOnAFullDiskKeepsTheRest() throws {
        try sweepDeaths {
            Promises()
        } work: { io, promises in
            let store = try StoreSample.open(io).store
            for round in 1...4 {
                try promises.run(State(rounds: Set(1...round))) { try StoreSample.runCheckpoint(store, round: round) }
            }
            io.setCapacity(bytes: io.usedBytes)
            promises.attempted = State(rounds: [3, 4])
            let dropped = try store.dropOldest(freeing: Int(store.manifest.parts[0].bytes) + 50)
            #expect(dropped.count == 2)
            promises.run(State(rounds: [3, 4])) {}
        } check: { io, promises, place in
            io.setCapacity(bytes: nil)
            let (store, recovery) = try StoreSample.open(io)
            let found = try store.samples()
            #expect(recovery.setAside.isEmpty, "\(place)")
            guard promises.current.rounds.count == 4 || promises.current.rounds == [3, 4] else { return }
            #expect(found.isSuperset(of: StoreSample.places(rounds: [3, 4])), "\(place)")
            #expect(found.isSubset(of: StoreSample.places(rounds: 1...4)), "\(place)")
            #expect(recovery.missing.allSatisfy { [1, 3].contains($0) }, "\(place)")
            try StoreSample.runCheckpoint(store, round: 5)
            io.kill()
            let again = try StoreSample.open(io).store
            #expect(try again.samples() == found.union(StoreSample.places(round: 5)), "not usable \(place)")
        }
    }

    @Test func aDiskThatFailsForAWhileLeavesTheStoreAsItWas() throws {
        for operation in MemoryFileIO.Operation.allCases where operation != .lock {
            let io = MemoryFileIO()
            let store = try StoreSample.open(io).store
            for round in 1...2 { try StoreSample.runCheckpoint(store, round: round) }
            let manifest = store.manifest
            io.inject(
                MemoryFileIO.Fault(
                    at: io.operationCount + 1, operation: operation, effect: .fails(.inputOutput), isLasting: true))
            var failures = 0
            for _ in 0..<5 {
                do { try StoreSample.runCheckpoint(store, round: 3) } catch { failures += 1 }
                #expect(store.bytesOnDisk == io.usedBytes, "\(operation)")
            }
            io.clearFaults()
            if failures > 0 {
                #expect(store.manifest == manifest, "\(operation)")
                try StoreSample.runCheckpoint(store, round: 3)
            } else {
                // Calls of this kind are not needed, or only to clean up.
                #expect([.unlink, .makeDirectory, .list, .read, .truncate].contains(operation), "\(operation)")
            }
            try StoreSample.runCheckpoint(store, round: 4)
            io.kill()
            let again = try StoreSample.open(io).store
            #expect(Set(try again.catalogueRounds()) == [1, 2, 3, 4], "\(operation)")
            if failures > 0 { #expect(try again.samples() == StoreSample.places(rounds: 1...4), "\(operation)") }
            #expect(again.bytesOnDisk == io.usedBytes, "\(operation)")
            let leftovers = try io.list(StoreSample.directory).filter { $0.hasSuffix(".tmp") }
            #expect(leftovers.isEmpty, "\(operation)")
        }
    }

    @Test func aFullDiskRefusesAndDroppingTheOldestMakesItGoOn() throws {
        let io = MemoryFileIO()
        let store = try StoreSample.open(io).store
        for round in 1...6 { try StoreSample.runCheckpoint(store, round: round, rows: 5) }
        // Not one byte more.
        io.setCapacity(bytes: io.usedBytes)
        #expect { try StoreSample.runCheckpoint(store, round: 7) } throws: { ($0 as? StoreError)?.cause == .diskFull }
        #expect(store.bytesOnDisk == io.usedBytes)
        #expect(try store.samples() == StoreSample.places(rounds: 1...6))
        let before = io.usedBytes
        let dropped = try store.dropOldest(freeing: 1_500)
        #expect(!dropped.isEmpty && io.usedBytes <= before - 1_500)
        try StoreSample.runCheckpoint(store, round: 7)
        let kept = Set(1...7).subtracting(1...dropped.count)
        #expect(try store.samples() == StoreSample.places(rounds: kept))
        io.kill()
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(rounds: kept))
    }

    /// A sync that failed may have lost what it should have made durable: the same file is not trusted again.
    @Test func afterAFailedSyncTheCatalogueGoesOnInAnotherFile() throws {
        let io = MemoryFileIO()
        let store = try StoreSample.open(io).store
        try StoreSample.runCheckpoint(store, round: 1)
        let part = try StoreSample.writePart(store, round: 2)
        try store.appendCatalogue(try StoreSample.chunk(round: 2))
        io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .sync, effect: .fails(.inputOutput)))
        #expect(throws: StoreError.self) { try store.commit(StoreSample.checkpoint(round: 2), adding: [part]) }
        #expect(store.manifest.replayFrom.segment == 1)
        try store.commit(StoreSample.checkpoint(round: 2), adding: [part])
        #expect(store.manifest.catalogue?.number != 2)
        var generator = SplitMix64(5)
        io.crash(using: &generator)
        #expect(try StoreSample.open(io).store.catalogueRounds() == [1, 2])
    }
}

extension StoreSample {
    /// The fifth round, where what the first try got done is not done twice.
    static func runLastRound(_ store: PartDirectory) throws {
        guard store.manifest.replayFrom.segment < 5 else { return }
        try runCheckpoint(store, round: 5)
    }
}
