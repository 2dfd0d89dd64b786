import MusterModel

/// What `SegmentLog.open` found and did.
package struct SegmentRecovery: Equatable, Sendable {
    package var segments = 0
    package var bytes = 0
    /// Bytes behind the last intact record of the last segment: a write the crash interrupted. They are cut off.
    package var trimmedBytes = 0
    /// Damaged places in the last segment; older segments are checked when they are scanned.
    package var damagedRegions = 0
    package var damagedBytes = 0
    /// Segments that cannot be read. They are kept, and count towards the budget.
    package var unreadable: [String] = []
    /// Names in the directory that are not ours; left alone and not counted.
    package var ignored: [String] = []
    /// Files that a crash left before their first record; removed.
    package var unfinished = 0

    package init() {}
}

extension SegmentLog {
    /// Read and written at once when the last segment is made durable at start.
    static let rewriteBytes = 1 << 20

    /// Opens the log in `directory`, which need not exist: it is made by the first append. Reads only the last segment
    /// and the first record of each other one, so the time does not depend on how much is stored. What the log then
    /// shows is durable. Throws `.newerFormat` when a newer Muster wrote it, with nothing changed.
    package static func open(
        directory: String, io: any FileIO, settings: Settings
    ) throws(StoreError) -> (log: SegmentLog, recovery: SegmentRecovery) {
        var report = SegmentRecovery()
        var writer = Writer()
        var index = Index()
        let names: [String]
        do throws(StoreError) {
            names = try io.list(directory)
        } catch  where error.cause == .notFound {
            names = []
        }
        var numbers: [UInt64] = []
        for name in names {
            if let number = number(of: name) { numbers.append(number) } else { report.ignored.append(name) }
        }
        for number in numbers {
            writer.nextNumber = number &+ 1
            let isLast = number == numbers.last
            if let segment = try open(number, directory, io, isLast: isLast, &writer, &report) {
                index.segments.append(segment)
            }
        }
        if report.unfinished > 0 { try io.syncDirectory(directory) }
        report.segments = index.segments.count
        report.bytes = index.bytes
        return (SegmentLog(directory: directory, io: io, settings: settings, index: index, writer: writer), report)
    }

    private static func number(of name: String) -> UInt64? {
        guard name.utf8.count == 20, name.hasSuffix(".seg"), let number = UInt64(name.prefix(16), radix: 16),
            path("", number) == "/" + name, number < UInt64.max
        else { return nil }
        return number
    }

    private static func open(
        _ number: UInt64, _ directory: String, _ io: any FileIO, isLast: Bool, _ writer: inout Writer,
        _ report: inout SegmentRecovery
    ) throws(StoreError) -> Segment? {
        let path = path(directory, number)
        let file = try io.open(path, isLast ? .readWrite : .read)
        let size = try io.size(file)
        var segment = Segment(number: number, end: size, diskBytes: size, seed: nil, first: nil)
        do throws(StoreError) {
            let preamble = try preamble(of: file, io)
            // No record was written before the whole preamble was durable.
            if size < FilePreamble.bytes || preamble == nil && size == FilePreamble.bytes {
                try io.unlink(path)
                report.unfinished += 1
                return nil
            }
            guard let preamble else {
                report.unreadable.append(path)
                return segment
            }
            guard preamble.number == number, preamble.kind == .segment else {
                report.unreadable.append(path)
                return segment
            }
            segment.seed = preamble.seed
            if isLast {
                try recover(file, io, &segment, &writer, &report)
            } else {
                segment.first = try first(file, io, segment)
            }
        } catch  where error.cause == .inputOutput {
            // The disk will not give it back; everything else is worth having.
            segment.seed = nil
            report.unreadable.append(path)
        }
        return segment
    }

    /// Nil when it is damaged; throws when it is newer than this version.
    static func preamble(of file: OpenFile, _ io: any FileIO) throws(StoreError) -> FilePreamble? {
        var bytes = [UInt8](repeating: 0, count: FilePreamble.bytes)
        let count = try io.read(file, at: 0, count: bytes.count, into: &bytes)
        switch FilePreamble.parse(Array(bytes.prefix(count))) {
        case .intact(let preamble): return preamble
        case .damaged: return nil
        case .newer(let version):
            throw StoreError(
                .newerFormat, operation: "read", path: file.path,
                detail: "it has format \(version), this version knows \(FilePreamble.version)")
        }
    }

    private static func first(
        _ file: OpenFile, _ io: any FileIO, _ segment: Segment
    ) throws(StoreError) -> Segment.First? {
        var scanner = FrameScanner(
            io: io, file: file, seed: segment.seed ?? 0, mode: .heads, from: FilePreamble.bytes, end: segment.end)
        while let frame = try scanner.next() {
            if let first = first(frame, segment) { return first }
        }
        return nil
    }

    private static func first(_ frame: FrameScanner.Frame, _ segment: Segment) -> Segment.First? {
        RecordHead.decode(frame, segment: segment.number).map {
            Segment.First(sequence: $0.id.sequence, received: $0.received)
        }
    }

    /// After a failed sync the kernel takes the pages it could not write for clean: they can be read, and a later sync
    /// succeeds without them. Only what is written again is tried again.
    private static func writeAgain(_ file: OpenFile, _ io: any FileIO, to end: Int) throws(StoreError) {
        var buffer = [UInt8](repeating: 0, count: min(end, rewriteBytes))
        var offset = 0
        while offset < end {
            let count = try io.read(file, at: offset, count: min(buffer.count, end - offset), into: &buffer)
            guard count > 0 else { return }
            do throws(StoreError) {
                try io.write(file, at: offset, Array(buffer.prefix(count)))
            } catch  where error.cause == .diskFull {
                // A file system that copies on write needs room even for this; a start must not.
                return
            }
            offset += count
        }
    }

    /// Finds the end of the last intact record, cuts off what follows, and makes what is left durable: after a killed
    /// process the file may show records that were never synced, and whoever reads them will count on them.
    private static func recover(
        _ file: OpenFile, _ io: any FileIO, _ segment: inout Segment, _ writer: inout Writer,
        _ report: inout SegmentRecovery
    ) throws(StoreError) {
        var scanner = FrameScanner(
            io: io, file: file, seed: segment.seed ?? 0, mode: .frames, from: FilePreamble.bytes, end: segment.end)
        while let frame = try scanner.next() {
            if segment.first == nil { segment.first = first(frame, segment) }
        }
        report.trimmedBytes = segment.end - scanner.intactEnd
        report.damagedRegions = scanner.damage.regions
        report.damagedBytes = scanner.damage.bytes
        segment.end = scanner.intactEnd
        if report.trimmedBytes > 0 { try io.truncate(file, to: segment.end) }
        segment.diskBytes = segment.end
        try writeAgain(file, io, to: segment.end)
        try io.syncData(file)
        writer.active = file
        writer.activeNumber = segment.number
        writer.end = segment.end
        writer.durableEnd = segment.end
    }
}
