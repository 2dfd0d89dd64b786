/// What is measured of a container, under cAdvisor's names. One row here is one series of each container.
enum ContainerColumn: Int, CaseIterable, Sendable {
    case cpuUsage, cpuUser, cpuSystem, cfsPeriods, cfsThrottledPeriods, cfsThrottledSeconds
    case memoryUsage, memoryWorkingSet, memoryRSS, memoryCache, memorySwap, memoryMapped, memoryMax, memoryFailures
    case memoryLimit, cpuQuota, cpuPeriod, cpuShares, oomEvents, processes, threads, threadsMax, lastSeen, startTime
    /// Not a series: what the working set leaves out of the usage.
    case inactiveFile

    /// The metric's name; nil for what is only an ingredient.
    var metric: String? {
        switch self {
        case .cpuUsage: "container_cpu_usage_seconds_total"
        case .cpuUser: "container_cpu_user_seconds_total"
        case .cpuSystem: "container_cpu_system_seconds_total"
        case .cfsPeriods: "container_cpu_cfs_periods_total"
        case .cfsThrottledPeriods: "container_cpu_cfs_throttled_periods_total"
        case .cfsThrottledSeconds: "container_cpu_cfs_throttled_seconds_total"
        case .memoryUsage: "container_memory_usage_bytes"
        case .memoryWorkingSet: "container_memory_working_set_bytes"
        case .memoryRSS: "container_memory_rss"
        case .memoryCache: "container_memory_cache"
        case .memorySwap: "container_memory_swap"
        case .memoryMapped: "container_memory_mapped_file"
        case .memoryMax: "container_memory_max_usage_bytes"
        case .memoryFailures: "container_memory_failcnt"
        case .memoryLimit: "container_spec_memory_limit_bytes"
        case .cpuQuota: "container_spec_cpu_quota"
        case .cpuPeriod: "container_spec_cpu_period"
        case .cpuShares: "container_spec_cpu_shares"
        case .oomEvents: "container_oom_events_total"
        case .processes: "container_processes"
        case .threads: "container_threads"
        case .threadsMax: "container_threads_max"
        case .lastSeen: "container_last_seen"
        case .startTime: "container_start_time_seconds"
        case .inactiveFile: nil
        }
    }
}

/// One file of a cgroup and what is taken from it.
struct CgroupFile: Sendable {
    struct Key: Sendable {
        let key: [UInt8]
        let column: ContainerColumn
        /// What makes one second or one of what the metric counts.
        let divisor: Double

        init(_ key: String, _ column: ContainerColumn, _ divisor: Double = 1) {
            self.key = [UInt8](key.utf8)
            self.column = column
            self.divisor = divisor
        }
    }

    enum Form: Sendable {
        /// One number, or `max`, which counts as 0: cAdvisor's spelling of "no limit".
        case number(ContainerColumn, divisor: Double)
        /// Lines `key value`.
        case keys([Key])
        /// `cpu.max`: quota or `max`, then the period.
        case quota
        /// `cpu.weight`, which cAdvisor shows as version 1's shares.
        case weight
        /// How many lines there are.
        case lines(ContainerColumn)
        /// Version 1: lines `major:minor Read number`; `base` is the column of the read half of a device's row.
        case legacyIO(base: Int)
        /// Version 2: lines `major:minor rbytes=number ...`.
        case unifiedIO
    }

    /// The tree of version 1 the file is in; nil for version 2.
    let controller: CgroupPaths.Controller?
    let name: String
    let form: Form
    /// Read every ten seconds instead of every tick: limits, and what is costly for the kernel to say.
    var isSlow = false

