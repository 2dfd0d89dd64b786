package import MusterModel

/// The agent's memory of rollout steps. It decides whether a step that arrives is executed, answered from memory or
/// refused, so that a key is executed at most once whatever crashes on either side.
///
/// A method that returns a record means: append it and sync it, then act. After a crash `recovered` is given every
/// record in order and names the steps whose end is not known; the executor resumes those, it never starts them anew.
///
/// The states of a key:
///
///     (unknown) --stepReceived--> executing --finished--> finished --reported--> reported --compacted--> (forgotten)
///
/// Any other event leaves a key where it is: a step received again is answered, an end or a report that does not fit is
/// ignored. A forgotten key cannot come back: it is forgotten only after its step expired, and `expiredThrough`, which
/// is kept for ever, refuses everything that expires no later, even when the clock has stepped back.
package struct StepJournal: Sendable {
    package enum Receipt: Equatable, Sendable {
        /// Append and sync `record`, then execute the step.
        case execute(record: [UInt8])
        /// The step was executed before; nothing is to be done but to tell its outcome again.
        case answer(StepOutcome)
        case inProgress
        case refuse(reason: String)
    }

    enum Progress: Equatable {
        case executing
        case finished(StepOutcome)
        case reported(StepOutcome)
    }

    struct Entry: Equatable {
        var step: RolloutStep
        var progress: Progress
    }

    /// Keys that are remembered. When so many are unexpired or unreported, further steps are refused.
    package static let keyLimit = 512
    /// Steps that may be executing at one time.
    package static let executingLimit = 8
    /// Records appended since the last compaction that make another one worth it.
    package static let compactionRecords = 1_024

    package let host: HostID
    private(set) var entries: [StepKey: Entry] = [:]
    /// The highest epoch of an accepted step.
    package private(set) var epoch: UInt64 = 0
    /// Steps that expire no later are refused as expired.
    package private(set) var expiredThrough = Instant.distantPast
    private var appendedRecords = 0

    package init(host: HostID) { self.host = host }

    /// The steps whose intent is journalled and whose end is not, in the order of their keys.
    package var unfinished: [RolloutStep] {
        sortedEntries.compactMap { $0.progress == .executing ? $0.step : nil }
    }

    /// Outcomes the coordinator has not confirmed, in the order of their keys. They are told again after a reconnect.
    package var unreported: [(key: StepKey, outcome: StepOutcome)] {
        sortedEntries.compactMap { entry in
            guard case .finished(let outcome) = entry.progress else { return nil }
            return (entry.step.key, outcome)
        }
    }

    package mutating func stepReceived(_ step: RolloutStep, now: Instant) -> Receipt {
        if let known = entries[step.key] { return receipt(of: known, for: step) }
        if let reason = refusal(of: step, now: now) { return .refuse(reason: reason) }
        let record = StepRecord.intent(step)
        guard let bytes = record.encoded() else {
            return .refuse(reason: "step \(step.key) is larger than the \(StepRecord.bytesLimit) bytes a step may have")
        }
        apply(record)
        appendedRecords += 1
        return .execute(record: bytes)
    }

    /// The record to append and sync before the outcome is told; nil when the key is not executing.
    package mutating func finished(_ key: StepKey, _ outcome: StepOutcome) -> [UInt8]? {
        guard entries[key]?.progress == .executing else { return nil }
        let record = StepRecord.finished(key, outcome.bounded())
        apply(record)
        appendedRecords += 1
        return record.encoded()
    }

    /// The coordinator has the outcome durably. The record may be appended without waiting: lost, the outcome is told
    /// once more. Nil when there was nothing to report.
    package mutating func reported(_ key: StepKey) -> [UInt8]? {
        guard case .finished = entries[key]?.progress else { return nil }
        let record = StepRecord.reported(key)
        apply(record)
        appendedRecords += 1
        return record.encoded()
    }

    /// Rebuilds the memory of an earlier process and names the steps to resume. A record that cannot be read is an
    /// error of the disk: the caller must not execute steps before a person has looked.
    package mutating func recovered(_ records: some Sequence<[UInt8]>) throws(StepRecordError) -> [RolloutStep] {
        for record in records {
            apply(try StepRecord(decoding: record))
            appendedRecords += 1
        }
        return unfinished
    }

    /// Whether `compacted` would shorten the journal by much.
    package var isCompactionDue: Bool {
        appendedRecords >= Self.compactionRecords && appendedRecords > 4 * entries.count
    }

    /// Forgets what is reported and expired, and gives the records that say all that is left. They replace the whole
    /// journal.
    package mutating func compacted(now: Instant) -> [[UInt8]] {
        forgetExpired(now: now)
        var records = [StepRecord.floor(epoch: epoch, expiredThrough: expiredThrough)]
        for entry in sortedEntries {
            records.append(.intent(entry.step))
            switch entry.progress {
            case .executing: break
            case .finished(let outcome): records.append(.finished(entry.step.key, outcome))
            case .reported(let outcome): records += [.finished(entry.step.key, outcome), .reported(entry.step.key)]
            }
        }
        appendedRecords = records.count
        return records.compactMap { $0.encoded() }
    }

    private var sortedEntries: [Entry] { entries.values.sorted { $0.step.key < $1.step.key } }

    private mutating func forgetExpired(now: Instant) {
        for (key, entry) in entries {
            guard case .reported = entry.progress, entry.step.expiresAt <= now else { continue }
            expiredThrough = max(expiredThrough, entry.step.expiresAt)
            entries[key] = nil
        }
    }
}

