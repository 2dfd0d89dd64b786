package import MusterModel

/// The coordinator's file.
package struct CoordinatorConfig: Equatable, Sendable {
    package static let defaultLink = Endpoint(host: "0.0.0.0", port: 7443)
    package static let defaultAPI = Endpoint(host: "0.0.0.0", port: 7444)
    package static let defaultDataDirectory = "/var/lib/muster/coordinator"
    package static let bytesRange = (16 << 20)...(1 << 50)

    /// How long and how much of one kind of telemetry is kept; whichever is reached first.
    package struct Keep: Equatable, Sendable {
        package var retention: Duration
        package var maxBytes: Int

        package init(retention: Duration, maxBytes: Int) {
            self.retention = retention
            self.maxBytes = maxBytes
        }
    }

    /// How long a host may be silent before it counts as something worse; ascending.
    package struct Liveness: Equatable, Sendable {
        package var suspect = Duration.milliseconds(1_500)
        /// Its instances get no traffic.
        package var unreachable = Duration.seconds(3)
        package var dead = Duration.seconds(60)

        package init() {}
    }

    package static let defaultLogs = Keep(retention: .hours(24 * 7), maxBytes: 10 << 30)
    package static let logsRetentionRange = Duration.minutes(10)...Duration.hours(24 * 400)
    package static let livenessRange = Limits.heartbeatInterval...Duration.hours(24)

    /// Where agents connect.
    package var link = defaultLink
    /// Where the HTTPS API answers.
    package var api = defaultAPI
    package var dataDirectory = defaultDataDirectory
    package var metrics = StoredMetricsConfig()
    package var logs = defaultLogs
    /// Glob patterns of rule files.
    package var rules: [String] = []
    /// Routes and receivers, decoded by MusterAlerts; nil when nothing is sent.
    package var alerting: ConfigNode?
    package var liveness = Liveness()

    package init() {}

    package init(_ document: ConfigNode) throws(ConfigError) {
        self.init()
        var reader = try ConfigReader(document)
        if var listen = try reader.mapping("listen") {
            link = try listen.listenAddress("link") ?? Self.defaultLink
            api = try listen.listenAddress("api") ?? Self.defaultAPI
            guard link != api || link.port == 0 else {
                throw listen.error("api", "is the same address as 'listen.link'", allowed: "an address of its own")
            }
            try listen.finish()
        }
        dataDirectory = try reader.absolutePath("dataDirectory") ?? Self.defaultDataDirectory
        if let inner = try reader.mapping("metrics") { metrics = try StoredMetricsConfig(inner) }
        if let inner = try reader.mapping("logs") {
            logs = try Keep(inner, retention: Self.logsRetentionRange, default: Self.defaultLogs)
        }
        rules = try reader.globs("rules") ?? []
        alerting = reader.node("alerting")
        if let inner = try reader.mapping("liveness") { liveness = try Liveness(inner) }
        try reader.finish()
    }
}

extension CoordinatorConfig.Keep {
    init(
        _ inner: ConfigReader, retention range: ClosedRange<Duration>, default usual: CoordinatorConfig.Keep
    ) throws(ConfigError) {
        var reader = inner
        retention = try reader.duration("retention", in: range) ?? usual.retention
        maxBytes = try reader.bytes("maxBytes", in: CoordinatorConfig.bytesRange) ?? usual.maxBytes
        try reader.finish()
    }
}

extension CoordinatorConfig.Liveness {
    init(_ inner: ConfigReader) throws(ConfigError) {
        self.init()
        var reader = inner
        suspect = try reader.duration("suspect", in: CoordinatorConfig.livenessRange) ?? suspect
        unreachable = try reader.duration("unreachable", in: CoordinatorConfig.livenessRange) ?? unreachable
        dead = try reader.duration("dead", in: CoordinatorConfig.livenessRange) ?? dead
        try reader.finish()
        guard suspect < unreachable else {
            throw reader.error(
                "unreachable", "is \(unreachable.shortText)", allowed: "longer than 'suspect', \(suspect.shortText)")
        }
        guard unreachable < dead else {
            throw reader.error(
                "dead", "is \(dead.shortText)", allowed: "longer than 'unreachable', \(unreachable.shortText)")
        }
    }
}
