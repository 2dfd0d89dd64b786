import Foundation
import MusterHost
import MusterLogs
import MusterModel
import Synchronization
import Testing

/// Leaves bytes as they are.
struct StoringCompressor: Compressor {
    func deflate(_ bytes: [UInt8], level: Int) -> [UInt8] { bytes }

    func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        guard bytes.count <= maxBytes else { throw .tooLarge(maxBytes: maxBytes) }
        return Array(bytes)
    }
}

/// A journal in memory that forgets in a crash what was not synced.
final class MemoryJournal: LedgerJournal {
    struct State {
        var durable: [[UInt8]] = []
        var written: [[UInt8]] = []
        var isBroken = false
        /// A sync failed: nothing is taken until all is written anew.
        var isSuspect = false
        var failsNextSync = false
        var syncs = 0
        var compactions = 0
    }

    let state = Mutex(State())

    func append(_ record: [UInt8]) throws(LedgerJournalError) {
        try check(isAnew: false)
        state.withLock { $0.written.append(record) }
    }

    func sync() throws(LedgerJournalError) {
        try check(isAnew: false)
        let fails = state.withLock { state in
            guard state.failsNextSync else { return false }
            (state.failsNextSync, state.isSuspect, state.written) = (false, true, [])
            return true
        }
        if fails { throw LedgerJournalError(reason: "input/output error") }
        state.withLock { state in
            state.durable += state.written
            state.written = []
            state.syncs += 1
        }
    }

    func compact(to records: [[UInt8]]) throws(LedgerJournalError) {
        try check(isAnew: true)
        state.withLock { state in
            state.durable = records
            state.written = []
            state.isSuspect = false
            state.compactions += 1
        }
    }

    private func check(isAnew: Bool) throws(LedgerJournalError) {
        let isRefused = state.withLock { $0.isBroken || $0.isSuspect && !isAnew }
        if isRefused { throw LedgerJournalError(reason: "no space left on device") }
    }

    /// What is left after a crash that kept `unsynced` of the records that were not synced.
    func crashed(keeping unsynced: Int) -> [[UInt8]] {
        state.withLock { state in
            state.durable += state.written.prefix(unsynced)
            state.written = []
            return state.durable
        }
    }
}

/// The link and the coordinator behind it: a window of frames, of which a prefix is durable at the coordinator.
final class MemoryLink: LogSink {
    struct State {
        /// In memory of the agent, not yet received.
        var sent: [TailedBlock] = []
        /// At the coordinator, by sequence; a second frame of one sequence is dropped.
        var received: [UInt64: TailedBlock] = [:]
        var repeated = 0
        var window = 64
        var highest: UInt64 = 0
        var isOutOfOrder = false
        var unacknowledged = 0
    }

    let state = Mutex(State())

    func canCut(undelivered: Int) -> Bool {
        state.withLock { $0.sent.count + $0.unacknowledged + undelivered < $0.window }
    }

    func blockCut(_ block: TailedBlock) {
        state.withLock { state in
            if block.sequence <= state.highest { state.isOutOfOrder = true }
            state.highest = block.sequence
            state.sent.append(block)
        }
    }

    /// The coordinator takes the next `count` frames; gives back its durable mark.
    func receive(_ count: Int = .max) -> UInt64 {
        state.withLock { state in
            for block in state.sent.prefix(count) {
                if state.received[block.sequence] == nil {
                    state.received[block.sequence] = block
                } else {
                    state.repeated += 1
                }
            }
            state.sent.removeFirst(min(count, state.sent.count))
            return state.received.keys.max() ?? 0
        }
    }

    /// The agent's memory is gone.
    func crashed() {
        state.withLock { state in
            state.sent = []
            state.highest = 0
        }
    }

    var durable: UInt64 { state.withLock { $0.received.keys.max() ?? 0 } }

    /// Everything at the coordinator, in the order of sequence.
    func entries() throws -> [LogEntry] {
        let blocks = state.withLock { state in state.received.values.sorted { $0.sequence < $1.sequence } }
        return try blocks.flatMap { try LogBlock.decode($0.payload[...], compressor: StoringCompressor()).entries }
    }
}

