import MusterModel

/// What `ContainerWatch` knows and has yet to ask, as a value: the containers seen, those whose inspection is due, and
/// whether the picture is whole.
///
///     behind --listed--> current --gapOpened--> behind
///
/// `eventArrived` and `inspected` keep the state. While behind, the containers last seen are kept: an agent that cannot
/// ask its daemon says what it knew, with the problem, never an empty list.
package struct WatchedContainers: Sendable {
    package let selector: LabelSelector?
    package private(set) var containers: [String: ObservedContainer] = [:]
    /// Ids to inspect.
    package private(set) var due: Set<String> = []
    package private(set) var isCurrent = false
    package private(set) var problem: String? = "not asked yet"
    /// Containers beyond `Limits.containersPerHost`, left out.
    package private(set) var omitted = 0

    package init(selector: LabelSelector?) { self.selector = selector }

    /// The daemon listed these ids. What is not among them is gone; all of them are inspected.
    package mutating func listed(_ ids: [String]) {
        let kept = Set(ids.sorted().prefix(Limits.containersPerHost))
        omitted = ids.count - kept.count
        containers = containers.filter { kept.contains($0.key) }
        due = kept
        isCurrent = true
        problem = omitted > 0 ? "\(omitted) containers over the limit of \(Limits.containersPerHost) are left out" : nil
    }

    /// Returns whether the containers changed at once.
    package mutating func eventArrived(_ event: DockerEvent) -> Bool {
        if event.action == "destroy" {
            due.remove(event.containerID)
            return containers.removeValue(forKey: event.containerID) != nil
        }
        let isKnown = containers[event.containerID] != nil || due.contains(event.containerID)
        if let selector, !isKnown, event.attributes[selector.name] != selector.value { return false }
        if !isKnown, containers.count + due.count >= Limits.containersPerHost {
            omitted += 1
            return false
        }
        due.insert(event.containerID)
        return false
    }

    /// Everything that is due, at most `count`; the caller inspects it and says so with `inspected`.
    package mutating func takeDue(_ count: Int) -> [String] {
        let taken = Array(due.sorted().prefix(count))
        due.subtract(taken)
        return taken
    }

    /// `observed` is nil when there is no such container any more. Returns whether the containers changed.
    package mutating func inspected(_ id: String, _ observed: ObservedContainer?) -> Bool {
        guard let observed, isSelected(observed) else { return containers.removeValue(forKey: id) != nil }
        guard containers[id] != observed else { return false }
        containers[id] = observed
        return true
    }

    /// The daemon went away or events were lost. Returns whether that is news.
    package mutating func gapOpened(_ reason: String) -> Bool {
        let isNews = isCurrent || problem != reason
        isCurrent = false
        problem = reason
        due = []
        return isNews
    }

    private func isSelected(_ observed: ObservedContainer) -> Bool {
        guard let selector else { return true }
        return observed.container.labels[selector.name] == selector.value
    }

    package var observation: ContainerObservation {
        ContainerObservation(
            containers: containers.values.sorted {
                ($0.container.name, $0.container.id) < ($1.container.name, $1.container.id)
            },
            isCurrent: isCurrent, problem: problem)
    }
}

/// The containers of a host at one moment, by name.
package struct ContainerObservation: Equatable, Sendable {
    package var containers: [ObservedContainer]
    /// False while the daemon cannot be asked: `containers` are those last seen.
    package var isCurrent: Bool
    /// What is wrong, for people.
    package var problem: String?

    package init(containers: [ObservedContainer] = [], isCurrent: Bool = false, problem: String? = nil) {
        self.containers = containers
        self.isCurrent = isCurrent
        self.problem = problem
    }
}
