// Log tailing: the driver around `TailLedger`. One thread, `TailLoop`, watches directories with inotify, reads files in
// slabs, hands the lines to a `LogBlockBuilder` and gives the blocks to a `LogSink` once their place in the files is in
// the journal. `LogTailer` is the door to that thread.
//
// The file is the buffer. Nothing is kept in memory between two visits but an offset and the 64 bytes before it; when
// the link has no room, nothing is read. A file that is written to is visited at once when it was quiet, else every 200
// ms, so that busy files give full blocks. An idle file costs neither time nor, beyond `maxOpenFiles`, a descriptor.
//
// A file is known by device, inode and birth, never by its name. Before every read the bytes before the offset are
// compared with those remembered: a file that was truncated, or truncated and grown again past the offset, is a new
// file.

package import MusterLogs
package import MusterModel

/// Files to be read and how.
package struct LogSource: Equatable, Sendable {
    package enum Start: String, Sendable {
        case beginning
        case end
    }

    /// Absolute path with `*`, `?` and `**` (any directories, eight deep).
    package var glob: String
    package var kind: LogFileKind
    /// Labels of every line; `path` is added.
    package var labels: Labels
    /// Where to begin in files that are there on the agent's very first start; files that come later are read whole.
    package var startAt: Start
    /// What happens to the lines before they travel.
    package var processing: EdgeSettings

    package init(
        glob: String, kind: LogFileKind = .plain, labels: Labels = Labels(), startAt: Start = .beginning,
        processing: EdgeSettings = EdgeSettings()
    ) {
        self.processing = processing
        self.glob = glob
        self.kind = kind
        self.labels = labels
        self.startAt = startAt
    }
}

/// A block on its way to the link.
package struct TailedBlock: Equatable, Sendable {
    package var sequence: UInt64
    package var labels: Labels
    package var lineCount: Int
    /// An encoded `LogBlock`.
    package var payload: [UInt8]
}

/// Where blocks go. Called on the tailer's thread; must not block.
package protocol LogSink: Sendable {
    /// True while the window has room for one block more than the `undelivered` ones that are on their way to
    /// `blockCut`. When it turns true again the owner calls `LogTailer.windowOpened()`.
    func canCut(undelivered: Int) -> Bool
    /// A block whose record is durable. Sequences increase from call to call.
    func blockCut(_ block: TailedBlock)
}

/// Why the journal did not take a record: what the file system said.
package struct LedgerJournalError: Error, Equatable, CustomStringConvertible {
    package var reason: String
    package init(reason: String) { self.reason = reason }
    package var description: String {
        "the log journal cannot be written: \(reason); logs wait until the state directory takes writes again"
    }
}

/// The ledger's records on disk. Used by the tailer's thread only.
package protocol LedgerJournal: Sendable {
    func append(_ record: [UInt8]) throws(LedgerJournalError)
    /// Returns when everything appended is durable.
    func sync() throws(LedgerJournalError)
    /// Replaces all records by these, durably and all at once.
    func compact(to records: [[UInt8]]) throws(LedgerJournalError)
}

/// How the tailer behaves; the defaults are the limits' one place.
package struct LogTailerOptions: Sendable {
    /// A busy file is visited this often.
    package var flushInterval = Duration.milliseconds(200)
    /// An unfinished last line waits this long for its end.
    package var partialFlush = Duration.seconds(5)
    /// The last event of a file, of several lines perhaps, waits this long for its next line.
    package var eventFlush = Duration.seconds(1)
    /// A deleted file without growth is let go after this time.
    package var deletedGrace = Duration.seconds(5)
    /// A file that was moved out of sight is followed this long after its last growth.
    package var detachedGrace = Duration.seconds(120)
    /// All paths are compared with what is known this often, in case an event was lost.
    package var reconcileInterval = Duration.seconds(60)
    /// The same without inotify.
    package var pollInterval = Duration.seconds(1)
    /// After an error with a file or the journal.
    package var retryInterval = Duration.seconds(1)
    /// Events that come within this time are taken together.
    package var eventCoalescing = Duration.milliseconds(20)
    package var maxOpenFiles = 512
    package var maxWatchedDirectories = 8_192
    /// One read, and the longest range of a block.
    package var slabBytes = 512 << 10
    /// Blocks that share one sync of the journal.
    package var blocksPerSync = 16
    /// The journal is compacted after this many bytes.
    package var compactBytes = 1 << 20
    /// For file systems that give no events.
    package var usesPolling = false

    package init() {}
}

/// What went wrong, counted.
package enum LogTailFault: String, CaseIterable, Sendable {
    case permissionDenied = "permission_denied"
    case openFailed = "open_failed"
    case readFailed = "read_failed"
    case tooManyFiles = "too_many_files"
    case watchLimit = "watch_limit"
    case eventOverflow = "event_overflow"
    case journalFailed = "journal_failed"
    case invalidGlob = "invalid_glob"
    case ledgerRefused = "ledger_refused"
}

/// Counters since the tailer started; gauges say so.
package struct LogTailCounters: Equatable, Sendable {
    package var lines = 0
    /// Bytes read from files, unread tails that were read again included.
    package var bytesRead = 0
    /// Bytes of files that are in blocks.
    package var bytesCut = 0
    package var blocks = 0
    package var resentBlocks = 0
    /// Gauges.
    package var files = 0
    package var openFiles = 0
    package var watchedDirectories = 0
    package var pendingBlocks = 0
    package var isPolling = false

    package var rotations = 0
    /// Each may have lost what was written between the last read and the truncation.
    package var truncations = 0
    /// Blocks or files of which a known part can not be delivered.
    package var gaps = 0
    package var lostLines = 0
    package var splitLines = 0
    package var damagedRecords = 0
    package var skippedNULs = 0
    package var damagedJournalRecords = 0
    /// What the pipelines of sources did.
    package var edge = EdgeTotals()
    package var faults: [LogTailFault: Int] = [:]

    package init() {}
}
