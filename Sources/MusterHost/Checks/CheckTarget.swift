package import MusterModel

/// An instance and how it is checked.
package struct CheckTarget: Equatable, Sendable {
    /// Its health is what the checks make of it; what stands here counts for nothing.
    package var instance: Instance
    package var policy: CheckPolicy
    /// Where the check goes: a container's own address and port where the host can reach them. Docker's proxy for
    /// published ports accepts connections also when nothing listens behind it.
    package var checkAddress: String
    package var checkPort: Int
    /// Of an instance that is a container.
    package var life: ContainerLife?

    /// The check goes to the instance's own address unless told otherwise.
    package init(
        instance: Instance, policy: CheckPolicy, checkAddress: String? = nil, checkPort: Int? = nil,
        life: ContainerLife? = nil
    ) {
        self.instance = instance
        self.policy = policy
        self.checkAddress = checkAddress ?? instance.address
        self.checkPort = checkPort ?? instance.port
        self.life = life
    }

    /// Whether earlier results still speak of it: the same place, the same check, the same run of the same container.
    func isSameRun(as other: CheckTarget) -> Bool {
        policy == other.policy && checkAddress == other.checkAddress && checkPort == other.checkPort
            && instance.container == other.instance.container && life?.startedAt == other.life?.startedAt
    }
}

/// What a check has to know of the container behind an instance.
package struct ContainerLife: Equatable, Sendable {
    package var state: Container.State
    package var health: Container.Health
    package var healthOutput: String
    package var exitCode: Int?
    package var startedAt: Instant?

    package init(
        state: Container.State, health: Container.Health = .none, healthOutput: String = "", exitCode: Int? = nil,
        startedAt: Instant? = nil
    ) {
        self.state = state
        self.health = health
        self.healthOutput = healthOutput
        self.exitCode = exitCode
        self.startedAt = startedAt
    }

    package init(_ observed: ObservedContainer) {
        self.init(
            state: observed.container.state, health: observed.container.health, healthOutput: observed.healthOutput,
            exitCode: observed.container.exitCode, startedAt: observed.container.startedAt)
    }

    /// Why the container cannot serve; nil while it runs.
    package var obstacle: String? {
        switch state {
        case .running: nil
        case .created: "the container is created but not started"
        case .paused: "the container is paused"
        case .restarting: "the container is restarting" + (exitCode.map { " after exit code \($0)" } ?? "")
        case .removing: "the container is being removed"
        case .exited, .dead: "the container exited" + (exitCode.map { " with code \($0)" } ?? "")
        }
    }

    /// What Docker's own health check says; nil while it has not said anything.
    package var dockerResult: CheckResult? {
        switch health {
        case .none, .starting: nil
        case .healthy: .passed("Docker's health check passes")
        case .unhealthy:
            .failed("Docker's health check fails" + (healthOutput.isEmpty ? "" : ": \(healthOutput)"))
        }
    }
}

/// What the checks say of an instance now.
package struct InstanceHealth: Equatable, Sendable {
    package var state: CheckState
    package var reason: String

    package init(state: CheckState, reason: String) {
        self.state = state
        self.reason = reason
    }
}
