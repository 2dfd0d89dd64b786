/// One container that a step replaces, as Docker shows it: the old one, the new one, and the step's notebook, which is
/// written on the new one. The next move follows from nothing else, so whoever comes after a crash goes on where the
/// last one stopped.
///
/// Forward, each row being what Docker shows:
///
///     new              old                        next move
///     -                at its name                create (under the coming name)
///     coming           at its name, restarts      disarm, stopOld (Docker cannot rename it between two runs)
///     coming           at its name                park (rename the old one)
///     coming           parked, restarts itself    disarm (restart policy `no`)
///     coming           parked, runs               stopOld
///     coming           parked, stopped            place (give the new one the name)
///     at the name      parked, not yet started    start
///     at the name      parked, started            verify
///
/// Back, from any of these:
///
///     runs             any                        stopNew (one that has stopped fails its gate, whoever looks next)
///     not `failed`     any                        markFailed (rename the new one: no way forward from here)
///     failed           parked                     unpark
///     failed           other restart policy       rearm
///     failed           stopped, ran before        startOld
///     failed           as it was                  removeNew
///     -                at its name                done
package struct ReplacementSlot: Equatable {
    package var old: DockerContainer?
    package var new: DockerContainer?
    /// Read from the new container; nil while there is none.
    package var notes: StepLabels?

    /// Of the container that is replaced.
    package var name: String { notes?.name ?? old?.name ?? "" }

    /// Whether a verdict against the new container has been passed already.
    package var isFailed: Bool {
        guard let new, let notes else { return false }
        return new.name == notes.failedName
    }

    package init(old: DockerContainer? = nil, new: DockerContainer? = nil, notes: StepLabels? = nil) {
        self.old = old
        self.new = new
        self.notes = notes
    }

    package enum Move: Equatable {
        case create, park, disarm, stopOld, place, start, verify
        case markFailed, stopNew, unpark, rearm, startOld, removeNew
        case done
        /// Somebody else interfered; the text says how.
        case impossible(String)
    }

    package var forward: Move {
        guard let new, let notes else {
            return old == nil ? .impossible("the container that was to be replaced is gone") : .create
        }
        if new.name == notes.failedName { return .markFailed }
        if new.name == notes.name { return new.status == "created" ? .start : .verify }
        guard new.name == notes.comingName else {
            return .impossible("the new container of \(notes.name) was renamed to \(new.name) by somebody else")
        }
        guard let old else { return .impossible("the replaced container \(notes.name) is gone") }
        if old.name == notes.name, old.status != "restarting" { return .park }
        guard old.name == notes.parkedName || old.name == notes.name else {
            return .impossible("the replaced container \(notes.name) was renamed to \(old.name) by somebody else")
        }
        if old.isRestarted { return .disarm }
        return old.isRunning ? .stopOld : .place
    }

    package var back: Move {
        guard let new, let notes else { return .done }
        guard let old else {
            return .impossible(
                "the replaced container \(notes.name) is gone; \(new.name) with the image \(new.image) is left as it is"
            )
        }
        if new.isRunning { return .stopNew }
        if new.name != notes.failedName { return .markFailed }
        if old.name == notes.parkedName { return .unpark }
        guard old.name == notes.name else {
            return .impossible("the replaced container \(notes.name) was renamed to \(old.name) by somebody else")
        }
        if !old.isRestarted(as: notes.oldRestartPolicy) { return .rearm }
        if notes.oldWasRunning, !old.isRunning { return .startOld }
        return .removeNew
    }

    /// Slots from containers: those `isOurs` says a step of ours made, each with the one it replaced, and one for every
    /// other container that no step has set aside. By name.
    package static func slots(
        of containers: [DockerContainer], candidates: Bool, isOurs: (StepLabels) -> Bool
    ) -> [ReplacementSlot] {
        let byID = Dictionary(containers.map { ($0.id, $0) }) { $1 }
        var slots: [ReplacementSlot] = []
        var taken: Set<String> = []
        for container in containers {
            guard let notes = StepLabels(container.labels), isOurs(notes) else { continue }
            slots.append(ReplacementSlot(old: byID[notes.old], new: container, notes: notes))
            taken.formUnion([container.id, notes.old])
        }
        if candidates {
            for container in containers where !taken.contains(container.id) && !ParkedName.isParked(container.name) {
                slots.append(ReplacementSlot(old: container))
            }
        }
        return slots.sorted { $0.name < $1.name }
    }
}
