package import MusterModel

/// What an operator wants, in their words:
///
///     kind: container
///     name: web-2.4.1
///     target:
///       select: {app: web}            # labels a container has to carry
///       hosts: {zone: a}              # labels its host has to carry; left out: every host
///       expect: {min: 2, max: 50}     # hosts; a selector that suddenly finds 4,000 stops at the plan
///     image: registry.example.com/web:2.4.1
///     waves: [{hosts: 1, bake: 5m}, {percent: 25}]    # the last one repeats until every host had its turn
///     maxInFlight: 2                  # hosts at one time, or a share such as 10%
///     health: {healthyFor: 30s, deadline: 5m}
///     failureBudget: 0                # hosts that may fail before onFailure applies
///     onFailure: rollback             # or pause, or stop
package struct RolloutSpec: Codable, Equatable, Sendable {
    package struct Wave: Codable, Equatable, Sendable {
        package enum Size: Codable, Equatable, Sendable {
            case hosts(Int)
            /// Of all planned hosts, rounded up.
            case percent(Int)
        }

        package var size: Size
        /// How long the wave has to stay good before the next one begins.
        package var bake: Duration

        package init(_ size: Size, bake: Duration = .zero) {
            self.size = size
            self.bake = bake
        }
    }

    package enum OnFailure: String, Codable, CaseIterable, Sendable {
        /// Put back every host that was touched.
        case rollback
        /// Wait for a person.
        case pause
        /// End, and leave everything as it is.
        case stop
    }

    package var name: String
    package var select: [String: String]
    package var hosts: [String: String]
    package var expect: ClosedRange<Int>
    package var image: String
    package var waves: [Wave]
    package var maxInFlight: Wave.Size
    package var health: HealthGate
    package var failureBudget: Int
    package var onFailure: OnFailure

    package static let wavesMax = 100
    package static let hostsMax = 10_000

    package init(
        name: String, select: [String: String], hosts: [String: String] = [:], expect: ClosedRange<Int> = 1...hostsMax,
        image: String, waves: [Wave] = [Wave(.hosts(1)), Wave(.percent(100))], maxInFlight: Wave.Size = .percent(10),
        health: HealthGate = HealthGate(healthyFor: .seconds(30), deadline: .minutes(5)), failureBudget: Int = 0,
        onFailure: OnFailure = .rollback
    ) {
        self.name = name
        self.select = select
        self.hosts = hosts
        self.expect = expect
        self.image = image
        self.waves = waves
        self.maxInFlight = maxInFlight
        self.health = health
        self.failureBudget = failureBudget
        self.onFailure = onFailure
    }
}

extension RolloutSpec {
    /// Reads a document of `kind: container`. What is left out has the defaults of `init`.
    package static func decode(_ document: ConfigNode) throws(ConfigError) -> RolloutSpec {
        var reader = try ConfigReader(document)
        guard try reader.string("kind", oneOf: ["container"]) != nil else {
            throw reader.error("kind", "is missing", allowed: "container")
        }
        guard let name = try reader.value("name", allowed: nameRule, parse: { text, _ in named(text) })
        else { throw reader.error("name", "is missing", allowed: nameRule) }
        guard
            let image = try reader.value(
                "image", allowed: "an image such as web:2.4.1", parse: { text, _ in usable(text) })
        else { throw reader.error("image", "is missing", allowed: "an image such as web:2.4.1") }
        var spec = RolloutSpec(name: name, select: [:], image: image)
        try spec.readTarget(&reader)
        if let waves = try reader.list("waves", of: { node, path throws(ConfigError) in try wave(node, path) }) {
            guard (1...wavesMax).contains(waves.count) else {
                throw reader.error("waves", "has \(waves.count) waves", allowed: "1 to \(wavesMax) waves")
            }
            spec.waves = waves
        }
        let window = try reader.value("maxInFlight", allowed: "hosts such as 2, or a share such as 10%") { text, _ in
            share(text) ?? Int(text).flatMap { (1...hostsMax).contains($0) ? .hosts($0) : nil }
        }
        spec.maxInFlight = window ?? spec.maxInFlight
        try spec.readHealth(&reader)
        spec.failureBudget = try reader.integer("failureBudget", in: 0...hostsMax) ?? spec.failureBudget
        let choice = try reader.string("onFailure", oneOf: OnFailure.allCases.map(\.rawValue))
        spec.onFailure = choice.flatMap { OnFailure(rawValue: $0) } ?? spec.onFailure
        try reader.finish()
        return spec
    }

