package import Logging
import MusterConfig
import MusterHost
import MusterLogs
import MusterModel
import MusterProtocol
import MusterRollouts
import MusterStore
import MusterTransport
import MusterWire
import MusterYAML
import NIOPosix
import Synchronization

/// What `muster-agent run` was asked for.
package struct AgentOptions: Sendable {
    package var configPath: String

    package init(configPath: String) { self.configPath = configPath }
}

/// The agent of one host, from its configuration to its end.
package enum Agent {
    package static let version = "0.1.0"

    /// Checks a configuration without running it.
    package static func checkConfiguration(_ path: String) throws {
        let config = try configuration(path)
        _ = try LogProcessors(config.logs)
    }

    /// Runs until the task is cancelled. Throws `AgentError`, `ConfigError` or `StoreError` when it cannot start.
    package static func run(_ options: AgentOptions, logger: Logger) async throws {
        let config = try configuration(options.configPath)
        let state = try AgentState(directory: config.stateDirectory)
        var identity = try HostIdentity.load(config.stateDirectory, io: state.io)
        var generator = SecureRandom()
        var boot = try state.boot(using: &generator)
        while !Task.isCancelled {
            let reason: String?
            do {
                reason = try await Lineage(config, identity, boot, state, logger).run()
            } catch let over as LineageOver {
                reason = over.reason
            }
            guard !Task.isCancelled, let reason else { return }
            // A copy of an old state directory, or two hosts with one: going on would name new frames like old ones.
            logger.error(
                "the state directory is older than what the coordinator has; beginning a new boot",
                metadata: ["boot": "\(boot.id)", "reason": "\(reason)"])
            boot = AgentState.Boot(id: BootID(using: &generator))
            try state.persist(boot)
            // The certificate may have been renewed since, and the one from the start be over.
            identity = try HostIdentity.load(config.stateDirectory, io: state.io)
        }
    }

    static func configuration(_ path: String) throws -> AgentConfig {
        let io = SystemFileIO()
        let bytes: [UInt8]
        do throws(StoreError) {
            bytes = try WholeFile.read(path, io: io, maxBytes: Limits.documentBytes + 1)
        } catch {
            throw AgentError("the configuration \(path) cannot be read: \(error)")
        }
        return try AgentConfig(try YAML.parse(bytes, file: path))
    }

    /// This host's name when the configuration gives none.
    package static var hostName: String { ProcessUsage.hostName }
}

/// Nothing more may be sent under this boot id.
private struct LineageOver: Error {
    var reason: String
}

/// Everything that runs under one boot id.
private struct Lineage {
    let config: AgentConfig
    let uplink: Uplink
    let tailer: LogTailer
    let inputs: MetricInputs?
    let metrics: MetricsLoop
    let reporter: HostReporter
    let steps: StepRunner
    let keeper: CertificateKeeper
    let logger: Logger

    init(
        _ config: AgentConfig, _ identity: HostIdentity, _ boot: AgentState.Boot, _ state: AgentState, _ logger: Logger
    ) throws {
        self.config = config
        self.logger = logger
        let clock = MachineClock()
        let group = MultiThreadedEventLoopGroup.singleton
        let compressor = ZlibCompressor()
        let report = RecoveryReport(logger: logger)
        let spoolPath = config.stateDirectory + "/spool"
        let (spool, spooled) = try Spool.open(
            directory: spoolPath, io: state.io, settings: .init(maxBytes: config.spoolBytes))
        report.spool(spoolPath, spooled)
        let logPath = config.stateDirectory + "/logs.journal"
        let (logJournal, logRecords) = try Journal.open(path: logPath, io: state.io)
        if let aside = logRecords.quarantined {
            // Cursors are gone, so files are read again: under this boot their lines would count as known.
            throw LineageOver(reason: "the log journal was damaged and is kept as \(aside)")
        }
        report.journal(logPath, logRecords, loss: "lines of files that are read again may arrive twice")
        let recovery = TailLedger.recovered(from: logRecords.records)
        uplink = try Uplink(
            identity.host, boot, store: state, spool: spool, logNumbersUsed: recovery.ledger.nextSequence - 1,
            clock: clock, logger: logger)
        let own = AgentMetrics()
        let client = NIOHTTPClient(group: group)
        inputs = MetricInputs(config, client: client, group: group, clock: clock, logger: logger)
        metrics = MetricsLoop(
            options: Self.collectorOptions(config.metrics), config: config.metrics, uplink: uplink,
            compressor: compressor, clock: clock, own: own, inputs: inputs)
        guard
            let tailer = LogTailer(
                recovery: recovery,
                journal: ReportedLogJournal(journal: LogJournal(journal: logJournal), logger: logger),
                sink: UplinkLogSink(uplink: uplink), compressor: compressor, clock: { MachineClock.wall })
        else { throw AgentError("this process may open no more files", hint: "raise its limit of open files") }
        self.tailer = tailer
        own.reads { tailer.counters }
        let docker = DockerAPI(client: client, endpoint: .unixSocket(path: config.docker.socket))
        let probe = NetworkProbe(client: client, group: group)
        let (configured, link) = (config.advertiseAddress, uplink)
        // Before the first connection nobody is told, so any address will do.
        let address: @Sendable () -> String = { configured ?? link.localAddress ?? "localhost" }
        reporter = HostReporter(
            .init(
                host: identity.host, name: config.hostName ?? Agent.hostName, address: address, config: config,
                processors: try LogProcessors(config.logs), uplink: uplink, tailer: tailer, metrics: metrics,
                inputs: inputs, own: own, probe: probe,
                docker: docker, clock: clock,
                logger: logger))
        let stepPath = config.stateDirectory + "/steps.journal"
        let (stepJournal, stepRecords) = try Journal.open(path: stepPath, io: state.io)
        report.journal(stepPath, stepRecords, loss: "rollout steps this host has executed may not be known any more")
        let executor = ContainerReplacement(
            api: docker, probe: probe, host: identity.host, advertisedAddress: address,
            settings: .init(selector: reporter.selector), now: { clock.now })
        do throws(StepRecordError) {
            steps = try StepRunner(
                host: identity.host, journal: stepJournal, recovery: stepRecords,
                executor: config.mayReplaceContainers && config.docker.isEnabled ? executor : nil, uplink: uplink,
                clock: clock, logger: logger)
        } catch {
            throw AgentError(
                "\(stepPath) cannot be used: \(error)",
                hint: "run the agent that wrote it; moved away, rollout steps this host has executed are forgotten")
        }
        keeper = CertificateKeeper(identity, store: state, uplink: uplink, clock: clock, logger: logger)
        uplink.listens(Switchboard(lineage: self))
    }

