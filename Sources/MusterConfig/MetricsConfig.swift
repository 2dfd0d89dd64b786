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

    /// A metric family that is sent less often than its collector reads it.
    package struct Family: Equatable, Sendable {
        /// The name of a metric, or its beginning and `*`. Of several that match the longest counts.
        package var pattern: String
        /// Rounded to whole ticks of the grid.
        package var interval: Duration

        package init(pattern: String, interval: Duration) {
            self.pattern = pattern
            self.interval = interval
        }
    }

    /// Entries of `families`.
    package static let familyEntries = 200

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
    package var families: [Family] = []
    /// What other programs measure.
    package var inputs = InputsConfig()

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
        families = try Self.families(&reader)
        inputs = try InputsConfig(&reader)
        try reader.finish()
    }

    private static func families(_ reader: inout ConfigReader) throws(ConfigError) -> [Family] {
        guard let node = reader.node("families"), case .mapping(let entries) = node.content else {
            _ = try reader.mapping("families")
            return []
        }
        guard entries.count <= familyEntries else {
            throw reader.error("families", "has \(entries.count) entries", allowed: "at most \(familyEntries)")
        }
        var named = try ConfigReader(node, path: reader.path("families"))
        var families: [Family] = []
        for entry in entries {
            let name = entry.key.hasSuffix("*") ? String(entry.key.dropLast()) : entry.key
            let isAll = entry.key == "*"
            guard isAll || Labels.isName(name), name.utf8.count <= Limits.labelNameBytes else {
                throw reader.error(
                    "families", "has the name \"\(entry.key)\"",
                    allowed: "the name of a metric or its beginning and *, such as node_filesystem_*")
            }
            guard let interval = try named.duration(entry.key, in: intervalRange) else { continue }
            families.append(Family(pattern: entry.key, interval: interval))
        }
        try named.finish()
        return families
    }
}