    static let legacy: [CgroupFile] = [
        CgroupFile(controller: .cpuacct, name: "cpuacct.usage", form: .number(.cpuUsage, divisor: 1e9)),
        CgroupFile(
            controller: .cpuacct, name: "cpuacct.stat",
            form: .keys([
                Key("user", .cpuUser, UserClock.ticksPerSecond),
                Key("system", .cpuSystem, UserClock.ticksPerSecond),
            ])),
        CgroupFile(
            controller: .cpu, name: "cpu.stat",
            form: .keys([
                Key("nr_periods", .cfsPeriods), Key("nr_throttled", .cfsThrottledPeriods),
                Key("throttled_time", .cfsThrottledSeconds, 1e9),
            ])),
        // Before the usage: the working set is computed from both.
        CgroupFile(
            controller: .memory, name: "memory.stat",
            form: .keys([
                Key("total_inactive_file", .inactiveFile), Key("total_rss", .memoryRSS),
                Key("total_cache", .memoryCache), Key("total_mapped_file", .memoryMapped),
                Key("total_swap", .memorySwap),
            ])),
        CgroupFile(controller: .memory, name: "memory.usage_in_bytes", form: .number(.memoryUsage, divisor: 1)),
        CgroupFile(controller: .pids, name: "pids.current", form: .number(.threads, divisor: 1)),
        CgroupFile(controller: .blkio, name: "blkio.throttle.io_service_bytes", form: .legacyIO(base: 0)),
        CgroupFile(controller: .blkio, name: "blkio.throttle.io_serviced", form: .legacyIO(base: 2)),
        CgroupFile(
            controller: .memory, name: "memory.oom_control", form: .keys([Key("oom_kill", .oomEvents)]), isSlow: true),
        CgroupFile(
            controller: .memory, name: "memory.max_usage_in_bytes", form: .number(.memoryMax, divisor: 1),
            isSlow: true),
        CgroupFile(
            controller: .memory, name: "memory.failcnt", form: .number(.memoryFailures, divisor: 1), isSlow: true),
        CgroupFile(
            controller: .memory, name: "memory.limit_in_bytes", form: .number(.memoryLimit, divisor: 1), isSlow: true),
        CgroupFile(controller: .cpu, name: "cpu.cfs_quota_us", form: .number(.cpuQuota, divisor: 1), isSlow: true),
        CgroupFile(controller: .cpu, name: "cpu.cfs_period_us", form: .number(.cpuPeriod, divisor: 1), isSlow: true),
        CgroupFile(controller: .cpu, name: "cpu.shares", form: .number(.cpuShares, divisor: 1), isSlow: true),
        CgroupFile(controller: .pids, name: "pids.max", form: .number(.threadsMax, divisor: 1), isSlow: true),
        CgroupFile(controller: .cpuacct, name: "cgroup.procs", form: .lines(.processes), isSlow: true),
    ]

    static let unified: [CgroupFile] = [
        CgroupFile(
            controller: nil, name: "cpu.stat",
            form: .keys([
                Key("usage_usec", .cpuUsage, 1e6), Key("user_usec", .cpuUser, 1e6),
                Key("system_usec", .cpuSystem, 1e6), Key("nr_periods", .cfsPeriods),
                Key("nr_throttled", .cfsThrottledPeriods), Key("throttled_usec", .cfsThrottledSeconds, 1e6),
            ])),
        CgroupFile(
            controller: nil, name: "memory.stat",
            form: .keys([
                Key("inactive_file", .inactiveFile), Key("anon", .memoryRSS), Key("file", .memoryCache),
                Key("file_mapped", .memoryMapped),
            ])),
        CgroupFile(controller: nil, name: "memory.current", form: .number(.memoryUsage, divisor: 1)),
        CgroupFile(controller: nil, name: "pids.current", form: .number(.threads, divisor: 1)),
        CgroupFile(controller: nil, name: "io.stat", form: .unifiedIO),
        CgroupFile(controller: nil, name: "memory.swap.current", form: .number(.memorySwap, divisor: 1), isSlow: true),
        CgroupFile(
            controller: nil, name: "memory.events",
            form: .keys([Key("oom_kill", .oomEvents), Key("max", .memoryFailures)]), isSlow: true),
        CgroupFile(controller: nil, name: "memory.peak", form: .number(.memoryMax, divisor: 1), isSlow: true),
        CgroupFile(controller: nil, name: "memory.max", form: .number(.memoryLimit, divisor: 1), isSlow: true),
        CgroupFile(controller: nil, name: "cpu.max", form: .quota, isSlow: true),
        CgroupFile(controller: nil, name: "cpu.weight", form: .weight, isSlow: true),
        CgroupFile(controller: nil, name: "pids.max", form: .number(.threadsMax, divisor: 1), isSlow: true),
        CgroupFile(controller: nil, name: "cgroup.procs", form: .lines(.processes), isSlow: true),
    ]
}
