import MusterModel

/// Keeps the picture of a host's containers current: it listens for events first, lists and inspects everything then,
/// and inspects again whatever an event names. When the stream of events ends, for whatever reason, all of it begins
/// anew after a pause, because nobody says what was missed.
package struct ContainerWatch: Sendable {
    package struct Settings: Sendable {
        /// Only containers that carry this label are seen. Nil: all.
        package var selector: LabelSelector?
        /// Events that come so close together are answered by one round of inspections.
        package var debounce = Duration.milliseconds(10)
        /// The first pause before a daemon is asked again, doubled with every failure up to `retryCeiling`.
        package var retryFloor = Duration.milliseconds(500)
        package var retryCeiling = Duration.seconds(5)
        /// Everything is listed again so often, in case an event was lost that nobody knows of.
        package var relist = Duration.minutes(5)

        package init(selector: LabelSelector? = nil) { self.selector = selector }
    }

    /// Events that may wait for the watch; one more means a gap.
    package static let waitingEvents = 4_096
    /// Containers inspected at one time.
    static let inspectionsAtOnce = 4

    private enum Input: Sendable {
        case opened
        case event(DockerEvent)
        case settled
        case relistDue
    }

    let api: DockerAPI
    let settings: Settings

    package init(api: DockerAPI, settings: Settings = Settings()) {
        self.api = api
        self.settings = settings
    }

    /// Runs until its task is cancelled. `publish` is called in order with every change, also when the daemon goes
    /// away.
    package func run(publish: @Sendable (ContainerObservation) -> Void) async {
        var watched = WatchedContainers(selector: settings.selector)
        var pause = settings.retryFloor
        while !Task.isCancelled {
            let reason = await follow(&watched, publish: publish)
            guard !Task.isCancelled else { return }
            if watched.isCurrent { pause = settings.retryFloor }
            api.forgetVersion()
            if watched.gapOpened(reason) { publish(watched.observation) }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, settings.retryCeiling)
        }
    }

    /// One stream of events from its beginning to its end; returns why it ended.
    private func follow(
        _ watched: inout WatchedContainers, publish: (ContainerObservation) -> Void
    ) async -> String {
        let (inputs, inbox) = AsyncStream.makeStream(
            of: Input.self, bufferingPolicy: .bufferingOldest(Self.waitingEvents))
        return await withTaskGroup(of: String.self) { group in
            group.addTask { await listen(inbox) }
            group.addTask {
                while (try? await Task.sleep(for: settings.relist)) != nil { inbox.yield(.relistDue) }
                return "cancelled"
            }
            var reason: String?
            do throws(DockerError) {
                try await digest(inputs, inbox, &watched, publish: publish)
            } catch {
                reason = error.description
            }
            group.cancelAll()
            // The listener's words come first in time when it was the listener that ended the inputs.
            for await said in group where reason == nil && said != "cancelled" { reason = said }
            return reason ?? "the stream of Docker's events ended"
        }
    }

    private func listen(_ inbox: AsyncStream<Input>.Continuation) async -> String {
        defer { inbox.finish() }
        do {
            try await api.events(opened: { inbox.yield(.opened) }) { event in
                if case .dropped = inbox.yield(.event(event)) { return false }
                return true
            }
            return "the stream of Docker's events ended"
        } catch {
            return error.description
        }
    }

    private func digest(
        _ inputs: AsyncStream<Input>, _ inbox: AsyncStream<Input>.Continuation, _ watched: inout WatchedContainers,
        publish: (ContainerObservation) -> Void
    ) async throws(DockerError) {
        var isSettling = false
        for await input in inputs {
            switch input {
            case .opened, .relistDue:
                try await list(&watched, publish: publish)
            case .event(let event):
                if watched.eventArrived(event) { publish(watched.observation) }
                if !watched.due.isEmpty, !isSettling {
                    isSettling = true
                    try? await Task.sleep(for: settings.debounce)
                    if case .dropped = inbox.yield(.settled) { return }
                }
            case .settled:
                isSettling = false
                if try await inspectDue(&watched) { publish(watched.observation) }
            }
        }
    }

    private func list(_ watched: inout WatchedContainers, publish: (ContainerObservation) -> Void)
        async throws(DockerError)
    {
        let before = watched.observation
        watched.listed(try await api.containerIDs(labels: settings.selector.map { [$0] } ?? []))
        _ = try await inspectDue(&watched)
        if watched.observation != before { publish(watched.observation) }
    }

    /// Inspects everything that is due, a few at a time; returns whether anything changed.
    private func inspectDue(_ watched: inout WatchedContainers) async throws(DockerError) -> Bool {
        var isChanged = false
        while !watched.due.isEmpty {
            let ids = watched.takeDue(Self.inspectionsAtOnce)
            let api = api
            let answers = await withTaskGroup(of: Inspection.self) { group in
                for id in ids { group.addTask { await Inspection(of: id, api) } }
                var answers: [Inspection] = []
                for await answer in group { answers.append(answer) }
                return answers
            }
            for answer in answers {
                let observed = try answer.outcome.get().flatMap { ObservedContainer(inspected: $0) }
                if watched.inspected(answer.id, observed) { isChanged = true }
            }
        }
        return isChanged
    }
}

/// What a child task brings back. A tuple that holds a typed `Result` comes out of a task group as garbage in optimised
/// builds (Swift 6.3), which ends the process.
private struct Inspection: Sendable {
    let id: String
    let outcome: Result<DockerJSON?, DockerError>

    init(of id: String, _ api: DockerAPI) async {
        self.id = id
        do throws(DockerError) {
            outcome = .success(try await api.inspect(container: id))
        } catch {
            outcome = .failure(error)
        }
    }
}
