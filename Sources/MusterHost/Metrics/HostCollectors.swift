package import MusterModel

/// All collectors of a host, each on its own interval. One loop owns it and calls `collect` once a second:
///
///     table.tickBegan()
///     collectors.collect(now: now, into: &table)
///     encoder.append(table)
///
/// A collector that fails costs its own series only: they end, the failure is counted, and the next interval tries
/// again.
package struct HostCollectors: Sendable {
    private struct Entry: Sendable {
        let name: CollectorName
        let interval: Duration
        var collector: any HostCollector
        var dueAt = Instant.distantPast
        var errors = 0.0
        var errorsHandle: Int?
        var durationHandle: Int?
    }

    /// The last failure of each collector that is failing now, for people.
    package private(set) var failures: [CollectorName: CollectError] = [:]

    private var entries: [Entry] = []
    private var buffer = ReadBuffer()
    private let procRoot: String
    /// The kernel's counters count since then.
    private var bootMilliseconds: Int64?

    package init(options: HostCollectorOptions = HostCollectorOptions()) {
        procRoot = options.procRoot
        for name in CollectorName.allCases where !options.disabled.contains(name) {
            let interval = options.intervals[name] ?? name.defaultInterval
            entries.append(Entry(name: name, interval: interval, collector: Self.make(name, options)))
        }
    }

    /// The containers whose cgroups are measured from now on, all of them: a listing replaces the one before.
    package mutating func containersListed(_ targets: [ContainerTarget]) {
        for index in entries.indices { entries[index].collector.containersListed(targets) }
    }

    /// Measures everything that is due. Values are those of now; the caller stamps them with one time for the tick.
    package mutating func collect(now: Instant, into table: inout MetricTable) {
        if bootMilliseconds == nil {
            bootMilliseconds = BootTime.seconds(procRoot: procRoot, &buffer).map { Int64($0 * 1_000) }
        }
        for index in entries.indices {
            // Ticks jitter by a few milliseconds: one that comes a little early counts.
            let slack = Duration.nanoseconds(entries[index].interval.nanoseconds / 10)
            guard now + slack >= entries[index].dueAt || entries[index].collector.isPending else { continue }
            if now + slack >= entries[index].dueAt { scheduleNext(index, now: now, slack: slack) }
            run(index, now: now, &table)
        }
    }

    private mutating func scheduleNext(_ index: Int, now: Instant, slack: Duration) {
        let interval = entries[index].interval
        guard entries[index].dueAt != .distantPast else {
            // The costly ones are spread over the interval instead of meeting in one tick.
            let phase =
                interval >= .seconds(2) ? Duration.seconds(Int64(index) % max(1, interval.components.seconds)) : .zero
            entries[index].dueAt = now + interval + phase
            return
        }
        let next = entries[index].dueAt + interval
        entries[index].dueAt = next > now + slack ? next : now + interval
    }

    private mutating func run(_ index: Int, now: Instant, _ table: inout MetricTable) {
        let started = Monotonic.nanoseconds
        let ownCounters = table.countersStarted
        table.countersStarted = bootMilliseconds
        do {
            try entries[index].collector.collect(now: now, buffer: &buffer, table: &table)
            if !failures.isEmpty { failures[entries[index].name] = nil }
        } catch {
            entries[index].errors += 1
            failures[entries[index].name] = error
            if !error.isPartial { entries[index].collector.ended(&table) }
        }
        table.countersStarted = ownCounters
        // Whole microseconds: what is finer is noise, and costs more to send than the rest.
        report(index, seconds: Double((Monotonic.nanoseconds - started) / 1_000) / 1e6, &table)
    }

    private mutating func report(_ index: Int, seconds: Double, _ table: inout MetricTable) {
        let name = ("collector", entries[index].name.rawValue)
        let errors = entries[index].errorsHandle ?? table.series("muster_agent_collector_errors_total", name)
        let duration = entries[index].durationHandle ?? table.series("muster_agent_collector_duration_seconds", name)
        (entries[index].errorsHandle, entries[index].durationHandle) = (errors, duration)
        table.set(errors, entries[index].errors)
        table.set(duration, seconds)
    }

    /// The one place to add a collector.
    private static func make(_ name: CollectorName, _ options: HostCollectorOptions) -> any HostCollector {
        let (proc, sys) = (options.procRoot, options.sysRoot)
        return switch name {
        case .stat: StatCollector(procRoot: proc)
        case .loadavg: LoadCollector(procRoot: proc)
        case .meminfo: MeminfoCollector(procRoot: proc)
        case .vmstat: VmstatCollector(procRoot: proc)
        case .diskstats:
            DiskCollector(procRoot: proc, udevRoot: options.udevRoot, isExcluded: options.isDiskExcluded)
        case .netdev: NetDeviceCollector(procRoot: proc, sysRoot: sys, excluded: options.netDevicesExcluded)
        case .sockstat: SockstatCollector(procRoot: proc)
        case .pressure: PressureCollector(procRoot: proc)
        case .filefd: FileHandleCollector(procRoot: proc)
        case .time: TimeCollector(sysRoot: sys)
        case .softnet: SoftnetCollector(procRoot: proc)
        case .filesystem: FilesystemCollector(FilesystemCollector.Settings(options))
        case .netstat: NetstatCollector(procRoot: proc)
        case .processes: ProcessCollector(procRoot: proc)
        case .uname: UnameCollector()
        case .conntrack: ConntrackCollector(procRoot: proc)
        case .netclass: NetClassCollector(sysRoot: sys)
        case .container: ContainerCollector(procRoot: proc, sysRoot: sys)
        }
    }
}

extension FilesystemCollector.Settings {
    init(_ options: HostCollectorOptions) {
        self.init(
            procRoot: options.procRoot, rootfs: options.rootfs, mountPointsExcluded: options.mountPointsExcluded,
            typesExcluded: options.filesystemTypesExcluded, patience: options.mountPatience,
            deadline: options.mountDeadline, ask: options.statfs)
    }
}
