import MusterModel
package import MusterSeries
import MusterStore
import Synchronization

/// Who has the blocks of a part.
enum BlockSource: Sendable {
    case file(Part)
    /// Sealed between two checkpoints: encoded, and in memory until the next one. By offset.
    case memory([[UInt8]])
}

extension MetricStore {
    /// Values of `slots` at least. Empty rows for a block that cannot be read: it is counted, and readers go on with
    /// the rest.
    func rows(
        of block: BlockRef, in group: GroupID, slots: UInt64 = .max, from sources: [UInt32: BlockSource]
    ) -> BlockRows {
        do {
            switch sources[block.part] {
            case .file(let part):
                let inflated = try blocks.block(block) { try part.inflated(block, of: group, compressor: compressor) }
                return try part.rows(of: inflated, block, of: group, slots: slots)
            case .memory(let encoded) where block.offset < encoded.count:
                return try BlockCodec.decode(encoded[Int(block.offset)][...], slots: slots, compressor: compressor)
            case .memory, nil: break
            }
        } catch {
            // Counted below.
        }
        state.withLock { $0.damagedBlocks += 1 }
        return BlockRows()
    }
}

/// Blocks of part files that queries have read lately, checked and inflated: the panels of a dashboard and the rules of
/// a group read the same ones again and again, each a few columns of them.
///
/// Two generations: when the younger one has its share it becomes the older one, and what was in that and was not asked
/// for meanwhile is gone. Numbers of part files are used once, so nothing in here becomes wrong.
package final class BlockCache: Sendable {
    /// Of both generations, inflated.
    package static let maxBytes = 32 << 20

    private struct Key: Hashable {
        var part: UInt32
        var offset: UInt32
    }

    private struct State {
        var younger: [Key: InflatedBlock] = [:]
        var older: [Key: InflatedBlock] = [:]
        var youngerBytes = 0

        mutating func insert(_ block: InflatedBlock, _ key: Key) {
            if youngerBytes + block.byteCount > BlockCache.maxBytes / 2 {
                older = younger
                younger = [:]
                youngerBytes = 0
            }
            if younger.updateValue(block, forKey: key) == nil { youngerBytes += block.byteCount }
        }
    }

    private let state = Mutex(State())

    package init() {}

    /// What is kept, else what `read` gives.
    package func block(_ block: BlockRef, _ read: () throws -> InflatedBlock) rethrows -> InflatedBlock {
        let key = Key(part: block.part, offset: block.offset)
        let known = state.withLock { state -> InflatedBlock? in
            if let young = state.younger[key] { return young }
            guard let old = state.older[key] else { return nil }
            state.insert(old, key)
            return old
        }
        if let known { return known }
        let fresh = try read()
        state.withLock { $0.insert(fresh, key) }
        return fresh
    }
}
