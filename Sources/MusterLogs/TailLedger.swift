package import DequeModule
package import MusterModel

/// What was read, sent and acknowledged of every tailed file.
///
/// Every event gives the records that have to be appended to the journal, in order. A record of `blockCut` has to be
/// durable before its block is sent; all other records may reach the disk later, their loss only repeats work.
///
/// A source: present -> vanished -> present, vanished -> forgotten (after `LogLimits.vanishedRetention`); present,
/// vanished -> gone -> forgotten (when none of its ranges is pending). A range: cut -> acknowledged or lost. Sequences
/// strictly increase from 1 and are never used again: the highest one ever cut is in the journal before it leaves the
/// host.
package struct TailLedger {
    package private(set) var sources: [TailedSource.ID: TailedSource] = [:]
    /// Cut and neither acknowledged nor lost, in the order of sequence.
    package private(set) var pending: Deque<TailedRange> = []
    package private(set) var nextSequence: UInt64 = 1
    /// The highest cumulative acknowledgement.
    package private(set) var acknowledgedSequence: UInt64 = 0
    /// Ranges that can never be delivered, and the lines in them.
    package private(set) var lostRanges = 0
    package private(set) var lostLines = 0
    /// Acknowledgements for sequences that were never cut.
    package private(set) var strangeAcknowledgements = 0
    private var nextSource: UInt64 = 1
    private var pendingCounts: [TailedSource.ID: Int] = [:]
    private let sourceLimit: Int

    /// A ledger that knows nothing.
    package init(sourceLimit: Int = LogLimits.tailedFiles) { self.sourceLimit = sourceLimit }

    /// True until the first source: the agent's first start.
    package var isPristine: Bool { nextSource == 1 && nextSequence == 1 }
    package var canCut: Bool { pending.count < LogLimits.pendingRanges && nextSequence < UInt64.max - 1 }

    /// A new source together with the records to append; `source` is nil when `sourceLimit` files are known and none of
    /// them can be forgotten.
    package struct Found {
        package var source: TailedSource.ID?
        package var records: [[UInt8]]
    }

    /// A file that is new to the ledger, to be read from `offset`. `tail` stands for the bytes before `offset`.
    package mutating func sourceFound(
        _ identity: FileIdentity, kind: LogFileKind, path: String, labels: Labels, at offset: UInt64,
        tail: ContentMarker = .none
    ) -> Found {
        var records: [[UInt8]] = []
        if sources.count >= sourceLimit {
            guard let oldest = oldestVanished() else { return Found(source: nil, records: []) }
            records += goneRecords(oldest)
        }
        guard path.utf8.count <= LogLimits.pathBytes, nextSource < UInt64.max, offset <= UInt64(Int64.max) else {
            return Found(source: nil, records: records)
        }
        let id = TailedSource.ID(number: nextSource)
        nextSource += 1
        let source = TailedSource(
            id: id, identity: identity, kind: kind, path: path, labels: labels.bounded, head: .none, tail: tail,
            read: offset, acknowledged: offset)
        sources[id] = source
        records.append(TailRecord.source(source).encoded())
        return Found(source: id, records: records)
    }

    /// The file was renamed, found again or labelled anew, or its head became known.
    package mutating func sourceChanged(
        _ id: TailedSource.ID, path: String? = nil, labels: Labels? = nil, head: ContentMarker? = nil
    ) -> [[UInt8]] {
        guard var source = sources[id], source.presence != .gone else { return [] }
        if let path, path.utf8.count <= LogLimits.pathBytes { source.path = path }
        if let labels { source.labels = labels.bounded }
        if let head { source.head = head }
        source.presence = .present
        guard source != sources[id] else { return [] }
        sources[id] = source
        return [TailRecord.source(source).encoded()]
    }

    /// No name leads to the file any more.
    package mutating func sourceVanished(_ id: TailedSource.ID, now: Instant) {
        guard let source = sources[id], source.presence == .present else { return }
        sources[id]?.presence = .vanished(since: now)
    }

    /// The file was deleted and read to its end, or truncated: what is pending of it can only come from memory.
    package mutating func sourceEnded(_ id: TailedSource.ID) -> [[UInt8]] {
        guard var source = sources[id], source.presence != .gone else { return [] }
        source.presence = .gone
        sources[id] = source
        if pendingCounts[id] == nil { return forget(id) }
        return [TailRecord.source(source).encoded()]
    }

    /// Forgets sources that vanished too long ago.
    package mutating func expired(now: Instant) -> [[UInt8]] {
        let old = sources.values.filter { source in
            guard case .vanished(let since) = source.presence else { return false }
            return now - since >= LogLimits.vanishedRetention
        }
        return old.map(\.id).sorted().flatMap { goneRecords($0) }
    }

    /// A block and the record that makes its sequence and range durable.
    package struct Cut {
        package var sequence: UInt64
        package var record: [UInt8]
    }

    /// A block was cut from `start..<end` of a source. Nil, and a fault of the caller, when the range is empty or not
    /// behind what was read, the source is unknown, or `canCut` is false.
    package mutating func blockCut(
        _ id: TailedSource.ID, start: UInt64, end: UInt64, lineCount: Int, arrival: Instant, tail: ContentMarker
    ) -> Cut? {
        guard canCut, let source = sources[id], start >= source.read, start < end, end <= UInt64(Int64.max) else {
            return nil
        }
        let range = TailedRange(
            sequence: nextSequence, source: id, start: start, end: end, lineCount: lineCount, arrival: arrival,
            tail: tail)
        apply(range)
        return Cut(sequence: range.sequence, record: TailRecord.cut(range).encoded())
    }

    /// The coordinator holds everything up to `sequence`. Sequences that were never cut do not count.
    package mutating func acknowledged(through sequence: UInt64) -> [[UInt8]] {
        if sequence >= nextSequence { strangeAcknowledgements += 1 }
        return settle(through: min(sequence, nextSequence - 1))
    }

    /// A session begins: the coordinator holds everything up to `durable`. When that is more than was ever cut, this
    /// state is older than the coordinator's (a restored backup): sequences go on behind the coordinator's.
    package mutating func welcomed(durable: UInt64) -> [[UInt8]] {
        if durable >= nextSequence, durable < UInt64.max - 1 { nextSequence = durable + 1 }
        return settle(through: min(durable, nextSequence - 1))
    }

    /// A pending range can not be read any more. The sequence stays unused for ever.
    package mutating func rangeLost(_ sequence: UInt64) -> [[UInt8]] {
        guard let index = pending.firstIndex(where: { $0.sequence == sequence }) else { return [] }
        let range = pending.remove(at: index)
        lostRanges += 1
        lostLines += range.lineCount
        return [TailRecord.lost(sequence).encoded()] + release(range)
    }

    /// All that has to be known, as records that can stand at the beginning of a new journal.
    package func snapshot() -> [[UInt8]] {
        let start = TailRecord.snapshot(
            nextSequence: nextSequence, nextSource: nextSource, acknowledged: acknowledgedSequence)
        return [start.encoded()]
            + sources.values.sorted { $0.id < $1.id }.map { TailRecord.source($0).encoded() }
            + pending.map { TailRecord.cut($0).encoded() }
    }

    private mutating func settle(through sequence: UInt64) -> [[UInt8]] {
        guard sequence > acknowledgedSequence else { return [] }
        acknowledgedSequence = sequence
        var records = [TailRecord.acknowledged(sequence).encoded()]
        while let range = pending.first, range.sequence <= sequence {
            pending.removeFirst()
            if let source = sources[range.source] {
                sources[range.source]?.acknowledged = max(source.acknowledged, range.end)
            }
            records += release(range)
        }
        return records
    }

    /// A range is no longer pending: a source that is gone goes with its last one.
    private mutating func release(_ range: TailedRange) -> [[UInt8]] {
        let left = (pendingCounts[range.source] ?? 1) - 1
        pendingCounts[range.source] = left > 0 ? left : nil
        guard left <= 0, sources[range.source]?.presence == .gone else { return [] }
        return forget(range.source)
    }

    private mutating func apply(_ range: TailedRange) {
        pending.append(range)
        pendingCounts[range.source, default: 0] += 1
        sources[range.source]?.read = range.end
        sources[range.source]?.tail = range.tail
        nextSequence = range.sequence + 1
    }

    private mutating func forget(_ id: TailedSource.ID) -> [[UInt8]] {
        sources[id] = nil
        return [TailRecord.forgotten(id).encoded()]
    }

    /// Gives up on a source with what is pending of it.
    private mutating func goneRecords(_ id: TailedSource.ID) -> [[UInt8]] {
        let lost = pending.filter { $0.source == id }.map(\.sequence)
        return lost.flatMap { rangeLost($0) } + sourceEnded(id)
    }

    private func oldestVanished() -> TailedSource.ID? {
        let vanished = sources.values.compactMap { source -> (Instant, TailedSource.ID)? in
            guard case .vanished(let since) = source.presence else { return nil }
            return (since, source.id)
        }
        return vanished.min { $0 < $1 }?.1
    }
}

