import Foundation
import MusterAlerts
import MusterControlStore
import MusterCoordinator
import MusterHealth
import MusterModel
import MusterProtocol
import MusterRollouts
import MusterSeries
import MusterStore
import MusterTestKit
import MusterTransport
import MusterWire
import NIOPosix
import Synchronization
import Testing

/// A store that says of some keys, while it is told to, that their values are too large for ever.
private final class NarrowStore: ControlStore {
    private let store: SQLiteControlStore
    private let narrow = Mutex<String?>(nil)

    init(_ store: SQLiteControlStore) { self.store = store }

    /// Keys with this prefix from now on; none for nil.
    func refuse(_ prefix: String?) { narrow.withLock { $0 = prefix } }

    func transaction(
        _ preconditions: [ControlPrecondition], _ changes: [ControlChange]
    ) async throws(ControlStoreError) -> UInt64 {
        let prefix = narrow.withLock { $0 }
        for change in changes {
            guard case .put(let key, let value, _) = change, let prefix, key.hasPrefix(prefix) else { continue }
            throw .tooLarge("\(value.count) bytes for '\(key)'", limit: 1)
        }
        return try await store.transaction(preconditions, changes)
    }

    func revision() async throws(ControlStoreError) -> UInt64 { try await store.revision() }
    func get(_ key: String) async throws(ControlStoreError) -> ControlEntry? { try await store.get(key) }
    func list(prefix: String) async throws(ControlStoreError) -> ControlListing { try await store.list(prefix: prefix) }
    func compact(through revision: UInt64) async throws(ControlStoreError) {
        try await store.compact(through: revision)
    }
    func expire(now: Instant) async throws(ControlStoreError) -> [String] { try await store.expire(now: now) }
    func watch(
        prefix: String, after revision: UInt64
    ) async throws(ControlStoreError) -> AsyncThrowingStream<ControlRevision, any Error> {
        try await store.watch(prefix: prefix, after: revision)
    }
}

/// For rules that record nothing.
private struct NoRecorder: SampleRecorder {
    func record(_ series: [SeriesSamples]) async throws {}
}

/// The loop that owns the rollouts, with a fleet that is made up.
@Suite(.serialized)
struct RolloutDeskTests {
    private let scratch: Scratch
    private let fleet: Fleet
    private let clock = MachineClock()
    private let host = Thing.host("a")
    private let spec = RolloutSpec(
        name: "web", select: ["app": "web"], image: "web:2",
        health: HealthGate(healthyFor: .zero, deadline: .seconds(10)))

    init() throws {
        scratch = try Scratch("rollouts")
        fleet = Fleet(liveness: HostLiveness.Settings(), now: clock.now)
        try fleetReports(image: "web:1")
    }

    private func fleetReports(image: String, sequence: UInt64 = 1) throws {
        fleet.connected(host, now: clock.now)
        try fleet.snapshotReceived(
            Thing.snapshot("a", sequence: sequence, containers: [Thing.container("web-1", image: image)]),
            hash: sequence, now: clock.now)
    }

