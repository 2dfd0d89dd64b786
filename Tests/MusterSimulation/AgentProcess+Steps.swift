import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

/// What is done when the step journal's record of it is on the disk.
enum StepFollowUp {
    case execute(RolloutStep)
    case tell(StepKey, StepOutcome)
}

/// Messages about steps, both ways: a tag and a record of the step journal's own format.
enum StepMessage {
    case step(RolloutStep)
    case stored(StepKey)
    case accepted(StepKey)
    case finished(StepKey, StepOutcome)

    var payload: [UInt8] {
        switch self {
        case .step(let step): [0] + (StepRecord.intent(step).encoded() ?? [])
        case .stored(let key): [1] + (StepRecord.reported(key).encoded() ?? [])
        case .accepted(let key): [2] + (StepRecord.reported(key).encoded() ?? [])
        case .finished(let key, let outcome): [3] + (StepRecord.finished(key, outcome).encoded() ?? [])
        }
    }

    init?(_ payload: [UInt8]) {
        guard let tag = payload.first, let record = try? StepRecord(decoding: Array(payload.dropFirst())) else {
            return nil
        }
        switch (tag, record) {
        case (0, .intent(let step)): self = .step(step)
        case (1, .reported(let key)): self = .stored(key)
        case (2, .reported(let key)): self = .accepted(key)
        case (3, .finished(let key, let outcome)): self = .finished(key, outcome)
        default: return nil
        }
    }
}

// Rollout steps: intent on the disk, then the work; the outcome on the disk, then the report.

extension AgentProcess {
    func messageReceived(_ payload: [UInt8]) {
        switch StepMessage(payload) {
        case .step(let step): _ = stepReceived(step)
        case .stored(let key): stored(key)
        default: world.truth.violated("agent \(agent) got a message that makes no sense")
        }
    }

    /// True when the step was refused.
    func stepReceived(_ step: RolloutStep) -> Bool {
        switch steps.stepReceived(step, now: now) {
        case .execute(let record): persist(record, .execute(step))
        case .answer(let outcome):
            world.mark(.stepAnsweredFromMemory)
            if !isUnpersisted(step.key) { report(.finished(step.key, outcome)) }
        case .inProgress:
            if !isUnpersisted(step.key) { report(.accepted(step.key)) }
        case .refuse(let reason):
            report(.finished(step.key, .refused(reason: reason)))
            return true
        }
        return false
    }

    private func isUnpersisted(_ key: StepKey) -> Bool {
        unpersisted.contains { followUp in
            switch followUp {
            case .execute(let step): step.key == key
            case .tell(let other, _): other == key
            }
        }
    }

    private func stored(_ key: StepKey) {
        guard let record = steps.reported(key), !stepJournal.isSuspect else { return }
        // Lost, the outcome is told once more: nothing waits for this record.
        do throws(StoreError) {
            try stepJournal.append([record])
        } catch {
            stepRetryAt = now + .seconds(1)
        }
        if world.chance(20) { try? stepJournal.compact(steps.compacted(now: now)) }
    }

    func stepsConnected() {
        for (key, outcome) in steps.unreported where !isUnpersisted(key) { report(.finished(key, outcome)) }
    }

    /// Nothing follows from a record before it is on the disk.
    private func persist(_ record: [UInt8], _ followUp: StepFollowUp) {
        unpersisted.append(followUp)
        guard unpersisted.count == 1 else { return }
        do throws(StoreError) {
            try stepJournal.append([record])
            try stepJournal.sync()
            persisted()
        } catch {
            persistSteps()
        }
    }

    /// The journal was given up: a new one with all that is known takes its place.
    func persistSteps() {
        stepRetryAt = nil
        do throws(StoreError) {
            try stepJournal.compact(steps.compacted(now: now))
            world.mark(.stepJournalRepaired)
            persisted()
        } catch {
            stepRetryAt = now + .seconds(1)
        }
    }

    private func persisted() {
        let ready = unpersisted
        unpersisted = []
        guard !machine.isGone else { return }
        for followUp in ready {
            switch followUp {
            case .execute(let step):
                world.truth.stepBegan(agent, step)
                report(.accepted(step.key))
                begin(step)
            case .tell(let key, let outcome): report(.finished(key, outcome))
            }
        }
    }

    private func report(_ message: StepMessage) { enqueue(.control, message.payload) }

    // MARK: The work

    /// Begins a step, or takes it up where an earlier process left it: what the containers show says where that is.
    func begin(_ step: RolloutStep) {
        working.insert(step.key)
        if working.count > 1 { world.truth.violated("agent \(agent) works on \(working.count) steps at one time") }
        let stage: Event.Stage = machine.containers.replacedBy == "\(step.key)" ? .swapped : .begun
        workGoesOn(step, stage)
    }

    private func workGoesOn(_ step: RolloutStep, _ stage: Event.Stage) {
        world.after(world.random(50...3_000), .step(agent: agent, life: machine.life, step, stage))
    }

    func worked(_ step: RolloutStep, _ stage: Event.Stage) {
        world.note("step works", agent, UInt64(stage.rawValue))
        switch (step.action, stage) {
        case (.replace(_, let image, _), .begun):
            machine.containers.parked = machine.containers.image
            machine.containers.image = image
            machine.containers.replacedBy = "\(step.key)"
            workGoesOn(step, .swapped)
        case (.replace, .swapped): judge(step)
        case (.restore, _):
            if let parked = machine.containers.parked { machine.containers.image = parked }
            machine.containers.parked = nil
            machine.containers.replacedBy = nil
            finish(step, .succeeded(StepDetail(note: "put back")))
        case (.commit, _):
            machine.containers.parked = nil
            machine.containers.replacedBy = nil
            finish(step, .succeeded(StepDetail(note: "committed")))
        }
    }

    private func judge(_ step: RolloutStep) {
        guard machine.refusesImage else {
            return finish(step, .succeeded(StepDetail(previousImage: Containers.old, note: "replaced")))
        }
        machine.containers.image = machine.containers.parked ?? Containers.old
        machine.containers.parked = nil
        machine.containers.replacedBy = nil
        finish(step, .failed(reason: "its check fails", rolledBack: true))
    }

    private func finish(_ step: RolloutStep, _ outcome: StepOutcome) {
        working.remove(step.key)
        guard let record = steps.finished(step.key, outcome) else {
            return world.truth.violated("agent \(agent) ended step \(step.key), which its journal does not know")
        }
        persist(record, .tell(step.key, outcome))
    }
}
