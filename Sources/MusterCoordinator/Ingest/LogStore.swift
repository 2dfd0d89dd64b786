package import Logging
import MusterLogs
package import MusterModel
package import MusterStore
import Synchronization

/// The log blocks on disk and what is known of them without reading them.
///
/// Blocks stand in segments as they came. The index of a segment is in memory until the segment is full, then in a file
/// beside it, with its filters apart: a start reads these files and not the blocks, and a search reads the filters of
/// the blocks that its labels and times leave. An index file that is damaged or not there is made again from its
/// segment.
package final class LogStore: Sendable {
    /// Of the budget one part in so many is kept for index files.
    static let indexShare = 8
    /// Blocks of index tables that are kept after a search, for the next.
    private static let keptBlocks = 400_000
    /// Bytes of filters that are read at a time.
    static let filterPieceBytes = 256 << 10

    /// A segment with an index file.
    struct Sealed: Sendable {
        var file: SectionFile
        var span: ClosedRange<Instant>?
        var blocks: Int
        var lines: Int
    }

    struct State {
        /// Of the segments that have no index file yet.
        var open: [UInt64: LogSegmentIndex] = [:]
        var sealed: [UInt64: Sealed] = [:]
        /// Tables of sealed segments, the last used last.
        var tables: [(segment: UInt64, index: LogSegmentIndex)] = []
        /// Segments below take no more blocks.
        var newest: UInt64 = 0
        var unreadable: UInt64 = 0
        /// Names of the labels of all streams ever seen, within a limit.
        var labelNames: Set<String> = []
    }

    /// With more names of labels than this nothing is concluded from a name that is not among them.
    private static let labelNamesMax = 10_000

    /// Names of the labels that streams have; nil when they are too many to know.
    package var labelNames: Set<String>? {
        state.withLock { $0.labelNames.count < Self.labelNamesMax ? $0.labelNames.union(["stream"]) : nil }
    }

    let state = Mutex(State())
    let log: SegmentLog
    let compressor: any Compressor
    private let directory: String
    private let maxBytes: Int
    private let io: any FileIO
    package let followers: LogFollowers

    /// `directory`: where the index files are. `maxBytes`: of segments and index files together.
    package init(log: SegmentLog, directory: String, maxBytes: Int, io: any FileIO, compressor: any Compressor) {
        self.log = log
        self.directory = directory
        self.maxBytes = maxBytes
        self.io = io
        self.compressor = compressor
        followers = LogFollowers(compressor: compressor)
    }

    package struct Counts: Equatable, Sendable {
        package var segments = 0
        package var blocks = 0
        package var lines = 0
        /// Frames that are stored and are no readable block of their host.
        package var unreadable: UInt64 = 0
        /// Bytes of the index files.
        package var indexBytes = 0
    }

    package var counts: Counts {
        state.withLock { state in
            var counts = Counts(segments: state.open.count + state.sealed.count, unreadable: state.unreadable)
            for index in state.open.values {
                counts.blocks += index.blocks.count
                counts.lines += index.lineCount
            }
            for sealed in state.sealed.values {
                counts.blocks += sealed.blocks
                counts.lines += sealed.lines
                counts.indexBytes += sealed.file.size
            }
            return counts
        }
    }

    /// A block is durable. One that cannot be read, or that speaks of another host, stays on disk and is not found; it
    /// is counted.
    package func blockStored(_ payload: [UInt8], as id: FrameID, at position: SegmentPosition) {
        guard let header = noteStored(payload, as: id, at: position) else { return }
        followers.blockStored(payload, header)
    }

    /// The header of a readable block.
    private func noteStored(_ payload: [UInt8], as id: FrameID, at position: SegmentPosition) -> LogBlockHeader? {
        let header = LogSegmentIndex.header(payload, of: id)
        state.withLock { state in
            state.newest = max(state.newest, position.segment)
            if header == nil { state.unreadable += 1 }
            for label in header?.labels.pairs ?? [] where state.labelNames.count < Self.labelNamesMax {
                state.labelNames.insert(label.name)
            }
            state.open[position.segment, default: LogSegmentIndex()].frameStored(
                header, as: id, at: UInt64(position.offset), size: payload.count)
        }
        return header
    }

    /// Retention removed a segment.
    package func segmentRemoved(_ segment: UInt64) {
        let file = state.withLock { state in
            state.open[segment] = nil
            state.tables.removeAll { $0.segment == segment }
            return state.sealed.removeValue(forKey: segment)?.file
        }
        // A file without its segment is removed at the next start, too.
        if file != nil { try? io.unlink(path(segment)) }
    }

    /// Removes what retention says, writes index files, and removes the oldest segments while all files together take
    /// more than their budget. On a thread that may block.
    package func tidy(now: Instant, logger: Logger) {
        let before = log.segments
        do throws(StoreError) {
            _ = try log.removeExpired(now: now)
            try writeIndexes()
            while log.bytesOnDisk + counts.indexBytes > maxBytes, let second = log.segments.dropFirst().first {
                let removed = try log.removeSegments(before: SegmentPosition(segment: second, offset: 0))
                for segment in removed { segmentRemoved(segment.segment) }
                if removed.isEmpty { break }
            }
        } catch {
            logger.error("logs: tidying failed; trying again", metadata: ["reason": "\(error)"])
        }
        // Looked up and not taken from the answers: some may be gone although a later one failed.
        let left = Set(log.segments)
        let gone = before.filter { !left.contains($0) }
        guard !gone.isEmpty else { return }
        // Segments are removed oldest first and never the last one, whose blocks may not all be in the index yet.
        for segment in gone { segmentRemoved(segment) }
        logger.info("old logs removed", metadata: ["segments": "\(gone.count)"])
    }

    // MARK: Index files

    private func path(_ segment: UInt64) -> String {
        let digits = String(segment, radix: 16)
        return "\(directory)/\(String(repeating: "0", count: 16 - digits.count))\(digits).idx"
    }

    /// Writes the index files of the segments that take no more blocks. On a thread that may block. One that cannot be
    /// written stays in memory and is tried again with the next call. Throws the first error.
    package func writeIndexes() throws(StoreError) {
        var failure: StoreError?
        for (segment, index) in state.withLock({ state in state.open.filter { $0.key < state.newest } }) {
            do throws(StoreError) {
                try io.makeDirectories(directory)
                let sections = [index.encodedTable()] + index.filterSections(bytes: Self.filterPieceBytes)
                let file = try SectionFile.write(sections, to: path(segment), number: segment, io: io)
                let sealed = Sealed(file: file, span: index.span, blocks: index.blocks.count, lines: index.lineCount)
                let isGone = state.withLock { state in
                    // Retention may have been faster.
                    guard state.open.removeValue(forKey: segment) != nil else { return true }
                    state.sealed[segment] = sealed
                    return false
                }
                if isGone { try? io.unlink(path(segment)) }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Makes the index of everything stored known at the start: from the index files, and where one is missing or
    /// damaged, and for the last segment, which takes more blocks, from the blocks. `isFirst` says whether a frame was
    /// not met before; frames are told to it in the order of their segments, those of index files as the highest of
    /// each lineage. Gives the number of blocks that were read.
    package func restore(isFirst: (FrameID) -> Bool) throws(StoreError) -> Int {
        removeStrayIndexes()
        var read = 0
        let segments = log.segments
        for segment in segments {
            if segment != segments.last, let marks = adoptIndex(of: segment) {
                for (mark, sequence) in marks {
                    _ = isFirst(FrameID(host: mark.host, boot: mark.boot, class: .logs, sequence: sequence))
                }
                continue
            }
            if segment == segments.last { try? io.unlink(path(segment)) }
            try forEachRecord(of: segment) { record in
                read += 1
                guard isFirst(record.id) else { return }
                _ = noteStored(record.payload, as: record.id, at: record.position)
            }
        }
        return read
    }

    private func forEachRecord(of segment: UInt64, _ body: (StoredRecord) -> Void) throws(StoreError) {
        var reader = SegmentReader(log, from: SegmentPosition(segment: segment, offset: 0))
        while let record = try reader.next(), record.position.segment == segment { body(record) }
    }

    /// The marks of a segment's streams; nil when its index file is not there or damaged.
    private func adoptIndex(of segment: UInt64) -> [LogSegmentIndex.Mark: UInt64]? {
        guard let file = try? SectionFile(opening: path(segment), number: segment, io: io), file.count > 0,
            let table = try? file.read(0), let index = try? LogSegmentIndex(table: table),
            file.count == 1 + LogSegmentIndex.filterPieces(index.blocks, bytes: Self.filterPieceBytes).count
        else { return nil }
        state.withLock { state in
            state.newest = max(state.newest, segment)
            for name in index.labelNames where state.labelNames.count < Self.labelNamesMax {
                state.labelNames.insert(name)
            }
            state.sealed[segment] = Sealed(
                file: file, span: index.span, blocks: index.blocks.count, lines: index.lineCount)
        }
        return index.marks
    }

    /// Removes index files that have no segment.
    private func removeStrayIndexes() {
        let known = Set(log.segments.map(path))
        for name in (try? io.list(directory)) ?? [] where !known.contains("\(directory)/\(name)") {
            if name.hasSuffix(".idx") || name.hasSuffix(".idx.new") { try? io.unlink("\(directory)/\(name)") }
        }
    }

    /// The index of a segment; nil when the segment is gone. One with a file has no filters in memory.
    func index(of segment: UInt64) throws(StoreError) -> (index: LogSegmentIndex, file: SectionFile?)? {
        let (open, kept, file) = state.withLock { state in
            let place = state.tables.firstIndex { $0.segment == segment }
            if let place { state.tables.append(state.tables.remove(at: place)) }
            return (state.open[segment], place == nil ? nil : state.tables.last?.index, state.sealed[segment]?.file)
        }
        if let open { return (open, nil) }
        guard let file else { return nil }
        if let kept { return (kept, file) }
        guard let table = try? file.read(0), let index = try? LogSegmentIndex(table: table) else {
            return (try madeAgain(segment), nil)
        }
        state.withLock { state in
            guard state.sealed[segment] != nil, !state.tables.contains(where: { $0.segment == segment }) else { return }
            state.tables.append((segment, index))
            var kept = state.tables.reduce(0) { $0 + $1.index.blocks.count }
            while kept > Self.keptBlocks, state.tables.count > 1 {
                kept -= state.tables.removeFirst().index.blocks.count
            }
        }
        return (index, file)
    }

    /// The index of a segment from its blocks, because its file is damaged. The file is written again with the next
    /// `writeIndexes`.
    private func madeAgain(_ segment: UInt64) throws(StoreError) -> LogSegmentIndex {
        var marks: [LogSegmentIndex.Mark: UInt64] = [:]
        for earlier in log.segments where earlier < segment {
            let known = try index(of: earlier)?.index.marks ?? [:]
            marks.merge(known) { max($0, $1) }
        }
        var index = LogSegmentIndex()
        try forEachRecord(of: segment) { record in
            let mark = LogSegmentIndex.Mark(host: record.id.host, boot: record.id.boot)
            guard record.id.sequence > marks[mark] ?? 0 else { return }
            marks[mark] = record.id.sequence
            index.add(record)
        }
        state.withLock { state in
            guard state.sealed.removeValue(forKey: segment) != nil else { return }
            state.open[segment] = index
        }
        return index
    }

    /// Segments whose lines may lie in a range of time, with the times of their lines.
    func segments(from: Instant, through: Instant) -> [(segment: UInt64, span: ClosedRange<Instant>)] {
        state.withLock { state in
            let open = state.open.compactMap { entry in entry.value.span.map { (entry.key, $0) } }
            let sealed = state.sealed.compactMap { entry in entry.value.span.map { (entry.key, $0) } }
            return (open + sealed).filter { $0.1.lowerBound <= through && $0.1.upperBound >= from }
        }
    }
}

extension LogSegmentIndex {
    /// Nil for a payload that is no block, or speaks of another host than the one that sent it.
    fileprivate static func header(_ payload: [UInt8], of id: FrameID) -> LogBlockHeader? {
        guard let header = try? LogBlockHeader.decode(payload[...]).header,
            header.labels["host"] == id.host.text || id.host == Ingest.pushedHost
        else { return nil }
        return header
    }

    fileprivate mutating func add(_ record: StoredRecord) {
        frameStored(
            Self.header(record.payload, of: record.id), as: record.id, at: UInt64(record.position.offset),
            size: record.payloadBytes)
    }
}
