package import MusterModel
package import MusterRollouts

/// Executes rollout steps that put containers on another image, through the Docker API.
///
/// Every move is derived from what Docker shows (`ReplacementSlot`), so `execute` is also how an unfinished step is
/// resumed after the agent was killed at any point: it finishes the same attempt, or undoes it when a verdict against
/// it had been passed. What it needs to remember is written as labels on the new container when that is created, before
/// anything else is touched.
///
/// The replaced container is renamed to `<name>.muster-old-<rollout>.<step>`, stopped, and kept with the restart policy
/// `no` until the rollout's `commit` removes it or `restore` puts it back.
package struct ContainerReplacement: Sendable {
    package struct Settings: Sendable {
        /// Only containers that carry this label exist for this agent. Nil: all.
        package var selector: LabelSelector?
        /// From a container's stop signal to its kill.
        package var stopGrace = Duration.seconds(10)
        /// Without an answer from the daemon for so long the step ends with a person being needed.
        package var patience = Duration.minutes(1)
        /// The longest wait for the next sign of life of a pull.
        package var pullTimeout = Duration.minutes(5)
        /// How often a new container is looked at while it is judged.
        package var lookInterval = Duration.milliseconds(200)
        /// How long putting the old container back is tried.
        package var undoPatience = Duration.seconds(30)

        package init(selector: LabelSelector? = nil) { self.selector = selector }
    }

    /// Containers that one step replaces.
    package static let containersPerStep = 32

    let api: DockerAPI
    let probe: any CheckProbe
    let host: HostID
    let advertisedAddress: @Sendable () -> String
    let settings: Settings
    let now: @Sendable () -> Instant

    package init(
        api: DockerAPI, probe: any CheckProbe, host: HostID, advertisedAddress: @escaping @Sendable () -> String,
        settings: Settings = Settings(), now: @escaping @Sendable () -> Instant
    ) {
        self.api = api
        self.probe = probe
        self.host = host
        self.advertisedAddress = advertisedAddress
        self.settings = settings
        self.now = now
    }

    /// Executes a step, or resumes it. Throws only when the task is cancelled: then nothing is known of the step's end,
    /// no outcome may be journalled, and the next process resumes it.
    package func execute(_ step: RolloutStep) async throws(CancellationError) -> StepOutcome {
        let execution = StepExecution(context: self, step: step)
        do throws(StepFailure) {
            switch step.action {
            case .replace(let selector, let image, let gate):
                guard !selector.isEmpty else { return .refused(reason: "the step selects no label; name at least one") }
                return try await execution.replace(selector: selector, image: image, gate: gate)
            case .restore: return try await execution.restore()
            case .commit: return try await execution.commit()
            }
        } catch {
            switch error {
            case .cancelled: throw CancellationError()
            case .unanswered(let reason):
                return .failed(reason: "\(reason); look at the containers of this host", rolledBack: false)
            case .verdict(let reason): return .failed(reason: reason, rolledBack: false)
            }
        }
    }
}

/// One step being executed.
struct StepExecution {
    let context: ContainerReplacement
    let step: RolloutStep

    var api: DockerAPI { context.api }
    var settings: ContainerReplacement.Settings { context.settings }

    /// Asks the daemon, again and again while it is away. `work` looks before it acts, because an answer that was lost
    /// may have been a yes.
    func asked<Answer>(
        patience: Duration? = nil, alsoRefusals: Bool = false, _ work: () async throws(DockerError) -> Answer
    ) async throws(StepFailure) -> Answer {
        let began = ContinuousClock.now
        let patience = patience ?? settings.patience
        var pause = Duration.milliseconds(100)
        while true {
            if Task.isCancelled { throw .cancelled }
            do throws(DockerError) {
                return try await work()
            } catch {
                if Task.isCancelled { throw .cancelled }
                guard error.isPassing || alsoRefusals else { throw .verdict(error.description) }
                if ContinuousClock.now - began >= patience {
                    throw error.isPassing ? .unanswered(error.description) : .verdict(error.description)
                }
                try? await Task.sleep(for: pause)
                pause = min(pause * 2, .seconds(2))
            }
        }
    }

    /// All containers with these labels that this agent may see, inspected.
    func containers(labels: [LabelSelector]) async throws(DockerError) -> [DockerContainer] {
        let selectors = labels + (settings.selector.map { [$0] } ?? [])
        var found: [DockerContainer] = []
        for id in try await api.containerIDs(labels: selectors) {
            guard let json = try await api.inspect(container: id), let container = DockerContainer(json) else {
                continue
            }
            found.append(container)
        }
        return found
    }

    /// The slots of this step: what it has made, and what it has yet to replace.
    func slots(selector: [String: String]) async throws(DockerError) -> [ReplacementSlot] {
        let labels = selector.sorted { $0.key < $1.key }.map { LabelSelector($0.key, $0.value) }
        return ReplacementSlot.slots(of: try await containers(labels: labels), candidates: true) { notes in
            notes.rollout == step.rollout.text && notes.step == step.step && notes.host == step.host.text
        }
    }

    /// The slots of all steps of this rollout on this host.
    func rolloutSlots() async throws(DockerError) -> [ReplacementSlot] {
        // The replaced ones carry no label of the rollout; the notes name them.
        var slots: [ReplacementSlot] = []
        let labels = [
            LabelSelector(StepLabels.rollout, step.rollout.text), LabelSelector(StepLabels.host, step.host.text),
        ]
        for container in try await containers(labels: labels) {
            guard let notes = StepLabels(container.labels) else { continue }
            let old = try await api.inspect(container: notes.old).flatMap { DockerContainer($0) }
            slots.append(ReplacementSlot(old: old, new: container, notes: notes))
        }
        return slots.sorted { $0.name < $1.name }
    }
}
