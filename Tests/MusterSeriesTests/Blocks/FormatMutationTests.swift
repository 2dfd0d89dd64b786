import MusterModel
import MusterSeries
import MusterTransport
import Testing

/// Whatever a disk makes of the bytes, reading them ends, in a value that keeps the rules of its type or in an error.
struct FormatMutationTests {
    private static let zlib = ZlibCompressor()
    private static let plain = RunLengthCompressor()

    @Test(arguments: 0..<4 as Range<UInt64>) func mutatedBlocksNeverTrap(seed: UInt64) throws {
        var generator = Seeded(state: 100 + seed)
        var refused = 0
        for _ in 0..<50 {
            let rows = SampleRows.wild(&generator, maxRows: 6)
            // Half of them stored as they are, so that the mutations reach the columns.
            let isDeflated = Bool.random(using: &generator)
            let bytes =
                isDeflated
                ? try BlockCodec.encode(rows, group: GroupID(number: 1), compressor: Self.zlib)
                : try BlockCodec.encode(rows, group: GroupID(number: 1), compressor: Self.plain)
            for _ in 0..<200 {
                let wrong = mutated(bytes, &generator)
                do throws(FormatError) {
                    let slots = Bool.random(using: &generator) ? UInt64.max : 0xf0
                    let back =
                        isDeflated
                        ? try BlockCodec.decode(wrong[...], slots: slots, compressor: Self.zlib)
                        : try BlockCodec.decode(wrong[...], slots: slots, compressor: Self.plain)
                    #expect(back.isValid && back.rowCount <= BlockCodec.maxRows)
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused > 5_000)
    }

    @Test func mutatedDirectoriesNeverTrap() throws {
        var generator = Seeded(state: 200)
        var refused = 0
        for _ in 0..<20_000 {
            var offset: UInt32 = 80
            let entries = (0..<Int.random(in: 1...8, using: &generator)).map { group in
                let length = UInt32.random(in: 1...500, using: &generator)
                defer { offset += length }
                return PartEntry(
                    group: GroupID(number: UInt32(group)),
                    block: BlockRef(part: 1, offset: offset, length: length, rows: 9, from: 1, to: 2))
            }
            let wrong = mutated(try PartIndex.encode(entries), &generator)
            do throws(FormatError) {
                let back = try PartIndex.decode(wrong[...], part: 1, start: 80, end: offset)
                #expect(back.allSatisfy { $0.block.offset >= 80 && $0.block.offset + $0.block.length <= offset })
            } catch {
                refused += 1
            }
        }
        #expect(refused > 10_000)
    }

    @Test func mutatedCatalogueChunksNeverTrap() throws {
        var generator = Seeded(state: 300)
        var chunk = CatalogueChunk()
        let texts = ["host-1", "__name__", "up", "job", "node", ""].map { chunk.add(text: $0.utf8) }
        for group in 0..<4 as Range<UInt32> {
            chunk.beginGroup(GroupID(number: group), owner: texts[0])
            for slot in 0..<4 { chunk.addSeries(slot: slot, pairs: [texts[1], texts[2], texts[3], texts[4]]) }
        }
        chunk.add(CatalogueChunk.Metadata(name: texts[2], type: texts[3], unit: texts[5], help: texts[4]))
        chunk.drop(GroupID(number: 9))
        let bytes = try chunk.encode(compressor: Self.plain)
        var refused = 0
        for _ in 0..<20_000 {
            do throws(FormatError) {
                let back = try CatalogueChunk(decoding: mutated(bytes, &generator)[...], compressor: Self.plain)
                #expect(back.pairs.allSatisfy { Int($0) < back.texts.count })
                #expect(
                    back.groups.indices.allSatisfy { back.seriesRange(ofGroup: $0).upperBound <= back.series.count })
            } catch {
                refused += 1
            }
        }
        #expect(refused > 5_000)
    }

    @Test func mutatedManifestsNeverTrap() throws {
        var generator = Seeded(state: 400)
        let bytes = try StoreManifestTests.sample().encode()
        var refused = 0
        for _ in 0..<20_000 {
            do throws(FormatError) {
                let back = try StoreManifest(decoding: mutated(bytes, &generator)[...])
                #expect(back.parts.allSatisfy { $0.from <= $0.to && $0.number > 0 })
                #expect(back.replayFrom <= back.appliedThrough)
            } catch {
                refused += 1
            }
        }
        #expect(refused > 5_000)
    }

    @Test func bytesOfNobodyNeverTrap() {
        var generator = Seeded(state: 500)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...60, using: &generator)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            if count > 2 { bytes.replaceSubrange(0..<2, with: [[0xb7, 1], [1, 0], [1, 3]][Int(bytes[2] % 3)]) }
            _ = try? BlockCodec.decode(bytes[...], compressor: Self.zlib)
            _ = try? PartIndex.decode(bytes[...], part: 1, start: 80, end: 10_000)
            _ = try? CatalogueChunk(decoding: bytes[...], compressor: Self.zlib)
            _ = try? StoreManifest(decoding: bytes[...])
        }
    }
}
