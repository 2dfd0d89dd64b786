package import MusterModel

// What a coordinator asks one host to do, and what the host answers. Both sides use these words; the wiring turns them
// into control messages and back.

/// The name of one try of one step. A key is executed at most once, whatever crashes.
package struct StepKey: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var rollout: RolloutID
    /// Unique in the rollout, kept to `NameSpelling`: it becomes part of a container's name.
    package var step: String
    /// From 1. A higher attempt of a step replaces the lower ones.
    package var attempt: Int

    package init(rollout: RolloutID, step: String, attempt: Int) {
        self.rollout = rollout
        self.step = step
        self.attempt = attempt
    }

    package var description: String { "\(rollout)/\(step)#\(attempt)" }

    package static func < (a: StepKey, b: StepKey) -> Bool {
        (a.rollout, a.step, a.attempt) < (b.rollout, b.step, b.attempt)
    }
}

/// One step of a rollout for one host.
package struct RolloutStep: Equatable, Sendable {
    package var rollout: RolloutID
    /// Unique in the rollout, kept to `NameSpelling`.
    package var step: String
    /// From 1.
    package var attempt: Int
    /// Of the coordinator's term over this fleet: an agent refuses an epoch below the highest it has accepted.
    package var epoch: UInt64
    /// The only host that may execute the step.
    package var host: HostID
    package var action: StepAction
    /// From then on the step is refused. A step that began before goes on; its own deadline is in the action's gate.
    package var expiresAt: Instant

    package init(
        rollout: RolloutID, step: String, attempt: Int, epoch: UInt64, host: HostID, action: StepAction,
        expiresAt: Instant
    ) {
        self.rollout = rollout
        self.step = step
        self.attempt = attempt
        self.epoch = epoch
        self.host = host
        self.action = action
        self.expiresAt = expiresAt
    }

    package var key: StepKey { StepKey(rollout: rollout, step: step, attempt: attempt) }
}

/// What a step does on its host.
package enum StepAction: Equatable, Sendable, Codable {
    /// Puts every container that carries all the labels of `selector` on `image`, one after the other. The old
    /// containers are parked (renamed, stopped, kept) until a `commit` or `restore` of the same rollout. When one fails
    /// its gate, all that the step replaced are put back before the outcome is told.
    case replace(selector: [String: String], image: String, gate: HealthGate)
    /// Puts back whatever the rollout replaced on this host. Succeeds when there is nothing to put back.
    case restore
    /// Removes what the rollout parked on this host; from then on it cannot be restored. Succeeds when nothing is
    /// parked.
    case commit
}

/// When a new container counts as good.
package struct HealthGate: Equatable, Sendable, Codable {
    /// How long it has to run without a restart and with all its checks passing, without a pause.
    package var healthyFor: Duration
    /// From the start of the new container to the end of `healthyFor`.
    package var deadline: Duration

    package init(healthyFor: Duration, deadline: Duration) {
        self.healthyFor = healthyFor
        self.deadline = deadline
    }
}

/// How a step ended. The texts are for people.
package enum StepOutcome: Equatable, Sendable, Codable {
    case succeeded(StepDetail)
    /// `rolledBack`: the host is as it was before the step. When it is false a person has to look.
    case failed(reason: String, rolledBack: Bool)
    /// Nothing was touched.
    case refused(reason: String)
}

/// What a step found and did.
package struct StepDetail: Equatable, Sendable, Codable {
    /// What the containers ran before, as they named it; empty when nothing was replaced.
    package var previousImage: String
    /// Names of the containers that were replaced, put back or removed.
    package var containers: [String]
    /// One sentence for people.
    package var note: String

    package init(previousImage: String = "", containers: [String] = [], note: String = "") {
        self.previousImage = previousImage
        self.containers = containers
        self.note = note
    }
}
