import MusterCoordinator
import MusterModel
import MusterSeries
import MusterStore
import MusterTransport
import Testing

struct BlockCacheTests {
    private struct Unreadable: Error {}

    /// Rows of random values, which do not deflate: a block of some 120 kB.
    private static func block() throws -> InflatedBlock {
        var generator = SplitMix64(7)
        var rows = BlockRows()
        for row in 0..<240 {
            rows.append(
                time: Int64(row), mask: .max, values: (0..<BlockRows.slots).map { _ in generator.next() >> 2 })
        }
        let bytes = try BlockCodec.encode(rows, group: GroupID(number: 1), compressor: ZlibCompressor())
        return try BlockCodec.inflated(bytes[...], compressor: ZlibCompressor())
    }

    private static func place(_ part: UInt32, _ offset: UInt32 = 64) -> BlockRef {
        BlockRef(part: part, offset: offset, length: 1, rows: 1, from: 0, to: 0)
    }

    @Test func aBlockIsReadOnce() throws {
        let (cache, block) = (BlockCache(), try Self.block())
        var reads = 0
        for (part, offset) in [(1, 64), (1, 64), (1, 128), (2, 64), (1, 64), (2, 64)] as [(UInt32, UInt32)] {
            _ = cache.block(Self.place(part, offset)) {
                reads += 1
                return block
            }
        }
        #expect(reads == 3)
    }

    @Test func whatCannotBeReadIsNotKept() throws {
        let (cache, block) = (BlockCache(), try Self.block())
        #expect(throws: Unreadable.self) { try cache.block(Self.place(1)) { throw Unreadable() } }
        #expect(cache.block(Self.place(1)) { block }.byteCount == block.byteCount)
    }

    /// Whoever reads everything once, as a hand-off does, takes nothing from what is asked for all the time.
    @Test func whatIsNotAskedForIsGoneAndTheRestStays() throws {
        let (cache, block) = (BlockCache(), try Self.block())
        let room = BlockCache.maxBytes / block.byteCount
        var (reads, favourites) = (0, 0)
        for part in 1...UInt32(4 * room) {
            _ = cache.block(Self.place(part)) {
                reads += 1
                return block
            }
            _ = cache.block(Self.place(0)) {
                favourites += 1
                return block
            }
        }
        #expect(reads == 4 * room && favourites == 1)
        // The newest are there, and not more than there is room for.
        var kept = 0
        for part in 1...UInt32(4 * room) {
            do {
                _ = try cache.block(Self.place(part)) { throw Unreadable() }
                kept += 1
            } catch is Unreadable {}
        }
        #expect(kept >= room / 2 - 1 && kept <= room)
    }
}
