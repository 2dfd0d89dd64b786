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

    private let machine: Mutex<StepJournal>
    private let journal: Journal
    private let executor: ContainerReplacement?
    private let uplink: Uplink
    private let clock: MachineClock
    private let logger: Logger
    private let steps: AsyncStream<RolloutStep>
    private let queue: AsyncStream<RolloutStep>.Continuation

    /// `executor` nil: this host does not let rollouts touch its containers.
    init(
        host: HostID, journal: Journal, records: [[UInt8]], executor: ContainerReplacement?, uplink: Uplink,
        clock: MachineClock, logger: Logger
    ) throws(StepRecordError) {
        var machine = StepJournal(host: host)
        let unfinished = try machine.recovered(records)
        self.machine = Mutex(machine)
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
    }

    // MARK: Events

    func received(_ step: RolloutStep) {
        guard executor != nil else {
            report(
                step.key, .finished(.refused(reason: "this host does not take rollouts (actions.containers is false)")))
            return
        }
        switch machine.withLock({ $0.stepReceived(step, now: clock.now) }) {
        case .execute(let record):
            guard persist([record]) else {
                report(step.key, .finished(.refused(reason: "the host's journal cannot be written")))
                return
            }
            report(step.key, .accepted)
            queue.yield(step)
        case .answer(let outcome): report(step.key, .finished(outcome))
        case .inProgress: report(step.key, .accepted)
        case .refuse(let reason):
            logger.warning("rollout step refused", metadata: ["step": "\(step.key)", "reason": "\(reason)"])
            report(step.key, .finished(.refused(reason: reason)))
        }
    }

    /// The coordinator has the outcome on its disk.
    func stored(_ key: StepKey) {
        if let record = machine.withLock({ $0.reported(key) }) { _ = persist([record]) }
        let compacted = machine.withLock { machine in
            machine.isCompactionDue ? machine.compacted(now: clock.now) : nil
        }
        guard let compacted else { return }
        do throws(StoreError) {
            try journal.compact(compacted)
        } catch {
            logger.warning("the step journal cannot be compacted", metadata: ["reason": "\(error)"])
        }
    }

    /// A link is up: outcomes that nobody confirmed are told again.
    func connected() {
        for (key, outcome) in machine.withLock({ $0.unreported }) { report(key, .finished(outcome)) }
    }

    // MARK: The loop

    func run() async {
        await withDiscardingTaskGroup { group in
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
        guard let record = machine.withLock({ $0.finished(step.key, outcome) }) else { return }
        // Without the record the outcome is found again from what Docker shows; telling it early would be a promise.
        while !persist([record]) {
            try? await Task.sleep(for: .seconds(1))
            guard !Task.isCancelled else { return }
        }
        report(step.key, .finished(outcome))
    }

    private func persist(_ records: [[UInt8]]) -> Bool {
        do throws(StoreError) {
            try journal.append(records)
            try journal.sync()
            return true
        } catch {
            logger.error("the step journal cannot be written", metadata: ["reason": "\(error)"])
            return false
        }
    }

    private func report(_ key: StepKey, _ report: StepReport) {
        guard let payload = try? AgentMessage.stepReport(key, report).encoded() else { return }
        uplink.enqueue(.control, codec: 0, payload: payload)
    }
}
