import MusterModel

/// How the coordinator keeps metrics: the key `metrics` of its file.
package struct StoredMetricsConfig: Equatable, Sendable {
    package static let retentionRange = Duration.minutes(10)...Duration.hours(24 * 31)
    package static let memoryRange = (64 << 20)...(1 << 40)
    package static let seriesRange = 100...10_000_000
    package static let enginesMax = 8

    /// How long, and how much disk at most; whichever is reached first.
    package var retention = Duration.hours(24)
    package var maxBytes = 10 << 30
    /// What series and their unsealed samples may use; new series are refused beyond it.
    package var maxMemory = 2 << 30
    /// Series of one host, or of one target whose samples others push.
    package var seriesPerHost = Limits.seriesPerHost
    package var seriesPerMetric = 1_000_000
    /// Other engines that get every sample.
    package var handOff: [HandOffConfig] = []

    package init() {}

    init(_ inner: ConfigReader) throws(ConfigError) {
        self.init()
        var reader = inner
        retention = try reader.duration("retention", in: Self.retentionRange) ?? retention
        maxBytes = try reader.bytes("maxBytes", in: CoordinatorConfig.bytesRange) ?? maxBytes
        maxMemory = try reader.bytes("maxMemory", in: Self.memoryRange) ?? maxMemory
        seriesPerHost = try reader.integer("seriesPerHost", in: Self.seriesRange) ?? seriesPerHost
        seriesPerMetric = try reader.integer("seriesPerMetric", in: Self.seriesRange) ?? seriesPerMetric
        handOff =
            try reader.list("handOff") { node, path throws(ConfigError) in
                try HandOffConfig(try ConfigReader(node, path: path))
            } ?? []
        guard handOff.count <= Self.enginesMax else {
            throw reader.error("handOff", "has \(handOff.count) engines", allowed: "at most \(Self.enginesMax)")
        }
        guard Set(handOff.map(\.name)).count == handOff.count else {
            throw reader.error("handOff", "has a name twice", allowed: "a 'name' of its own for each engine")
        }
        guard handOff.count(where: { $0.query != nil }) <= 1 else {
            throw reader.error("handOff", "has 'query' twice", allowed: "one engine that answers older questions")
        }
        try reader.finish()
    }
}

/// An engine that takes samples by remote write.
package struct HandOffConfig: Equatable, Sendable {
    package enum Version: String, CaseIterable, Sendable {
        case v1 = "1"
        case v2 = "2"
    }

    /// How metrics and the log call it, and under what its backlog is kept.
    package var name: String
    /// Where it takes remote write.
    package var write: HTTPAddress
    /// Where it answers Prometheus's API, for questions older than the retention: the address before `/api/v1`.
    package var query: HTTPAddress?
    package var version: Version
    /// A file with a bearer token; read again for each request.
    package var tokenFile: String?
    /// A file with the certificates to trust; the system's without it.
    package var caFile: String?

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let named = try reader.string("name")
        query = try reader.httpAddress("query")
        let choices = Version.allCases.map(\.rawValue)
        version = try reader.string("version", oneOf: choices).flatMap(Version.init(rawValue:)) ?? .v1
        tokenFile = try reader.absolutePath("tokenFile")
        caFile = try reader.absolutePath("caFile")
        guard let address = try reader.httpAddress("url") else {
            throw reader.error("url", "is missing", allowed: HTTPAddress.allowed)
        }
        write = address
        name = named ?? address.host
        guard NameSpelling.isValid(name) else {
            throw reader.error(
                "name", "is \"\(name.prefix(64))\"", allowed: "letters, digits, dot, dash and underscore")
        }
        try reader.finish()
    }
}

/// `http://host:port/path` or `https://...`, taken apart.
package struct HTTPAddress: Equatable, Sendable, CustomStringConvertible {
    package var isSecure: Bool
    package var host: String
    package var port: Int
    /// With its `/`; `/` when nothing was written.
    package var path: String

    static let allowed = "http://HOST[:PORT]/PATH or https://..., without a query"

    /// Nil for anything else; a query, a fragment and a user's name are no part of it.
    package init?(_ text: String) {
        let isSecure = text.hasPrefix("https://")
        guard isSecure || text.hasPrefix("http://") else { return nil }
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let authority = rest.prefix { $0 != "/" }
        let path = rest.dropFirst(authority.count)
        guard !authority.contains(where: { "@?#".contains($0) }), !path.contains(where: { "?#".contains($0) }),
            path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            let endpoint = Endpoint(String(authority), defaultPort: isSecure ? 443 : 80)
        else { return nil }
        self.isSecure = isSecure
        host = endpoint.host
        port = endpoint.port
        self.path = path.isEmpty ? "/" : String(path)
    }

    package var description: String {
        "\(isSecure ? "https" : "http")://\(Endpoint(host: host, port: port))\(path)"
    }
}

extension ConfigReader {
    fileprivate mutating func httpAddress(_ key: String) throws(ConfigError) -> HTTPAddress? {
        guard let text = try string(key) else { return nil }
        guard let address = HTTPAddress(text) else {
            throw error(key, "is \"\(text.prefix(200))\"", allowed: HTTPAddress.allowed)
        }
        return address
    }
}
