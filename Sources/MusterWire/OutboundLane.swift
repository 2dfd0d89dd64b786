package import MusterModel

/// What one class may hold in memory, and what happens beyond that.
package struct LaneSettings: Equatable, Sendable {
    package enum Overflow: Equatable, Sendable {
        /// The frame goes to the disk spool.
        case spill
        /// The frame is not taken; whoever made it can make it again (a file is read again, a journal is asked again).
        case refuse
    }

    /// Payloads and `WireLimits.queuedFrameOverheadBytes` for each frame.
    package var memoryBytes: Int
    package var overflow: Overflow

    package init(memoryBytes: Int, overflow: Overflow) {
        self.memoryBytes = memoryBytes
        self.overflow = overflow
    }

    /// Commands' results come from a journal and logs from files, so they wait where they are.
    package static let standard = PerClass(
        control: LaneSettings(memoryBytes: 1 << 20, overflow: .refuse),
        health: LaneSettings(memoryBytes: 1 << 20, overflow: .spill),
        metrics: LaneSettings(memoryBytes: 2 << 20, overflow: .spill),
        logs: LaneSettings(memoryBytes: 4 << 20, overflow: .refuse))
}

/// Why a frame is lost or not taken.
package enum DropReason: Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// The memory budget is used up and this class has no spool.
    case memoryFull
    /// The payload is larger than `WireLimits.dataPayloadBytes`.
    case tooLarge
    /// The sequence is not above the last one: a fault of the caller.
    case sequenceNotIncreasing
    /// The spool had to make room.
    case spoolFull
    /// The disk did not take the frame.
    case spoolFailed
    /// The spool could not be read. An upper bound: numbers that were never given out count too.
    case spoolDamaged
    /// The disk hangs: `WireLimits.spillsOutstanding` writes wait for it.
    case spoolBusy

    package var description: String {
        switch self {
        case .memoryFull: "memory_full"
        case .tooLarge: "too_large"
        case .sequenceNotIncreasing: "sequence_not_increasing"
        case .spoolFull: "spool_full"
        case .spoolFailed: "spool_failed"
        case .spoolDamaged: "spool_damaged"
        case .spoolBusy: "spool_busy"
        }
    }
}

/// What follows when a frame is handed in.
package enum EnqueueEffect: Equatable, Sendable {
    case queued
    /// Append all of these to the spool, in this order; then call `spooled` or `spoolFailed`.
    case spill([DataFrame])
    /// The frame is gone; the next metric frame must begin a new epoch.
    case dropped(DropReason)
    /// The coordinator has this sequence on its disk already.
    case alreadyDurable
}

/// What became durable: the agent may forget it and move its cursors up to `highest`.
package struct Released: Equatable, Sendable {
    package let `class`: TrafficClass
    /// How many frames left memory, and their payload bytes. May be 0 when they were on the disk only.
    package let frames: Int
    package let bytes: Int
    package let highest: UInt64
    /// The spool may forget everything up to here: `highest`, or less while newer frames build on what is in it.
    package let spoolThrough: UInt64

    package init(class: TrafficClass, frames: Int, bytes: Int, highest: UInt64, spoolThrough: UInt64? = nil) {
        self.class = `class`
        self.frames = frames
        self.bytes = bytes
        self.highest = highest
        self.spoolThrough = spoolThrough ?? highest
    }
}

/// A request to read frames back from the spool, for `unspooled`.
package struct SpoolRead: Equatable, Sendable {
    package let `class`: TrafficClass
    /// The first frame to read is the first with a higher sequence.
    package let after: UInt64
    /// Read while the payloads fit, but at least one frame.
    package let roomBytes: Int

    package init(class: TrafficClass, after: UInt64, roomBytes: Int) {
        self.class = `class`
        self.after = after
        self.roomBytes = roomBytes
    }
}

/// How reading for a `SpoolRead` ended.
package enum SpoolReadEnd: Equatable, Sendable {
    /// Nothing was missing. With no frames: the spool has nothing there any more.
    case whole
    /// The rest could not be read now; it is asked for again.
    case interrupted
    /// Some of it was stepped over; `toTheEnd` when nothing readable followed.
    case damaged(toTheEnd: Bool)
}

/// How one class stands.
package struct LaneState: Equatable, Sendable {
    package var memoryFrames = 0
    package var memoryBytes = 0
    package var framesInFlight = 0
    package var bytesInFlight = 0
    package var acknowledged: UInt64 = 0
    /// Acknowledged and kept: what was not acknowledged builds on it.
    package var retainedBytes = 0
    /// Newer frames go to the disk until what is there has been read back.
    package var isSpooling = false
    package var drops: [DropReason: Int] = [:]

    package init() {}
}
