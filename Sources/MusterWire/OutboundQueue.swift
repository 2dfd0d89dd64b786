import DequeModule
import MusterModel

/// The frames of one class that are not acknowledged: first those sent on this connection, then those waiting in
/// memory, then those that are on the disk only. Sequences increase along that line.
///
/// Two marks say where memory ends and the disk goes on: everything up to `cursor` is in memory, durable or given up;
/// everything above it up to `issued` is in the spool. What has been spilled is spilled whole: when the spool is begun,
/// all that waits in memory is written too, so the spool is in order and a crash loses nothing that came before it.
struct OutboundQueue: Sendable {
    struct Entry: Sendable {
        let frame: DataFrame
        var isOnDisk: Bool
        let canBegin: Bool

        var cost: Int { frame.payload.count + WireLimits.queuedFrameOverheadBytes }
    }

    let name: TrafficClass
    let settings: LaneSettings
    private let canBegin: (@Sendable (DataFrame) -> Bool)?
    private var retained = RetainedFrames()
    private var entries: Deque<Entry> = []
    private var memoryBytes = 0
    private var sentCount = 0
    private var sentBytes = 0
    /// The highest sequence handed in.
    private var lastSequence: UInt64 = 0
    /// The highest sequence that this lineage may ever have sent.
    private(set) var everSent: UInt64
    private(set) var acknowledged: UInt64 = 0
    private var cursor: UInt64 = 0
    private var issued: UInt64 = 0
    private var confirmed: UInt64 = 0
    /// Spilled and neither confirmed nor failed yet, at most `WireLimits.spillsOutstanding`.
    private var unconfirmed: Deque<UInt64> = []
    private var isReading = false
    private var drops: [DropReason: Int] = [:]

    init(
        _ name: TrafficClass, settings: LaneSettings, handedOut: UInt64,
        canBegin: (@Sendable (DataFrame) -> Bool)?
    ) {
        self.canBegin = canBegin
        self.name = name
        self.settings = settings
        everSent = handedOut
    }

    private var isSpooling: Bool { issued > cursor }

    var state: LaneState {
        var state = LaneState()
        state.memoryFrames = entries.count
        state.memoryBytes = memoryBytes
        state.framesInFlight = sentCount
        state.bytesInFlight = sentBytes
        state.retainedBytes = retained.bytes
        state.acknowledged = acknowledged
        state.isSpooling = isSpooling
        state.drops = drops
        return state
    }

    // MARK: In

    func hasRoom(payloadBytes: Int) -> Bool {
        !isSpooling && fits(payloadBytes + WireLimits.queuedFrameOverheadBytes)
    }

    private func fits(_ cost: Int) -> Bool {
        entries.isEmpty || memoryBytes + cost <= settings.memoryBytes
    }

    mutating func enqueue(_ frame: DataFrame, isSpillDue: Bool) -> EnqueueEffect {
        guard frame.payload.count <= WireLimits.dataPayloadBytes else { return drop(.tooLarge) }
        guard frame.sequence > acknowledged else { return .alreadyDurable }
        guard frame.sequence > lastSequence else { return drop(.sequenceNotIncreasing) }
        let entry = Entry(frame: frame, isOnDisk: false, canBegin: canBegin?(frame) ?? true)
        switch settings.overflow {
        case .refuse:
            guard fits(entry.cost) else { return drop(.memoryFull) }
            append(entry)
            return .queued
        case .spill:
            if !isSpooling, !isSpillDue, fits(entry.cost) {
                append(entry)
                return .queued
            }
            guard unconfirmed.count < WireLimits.spillsOutstanding else { return drop(.spoolBusy) }
            let waiting = isSpooling ? [] : takeUnspilled(before: entry)
            lastSequence = frame.sequence
            issued = frame.sequence
            unconfirmed.append(frame.sequence)
            return .spill(waiting + [frame])
        }
    }

    private mutating func append(_ entry: Entry) {
        if entries.isEmpty, entry.canBegin { retained.removeAll() }
        entries.append(entry)
        memoryBytes += entry.cost
        lastSequence = max(lastSequence, entry.frame.sequence)
        cursor = max(cursor, entry.frame.sequence)
    }

    private mutating func drop(_ reason: DropReason, frames: Int = 1) -> EnqueueEffect {
        drops[reason, default: 0] += frames
        return .dropped(reason)
    }

    /// The frames that are in memory only, for a spool whose tail is older, and before them what they build on; from
    /// now on they count as spilled.
    mutating func takeUnspilled(before next: Entry? = nil) -> [DataFrame] {
        var frames: [DataFrame] = []
        if let first = entries.first ?? next, !first.canBegin { frames = retained.takeUnspilled() }
        for index in entries.indices where !entries[index].isOnDisk {
            frames.append(entries[index].frame)
            entries[index].isOnDisk = true
        }
        return frames
    }

    // MARK: Out

    mutating func next(_ window: Window) -> DataFrame? {
        guard sentCount < entries.count else { return nil }
        let frame = entries[sentCount].frame
        let size = frame.payload.count
        guard window.allows(payloadBytes: size, framesInFlight: sentCount, bytesInFlight: sentBytes) else { return nil }
        sentCount += 1
        sentBytes += size
        everSent = max(everSent, frame.sequence)
        return frame
    }

    /// What was sent on the connection that ended is sent again on the next.
    mutating func rewind() {
        sentCount = 0
        sentBytes = 0
    }

