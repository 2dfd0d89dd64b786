import MusterModel
import MusterRollouts

/// Steps that the tests of the agent's side share.
enum AgentStepExamples {
    static let host = valid(HostID("host-a"))
    static let now = Instant(seconds: 1_000)
    static let gate = HealthGate(healthyFor: .seconds(5), deadline: .seconds(30))
    static let replace = StepAction.replace(selector: ["app": "web", "tier": "front"], image: "web:2", gate: gate)
    static let success = StepOutcome.succeeded(
        StepDetail(previousImage: "web:1", containers: ["web-1", "web-2"], note: "fine"))

    static func step(
        _ name: String = "host-a.replace", attempt: Int = 1, epoch: UInt64 = 7, host: HostID = host,
        action: StepAction = replace, expiresAt: Instant = now + .seconds(60)
    ) -> RolloutStep {
        RolloutStep(
            rollout: valid(RolloutID("r-1")), step: name, attempt: attempt, epoch: epoch, host: host, action: action,
            expiresAt: expiresAt)
    }

    static func valid<Name>(_ name: Name?) -> Name {
        guard let name else { preconditionFailure("an example's name is none") }
        return name
    }
}