    private static let nameRule = "1 to \(Limits.nameBytes) letters, digits, dots, dashes and underscores"

    private static func named(_ text: String) -> String? { NameSpelling.isValid(text) ? text : nil }

    private static func usable(_ text: String) -> String? {
        text.isEmpty || text.utf8.count > 1_024 || text.contains { $0.isWhitespace } ? nil : text
    }

    private static func share(_ text: String) -> Wave.Size? {
        guard text.hasSuffix("%"), let percent = Int(text.dropLast()), (1...100).contains(percent) else { return nil }
        return .percent(percent)
    }

    private mutating func readTarget(_ reader: inout ConfigReader) throws(ConfigError) {
        guard var target = try reader.mapping("target") else {
            throw reader.error("target", "is missing", allowed: "select: the labels of the containers to replace")
        }
        select = try target.labels("select")?.dictionary ?? [:]
        guard !select.isEmpty else {
            throw target.error("select", "is missing", allowed: "at least one label, such as app: web")
        }
        hosts = try target.labels("hosts")?.dictionary ?? [:]
        if var guarding = try target.mapping("expect") {
            let low = try guarding.integer("min", in: 0...Self.hostsMax) ?? 1
            let high = try guarding.integer("max", in: 1...Self.hostsMax) ?? Self.hostsMax
            guard low <= high else {
                throw guarding.error("min", "is \(low), more than max, which is \(high)", allowed: "min up to max")
            }
            expect = low...high
            try guarding.finish()
        }
        try target.finish()
    }

    private mutating func readHealth(_ reader: inout ConfigReader) throws(ConfigError) {
        guard var gate = try reader.mapping("health") else { return }
        let longest = Duration.hours(24)
        let healthyFor = try gate.duration("healthyFor", in: .zero...longest) ?? health.healthyFor
        let deadline = try gate.duration("deadline", in: .seconds(1)...longest) ?? max(health.deadline, healthyFor * 2)
        guard healthyFor < deadline else {
            throw gate.error(
                "deadline", "is \(deadline.shortText), which \(healthyFor.shortText) of health cannot fit into",
                allowed: "more than healthyFor")
        }
        health = HealthGate(healthyFor: healthyFor, deadline: deadline)
        try gate.finish()
    }

    private static func wave(_ node: ConfigNode, _ path: String) throws(ConfigError) -> Wave {
        var reader = try ConfigReader(node, path: path)
        let hosts = try reader.integer("hosts", in: 1...hostsMax)
        let percent = try reader.integer("percent", in: 1...100)
        let bake = try reader.duration("bake", in: .zero...(.hours(24 * 7))) ?? .zero
        try reader.finish()
        switch (hosts, percent) {
        case (let hosts?, nil): return Wave(.hosts(hosts), bake: bake)
        case (nil, let percent?): return Wave(.percent(percent), bake: bake)
        default:
            throw ConfigError(
                position: node.position, key: path, problem: "has no size, or two", allowed: "hosts: 3, or percent: 25")
        }
    }
}

extension RolloutSpec.Wave.Size {
    /// At least one host, at most all of them.
    func count(of total: Int) -> Int {
        switch self {
        case .hosts(let count): min(max(count, 1), max(total, 1))
        case .percent(let percent): max(1, (total * percent + 99) / 100)
        }
    }
}
