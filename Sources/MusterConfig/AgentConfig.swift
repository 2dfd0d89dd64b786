package import MusterModel

/// The agent's file.
package struct AgentConfig: Equatable, Sendable {
    package static let defaultStateDirectory = "/var/lib/muster/agent"
    package static let defaultLinkPort = 7443
    package static let defaultDockerSocket = "/var/run/docker.sock"
    package static let defaultSpoolBytes = 256 << 20
    package static let spoolBytesRange = (1 << 20)...(1 << 40)
    /// Coordinators to try in turn.
    package static let maxCoordinators = 16
    package static let maxServices = 1_000

    package struct Docker: Equatable, Sendable {
        package var isEnabled = true
        /// The Docker API's unix socket.
        package var socket = defaultDockerSocket
        /// Only containers with this label are seen, at most one; empty sees all.
        package var select: [String: String] = [:]

        package init() {}
    }

    /// Link addresses, at least one.
    package var coordinators: [Endpoint]
    package var stateDirectory = defaultStateDirectory
    /// Shown to people instead of `uname -n`.
    package var hostName: String?
    /// The address at which this host's instances are reached; nil lets the agent find it.
    package var advertiseAddress: String?
    /// Of this host, in its snapshot: for people, and for what selects hosts.
    package var labels = Labels()
    package var metrics = MetricsConfig()
    package var docker = Docker()
    package var logs = LogsConfig()
    package var services: [ServiceConfig] = []
    /// What telemetry that cannot be read again may use on disk.
    package var spoolBytes = defaultSpoolBytes
    /// Whether rollouts may replace containers on this host.
    package var mayReplaceContainers = true

    package init(coordinators: [Endpoint]) { self.coordinators = coordinators }

    package init(_ document: ConfigNode) throws(ConfigError) {
        var reader = try ConfigReader(document)
        self.init(coordinators: try Self.coordinators(&reader))
        stateDirectory = try reader.absolutePath("stateDirectory") ?? Self.defaultStateDirectory
        hostName = try reader.value("hostName", allowed: Self.nameAllowed) { text, _ in
            NameSpelling.isValid(text) ? text : nil
        }
        advertiseAddress = try reader.value("advertiseAddress", allowed: "an address or a host's name, without a port")
        {
            text, _ in
            Endpoint(text.contains(":") ? "[\(text)]:1" : "\(text):1").map { _ in text }
        }
        labels = try reader.seriesLabels("labels") ?? Labels()
        if let inner = try reader.mapping("metrics") { metrics = try MetricsConfig(inner) }
        if let inner = try reader.mapping("docker") { docker = try Docker(inner) }
        if let inner = try reader.mapping("logs") { logs = try LogsConfig(inner) }
        services =
            try reader.list("services") { node, path throws(ConfigError) in
                try ServiceConfig(try ConfigReader(node, path: path))
            } ?? []
        guard services.count <= Self.maxServices else {
            throw reader.error("services", "has \(services.count) entries", allowed: "at most \(Self.maxServices)")
        }
        if var inner = try reader.mapping("spool") {
            spoolBytes = try inner.bytes("maxBytes", in: Self.spoolBytesRange) ?? Self.defaultSpoolBytes
            try inner.finish()
        }
        if var inner = try reader.mapping("actions") {
            mayReplaceContainers = try inner.boolean("containers") ?? true
            try inner.finish()
        }
        try reader.finish()
    }

    static let nameAllowed = "1 to \(Limits.nameBytes) letters, digits, dots, dashes and underscores"

    private static func coordinators(_ reader: inout ConfigReader) throws(ConfigError) -> [Endpoint] {
        let allowed = "host:port such as muster.example.com:\(defaultLinkPort)"
        _ = try reader.required("coordinator", allowed: "a list of \(allowed)")
        let found =
            try reader.list("coordinator") { node, path throws(ConfigError) in
                try ConfigReader.scalar(node, path: path, allowed: allowed) { text, _ in
                    Endpoint(text, defaultPort: defaultLinkPort).flatMap { $0.port > 0 ? $0 : nil }
                }
            } ?? []
        guard (1...maxCoordinators).contains(found.count) else {
            throw reader.error(
                "coordinator", "has \(found.count) addresses", allowed: "1 to \(maxCoordinators), each \(allowed)")
        }
        return found
    }
}

extension AgentConfig.Docker {
    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        isEnabled = try reader.boolean("enabled") ?? true
        socket = try reader.absolutePath("socket") ?? AgentConfig.defaultDockerSocket
        select = try reader.labels("select")?.dictionary ?? [:]
        guard select.count <= 1 else {
            throw reader.error("select", "has \(select.count) labels", allowed: "one label, such as {fleet: a}")
        }
        try reader.finish()
    }
}
