import MusterModel
import MusterRollouts

extension StepExecution {
    /// Puts back whatever the rollout replaced on this host.
    func restore() async throws(StepFailure) -> StepOutcome {
        let slots = try await asked { () async throws(DockerError) in try await rolloutSlots() }
        var restored: [String] = []
        var obstacles: [String] = []
        for slot in slots {
            let obstacle = try await undo { () async throws(DockerError) in
                try await rolloutSlots().first { $0.name == slot.name }
            }
            if let obstacle { obstacles.append(obstacle) } else { restored.append(slot.name) }
        }
        for orphan in try await orphans() {
            restored.append(orphan.name)
            try await asked(patience: settings.undoPatience, alsoRefusals: true) { () async throws(DockerError) in
                try await revive(orphan)
            }
        }
        guard obstacles.isEmpty else {
            return .failed(reason: obstacles.joined(separator: "; "), rolledBack: false)
        }
        let note = restored.isEmpty ? "nothing of this rollout was on this host" : "put back"
        return .succeeded(
            StepDetail(previousImage: slots.first?.new?.image ?? "", containers: restored.sorted(), note: note))
    }

    /// Removes what the rollout parked on this host. Volumes stay: the new container has taken them over.
    func commit() async throws(StepFailure) -> StepOutcome {
        let slots = try await asked { () async throws(DockerError) in try await rolloutSlots() }
        if let unfinished = slots.first(where: { $0.new?.name != $0.notes?.name }) {
            return .refused(
                reason: "replacing \(unfinished.name) has not ended: \(unfinished.new?.name ?? "") is there")
        }
        let parked = slots.compactMap { slot in slot.old?.name == slot.notes?.parkedName ? slot.old?.id : nil }
        let abandoned = try await orphans().map(\.container.id)
        for id in parked + abandoned {
            try await asked { () async throws(DockerError) in
                try await api.remove(container: id, withAnonymousVolumes: false)
            }
        }
        return .succeeded(
            StepDetail(
                previousImage: slots.first?.old?.image ?? "", containers: slots.map(\.name),
                note: "\(parked.count + abandoned.count) parked containers removed"))
    }

    /// A parked container of this rollout whose replacement somebody removed.
    private struct Orphan {
        var container: DockerContainer
        /// Before it was parked.
        var name: String
    }

    private func orphans() async throws(StepFailure) -> [Orphan] {
        let mark = ParkedName.oldMark + step.rollout.text + "."
        return try await asked { () async throws(DockerError) in
            let spoken = Set(try await rolloutSlots().compactMap { $0.old?.id })
            return try await containers(labels: []).compactMap { container in
                guard !spoken.contains(container.id), let end = container.name.firstRange(of: mark) else { return nil }
                return Orphan(container: container, name: String(container.name[..<end.lowerBound]))
            }
        }
    }

    /// Its notebook is gone with its replacement: it gets its name back and runs; its restart policy stays `no`.
    private func revive(_ orphan: Orphan) async throws(DockerError) {
        guard let json = try await api.inspect(container: orphan.container.id), let now = DockerContainer(json) else {
            return
        }
        if now.name != orphan.name { try await api.rename(container: now.id, to: orphan.name) }
        try await api.start(container: now.id)
    }
}
