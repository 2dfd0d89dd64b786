import MusterModel
import MusterStore
import Testing

struct SpoolTests {
    static let budget = 16_000

    static func open(_ io: any FileIO, maxBytes: Int = budget) throws -> Spool {
        try Spool.open(directory: "/spool", io: io, settings: Spool.Settings(maxBytes: maxBytes)).spool
    }

    let io = MemoryFileIO()

    @Test func anEmptySpoolTakesNoDiskAndDoesNoIO() throws {
        let spool = try Self.open(io)
        let before = io.operationCount
        for trafficClass in TrafficClass.allCases {
            #expect(try spool.next(trafficClass) == nil)
            try spool.release(trafficClass, through: 10)
        }
        #expect(spool.sync().isEmpty)
        #expect(io.operationCount == before)
        #expect(io.fileCount == 0)
        #expect(spool.bytesOnDisk == 0)
    }

    @Test func framesComeBackInOrderPerClassAndTheMostImportantClassFirst() throws {
        let spool = try Self.open(io)
        for sequence in 1...10 as ClosedRange<UInt64> {
            for trafficClass in [TrafficClass.logs, .metrics, .health, .control] {
                #expect(spool.append(Sample.record(sequence, trafficClass, bytes: 10)).isStored)
            }
        }
        #expect(try spool.next()?.id.class == .control)
        #expect(try spool.drainAll(.control) == Array(2...10))
        #expect(try spool.next()?.id.class == .health)
        #expect(try spool.drainAll(.metrics) == Array(1...10))
        #expect(try spool.drainAll(.logs) == Array(1...10))
        #expect(try spool.drainAll(.health) == Array(2...10))
        #expect(try spool.next() == nil)
    }

