import MusterStore
import Testing

@Suite struct SectionFileTests {
    private func bytes(_ count: Int, _ seed: UInt8) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: $0) &+ seed }
    }

    @Test func sectionsComeBackOneByOne() throws {
        let io = MemoryFileIO()
        try io.makeDirectories("/x")
        let sections = [bytes(10, 1), [], [UInt8](repeating: 2, count: (8 << 20) + 1), bytes(1, 3)]
        let written = try SectionFile.write(sections, to: "/x/a.idx", number: 7, io: io)
        let read = try SectionFile(opening: "/x/a.idx", number: 7, io: io)
        #expect(read.count == 4)
        #expect(read.size == written.size)
        for number in [3, 0, 2, 1] {
            #expect(try read.read(number) == sections[number])
            #expect(try written.read(number) == sections[number])
        }
        #expect(throws: StoreError.self) { try SectionFile(opening: "/x/a.idx", number: 8, io: io) }
        #expect(throws: StoreError.self) { try SectionFile(opening: "/x/b.idx", number: 7, io: io) }
    }

    @Test func aDamagedSectionCostsThatSection() throws {
        let io = MemoryFileIO()
        try io.makeDirectories("/x")
        let sections = [UInt8(1), 2, 3].map { [UInt8](repeating: $0, count: 1_000) }
        _ = try SectionFile.write(sections, to: "/x/a.idx", number: 1, io: io)
        let whole = try WholeFile.read("/x/a.idx", io: io)
        let place = try #require(whole.firstRange(of: [UInt8](repeating: 2, count: 100))).lowerBound
        try write(whole, flipping: place + 50, to: io)
        let read = try SectionFile(opening: "/x/a.idx", number: 1, io: io)
        #expect(try read.read(0) == sections[0])
        #expect(throws: StoreError.self) { try read.read(1) }
        #expect(try read.read(2) == sections[2])
    }

    @Test func aFileThatIsCutOrChangedAnywhereIsRefusedOrIntact() throws {
        let io = MemoryFileIO()
        try io.makeDirectories("/x")
        let sections = [bytes(60, 1), bytes(40, 2)]
        _ = try SectionFile.write(sections, to: "/x/a.idx", number: 1, io: io)
        let whole = try WholeFile.read("/x/a.idx", io: io)
        for place in whole.indices {
            try write(whole, flipping: place, to: io)
            check(sections, io)
            try io.unlink("/x/a.idx")
            let file = try io.open("/x/a.idx", .create)
            try io.write(file, at: 0, Array(whole[..<place]))
            check(sections, io)
        }
    }

    private func check(_ sections: [[UInt8]], _ io: MemoryFileIO) {
        guard let read = try? SectionFile(opening: "/x/a.idx", number: 1, io: io) else { return }
        #expect(read.count == sections.count)
        for number in 0..<read.count {
            guard let section = try? read.read(number) else { continue }
            #expect(section == sections[number])
        }
    }

    private func write(_ whole: [UInt8], flipping place: Int, to io: MemoryFileIO) throws {
        var bytes = whole
        bytes[place] ^= 0x10
        try io.unlink("/x/a.idx")
        let file = try io.open("/x/a.idx", .create)
        try io.write(file, at: 0, bytes)
    }
}