    /// Forgets everything up to `sequence`; nil when that was known.
    mutating func release(through sequence: UInt64) -> Released? {
        guard sequence > acknowledged else { return nil }
        acknowledged = sequence
        // What lies on the disk before frames that build on it is read all the same, to be retained.
        if canBegin == nil || sequence >= issued { cursor = max(cursor, sequence) }
        var frames = 0
        var bytes = 0
        var last: UInt64 = 0
        while let first = entries.first, first.frame.sequence <= sequence {
            let size = first.frame.payload.count
            last = first.frame.sequence
            memoryBytes -= first.cost
            if canBegin != nil { retained.append(first) }
            if sentCount > 0 {
                sentCount -= 1
                sentBytes -= size
            }
            frames += 1
            bytes += size
            entries.removeFirst()
        }
        // What an earlier process sent, and what is not to be read from the disk, is not here to be retained.
        let isBroken = cursor >= sequence && sequence > max(last, retained.last ?? 0)
        if isBroken || entries.first?.canBegin == true { retained.removeAll() }
        let spoolThrough = spoolThrough
        if spoolThrough == sequence { retained.spoolEmptied() }
        return Released(
            class: name, frames: frames, bytes: bytes, highest: sequence, spoolThrough: spoolThrough)
    }

    /// The spool keeps what unacknowledged frames build on.
    private var spoolThrough: UInt64 {
        guard canBegin != nil, isSpooling || !entries.isEmpty else { return acknowledged }
        if let first = retained.first { return first - 1 }
        return entries.first?.canBegin == true ? acknowledged : 0
    }

    // MARK: Retained

    /// The coordinator holds no more than this: retained frames it misses are unacknowledged again.
    mutating func restore(after durable: UInt64) {
        guard durable < acknowledged else { return }
        // When it misses the first of them too, what it holds does not lead to them, and it needs them all.
        while let last = retained.popLast(after: durable) {
            entries.prepend(last)
            memoryBytes += last.cost
            acknowledged = last.frame.sequence - 1
        }
        // What is still to be read from the disk counts as acknowledged only as far as this coordinator says so.
        if cursor < acknowledged { acknowledged = max(durable, cursor) }
    }

    // MARK: The spool

    mutating func spooled(through sequence: UInt64) {
        issued = max(issued, sequence)
        confirmed = max(confirmed, sequence)
        lastSequence = max(lastSequence, sequence)
        while let first = unconfirmed.first, first <= sequence { unconfirmed.removeFirst() }
    }

    /// Frames in memory stay there; the one that was only to be on the disk is lost. Answers how many are lost.
    mutating func spoolFailed(_ frames: [DataFrame]) -> Int {
        var lost = 0
        for frame in frames where frame.sequence > acknowledged {
            if frame.sequence > cursor {
                lost += 1
            } else if let index = entries.firstIndex(where: { $0.frame.sequence == frame.sequence }) {
                entries[index].isOnDisk = false
            }
        }
        retained.notSpilled(frames.map(\.sequence))
        unconfirmed.removeAll { failed in frames.contains { $0.sequence == failed } }
        issued = max(confirmed, unconfirmed.last ?? 0)
        if lost > 0 { _ = drop(.spoolFailed, frames: lost) }
        return lost
    }

    /// The spool forgot these to make room. Answers how many are lost.
    mutating func spoolDropped(_ sequences: some Sequence<UInt64>) -> Int {
        var lost = 0
        var last = cursor
        for sequence in sequences where sequence > cursor {
            lost += sequence > acknowledged ? 1 : 0
            last = max(last, sequence)
        }
        cursor = last
        if lost > 0 { _ = drop(.spoolFull, frames: lost) }
        return lost
    }

    /// The disk failed before it had these. Older frames are on it still, so the cursor stays. Answers how many are
    /// lost.
    mutating func spoolLost(_ sequences: some Sequence<UInt64>) -> Int {
        var lost = 0
        for sequence in sequences {
            if sequence > max(cursor, acknowledged) {
                lost += 1
            } else if let index = entries.firstIndex(where: { $0.frame.sequence == sequence }) {
                entries[index].isOnDisk = false
            }
        }
        retained.notSpilled(sequences)
        if lost > 0 { _ = drop(.spoolFailed, frames: lost) }
        return lost
    }

    mutating func wantsFromSpool() -> SpoolRead? {
        guard !isReading, confirmed > cursor, memoryBytes <= settings.memoryBytes / 2 else { return nil }
        isReading = true
        return SpoolRead(class: name, after: cursor, roomBytes: settings.memoryBytes - memoryBytes)
    }

    mutating func unspooled(_ frames: [DataFrame], _ end: SpoolReadEnd) -> Int {
        isReading = false
        var lost = 0
        if case .damaged(let toTheEnd) = end {
            let known = max(cursor, acknowledged)
            let last = max(known, toTheEnd ? confirmed : 0, frames.last?.sequence ?? 0)
            lost = Int(last - known) - frames.count { $0.sequence > known }
            if lost > 0 { _ = drop(.spoolDamaged, frames: lost) }
        }
        if frames.isEmpty, end != .interrupted { cursor = max(cursor, confirmed) }
        for frame in frames where frame.sequence > cursor {
            guard frame.payload.count <= WireLimits.dataPayloadBytes else {
                cursor = frame.sequence
                _ = drop(.tooLarge)
                continue
            }
            let entry = Entry(frame: frame, isOnDisk: true, canBegin: canBegin?(frame) ?? true)
            if frame.sequence > acknowledged {
                append(entry)
            } else {
                cursor = frame.sequence
                retained.append(entry)
            }
        }
        return lost
    }
}