    @Test func releasingEverythingGivesTheDiskBack() throws {
        let spool = try Self.open(io)
        for round in 0..<50 as Range<UInt64> {
            let sequences = (round * 10 + 1)...(round * 10 + 10)
            for sequence in sequences { #expect(spool.append(Sample.record(sequence)).isStored) }
            #expect(try spool.drainAll(.metrics) == Array(sequences))
            try spool.release(.metrics, through: sequences.upperBound)
            #expect(io.fileCount == 0 && io.openCount == 0 && spool.bytesOnDisk == 0)
        }
    }

    @Test func releaseGivesBackWholeSegmentsAndReleasedFramesAreNotGivenOutAgain() throws {
        let spool = try Self.open(io)
        for sequence in 1...100 as ClosedRange<UInt64> {
            #expect(spool.append(Sample.record(sequence, bytes: 10)).isStored)
        }
        let full = spool.bytesOnDisk
        #expect(try spool.drainAll(.metrics) == Array(1...100))
        try spool.release(.metrics, through: 55)
        #expect(spool.bytesOnDisk < full)
        spool.rewind(.metrics)
        #expect(try spool.drainAll(.metrics) == Array(56...100))
        // Late, repeated and unknown acknowledgements change nothing.
        try spool.release(.metrics, through: 20)
        try spool.release(.logs, through: 1_000)
        spool.rewind(.metrics)
        #expect(try spool.drainAll(.metrics) == Array(56...100))
        try spool.release(.metrics, through: .max)
        #expect(io.fileCount == 0)
    }

    @Test func whatWasReleasedMayBeStoredAgainForTheNextProcess() throws {
        let spool = try Self.open(io)
        for sequence in 1...5 as ClosedRange<UInt64> { #expect(spool.append(Sample.record(sequence)).isStored) }
        try spool.release(.metrics, through: 5)
        // New frames build on 3 to 5.
        for sequence in 3...8 as ClosedRange<UInt64> { #expect(spool.append(Sample.record(sequence)).isStored) }
        #expect(!spool.append(Sample.record(4)).isStored)
        #expect(try spool.drainAll(.metrics) == [6, 7, 8])
        try spool.release(.metrics, through: 2)
        #expect(spool.newestSequence(.metrics) == 8)
        #expect(try Self.open(io).drainAll(.metrics) == Array(3...8))
    }

    @Test func aReaderAtTheEndNeverMissesTheNextFrame() throws {
        let spool = try Self.open(io)
        for sequence in 1...120 as ClosedRange<UInt64> {
            #expect(try spool.next(.metrics) == nil)
            #expect(spool.append(Sample.record(sequence, bytes: 200)).isStored)
            #expect(try spool.next(.metrics)?.id.sequence == sequence)
            if sequence % 3 == 0 { try spool.release(.metrics, through: sequence - 1) }
        }
    }

    @Test func whenTheBudgetIsFullTheOldestOfTheLeastImportantClassGoFirstAndAreReported() throws {
        let spool = try Self.open(io)
        var stored: [TrafficClass: Set<UInt64>] = [:]
        var dropped: [TrafficClass: Set<UInt64>] = [:]
        var counted = 0
        for sequence in 1...200 as ClosedRange<UInt64> {
            for trafficClass in [TrafficClass.health, .metrics, .logs] {
                let outcome = spool.append(Sample.record(sequence, trafficClass, bytes: 60))
                if outcome.isStored { stored[trafficClass, default: []].insert(sequence) }
                for drop in outcome.drops {
                    let range = try #require(drop.sequences)
                    #expect(drop.reason == .budget && drop.class >= trafficClass)
                    #expect(drop.oldest == Instant(seconds: 1_000 + Int64(range.lowerBound)))
                    #expect(drop.newest == Instant(seconds: 1_000 + Int64(range.upperBound)))
                    dropped[drop.class, default: []].formUnion(range)
                    counted += drop.records
                }
                #expect(io.usedBytes <= Self.budget)
            }
        }
        #expect(io.peakBytes <= Self.budget)
        // Honest loss: what was stored is there or was reported, exactly.
        var lost = 0
        for trafficClass in [TrafficClass.health, .metrics, .logs] {
            let kept = Set(try spool.drainAll(trafficClass))
            let gone = stored[trafficClass, default: []].subtracting(kept)
            #expect(gone == stored[trafficClass, default: []].intersection(dropped[trafficClass, default: []]))
            #expect(kept.isDisjoint(with: dropped[trafficClass, default: []]))
            lost += gone.count
        }
        #expect(lost == counted && lost > 50)
        // The most important class kept the newest, the least important was refused first.
        #expect(stored[.health] == Set(1...200))
        #expect(stored[.logs, default: []].count < 200)
    }

    @Test func controlFramesAreRefusedRatherThanDropped() throws {
        let spool = try Self.open(io)
        var refused: StoreError?
        var last: UInt64 = 0
        while refused == nil {
            last += 1
            let outcome = spool.append(Sample.record(last, .control, bytes: 100))
            #expect(outcome.drops.isEmpty)
            refused = outcome.failure
        }
        #expect(refused?.cause == .budget)
        #expect(try spool.drainAll(.control) == Array(1..<last))
        #expect(spool.append(Sample.record(1, .logs)).failure?.cause == .budget)
        #expect(io.peakBytes <= Self.budget)
        try spool.release(.control, through: last)
        #expect(spool.append(Sample.record(last, .control, bytes: 100)).isStored)
    }

    @Test func aFrameLargerThanTheBudgetAndASequenceThatGoesBackAreRefused() throws {
        let spool = try Self.open(io)
        #expect(spool.append(Sample.record(5)).isStored)
        #expect(spool.append(Sample.record(6, bytes: Self.budget)).failure?.cause == .tooLarge)
        #expect(spool.append(Sample.record(5)).failure?.cause == .other)
        #expect(spool.append(Sample.record(6)).isStored)
        #expect(try spool.drainAll(.metrics) == [5, 6])
    }

    @Test func aReaderWhoseSegmentWasDroppedGoesOnBehindIt() throws {
        let spool = try Self.open(io)
        for sequence in 1...20 as ClosedRange<UInt64> {
            #expect(spool.append(Sample.record(sequence, bytes: 300)).isStored)
        }
        #expect(try spool.next(.metrics)?.id.sequence == 1)
        var lastDropped: UInt64 = 0
        for sequence in 21...60 as ClosedRange<UInt64> {
            for drop in spool.append(Sample.record(sequence, bytes: 300)).drops {
                lastDropped = max(lastDropped, drop.sequences?.upperBound ?? 0)
            }
        }
        #expect(lastDropped > 2)
        #expect(try spool.next(.metrics)?.id.sequence == lastDropped + 1)
    }

    @Test func framesSurviveARestartAndSequencesGoOn() throws {
        let spool = try Self.open(io)
        for sequence in 1...30 as ClosedRange<UInt64> { #expect(spool.append(Sample.record(sequence)).isStored) }
        try spool.release(.metrics, through: 12)
        io.kill()
        let again = try Self.open(io)
        let found = try again.drainAll(.metrics)
        #expect(Set(found).isSuperset(of: 13...30))
        #expect(found == found.sorted())
        #expect(again.append(Sample.record(30)).failure != nil)
        #expect(again.append(Sample.record(31)).isStored)
        try again.release(.metrics, through: 31)
        #expect(io.fileCount == 0)
    }

    @Test func theNewestSequenceIsKnownEvenWhenTheLastSegmentIsStillEmpty() throws {
        let spool = try Self.open(io)
        #expect(spool.newestSequence(.metrics) == nil)
        var segments = 0
        var sequence: UInt64 = 0
        while segments < 3 {
            sequence += 1
            #expect(spool.append(Sample.record(sequence, bytes: 200)).isStored)
            segments = try io.list("/spool/metrics").count
        }
        // The last segment keeps its preamble and loses its only record.
        let name = try #require(try io.list("/spool/metrics").last)
        let content = try #require(io.content("/spool/metrics/\(name)"))
        io.setContent("/spool/metrics/\(name)", Array(content.prefix(80)) + [0, 0])
        io.kill()
        let again = try Self.open(io)
        #expect(again.newestSequence(.metrics) == sequence - 1)
        #expect(again.append(Sample.record(sequence - 1)).failure != nil)
        #expect(again.append(Sample.record(sequence)).isStored)
        try again.release(.metrics, through: sequence)
        #expect(io.fileCount == 0)
        #expect(again.newestSequence(.metrics) == sequence)
    }

    private struct Model {
        var attempted: Set<UInt64> = []
        var synced: Set<UInt64> = []
        var released: UInt64 = 0
        var dropped: Set<UInt64> = []
    }

    @Test func deathBehindAnyCallLosesNothingThatWasSyncedAndInventsNothing() throws {
        try sweepDeaths {
            Model()
        } work: { io, model in
            let spool = try Self.open(io, maxBytes: 3_000)
            for sequence in 1...24 as ClosedRange<UInt64> {
                model.attempted.insert(sequence)
                let outcome = spool.append(Sample.record(sequence, bytes: 60))
                for drop in outcome.drops { model.dropped.formUnion(drop.sequences ?? 1...sequence) }
                if let failure = outcome.failure {
                    // The segments that were to make room may be gone without a word: the process died.
                    if failure.cause == .closed { model.dropped.formUnion(1..<sequence) }
                    throw failure
                }
                if sequence % 3 == 0 {
                    if let drop = spool.sync().first {
                        throw StoreError(.closed, operation: "sync", path: "", detail: "\(drop)")
                    }
                    model.synced = model.attempted
                }
                if sequence % 10 == 0 {
                    model.released = sequence - 4
                    try spool.release(.metrics, through: model.released)
                }
            }
        } check: { io, model, place in
            let spool = try Self.open(io, maxBytes: 3_000)
            let found = try spool.drainAll(.metrics)
            #expect(found == found.sorted(), "order \(place)")
            #expect(Set(found).isSubset(of: model.attempted), "invented \(place)")
            let owed = model.synced.subtracting(model.dropped).filter { $0 > model.released }
            #expect(Set(found).isSuperset(of: owed), "lost \(place)")
            let next = (found.last ?? 0) + 100
            #expect(spool.append(Sample.record(next, bytes: 60)).isStored, "not usable \(place)")
            #expect(spool.bytesOnDisk <= 3_000, "over budget \(place)")
        }
    }

    @Test(arguments: [StoreError.Cause.inputOutput, .diskFull, .readOnly])
    func aFailingDiskIsReportedAndEveryFrameIsStoredReportedOrLeftToTheCaller(cause: StoreError.Cause) throws {
        for at in 1...120 {
            let io = MemoryFileIO(seed: UInt64(at))
            io.inject(MemoryFileIO.Fault(at: at + 4, effect: .fails(cause)))
            let spool = try Self.open(io)
            var stored: Set<UInt64> = []
            var reported: Set<UInt64> = []
            for sequence in 1...30 as ClosedRange<UInt64> {
                let outcome = spool.append(Sample.record(sequence, bytes: 200))
                if outcome.isStored { stored.insert(sequence) }
                #expect(outcome.isStored == (outcome.failure == nil))
                var drops = outcome.drops
                if sequence % 4 == 0 { drops += spool.sync() }
                for drop in drops {
                    #expect(drop.reason == .disk)
                    reported.formUnion(drop.sequences ?? 0...0)
                }
            }
            for drop in spool.sync() { reported.formUnion(drop.sequences ?? 0...0) }
            io.clearFaults()
            spool.rewind(.metrics)
            let found = Set(try spool.drainAll(.metrics))
            #expect(found.union(reported).isSuperset(of: stored), "lost without a word: \(cause) at \(at)")
            #expect(found.isSubset(of: stored), "stored and refused at once: \(cause) at \(at)")
            #expect(stored.count >= 28, "\(cause) at \(at)")
        }
    }

    @Test func damageAtRestCostsOneFrameAndIsCounted() throws {
        let spool = try Self.open(io)
        for sequence in 1...5 as ClosedRange<UInt64> { #expect(spool.append(Sample.record(sequence)).isStored) }
        let path = "/spool/metrics/0000000000000001.seg"
        let size = try #require(io.content(path)).count
        io.flipBit(path, offset: size / 2, bit: 0)
        #expect(try spool.drainAll(.metrics).count == 4)
        #expect(spool.skipped(.metrics).regions == 1)
    }

    @Test func theAgeOfTheOldestFrameIsKnown() throws {
        let spool = try Self.open(io)
        #expect(spool.oldest(.metrics) == nil)
        #expect(spool.append(Sample.record(4)).isStored)
        #expect(spool.append(Sample.record(9)).isStored)
        #expect(spool.oldest(.metrics) == Instant(seconds: 1_004))
        #expect(try Self.open(io).oldest(.metrics) == Instant(seconds: 1_004))
    }
}
