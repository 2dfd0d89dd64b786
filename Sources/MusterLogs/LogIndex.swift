package import MusterModel

/// Where the coordinator keeps a block, in the store's words: a segment and an offset in it.
package struct BlockPosition: Hashable, Comparable, Sendable {
    package var segment: UInt64
    package var offset: UInt64

    package init(segment: UInt64, offset: UInt64) {
        self.segment = segment
        self.offset = offset
    }

    package static func < (a: BlockPosition, b: BlockPosition) -> Bool { (a.segment, a.offset) < (b.segment, b.offset) }
}

/// Which stored blocks can hold an answer: label sets are kept once, blocks as a few numbers each. Rebuilt from headers
/// when the coordinator starts.
package struct LogIndex {
    /// A block as the index knows it.
    package struct Block: Equatable, Sendable {
        package var position: BlockPosition
        package var first: Instant
        package var last: Instant
        package var lineCount: Int
    }

    private struct Stream {
        var variants: [Labels]
        /// In the order of arrival.
        var blocks: [Block] = []
    }

    private struct StreamKey: Hashable {
        var labels: Labels
        var streams: LogStreams
    }

    private var streams: [StreamKey: Stream] = [:]
    private let capacity: Int
    package private(set) var blockCount = 0
    /// Lines in the blocks held.
    package private(set) var lineCount = 0

    /// `capacity`: blocks held at most.
    package init(capacity: Int = LogLimits.indexedBlocks) { self.capacity = max(1, capacity) }

    /// Different label sets held.
    package var streamCount: Int { streams.count }

    /// A block was made durable at a position. Gives back the positions that had to make room, oldest segments first.
    package mutating func blockStored(_ header: LogBlockHeader, at position: BlockPosition) -> [BlockPosition] {
        let evicted = blockCount >= capacity ? evictOldest() : []
        let key = StreamKey(labels: header.labels, streams: header.streams)
        let block = Block(position: position, first: header.first, last: header.last, lineCount: header.lineCount)
        streams[key, default: Stream(variants: header.variants)].blocks.append(block)
        blockCount += 1
        lineCount += header.lineCount
        return evicted
    }

    /// The store dropped a segment with everything in it.
    package mutating func segmentDropped(_ segment: UInt64) { _ = remove { $0.segment == segment } }

    /// The store dropped one block.
    package mutating func blockDropped(_ position: BlockPosition) { _ = remove { $0 == position } }

    /// The blocks whose labels satisfy every matcher and whose time touches the range, both ends included, in the order
    /// of their first time (ties: position).
    package func select(_ matchers: [LabelMatcher], from: Instant, through: Instant) -> [Block] {
        var found: [Block] = []
        for stream in streams.values {
            guard stream.variants.contains(where: { labels in matchers.allSatisfy { $0.isMatch(labels) } }) else {
                continue
            }
            found += stream.blocks.lazy.filter { $0.first <= through && $0.last >= from }
        }
        return found.sorted { ($0.first, $0.position) < ($1.first, $1.position) }
    }

    /// Every label set held, `stream` included.
    package var labelSets: [Labels] { streams.values.flatMap(\.variants) }

    /// Makes room for a sixteenth of the capacity at once, so that a full index does not search for every block.
    private mutating func evictOldest() -> [BlockPosition] {
        let all = streams.values.flatMap { $0.blocks.map(\.position) }.sorted()
        let share = max(1, capacity / 16)
        guard let last = all.prefix(share).last else { return [] }
        return remove { $0 <= last }.sorted()
    }

    private mutating func remove(where isGone: (BlockPosition) -> Bool) -> [BlockPosition] {
        var removed: [BlockPosition] = []
        for (key, stream) in streams {
            let gone = stream.blocks.filter { isGone($0.position) }
            guard !gone.isEmpty else { continue }
            removed += gone.map(\.position)
            lineCount -= gone.reduce(0) { $0 + $1.lineCount }
            let kept = stream.blocks.filter { !isGone($0.position) }
            streams[key] = kept.isEmpty ? nil : Stream(variants: stream.variants, blocks: kept)
        }
        blockCount -= removed.count
        return removed
    }
}
