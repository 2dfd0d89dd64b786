package import MusterModel
package import MusterSeries

/// Several neighbouring parts become one: group by group, blocks of a group joined up to `BlockRows.joinedRows` rows.
/// Memory is the directories of the sources and the rows of a few blocks.
package struct PartMerge {
    /// What was written.
    package struct Outcome: Sendable {
        /// Nil when nothing of the sources was kept.
        package var part: Part?
        package var blocks = 0
        /// Blocks that could not be read and are not in the new part.
        package var damaged: [StoreError] = []
        /// Blocks of groups that are no more.
        package var leftOut = 0
    }

    private let sources: [Part]
    private let compressor: any Compressor
    private let isLive: (GroupID) -> Bool
    private let writer: PartWriter
    private var outcome = Outcome()

    /// Merges the parts of `plan` and commits. `isLive` tells groups that still have series from those that were
    /// dropped. Throws `.budget` before anything is written when the new part would not fit beside its sources; when it
    /// throws, the sources are as they were.
    package static func run(
        _ plan: MergePlan, in store: PartDirectory, compressor: some Compressor, isLive: (GroupID) -> Bool
    ) throws(StoreError) -> Outcome {
        let open = store.parts
        let sources = plan.parts.compactMap { number in open.first { $0.number == number } }
        guard sources.count == plan.parts.count else {
            throw StoreError(
                .notFound, operation: "merge parts in", path: store.files.directory,
                detail: "one of the parts \(plan.parts) was dropped in the meantime")
        }
        let writer = try store.beginPart(level: plan.level, expectedBytes: Int(clamping: plan.bytes))
        let outcome = try withoutActuallyEscaping(isLive) { isLive throws(StoreError) in
            var merge = PartMerge(sources: sources, compressor: compressor, isLive: isLive, writer: writer)
            do throws(StoreError) {
                try merge.write()
                merge.outcome.part = try writer.finish()
            } catch {
                writer.discard()
                throw error
            }
            return merge.outcome
        }
        do throws(StoreError) {
            try store.commit(replacing: plan.parts, by: outcome.part)
        } catch {
            if let part = outcome.part { store.discard(part) }
            throw error
        }
        return outcome
    }

    private init(
        sources: [Part], compressor: any Compressor, isLive: @escaping (GroupID) -> Bool, writer: PartWriter
    ) {
        self.sources = sources
        self.compressor = compressor
        self.isLive = isLive
        self.writer = writer
    }

    private struct Piece {
        var source: Int
        var entry: PartEntry
    }

    private mutating func write() throws(StoreError) {
        var indexes: [[PartEntry]] = []
        for source in sources { indexes.append(try source.index()) }
        var next = [Int](repeating: 0, count: sources.count)
        while true {
            let heads = sources.indices.filter { next[$0] < indexes[$0].count }
            guard let group = heads.map({ indexes[$0][next[$0]].group }).min() else { return }
            var pieces: [Piece] = []
            for source in heads {
                while next[source] < indexes[source].count, indexes[source][next[source]].group == group {
                    pieces.append(Piece(source: source, entry: indexes[source][next[source]]))
                    next[source] += 1
                }
            }
            if isLive(group) {
                // Stable: of blocks that begin together the one of the older part comes first.
                try join(pieces.sorted { ($0.entry.block.from, $0.source) < ($1.entry.block.from, $1.source) }, group)
            } else {
                outcome.leftOut += pieces.count
            }
        }
    }

    /// Joins neighbours while they fit into one block. A block that fits with none is copied as it is.
    private mutating func join(_ pieces: [Piece], _ group: GroupID) throws(StoreError) {
        var run: [Piece] = []
        var (rows, to) = (0, Int64.min)
        for piece in pieces {
            let block = piece.entry.block
            let overlaps = block.from <= to
            if !run.isEmpty, !overlaps, rows + Int(block.rows) > BlockRows.joinedRows {
                try append(run, group)
                run.removeAll(keepingCapacity: true)
                rows = 0
            }
            run.append(piece)
            rows += Int(block.rows)
            to = max(to, block.to)
        }
        if !run.isEmpty { try append(run, group) }
    }

    private mutating func append(_ run: [Piece], _ group: GroupID) throws(StoreError) {
        if run.count == 1, run[0].entry.block.rows <= UInt32(BlockRows.joinedRows) {
            guard let bytes = try read(run[0], { part, block throws(StoreError) in try part.block(block, of: group) })
            else { return }
            return try append(Array(bytes))
        }
        let compressor = compressor
        var decoded: [BlockRows] = []
        for piece in run {
            let rows = try read(piece) { part, block throws(StoreError) in
                try part.rows(block, of: group, compressor: compressor)
            }
            if let rows { decoded.append(rows) }
        }
        for rows in BlockRows.merged(decoded).split() {
            let bytes: [UInt8]
            do throws(FormatError) {
                bytes = try BlockCodec.encode(rows, group: group, compressor: compressor)
            } catch {
                throw StoreError(error, operation: "merge a block of group \(group.number) in", path: sources[0].path)
            }
            try append(bytes)
        }
    }

    private mutating func append(_ block: [UInt8]) throws(StoreError) {
        try writer.append(block)
        outcome.blocks += 1
    }

    /// Nil for a block that is damaged or that the disk does not give, also at the second time.
    private mutating func read<Value>(
        _ piece: Piece, _ body: (Part, BlockRef) throws(StoreError) -> Value
    ) throws(StoreError) -> Value? {
        let part = sources[piece.source]
        do throws(StoreError) {
            return try body(part, piece.entry.block)
        } catch  where error.cause == .damaged || error.cause == .inputOutput {
            do throws(StoreError) {
                return try body(part, piece.entry.block)
            } catch  where error.cause == .damaged || error.cause == .inputOutput {
                outcome.damaged.append(error)
                return nil
            }
        }
    }
}
