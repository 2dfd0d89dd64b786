import Synchronization

/// One small value on disk, replaced atomically: two files are written in turn, each with a generation number and a
/// checksum, and the newest intact one counts. A crash or damage while one is written leaves the other.
///
/// Slots, by the last thing that happened to them:
///
///     absent | intact(generation) | damaged --write--> intact(newest + 1)
///     any --write fails--> suspect (the next write replaces the file instead of writing into it)
///
/// A write always goes to the slot that does not hold the newest intact value.
package final class TwoSlotState: Sendable {
    /// The longest value.
    package static let valueBytes = 1 << 20

    /// What `open` found.
    package struct Recovery: Equatable, Sendable {
        /// The newest intact value, nil when there is none.
        package var value: [UInt8]?
        /// Slots that exist and cannot be read. With a nil `value` the state was lost, with a value it may be one older
        /// than the last written.
        package var damagedSlots = 0
        package init() {}
    }

    private struct State: Sendable {
        var generation: UInt64 = 0
        /// Slot of the newest intact value.
        var newest = 1
        var exists = [false, false]
        var isSuspect = [false, false]
    }

    private let path: String
    private let io: any FileIO
    private let state: Mutex<State>

    private init(path: String, io: any FileIO, state: State) {
        self.path = path
        self.io = io
        self.state = Mutex(state)
    }

    /// Of the newest intact value; 0 before the first.
    package var generation: UInt64 { state.withLock { $0.generation } }

    /// Opens `<path>.0` and `<path>.1`, which need not exist; their directory must. Throws `.newerFormat` when a newer
    /// Muster wrote one of them.
    package static func open(path: String, io: any FileIO) throws(StoreError) -> (
        state: TwoSlotState, recovery: Recovery
    ) {
        var report = Recovery()
        var state = State()
        for slot in [0, 1] {
            let file: OpenFile
            do throws(StoreError) {
                file = try io.open(slotPath(path, slot), .read)
            } catch  where error.cause == .notFound {
                continue
            }
            state.exists[slot] = true
            guard let (generation, value) = try read(file, io) else {
                report.damagedSlots += 1
                state.isSuspect[slot] = true
                continue
            }
            if generation > state.generation {
                state.generation = generation
                state.newest = slot
                report.value = value
            }
        }
        if state.generation > 0 { try makeDurable(slotPath(path, state.newest), io) }
        return (TwoSlotState(path: path, io: io, state: state), report)
    }

    /// Replaces the value; durable when it returns. When it throws, the old value stays (or, after a crash, the new
    /// one).
    package func write(_ value: [UInt8]) throws(StoreError) {
        guard value.count <= Self.valueBytes else {
            throw StoreError(
                .tooLarge, operation: "write", path: path,
                detail: "a value of \(value.count) bytes; at most \(Self.valueBytes) are allowed")
        }
        try state.withLock { state throws(StoreError) in
            let slot = 1 - state.newest
            let preamble = FilePreamble(kind: .state, number: state.generation + 1, salt: io.randomWord())
            var content = preamble.encoded
            FrameFormat.append(head: [], payload: value, seed: preamble.seed, to: &content)
            let slotPath = Self.slotPath(path, slot)
            if state.isSuspect[slot], state.exists[slot] {
                do throws(StoreError) {
                    try io.unlink(slotPath)
                } catch  where error.cause == .notFound {
                    // Already gone.
                }
                state.exists[slot] = false
            }
            state.isSuspect[slot] = true
            let file = try io.open(slotPath, .createOrOpen)
            let isNew = !state.exists[slot]
            state.exists[slot] = true
            try io.write(file, at: 0, content)
            try io.truncate(file, to: content.count)
            try io.syncData(file)
            if isNew { try io.syncDirectory(Self.parent(path, io)) }
            state.isSuspect[slot] = false
            state.generation += 1
            state.newest = slot
        }
    }

    private static func slotPath(_ path: String, _ slot: Int) -> String { "\(path).\(slot)" }

    /// Generation and value; nil when damaged.
    private static func read(_ file: OpenFile, _ io: any FileIO) throws(StoreError) -> (UInt64, [UInt8])? {
        do throws(StoreError) {
            guard let preamble = try SegmentLog.preamble(of: file, io), preamble.kind == .state, preamble.number > 0,
                preamble.number < UInt64.max
            else { return nil }
            let size = try io.size(file)
            var scanner = FrameScanner(
                io: io, file: file, seed: preamble.seed, mode: .exactFrame, from: FilePreamble.bytes, end: size)
            guard let frame = try scanner.next(), frame.payload.count <= valueBytes else { return nil }
            return (preamble.number, frame.payload)
        } catch  where error.cause == .inputOutput {
            return nil
        }
    }

    /// What a killed process wrote may be in memory only; the caller is about to count on it.
    private static func makeDurable(_ path: String, _ io: any FileIO) throws(StoreError) {
        try io.syncData(try io.open(path, .readWrite))
        try io.syncDirectory(parent(path, io))
    }

    private static func parent<IO: FileIO>(_ path: String, _ io: IO) -> String { IO.parent(of: path) }
}