    private static func collectorOptions(_ config: MetricsConfig) -> HostCollectorOptions {
        var options = HostCollectorOptions()
        for name in CollectorName.allCases {
            let collector = config[name.rawValue]
            if !collector.isEnabled { options.disabled.insert(name) }
            options.intervals[name] = collector.interval
        }
        return options
    }

    /// Nil when it was told to stop, otherwise why the lineage is over.
    func run() async throws -> String? {
        guard tailer.start() else { throw AgentError("the system gives this process no thread more") }
        defer {
            tailer.stop()
            uplink.spillAll()
            // The uplink and this lineage hold each other; what they have open must not outlive them.
            uplink.listensNoMore()
        }
        let group = MultiThreadedEventLoopGroup.singleton
        let addresses = config.coordinators.map { LinkAddress(host: $0.host, port: $0.port) }
        logger.info(
            "agent is up",
            metadata: [
                "version": "\(Agent.version)", "host": "\(uplink.host)", "boot": "\(uplink.bootID)",
                "openssl": "\(OpenSSLLibrary.version)",
            ])
        return await withTaskGroup(of: String?.self) { loops in
            loops.addTask { await uplink.run(addresses: addresses) { LinkDialer(try keeper.context(), group: group) } }
            loops.addTask { await nothing { await metrics.run() } }
            if let inputs { loops.addTask { await nothing { await inputs.run() } } }
            loops.addTask { await nothing { await reporter.run() } }
            loops.addTask { await nothing { await steps.run() } }
            loops.addTask { await nothing { await keeper.run() } }
            loops.addTask { await nothing { await givesBackCode() } }
            let reason = await loops.next() ?? nil
            loops.cancelAll()
            return Task.isCancelled ? nil : reason
        }
    }

    /// First when the start is over, then to take back what a rare piece of work left behind.
    private func givesBackCode() async {
        var wait = Duration.seconds(10)
        while (try? await Task.sleep(for: wait)) != nil {
            ResidentCode.giveBack()
            wait = .minutes(10)
        }
    }

    private func nothing(_ loop: () async -> Void) async -> String? {
        await loop()
        return nil
    }
}

/// What the link says, to whom it concerns.
private struct Switchboard: UplinkListener {
    let lineage: Lineage

    func welcomed(_ welcome: Welcome) {
        lineage.tailer.welcomed(durable: welcome.durable[.logs])
        lineage.tailer.windowOpened()
        lineage.reporter.connected()
        lineage.steps.connected()
    }

    func released(_ released: Released) {
        guard released.class == .logs else { return }
        lineage.tailer.acknowledged(through: released.highest)
        lineage.tailer.windowOpened()
    }

    func dropped(_ name: TrafficClass) {
        if name == .metrics { lineage.metrics.beginEpoch() }
    }

    func heartbeatFacts() -> HeartbeatFacts {
        let held = lineage.reporter.held
        return HeartbeatFacts(
            monotonicMilliseconds: MachineClock.monotonicMilliseconds, snapshotSequence: held.sequence,
            snapshotHash: held.hash)
    }

    func messageReceived(_ payload: [UInt8]) async {
        do throws(ProtocolError) {
            switch try CoordinatorMessage.decode(payload) {
            case .step(let step): lineage.steps.received(step)
            case .stepReportStored(let key): lineage.steps.stored(key)
            case .certificate(let chain): lineage.keeper.issued(chain)
            case .certificateRefused(let reason): lineage.keeper.refused(reason)
            case .snapshotRequest: lineage.reporter.resend()
            case .keyframeRequest: lineage.metrics.beginEpoch()
            }
        } catch {
            lineage.logger.warning("the coordinator's message is ignored", metadata: ["reason": "\(error)"])
        }
    }
}
