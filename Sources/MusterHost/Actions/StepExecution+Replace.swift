import MusterModel
import MusterRollouts

extension StepExecution {
    func replace(selector: [String: String], image: String, gate: HealthGate) async throws(StepFailure) -> StepOutcome {
        if let outcome = try await clearedEarlierAttempts(selector: selector) { return outcome }
        let slots = try await asked { () async throws(DockerError) in try await self.slots(selector: selector) }
        if let failed = slots.first(where: \.isFailed) {
            let reason =
                "the new container of \(failed.name) had failed before the agent was restarted"
                + (failed.new.map { $0.isRunning ? "" : "; it had exited with code \($0.exitCode)" } ?? "")
            return try await undone(selector: selector, because: reason)
        }
        let isUntouched = slots.allSatisfy { $0.new == nil }
        if isUntouched, let reason = refusal(slots, selector: selector) { return .refused(reason: reason) }
        do throws(StepFailure) {
            if slots.contains(where: { $0.new == nil }) {
                _ = try await asked { () async throws(DockerError) in
                    try await api.imagePulledIfMissing(image, timeout: settings.pullTimeout)
                }
            }
            for slot in slots { try await replace(slot.name, selector: selector, image: image, gate: gate) }
        } catch {
            guard case .verdict(let reason) = error else { throw error }
            return try await undone(selector: selector, because: reason)
        }
        let previous = slots.compactMap { $0.old?.image }
        return .succeeded(
            StepDetail(
                previousImage: previous.first ?? "", containers: slots.map(\.name),
                note: "\(slots.map(\.name).joined(separator: ", ")) run \(image) and stayed healthy for "
                    + gate.healthyFor.shortText))
    }

    /// Why nothing is touched; nil when the step may begin.
    private func refusal(_ slots: [ReplacementSlot], selector: [String: String]) -> String? {
        let labels = selector.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        if slots.isEmpty { return "no container on this host carries the label \(labels)" }
        if slots.count > ContainerReplacement.containersPerStep {
            return "\(slots.count) containers carry the label \(labels); one step replaces at most "
                + "\(ContainerReplacement.containersPerStep): select fewer"
        }
        for old in slots.compactMap(\.old) {
            if old.isRemovedOnExit {
                return "container \(old.name) was started with --rm: it would vanish when stopped and could not be put "
                    + "back; start it without --rm"
            }
            if old.isPaused { return "container \(old.name) is paused; unpause it first" }
        }
        return nil
    }

    /// What an earlier attempt of this step left behind is undone first. An outcome says that it cannot be.
    private func clearedEarlierAttempts(selector: [String: String]) async throws(StepFailure) -> StepOutcome? {
        let slots = try await asked { () async throws(DockerError) in try await self.slots(selector: selector) }
        for slot in slots where slot.notes.map({ $0.attempt != step.attempt }) ?? false {
            if let reason = try await undo(slotNamed: slot.name, selector: selector) {
                return .failed(
                    reason: "what attempt \(slot.notes?.attempt ?? 0) left behind cannot be undone: \(reason)",
                    rolledBack: false)
            }
        }
        return nil
    }

    private func undo(slotNamed name: String, selector: [String: String]) async throws(StepFailure) -> String? {
        try await undo { () async throws(DockerError) in
            try await slots(selector: selector).first { $0.name == name && $0.new != nil }
        }
    }

    /// Puts every container of the step back, and says how that went.
    private func undone(selector: [String: String], because reason: String) async throws(StepFailure) -> StepOutcome {
        let slots = try await asked { () async throws(DockerError) in try await self.slots(selector: selector) }
        var obstacles: [String] = []
        for slot in slots where slot.new != nil {
            if let obstacle = try await undo(slotNamed: slot.name, selector: selector) { obstacles.append(obstacle) }
        }
        guard obstacles.isEmpty else {
            return .failed(
                reason: "\(reason); putting the old container back failed: \(obstacles.joined(separator: "; "))",
                rolledBack: false)
        }
        return .failed(reason: reason, rolledBack: true)
    }

    /// One container, from wherever it stands to a good verdict.
    private func replace(
        _ name: String, selector: [String: String], image: String, gate: HealthGate
    ) async throws(StepFailure) {
        for _ in 0..<Self.movesLimit {
            let slot = try await asked { () async throws(DockerError) -> ReplacementSlot? in
                guard let slot = try await slots(selector: selector).first(where: { $0.name == name }) else {
                    return nil
                }
                try await perform(slot.forward, slot, selector: selector, image: image)
                return slot
            }
            guard let slot else { throw .verdict("container \(name) is gone") }
            switch slot.forward {
            case .impossible(let reason): throw .verdict(reason)
            case .markFailed: throw .verdict("the new container of \(name) has failed")
            case .verify:
                guard let new = slot.new else { continue }
                return try await verify(new, name: name, image: image, gate: gate)
            default: continue
            }
        }
        throw .verdict("replacing \(name) took more than \(Self.movesLimit) moves")
    }

    private func verify(
        _ new: DockerContainer, name: String, image: String, gate: HealthGate
    ) async throws(StepFailure) {
        var judge = ReplacementGate(gate, now: context.now())
        while true {
            let json = try await asked { () async throws(DockerError) in try await api.inspect(container: new.id) }
            guard let json, let observed = ObservedContainer(inspected: json) else {
                throw .verdict("the new container of \(name) was removed by somebody else")
            }
            let targets = ContainerServices.discover(
                containers: [observed], host: context.host, advertisedAddress: context.advertisedAddress()
            ).targets
            judge.observed(observed, targets: targets, now: context.now())
            for (id, result) in await results(of: judge.takeDue(now: context.now())) {
                judge.checked(id, result, now: context.now())
            }
            // A check that was cut off with the task must not count against the container.
            if Task.isCancelled { throw .cancelled }
            switch judge.verdict {
            case .good: return
            case .bad(let reason):
                let said = await api.lastOutput(container: new.id)
                throw .verdict(
                    "the new container of \(name) with the image \(image) is not good: \(reason)"
                        + (said.isEmpty ? "" : "; its last output: \(said)"))
            case .waiting: try? await Task.sleep(for: settings.lookInterval)
            }
        }
    }

    private func results(of targets: [CheckTarget]) async -> [(String, CheckResult)] {
        let probe = context.probe
        return await withTaskGroup(of: (String, CheckResult).self) { group in
            for target in targets {
                group.addTask {
                    let result = await probe.result(
                        of: target.policy.kind, address: target.checkAddress, port: target.checkPort,
                        timeout: target.policy.timeout)
                    return (target.instance.id, result)
                }
            }
            var results: [(String, CheckResult)] = []
            for await result in group { results.append(result) }
            return results
        }
    }
}
