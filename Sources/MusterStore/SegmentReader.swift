import Synchronization

/// Reads a log record by record, also while it is written: after nil it continues where it was once there is more.
/// Damaged places, missing files and files the disk twice would not read are stepped over and counted, so a reader
/// never stalls.
package struct SegmentReader: Sendable {
    package enum Mode: Sendable {
        /// Payloads are neither read nor checked.
        case heads
        case records
    }

    /// What a reader stepped over.
    package struct Skipped: Equatable, Sendable {
        package var regions = 0
        package var bytes = 0
        /// Intact records of a kind this version does not know.
        package var unknown = 0
        /// Segments given up in whole or from some point on.
        package var unreadable = 0
        /// Why, for the first `keptErrors` of them.
        package var segments: [StoreError] = []
        package init() {}
    }

    /// Errors kept in `Skipped.segments`.
    package static let keptErrors = 16

    private let log: SegmentLog
    private let mode: FrameScanner.Mode
    private var scanner: FrameScanner?
    private var scannedSegment: UInt64 = 0
    private var earlier = Skipped()
    /// Where the disk failed last: it is asked twice.
    private var failedAt: SegmentPosition?
    /// Where the next record is looked for.
    package private(set) var position: SegmentPosition

    package init(_ log: SegmentLog, from position: SegmentPosition = .start, mode: Mode = .records) {
        self.log = log
        self.position = position
        self.mode = mode == .heads ? .heads : .frames
    }

    package var skipped: Skipped {
        var all = earlier
        if let scanner {
            all.regions += scanner.damageToEnd.regions
            all.bytes += scanner.damageToEnd.bytes
        }
        return all
    }

    /// Bytes of buffer held; bounded by the longest record.
    package var bufferBytes: Int { scanner?.windowBytes ?? 0 }

    /// The next record, nil when there is none yet. Throws only what may pass, such as a lack of file descriptors.
    package mutating func next() throws(StoreError) -> StoredRecord? {
        while let (segment, hasLater) = log.segment(atOrAfter: position.segment) {
            do throws(StoreError) {
                if let record = try next(in: segment) { return record }
            } catch  where error.cause == .inputOutput && failedAt != position {
                failedAt = position
                scanner = nil
                continue
            } catch  where error.cause == .inputOutput || error.cause == .notFound {
                if log.segment(atOrAfter: segment.number)?.0.number == segment.number { note(error) }
                scanner = nil
                position = SegmentPosition(segment: segment.number, offset: segment.end)
            }
            guard hasLater else { return nil }
            finishScanner()
            position = SegmentPosition(segment: segment.number + 1, offset: 0)
        }
        return nil
    }

    private mutating func next(in segment: SegmentLog.Segment) throws(StoreError) -> StoredRecord? {
        guard let seed = segment.seed else { return nil }
        if segment.number != position.segment { position = SegmentPosition(segment: segment.number, offset: 0) }
        guard position.offset < segment.end else { return nil }
        if scanner == nil || scannedSegment != segment.number {
            finishScanner()
            let file = try log.io.open(log.path(segment.number), .read)
            scanner = FrameScanner(
                io: log.io, file: file, seed: seed, mode: mode, from: max(position.offset, FilePreamble.bytes),
                end: segment.end)
            scannedSegment = segment.number
        }
        scanner?.end = segment.end
        while let frame = try scanner?.next() {
            position.offset = frame.end
            if let record = RecordHead.decode(frame, segment: segment.number) { return record }
            earlier.unknown += 1
        }
        position.offset = max(position.offset, segment.end)
        return nil
    }

    /// Closes the file being read when its segment was removed: an open file keeps its disk space.
    mutating func segmentsRemoved() {
        if scanner != nil, log.segment(atOrAfter: scannedSegment)?.0.number != scannedSegment { finishScanner() }
    }

    private mutating func finishScanner() {
        earlier = skipped
        scanner = nil
    }

    private mutating func note(_ error: StoreError) {
        earlier = skipped
        earlier.unreadable += 1
        if earlier.segments.count < Self.keptErrors { earlier.segments.append(error) }
    }
}

extension SegmentLog {
    /// The first segment numbered `number` or later, and whether there is one behind it (then it is complete).
    func segment(atOrAfter number: UInt64) -> (Segment, hasLater: Bool)? {
        index.withLock { index in
            // Binary search: a log may have thousands of segments.
            var low = 0
            var high = index.segments.count
            while low < high {
                let middle = (low + high) / 2
                if index.segments[middle].number < number { low = middle + 1 } else { high = middle }
            }
            guard low < index.segments.count else { return nil }
            return (index.segments[low], low + 1 < index.segments.count)
        }
    }

    package enum ScanStep: Sendable { case next, stop }

    package struct ScanSummary: Equatable, Sendable {
        package var records = 0
        package var skipped = SegmentReader.Skipped()
        /// Where to continue.
        package var end: SegmentPosition
    }

    /// Visits the records from `position` on, oldest first, in bounded memory, until the end or `.stop`. `.heads`
    /// neither reads nor checks payloads.
    package func scan(
        from position: SegmentPosition = .start, _ mode: SegmentReader.Mode,
        visit: (StoredRecord) -> ScanStep
    ) throws(StoreError) -> ScanSummary {
        var reader = SegmentReader(self, from: position, mode: mode)
        var summary = ScanSummary(end: position)
        while let record = try reader.next() {
            summary.records += 1
            if visit(record) == .stop { break }
        }
        summary.skipped = reader.skipped
        summary.end = reader.position
        return summary
    }

    /// The record at a position an append or a scan gave out. Throws `.notFound` when its segment was removed.
    package func read(_ position: SegmentPosition) throws(StoreError) -> StoredRecord {
        let path = path(position.segment)
        guard let (segment, _) = segment(atOrAfter: position.segment), segment.number == position.segment else {
            throw StoreError(.notFound, operation: "read", path: path, detail: "the segment was removed")
        }
        guard let seed = segment.seed, position.offset >= FilePreamble.bytes, position.offset < segment.end else {
            throw StoreError(.damaged, operation: "read", path: path, detail: "no record at \(position.offset)")
        }
        let file = try io.open(path, .read)
        var scanner = FrameScanner(
            io: io, file: file, seed: seed, mode: .exactFrame, from: position.offset, end: segment.end)
        guard let frame = try scanner.next(), frame.offset == position.offset,
            let record = RecordHead.decode(frame, segment: segment.number)
        else {
            throw StoreError(.damaged, operation: "read", path: path, detail: "no intact record at \(position.offset)")
        }
        return record
    }
}