extension TailLedger {
    /// A ledger made from a journal.
    package struct Recovery {
        package var ledger: TailLedger
        /// To be read again and sent under their own sequences, before anything new.
        package var unacknowledged: [TailedRange]
        /// Records that could not be read and were passed over.
        package var damagedRecords: Int
    }

    /// Numbers left out after a damaged record, in case it held a sequence.
    package static let sequenceReserve: UInt64 = 4_096

    /// Reads a journal's records, oldest first. A damaged record is counted and passed over; because it may have held
    /// the highest sequence, numbering goes on `sequenceReserve` further.
    package static func recovered(
        from records: some Sequence<[UInt8]>, sourceLimit: Int = LogLimits.tailedFiles
    ) -> Recovery {
        var ledger = TailLedger(sourceLimit: sourceLimit)
        var damaged = 0
        for bytes in records {
            if let record = try? TailRecord(decoding: bytes), ledger.replay(record) { continue }
            damaged += 1
        }
        if damaged > 0 {
            ledger.nextSequence = min(ledger.nextSequence, UInt64.max - 2 * sequenceReserve) + sequenceReserve
        }
        return Recovery(ledger: ledger, unacknowledged: Array(ledger.pending), damagedRecords: damaged)
    }

    /// False when the record contradicts those before it.
    private mutating func replay(_ record: TailRecord) -> Bool {
        switch record {
        case .snapshot(let sequence, let source, let acknowledged):
            guard sequence > 0, source > 0, acknowledged < sequence else { return false }
            self = TailLedger(sourceLimit: sourceLimit)
            nextSequence = sequence
            nextSource = source
            acknowledgedSequence = acknowledged
        case .source(let source):
            guard source.id.number < UInt64.max, source.id.number > 0 else { return false }
            // What was cut since the record was written is known better from the cuts themselves.
            var merged = source
            if let known = sources[source.id] {
                merged.acknowledged = max(known.acknowledged, source.acknowledged)
                if known.read > source.read { (merged.read, merged.tail) = (known.read, known.tail) }
            }
            sources[source.id] = merged
            nextSource = max(nextSource, source.id.number + 1)
        case .cut(let range):
            return replay(range)
        case .acknowledged(let sequence):
            guard sequence < UInt64.max else { return false }
            nextSequence = max(nextSequence, sequence + 1)
            _ = settle(through: sequence)
        case .lost(let sequence):
            _ = rangeLost(sequence)
            (lostRanges, lostLines) = (0, 0)
        case .forgotten(let id):
            sources[id] = nil
            pending.removeAll { $0.source == id }
            pendingCounts[id] = nil
        }
        return true
    }

    private mutating func replay(_ range: TailedRange) -> Bool {
        let isAfterLast = pending.last.map { range.sequence > $0.sequence } ?? true
        guard sources[range.source] != nil, isAfterLast, range.sequence > acknowledgedSequence,
            pending.count < LogLimits.pendingRanges
        else {
            nextSequence = max(nextSequence, range.sequence + 1)
            return false
        }
        let known = nextSequence
        let source = sources[range.source]
        apply(range)
        nextSequence = max(known, nextSequence)
        if let source, source.read > range.end {
            sources[range.source]?.read = source.read
            sources[range.source]?.tail = source.tail
        }
        return true
    }
}
