import Logging
import MusterHost
import MusterModel
import MusterSeries
import MusterTransport
import Synchronization

/// Measures on the grid of its interval and puts frames on the uplink. A tick that is late is taken late and stamped
/// with its place on the grid; a tick that is missed altogether stays missing.
final class MetricsLoop: Sendable {
    /// A new dictionary now and then, so that whoever reads from the middle of the stream finds a beginning.
    static let epochInterval = Duration.minutes(5)

    private struct Wishes: Sendable {
        var beginsEpoch = false
        var containers: [ContainerTarget]?
    }

    private let options: HostCollectorOptions
    private let interval: Duration
    private let uplink: Uplink
    private let compressor: any Compressor
    private let clock: MachineClock
    private let own: AgentMetrics
    private let wishes = Mutex(Wishes())

    init(
        options: HostCollectorOptions, interval: Duration, uplink: Uplink, compressor: any Compressor,
        clock: MachineClock, own: AgentMetrics
    ) {
        self.options = options
        self.interval = interval
        self.uplink = uplink
        self.compressor = compressor
        self.clock = clock
        self.own = own
    }

    /// The next frame defines everything anew.
    func beginEpoch() { wishes.withLock { $0.beginsEpoch = true } }

    func containersListed(_ targets: [ContainerTarget]) { wishes.withLock { $0.containers = targets } }

    func run() async {
        var collectors = HostCollectors(options: options)
        var table = MetricTable()
        var own = own.series
        var encoder = MetricFrameEncoder(
            firstEpoch: UInt32(truncatingIfNeeded: MachineClock.wall.seconds), compressor: compressor)
        var epochEnds = clock.now + Self.epochInterval
        let step = interval.nanoseconds
        while !Task.isCancelled {
            let wall = MachineClock.wall
            let next = (wall.nanoseconds / step + 1) * step
            try? await Task.sleep(for: .nanoseconds(next - wall.nanoseconds))
            guard !Task.isCancelled else { return }
            let late = MachineClock.wall.nanoseconds - next
            let now = clock.now
            let wish = wishes.withLock { wishes in
                defer { wishes = Wishes() }
                return wishes
            }
            if let targets = wish.containers { collectors.containersListed(targets) }
            if wish.beginsEpoch || now >= epochEnds {
                encoder.beginEpoch()
                epochEnds = now + Self.epochInterval
            }
            table.tickBegan()
            collectors.collect(now: now, into: &table)
            own.collect(into: &table, late: late, uplink: uplink)
            for payload in Self.frames(of: table, at: next / 1_000_000, &encoder) {
                if !uplink.enqueue(.metrics, codec: MetricFrame.codec, payload: payload) { beginEpoch() }
            }
        }
    }

    private static func frames(
        of table: MetricTable, at milliseconds: Int64, _ encoder: inout MetricFrameEncoder
    ) -> [[UInt8]] {
        encoder.beginTick(milliseconds: milliseconds)
        for handle in table.ended { encoder.ended(handle) }
        table.forEachSample { handle, labels, value in encoder.set(handle, value, labels: labels) }
        return encoder.endTick()
    }
}
