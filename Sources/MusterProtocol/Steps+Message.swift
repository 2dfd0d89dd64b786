import MusterModel
package import MusterRollouts
import SwiftProtobuf

/// What an agent says of a step.
package enum StepReport: Equatable, Sendable {
    /// The step is journalled and will be carried out.
    case accepted
    case finished(StepOutcome)
}

extension PBStepKey {
    init(_ key: StepKey) {
        self.init()
        rollout = key.rollout.text
        step = key.step
        attempt = UInt32(clamping: key.attempt)
    }

    func noun() throws(ProtocolError) -> StepKey {
        guard let rollout = RolloutID(rollout) else { throw .badField("step.rollout", value: self.rollout) }
        guard NameSpelling.isValid(step) else { throw .badField("step.step", value: step) }
        return StepKey(rollout: rollout, step: step, attempt: Int(attempt))
    }
}

extension PBRolloutStep {
    init(_ step: RolloutStep) {
        self.init()
        key = PBStepKey(step.key)
        epoch = step.epoch
        host = step.host.text
        expiresAt = step.expiresAt.nanoseconds
        switch step.action {
        case .replace(let selector, let image, let gate):
            var message = PBReplace()
            message.selector = selector
            message.image = image
            message.healthyForMs = gate.healthyFor.nanoseconds / 1_000_000
            message.deadlineMs = gate.deadline.nanoseconds / 1_000_000
            replace = message
        case .restore: restore = PBRestore()
        case .commit: commit = PBCommit()
        }
    }

    func noun() throws(ProtocolError) -> RolloutStep {
        let key = try key.noun()
        guard let hostID = HostID(host) else { throw .badField("step.host", value: host) }
        let action: StepAction
        switch self.action {
        case .replace(let message):
            guard message.selector.count <= Limits.labelsPerSet else {
                throw .tooMany("step.selector labels", count: message.selector.count, limit: Limits.labelsPerSet)
            }
            action = .replace(
                selector: message.selector, image: message.image,
                gate: HealthGate(
                    healthyFor: .milliseconds(max(0, message.healthyForMs)),
                    deadline: .milliseconds(max(0, message.deadlineMs))))
        case .restore: action = .restore
        case .commit: action = .commit
        case nil: throw .unknownKind
        }
        return RolloutStep(
            rollout: key.rollout, step: key.step, attempt: key.attempt, epoch: epoch, host: hostID, action: action,
            expiresAt: Instant(nanoseconds: expiresAt))
    }
}

extension PBStepReport {
    init(_ key: StepKey, _ report: StepReport) {
        self.init()
        self.key = PBStepKey(key)
        switch report {
        case .accepted: accepted = PBStepAccepted()
        case .finished(.succeeded(let detail)):
            var message = PBStepSucceeded()
            message.previousImage = detail.previousImage
            message.containers = detail.containers
            message.note = detail.note
            succeeded = message
        case .finished(.failed(let reason, let isRolledBack)):
            var message = PBStepFailed()
            message.reason = reason
            message.rolledBack = isRolledBack
            failed = message
        case .finished(.refused(let reason)):
            var message = PBStepRefused()
            message.reason = reason
            refused = message
        }
    }

    func noun() throws(ProtocolError) -> (key: StepKey, report: StepReport) {
        let key = try key.noun()
        switch outcome {
        case .accepted: return (key, .accepted)
        case .succeeded(let message):
            return (
                key,
                .finished(
                    .succeeded(
                        StepDetail(
                            previousImage: message.previousImage, containers: message.containers, note: message.note)))
            )
        case .failed(let message):
            return (key, .finished(.failed(reason: message.reason, rolledBack: message.rolledBack)))
        case .refused(let message): return (key, .finished(.refused(reason: message.reason)))
        case nil: throw .unknownKind
        }
    }
}
