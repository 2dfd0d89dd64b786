import Logging
import MusterConfig
import MusterHost
import MusterModel
import MusterSeries
import MusterTransport
import MusterWire
import Synchronization

/// Measures on the grid of its interval and puts frames on the uplink, see `TickGrid`.
final class MetricsLoop: Sendable {
    /// A new dictionary now and then, so that whoever reads from the middle of the stream finds a beginning.
    static let epochInterval = Duration.minutes(10)
    /// What a coordinator that lost its state would be sent again; a new epoch begins before it is more.
    static let retainedBytes = WireLimits.retainedBytes / 2

    private struct Wishes: Sendable {
        var beginsEpoch = false
        var containers: [ContainerTarget]?
    }

    private let options: HostCollectorOptions
    private let config: MetricsConfig
    private let uplink: Uplink
    private let compressor: any Compressor
    private let clock: MachineClock
    private let own: AgentMetrics
    private let inputs: MetricInputs?
    private let wishes = Mutex(Wishes())

    init(
        options: HostCollectorOptions, config: MetricsConfig, uplink: Uplink, compressor: any Compressor,
        clock: MachineClock, own: AgentMetrics, inputs: MetricInputs?
    ) {
        self.options = options
        self.config = config
        self.uplink = uplink
        self.compressor = compressor
        self.clock = clock
        self.own = own
        self.inputs = inputs
    }

    /// The next frame defines everything anew.
    func beginEpoch() { wishes.withLock { $0.beginsEpoch = true } }

    func containersListed(_ targets: [ContainerTarget]) { wishes.withLock { $0.containers = targets } }

    func run() async {
        var collectors = HostCollectors(options: options)
        var table = MetricTable(families: families)
        table.countersStarted = AgentMetrics.started.milliseconds
        var own = own.series
        var rows = MetricInputs.Rows()
        var encoder = MetricFrameEncoder(
            interval: config.interval.nanoseconds / 1_000_000, firstNumber: uplink.nextUnused(.metrics),
            compressor: compressor)
        var epochEnds = clock.now + Self.epochInterval
        var grid = TickGrid(interval: config.interval)
        while true {
            try? await Task.sleep(for: grid.wait(wall: MachineClock.wall), tolerance: .zero)
            guard !Task.isCancelled else { return }
            let now = clock.now
            let tick = grid.woke(wall: MachineClock.wall, now: now)
            let wish = wishes.withLock { wishes in
                defer { wishes = Wishes() }
                return wishes
            }
            if let targets = wish.containers { collectors.containersListed(targets) }
            if wish.beginsEpoch || now >= epochEnds || uplink.lane(.metrics).retainedBytes > Self.retainedBytes {
                encoder.beginEpoch(number: uplink.nextUnused(.metrics))
                epochEnds = now + Self.epochInterval
            }
            table.tickBegan(missed: tick.missed)
            collectors.collect(now: now, into: &table)
            own.collect(into: &table, tick, uplink: uplink)
            if let inputs {
                rows.collect(inputs, tick, now: now, into: &table)
                own.collect(inputs, rows, into: &table)
            }
            for payload in Self.frames(of: table, tick, &encoder) {
                guard uplink.enqueue(.metrics, codec: MetricFrame.codec, payload: payload) else {
                    // Nothing that follows in this epoch could be read.
                    beginEpoch()
                    break
                }
            }
        }
    }

    private static func frames(
        of table: MetricTable, _ tick: TickGrid.Tick, _ encoder: inout MetricFrameEncoder
    ) -> [[UInt8]] {
        encoder.beginTick(milliseconds: tick.milliseconds, missed: tick.missed)
        for handle in table.ended { encoder.ended(handle) }
        table.forEachSample { handle, labels, value in
            encoder.set(handle, value, series(table, handle, labels))
        }
        return encoder.endTick()
    }

    private static func series(_ table: MetricTable, _ handle: Int, _ labels: Labels) -> MetricSeries {
        let family = table.family(handle)
        return MetricSeries(
            labels, family.kind, unit: family.unit, help: family.help,
            startMilliseconds: table.startMilliseconds(handle))
    }

    private var families: [FamilyInterval] {
        config.families.map { family in
            let ticks = (family.interval.nanoseconds + config.interval.nanoseconds / 2) / config.interval.nanoseconds
            return FamilyInterval(pattern: family.pattern, ticks: UInt64(max(1, ticks)))
        }
    }
}
