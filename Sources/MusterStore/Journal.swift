import Synchronization

/// A small log of what is intended and what was done (cursors, rollout steps), read whole when it is opened and
/// replaced by a snapshot when it has grown.
///
/// States and events (`open` ends in `usable`, or throws):
///
///     usable  --append, sync, compact succeed--> usable
///     usable  --sync fails, or a failed append cannot be undone--> suspect
///     usable  --compact fails before the rename--> usable, as before
///     usable  --compact fails behind the rename--> suspect
///     suspect --append, sync--> suspect (throws `.suspect`)
///     suspect --compact succeeds--> usable
package final class Journal: Sendable {
    /// The longest record.
    package static let recordBytes = 1 << 20
    /// The journal's file unless `open` is told otherwise; `append` throws `.budget` beyond it, and `compact` is the
    /// way out.
    package static let fileBytes = 64 << 20

    /// What `open` found.
    package struct Recovery: Equatable, Sendable {
        /// Intact records in the order they were appended.
        package var records: [[UInt8]] = []
        /// An append that a crash interrupted; it was never synced.
        package var trimmedBytes = 0
        /// Places where records were lost to damage.
        package var damagedRegions = 0
        package var damagedBytes = 0
        /// Where the old file was moved because nothing in it could be read.
        package var quarantined: String?
        package init() {}
    }

    private struct State: Sendable {
        var file: OpenFile?
        var seed: UInt32 = 0
        var generation: UInt64 = 0
        var end = 0
        var durableEnd = 0
        var isSuspect = false
    }

    private let path: String
    private let io: any FileIO
    private let maxBytes: Int
    private let state: Mutex<State>

    private init(path: String, io: any FileIO, maxBytes: Int, state: State) {
        self.path = path
        self.io = io
        self.maxBytes = maxBytes
        self.state = Mutex(state)
    }

    /// Bytes of the file.
    package var bytes: Int { state.withLock { $0.end } }
    /// Only `compact` helps.
    package var isSuspect: Bool { state.withLock { $0.isSuspect } }

    /// Opens or makes the journal at `path`; its directory must exist. Everything in `records` is durable. A file
    /// without a readable preamble is moved aside, never deleted. Throws `.newerFormat` and disk errors with nothing
    /// changed.
    package static func open(
        path: String, io: any FileIO, maxBytes: Int = fileBytes
    ) throws(StoreError) -> (journal: Journal, recovery: Recovery) {
        var report = Recovery()
        var state = State()
        do throws(StoreError) {
            let file = try io.open(path, .readWrite)
            if let preamble = try SegmentLog.preamble(of: file, io), preamble.kind == .journal {
                state = try recover(file, preamble, io, &report)
            } else {
                let aside = "\(path).damaged-\(String(io.randomWord(), radix: 16))"
                try io.rename(path, to: aside)
                try io.syncDirectory(parent(path, io))
                report.quarantined = aside
            }
        } catch  where error.cause == .notFound {
            // The first start.
        }
        let journal = Journal(path: path, io: io, maxBytes: maxBytes, state: state)
        if state.file == nil { try journal.compact([]) }
        return (journal, report)
    }

    private static func recover(
        _ file: OpenFile, _ preamble: FilePreamble, _ io: any FileIO, _ report: inout Recovery
    ) throws(StoreError) -> State {
        let size = try io.size(file)
        var scanner = FrameScanner(
            io: io, file: file, seed: preamble.seed, mode: .frames, from: FilePreamble.bytes, end: size)
        while let frame = try scanner.next() { report.records.append(frame.payload) }
        report.trimmedBytes = max(0, size - scanner.intactEnd)
        report.damagedRegions = scanner.damage.regions
        report.damagedBytes = scanner.damage.bytes
        if report.trimmedBytes > 0 { try io.truncate(file, to: scanner.intactEnd) }
        try io.syncData(file)
        return State(
            file: file, seed: preamble.seed, generation: preamble.number, end: scanner.intactEnd,
            durableEnd: scanner.intactEnd)
    }

    /// Appends all records or none; durable only after `sync()`. A power cut before it keeps any part of them, in
    /// order.
    package func append(_ records: [[UInt8]]) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            let file = try usable(state, "append to")
            var buffer: [UInt8] = []
            try encode(records, seed: state.seed, startingAt: state.end, into: &buffer)
            do throws(StoreError) {
                try io.write(file, at: state.end, buffer)
            } catch {
                do throws(StoreError) {
                    try io.truncate(file, to: state.end)
                } catch {
                    state.isSuspect = true
                }
                throw error
            }
            state.end += buffer.count
        }
    }

    /// Makes what was appended durable. When it throws, nothing appended since the last success counts as stored.
    package func sync() throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            let file = try usable(state, "sync")
            guard state.durableEnd < state.end else { return }
            do throws(StoreError) {
                try io.syncData(file)
            } catch {
                state.isSuspect = true
                // So that a reader after a mere restart sees what a reader after a power cut would.
                do throws(StoreError) {
                    try io.truncate(file, to: state.durableEnd)
                    state.end = state.durableEnd
                } catch {
                    // The file is given up either way; the first error is the one to report.
                }
                throw error
            }
            state.durableEnd = state.end
        }
    }

    /// Replaces the whole journal by `snapshot`, durably: after a crash there is either all of the old or all of the
    /// new.
    package func compact(_ snapshot: [[UInt8]]) throws(StoreError) {
        try state.withLock { state throws(StoreError) in
            let preamble = FilePreamble(kind: .journal, number: state.generation &+ 1, salt: io.randomWord())
            var content = preamble.encoded
            try encode(snapshot, seed: preamble.seed, startingAt: 0, into: &content)
            let newPath = path + ".new"
            do throws(StoreError) {
                try io.unlink(newPath)
            } catch  where error.cause == .notFound {
                // No compaction was interrupted.
            }
            let file = try io.open(newPath, .create)
            try io.write(file, at: 0, content)
            try io.syncData(file)
            try io.rename(newPath, to: path)
            state = State(
                file: file, seed: preamble.seed, generation: preamble.number, end: content.count,
                durableEnd: content.count, isSuspect: true)
            // Until the name is durable a power cut would bring the old file back, without what comes after this.
            try io.syncDirectory(Self.parent(path, io))
            state.isSuspect = false
        }
    }

    private func usable(_ state: State, _ operation: String) throws(StoreError) -> OpenFile {
        guard let file = state.file, !state.isSuspect else {
            throw StoreError(.suspect, operation: operation, path: path, detail: "an earlier write or sync failed")
        }
        return file
    }

    private func encode(
        _ records: [[UInt8]], seed: UInt32, startingAt start: Int, into buffer: inout [UInt8]
    ) throws(StoreError) {
        for record in records {
            guard record.count <= Self.recordBytes else {
                throw StoreError(
                    .tooLarge, operation: "append to", path: path,
                    detail: "a record of \(record.count) bytes; at most \(Self.recordBytes) are allowed")
            }
            FrameFormat.append(head: [], payload: record, seed: seed, to: &buffer)
            guard start + buffer.count <= maxBytes else {
                throw StoreError(
                    .budget, operation: "append to", path: path, detail: "it would grow past \(maxBytes) bytes")
            }
        }
    }

    private static func parent<IO: FileIO>(_ path: String, _ io: IO) -> String { IO.parent(of: path) }
}
