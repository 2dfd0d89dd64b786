import MusterModel
import MusterSeries
import MusterStore
import Testing

struct PartDirectoryTests {
    let io = MemoryFileIO()

    private static func path(_ name: String) -> String { "\(StoreSample.directory)/\(name)" }
    private func names() throws -> [String] { try io.list(StoreSample.directory) }

    private static func manifest(_ generation: UInt64) -> String {
        path("MANIFEST-" + String(repeating: "0", count: 15) + String(generation, radix: 16))
    }

    @Test func aNewStoreIsEmptyAndDurable() throws {
        let (store, recovery) = try StoreSample.open(io)
        #expect(recovery == PartRecovery())
        #expect(store.manifest == StoreManifest() && store.parts.isEmpty)
        #expect(store.bytesOnDisk == io.usedBytes)
        var generator = SplitMix64(1)
        io.crash(using: &generator)
        #expect(try names().filter { $0.hasPrefix("MANIFEST") }.count == 1)
        #expect(try StoreSample.open(io).store.manifest == StoreManifest())
    }

    @Test func whatWasCommittedComesBack() throws {
        let store = try StoreSample.open(io).store
        for round in 1...3 { try StoreSample.runCheckpoint(store, round: round) }
        io.kill()
        let (again, recovery) = try StoreSample.open(io)
        #expect(recovery == PartRecovery())
        #expect(again.manifest == store.manifest)
        #expect(again.manifest.replayFrom.segment == 3 && again.manifest.nextGroup == 103)
        #expect(again.manifest.appliedThrough == StoreManifest.LogPlace(segment: 3, offset: 9))
        #expect(again.replayFloor.segment == 2)
        #expect(try again.samples() == StoreSample.places(rounds: 1...3))
        #expect(try again.catalogueRounds() == [1, 2, 3])
        #expect(again.bytesOnDisk == io.usedBytes)
    }

    @Test func onlyWhatTwoManifestsNameIsKept() throws {
        let store = try StoreSample.open(io).store
        for round in 1...6 { try StoreSample.runCheckpoint(store, round: round) }
        let names = try names()
        #expect(names.filter { $0.hasPrefix("MANIFEST") }.count == 2)
        #expect(names.filter { $0.hasSuffix(".catalogue") }.count == 1)
        #expect(names.filter { $0.hasSuffix(".part") }.count == 6)
        #expect(names.count == 9)
    }

    @Test func whatNoCommitTookIsGoneAfterAStart() throws {
        let store = try StoreSample.open(io).store
        try StoreSample.runCheckpoint(store, round: 1)
        _ = try StoreSample.writePart(store, round: 2)
        try store.appendCatalogue(try StoreSample.chunk(round: 2))
        try store.restartCatalogue()
        io.setContent(Self.path("00000099.part.tmp"), [1, 2, 3])
        io.kill()
        let (again, recovery) = try StoreSample.open(io)
        #expect(recovery.removed == ["00000003.part", "00000004.catalogue", "00000099.part.tmp"])
        #expect(recovery.cutBytes > 30)
        #expect(try again.samples() == StoreSample.places(round: 1))
        #expect(try again.catalogueRounds() == [1])
        #expect(again.bytesOnDisk == io.usedBytes)
        // Numbers that files had are not given out again.
        #expect(try StoreSample.writePart(again, round: 2).number == 5)
    }

