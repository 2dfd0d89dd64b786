import Foundation
package import Logging
import MusterAlerts
import MusterConfig
import MusterControlStore
import MusterHealth
import MusterModel
import MusterPattern
import MusterProtocol
import MusterSeries
import MusterStore
import MusterTransport
import MusterYAML
import NIOCore
import NIOPosix

/// What `muster serve` was asked for.
package struct CoordinatorOptions: Sendable {
    /// The configuration file.
    package var configPath: String
    /// Called once when both listeners are up, with their ports.
    package var ready: @Sendable (_ link: Int, _ api: Int) -> Void

    package init(configPath: String, ready: @escaping @Sendable (_ link: Int, _ api: Int) -> Void = { _, _ in }) {
        self.configPath = configPath
        self.ready = ready
    }
}

/// The coordinator of one fleet, from its configuration to its end.
package enum Coordinator {
    static let pulse = Duration.milliseconds(100)
    static let storeInterval = Duration.milliseconds(500)
    static let housekeeping = Duration.minutes(1)
    static let keeperPulse = Duration.seconds(1)

    /// Runs until the task is cancelled. Throws `CoordinatorError`, `ConfigError` or `StoreError` when it cannot start.
    package static func run(_ options: CoordinatorOptions, logger: Logger) async throws {
        let config = try load(options.configPath)
        let clock = MachineClock()
        let io = SystemFileIO()
        try io.makeDirectories(config.dataDirectory)
        let lock = try DirectoryLock(directory: config.dataDirectory, io: io)
        defer { withExtendedLifetime(lock) {} }
        // Before the store is made: a store without an authority would keep `muster pki init` from making one.
        let certificates = try PKI.loadAuthority(config.dataDirectory)
        let store = try await SQLiteControlStore(path: config.dataDirectory + "/control.sqlite")
        let authority = try await HostAuthority.open(certificates, store: store)
        let ingest = try Ingest.open(
            Self.ingestSettings(config), io: io, compressor: ZlibCompressor(), now: MachineClock.wall,
            logger: logger)
        let group = MultiThreadedEventLoopGroup.singleton
        let older = try OlderSamples(config.metrics.handOff, group: group)
        let queries = QueryDesk(source: StoreAndOlder(store: ingest.metrics, older: older), clock: clock)
        let fleet = try await restoredFleet(config, store, authority, clock, logger)
        let rollouts = RolloutDesk(fleet: fleet, store: store, clock: clock, logger: logger)
        let loaded = try RuleLoader.load(config.rules)
        let handOff = try await HandOffDesk(
            config.metrics.handOff, metrics: ingest.metrics, store: store, group: group, clock: clock, logger: logger)
        let alerts = try alertDesk(config, loaded, store, group, clock, logger)
        let rules = RuleRunner(
            loaded, queries: queries, desk: alerts, recorder: RelayRecorder(ingest: ingest), clock: clock,
            logger: logger)
        let hub = LinkHub(
            clock: clock, ingest: ingest, fleet: fleet, authority: authority, rollouts: rollouts, logger: logger)
        rollouts.sends { hub.send($0) }
        let tokens = try await TokenBook.open(store)
        let server = APIServer(
            handlers: APIHandlers(
                fleet: fleet, ingest: ingest, queries: queries, logQueries: LogQueries(ingest.logs), alerts: alerts,
                rules: rules,
                otlp: OTLPDesk(clock: clock), handOff: handOff, rollouts: rollouts, authority: authority,
                tokens: tokens, links: hub, joins: JoinGate(), clock: clock, startedAt: clock.now, logger: logger),
            tokens: tokens, clock: clock, logger: logger)
        let identity = try CoordinatorIdentity(authority, clock: clock)
        let listener = try await listen(config, identity, group, logger)
        defer { withExtendedLifetime(listener) {} }
        var failure: (any Error)?
        do {
            try await withThrowingTaskGroup(of: Void.self) { loops in
                loops.addTask { await hub.run(listener) }
                loops.addTask { try await alerts.run() }
                loops.addTask { await rules.run() }
                loops.addTask { await handOff.run() }
                loops.addTask { try await rollouts.run() }
                loops.addTask { await tick(fleet, ingest, rollouts, clock, logger) }
                loops.addTask { await keep(fleet, tokens, store, clock, logger) }
                loops.addTask { await tidyLogs(ingest, clock, logger) }
                loops.addTask { await keep(ingest) }
                loops.addTask { await identity.renewing(logger) }
                loops.addTask {
                    try await server.run(
                        host: config.api.host, port: config.api.port, context: identity.api, group: group
                    ) { port in
                        logger.info(
                            "coordinator is up",
                            metadata: [
                                "version": "\(APIHandlers.version)", "link": "\(config.link.host):\(listener.port)",
                                "api": "\(config.api.host):\(port)", "openssl": "\(OpenSSLLibrary.version)",
                                "authority": "\(authority.authority.pin)",
                            ])
                        options.ready(listener.port, port)
                    }
                }
                // The first loop that ends takes the others with it: half a coordinator is worse than none.
                defer { loops.cancelAll() }
                try await loops.next()
            }
        } catch {
            failure = error
        }
        await listener.close()
        // A task of its own: this one may be cancelled, and neither store does anything for a cancelled task.
        await Task {
            await queries.close()
            await ingest.close(now: MachineClock.wall)
            await storeSnapshots(fleet, store, clock, logger)
            try? await tokens.storeUses(now: clock.now)
            try? store.close()
        }.value
        // To be told to stop is no failure.
        if let failure, !Task.isCancelled { throw failure }
    }

    static func load(_ path: String) throws -> CoordinatorConfig {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CoordinatorError(
                "the configuration \(path) cannot be read",
                hint: "muster pki init --data DIR writes one to DIR/muster.yaml")
        }
        return try CoordinatorConfig(try YAML.parse(Array(data), file: path))
    }

    private static func ingestSettings(_ config: CoordinatorConfig) -> Ingest.Settings {
        var metrics = SeriesStore.Settings()
        metrics.retention = config.metrics.retention
        metrics.maxBytes = config.metrics.maxMemory
        metrics.seriesPerOwner = config.metrics.seriesPerHost
        metrics.seriesPerMetric = config.metrics.seriesPerMetric
        return Ingest.Settings(
            directory: config.dataDirectory, metrics: metrics, metricBytes: config.metrics.maxBytes,
            logRetention: config.logs.retention, logBytes: config.logs.maxBytes,
            lateAfter: config.metrics.handOff.isEmpty ? nil : HandOffWindows.Settings().delay)
    }

    private static func alertDesk(
        _ config: CoordinatorConfig, _ loaded: [LoadedGroup], _ store: any ControlStore, _ group: any EventLoopGroup,
        _ clock: MachineClock, _ logger: Logger
    ) throws -> AlertDesk {
        let alerting = try config.alerting.map { node throws(ConfigError) in
            try AlertingConfig.decode(node, compiler: RE2Compiler())
        }
        // Without receivers alerts are still evaluated, grouped and listed; nobody is told.
        let nobody = AlertingConfig(
            route: AlertRoute(receiver: "nobody"), receivers: [AlertReceiver(name: "nobody", levels: [])])
        let alertRules = loaded.flatMap(\.group.rules).compactMap { rule -> AlertRule? in
            if case .alert(let alert) = rule { alert } else { nil }
        }
        return AlertDesk(
            config: alerting ?? nobody, rules: alertRules, store: store, webhooks: try WebhookSender(group: group),
            clock: clock, logger: logger)
    }

    private static func listen(
        _ config: CoordinatorConfig, _ identity: CoordinatorIdentity, _ group: any EventLoopGroup, _ logger: Logger
    ) async throws -> LinkListener {
        var options = LinkListener.Options()
        options.host = config.link.host
        options.port = config.link.port
        do throws(LinkError) {
            return try await LinkListener.bind(options, context: identity.link, group: group, logger: logger)
        } catch {
            throw CoordinatorError("\(error)", hint: "another process may listen there, or set listen.link")
        }
    }

    // MARK: Loops

    private static func tick(
        _ fleet: Fleet, _ ingest: Ingest, _ rollouts: RolloutDesk, _ clock: MachineClock, _ logger: Logger
    ) async {
        while !Task.isCancelled {
            let now = clock.now
            for change in fleet.tick(now: now) {
                logger.notice(
                    "host changed",
                    metadata: [
                        "host": "\(change.host)", "to": "\(change.to.rawValue)", "reason": "\(change.reason)",
                    ])
                guard change.to == .unreachable else { continue }
                ingest.metrics.hostLost(change.host)
                rollouts.hostLost(change.host, reason: change.reason)
            }
            ingest.metrics.endSilent(now: MachineClock.wall)
            try? await Task.sleep(for: pulse)
        }
    }

    /// Seals, writes and drops what the metric store has; a loop of its own, as the next.
    private static func keep(_ ingest: Ingest) async {
        while !Task.isCancelled {
            await ingest.keeper.run(now: MachineClock.wall)
            try? await Task.sleep(for: keeperPulse)
        }
    }

    /// A loop of its own: the disk may be slow, and liveness must not wait for it.
    private static func tidyLogs(_ ingest: Ingest, _ clock: MachineClock, _ logger: Logger) async {
        while !Task.isCancelled {
            await ingest.tidyLogs(now: clock.now, logger: logger)
            try? await Task.sleep(for: housekeeping)
        }
    }

    /// Writes changed snapshots, some at a time, so that a restart begins with what was known last.
    private static func keep(
        _ fleet: Fleet, _ tokens: TokenBook, _ store: any ControlStore, _ clock: MachineClock, _ logger: Logger
    ) async {
        while !Task.isCancelled {
            await storeSnapshots(fleet, store, clock, logger)
            _ = try? await store.expire(now: clock.now)
            try? await tokens.storeUses(now: clock.now)
            try? await Task.sleep(for: storeInterval)
        }
    }

    private static func storeSnapshots(
        _ fleet: Fleet, _ store: any ControlStore, _ clock: MachineClock, _ logger: Logger
    ) async {
        for (host, snapshot) in fleet.takeUnstored() {
            let key = "host/\(host)"
            do {
                let change: ControlChange =
                    try snapshot.map { .put(key, try StoredSnapshot.encode($0, at: clock.now)) } ?? .delete(key)
                _ = try await store.transaction([], [change])
            } catch {
                logger.error("snapshot not stored; trying again", metadata: ["host": "\(host)", "reason": "\(error)"])
                fleet.storeFailed([host])
            }
        }
    }

    private static func restoredFleet(
        _ config: CoordinatorConfig, _ store: any ControlStore, _ authority: HostAuthority, _ clock: MachineClock,
        _ logger: Logger
    ) async throws -> Fleet {
        var liveness = HostLiveness.Settings()
        liveness.suspectAfter = config.liveness.suspect
        liveness.unreachableAfter = config.liveness.unreachable
        liveness.deadAfter = config.liveness.dead
        let fleet = Fleet(liveness: liveness, now: clock.now)
        let snapshots = try await store.list(prefix: "host/").entries
            .compactMap { StoredSnapshot.decode($0.value) }
            .filter { !authority.isRevoked($0.snapshot.host) }
        fleet.restored(snapshots, now: clock.now)
        if !snapshots.isEmpty { logger.info("hosts restored", metadata: ["hosts": "\(snapshots.count)"]) }
        return fleet
    }
}

/// A snapshot in the control store: the time it was stored (milliseconds, 8 bytes, little endian), then the message as
/// the agent would send it.
enum StoredSnapshot {
    static func encode(_ snapshot: HostSnapshot, at now: Instant) throws -> [UInt8] {
        let time = UInt64(bitPattern: now.milliseconds)
        return (0..<8).map { UInt8(truncatingIfNeeded: time >> ($0 * 8)) }
            + (try AgentMessage.snapshot(snapshot).encoded())
    }

    static func decode(_ bytes: [UInt8]) -> (snapshot: HostSnapshot, hash: UInt64, storedAt: Instant)? {
        guard bytes.count > 8 else { return nil }
        let time = bytes[..<8].enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << ($1.offset * 8) }
        let payload = Array(bytes[8...])
        guard case .snapshot(let snapshot)? = try? AgentMessage.decode(payload) else { return nil }
        return (snapshot, SnapshotHash.of(payload), Instant(milliseconds: Int64(bitPattern: time)))
    }
}
