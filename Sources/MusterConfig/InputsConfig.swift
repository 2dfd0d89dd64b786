package import MusterModel

/// What other programs of the host measure and the agent takes in: endpoints it scrapes, StatsD and OTLP it listens
/// for. Nothing listens unless an address is given.
package struct InputsConfig: Equatable, Sendable {
    package static let defaultScrapeInterval = Duration.seconds(10)
    package static let scrapeIntervalRange = Duration.milliseconds(100)...Duration.hours(1)
    package static let scrapeTimeoutRange = Duration.milliseconds(10)...Duration.minutes(5)
    /// Unless the interval is shorter.
    package static let defaultScrapeTimeout = Duration.seconds(10)
    package static let scrapeEntries = 200
    package static let defaultMaxSeries = 10_000
    package static let maxSeriesRange = 1...Limits.seriesPerHost
    /// What fits a socket's address.
    package static let socketPathBytes = 107

    /// What endpoints have in common.
    package struct ScrapeRules: Equatable, Sendable {
        package var interval = defaultScrapeInterval
        package var timeout = defaultScrapeTimeout
        package var maxSeries = defaultMaxSeries

        package init() {}
    }

    /// One endpoint.
    package struct Scrape: Equatable, Sendable {
        package var host: String
        package var port: Int
        /// With the query.
        package var path: String
        package var job: String
        package var labels: Labels
        package var honorsLabels: Bool
        package var rules: ScrapeRules
    }

    /// Where StatsD is listened for; neither is off.
    package struct StatsD: Equatable, Sendable {
        package var listen: Endpoint?
        package var socket: String?

        package init(listen: Endpoint? = nil, socket: String? = nil) {
            self.listen = listen
            self.socket = socket
        }
    }

    package var scrape: [Scrape] = []
    /// For containers that ask for it; nil scrapes none.
    package var containers: ScrapeRules? = ScrapeRules()
    package var statsD = StatsD()
    /// Where OTLP over HTTP is listened for; nil is off.
    package var otlp: Endpoint?

    package init() {}

    /// Reads the keys of `metrics` that are about inputs.
    init(_ reader: inout ConfigReader) throws(ConfigError) {
        scrape =
            try reader.list("scrape") { node, path throws(ConfigError) in
                try Scrape(try ConfigReader(node, path: path))
            } ?? []
        guard scrape.count <= Self.scrapeEntries else {
            throw reader.error("scrape", "has \(scrape.count) entries", allowed: "at most \(Self.scrapeEntries)")
        }
        for (index, entry) in scrape.enumerated() where scrape[..<index].contains(where: { $0.isSameSource(entry) }) {
            throw reader.error(
                "scrape", "has \(Endpoint(host: entry.host, port: entry.port)) twice for the job \(entry.job)",
                allowed: "a 'job' or 'labels' that tell the two apart")
        }
        if var inner = try reader.mapping("scrapeContainers") {
            let isEnabled = try inner.boolean("enabled") ?? true
            let rules = try ScrapeRules(&inner)
            containers = isEnabled ? rules : nil
            try inner.finish()
        }
        if var inner = try reader.mapping("statsd") {
            statsD = StatsD(listen: try inner.loopbackAddress("listen"), socket: try inner.socketPath("socket"))
            try inner.finish()
        }
        if var inner = try reader.mapping("otlp") {
            otlp = try inner.loopbackAddress("listen")
            try inner.finish()
        }
    }
}

extension InputsConfig.ScrapeRules {
    init(_ reader: inout ConfigReader) throws(ConfigError) {
        self.init()
        interval = try reader.duration("interval", in: InputsConfig.scrapeIntervalRange) ?? interval
        timeout =
            try reader.duration("timeout", in: InputsConfig.scrapeTimeoutRange)
            ?? min(interval, InputsConfig.defaultScrapeTimeout)
        guard timeout <= interval else {
            throw reader.error(
                "timeout", "is \(timeout.shortText)", allowed: "at most the interval of \(interval.shortText)")
        }
        maxSeries = try reader.integer("maxSeries", in: InputsConfig.maxSeriesRange) ?? maxSeries
    }
}

extension InputsConfig.Scrape {
    static let urlAllowed = "http://HOST[:PORT][/PATH][?QUERY]; without a path /metrics"
    static let jobAllowed = "1 to \(Limits.nameBytes) bytes"
    /// Given by the agent, or by keys of their own.
    static let ownLabels = ["host", "instance", "job"]

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        _ = try reader.required("url", allowed: Self.urlAllowed)
        let url = try reader.value("url", allowed: Self.urlAllowed) { text, _ in Self.parts(of: text) }
        (host, port, path) = (url?.host ?? "", url?.port ?? 0, url?.path ?? "")
        _ = try reader.required("job", allowed: Self.jobAllowed)
        job =
            try reader.value("job", allowed: Self.jobAllowed) { text, _ in
                (1...Limits.nameBytes).contains(text.utf8.count) ? text : nil
            } ?? ""
        let labels = try reader.seriesLabels("labels") ?? Labels()
        self.labels = labels
        if let name = Self.ownLabels.first(where: { labels[$0] != nil }) {
            throw reader.error(
                "labels", "has the label \(name)",
                allowed: name == "job" ? "the key 'job'" : "other names; \(name) is given by the agent")
        }
        honorsLabels = try reader.boolean("honorLabels") ?? false
        rules = try InputsConfig.ScrapeRules(&reader)
        try reader.finish()
    }

    private static func parts(of text: String) -> (host: String, port: Int, path: String)? {
        let address = text.prefix { $0 != "?" }
        let query = text.dropFirst(address.count)
        guard let parts = HTTPAddress(String(address)), !parts.isSecure, parts.port > 0,
            query.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "#") })
        else { return nil }
        let path = parts.path == "/" && !address.hasSuffix("/") ? "/metrics" : parts.path
        return (parts.host, parts.port, path + query)
    }

    /// Both would be the same series.
    fileprivate func isSameSource(_ other: Self) -> Bool {
        host == other.host && port == other.port && job == other.job && labels == other.labels
    }
}

extension ConfigReader {
    /// An address that only programs of this host reach.
    fileprivate mutating func loopbackAddress(_ key: String) throws(ConfigError) -> Endpoint? {
        let allowed = "a loopback address and a port, such as 127.0.0.1:8125 or [::1]:8125: nothing else may send"
        return try value(key, allowed: allowed) { text, _ in
            Endpoint(text).flatMap { $0.isLoopback ? $0 : nil }
        }
    }

    fileprivate mutating func socketPath(_ key: String) throws(ConfigError) -> String? {
        guard let path = try absolutePath(key) else { return nil }
        guard path.utf8.count <= InputsConfig.socketPathBytes else {
            throw error(
                key, "has \(path.utf8.count) bytes",
                allowed: "a path of at most \(InputsConfig.socketPathBytes) bytes, which is what the system takes")
        }
        return path
    }
}

extension Endpoint {
    /// Literally: a name could come to mean another address.
    package var isLoopback: Bool {
        if host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127"
            && parts.allSatisfy { part in part.utf8.allSatisfy { (0x30...0x39).contains($0) } && UInt8(part) != nil }
    }
}
