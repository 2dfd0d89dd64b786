package import MusterModel

/// A service on this host that is not a container.
package struct ServiceConfig: Equatable, Sendable {
    package static let defaultWeight = 100
    package static let weightRange = 0...1_000
    package static let defaultCheckInterval = Duration.seconds(1)
    package static let checkIntervalRange = Duration.milliseconds(100)...Duration.hours(1)
    package static let defaultCheckTimeout = Duration.seconds(1)
    package static let checkTimeoutRange = Duration.milliseconds(10)...Duration.minutes(1)
    package static let countRange = 1...100
    package static let maxTags = 64

    package var name: ServiceName
    /// Nil stands for the host's own address.
    package var address: String?
    package var port: Int
    package var tags: [String]
    package var weight: Int
    package var check: CheckPolicy

    package init(
        name: ServiceName, address: String? = nil, port: Int, tags: [String] = [], weight: Int = defaultWeight,
        check: CheckPolicy = CheckPolicy(kind: .none)
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.tags = tags
        self.weight = weight
        self.check = check
    }

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let nameNode = try reader.required("name", allowed: AgentConfig.nameAllowed)
        name = try ConfigReader.scalar(nameNode, path: reader.path("name"), allowed: AgentConfig.nameAllowed) {
            text, _ in
            ServiceName(text)
        }
        address = try reader.value("address", allowed: "an address or a host's name, without a port") { text, _ in
            Endpoint(text.contains(":") ? "[\(text)]:1" : "\(text):1").map { _ in text }
        }
        _ = try reader.required("port", allowed: "a whole number from 1 to 65535")
        port = try reader.integer("port", in: 1...65_535) ?? 0
        tags = try reader.strings("tags") ?? []
        guard tags.count <= Self.maxTags else {
            throw reader.error("tags", "has \(tags.count) entries", allowed: "at most \(Self.maxTags)")
        }
        weight = try reader.integer("weight", in: Self.weightRange) ?? Self.defaultWeight
        check = CheckPolicy(kind: .none)
        if let inner = try reader.mapping("check") { check = try Self.check(inner) }
        try reader.finish()
    }

    private static func check(_ inner: ConfigReader) throws(ConfigError) -> CheckPolicy {
        var reader = inner
        let path = try reader.value("http", allowed: "a path such as /health") { text, _ in
            text.hasPrefix("/") && text.utf8.allSatisfy { (0x21...0x7e).contains($0) } ? text : nil
        }
        let isTCP = try reader.boolean("tcp") ?? false
        guard path == nil || !isTCP else {
            throw reader.error("tcp", "stands beside 'http'", allowed: "one of http: /path and tcp: true")
        }
        let interval = try reader.duration("interval", in: checkIntervalRange) ?? defaultCheckInterval
        let timeout = try reader.duration("timeout", in: checkTimeoutRange) ?? defaultCheckTimeout
        let rise = try reader.integer("rise", in: countRange) ?? 1
        let fall = try reader.integer("fall", in: countRange) ?? 1
        try reader.finish()
        guard path != nil || isTCP else {
            throw ConfigError(
                position: reader.position, key: reader.path, problem: "says not what to check",
                allowed: "one of http: /path and tcp: true")
        }
        let kind = path.map { CheckKind.http(path: $0) } ?? .tcp
        return CheckPolicy(kind: kind, interval: interval, timeout: timeout, rise: rise, fall: fall)
    }
}
