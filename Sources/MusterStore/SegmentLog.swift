package import MusterModel
import Synchronization

/// A directory of append-only segments, `<number in 16 hexadecimal digits>.seg`. One writer at a time (calls queue on a
/// lock), any number of readers beside it. A record is durable when `sync()` after its `append` returned.
///
/// A segment's life:
///
///     created (preamble durable, name durable) -> active -> sealed -> removed
///     active -> suspect: a failed sync or a failed write that could not be undone; cut back to its durable length,
///               sealed, never synced again; no other segment is begun before it is cut
///
/// Memory is a few words per segment: at most `maxBytes / segmentBytes` of them, plus those of a batch being written.
package final class SegmentLog: Sendable {
    /// The longest payload of a record.
    package static let payloadBytes = FrameFormat.payloadBytes
    /// Disk bytes a record takes besides its payload and the host's name.
    package static let recordOverheadBytes = FrameFormat.fixedBytes + RecordHead.fixedBytes

    package struct Settings: Sendable {
        /// A segment that has reached this size is sealed; one batch may go past it.
        package var segmentBytes: Int
        /// Everything in the directory, counted in file bytes; never exceeded. The oldest segments go first.
        package var maxBytes: Int
        /// Segments whose newest record is older are removed by `removeExpired(now:)`; nil keeps them.
        package var maxAge: Duration?

        /// A segment takes records of one day (UTC) only, by the time they were received.
        package var isDaily: Bool

        /// A segment is kept to a quarter of the budget, so that making room never costs everything.
        package init(
            segmentBytes: Int = 64 << 20, maxBytes: Int, maxAge: Duration? = nil, isDaily: Bool = false
        ) {
            self.isDaily = isDaily
            self.segmentBytes = max(1, min(segmentBytes, maxBytes / 4))
            self.maxBytes = maxBytes
            self.maxAge = maxAge
        }
    }

    /// What a segment removed by retention was.
    package struct Removed: Equatable, Sendable {
        package var segment: UInt64
        package var bytes: Int
    }

    package struct Appended: Equatable, Sendable {
        /// In the order of the records.
        package var positions: [SegmentPosition]
        /// Segments that had to make room.
        package var removed: [Removed]
    }

    struct Segment: Sendable {
        var number: UInt64
        /// Readers see bytes up to here.
        var end: Int
        /// What the file takes; more than `end` where a failed write could not be cut off.
        var diskBytes: Int
        /// Nil for a file whose preamble cannot be read: it is kept and counted, not read.
        var seed: UInt32?
        /// The first record, nil before there is one.
        var first: First?

        struct First: Sendable {
            var sequence: UInt64
            var received: Instant
        }
    }

    struct Index: Sendable {
        /// Ascending by number.
        var segments: [Segment] = []
        var bytes: Int { segments.reduce(0) { $0 + $1.diskBytes } }
    }

    struct Writer: Sendable {
        var active: OpenFile?
        var activeNumber: UInt64 = 0
        var end = 0
        var durableEnd = 0
        var nextNumber: UInt64 = 1
        /// A segment that was given up and could not be cut back; nothing is written before it is.
        var uncut: Uncut?
        /// A sync that failed while the caller was not asking for one; the next `sync()` throws it.
        var failure: StoreError?
        /// Not merely there: its name is durable.
        var directoryIsDurable = false

        struct Uncut: Sendable {
            let file: OpenFile
            let number: UInt64
            let end: Int
        }
    }

    package let directory: String
    package let settings: Settings
    let io: any FileIO
    let index: Mutex<Index>
    let writer: Mutex<Writer>

    init(directory: String, io: any FileIO, settings: Settings, index: Index, writer: Writer) {
        self.directory = directory
        self.io = io
        self.settings = settings
        self.index = Mutex(index)
        self.writer = Mutex(writer)
    }

    /// File bytes of all segments.
    package var bytesOnDisk: Int { index.withLock { $0.bytes } }
    package var segmentCount: Int { index.withLock { $0.segments.count } }
    /// Numbers of the segments, ascending.
    package var segments: [UInt64] { index.withLock { $0.segments.map(\.number) } }

    /// Behind the last record.
    package var end: SegmentPosition {
        index.withLock { index in
            index.segments.last.map { SegmentPosition(segment: $0.number, offset: $0.end) } ?? .start
        }
    }

    /// Disk bytes a record will take.
    package static func storedBytes(_ record: SegmentRecord) -> Int {
        recordOverheadBytes + record.id.host.text.utf8.count + record.payload.count
    }

    static func path(_ directory: String, _ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return "\(directory)/\(String(repeating: "0", count: 16 - digits.count))\(digits).seg"
    }

    func path(_ number: UInt64) -> String { Self.path(directory, number) }

    /// Appends all records, in one write, or none. They are durable only after `sync()`. Room is made before the write,
    /// so the budget holds at every moment. Throws `.tooLarge` for a payload or batch beyond its limit.
    package func append(_ records: [SegmentRecord]) throws(StoreError) -> Appended {
        try writer.withLock { writer throws(StoreError) in try append(records, &writer) }
    }

    /// Makes everything appended so far durable. When it throws, no record appended since the last success may be
    /// counted as stored; the segment is given up and the next append begins a new one.
    package func sync() throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            if let failure = writer.failure {
                writer.failure = nil
                throw failure
            }
            try sync(&writer)
        }
    }

    /// Removes segments that lie wholly in front of `position`. The active segment stays.
    package func removeSegments(before position: SegmentPosition) throws(StoreError) -> [Removed] {
        try writer.withLock { writer throws(StoreError) in
            let active = writer.active == nil ? nil : writer.activeNumber
            let numbers = segments.filter { $0 < position.segment && $0 != active }
            return try remove(numbers)
        }
    }

    /// Removes one segment, the active one too; then the next append begins a new one.
    func removeSegment(_ number: UInt64) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            if number == writer.activeNumber { writer.active = nil }
            _ = try remove([number])
        }
    }

    /// Removes every segment, the active one too; the next append begins a new one.
    package func removeAll() throws(StoreError) -> [Removed] {
        try writer.withLock { writer throws(StoreError) in
            writer.active = nil
            writer.failure = nil
            return try remove(segments)
        }
    }

    /// Removes segments whose newest record was received before `now - maxAge`.
    package func removeExpired(now: Instant) throws(StoreError) -> [Removed] {
        guard let maxAge = settings.maxAge else { return [] }
        let cutoff = now - maxAge
        return try writer.withLock { writer throws(StoreError) in
            // A segment is over when the one behind it began; so its records are older than that one's first.
            let expired = index.withLock { index in
                let next = index.segments.lastIndex { ($0.first?.received ?? .distantFuture) <= cutoff } ?? 0
                return index.segments[..<next].map(\.number)
            }
            return try remove(expired)
        }
    }
}
