import MusterModel

/// Which of the host's figures are read, and how often.
package struct MetricsConfig: Equatable, Sendable {
    package static let defaultInterval = Duration.seconds(1)
    package static let intervalRange = Duration.milliseconds(100)...Duration.minutes(5)
    /// For collectors that cost more than a read of one small file.
    package static let costlyInterval = Duration.seconds(10)

    package struct Collector: Equatable, Sendable {
        package var isEnabled: Bool
        /// A whole multiple of the grid's interval is best: a collector runs at the first tick that is not too early.
        package var interval: Duration

        package init(isEnabled: Bool, interval: Duration) {
            self.isEnabled = isEnabled
            self.interval = interval
        }
    }

    /// The collectors there are, by node_exporter's names (`stat` includes its `cpu`: both are one file; `container` is
    /// the cgroups). Those with `isCostly` run every 10 s unless the file says otherwise.
    package static let collectors: [(name: String, isCostly: Bool)] = [
        ("conntrack", true), ("container", false), ("diskstats", false), ("filefd", false), ("filesystem", true),
        ("loadavg", false), ("meminfo", false), ("netclass", true), ("netdev", false), ("netstat", true),
        ("pressure", false), ("processes", true), ("sockstat", false), ("softnet", false), ("stat", false),
        ("time", false), ("uname", true), ("vmstat", false),
    ]

    /// The grid on which all collectors read.
    package var interval: Duration
    /// One for each name of `collectors`.
    package private(set) var byCollector: [String: Collector]

    package init(interval: Duration = defaultInterval) {
        self.interval = interval
        byCollector = [:]
        for (name, isCostly) in Self.collectors {
            byCollector[name] = Collector(
                isEnabled: true, interval: isCostly ? max(interval, Self.costlyInterval) : interval)
        }
    }

    /// A collector nobody named in `collectors` is off.
    package subscript(name: String) -> Collector {
        byCollector[name] ?? Collector(isEnabled: false, interval: interval)
    }

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        self.init(interval: try reader.duration("interval", in: Self.intervalRange) ?? Self.defaultInterval)
        if var named = try reader.mapping("collectors") {
            for (name, _) in Self.collectors {
                guard var collector = try named.mapping(name) else { continue }
                byCollector[name] = Collector(
                    isEnabled: try collector.boolean("enabled") ?? true,
                    interval: try collector.duration("interval", in: Self.intervalRange) ?? self[name].interval)
                try collector.finish()
            }
            try named.finish()
        }
        try reader.finish()
    }
}
