import Logging
import MusterHost
import MusterModel
import MusterProtocol
import MusterRollouts
import MusterStore
import MusterTransport
import MusterWire
import Synchronization

/// Carries out rollout steps: the journal decides, is on disk before anything is touched, and answers what comes twice.
final class StepRunner: Sendable {
    /// Steps that may wait to be begun.
    static let waitingMax = 64

    private struct State {
        var machine: StepJournal
        /// Why the journal took nothing the last time.
        var failure: StoreError?
    }

    /// Locked while the disk writes: memory and journal change together or not at all, and a journal that is written
    /// anew misses nothing that somebody else has just written.
    private let state: Mutex<State>
    private let journal: Journal
    /// Steps that expire no later may be known to the part of the journal that was lost.
    private let lostThrough: Instant?
    private let executor: ContainerReplacement?
    private let uplink: Uplink
    private let clock: MachineClock
    private let logger: Logger
    private let steps: AsyncStream<RolloutStep>
    private let queue: AsyncStream<RolloutStep>.Continuation

    /// `executor` nil: this host does not let rollouts touch its containers.
    init(
        host: HostID, journal: Journal, recovery: Journal.Recovery, executor: ContainerReplacement?, uplink: Uplink,
        clock: MachineClock, logger: Logger
    ) throws(StepRecordError) {
        var machine = StepJournal(host: host)
        var records = recovery.records
        if recovery.quarantined != nil || recovery.damagedRegions > 0 {
            // A step that is on its way may have been executed before its record was lost.
            let through = clock.now + Rollout.Timing.offer + Rollout.Timing.clockSkew
            if let floor = StepRecord.floor(epoch: 0, expiredThrough: through).encoded() { records.append(floor) }
            lostThrough = through
        } else {
            lostThrough = nil
        }
        let unfinished = try machine.recovered(records)
        state = Mutex(State(machine: machine))
        self.journal = journal
        self.executor = executor
        self.uplink = uplink
        self.clock = clock
        self.logger = logger
        (steps, queue) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.waitingMax))
        for step in unfinished {
            logger.notice("a rollout step was interrupted and is taken up again", metadata: ["step": "\(step.key)"])
            queue.yield(step)
        }
        // The next start must find what this one concluded, and not the damage again.
        if let lostThrough {
            logger.warning("rollout steps are refused for a while", metadata: ["expiringUntil": "\(lostThrough)"])
            _ = state.withLock { rewrite(&$0, after: "a part of it was lost") }
        }
    }

    // MARK: Events

    func received(_ step: RolloutStep) {
        guard executor != nil else {
            report(
                step.key, .finished(.refused(reason: "this host does not take rollouts (actions.containers is false)")))
            return
        }
        let receipt = state.withLock { state -> StepJournal.Receipt in
            let before = state.machine
            let receipt = state.machine.stepReceived(step, now: clock.now)
            guard case .execute(let record) = receipt, !persist(record, &state) else { return receipt }
            // Nothing was begun, so nothing is remembered: the same key is tried again when it comes again.
            state.machine = before
            return .refuse(reason: "the host's journal cannot be written")
        }
        switch receipt {
        case .execute:
            report(step.key, .accepted)
            queue.yield(step)
        case .answer(let outcome): report(step.key, .finished(outcome))
        case .inProgress: report(step.key, .accepted)
        case .refuse(var reason):
            if let lostThrough, step.expiresAt <= lostThrough {
                reason += "; the step journal was damaged: what expires by \(lostThrough) may have been executed"
            }
            logger.warning("rollout step refused", metadata: ["step": "\(step.key)", "reason": "\(reason)"])
            report(step.key, .finished(.refused(reason: reason)))
        }
    }

    /// The coordinator has the outcome on its disk.
    func stored(_ key: StepKey) {
        state.withLock { state in
            // Lost, the outcome is told once more: nothing waits for this record.
            if let record = state.machine.reported(key) { _ = persist(record, &state) }
            guard state.machine.isCompactionDue else { return }
            do throws(StoreError) {
                try compact(&state)
            } catch {
                note(error, &state)
            }
        }
    }

    /// A link is up: outcomes that nobody confirmed are told again.
    func connected() {
        for (key, outcome) in state.withLock({ $0.machine.unreported }) { report(key, .finished(outcome)) }
    }

    // MARK: The loop

    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.mend() }
            for await step in steps { group.addTask { await self.execute(step) } }
        }
    }

    private func execute(_ step: RolloutStep) async {
        guard let executor else { return }
        logger.notice("rollout step begins", metadata: ["step": "\(step.key)"])
        let outcome: StepOutcome
        do throws(CancellationError) {
            outcome = try await executor.execute(step)
        } catch {
            // The agent stops: the journal says that the step is not finished, and the next process takes it up.
            return
        }
        logger.notice("rollout step ended", metadata: ["step": "\(step.key)", "outcome": "\(outcome)"])
        // Without the record the outcome is found again from what Docker shows; telling it early would be a promise.
        while !finish(step.key, outcome) {
            try? await Task.sleep(for: .seconds(1))
            guard !Task.isCancelled else { return }
        }
        report(step.key, .finished(outcome))
    }

    /// False when the outcome is not on the disk; then memory does not know it either, and nobody who asks is told.
    private func finish(_ key: StepKey, _ outcome: StepOutcome) -> Bool {
        state.withLock { state in
            let before = state.machine
            guard let record = state.machine.finished(key, outcome), !persist(record, &state) else { return true }
            state.machine = before
            return false
        }
    }

    // MARK: The journal

    /// A write that failed may have left on the disk what was taken back in memory. That must not wait for the next
    /// step: a restart would go by it.
    private func mend() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            guard journal.isSuspect else { continue }
            _ = state.withLock { rewrite(&$0, after: "an earlier write failed") }
        }
    }

    /// Makes durable what the machine has just decided.
    private func persist(_ record: [UInt8], _ state: inout State) -> Bool {
        do throws(StoreError) {
            try journal.append([record])
            try journal.sync()
            state.failure = nil
            return true
        } catch {
            return rewrite(&state, after: "\(error)")
        }
    }

    /// A journal that failed takes nothing more: a new one with all that is known, the latest included, takes its
    /// place.
    private func rewrite(_ state: inout State, after reason: String) -> Bool {
        do throws(StoreError) {
            try compact(&state)
            state.failure = nil
            logger.warning("the step journal was written anew", metadata: ["reason": "\(reason)"])
            return true
        } catch {
            note(error, &state, after: reason)
            return false
        }
    }

    /// What the journal forgets is forgotten in memory only when the disk has done it.
    private func compact(_ state: inout State) throws(StoreError) {
        var kept = state.machine
        try journal.compact(kept.compacted(now: clock.now))
        state.machine = kept
    }

    /// Says why the journal takes nothing when that changes, and not every time it is tried.
    private func note(_ error: StoreError, _ state: inout State, after reason: String = "it has grown") {
        guard state.failure != error else { return }
        state.failure = error
        logger.error(
            "the step journal cannot be written anew", metadata: ["reason": "\(error)", "because": "\(reason)"])
    }

    private func report(_ key: StepKey, _ report: StepReport) {
        guard let payload = try? AgentMessage.stepReport(key, report).encoded() else { return }
        uplink.enqueue(.control, codec: 0, payload: payload)
    }
}
