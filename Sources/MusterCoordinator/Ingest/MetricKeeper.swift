import Logging
package import MusterModel
import MusterSeries
import MusterStore
import NIOPosix
import Synchronization

/// What turns the metric store's memory into files and takes files away: seals full heads, writes checkpoints, merges
/// parts, keeps retention and the budget. One at a time, on a thread that may block.
package final class MetricKeeper: Sendable {
    package struct Settings: Sendable {
        /// From one checkpoint to the next; what a restart has to read again.
        package var interval = Duration.minutes(5)
        /// Everything on the disk: parts, catalogue and the log.
        package var maxBytes: Int
        /// What of it belongs to the log, whether it takes it or not.
        package var logMaxBytes: Int
        /// A log of this size asks for a checkpoint.
        package var logBytes: Int

        package init(maxBytes: Int) {
            self.maxBytes = maxBytes
            logMaxBytes = min(1 << 30, maxBytes / 4)
            logBytes = min(256 << 20, logMaxBytes / 2)
        }
    }

    package struct Counters: Sendable, Equatable {
        package var checkpoints: UInt64 = 0
        package var failures: UInt64 = 0
        package var merges: UInt64 = 0
        /// Parts that went for their age, and for the budget.
        package var expiredParts: UInt64 = 0
        package var evictedParts: UInt64 = 0
    }

    private let store: MetricStore
    private let log: SegmentLog
    private let directory: PartDirectory
    private let settings: Settings
    private let logger: Logger
    private let counters = Mutex(Counters())
    private let checkpointDue: Mutex<Instant>
    /// False after a checkpoint that failed on its way.
    private let catalogueIsWhole = Mutex(true)
    /// Series that the catalogue names.
    private let catalogued: Mutex<Int>
    /// Memory that the last checkpoint left behind.
    private let leftBytes = Mutex(0)
    private let isDiskFull = Atomic(false)
    /// Parts whose directory could not be read again. Readers have no need of it; merges pass over such parts until the
    /// next start sets them aside.
    private let unmergeable = Mutex<Set<UInt32>>([])
    /// What is dropped at a time on a full disk: this share of the parts, and not more than these bytes.
    private static let fullDiskShare = 8
    private static let fullDiskStep = 16 << 20
    /// A merge makes a part of at most this share of the budget: it stands beside its sources for a moment, and where
    /// there is no room for that the oldest go first.
    private static let mergeShare = 16

    init(
        store: MetricStore, log: SegmentLog, directory: PartDirectory, settings: Settings, now: Instant, logger: Logger
    ) {
        self.store = store
        self.log = log
        self.directory = directory
        self.settings = settings
        self.logger = logger
        checkpointDue = Mutex(now + settings.interval)
        catalogued = Mutex(store.seriesCount)
    }

    package var counts: Counters { counters.withLock { $0 } }
    package var diskBytes: Int { directory.bytesOnDisk + directory.bytesHeldByReaders + log.bytesOnDisk }
    package var partBytes: Int { directory.parts.reduce(0) { $0 + Int(clamping: $1.entry.bytes) } }

    /// Does what is due. Failures are logged and tried again at the next call.
    package func run(now: Instant) async {
        try? await NIOThreadPool.singleton.runIfActive { self.runHere(now) }
    }

    /// A checkpoint now, for a clean stop.
    package func checkpoint(now: Instant) async {
        try? await NIOThreadPool.singleton.runIfActive { _ = self.attempt("checkpoint") { try self.checkpointHere() } }
    }

    private func runHere(_ now: Instant) {
        sealFull()
        attempt("retention") { try expire(now) }
        if isDiskFull.exchange(false, ordering: .relaxed) { dropOnFullDisk() }
        let isDue = checkpointDue.withLock { now >= $0 } || log.bytesOnDisk >= settings.logBytes || isPressed
        if isDue {
            let isDone = attempt("checkpoint") { try checkpointHere() }
            // A failed one is tried again soon, but not ten times a second.
            checkpointDue.withLock { $0 = now + (isDone ? settings.interval : min(settings.interval, .seconds(10))) }
        }
        attempt("merge") { try mergeHere() }
        store.forget(now: now)
    }

    /// Memory is short, and a checkpoint would free some of it.
    private var isPressed: Bool {
        let (pressure, bytes, maxBytes) = store.state.withLock { state in
            (state.series.pressure, state.series.memoryBytes, state.series.settings.maxBytes)
        }
        return pressure != .none && bytes - leftBytes.withLock { $0 } > maxBytes / 16
    }

    /// For who applies samples faster than `run` is called, as a start does: a checkpoint when memory is short.
    func relieve() {
        guard isPressed else { return }
        attempt("checkpoint") { try checkpointHere() }
    }

    /// Somebody could not write for want of space: the next run makes some.
    func diskIsFull() { isDiskFull.store(true, ordering: .relaxed) }

    /// The newest samples are worth more than the oldest.
    private func dropOnFullDisk() {
        attempt("making room on the full disk") {
            let dropped = try directory.dropOldest(
                freeing: max(1, min(Self.fullDiskStep, partBytes / Self.fullDiskShare)))
            guard !dropped.isEmpty else { return }
            counters.withLock { $0.evictedParts += UInt64(dropped.count) }
            logger.warning(
                "metrics: the disk is full; the oldest were dropped", metadata: ["parts": "\(dropped.count)"])
            forget(dropped)
        }
    }

    @discardableResult
    private func attempt(_ what: String, _ body: () throws -> Void) -> Bool {
        do {
            try body()
            return true
        } catch {
            if (error as? StoreError)?.cause == .diskFull { diskIsFull() }
            counters.withLock { $0.failures += 1 }
            logger.error(
                "metric store: work on the disk failed; trying again",
                metadata: ["what": "\(what)", "reason": "\(error)"])
            return false
        }
    }

    // MARK: Sealing

    /// Heads that have rows for a block become blocks that wait in memory for the next checkpoint.
    private func sealFull() {
        let heads = store.state.withLock { $0.series.takeSealable(.full) }
        guard !heads.isEmpty else { return }
        var blocks: [[UInt8]] = []
        var refs: [(GroupID, [BlockRef])] = []
        var failed: [GroupID] = []
        let number = memoryNumber()
        for head in heads {
            do throws(FormatError) {
                var made: [BlockRef] = []
                for rows in head.rows().split() {
                    made.append(
                        BlockRef(
                            part: number, offset: UInt32(blocks.count), length: 0, rows: UInt32(rows.rowCount),
                            from: rows.times[0], to: rows.times[rows.rowCount - 1]))
                    blocks.append(try BlockCodec.encode(rows, group: head.group, compressor: store.compressor))
                }
                refs.append((head.group, made))
            } catch {
                failed.append(head.group)
                logger.error("metric store: a head cannot be sealed", metadata: ["reason": "\(error)"])
            }
        }
        store.state.withLock { state in
            state.sources[number] = .memory(blocks)
            for (group, made) in refs { state.series.sealed(group, made) }
            for group in failed { state.series.sealingFailed(group) }
        }
    }

    /// Numbers of parts in memory count down from the largest; those of files count up.
    private func memoryNumber() -> UInt32 {
        store.state.withLock { state in
            var number = UInt32.max
            while state.sources[number] != nil { number -= 1 }
            return number
        }
    }

    // MARK: Checkpoint

    /// What a checkpoint is made of, taken in one hold of the lock.
    private struct Draft {
        var heads: [SealableHead]
        var catalogue: CatalogueDraft
        var metadata: [(metric: String, metadata: MetricMetadata)]
        var memory: [(number: UInt32, blocks: [[UInt8]])]
        var applied: SegmentPosition
        var replayFrom: SegmentPosition
        var nextGroup: UInt32
    }

    private func checkpointHere() throws {
        let isWhole = catalogueIsWhole.withLock { $0 } && !hasMostlyForgotten
        let draft = takeDraft(wholeCatalogue: !isWhole)
        do {
            let catalogue = try draft.catalogue.catalogue().chunks(metadata: draft.metadata).map {
                try $0.encode(compressor: store.compressor)
            }
            let (part, refs, moved) = try write(
                draft, besides: catalogue.reduce(0) { $0 + $1.count + Self.catalogueOverhead })
            do {
                if !isWhole { try directory.restartCatalogue() }
                for chunk in catalogue { try directory.appendCatalogue(chunk) }
                try directory.commit(
                    Checkpoint(
                        replayFrom: StoreManifest.LogPlace(draft.replayFrom),
                        appliedThrough: StoreManifest.LogPlace(draft.applied), nextGroup: draft.nextGroup),
                    adding: part.map { [$0] } ?? [])
            } catch {
                if let part { directory.discard(part) }
                throw error
            }
            store.state.withLock { state in
                if let part { state.sources[part.number] = .file(part) }
                for head in draft.heads { state.series.sealed(head.group, refs[head.group] ?? []) }
                let memory = Set(draft.memory.map(\.number))
                if !memory.isEmpty { state.series.blocksMoved(from: memory, to: moved) }
                for number in memory { state.sources[number] = nil }
            }
        } catch {
            store.state.withLock { state in
                for head in draft.heads { state.series.sealingFailed(head.group) }
            }
            // Which of its pieces are on the disk is not known: the next catalogue begins anew.
            catalogueIsWhole.withLock { $0 = false }
            throw error
        }
        catalogueIsWhole.withLock { $0 = true }
        let left = store.memoryBytes
        leftBytes.withLock { $0 = left }
        catalogued.withLock { $0 = isWhole ? $0 + draft.catalogue.count : draft.catalogue.count }
        counters.withLock { $0.checkpoints += 1 }
        let floor = directory.replayFloor
        _ = try log.removeSegments(before: SegmentPosition(segment: floor.segment, offset: Int(clamping: floor.offset)))
    }

    /// The catalogue names more series that are gone than series that are there.
    private var hasMostlyForgotten: Bool {
        let named = catalogued.withLock { $0 }
        return named > 10_000 && named > 2 * store.seriesCount
    }

    private func takeDraft(wholeCatalogue: Bool) -> Draft {
        store.state.withLock { state in
            let memory = state.sources.compactMap { number, source -> (number: UInt32, blocks: [[UInt8]])? in
                guard case .memory(let blocks) = source else { return nil }
                return (number, blocks)
            }
            let new = state.series.takeMetadata()
            // A stream is read again from its newest keyframe; one that is not heard of any more sends it again itself.
            let oldest = state.streams.values.compactMap(\.keyframe)
                .filter { $0.segment + self.segmentsBack > state.applied.segment }.min()
            return Draft(
                heads: state.series.takeSealable(.all),
                catalogue: wholeCatalogue ? state.series.takeWholeCatalogue() : state.series.takeCatalogue(),
                metadata: wholeCatalogue ? state.series.allMetadata() : new, memory: memory, applied: state.applied,
                replayFrom: min(oldest ?? state.applied, state.applied), nextGroup: state.series.groupsBelow)
        }
    }

    /// At most: of a piece of the catalogue besides its content, of a manifest with one more, of each part in it.
    private static let catalogueOverhead = 256
    private static let manifestBytes = 4_096
    private static let manifestBytesPerPart = 40
    /// Segments of the log that a keyframe may lie behind: half of what asks for a checkpoint.
    private var segmentsBack: UInt64 { UInt64(max(1, settings.logBytes / 2 / log.settings.segmentBytes)) }

    /// Blocks in order of group and time into a part. Nil when there is nothing to write.
    private func write(
        _ draft: Draft, besides others: Int
    ) throws -> (part: Part?, heads: [GroupID: [BlockRef]], memory: [(GroupID, BlockRef)]) {
        struct Piece {
            var head: BlockHead
            var bytes: [UInt8]
            var isFromHead: Bool
        }
        var pieces: [Piece] = []
        for (_, blocks) in draft.memory {
            for bytes in blocks {
                pieces.append(Piece(head: try BlockCodec.head(bytes[...]), bytes: bytes, isFromHead: false))
            }
        }
        for head in draft.heads {
            for rows in head.rows().split() {
                let bytes = try BlockCodec.encode(rows, group: head.group, compressor: store.compressor)
                pieces.append(Piece(head: try BlockCodec.head(bytes[...]), bytes: bytes, isFromHead: true))
            }
        }
        guard !pieces.isEmpty else {
            try makeRoom(for: others)
            return (nil, [:], [])
        }
        pieces.sort { ($0.head.group, $0.head.from, $0.head.to) < ($1.head.group, $1.head.from, $1.head.to) }
        let bytes = pieces.reduce(0) { $0 + $1.bytes.count + 64 }
        try makeRoom(for: bytes + others)
        let writer = try directory.beginPart(expectedBytes: bytes)
        for piece in pieces { try writer.append(piece.bytes) }
        guard let part = try writer.finish() else { return (nil, [:], []) }
        var heads: [GroupID: [BlockRef]] = [:]
        var memory: [(GroupID, BlockRef)] = []
        do {
            for (piece, entry) in zip(pieces, try part.index()) {
                if piece.isFromHead {
                    heads[entry.group, default: []].append(entry.block)
                } else {
                    memory.append((entry.group, entry.block))
                }
            }
        } catch {
            directory.discard(part)
            throw error
        }
        return (part, heads, memory)
    }

    // MARK: Retention

    /// For `bytes` and the manifest that names them. The log has its share, and files that readers hold are on the disk
    /// although they have no name any more; parts and catalogue have the rest.
    private func makeRoom(for bytes: Int) throws {
        directory.maxBytes = max(0, settings.maxBytes - settings.logMaxBytes - directory.bytesHeldByReaders)
        let needed = bytes + Self.manifestBytes + Self.manifestBytesPerPart * directory.parts.count
        guard directory.wouldExceed(needed) else { return }
        let dropped = try directory.dropOldest(toFit: needed)
        guard !dropped.isEmpty else { return }
        counters.withLock { $0.evictedParts += UInt64(dropped.count) }
        logger.warning(
            "metrics: the oldest were dropped to keep metrics.maxBytes",
            metadata: ["parts": "\(dropped.count)", "maxBytes": "\(settings.maxBytes)"])
        forget(dropped)
    }

    private func expire(_ now: Instant) throws {
        let cutoff = (now - store.retention).milliseconds
        let old = directory.parts.filter { $0.entry.to < cutoff }.map(\.number)
        if !old.isEmpty {
            try directory.drop(Set(old))
            counters.withLock { $0.expiredParts += UInt64(old.count) }
            forget(old)
        }
        try makeRoom(for: 0)
    }

    private func forget(_ parts: [UInt32]) {
        store.state.withLock { state in
            state.series.partsDropped(Set(parts))
            for part in parts { state.sources[part] = nil }
        }
    }

    // MARK: Merging

    private func mergeHere() throws {
        while let plan = nextMerge() {
            try makeRoom(for: Int(clamping: plan.bytes))
            // Making room may have dropped what was to be merged.
            guard Set(plan.parts).isSubset(of: Set(directory.parts.map(\.number))) else { continue }
            let outcome: PartMerge.Outcome
            do {
                outcome = try PartMerge.run(plan, in: directory, compressor: store.compressor) { group in
                    store.state.withLock { $0.series.hasGroup(group) }
                }
            } catch {
                guard setUnreadableAside(plan.parts) else { throw error }
                continue
            }
            let moved = try outcome.part?.index().map { ($0.group, $0.block) } ?? []
            store.state.withLock { state in
                if let part = outcome.part { state.sources[part.number] = .file(part) }
                state.series.blocksMoved(from: Set(plan.parts), to: moved)
                for part in plan.parts { state.sources[part] = nil }
                state.damagedBlocks += UInt64(outcome.damaged.count)
            }
            counters.withLock { $0.merges += 1 }
            for error in outcome.damaged.prefix(3) {
                logger.error("metric store: a damaged block is lost", metadata: ["reason": "\(error)"])
            }
        }
    }

    private func nextMerge() -> MergePlan? {
        let limits = MergePlan.Limits(
            retention: store.retention.nanoseconds / 1_000_000,
            maxBytes: UInt64(clamping: min(256 << 20, (settings.maxBytes - settings.logMaxBytes) / Self.mergeShare)))
        let unmergeable = unmergeable.withLock { $0 }
        // Only neighbours are merged.
        for parts in directory.manifest.parts.split(whereSeparator: { unmergeable.contains($0.number) }) {
            if let plan = MergePlan.next(Array(parts), limits: limits) { return plan }
        }
        return nil
    }

    /// False when the directories of all these parts can be read.
    private func setUnreadableAside(_ numbers: [UInt32]) -> Bool {
        var isAny = false
        for part in directory.parts where numbers.contains(part.number) {
            do throws(StoreError) {
                _ = try part.index()
            } catch {
                isAny = true
                unmergeable.withLock { _ = $0.insert(part.number) }
                logger.error(
                    "metric store: a part is damaged; what can be read of it is there until the next start",
                    metadata: ["reason": "\(error)"])
            }
        }
        return isAny
    }
}

extension StoreManifest.LogPlace {
    fileprivate init(_ position: SegmentPosition) {
        self.init(segment: position.segment, offset: UInt64(clamping: position.offset))
    }
}