    /// Runs a desk over the store of this test; when it is stopped, everything it decided is stored.
    private func desk(_ test: (RolloutDesk, _ sent: @escaping @Sendable () -> [RolloutStep]) async throws -> Void)
        async throws
    {
        let store = try await SQLiteControlStore(path: scratch("db"))
        let desk = RolloutDesk(fleet: fleet, store: store, clock: clock, logger: LogRecord().logger("test"))
        let sent = Mutex<[RolloutStep]>([])
        desk.sends { step in
            sent.withLock { $0.append(step) }
            return true
        }
        let running = Task { try await desk.run() }
        do {
            try await test(desk) { sent.withLock { $0 } }
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
        running.cancel()
        try await running.value
        try store.close()
    }

    private let succeeded = StepReport.finished(
        .succeeded(StepDetail(previousImage: "web:1", containers: ["web-1"])))

    @Test(.timeLimit(.minutes(1)))
    func aRolloutGoesOnAfterARestartInANewEpoch() async throws {
        let id = Mutex<RolloutID?>(nil)
        let first = Mutex<RolloutStep?>(nil)
        try await desk { desk, sent in
            let started = try await desk.run(spec)
            let step = try await awaited("the step is sent") { sent().first }
            #expect(await desk.reported(step.key, .accepted, by: host))
            #expect(desk.rollout(started)?.hostState(of: host) == .running)
            id.withLock { $0 = started }
            first.withLock { $0 = step }
        }
        let started = try #require(id.withLock { $0 })
        let before = try #require(first.withLock { $0 })
        try await desk { desk, sent in
            try await eventually("it is known again") { desk.rollout(started)?.hostState(of: host) == .running }
            let again = try await awaited("the step is asked about again", within: .seconds(40)) { sent().first }
            #expect(again.key == before.key)
            #expect(again.epoch > before.epoch)
            #expect(await desk.reported(before.key, succeeded, by: host))
            try await eventually("it succeeds") { desk.rollout(started)?.state == .succeeded }
        }
        try await desk { desk, _ in
            try await eventually("its end is known") { desk.rollout(started)?.state == .succeeded }
            #expect(desk.all.map(\.id) == [started])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func twoRolloutsOfOneHostDoNotRunAtOnce() async throws {
        try await desk { desk, sent in
            let first = try await desk.run(spec)
            let refusal = try await #require(throws: APIError.self) { _ = try await desk.run(spec) }
            #expect(refusal.status == 409 && refusal.message.contains(first.text))
            #expect(try await desk.order(first, .abort, by: "anna") == first)
            #expect(desk.rollout(first)?.state == .aborted)
            // What was offered may still be taken: only its end makes room.
            await #expect(throws: APIError.self) { _ = try await desk.run(spec) }
            let step = try await awaited("the step is sent") { sent().first }
            #expect(await desk.reported(step.key, .finished(.refused(reason: "it came too late")), by: host))
            let second = try await desk.run(spec)
            #expect(second > first)
            #expect(desk.all.map(\.id) == [second, first])
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func ordersAreFollowedOrRefusedWithAReason() async throws {
        try await desk { desk, _ in
            let stranger = try #require(RolloutID("r-1"))
            let unknown = try await #require(throws: APIError.self) {
                _ = try await desk.order(stranger, .pause, by: "anna")
            }
            #expect(unknown.status == 404)
            let id = try await desk.run(spec)
            #expect(try await desk.order(id, .pause, by: "anna") == id)
            #expect(desk.rollout(id)?.reason == "paused by anna")
            let twice = try await #require(throws: APIError.self) { _ = try await desk.order(id, .pause, by: "ben") }
            #expect(twice.status == 409)
            #expect(try await desk.order(id, .resume, by: "anna") == id)
            #expect(desk.rollout(id)?.state == .running)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func undoingOneThatSucceededIsARolloutOfItsOwn() async throws {
        try await desk { desk, sent in
            let id = try await desk.run(spec)
            let step = try await awaited("the step is sent") { sent().first }
            #expect(await desk.reported(step.key, .accepted, by: host))
            #expect(await desk.reported(step.key, succeeded, by: host))
            try await eventually("it succeeds") { desk.rollout(id)?.state == .succeeded }
            try fleetReports(image: "web:2", sequence: 2)
            let commit = try await awaited("what was parked is removed") { sent().first { $0.action == .commit } }
            #expect(await desk.reported(commit.key, .accepted, by: host))
            #expect(await desk.reported(commit.key, .finished(.succeeded(StepDetail())), by: host))
            let undoing = try await desk.order(id, .undo, by: "anna")
            #expect(undoing != id)
            let back = try await awaited("the way back is sent") {
                sent().first { $0.rollout == undoing }
            }
            guard case .replace(_, let image, _) = back.action else {
                Issue.record("the way back is \(back.action)")
                return
            }
            #expect(image == "web:1")
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func reportsOfStrangersChangeNothingAndAreTaken() async throws {
        try await desk { desk, sent in
            let id = try await desk.run(spec)
            let step = try await awaited("the step is sent") { sent().first }
            #expect(await desk.reported(step.key, .accepted, by: Thing.host("b")))
            #expect(desk.rollout(id)?.hostState(of: host) == .offered)
            var forgotten = step.key
            forgotten.rollout = try #require(RolloutID("r-0"))
            #expect(await desk.reported(forgotten, succeeded, by: host))
        }
    }

    /// An outcome that is not on the disk must not be confirmed: the agent would forget the only other copy.
    @Test(.timeLimit(.minutes(1)))
    func whatTheStoreDoesNotTakeIsNeitherConfirmedNorSent() async throws {
        let store = try await SQLiteControlStore(path: scratch("db"))
        let desk = RolloutDesk(fleet: fleet, store: store, clock: clock, logger: LogRecord().logger("test"))
        let sent = Mutex<[RolloutStep]>([])
        desk.sends { step in
            sent.withLock { $0.append(step) }
            return true
        }
        let running = Task { try await desk.run() }
        _ = try await desk.run(spec)
        let step = try await awaited("the step is sent") { sent.withLock { $0.first } }
        try store.close()
        let confirmed = Mutex<Bool?>(nil)
        let report = Task {
            let isStored = await desk.reported(step.key, .accepted, by: host)
            confirmed.withLock { $0 = isStored }
        }
        await #expect(throws: NeverHappened.self) {
            try await eventually("it is confirmed all the same", within: .milliseconds(500)) {
                confirmed.withLock { $0 } != nil
            }
        }
        running.cancel()
        _ = await running.result
        await report.value
        #expect(confirmed.withLock { $0 } == false)
        #expect(sent.withLock { $0.count } == 1)
    }
}

/// What the store will never take.
extension RolloutDeskTests {
    @Test(.timeLimit(.minutes(1)))
    func whatIsTooLargeForTheStoreDidNotHappenAndHoldsUpNobody() async throws {
        let inner = try await SQLiteControlStore(path: scratch("db"))
        let store = NarrowStore(inner)
        let desk = RolloutDesk(fleet: fleet, store: store, clock: clock, logger: LogRecord().logger("test"))
        let sent = Mutex<[RolloutStep]>([])
        desk.sends { step in
            sent.withLock { $0.append(step) }
            return true
        }
        let running = Task { try await desk.run() }
        defer { running.cancel() }
        let image = "web:" + String(repeating: "x", count: RolloutDesk.startBytesMax)
        let large = RolloutSpec(name: spec.name, select: spec.select, image: image, health: spec.health)
        let tooLarge = try await #require(throws: APIError.self) { _ = try await desk.run(large) }
        #expect(tooLarge.status == 409 && tooLarge.message.contains("\(RolloutDesk.startBytesMax)"))
        store.refuse("rollout/")
        let refusal = try await #require(throws: APIError.self) { _ = try await desk.run(spec) }
        #expect(refusal.status == 409 && refusal.message.contains("cannot be stored"))
        #expect(desk.all.isEmpty)
        #expect(sent.withLock { $0.isEmpty })
        store.refuse(nil)
        let id = try await desk.run(spec)
        let step = try await awaited("the step is sent") { sent.withLock { $0.first } }
        store.refuse("rollout/")
        #expect(await desk.reported(step.key, .accepted, by: host) == false)
        #expect(desk.rollout(id)?.hostState(of: host) == .offered)
        await #expect(throws: APIError.self) { _ = try await desk.order(id, .pause, by: "anna") }
        #expect(desk.rollout(id)?.state == .running)
        store.refuse(nil)
        #expect(await desk.reported(step.key, .accepted, by: host))
        #expect(desk.rollout(id)?.hostState(of: host) == .running)
        running.cancel()
        try await running.value
        try inner.close()
    }
}

/// The loop that owns the alerts, with rules over values that are made up.
@Suite(.serialized)
struct AlertDeskTests {
    private let scratch: Scratch
    private let clock = MachineClock()
    private let key = StreamKey(host: Thing.host("a"), boot: Thing.boot)

    private static let rules = """
        groups:
          - name: host
            interval: 100ms
            rules:
              - alert: Busy
                expr: node_load1 > 4
                labels: {severity: page}
                annotations: {summary: "load {{ $value }}"}
              - alert: Slow
                expr: node_load1 > 4
                for: 1h
        """

    init() throws {
        scratch = try Scratch("alerts")
        try scratch.write(Self.rules, to: "rules.yaml")
    }

    private func metrics(load: Double) -> MetricStore {
        let metrics = MetricStore(
            settings: .init(retention: .hours(1), maxBytes: 16 << 20), seed: HashSeed(1, 2),
            compressor: ZlibCompressor())
        var stream = MetricStream()
        metrics.frameStored(
            stream.frame([("node_load1", load)]), of: key, at: SegmentPosition(segment: 1, offset: 1), now: clock.now)
        return metrics
    }

    /// `refusing`: keys with this prefix are never stored.
    private func desk(
        load: Double, refusing prefix: String? = nil, _ test: (AlertDesk) async throws -> Void
    ) async throws {
        let inner = try await SQLiteControlStore(path: scratch("db"))
        let store = NarrowStore(inner)
        store.refuse(prefix)
        let config = AlertingConfig(
            route: AlertRoute(receiver: "nobody", groupWait: .zero),
            receivers: [AlertReceiver(name: "nobody", levels: [])])
        let loaded = try RuleLoader.load([scratch("*.yaml")])
        let rules = loaded.flatMap(\.group.rules).compactMap { rule in
            if case .alert(let alert) = rule { alert } else { nil }
        }
        let logger = LogRecord().logger("test")
        let desk = AlertDesk(
            config: config, rules: rules, store: store,
            webhooks: try WebhookSender(group: MultiThreadedEventLoopGroup.singleton), clock: clock, logger: logger)
        let queries = QueryDesk(source: metrics(load: load), clock: clock)
        let runner = RuleRunner(
            loaded, queries: queries, desk: desk, recorder: NoRecorder(), clock: clock, logger: logger)
        let running = Task { try await desk.run() }
        let evaluating = Task { await runner.run() }
        let failure: (any Error)?
        do {
            try await test(desk)
            failure = nil
        } catch {
            failure = error
        }
        evaluating.cancel()
        running.cancel()
        await evaluating.value
        _ = await running.result
        await queries.close()
        try inner.close()
        if let failure { throw failure }
    }

    private func firing(_ desk: AlertDesk) async throws -> AlertListing {
        try await awaited("it fires") { desk.alerts.first { $0.state == "firing" } }
    }

    @Test(.timeLimit(.minutes(1)))
    func alertsFireAreTakenAndAreTheSameAfterARestart() async throws {
        let before = Mutex<[AlertListing]>([])
        try await desk(load: 8) { desk in
            let alert = try await firing(desk)
            #expect(alert.labels["alertname"] == "Busy" && alert.labels["severity"] == "page")
            #expect(alert.annotations["summary"] == "load 8")
            #expect(alert.escalation.acknowledgedBy == nil)
            let pending = try await awaited("the other one waits") {
                desk.alerts.first { $0.state == "pending" }
            }
            #expect(pending.labels["alertname"] == "Slow")
            let fingerprint = try #require(Fingerprint(alert.fingerprint))
            try await desk.acknowledge(fingerprint, by: "anna")
            try await eventually("it is held") { desk.alerts.contains { $0.escalation.acknowledgedBy == "anna" } }
            let twice = try await #require(throws: APIError.self) {
                try await desk.acknowledge(fingerprint, by: "ben")
            }
            #expect(twice.status == 409)
            before.withLock { $0 = desk.alerts }
        }
        try await desk(load: 8) { desk in
            let alert = try await firing(desk)
            let old = before.withLock { $0 }
            #expect(old.contains { $0.fingerprint == alert.fingerprint && $0.activeAt == alert.activeAt })
            #expect(alert.escalation.acknowledgedBy == "anna")
            let pending = try await awaited("the other one still waits") {
                desk.alerts.first { $0.state == "pending" }
            }
            #expect(old.contains { $0.fingerprint == pending.fingerprint && $0.activeAt == pending.activeAt })
        }
    }

    /// An outage that is too large to be written down is the last thing to be silent about.
    @Test(.timeLimit(.minutes(1)))
    func alertsThatAreTooLargeForTheStoreFireAllTheSame() async throws {
        try await desk(load: 8, refusing: "alert-") { desk in
            let alert = try await firing(desk)
            let fingerprint = try #require(Fingerprint(alert.fingerprint))
            let refusal = try await #require(throws: APIError.self) {
                try await desk.acknowledge(fingerprint, by: "anna")
            }
            #expect(refusal.status == 409 && refusal.message.contains("cannot be stored"))
            #expect(desk.alerts.allSatisfy { $0.escalation.acknowledgedBy == nil })
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func whatIsBelowTheThresholdIsNoAlertAndCannotBeTaken() async throws {
        try await desk(load: 4) { desk in
            let fingerprint = try #require(Fingerprint("0123456789abcdef"))
            let unknown = try await #require(throws: APIError.self) {
                try await desk.acknowledge(fingerprint, by: "anna")
            }
            #expect(unknown.status == 404)
            #expect(desk.alerts.isEmpty)
        }
    }

    @Test
    func anExpressionThatIsNoneIsFoundAtTheStartWithItsPlace() throws {
        try scratch.write(
            "groups:\n  - name: a\n    rules:\n      - alert: X\n        expr: up >\n", to: "wrong.yaml")
        let error = try #require(throws: ConfigError.self) { _ = try RuleLoader.load([scratch("wrong.yaml")]) }
        #expect("\(error)".contains("wrong.yaml:5"))
        #expect("\(error)".contains("rule X"))
        #expect(try RuleLoader.load([scratch("none-*.yaml")]).isEmpty)
    }
}
