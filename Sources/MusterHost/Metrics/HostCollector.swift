import MusterModel

/// One source of host metrics. To add one: a type here, a name in `CollectorName`, a line in `HostCollectors.make`.
protocol HostCollector: Sendable {
    /// Measures once. Whatever is thrown is counted, and the collector's series end until it succeeds again.
    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError)

    /// Ends every series and forgets what was resolved.
    mutating func ended(_ table: inout MetricTable)

    /// The containers there are from now on.
    mutating func containersListed(_ targets: [ContainerTarget])

    /// True when something is still under way and the collector is to be asked again at the next tick.
    var isPending: Bool { get }
}

extension HostCollector {
    mutating func containersListed(_ targets: [ContainerTarget]) {}
    var isPending: Bool { false }
}

/// The collectors by the names node_exporter gives them. `stat` includes node_exporter's `cpu`: it is the same file.
package enum CollectorName: String, CaseIterable, Hashable, Sendable {
    case stat, loadavg, meminfo, vmstat, diskstats, netdev, sockstat, pressure, filefd, time, softnet
    case filesystem, netstat, processes, uname, conntrack, netclass
    /// The cgroup metrics of containers.
    case container

    /// How often it runs when nothing else is configured.
    package var defaultInterval: Duration {
        switch self {
        case .filesystem, .netstat, .processes, .uname, .conntrack, .netclass: .seconds(10)
        default: .seconds(1)
        }
    }
}
