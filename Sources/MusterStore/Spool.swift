package import MusterModel
import Synchronization

/// Frames an agent could not deliver and cannot read again: first in, first out per class, in one byte budget. While it
/// is empty it takes no disk space and does no I/O.
///
/// When the budget is full the oldest segment of the least important class goes first, but never one of a more
/// important class than the frame that needs the room, and never one of class `control`. Every loss is reported.
///
/// What was appended survives a killed process at once and a power cut after `sync()`. Release is not recorded on disk:
/// after a restart frames of a partly released segment come again, and the receiver knows them by their `FrameID`.
package final class Spool: Sendable {
    package struct Settings: Sendable {
        /// File bytes of all classes together; never exceeded.
        package var maxBytes: Int
        /// The unit in which space is given back, at most a sixteenth of the budget.
        package var segmentBytes: Int

        package init(maxBytes: Int, segmentBytes: Int = 1 << 20) {
            self.maxBytes = maxBytes
            self.segmentBytes = max(1, min(segmentBytes, maxBytes / 16))
        }
    }

    /// Records of one class that are lost.
    package struct Drop: Equatable, Sendable {
        package enum Reason: String, Sendable {
            /// They made room.
            case budget
            /// They were not synced yet when the disk failed.
            case disk
        }

        package var `class`: TrafficClass
        package var reason: Reason
        package var records: Int
        /// File bytes.
        package var bytes: Int
        /// Nil when no head of the lost records could be read.
        package var sequences: ClosedRange<UInt64>?
        package var oldest: Instant?
        package var newest: Instant?

        init(_ trafficClass: TrafficClass, _ reason: Reason) {
            `class` = trafficClass
            self.reason = reason
            records = 0
            bytes = 0
        }

        mutating func count(sequence: UInt64, received: Instant, bytes: Int) {
            records += 1
            self.bytes += bytes
            sequences =
                min(sequence, sequences?.lowerBound ?? sequence)...max(sequence, sequences?.upperBound ?? sequence)
            oldest = min(oldest ?? received, received)
            newest = max(newest ?? received, received)
        }
    }

    /// What became of a frame.
    package struct Outcome: Equatable, Sendable {
        /// False: the frame still belongs to the caller, see `failure`.
        package var isStored: Bool
        /// Frames lost that had been stored before.
        package var drops: [Drop]
        /// Why the frame was not stored: `.budget`, `.tooLarge` or the disk's error.
        package var failure: StoreError?
    }

    package struct Recovery: Equatable, Sendable {
        /// Per class, in the order of `TrafficClass.allCases`.
        package var logs: [SegmentRecovery] = []
        package init() {}
    }

    struct Lane: Sendable {
        let log: SegmentLog
        var reader: SegmentReader
        var releasedThrough: UInt64?
        var lastSequence: UInt64?
        /// The newest on the disk; what is appended must be above it.
        var tail: UInt64?
        /// What the next failing sync would cost.
        var unsynced: Drop
    }

    package let settings: Settings
    let directory: String
    let lanes: Mutex<[Lane]>

    private init(directory: String, settings: Settings, lanes: [Lane]) {
        self.directory = directory
        self.settings = settings
        self.lanes = Mutex(lanes)
    }

    /// Opens the spool in `directory`, which need not exist. Reads the last segment and
    /// the first record of each other one, whatever is stored.
    package static func open(
        directory: String, io: any FileIO, settings: Settings
    ) throws(StoreError) -> (spool: Spool, recovery: Recovery) {
        var report = Recovery()
        var lanes: [Lane] = []
        for trafficClass in TrafficClass.allCases {
            let (log, recovery) = try SegmentLog.open(
                directory: "\(directory)/\(trafficClass)", io: io,
                settings: SegmentLog.Settings(segmentBytes: settings.segmentBytes, maxBytes: settings.maxBytes))
            var lane = Lane(
                log: log, reader: SegmentReader(log), lastSequence: nil, unsynced: Drop(trafficClass, .disk))
            // The newest segment may hold nothing yet: a crash came between its creation and its first frame.
            for number in log.segments.reversed() where lane.lastSequence == nil {
                _ = try log.scan(from: SegmentPosition(segment: number, offset: 0), .heads) { record in
                    lane.lastSequence = max(lane.lastSequence ?? 0, record.id.sequence)
                    return .next
                }
            }
            lane.tail = lane.lastSequence
            report.logs.append(recovery)
            lanes.append(lane)
        }
        return (Spool(directory: directory, settings: settings, lanes: lanes), report)
    }

    /// File bytes of all classes.
    package var bytesOnDisk: Int { lanes.withLock { Self.bytes($0) } }

    package func bytesOnDisk(_ trafficClass: TrafficClass) -> Int {
        lanes.withLock { $0[Int(trafficClass.rawValue)].log.bytesOnDisk }
    }

    /// When the oldest frame still stored was received.
    package func oldest(_ trafficClass: TrafficClass) -> Instant? {
        lanes.withLock { $0[Int(trafficClass.rawValue)].log.segment(atOrAfter: 0)?.0.first?.received }
    }

    /// What reading had to step over so far: damaged places and files the disk would not give back.
    package func skipped(_ trafficClass: TrafficClass) -> SegmentReader.Skipped {
        lanes.withLock { $0[Int(trafficClass.rawValue)].reader.skipped }
    }

    /// The next frame of a class in order, nil when all were given out. Not removed: see `release` and `rewind`.
    package func next(_ trafficClass: TrafficClass) throws(StoreError) -> SegmentRecord? {
        try lanes.withLock { lanes throws(StoreError) in try Self.next(&lanes[Int(trafficClass.rawValue)]) }
    }

    /// The next frame of the most important class that has one.
    package func next() throws(StoreError) -> SegmentRecord? {
        try lanes.withLock { lanes throws(StoreError) in
            for index in lanes.indices {
                if let record = try Self.next(&lanes[index]) { return record }
            }
            return nil
        }
    }

    /// Gives out all unreleased frames of a class again, from the oldest: after a reconnect.
    package func rewind(_ trafficClass: TrafficClass) {
        lanes.withLock { lanes in
            let index = Int(trafficClass.rawValue)
            lanes[index].reader = SegmentReader(lanes[index].log)
        }
    }

    private static func next(_ lane: inout Lane) throws(StoreError) -> SegmentRecord? {
        while let record = try lane.reader.next() {
            if let released = lane.releasedThrough, record.id.sequence <= released { continue }
            return record.record
        }
        return nil
    }

    static func bytes(_ lanes: [Lane]) -> Int { lanes.reduce(0) { $0 + $1.log.bytesOnDisk } }
}
