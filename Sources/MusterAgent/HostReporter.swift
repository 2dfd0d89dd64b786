import Logging
import MusterConfig
import MusterHost
import MusterLogs
import MusterModel
import MusterProtocol
import MusterTransport
import MusterWire
import Synchronization

/// What this host is and offers: watches containers, runs checks, and sends a whole snapshot whenever something
/// changed. The same observation tells the tailer which files to read and the metrics loop which cgroups to measure.
final class HostReporter: Sendable {
    /// Changes that come together are sent together.
    static let debounce = Duration.milliseconds(20)

    struct Parts: Sendable {
        var host: HostID
        var name: String
        var address: @Sendable () -> String
        var config: AgentConfig
        var processors: LogProcessors
        var uplink: Uplink
        var tailer: LogTailer
        var metrics: MetricsLoop
        var inputs: MetricInputs?
        var own: AgentMetrics
        var probe: any CheckProbe
        var docker: DockerAPI
        var clock: MachineClock
        var logger: Logger
    }

    private struct State {
        var observation = ContainerObservation()
        var sequence: UInt64
        var hash: UInt64 = 0
        var sent: HostSnapshot?
        /// The last snapshot was not taken.
        var isRefused = false
        var problem: String?
        /// Where instances were said to be reached.
        var address: String?
    }

    private let parts: Parts
    private let state: Mutex<State>
    private let changes: AsyncStream<Void>
    private let changed: AsyncStream<Void>.Continuation
    private let checks: CheckRunner

    init(_ parts: Parts) {
        self.parts = parts
        let clock = parts.clock
        // Above whatever an earlier process of this boot sent.
        state = Mutex(State(sequence: UInt64(max(0, clock.now.milliseconds))))
        let (changes, changed) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        self.changed = changed
        checks = CheckRunner(probe: parts.probe, now: { clock.now }, onChange: { changed.yield() })
    }

    /// Which snapshot the agent holds, for heartbeats.
    var held: (sequence: UInt64, hash: UInt64) { state.withLock { ($0.sequence, $0.hash) } }

    /// A new connection may come from another address, where this host's instances are reached from now on.
    func connected() {
        let address = parts.address()
        let (isNews, observation) = state.withLock { state in
            defer { state.address = address }
            return (state.address != address, state.observation)
        }
        if isNews { observed(observation) }
        resend()
    }

    /// Sends the snapshot again although nothing changed.
    func resend() {
        state.withLock { $0.sent = nil }
        changed.yield()
    }

