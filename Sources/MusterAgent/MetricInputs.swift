import Logging
import MusterConfig
import MusterHost
import MusterInterchange
import MusterModel
import MusterTransport
import NIOCore
import Synchronization

/// What other programs of the host measure, on its way into the metrics loop: scraped endpoints, StatsD, OTLP. Each is
/// there only when the configuration asks for it.
final class MetricInputs: Sendable {
    let scraper: Scraper?
    let statsD: StatsDReceiver?
    let otlp: OTLPReceiver?
    private let config: InputsConfig
    private let group: any EventLoopGroup
    private let logger: Logger
    /// Sockets whose trouble was told.
    private let troubles = Mutex<[String: String]>([:])

    /// Nil when nothing is asked for.
    init?(_ config: AgentConfig, client: any HTTPClient, group: any EventLoopGroup, clock: MachineClock, logger: Logger)
    {
        let inputs = config.metrics.inputs
        let interval = config.metrics.interval
        let scrapesContainers = inputs.containers != nil && config.docker.isEnabled
        let hasStatsD = inputs.statsD.listen != nil || inputs.statsD.socket != nil
        guard !inputs.scrape.isEmpty || scrapesContainers || hasStatsD || inputs.otlp != nil else { return nil }
        self.config = inputs
        self.group = group
        self.logger = logger
        let now: @Sendable () -> Instant = { clock.now }
        scraper =
            inputs.scrape.isEmpty && !scrapesContainers
            ? nil : Scraper(grid: interval, client: client, now: now) { Self.tell($0, logger) }
        statsD = hasStatsD ? StatsDReceiver(interval: interval, now: now) : nil
        otlp = inputs.otlp.map { _ in OTLPReceiver(interval: interval, compressor: ZlibCompressor(.gzip), now: now) }
        scraper?.listed(inputs.scrape.map(\.target))
    }

    /// The containers of the host from now on. Returns what is wrong with their labels.
    func observed(_ containers: [ObservedContainer], services: [String: String]) -> [LabelComplaint] {
        guard let scraper, let rules = config.containers else { return [] }
        let found = ContainerScrapes.targets(of: containers, services: services, policy: ContainerScrapePolicy(rules))
        scraper.listed(config.scrape.map(\.target) + found.targets)
        return found.complaints
    }

    func run() async {
        await withTaskGroup(of: Void.self) { tasks in
            if let scraper { tasks.addTask { await scraper.run() } }
            if let statsD {
                let addresses = [
                    config.statsD.listen.map { StatsDReceiver.Address.udp(host: $0.host, port: $0.port) },
                    config.statsD.socket.map { StatsDReceiver.Address.unix(path: $0) },
                ].compactMap { $0 }
                tasks.addTask {
                    await statsD.run(addresses, group: self.group) { self.noteSocket("statsd \($0)", $1) }
                }
            }
            if let otlp, let address = config.otlp {
                let door = OTLPDoor(receiver: otlp, address: address, group: group)
                tasks.addTask { await door.run { self.noteSocket("otlp \(address)", $0) } }
            }
            await tasks.waitForAll()
        }
    }

    // MARK: What people hear

    /// Says what is wrong with a socket when that changes, and not every time it is tried.
    private func noteSocket(_ name: String, _ trouble: String?) {
        let isNews = troubles.withLock { troubles in
            let before = troubles.updateValue(trouble ?? "", forKey: name)
            return before != (trouble ?? "")
        }
        guard isNews else { return }
        if let trouble {
            logger.warning(
                "metrics are not listened for; it is tried again",
                metadata: ["socket": "\(name)", "reason": "\(trouble)"])
        } else {
            logger.info("metrics are listened for", metadata: ["socket": "\(name)"])
        }
    }

    private static func tell(_ news: ScrapeTargets.News, _ logger: Logger) {
        switch news {
        case .failing(let target, let failure):
            logger.warning(
                "a target cannot be scraped",
                metadata: [
                    "target": "\(target)", "labels": "\(target.labels.labels)", "reason": "\(failure)",
                ])
        case .recovered(let target): logger.info("a target is scraped again", metadata: ["target": "\(target)"])
        }
    }
}

extension MetricInputs {
    /// The series of all inputs, owned by the metrics loop.
    struct Rows {
        private var scraped: [UInt64: SourcedSeries] = [:]
        private var statsD = SourcedSeries()
        private var otlp = SourcedSeries()

        /// What the inputs have since the last tick.
        mutating func collect(
            _ inputs: MetricInputs, _ tick: TickGrid.Tick, now: Instant, into table: inout MetricTable
        ) {
            if let scraper = inputs.scraper {
                let scrapes = scraper.tickBegan(milliseconds: tick.milliseconds)
                for id in scrapes.gone {
                    scraped[id]?.ended(&table)
                    scraped[id] = nil
                }
                for (id, reading) in scrapes.readings {
                    scraped[id, default: SourcedSeries()].apply(reading, to: &table)
                }
            }
            if let receiver = inputs.statsD { statsD.apply(receiver.tickBegan(now: now), to: &table) }
            if let receiver = inputs.otlp { otlp.apply(receiver.tickBegan(now: now), to: &table) }
        }

        /// Series that found no place, by the input they came from.
        var refused: [(input: String, count: Int)] {
            [
                ("scrape", scraped.values.reduce(0) { $0 + $1.refusedCount }), ("statsd", statsD.refusedCount),
                ("otlp", otlp.refusedCount),
            ]
        }
    }
}

extension InputsConfig.Scrape {
    fileprivate var target: ScrapeTarget {
        let endpoint = HTTPEndpoint.tcp(host: host, port: port)
        return ScrapeTarget(
            endpoint: endpoint, path: path,
            labels: TargetLabels(
                labels.merging(["job": job, "instance": endpoint.description]), honorsLabels: honorsLabels),
            interval: rules.interval, timeout: rules.timeout, maxSeries: rules.maxSeries)
    }
}

extension ContainerScrapePolicy {
    fileprivate init(_ rules: InputsConfig.ScrapeRules) {
        self.init(interval: rules.interval, timeout: rules.timeout, maxSeries: rules.maxSeries)
    }
}
