import MusterModel
import MusterSeries
import MusterStore
import Testing

struct PartFileTests {
    let io = MemoryFileIO()

    private static func path(_ name: String) -> String { "\(StoreSample.directory)/\(name)" }
    private static let firstPart = path("00000001.part")

    @Test func aPartIsReadAsItWasWritten() throws {
        let store = try StoreSample.open(io).store
        let part = try StoreSample.writePart(store, round: 4)
        #expect(part.path == Self.firstPart && part.number == 1 && part.entry.level == 0)
        #expect(part.entry.from == 40_000 && part.entry.to == 40_040)
        #expect(part.entry.bytes == UInt64(try #require(io.content(Self.firstPart)).count))
        let index = try part.index()
        #expect(index.map(\.group.number) == [1, 2, 3] && part.blockCount == 3)
        #expect(index.allSatisfy { $0.block.part == 1 && $0.block.rows == 5 && $0.block.from == 40_000 })
        for entry in index {
            let rows = StoreSample.rows(round: 4, group: entry.group.number)
            #expect(try part.rows(entry.block, of: entry.group, compressor: StoreSample.zlib) == rows)
            let one = try part.rows(entry.block, of: entry.group, slots: 2, compressor: StoreSample.zlib)
            #expect(one.masks == [UInt64](repeating: 2, count: 5) && one.times == rows.times)
        }
    }

    @Test func severalBlocksOfAGroupMayOverlapInTime() throws {
        let store = try StoreSample.open(io).store
        let writer = try store.beginPart(expectedBytes: 0)
        var odd = StoreSample.rows(round: 1, group: 2)
        odd.times = odd.times.map { $0 + 5 }
        odd.values = odd.times.flatMap { time in
            [0, 1, 5].map { StoreSample.value(StoreSample.Place(group: 2, time: time, slot: $0)) }
        }
        try writer.append(try StoreSample.block(StoreSample.rows(round: 1, group: 2), group: 2))
        try writer.append(try StoreSample.block(odd, group: 2))
        let part = try #require(try writer.finish())
        #expect(try part.samples().count == 30)
    }

    @Test func blocksOutOfOrderAndWhatIsNoBlockAreRefusedAndNothingIsLeft() throws {
        let store = try StoreSample.open(io).store
        let before = io.fileCount
        let wrong: [[UInt8]] = [
            try StoreSample.block(StoreSample.rows(round: 1, group: 1), group: 1),
            try StoreSample.block(StoreSample.rows(round: 0, group: 2), group: 2), [], [1, 2, 3],
        ]
        for block in wrong {
            let writer = try store.beginPart(expectedBytes: 0)
            try writer.append(try StoreSample.block(StoreSample.rows(round: 1, group: 2), group: 2))
            #expect(throws: StoreError.self) { try writer.append(block) }
            #expect(throws: StoreError.self) { try writer.finish() }
            #expect(io.fileCount == before && store.bytesOnDisk == io.usedBytes)
        }
    }

    @Test func aPartWithoutBlocksOrLetGoLeavesNothing() throws {
        let store = try StoreSample.open(io).store
        let before = io.fileCount
        #expect(try store.beginPart(expectedBytes: 0).finish() == nil)
        do {
            let writer = try store.beginPart(expectedBytes: 0)
            try writer.append(try StoreSample.block(StoreSample.rows(round: 1, group: 2), group: 2))
        }
        store.discard(try StoreSample.writePart(store, round: 3))
        #expect(io.fileCount == before && store.bytesOnDisk == io.usedBytes)
    }

    @Test func aLongPartIsWrittenAndReadInPieces() throws {
        let store = try StoreSample.open(io).store
        let writer = try store.beginPart(expectedBytes: 0)
        var generator = SplitMix64(3)
        var rows = BlockRows()
        for row in 0..<240 {
            rows.append(time: Int64(row), mask: 0xff, values: (0..<8).map { _ in generator.next() })
        }
        var grown = 0
        for group in 1...150 as ClosedRange<UInt32> {
            let used = io.usedBytes
            try writer.append(try StoreSample.block(rows, group: group))
            if io.usedBytes > used { grown += 1 }
            #expect(io.usedBytes == store.bytesOnDisk)
        }
        #expect(grown > 5 && grown < 20)
        let bytes = writer.bytes
        let part = try #require(try writer.finish())
        #expect(bytes >= Int(part.entry.bytes) && bytes < Int(part.entry.bytes) + 6_000)
        for entry in try part.index() {
            #expect(try part.rows(entry.block, of: entry.group, compressor: StoreSample.zlib) == rows)
        }
        #expect(io.longestRead < 64 << 10)
    }