/// A tailer turned by hand over a directory of its own, with a clock that only the test moves.
final class TailHarness {
    let directory: String
    let journal = MemoryJournal()
    let link = MemoryLink()
    var options = LogTailerOptions()
    var sources: [LogSource] = []
    var now = Instant(seconds: 1_800_000_000)
    private(set) var loop: TailLoop?
    /// Acknowledge as soon as the coordinator has a frame.
    var isAcknowledging = true

    init(sources: [LogSource] = [], options: LogTailerOptions = LogTailerOptions()) throws {
        directory =
            FileManager.default.temporaryDirectory.appendingPathComponent("muster-logs-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        // The system's name of the place, so that paths compare.
        self.options = options
        self.sources = sources
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func path(_ name: String) -> String { directory + "/" + name }

    /// Begins a run from what the journal holds.
    func start(records: [[UInt8]]? = nil, isWelcomed: Bool = true) {
        let recovery = TailLedger.recovered(from: records ?? journal.crashed(keeping: .max))
        let loop = TailLoop(
            options: options, recovery: recovery, journal: journal, sink: link, compressor: StoringCompressor())
        loop.sourcesChanged(sources, now: now)
        if isWelcomed { loop.welcomed(durable: link.durable) }
        self.loop = loop
    }

    /// The process dies: memory and unsynced records are gone.
    func crash(keeping unsynced: Int = 0) {
        loop = nil
        _ = journal.crashed(keeping: unsynced)
        link.crashed()
    }

    func restart() {
        crash()
        now = now + .seconds(1)
        start()
    }

    /// Turns with the clock going on by 50 ms each.
    func turn(_ count: Int = 1) {
        for _ in 0..<count {
            now = now + .milliseconds(50)
            _ = loop?.turn(now: now)
            if isAcknowledging { loop?.acknowledged(through: link.receive()) }
        }
    }

    /// Turns until nothing has come for half a second of the test's clock.
    func settle() {
        var quiet = 0
        var last = -1
        for _ in 0..<2_000 where quiet < 10 {
            turn()
            let blocks = loop?.counters.blocks ?? 0
            quiet = blocks == last ? quiet + 1 : 0
            last = blocks
        }
    }

    /// Turns through a stretch of time in steps of 50 ms.
    func pass(_ time: Duration) { turn(Int(time.nanoseconds / 50_000_000)) }

    func lines() throws -> [String] { try link.entries().map { String(decoding: $0.line, as: UTF8.self) } }

    func lines(of name: String) throws -> [String] {
        try link.entries().filter { $0.labels["path"] == path(name) }.map { String(decoding: $0.line, as: UTF8.self) }
    }

    var counters: LogTailCounters { loop?.counters ?? LogTailCounters() }

    // MARK: Files

    func append(_ text: String, to name: String) { append(Array(text.utf8), to: name) }

    func append(_ bytes: [UInt8], to name: String) {
        let descriptor = open(path(name), O_WRONLY | O_CREAT | O_APPEND, 0o644)
        write(bytes, to: descriptor)
        close(descriptor)
    }

    func write(_ bytes: [UInt8], to descriptor: Int32) {
        var written = 0
        bytes.withUnsafeBytes { buffer in
            while written < buffer.count {
                let count = Foundation.write(
                    descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
                guard count > 0 else { return }
                written += count
            }
        }
        #expect(written == bytes.count)
    }

    func appendLines(_ range: Range<Int>, to name: String) {
        append(range.map { "line \($0)\n" }.joined(), to: name)
    }

    func move(_ from: String, _ to: String) { #expect(rename(path(from), path(to)) == 0) }
    func remove(_ name: String) { #expect(unlink(path(name)) == 0) }
    func cut(_ name: String, to size: Int = 0) { #expect(truncate(path(name), off_t(size)) == 0) }
    func makeDirectory(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    }
}

func numbered(_ range: Range<Int>) -> [String] { range.map { "line \($0)" } }