    func run() async {
        observed(ContainerObservation(containers: [], isCurrent: !parts.config.docker.isEnabled))
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.checks.run() }
            group.addTask { await self.send() }
            if parts.config.docker.isEnabled {
                group.addTask {
                    let watch = ContainerWatch(api: self.parts.docker, settings: .init(selector: self.selector))
                    await watch.run { self.observed($0) }
                }
            }
            await group.waitForAll()
        }
    }

    var selector: LabelSelector? {
        parts.config.docker.select.sorted { $0.key < $1.key }.first.map { LabelSelector($0.key, $0.value) }
    }

    // MARK: Observing

    private func observed(_ observation: ContainerObservation) {
        note(observation.problem)
        state.withLock { $0.observation = observation }
        let found = ContainerServices.discover(
            containers: observation.containers, statics: statics, host: parts.host, advertisedAddress: parts.address())
        checks.watch(found.targets)
        let services = Dictionary(
            found.targets.compactMap { target in
                target.instance.container.map { ($0, target.instance.service.text) }
            }, uniquingKeysWith: { first, _ in first })
        parts.tailer.setSources(fileSources + containerSources(observation.containers, services))
        parts.metrics.containersListed(targets(observation.containers, services))
        let scraping = parts.inputs?.observed(observation.containers, services: services) ?? []
        note(found.complaints + scraping)
        changed.yield()
    }

    private func note(_ complaints: [LabelComplaint]) {
        parts.own.labelComplaints(complaints.count)
        for complaint in complaints.prefix(16) {
            parts.logger.debug("label ignored", metadata: ["reason": "\(complaint)"])
        }
    }

    /// Says what is wrong with Docker when that changes, and not every time it is tried.
    private func note(_ problem: String?) {
        let isNews = state.withLock { state in
            defer { state.problem = problem }
            return state.problem != problem
        }
        guard isNews else { return }
        if let problem {
            parts.logger.warning("containers are not seen", metadata: ["reason": "\(problem)"])
        } else {
            parts.logger.info("containers are seen")
        }
    }

    private var statics: [StaticService] {
        parts.config.services.map { service in
            StaticService(
                name: service.name, address: service.address, port: service.port, tags: service.tags,
                weight: service.weight, check: service.check)
        }
    }

    private var start: LogSource.Start { parts.config.logs.startAt == .end ? .end : .beginning }

    private var fileSources: [LogSource] {
        zip(parts.config.logs.files, parts.processors.files).map { file, processing in
            var labels = file.labels
            labels["host"] = parts.host.text
            if let service = file.service { labels["service"] = service.text }
            return LogSource(glob: file.path, labels: labels, startAt: start, processing: processing)
        }
    }

    private func containerSources(_ containers: [ObservedContainer], _ services: [String: String]) -> [LogSource] {
        guard parts.config.logs.readsContainers else { return [] }
        return containers.compactMap { observed in
            guard observed.logDriver == "json-file", let path = observed.logPath, !path.isEmpty else { return nil }
            var labels: Labels = [
                "host": parts.host.text, "container": observed.container.name,
                "container_id": String(observed.container.id.prefix(12)),
            ]
            if let service = services[observed.container.id] { labels["service"] = service }
            // Docker rotates beside the file, so the rotated ones belong to the same source.
            return LogSource(
                glob: path + "*", kind: .dockerJSON, labels: labels, startAt: start,
                processing: parts.processors.containers)
        }
    }

    private func targets(_ containers: [ObservedContainer], _ services: [String: String]) -> [ContainerTarget] {
        containers.compactMap { observed in
            guard let pid = observed.pid, pid > 0 else { return nil }
            var labels = Labels()
            if let service = services[observed.container.id] { labels["service"] = service }
            return ContainerTarget(
                id: observed.container.id, name: observed.container.name, image: observed.container.image,
                pid: Int32(clamping: pid), labels: labels)
        }
    }

    // MARK: Sending

    private func send() async {
        for await _ in changes {
            try? await Task.sleep(for: Self.debounce)
            guard parts.uplink.isUp else { continue }
            guard let payload = nextPayload() else { continue }
            note(isTaken: parts.uplink.enqueue(.health, codec: 0, payload: payload), bytes: payload.count)
        }
    }

    /// What was not taken was not sent: the coordinator sees another hash in the heartbeats and asks, and is sent the
    /// next one. Said once, until one is taken again.
    private func note(isTaken: Bool, bytes: Int) {
        let isNews = state.withLock { state in
            defer { state.isRefused = !isTaken }
            if !isTaken { state.sent = nil }
            return !isTaken && !state.isRefused
        }
        guard isNews else { return }
        parts.logger.error(
            "the coordinator does not learn what this host runs: the link does not take the snapshot",
            metadata: ["bytes": "\(bytes)", "limit": "\(WireLimits.dataPayloadBytes)"])
    }

    /// Nil when the coordinator was sent the same already.
    private func nextPayload() -> [UInt8]? {
        let instances = checks.instances
        return state.withLock { state in
            var snapshot = HostSnapshot(
                host: parts.host, boot: parts.uplink.bootID, sequence: state.sequence, name: parts.name,
                agentVersion: Agent.version, labels: parts.config.labels,
                containers: state.observation.containers.map(\.container), instances: instances)
            guard snapshot != state.sent else { return nil }
            state.sequence += 1
            snapshot.sequence = state.sequence
            guard let payload = try? AgentMessage.snapshot(snapshot).encoded() else { return nil }
            state.sent = snapshot
            state.hash = SnapshotHash.of(payload)
            return payload
        }
    }
}