    @Test func aDamagedManifestLeavesTheOneBeforeWithEverythingItNames() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        _ = try #require(try StoreSample.merge(store))
        io.flipBit(Self.manifest(6), offset: 110, bit: 3)
        let (again, recovery) = try StoreSample.open(io)
        #expect(recovery.fellBack && recovery.setAside.map(\.cause) == [.damaged])
        #expect(again.parts.count == 4)
        #expect(try again.samples() == StoreSample.places(rounds: 1...4))
        #expect(try names().contains { $0.hasSuffix("6.damaged") })
        // The next commit is newer than the damaged one was.
        try StoreSample.runCheckpoint(again, round: 5)
        #expect(io.content(Self.manifest(7)) != nil)
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(rounds: 1...5))
    }

    @Test func everyFlippedBitOfAManifestIsSeen() throws {
        let store = try StoreSample.open(io).store
        for round in 1...2 { try StoreSample.runCheckpoint(store, round: round) }
        let newest = Self.manifest(3)
        let content = try #require(io.content(newest))
        for bit in 0..<(content.count * 8) {
            let io = MemoryFileIO()
            try io.makeDirectories(StoreSample.directory)
            for name in try names() { io.setContent(Self.path(name), self.io.content(Self.path(name)) ?? []) }
            io.flipBit(newest, offset: bit / 8, bit: bit % 8)
            let (again, recovery) = try StoreSample.open(io)
            // The preamble is there twice.
            #expect(recovery.fellBack == (bit / 8 >= 80), "bit \(bit)")
            let rounds = recovery.fellBack ? 1...1 : 1...2
            #expect(try again.samples() == StoreSample.places(rounds: rounds), "bit \(bit)")
            #expect(again.manifest.replayFrom.segment == UInt64(rounds.upperBound))
        }
    }

    @Test func filesWithoutAManifestThatCanBeReadAreARefusalThatNamesTheWayOut() throws {
        let store = try StoreSample.open(io).store
        for round in 1...2 { try StoreSample.runCheckpoint(store, round: round) }
        let manifests = try names().filter { $0.hasPrefix("MANIFEST") }
        for name in manifests { io.flipBit(Self.path(name), offset: 100, bit: 0) }
        let before = try names()
        #expect { try StoreSample.open(io) } throws: {
            ($0 as? StoreError)?.cause == .damaged && "\($0)".contains("restore a manifest")
        }
        for name in manifests { try io.unlink(Self.path(name)) }
        #expect { try StoreSample.open(io) } throws: { ($0 as? StoreError)?.cause == .damaged }
        #expect(try names() == before.filter { !$0.hasPrefix("MANIFEST") }, "something was changed")
    }

    @Test func aFileOfANewerMusterIsARefusalThatChangesNothing() throws {
        let store = try StoreSample.open(io).store
        try StoreSample.runCheckpoint(store, round: 1)
        _ = try StoreSample.writePart(store, round: 2)
        io.setContent(Self.path("00000099.part.tmp"), [1])
        for suffix in [".part", ".catalogue", ".manifest"] {
            let name = try #require(
                try names().last { suffix == ".manifest" ? $0.hasPrefix("MANIFEST") : $0.hasSuffix(suffix) })
            let path = Self.path(suffix == ".part" ? "00000001.part" : name)
            let content = try #require(io.content(path))
            var newer = content
            for copy in [0, 40] {
                newer[copy + 8] = 2
                let crc = CRC32C.checksum(newer, in: copy..<(copy + 32))
                for index in 0..<4 { newer[copy + 32 + index] = UInt8(truncatingIfNeeded: crc >> UInt32(8 * index)) }
            }
            io.setContent(path, newer)
            let before = try names()
            #expect("\(suffix)") { try StoreSample.open(io) } throws: { ($0 as? StoreError)?.cause == .newerFormat }
            #expect(try names() == before)
            #expect(io.content(path) == newer)
            io.setContent(path, content)
        }
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(round: 1))
    }

    @Test func aMissingPartIsToldAndTheRestStarts() throws {
        let store = try StoreSample.open(io).store
        for round in 1...3 { try StoreSample.runCheckpoint(store, round: round) }
        try io.unlink(Self.path("00000003.part"))
        let (again, recovery) = try StoreSample.open(io)
        #expect(recovery.missing == [3])
        #expect(try again.samples() == StoreSample.places(rounds: [1, 3]))
        try StoreSample.runCheckpoint(again, round: 4)
        #expect(try StoreSample.open(io).recovery.missing.isEmpty)
    }

    @Test func everyFlippedBitOfTheCatalogueCostsAtMostItsPiece() throws {
        let store = try StoreSample.open(io).store
        for round in 1...3 { try StoreSample.runCheckpoint(store, round: round) }
        let path = Self.path("00000002.catalogue")
        let content = try #require(io.content(path))
        for bit in 0..<(content.count * 8) {
            io.setContent(path, content)
            io.flipBit(path, offset: bit / 8, bit: bit % 8)
            let again = try StoreSample.open(io).store
            var rounds: [Int] = []
            let damage = try again.readCatalogue(compressor: StoreSample.zlib) { chunk in
                rounds += chunk.groups.map { Int($0.id.number) }
            }
            #expect(rounds.count == (bit / 8 < 80 ? 3 : 2), "bit \(bit)")
            #expect((damage.bytes > 0) == (bit / 8 >= 80), "bit \(bit)")
        }
    }

    @Test func aCatalogueThatIsShortOrNoneIsTold() throws {
        let store = try StoreSample.open(io).store
        for round in 1...3 { try StoreSample.runCheckpoint(store, round: round) }
        let path = Self.path("00000002.catalogue")
        let content = try #require(io.content(path))
        io.setContent(path, Array(content.dropLast(10)))
        let again = try StoreSample.open(io).store
        let damage = try again.readCatalogue(compressor: StoreSample.zlib) { _ in }
        #expect(damage.bytes >= 10 && damage.regions >= 1)
        io.setContent(path, [UInt8](repeating: 0, count: content.count))
        let (third, recovery) = try StoreSample.open(io)
        #expect(recovery.setAside.count == 1)
        #expect(try third.samples() == StoreSample.places(rounds: 1...3))
        #expect(try third.catalogueRounds().isEmpty)
        try StoreSample.runCheckpoint(third, round: 4)
        #expect(try StoreSample.open(io).store.catalogueRounds() == [4])
    }

    @Test func placesInTheWrongOrderAreRefusedAndTheStoreIsAsItWas() throws {
        let store = try StoreSample.open(io).store
        try StoreSample.runCheckpoint(store, round: 1)
        let manifest = store.manifest
        var wrong = StoreSample.checkpoint(round: 2)
        wrong.appliedThrough = StoreManifest.LogPlace(segment: 2, offset: 6)
        let part = try StoreSample.writePart(store, round: 2)
        #expect(throws: StoreError.self) { try store.commit(wrong, adding: [part]) }
        #expect(store.manifest == manifest && store.bytesOnDisk == io.usedBytes)
        try store.commit(StoreSample.checkpoint(round: 2), adding: [part])
        #expect(try StoreSample.open(io).store.samples() == StoreSample.places(rounds: 1...2))
    }

    @Test func aCatalogueBegunAnewTakesThePlaceOfTheOldOne() throws {
        let store = try StoreSample.open(io).store
        for round in 1...3 { try StoreSample.runCheckpoint(store, round: round) }
        try store.restartCatalogue()
        try store.appendCatalogue(try StoreSample.chunk(round: 30))
        // Until the checkpoint is done the old one counts.
        #expect(try store.catalogueRounds() == [1, 2, 3])
        try StoreSample.runCheckpoint(store, round: 4)
        #expect(try store.catalogueRounds() == [30, 4])
        try StoreSample.runCheckpoint(store, round: 5)
        #expect(try names().filter { $0.hasSuffix(".catalogue") }.count == 1)
        #expect(try StoreSample.open(io).store.catalogueRounds() == [30, 4, 5])
    }

    @Test func namesOfOthersAreLeftAloneAndCounted() throws {
        try io.makeDirectories(StoreSample.directory)
        let strange = [
            "notes", "MANIFEST-12", "0000000g.part", "1.part", "00000001.part.bak", "00000001.decoders", "x.tmp",
        ]
        for name in strange { io.setContent(Self.path(name), [1, 2, 3]) }
        let (store, recovery) = try StoreSample.open(io)
        #expect(recovery.ignored == strange.sorted())
        #expect(store.bytesOnDisk == io.usedBytes)
        try StoreSample.runCheckpoint(store, round: 1)
        for name in strange { #expect(io.content(Self.path(name)) == [1, 2, 3]) }
    }

    @Test func aPartThatIsBeingReadOutlivesItsName() throws {
        let store = try StoreSample.open(io).store
        for round in 1...4 { try StoreSample.runCheckpoint(store, round: round) }
        var reader: Part? = store.parts.first
        let open = io.openCount
        _ = try #require(try StoreSample.merge(store))
        try StoreSample.runCheckpoint(store, round: 5)
        let bytes = try #require(reader).entry.bytes
        #expect(io.content(Self.path("00000001.part")) == nil)
        #expect(store.bytesHeldByReaders == Int(bytes))
        #expect(try reader?.samples() == StoreSample.places(round: 1))
        #expect(try store.samples() == StoreSample.places(rounds: 1...5))
        // Four sources gone but for the one that is read, one merged and one new part.
        #expect(io.openCount == open - 3 + 2)
        reader = nil
        #expect(store.bytesHeldByReaders == 0)
        #expect(io.openCount == open - 4 + 2)
    }

    @Test func recordsBeyondTheirLimitsAreRefused() throws {
        let store = try StoreSample.open(io).store
        let before = io.fileCount
        #expect { try store.appendCatalogue([UInt8](repeating: 1, count: 9 << 20)) } throws: {
            ($0 as? StoreError)?.cause == .tooLarge
        }
        try store.appendCatalogue(try StoreSample.chunk(round: 1))
        #expect(io.fileCount == before + 1 && store.bytesOnDisk == io.usedBytes)
    }
}
