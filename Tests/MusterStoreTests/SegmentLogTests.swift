import MusterModel
import MusterStore
import Testing

struct SegmentLogTests {
    let io = MemoryFileIO()

    func open(_ segmentBytes: Int = 1 << 20, maxBytes: Int = 64 << 20, maxAge: Duration? = nil) throws -> SegmentLog {
        try SegmentLog.open(
            directory: "/log", io: io,
            settings: SegmentLog.Settings(segmentBytes: segmentBytes, maxBytes: maxBytes, maxAge: maxAge)
        ).log
    }

    @Test func anEmptyLogTakesNoDiskAndDoesNoIO() throws {
        let log = try open()
        #expect(io.operationCount == 1)
        #expect(io.fileCount == 0)
        #expect(try log.contents() == [])
        #expect(log.end == .start)
        try log.sync()
        #expect(io.operationCount == 1)
    }

    @Test func recordsComeBackInOrderWithAllTheirFields() throws {
        let log = try open()
        let records = [
            Sample.record(1), Sample.record(2, .control, bytes: 0), Sample.record(3, .logs, bytes: 300_000),
        ]
        let positions = try log.append(records).positions
        try log.sync()
        var stored: [StoredRecord] = []
        let summary = try log.scan(.records) {
            stored.append($0)
            return .next
        }
        #expect(stored.map(\.record) == records)
        #expect(stored.map(\.position) == positions)
        #expect(summary.skipped == SegmentReader.Skipped())
        #expect(summary.end == log.end)
        for (position, record) in zip(positions, records) { #expect(try log.read(position).record == record) }
    }

    @Test func aScanOfHeadsTellsEverythingButThePayloadAndReadsLittleOfIt() throws {
        let log = try open()
        for sequence in 1...8 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence, bytes: 120_000)]) }
        var sizes: [Int] = []
        _ = try log.scan(.heads) {
            #expect($0.payload.isEmpty)
            sizes.append($0.payloadBytes)
            return .next
        }
        #expect(sizes == Array(repeating: 120_000, count: 8))
        #expect(io.longestRead <= 16 << 10)
    }

    @Test func aScanStopsWhenToldAndGoesOnFromWhereItEnded() throws {
        let log = try open(500)
        for sequence in 1...20 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        #expect(log.segmentCount > 3)
        var seen: [UInt64] = []
        var position = SegmentPosition.start
        while seen.count < 20 {
            let summary = try log.scan(from: position, .records) {
                seen.append($0.id.sequence)
                return seen.count % 3 == 0 ? .stop : .next
            }
            try #require(summary.records > 0)
            position = summary.end
        }
        #expect(seen == Array(1...20))
        #expect(try log.scan(from: position, .records) { _ in .next }.records == 0)
    }

    @Test func aReaderAtTheEndSeesWhatIsAppendedLaterAlsoInNewSegments() throws {
        let log = try open(400)
        var reader = SegmentReader(log)
        #expect(try reader.next() == nil)
        for sequence in 1...50 as ClosedRange<UInt64> {
            _ = try log.append([Sample.record(sequence)])
            #expect(try reader.next()?.id.sequence == sequence)
            #expect(try reader.next() == nil)
        }
    }

    @Test func aLogOpenedAgainGoesOnInTheLastSegment() throws {
        _ = try open().append(Sample.records(1...3))
        let again = try open()
        _ = try again.append(Sample.records(4...5))
        #expect(try again.contents() == [1, 2, 3, 4, 5])
        #expect(again.segmentCount == 1)
    }

    @Test func openingMakesDurableWhatItShows() throws {
        let log = try open()
        _ = try log.append(Sample.records(1...1))
        try log.sync()
        _ = try log.append(Sample.records(2...3))
        io.kill()
        #expect(try open().contents() == [1, 2, 3])
        var generator = SplitMix64(0)
        io.crash(using: &generator)
        #expect(try open().contents() == [1, 2, 3])
    }

    @Test(arguments: [2_000, 3_000, 10_000])
    func theByteBudgetIsNeverExceededAndTheOldestGoFirst(maxBytes: Int) throws {
        let log = try open(1 << 20, maxBytes: maxBytes)
        var removed = 0
        for sequence in 1...400 as ClosedRange<UInt64> {
            let appended = try log.append([Sample.record(sequence, bytes: Int(sequence % 90))])
            removed += appended.removed.count
            #expect(io.usedBytes <= maxBytes)
            #expect(log.bytesOnDisk == io.usedBytes)
        }
        #expect(io.peakBytes <= maxBytes)
        #expect(removed > 5)
        let kept = try log.contents()
        let first = try #require(kept.first)
        #expect(kept == Array(first...400))
        #expect(log.bytesOnDisk > maxBytes / 2)
    }

    @Test func aBatchLargerThanTheBudgetAndAPayloadOverTheLimitAreRefusedAndChangeNothing() throws {
        let log = try open(1_000, maxBytes: 4_000)
        _ = try log.append(Sample.records(1...2))
        #expect { _ = try log.append([Sample.record(3, bytes: 5_000)]) } throws: {
            ($0 as? StoreError)?.cause == .tooLarge
        }
        let large = try SegmentLog.open(
            directory: "/large", io: io, settings: SegmentLog.Settings(maxBytes: 100 << 20)
        ).log
        #expect {
            _ = try large.append([Sample.record(3, bytes: SegmentLog.payloadBytes + 1)])
        } throws: {
            ($0 as? StoreError)?.cause == .tooLarge
        }
        #expect(try log.contents() == [1, 2])
    }

    @Test func theLongestPayloadIsStoredAndReadInBoundedMemory() throws {
        let log = try SegmentLog.open(
            directory: "/log", io: io, settings: SegmentLog.Settings(maxBytes: 100 << 20)
        ).log
        let record = SegmentRecord(
            id: Sample.record(1).id, codec: 1, received: Instant(seconds: 1),
            payload: [UInt8](repeating: 0x4D, count: SegmentLog.payloadBytes))
        let position = try log.append([record]).positions[0]
        #expect(try log.read(position).record == record)
        var reader = SegmentReader(log)
        #expect(try reader.next()?.record == record)
        #expect(reader.bufferBytes < SegmentLog.payloadBytes + 1_024)
    }

    @Test func scanningALongLogNeedsOneSmallBuffer() throws {
        let log = try open(64 << 10)
        for sequence in 1...300 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence, bytes: 1_000)]) }
        var reader = SegmentReader(log)
        while try reader.next() != nil { #expect(reader.bufferBytes <= 256 << 10) }
        #expect(io.longestRead <= 256 << 10)
    }

    @Test func segmentsOlderThanTheAgeLimitGoTheNewestStays() throws {
        let log = try open(400, maxAge: .seconds(10))
        for sequence in 1...30 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        #expect(try log.removeExpired(now: Instant(seconds: 1_005)).isEmpty)
        #expect(try log.removeExpired(now: Instant(seconds: 1_030)).count > 2)
        let kept = try log.contents()
        // Nothing younger than the limit is gone.
        #expect(Set(kept).isSuperset(of: 20...30))
        _ = try log.removeExpired(now: Instant(seconds: 9_000))
        #expect(log.segmentCount == 1)
        #expect(try log.contents().last == 30)
    }

    @Test func ageIsKnownAgainAfterARestart() throws {
        let log = try open(400, maxAge: .seconds(10))
        for sequence in 1...30 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        let again = try open(400, maxAge: .seconds(10))
        #expect(
            try again.removeExpired(now: Instant(seconds: 1_030)) == log.removeExpired(now: Instant(seconds: 1_030)))
    }

    @Test func segmentsInFrontOfAPositionAreRemovedAndAReaderThereGoesOnBehindThem() throws {
        let log = try open(400)
        var positions: [SegmentPosition] = []
        for sequence in 1...30 as ClosedRange<UInt64> {
            positions += try log.append([Sample.record(sequence)]).positions
        }
        var reader = SegmentReader(log)
        _ = try reader.next()
        let removed = try log.removeSegments(before: positions[19])
        #expect(!removed.isEmpty)
        #expect(removed.allSatisfy { $0.segment < positions[19].segment })
        let next = try #require(try reader.next())
        #expect(next.position.segment >= positions[19].segment)
        #expect { _ = try log.read(positions[0]) } throws: { ($0 as? StoreError)?.cause == .notFound }
        #expect(try log.read(positions[19]).id.sequence == 20)
        _ = try log.removeAll()
        #expect(io.fileCount == 0)
        #expect(try reader.next() == nil)
        _ = try log.append([Sample.record(31)])
        #expect(try reader.next()?.id.sequence == 31)
    }

    @Test func openingCostsTheSameWhateverIsStored() throws {
        let log = try open(2_000)
        for sequence in 1...100 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        let few = log.segmentCount
        var before = io.operationCount
        _ = try open(2_000)
        let costOfFew = io.operationCount - before
        for sequence in 101...1_000 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        before = io.operationCount
        _ = try open(2_000)
        // Four calls a segment: open, size, preamble, first record.
        #expect(io.operationCount - before <= costOfFew + 4 * (log.segmentCount - few))
    }

    @Test func fillingAndEmptyingLeaksNeitherFilesNorDescriptors() throws {
        let log = try open()
        for sequence in 1...300 as ClosedRange<UInt64> {
            _ = try log.append([Sample.record(sequence)])
            #expect(try log.contents() == [sequence])
            _ = try log.removeAll()
            #expect(io.fileCount == 0)
            #expect(io.openCount == 0)
        }
    }

    @Test func theSystemsDiskHoldsALogAcrossOpenings() throws {
        let directory = try ScratchDirectory()
        let settings = SegmentLog.Settings(segmentBytes: 5_000, maxBytes: 1 << 20)
        for round in 0..<5 as Range<UInt64> {
            let log = try SegmentLog.open(directory: directory.path + "/log", io: SystemFileIO(), settings: settings)
                .log
            #expect(try log.contents() == Array(0..<(round * 50)))
            _ = try log.append(Sample.records((round * 50)...(round * 50 + 49)))
            try log.sync()
        }
    }
}