    @Test func aBlockIsOnlyGivenAsWhatWasAskedFor() throws {
        let store = try StoreSample.open(io).store
        let part = try StoreSample.writePart(store, round: 4)
        let entry = try part.index()[1]
        let changes: [(inout BlockRef) -> Void] = [
            { $0.part = 9 }, { $0.offset -= 1 }, { $0.offset = 0 }, { $0.offset = .max }, { $0.length += 1 },
            { $0.length = 0 }, { $0.length = .max }, { $0.rows = 4 }, { $0.from += 1 }, { $0.to += 1 },
        ]
        for (index, change) in changes.enumerated() {
            var block = entry.block
            change(&block)
            #expect("case \(index)") { try part.block(block, of: entry.group) } throws: {
                ($0 as? StoreError)?.cause == .damaged
            }
        }
        #expect { try part.block(entry.block, of: GroupID(number: 3)) } throws: { error in
            let text = "\(error)"
            return text.contains("group 3") && text.contains("offset \(entry.block.offset)")
                && text.contains(Self.firstPart)
        }
    }

    /// Each flipped bit costs nothing (the preamble is there twice), one block, or the part, and is always told.
    @Test func aFlippedBitAnywhereCostsAtMostItsBlockOrSetsThePartAside() throws {
        try StoreSample.runCheckpoint(try StoreSample.open(io).store, round: 4)
        let content = try #require(io.content(Self.firstPart))
        let index = try #require(try StoreSample.open(io).store.parts.first).index()
        let blocksEnd = Int(index[2].block.offset + index[2].block.length)
        for bit in 0..<(content.count * 8) {
            let byte = bit / 8
            io.setContent(Self.firstPart, content)
            io.flipBit(Self.firstPart, offset: byte, bit: bit % 8)
            let (store, recovery) = try StoreSample.open(io)
            if byte >= blocksEnd {
                #expect(recovery.setAside.map(\.cause) == [.damaged] && store.parts.isEmpty, "bit \(bit)")
                #expect(io.content(Self.firstPart) == nil && io.content(Self.firstPart + ".damaged") != nil)
                try io.unlink(Self.firstPart + ".damaged")
                continue
            }
            let part = try #require(store.parts.first)
            for entry in index {
                let isHit = entry.block.offset <= byte && byte < entry.block.offset + entry.block.length
                let rows = try? part.rows(entry.block, of: entry.group, compressor: StoreSample.zlib)
                #expect((rows == nil) == isHit, "bit \(bit), group \(entry.group.number)")
            }
        }
    }

    @Test func aPartCutOffAnywhereOrWithMoreBehindItIsSetAside() throws {
        try StoreSample.runCheckpoint(try StoreSample.open(io).store, round: 4)
        let content = try #require(io.content(Self.firstPart))
        for count in (0..<content.count).filter({ $0 % 7 == 0 }) + [content.count - 1, content.count + 1] {
            io.setContent(Self.firstPart, Array((content + [0]).prefix(count)))
            #expect(try StoreSample.open(io).recovery.setAside.count == 1, "\(count) bytes")
            try io.unlink(Self.firstPart + ".damaged")
        }
        io.setContent(Self.firstPart, content)
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(round: 4))
    }

    /// Bytes of another part of the same length, as a disk that writes to the wrong place leaves them.
    @Test func blocksOfAnotherFileOrPlaceAreNotTakenForTheRightOnes() throws {
        let store = try StoreSample.open(io).store
        try StoreSample.runCheckpoint(store, round: 4)
        let part = try #require(store.parts.first)
        var content = try #require(io.content(Self.firstPart))
        let (first, second) = (try part.index()[0].block, try part.index()[1].block)
        try #require(first.length == second.length)
        for index in 0..<Int(first.length) { content.swapAt(Int(first.offset) + index, Int(second.offset) + index) }
        io.setContent(Self.firstPart, content)
        #expect(throws: StoreError.self) { try part.block(first, of: GroupID(number: 1)) }
        #expect(throws: StoreError.self) { try part.block(first, of: GroupID(number: 2)) }
    }

    @Test func aBlockTheDiskWillNotGiveIsThatErrorAndTheNextReadWorks() throws {
        let store = try StoreSample.open(io).store
        let part = try StoreSample.writePart(store, round: 4)
        let entry = try part.index()[0]
        io.inject(MemoryFileIO.Fault(at: io.operationCount + 1, operation: .read, effect: .fails(.inputOutput)))
        #expect { try part.block(entry.block, of: entry.group) } throws: { ($0 as? StoreError)?.cause == .inputOutput }
        #expect(try part.block(entry.block, of: entry.group).count > 0)
    }

    /// Computed apart from this code when the format was made, salt and checksums included: a change of these bytes is a
    /// change of the format and needs a version.
    @Test func theBytesOfFormatOneStayAsTheyAre() throws {
        let block: [UInt8] = [
            0xb7, 1, 0xac, 0x02, 3, 0xd0, 0x0f, 0xc4, 0x13, 0, 1, 0xd0, 0x0f, 0xe8, 0x07, 2, 0b1011, 0, 0, 0, 0, 0, 0,
            0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x44, 0x32, 10, 0, 2, 2, 2, 2, 100, 49,
        ]
        let io = MemoryFileIO(seed: 1)
        let writer = try StoreSample.open(io).store.beginPart(expectedBytes: 0)
        try writer.append(block)
        let part = try #require(try writer.finish())
        let golden = [
            "4d535446494c45310100040000000000010000000000000067ec8e65a18debbed2b37b80000000004d535446494c4531",
            "0100040000000000010000000000000067ec8e65a18debbed2b37b80000000007096261db701ac0203d00fc4130001d0",
            "0fe807020b000000000000000103000000000000001044320a000202020264310101ac02d00fc41330034d5354504152",
            "543180000000000000000a0000001c9b6e00010000001e265b05",
        ].joined()
        let bytes = try #require(io.content(Self.firstPart))
        #expect(bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() == golden)
        #expect(part.blockCount == 1)
    }
}
