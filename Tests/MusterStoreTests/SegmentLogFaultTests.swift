import MusterModel
import MusterStore
import Testing

/// What a run promised to whom.
private struct Promises {
    var attempted: Set<UInt64> = []
    var acknowledged: Set<UInt64> = []
}

struct SegmentLogFaultTests {
    static let settings = SegmentLog.Settings(segmentBytes: 420, maxBytes: 1 << 20)

    static func open(_ io: MemoryFileIO) throws -> SegmentLog {
        try SegmentLog.open(directory: "/data/log", io: io, settings: settings).log
    }

    @Test func deathBehindAnyCallLosesNothingThatWasSyncedAndInventsNothing() throws {
        try sweepDeaths {
            Promises()
        } work: { io, promises in
            let log = try Self.open(io)
            for batch in 0..<8 as Range<UInt64> {
                let sequences = (batch * 3 + 1)...(batch * 3 + 1 + batch % 3)
                promises.attempted.formUnion(sequences)
                _ = try log.append(Sample.records(sequences))
                if batch % 2 == 1 || batch > 5 {
                    try log.sync()
                    promises.acknowledged.formUnion(promises.attempted)
                }
            }
        } check: { io, promises, place in
            let log = try Self.open(io)
            let found = try log.contents()
            #expect(found == found.sorted(), "order \(place)")
            #expect(Set(found).count == found.count, "twice \(place)")
            #expect(Set(found).isSuperset(of: promises.acknowledged), "lost \(place)")
            #expect(Set(found).isSubset(of: promises.attempted), "invented \(place)")
            // And the log is as good as new.
            _ = try log.append(Sample.records(100...101))
            try log.sync()
            io.kill()
            #expect(try Self.open(io).contents() == found + [100, 101], "not usable \(place)")
        }
    }

    @Test func deathBehindAnyCallOfRetentionLosesNothingThatWasKept() throws {
        let small = SegmentLog.Settings(segmentBytes: 300, maxBytes: 1_400)
        try sweepDeaths {
            Promises()
        } work: { io, promises in
            let log = try SegmentLog.open(directory: "/log", io: io, settings: small).log
            for sequence in 1...14 as ClosedRange<UInt64> {
                promises.attempted.insert(sequence)
                _ = try log.append([Sample.record(sequence)])
                try log.sync()
                promises.acknowledged = [sequence]
            }
        } check: { io, promises, place in
            let log = try SegmentLog.open(directory: "/log", io: io, settings: small).log
            let found = try log.contents()
            #expect(found == found.sorted(), "order \(place)")
            #expect(Set(found).isSuperset(of: promises.acknowledged), "lost \(place)")
            _ = try log.append([Sample.record(99)])
            #expect(log.bytesOnDisk <= 1_400, "over budget \(place)")
        }
    }

    /// The caller behaves as the coordinator does: what is not acknowledged is sent again.
    @Test(arguments: [StoreError.Cause.inputOutput, .diskFull])
    func oneFailingCallOfAnyKindLosesNothingThatWasAcknowledged(cause: StoreError.Cause) throws {
        for ending in Ending.allCases {
            var at = 1
            var isThrough = false
            while !isThrough {
                let io = MemoryFileIO(seed: UInt64(at))
                io.inject(MemoryFileIO.Fault(at: at, effect: .fails(cause)))
                var acknowledged: Set<UInt64> = []
                let log = try { do { return try Self.open(io) } catch { return try Self.open(io) } }()
                for batch in 0..<9 as Range<UInt64> {
                    let records = Sample.records((batch * 2 + 1)...(batch * 2 + 2))
                    for _ in 0..<4 where !acknowledged.contains(records[0].id.sequence) {
                        do {
                            _ = try log.append(records)
                            try log.sync()
                            acknowledged.formUnion(records.map(\.id.sequence))
                        } catch {}
                    }
                }
                isThrough = io.operationCount < at
                #expect(acknowledged.count == 18, "stalled: \(cause) at \(at)")
                ending.happen(to: io, seed: UInt64(at))
                let found = Set(try Self.open(io).contents())
                #expect(found == acknowledged, "\(cause) at call \(at), \(ending)")
                at += 1
            }
        }
    }

