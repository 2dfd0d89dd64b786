import Glibc
package import MusterLogs
package import MusterModel

/// The tailer's machine and hands: owns the ledger, the watches and the descriptors. Not `Sendable`: one thread makes
/// it, turns it and drops it. `LogTailer` does that in production; a test turns it by hand.
///
/// Nothing is cut before the first `welcomed`: only then is it known which of the earlier run's blocks have to be read
/// again, and those go before everything new.
@safe package final class TailLoop {
    let options: LogTailerOptions
    let journal: any LedgerJournal
    let sink: any LogSink
    let compressor: any Compressor
    let isFirstStart: Bool

    var ledger: TailLedger
    var sources: [(source: LogSource, glob: LogGlob)] = []
    /// Sources that were looked through once: `startAt` is for the first look only.
    var seenGlobs: Set<String> = []
    var files: [TailedSource.ID: TailedFile] = [:]
    var byInode: [InodeKey: TailedSource.ID] = [:]
    var names: [String: TailedSource.ID] = [:]
    var dueFiles: Set<TailedSource.ID> = []

    var queue: InotifyQueue?
    var watches: [Int32: String] = [:]
    var watchOf: [String: Int32] = [:]
    /// Origins of renames whose second half is still to come, and of new names, within one turn.
    var moves: [UInt32: String] = [:]
    var renamedOrigins: [String: String] = [:]
    var refusedPaths: Set<String> = []
    var isPolling: Bool
    var reconcileAt = Instant.distantPast
    var hasReconciled = false

    var isWelcomed = false
    /// Last first.
    var resends: [TailedRange]
    var resendRetryAt = Instant.distantPast
    var resendTries = 0
    var builder: LogBlockBuilder
    /// Lines on their way through a source's pipeline.
    var parsed = LogBlockBuilder()
    var edgePass = EdgePass()
    /// Of the sources that have one.
    var pipelines: [Int: EdgePipeline] = [:]
    /// What pipelines did that are no more.
    var endedEdge = EdgeTotals()
    var dockerLines = DockerLines()
    let slab: UnsafeMutableRawBufferPointer
    var unjournalled: [[UInt8]] = []
    var batch: [TailedBlock] = []
    /// A source was found: it is made durable soon, so that a rename during a crash does not hide it.
    var hasNewSources = false
    var journalledBytes = 0
    var journalRetryAt = Instant.distantPast
    var nextExpiry = Instant.distantPast
    var openCount = 0
    var uses: UInt64 = 0
    package internal(set) var counters = LogTailCounters()

    package init(
        options: LogTailerOptions, recovery: TailLedger.Recovery, journal: any LedgerJournal, sink: any LogSink,
        compressor: any Compressor
    ) {
        self.options = options
        self.journal = journal
        self.sink = sink
        self.compressor = compressor
        ledger = recovery.ledger
        resends = recovery.unacknowledged.reversed()
        isFirstStart = recovery.ledger.isPristine
        builder = LogBlockBuilder()
        parsed.recordsPoints = true
        unsafe slab = UnsafeMutableRawBufferPointer.allocate(
            byteCount: options.slabBytes + LogLimits.tailMarkerBytes, alignment: 16)
        isPolling = options.usesPolling
        queue = options.usesPolling ? nil : InotifyQueue()
        if queue == nil, !options.usesPolling {
            isPolling = true
            counters.faults[.watchLimit, default: 0] += 1
        }
        counters.damagedJournalRecords = recovery.damagedRecords
    }

    deinit {
        for file in files.values where file.isOpen { close(file.descriptor) }
        unsafe slab.deallocate()
    }

    /// To be polled for events; -1 when there are none.
    package var eventDescriptor: Int32 { queue?.descriptor ?? -1 }

    // MARK: Events from the owner

    /// The files to be read from now on. Files of sources that are no longer named are read to where they end now, and
    /// what was read of them stays known.
    package func sourcesChanged(_ wanted: [LogSource], now: Instant) {
        sources = wanted.compactMap { source in
            guard let glob = LogGlob(source.glob) else {
                fault(.invalidGlob)
                return nil
            }
            return (source, glob)
        }
        for pipeline in pipelines.values { endedEdge += pipeline.counters }
        pipelines = [:]
        for (number, entry) in sources.enumerated() where !entry.source.processing.isEmpty {
            pipelines[number] = EdgePipeline(entry.source.processing)
        }
        for id in files.keys.sorted() { assignSource(id, now: now) }
        reconcileAt = now
    }

    /// A session began; the coordinator holds everything up to `durable`.
    package func welcomed(durable: UInt64) {
        record(ledger.welcomed(durable: durable))
        isWelcomed = true
    }

    /// The coordinator holds everything up to `sequence`.
    package func acknowledged(through sequence: UInt64) { record(ledger.acknowledged(through: sequence)) }

    // MARK: The turn

    /// Does what can be done now. Returns when to turn again at the latest; events and calls of the owner come earlier.
    package func turn(now: Instant) -> Instant {
        takeEvents(now: now)
        if now >= reconcileAt { reconcile(now: now) }
        var canGoOn = commit(now: now)
        if isWelcomed, hasReconciled, canGoOn {
            resend(now: now)
            if resends.isEmpty { visitDueFiles(now: now) }
            canGoOn = commit(now: now)
        }
        if now >= nextExpiry {
            record(ledger.expired(now: now))
            dropForgottenFiles()
            nextExpiry = now + .minutes(1)
        }
        publishGauges()
        return canGoOn ? nextWake(now: now) : journalRetryAt
    }

    private func nextWake(now: Instant) -> Instant {
        var wake = min(reconcileAt, nextExpiry)
        guard isWelcomed, hasRoom else { return wake }
        if !resends.isEmpty { return max(now, resendRetryAt) }
        for id in dueFiles {
            if let due = files[id]?.due { wake = min(wake, due) }
        }
        return wake
    }

    /// True while one block more may be cut.
    var hasRoom: Bool {
        batch.count < options.blocksPerSync && ledger.canCut && sink.canCut(undelivered: batch.count)
    }

    private func publishGauges() {
        counters.files = files.count
        counters.openFiles = openCount
        counters.watchedDirectories = watches.count
        counters.pendingBlocks = ledger.pending.count
        counters.isPolling = isPolling
        counters.lostLines = ledger.lostLines
        counters.edge = endedEdge
        for pipeline in pipelines.values { counters.edge += pipeline.counters }
    }

    func fault(_ fault: LogTailFault) { counters.faults[fault, default: 0] += 1 }

    // MARK: The journal

    func record(_ records: [[UInt8]]) { unjournalled += records }

    /// Writes what has to be written, then delivers what was waiting for it. False while the journal does not take it.
    private func commit(now: Instant) -> Bool {
        guard now >= journalRetryAt else { return false }
        guard !unjournalled.isEmpty || !batch.isEmpty else { return true }
        do throws(LedgerJournalError) {
            var written = 0
            defer { unjournalled.removeFirst(written) }
            for record in unjournalled {
                try journal.append(record)
                journalledBytes += record.count
                written += 1
            }
            if !batch.isEmpty || hasNewSources { try journal.sync() }
            hasNewSources = false
        } catch {
            fault(.journalFailed)
            guard writeAnew() else {
                journalRetryAt = now + options.retryInterval
                return false
            }
        }
        for block in batch { sink.blockCut(block) }
        batch.removeAll(keepingCapacity: true)
        compactIfDue(now: now)
        return true
    }

    /// A journal that failed may take nothing more: a new one with all that is known, what was just to be written
    /// included, takes its place.
    private func writeAnew() -> Bool {
        do throws(LedgerJournalError) {
            try journal.compact(to: ledger.snapshot())
        } catch {
            return false
        }
        unjournalled.removeAll(keepingCapacity: true)
        hasNewSources = false
        journalledBytes = 0
        return true
    }

    private func compactIfDue(now: Instant) {
        guard journalledBytes >= options.compactBytes else { return }
        do throws(LedgerJournalError) {
            try journal.compact(to: ledger.snapshot())
            journalledBytes = 0
        } catch {
            // The journal as it is stays valid; try again after as much has been written once more.
            fault(.journalFailed)
            journalledBytes = options.compactBytes / 2
        }
    }

    // MARK: Files

    /// Asks for a visit: at once when the file was quiet, else when its interval is over.
    func touch(_ id: TailedSource.ID, now: Instant) {
        guard let file = files[id], !file.isRetired || file.place != .named else { return }
        let wanted = max(now, file.lastVisit + options.flushInterval)
        if let due = file.due, due <= wanted { return }
        schedule(id, at: wanted)
    }

    func schedule(_ id: TailedSource.ID, at due: Instant?) {
        files[id]?.due = due
        if due == nil { dueFiles.remove(id) } else { dueFiles.insert(id) }
    }

    /// Opens the file's descriptor if need be; false when that file is no longer where it was.
    func openIfNeeded(_ id: TailedSource.ID, now: Instant) -> Bool {
        uses += 1
        files[id]?.lastUse = uses
        guard let file = files[id] else { return false }
        if file.isOpen { return true }
        do throws(FileFacts.Failure) {
            let descriptor = try Descriptor.open(file.path)
            guard let facts = try? FileFacts.of(descriptor), Self.isSame(facts.identity, file.identity) else {
                close(descriptor)
                return false
            }
            files[id]?.descriptor = descriptor
            openCount += 1
            closeLeastUsed(except: id)
            return true
        } catch {
            guard error.code != ENOENT else { return false }
            fault(error.code == EACCES || error.code == EPERM ? .permissionDenied : .openFailed)
            return false
        }
    }

    func closeDescriptor(_ id: TailedSource.ID) {
        guard let file = files[id], file.isOpen else { return }
        close(file.descriptor)
        files[id]?.descriptor = -1
        openCount -= 1
    }

    /// Closes idle files when too many are open: an eighth at once, so that a full table is not searched for every
    /// file. Files with nothing to read go first; a deleted or moved file keeps its descriptor.
    func closeLeastUsed(except kept: TailedSource.ID) {
        guard openCount > options.maxOpenFiles else { return }
        let closable = files.values.filter { file in
            file.isOpen && file.id != kept && file.place == .named
        }
        let order = closable.sorted { a, b in
            (a.due == nil ? 0 : 1, a.lastUse) < (b.due == nil ? 0 : 1, b.lastUse)
        }
        for file in order.prefix(max(1, options.maxOpenFiles / 8)) { closeDescriptor(file.id) }
    }

    /// Lets a file go for good; what is pending of it stays in the ledger until it is acknowledged.
    func end(_ id: TailedSource.ID) {
        record(ledger.sourceEnded(id))
        removeFile(id)
    }

    func removeFile(_ id: TailedSource.ID) {
        guard let file = files[id] else { return }
        closeDescriptor(id)
        if names[file.path] == id { names[file.path] = nil }
        if byInode[InodeKey(file.identity)] == id { byInode[InodeKey(file.identity)] = nil }
        files[id] = nil
        dueFiles.remove(id)
    }

    private func dropForgottenFiles() {
        for id in Array(files.keys) where ledger.sources[id] == nil { removeFile(id) }
    }

    /// Births are compared only when both are known.
    static func isSame(_ a: FileIdentity, _ b: FileIdentity) -> Bool {
        a.device == b.device && a.inode == b.inode && (a.birth == b.birth || a.birth == 0 || b.birth == 0)
    }
}