extension StepJournal {
    private func receipt(of known: Entry, for step: RolloutStep) -> Receipt {
        // A coordinator that took over sends an unanswered step again under its own epoch and expiry.
        guard known.step.action == step.action, known.step.host == step.host else {
            return .refuse(reason: "step \(step.key) was received before with another content; use a new attempt")
        }
        return switch known.progress {
        case .executing: .inProgress
        case .finished(let outcome), .reported(let outcome): .answer(outcome)
        }
    }

    /// Why a step of an unknown key is not executed; nil when it is.
    private mutating func refusal(of step: RolloutStep, now: Instant) -> String? {
        if step.host != host { return "step \(step.key) is for host \(step.host); this is \(host)" }
        if !NameSpelling.isValid(step.step) || step.attempt < 1 {
            return "step \(step.key) has no valid name or attempt"
        }
        if step.epoch < epoch {
            return "step \(step.key) is of epoch \(step.epoch); this host has accepted epoch \(epoch)"
        }
        if step.expiresAt <= now || step.expiresAt <= expiredThrough {
            return "step \(step.key) expired \((now - step.expiresAt).shortText) ago, by this host's clock"
        }
        let siblings = entries.values.filter { $0.step.rollout == step.rollout && $0.step.step == step.step }
        if let later = siblings.map(\.step.attempt).max(), later > step.attempt {
            return "step \(step.key) is older than attempt \(later), which this host knows"
        }
        if let running = siblings.first(where: { $0.progress == .executing }) {
            return "attempt \(running.step.attempt) of step \(step.rollout)/\(step.step) is still executing"
        }
        if entries.values.count(where: { $0.progress == .executing }) >= Self.executingLimit {
            return "\(Self.executingLimit) steps are executing on this host; try again when one has ended"
        }
        if entries.count >= Self.keyLimit { forgetExpired(now: now) }
        if entries.count >= Self.keyLimit {
            return "this host remembers \(Self.keyLimit) steps that have not expired; try again later"
        }
        return nil
    }

    private mutating func apply(_ record: StepRecord) {
        switch record {
        case .intent(let step):
            if entries[step.key] == nil { entries[step.key] = Entry(step: step, progress: .executing) }
            epoch = max(epoch, step.epoch)
        case .finished(let key, let outcome):
            if entries[key]?.progress == .executing { entries[key]?.progress = .finished(outcome) }
        case .reported(let key):
            if case .finished(let outcome)? = entries[key]?.progress { entries[key]?.progress = .reported(outcome) }
        case .floor(let epoch, let expiredThrough):
            self.epoch = max(self.epoch, epoch)
            self.expiredThrough = max(self.expiredThrough, expiredThrough)
        }
    }
}
