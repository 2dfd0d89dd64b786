import MusterModel
import MusterStore
import Testing

struct SegmentLogDamageTests {
    static let settings = SegmentLog.Settings(segmentBytes: 4_000, maxBytes: 1 << 20)
    static let path = "/log/0000000000000001.seg"
    /// The two copies of the preamble.
    static let preambleBytes = 80

    /// One segment with the records 1 to 6, and where each begins; the last position is the end.
    static func filled(bytes: Int = 24) throws -> (io: MemoryFileIO, offsets: [Int]) {
        let io = MemoryFileIO()
        let log = try SegmentLog.open(directory: "/log", io: io, settings: settings).log
        let positions = try log.append(Sample.records(1...6, bytes: bytes)).positions
        try log.sync()
        return (io, positions.map(\.offset) + [log.end.offset])
    }

    static func open(_ io: MemoryFileIO) throws -> (log: SegmentLog, recovery: SegmentRecovery) {
        try SegmentLog.open(directory: "/log", io: io, settings: settings)
    }

    @Test func aFlippedBitCostsAtMostTheRecordItIsIn() throws {
        let (original, offsets) = try Self.filled()
        let content = try #require(original.content(Self.path))
        for bit in 0..<(content.count * 8) {
            let io = MemoryFileIO()
            try io.makeDirectory("/log")
            io.setContent(Self.path, content)
            io.flipBit(Self.path, offset: bit / 8, bit: bit % 8)
            let hit = offsets.lastIndex { $0 <= bit / 8 }
            let expected = (1...6).filter { $0 - 1 != hit }.map { UInt64($0) }
            let (log, recovery) = try Self.open(io)
            #expect(try log.contents() == expected, "bit \(bit)")
            if hit == 5 { #expect(recovery.trimmedBytes > 0) }
            if let hit, hit < 5 { #expect(recovery.damagedRegions == 1, "bit \(bit)") }
            // A reader of heads agrees except for payloads, which it does not look at.
            var heads: [UInt64] = []
            _ = try log.scan(.heads) {
                heads.append($0.id.sequence)
                return .next
            }
            #expect(Set(heads).isSuperset(of: expected))
        }
    }

    @Test func aFileCutOffAnywhereKeepsEveryWholeRecord() throws {
        let (original, offsets) = try Self.filled()
        let content = try #require(original.content(Self.path))
        for length in 0...content.count {
            let io = MemoryFileIO()
            try io.makeDirectory("/log")
            io.setContent(Self.path, Array(content[..<length]))
            let (log, recovery) = try Self.open(io)
            let whole = offsets.dropFirst().filter { $0 <= length }.count
            #expect(try log.contents() == (0..<UInt64(whole)).map { $0 + 1 }, "length \(length)")
            #expect(recovery.unfinished == (length < Self.preambleBytes ? 1 : 0))
            _ = try log.append([Sample.record(50)])
            #expect(try log.contents().last == 50)
        }
    }

    @Test(arguments: [1, 19, 20, 4_096, 100_000])
    func aTailOfZerosIsCutOff(zeros: Int) throws {
        let (io, _) = try Self.filled()
        let content = try #require(io.content(Self.path))
        io.setContent(Self.path, content + [UInt8](repeating: 0, count: zeros))
        let (log, recovery) = try Self.open(io)
        #expect(recovery.trimmedBytes == zeros)
        #expect(io.content(Self.path) == content)
        #expect(try log.contents() == Array(1...6))
    }

    @Test(arguments: [0xFFFF_FFFF, 0x80_0000, 0x80_0001, 0x8000_0000, 0] as [UInt32])
    func anAbsurdLengthIsNeitherAllocatedNorFollowed(length: UInt32) throws {
        let (io, offsets) = try Self.filled()
        var content = try #require(io.content(Self.path))
        for index in 0..<4 { content[offsets[2] + 8 + index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
        io.setContent(Self.path, content)
        let (log, recovery) = try Self.open(io)
        #expect(try log.contents() == [1, 2, 4, 5, 6])
        #expect(recovery.damagedRegions == 1)
        #expect(recovery.damagedBytes == offsets[3] - offsets[2])
        #expect(io.longestRead <= 256 << 10)
    }

    @Test func aPayloadThatLooksLikeRecordsOfAnotherLogIsNeverTakenForRecords() throws {
        let (other, offsets) = try Self.filled()
        let stolen = Array(try #require(other.content(Self.path))[offsets[0]...])
        // Another disk, another salt.
        let io = MemoryFileIO(seed: 77)
        let log = try Self.open(io).log
        let bait = SegmentRecord(id: Sample.record(10).id, codec: 0, received: Instant(seconds: 5), payload: stolen)
        let position = try log.append([bait]).positions[0]
        _ = try log.append([Sample.record(11)])
        // Even when its head is damaged and the scanner looks for the next record inside it.
        io.flipBit(Self.path, offset: position.offset + 5, bit: 3)
        #expect(try Self.open(io).log.contents() == [11])
    }

    @Test func damageInOlderSegmentsIsSteppedOverAndCountedByTheScan() throws {
        let io = MemoryFileIO()
        let log = try SegmentLog.open(
            directory: "/log", io: io, settings: SegmentLog.Settings(segmentBytes: 300, maxBytes: 1 << 20)
        ).log
        var positions: [SegmentPosition] = []
        for sequence in 1...12 as ClosedRange<UInt64> {
            positions += try log.append([Sample.record(sequence)]).positions
        }
        try log.sync()
        let hit = positions[4]
        io.flipBit("/log/000000000000000\(hit.segment).seg", offset: hit.offset + 70, bit: 0)
        let summary = try Self.open(io).log.scan(.records) { _ in .next }
        #expect(summary.records == 11)
        #expect(summary.skipped.regions == 1)
        #expect { _ = try log.read(hit) } throws: { ($0 as? StoreError)?.cause == .damaged }
    }

    @Test func aMissingSegmentAStrangersFileAndARenamedSegmentStopNothingAndAreNotDeleted() throws {
        let io = MemoryFileIO()
        let settings = SegmentLog.Settings(segmentBytes: 300, maxBytes: 1 << 20)
        let log = try SegmentLog.open(directory: "/log", io: io, settings: settings).log
        for sequence in 1...12 as ClosedRange<UInt64> { _ = try log.append([Sample.record(sequence)]) }
        try #require(log.segmentCount >= 4)
        let first = try #require(io.content(Self.path))
        try io.unlink("/log/0000000000000002.seg")
        io.setContent("/log/notes.txt", [1, 2, 3])
        io.setContent("/log/00000000000000ff.seg", first)
        let (again, recovery) = try SegmentLog.open(directory: "/log", io: io, settings: settings)
        #expect(recovery.ignored == ["notes.txt"])
        #expect(recovery.unreadable == ["/log/00000000000000ff.seg"])
        let kept = try again.contents()
        #expect(kept.first == 1 && kept.last == 12 && kept.count < 12)
        _ = try again.append([Sample.record(13)])
        #expect(try again.contents() == kept + [13])
        #expect(io.content("/log/notes.txt") == [1, 2, 3])
        #expect(io.content("/log/00000000000000ff.seg") == first)
        // A file that vanishes under a running log is stepped over as well.
        try io.unlink(Self.path)
        #expect(try again.contents().last == 13)
    }

    @Test func aSegmentWithoutAnyReadablePreambleIsKeptCountedAndGivenUpByRetentionOnly() throws {
        let (io, _) = try Self.filled()
        for offset in [3, 43] { io.flipBit(Self.path, offset: offset, bit: 1) }
        let (log, recovery) = try Self.open(io)
        #expect(recovery.unreadable == [Self.path])
        #expect(try log.contents() == [])
        #expect(log.bytesOnDisk == io.usedBytes)
        _ = try log.append([Sample.record(7)])
        #expect(try log.contents() == [7])
        #expect(io.content(Self.path) != nil)
    }

    @Test func aNewerFormatIsRefusedAndLeftAsItIs() throws {
        let (io, _) = try Self.filled()
        var content = try #require(io.content(Self.path))
        var copy = Array(content[..<32])
        copy[8] = 2
        let crc = CRC32C.checksum(copy)
        for start in [0, 40] {
            content.replaceSubrange(start..<(start + 32), with: copy)
            for index in 0..<4 { content[start + 32 + index] = UInt8(truncatingIfNeeded: crc >> (8 * UInt32(index))) }
        }
        io.setContent(Self.path, content)
        #expect { _ = try Self.open(io) } throws: { ($0 as? StoreError)?.cause == .newerFormat }
        #expect(io.content(Self.path) == content)
    }

    @Test func randomDamageNeverTrapsStallsOrInvents() throws {
        let (original, _) = try Self.filled(bytes: 60)
        let content = try #require(original.content(Self.path))
        var generator = SplitMix64(2_024)
        for round in 0..<2_000 {
            var damaged = content
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                let start = Int.random(in: 0..<damaged.count, using: &generator)
                let end = min(damaged.count, start + Int.random(in: 1...40, using: &generator))
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: damaged.removeSubrange(start..<end)
                case 1: damaged.insert(contentsOf: damaged[start..<end], at: start)
                case 2: for index in start..<end { damaged[index] = UInt8.random(in: 0...255, using: &generator) }
                default: for index in start..<end { damaged[index] = 0 }
                }
                if damaged.isEmpty { break }
            }
            let io = MemoryFileIO()
            try io.makeDirectory("/log")
            io.setContent(Self.path, damaged)
            let found = try Self.open(io).log.contents()
            #expect(Set(found).isSubset(of: 1...6), "round \(round)")
        }
    }
}
