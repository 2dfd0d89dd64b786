import MusterModel
import MusterSeries
import MusterTransport
import Testing

private let zlib = ZlibCompressor()

struct SeriesCatalogueTests {
    private static func sample() -> CatalogueChunk {
        var chunk = CatalogueChunk()
        let owner = chunk.add(text: "host-1".utf8)
        let name = chunk.add(text: "__name__".utf8)
        let up = chunk.add(text: "up".utf8)
        let job = chunk.add(text: "job".utf8)
        let node = chunk.add(text: "nöde".utf8)
        let empty = chunk.add(text: [])
        chunk.beginGroup(GroupID(number: 7), owner: owner)
        chunk.addSeries(slot: 0, pairs: [name, up, job, node])
        chunk.addSeries(slot: 63, pairs: [name, node])
        chunk.beginGroup(GroupID(number: .max), owner: node)
        chunk.beginGroup(GroupID(number: 7), owner: owner)
        chunk.addSeries(slot: 1, pairs: [])
        chunk.add(CatalogueChunk.Metadata(name: up, type: job, unit: empty, help: node))
        chunk.drop(GroupID(number: 3))
        return chunk
    }

    private static func decode(_ bytes: [UInt8]) throws -> CatalogueChunk {
        try CatalogueChunk(decoding: bytes[...], compressor: zlib)
    }

    @Test func aChunkComesBack() throws {
        let chunk = Self.sample()
        let back = try Self.decode(try chunk.encode(compressor: zlib))
        #expect(back == chunk)
        #expect(Array(back.texts[4]) == Array("nöde".utf8) && back.texts[5].isEmpty)
        #expect(back.seriesRange(ofGroup: 0) == 0..<2 && back.seriesRange(ofGroup: 1) == 2..<2)
        #expect(back.seriesRange(ofGroup: 2) == 2..<3)
        #expect(back.pairs[back.pairsRange(ofSeries: 1)] == [1, 4] && back.pairsRange(ofSeries: 2).isEmpty)
        #expect(try Self.decode(try CatalogueChunk().encode(compressor: zlib)).isEmpty)
    }

    @Test func anyChunkComesBack() throws {
        var generator = Seeded(state: 8)
        for _ in 0..<200 {
            var chunk = CatalogueChunk()
            let texts = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
                chunk.add(
                    text: (0..<Int.random(in: 0...20, using: &generator)).map { _ in
                        UInt8.random(in: 0...255, using: &generator)
                    })
            }
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                chunk.beginGroup(
                    GroupID(number: UInt32.random(in: 0 ... .max, using: &generator)),
                    owner: texts.randomElement(using: &generator) ?? 0)
                for slot in 0..<Int.random(in: 0...9, using: &generator) {
                    let count = 2 * Int.random(in: 0...10, using: &generator)
                    chunk.addSeries(
                        slot: slot, pairs: (0..<count).map { _ in texts.randomElement(using: &generator) ?? 0 })
                }
            }
            chunk.drop(GroupID(number: 1))
            #expect(try Self.decode(try chunk.encode(compressor: zlib)) == chunk)
        }
    }

    @Test func aChunkSaysWhenItIsFullAndManySeriesTakeLittle() throws {
        var chunk = CatalogueChunk()
        let name = chunk.add(text: "__name__".utf8)
        let owner = chunk.add(text: "host".utf8)
        var count = 0
        while !chunk.isFull {
            if count % 64 == 0 { chunk.beginGroup(GroupID(number: UInt32(count / 64)), owner: owner) }
            chunk.addSeries(slot: count % 64, pairs: [name, chunk.add(text: "metric_\(count)_total".utf8)])
            count += 1
        }
        #expect(count > 10_000 && count < 100_000)
        let bytes = try chunk.encode(compressor: zlib)
        #expect(bytes.count < 12 * count)
        #expect(try Self.decode(bytes) == chunk)
    }

    @Test func aChunkThatDeflatesLikeABombComesBack() throws {
        var chunk = CatalogueChunk()
        let text = chunk.add(text: [UInt8](repeating: 65, count: 3 << 20))
        chunk.beginGroup(GroupID(number: 1), owner: text)
        #expect(try Self.decode(try chunk.encode(compressor: zlib)) == chunk)
    }

    @Test func aChunkThatBreaksARuleIsRefused() {
        let changes: [(inout CatalogueChunk) -> Void] = [
            { $0.beginGroup(GroupID(number: 1), owner: 99) }, { $0.addSeries(slot: 64, pairs: []) },
            { $0.addSeries(slot: 1, pairs: [0]) }, { $0.addSeries(slot: 1, pairs: [0, 1_000]) },
            { $0.add(CatalogueChunk.Metadata(name: 0, type: 0, unit: 0, help: 6)) },
            { chunk in
                chunk = CatalogueChunk()
                chunk.addSeries(slot: 0, pairs: [])
            },
        ]
        for (index, change) in changes.enumerated() {
            var chunk = Self.sample()
            change(&chunk)
            #expect(throws: FormatError.self, "case \(index)") { try chunk.encode(compressor: zlib) }
        }
    }

    @Test func aCutOrNewerChunkIsRefused() throws {
        var bytes = try Self.sample().encode(compressor: zlib)
        for count in 0..<bytes.count {
            #expect(throws: FormatError.self) { try Self.decode(Array(bytes.prefix(count))) }
        }
        bytes[0] = 2
        #expect(throws: FormatError.newerFormat(what: "a catalogue chunk", version: 2, known: 1)) {
            try Self.decode(bytes)
        }
    }

    /// Written down when the format was made: a change of these bytes is a change of the format and needs a version.
    @Test func theBytesOfFormatOneStayAsTheyAre() throws {
        var chunk = CatalogueChunk()
        let owner = chunk.add(text: "h".utf8)
        let name = chunk.add(text: "__name__".utf8)
        let up = chunk.add(text: "up".utf8)
        chunk.beginGroup(GroupID(number: 300), owner: owner)
        chunk.addSeries(slot: 2, pairs: [name, up])
        chunk.addSeries(slot: 3, pairs: [name, owner])
        chunk.add(CatalogueChunk.Metadata(name: up, type: owner, unit: owner, help: name))
        chunk.drop(GroupID(number: 5))
        let golden: [UInt8] =
            [1, 0, 3, 1, 8, 2] + Array("h__name__up".utf8) + [
                1, 0xac, 0x02, 0, 2,  // one group: 300, owner 0, two series
                2, 1, 2, 4,  // slot 2, one label: texts 1 and 2
                3, 1, 0, 3,  // slot 3, one label: the same name, two before
                1, 2, 0, 0, 1,  // metadata
                1, 5,  // dropped
            ]
        #expect(try chunk.encode(compressor: zlib) == golden)
    }
}