    @Test func afterAFailedSyncTheSegmentIsSealedAndNeverSyncedAgain() throws {
        let io = MemoryFileIO()
        let log = try Self.open(io)
        _ = try log.append(Sample.records(1...1))
        try log.sync()
        _ = try log.append(Sample.records(2...2))
        io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .sync, effect: .fails(.inputOutput)))
        #expect(throws: StoreError.self) { try log.sync() }
        #expect(try log.contents() == [1], "a record that was reported failed is still shown")
        let syncs = io.syncCount
        try log.sync()
        #expect(io.syncCount == syncs, "the failed file was synced again")
        _ = try log.append(Sample.records(2...3))
        try log.sync()
        #expect(log.segmentCount == 2)
        #expect(try log.contents() == [1, 2, 3])
    }

    @Test func aFailedSyncWhileASegmentEndsIsToldToTheNextSync() throws {
        let io = MemoryFileIO()
        let log = try Self.open(io)
        _ = try log.append(Sample.records(1...2))
        io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .sync, effect: .fails(.inputOutput)))
        #expect(throws: StoreError.self) { _ = try log.append(Sample.records(3...6)) }
        #expect(throws: StoreError.self) { try log.sync() }
        try log.sync()
        _ = try log.append(Sample.records(1...2))
        try log.sync()
        #expect(try log.contents() == [1, 2])
    }

    @Test func aFullDiskRefusesKeepsWhatItHasAndGoesOnWhenThereIsRoom() throws {
        let io = MemoryFileIO()
        let log = try Self.open(io)
        io.setCapacity(bytes: 900)
        var stored: [UInt64] = []
        var refusals = 0
        for sequence in 1...20 as ClosedRange<UInt64> {
            do {
                _ = try log.append([Sample.record(sequence)])
                try log.sync()
                stored.append(sequence)
            } catch {
                #expect(error.cause == .diskFull)
                refusals += 1
            }
        }
        #expect(refusals > 5 && stored.count > 3)
        #expect(try log.contents() == stored)
        io.setCapacity(bytes: nil)
        _ = try log.append([Sample.record(21)])
        try log.sync()
        io.kill()
        #expect(try Self.open(io).contents() == stored + [21])
    }

    @Test func whatTheDiskGivesAtTheSecondTimeIsNotSteppedOver() throws {
        let io = MemoryFileIO()
        let log = try Self.open(io)
        for sequence in 1...12 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        var reader = SegmentReader(log)
        var seen: [UInt64] = []
        for _ in 0..<12 {
            io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .read, effect: .fails(.inputOutput)))
            if let record = try reader.next() { seen.append(record.id.sequence) }
        }
        #expect(seen == Array(1...12))
        #expect(reader.skipped == SegmentReader.Skipped())
    }

    @Test func aSegmentTheDiskWillNotReadIsSteppedOverAndKept() throws {
        let io = MemoryFileIO()
        let log = try Self.open(io)
        for sequence in 1...12 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        var reader = SegmentReader(log)
        #expect(try reader.next()?.id.sequence == 1)
        // The window holds the rest of the first segment; the next read is of the second.
        var seen: [UInt64] = [1]
        for later in 1...4 {
            io.inject(
                MemoryFileIO.Fault(at: io.operationCount + later, operation: .read, effect: .fails(.inputOutput)))
        }
        while let record = try reader.next() { seen.append(record.id.sequence) }
        #expect(reader.skipped.segments.count == 1 && reader.skipped.unreadable == 1)
        #expect(seen.last == 12 && seen.count < 12)
        #expect(try log.contents() == Array(1...12))
    }
}
