import MusterModel
import MusterRollouts

extension StepExecution {
    /// Performs one move forward. `verify` and `done` are not moves.
    func perform(
        _ move: ReplacementSlot.Move, _ slot: ReplacementSlot, selector: [String: String], image: String
    ) async throws(DockerError) {
        switch move {
        case .create:
            guard let old = slot.old else { return }
            try await create(replacing: old, selector: selector, image: image)
        case .park:
            guard let old = slot.old, let notes = slot.notes else { return }
            try await api.rename(container: old.id, to: notes.parkedName)
        case .disarm:
            guard let old = slot.old else { return }
            try await api.update(container: old.id, restartPolicy: .object([.init("Name", .string("no"))]))
        case .stopOld:
            guard let old = slot.old else { return }
            try await api.stop(container: old.id, grace: settings.stopGrace)
        case .place:
            guard let new = slot.new, let notes = slot.notes else { return }
            try await api.rename(container: new.id, to: notes.name)
        case .start:
            guard let new = slot.new else { return }
            try await api.start(container: new.id)
        default: break
        }
    }

    /// Performs one move back.
    func performBack(_ move: ReplacementSlot.Move, _ slot: ReplacementSlot) async throws(DockerError) {
        guard let new = slot.new, let old = slot.old, let notes = slot.notes else { return }
        switch move {
        case .markFailed: try await api.rename(container: new.id, to: notes.failedName)
        case .stopNew: try await api.stop(container: new.id, grace: settings.stopGrace)
        case .unpark: try await api.rename(container: old.id, to: notes.name)
        case .rearm: try await api.update(container: old.id, restartPolicy: notes.oldRestartPolicy)
        case .startOld: try await api.start(container: old.id)
        case .removeNew: try await api.remove(container: new.id, withAnonymousVolumes: true)
        default: break
        }
    }

    private func create(
        replacing old: DockerContainer, selector: [String: String], image: String
    ) async throws(DockerError) {
        guard let oldImage = try await api.inspect(image: old.imageID) else {
            throw .unreadable(
                asked: "GET /images/\(old.imageID)/json",
                problem: "the image of \(old.name) is gone, so what it set cannot be told from what people set")
        }
        let notes = StepLabels(step, replacing: old)
        let kept = Set(selector.keys).union(settings.selector.map { [$0.name] } ?? [])
        let made = ContainerRecipe.made(
            from: old.json, oldImage: oldImage, image: image, keptLabels: kept, addedLabels: notes.dictionary,
            version: try await api.version())
        let id = try await api.create(name: notes.comingName, body: made.body)
        do {
            for network in made.furtherNetworks {
                try await api.connect(container: id, network: network.name, endpoint: network.endpoint)
            }
        } catch {
            // A container without all its networks must not be taken for a whole one by whoever resumes.
            try? await api.remove(container: id, withAnonymousVolumes: true)
            throw error
        }
    }

    /// Takes the slot back to how it was. Returns nil, or why it cannot be.
    func undo(_ find: () async throws(DockerError) -> ReplacementSlot?) async throws(StepFailure) -> String? {
        for _ in 0..<Self.movesLimit {
            do throws(StepFailure) {
                let ending = try await asked(patience: settings.undoPatience, alsoRefusals: true) {
                    () async throws(DockerError) -> UndoEnding? in
                    guard let slot = try await find() else { return .undone }
                    let move = slot.back
                    if case .impossible(let reason) = move { return .impossible(reason) }
                    if move == .done { return .undone }
                    try await performBack(move, slot)
                    return nil
                }
                switch ending {
                case .undone: return nil
                case .impossible(let reason): return reason
                case nil: continue
                }
            } catch {
                guard case .verdict(let reason) = error else { throw error }
                return reason
            }
        }
        return "putting the old container back took more than \(Self.movesLimit) moves"
    }

    enum UndoEnding { case undone, impossible(String) }

    /// Moves of one slot in one direction; the tables have seven.
    static let movesLimit = 50
}
