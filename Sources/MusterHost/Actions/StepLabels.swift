import MusterModel
package import MusterRollouts

/// The labels of a container that a rollout step made: they say whose it is, and they are the step's notebook. All that
/// a step has to remember is written with the container's creation, before anything else is touched.
package struct StepLabels: Equatable {
    static let rollout = "muster.rollout"
    static let step = "muster.step"
    static let attempt = "muster.attempt"
    static let host = "muster.host"
    static let name = "muster.name"
    static let old = "muster.old"
    static let oldRestartPolicy = "muster.old-restart"
    static let oldWasRunning = "muster.old-running"
    static let all: Set<String> = [rollout, step, attempt, host, name, old, oldRestartPolicy, oldWasRunning]

    package var rollout: String
    package var step: String
    package var attempt: Int
    package var host: String
    /// Of the container that was replaced, and of its replacement once that has its place.
    package var name: String
    /// The id of the container that was replaced.
    package var old: String
    /// As JSON, the object `RestartPolicy`.
    package var oldRestartPolicy: DockerJSON
    package var oldWasRunning: Bool

    package init(_ step: RolloutStep, replacing old: DockerContainer) {
        rollout = step.rollout.text
        self.step = step.step
        attempt = step.attempt
        host = step.host.text
        name = old.name
        self.old = old.id
        oldRestartPolicy = old.restartPolicy
        oldWasRunning = old.isRunning
    }

    /// Nil for a container that no step made.
    package init?(_ labels: [String: String]) {
        guard let rollout = labels[Self.rollout], let step = labels[Self.step],
            let attempt = labels[Self.attempt].flatMap({ Int($0) }), let host = labels[Self.host],
            let name = labels[Self.name], let old = labels[Self.old],
            let policy = try? DockerJSON(parsing: Array((labels[Self.oldRestartPolicy] ?? "").utf8))
        else { return nil }
        self.rollout = rollout
        self.step = step
        self.attempt = attempt
        self.host = host
        self.name = name
        self.old = old
        oldRestartPolicy = policy
        oldWasRunning = labels[Self.oldWasRunning] == "true"
    }

    package var dictionary: [String: String] {
        [
            Self.rollout: rollout, Self.step: step, Self.attempt: String(attempt), Self.host: host, Self.name: name,
            Self.old: old, Self.oldRestartPolicy: oldRestartPolicy.description,
            Self.oldWasRunning: oldWasRunning ? "true" : "false",
        ]
    }

    /// The step's mark in container names.
    var mark: String { "\(rollout).\(step)" }
    package var parkedName: String { ParkedName.old(name, step: mark) }
    package var comingName: String { ParkedName.new(name, step: mark) }
    package var failedName: String { ParkedName.failed(name, step: mark) }
}

/// What the moves of a step look at in a container.
package struct DockerContainer: Equatable {
    package var id: String
    package var name: String
    package var json: DockerJSON

    package init?(_ json: DockerJSON) {
        guard let id = json["Id"]?.string, let name = json["Name"]?.string else { return nil }
        self.id = id
        self.name = String(name.drop { $0 == "/" })
        self.json = json
    }

    var labels: [String: String] { json["Config"]?["Labels"]?.texts ?? [:] }
    var image: String { json["Config"]?["Image"]?.string ?? "" }
    var imageID: String { json["Image"]?.string ?? "" }
    var status: String { json["State"]?["Status"]?.string ?? "" }
    /// A container that waits for its next restart counts as running.
    var isRunning: Bool { ["running", "restarting", "paused"].contains(status) }
    var isPaused: Bool { status == "paused" }
    var exitCode: Int { json["State"]?["ExitCode"]?.integer ?? 0 }
    var restartPolicy: DockerJSON { json["HostConfig"]?["RestartPolicy"] ?? .object([.init("Name", .string("no"))]) }
    var isRemovedOnExit: Bool { json["HostConfig"]?["AutoRemove"]?.bool ?? false }
    /// Whether the daemon would start it again by itself.
    var isRestarted: Bool { Self.policyName(restartPolicy) != "no" }

    func isRestarted(as policy: DockerJSON) -> Bool {
        Self.policyName(restartPolicy) == Self.policyName(policy)
            && (restartPolicy["MaximumRetryCount"]?.integer ?? 0) == (policy["MaximumRetryCount"]?.integer ?? 0)
    }

    /// Docker takes an empty name for `no`.
    private static func policyName(_ policy: DockerJSON) -> String {
        let name = policy["Name"]?.string ?? ""
        return name.isEmpty ? "no" : name
    }
}
