import Foundation
import Logging
import MusterAlerts
import MusterCatalog
import MusterHealth
import MusterLogs
import MusterModel
import MusterPattern
import MusterQuery
import MusterRollouts
import MusterRouting
import MusterTransport
import Synchronization

/// One request, with what the server has read of it.
struct APICall: Sendable {
    /// The path's `:id`.
    var id: String
    /// Of the address, then of a form in the body; a name may come more than once.
    var parameters: [(name: String, value: String)]
    /// The last value of each parameter.
    let query: [String: String]
    var body: [UInt8]
    var contentType: String
    var contentEncoding: String
    /// `X-Prometheus-Remote-Write-Version`.
    var versionHeader: String
    var remoteAddress: String

    init(
        id: String, parameters: [(String, String)], body: [UInt8], contentType: String, contentEncoding: String,
        versionHeader: String, remoteAddress: String
    ) {
        self.id = id
        self.parameters = parameters
        query = Dictionary(parameters, uniquingKeysWith: { $1 })
        self.body = body
        self.contentType = contentType
        self.contentEncoding = contentEncoding
        self.versionHeader = versionHeader
        self.remoteAddress = remoteAddress
    }
}

enum APIAnswer: Sendable {
    case json(Data)
    case text(String)
    case lines(LogLines)
    /// A whole answer in Prometheus's envelope.
    case prometheus([UInt8])
    case content(Int = 200, [UInt8], type: String, retryAfterSeconds: Int? = nil)
    /// No body.
    case status(Int, headers: [HTTPHeader])
    /// A text that says what is wrong, with headers of the protocol that asked.
    case refused(Int, text: String, headers: [HTTPHeader])
}

/// What each route does. Everything it needs is here; nothing here decides what another module should.
struct APIHandlers: Sendable {
    static let version = "0.1.0"
    /// The longest a watcher may wait in one request.
    static let waitMax = Duration.seconds(60)
    static let logLimitMax = LogLimits.searchEntries

    let fleet: Fleet
    let ingest: Ingest
    let queries: QueryDesk
    let logQueries: LogQueries
    let alerts: AlertDesk
    let rules: RuleRunner
    let otlp: OTLPDesk
    let handOff: HandOffDesk
    let rollouts: RolloutDesk
    let authority: HostAuthority
    let tokens: TokenBook
    let links: LinkHub
    let joins: JoinGate
    let clock: MachineClock
    let startedAt: Instant
    let logger: Logger

    func answer(_ route: APIRoute, _ call: APICall) async throws -> APIAnswer {
        switch route {
        case .healthz: .text("ok\n")
        case .enroll: try json(try await enroll(call))
        case .status: try json(status())
        case .hosts: try json(hosts())
        case .revokeHost: try json(try await revokeHost(call))
        case .containers: try json(containers(call))
        case .services: try json(services())
        case .route: try json(try await routeView(call))
        case .logs: .lines(try await logs(call))
        case .alerts: try json(alerts.alerts)
        case .acknowledgeAlert: try json(try await acknowledge(call))
        case .planRollout: try json(try plan(call))
        case .runRollout: try json(["id": try await runRollout(call).text])
        case .rollouts: try json(rollouts.all.map(Self.summary))
        case .rollout: try json(try rolloutStatus(call.id))
        case .pauseRollout: try json(try await order(call, .pause))
        case .resumeRollout: try json(try await order(call, .resume))
        case .abortRollout: try json(try await order(call, .abort))
        case .undoRollout: try await undo(call)
        case .createToken: try json(try await createToken(call))
        case .tokens: try json(tokenList())
        case .revokeToken: try json(try await revokeToken(call))
        case .query, .queryRange, .formatQuery, .series, .labels, .labelValues, .metadata, .exemplars, .ruleGroups,
            .prometheusAlerts, .targets, .buildInfo, .runtimeInfo, .tsdbStatus, .healthy, .ready, .federate,
            .ownMetrics:
            try await prometheus(route, call)
        case .remoteWrite: try await remoteWrite(call)
        case .otlpMetrics: try await otlpMetrics(call)
        case .lokiPush: try await lokiPush(call)
        case .otlpLogs: try await otlpLogs(call)
        case .lokiQuery, .lokiQueryRange, .lokiLabels, .lokiLabelValues, .lokiSeries, .lokiIndexStats,
            .lokiIndexVolume:
            try await loki(route, call)
        }
    }

    private func json(_ value: some Encodable) throws -> APIAnswer {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return .json(try encoder.encode(value))
    }

    static func body<Body: Decodable>(_ type: Body.Type, _ call: APICall) throws(APIError) -> Body {
        do {
            return try JSONDecoder().decode(type, from: Data(call.body))
        } catch {
            throw .badRequest("the body is not the JSON this route takes", hint: "docs/reference/api.md shows it")
        }
    }

    static func duration(_ name: String, _ call: APICall) throws(APIError) -> Duration? {
        guard let text = call.query[name] else { return nil }
        guard let duration = Duration(shortText: text) else {
            throw .badRequest("\(name) is \"\(text)\"", hint: "a duration such as 10s or 1h30m")
        }
        return duration
    }

    // MARK: The fleet

    private func status() -> APIShape.Status {
        let now = clock.now
        let hosts = fleet.hosts(now: now)
        let listed = alerts.alerts
        let counts = ingest.counts
        return APIShape.Status(
            version: Self.version, startedAt: startedAt.description, warmingUp: fleet.isWarmingUp(now: now),
            hosts: Dictionary(
                grouping: hosts, by: { ($0.status?.state ?? .suspect).rawValue }
            ).mapValues(\.count),
            containers: fleet.containers.count, services: fleet.services.count, series: ingest.metrics.seriesCount,
            alerts: .init(
                pending: listed.filter { $0.state == "pending" }.count,
                firing: listed.filter { $0.state == "firing" }.count),
            rollouts: Dictionary(grouping: rollouts.all, by: { $0.state.rawValue }).mapValues(\.count),
            ingest: .init(
                metricFrames: counts.metricFrames, logFrames: counts.logFrames,
                duplicates: Int(clamping: ingest.marks.duplicates), bytes: counts.bytes))
    }

    private func hosts() -> [APIShape.Host] {
        fleet.hosts(now: clock.now).map { view in
            APIShape.Host(
                id: view.snapshot.host.text, name: view.snapshot.name,
                state: (view.status?.state ?? .suspect).rawValue, reason: view.status?.reason ?? "",
                bootId: view.snapshot.boot.description, agentVersion: view.snapshot.agentVersion,
                lastSeen: view.status?.lastSeen?.description ?? "", labels: view.snapshot.labels.dictionary)
        }
    }

    private func containers(_ call: APICall) -> [APIShape.Container] {
        fleet.containers.filter { call.query["host"].map($0.host.text.isEqual) ?? true }.map { item in
            APIShape.Container(
                id: item.container.id, name: item.container.name, host: item.host.text, image: item.container.image,
                state: item.container.state.rawValue, health: item.container.health.rawValue,
                labels: item.container.labels.dictionary)
        }
    }

    private func services() -> [APIShape.Service] {
        fleet.services.map { service in
            APIShape.Service(
                name: service.name.text,
                instances: service.instances.map { instance in
                    APIShape.Service.Instance(
                        id: instance.id, host: instance.host.text, address: instance.address, port: instance.port,
                        state: instance.health.rawValue, tags: instance.tags, reason: instance.reason)
                })
        }
    }

    private func routeView(_ call: APICall) async throws(APIError) -> APIShape.Route {
        guard let service = ServiceName(call.id) else {
            throw .badRequest("\"\(call.id)\" is no service name", hint: "letters, digits, dot, dash and underscore")
        }
        if let text = call.query["version"] {
            guard let version = UInt64(text) else {
                throw .badRequest("version is \"\(text)\"", hint: "a whole number")
            }
            let wait = min(try Self.duration("wait", call) ?? .zero, Self.waitMax)
            let end = await fleet.routeChanged(service, from: version, wait: wait, now: clock.now)
            if case .refused(let reason) = end { throw APIError(503, "overloaded", reason) }
        }
        guard let view = fleet.route(service) else {
            if fleet.isWarmingUp(now: clock.now) {
                throw APIError(
                    503, "warming_up", "the coordinator has just started and not every host has reported",
                    hint: "ask again in a few seconds")
            }
            throw .notFound("service \(service)", hint: "muster services lists them")
        }
        return APIShape.Route(
            service: service.text, version: view.version,
            instances: view.instances.map {
                .init(
                    id: $0.instance.id, address: $0.instance.address, port: $0.instance.port, weight: $0.weight,
                    reason: $0.reason)
            },
            excluded: view.excluded.map { .init(id: $0.instance.id, reason: $0.reason) })
    }

    // MARK: Alerts and rollouts

    private func acknowledge(_ call: APICall) async throws(APIError) -> [String: String] {
        struct Body: Decodable {
            var by: String
        }
        let body = try Self.body(Body.self, call)
        guard (1...Limits.nameBytes).contains(body.by.utf8.count) else {
            throw .badRequest("by is empty or too long", hint: "a name of at most \(Limits.nameBytes) bytes")
        }
        guard let fingerprint = Fingerprint(call.id) else {
            throw .badRequest("\"\(call.id)\" is no fingerprint", hint: "16 hexadecimal digits, from muster alerts")
        }
        try await alerts.acknowledge(fingerprint, by: body.by)
        return ["fingerprint": call.id, "acknowledgedBy": body.by]
    }

    private func spec(_ call: APICall) throws(APIError) -> RolloutSpec {
        try RolloutDesk.spec(call.body, file: call.query["file"] ?? "rollout.yaml")
    }

    private func plan(_ call: APICall) throws(APIError) -> APIShape.Plan {
        let plan = try rollouts.plan(try spec(call))
        let names = Dictionary(
            fleet.hosts(now: clock.now).map { ($0.snapshot.host, $0.snapshot.name) }, uniquingKeysWith: { $1 })
        return APIShape.Plan(
            name: plan.spec.name, changes: plan.hosts.count,
            waves: plan.waves.map { wave in
                APIShape.Plan.Wave(
                    hosts: wave.hosts.map { plan.hosts[$0] }.map { host in
                        .init(
                            host: host.host.text, name: names[host.host] ?? "",
                            container: host.containers.joined(separator: ","), from: host.images.joined(separator: ","),
                            to: host.targetImage)
                    })
            },
            warnings: plan.skipped.map { "\($0.host) is left out: \($0.reason)" })
    }

    private func runRollout(_ call: APICall) async throws(APIError) -> RolloutID {
        try await rollouts.run(try spec(call))
    }

    private func rolloutStatus(_ text: String) throws(APIError) -> RolloutStatus {
        guard let id = RolloutID(text), let rollout = rollouts.rollout(id) else {
            throw .notFound("rollout \(text)", hint: "muster rollout history lists them")
        }
        return rollout.status(now: clock.now)
    }

    private func order(_ call: APICall, _ order: RolloutDesk.Order) async throws(APIError) -> RolloutStatus {
        guard let id = RolloutID(call.id) else { throw .notFound("rollout \(call.id)") }
        return try rolloutStatus(try await rollouts.order(id, order, by: "an operator").text)
    }

    private func undo(_ call: APICall) async throws -> APIAnswer {
        guard let id = RolloutID(call.id) else { throw APIError.notFound("rollout \(call.id)") }
        let undoing = try await rollouts.order(id, .undo, by: "an operator")
        return undoing == id ? try json(try rolloutStatus(id.text)) : try json(["id": undoing.text])
    }

    private static func summary(_ rollout: Rollout) -> APIShape.RolloutSummary {
        APIShape.RolloutSummary(
            id: rollout.id.text, name: rollout.plan.spec.name, state: rollout.state.rawValue, reason: rollout.reason,
            startedAt: rollout.createdAt.description, finishedAt: rollout.finishedAt?.description)
    }
}

extension String {
    fileprivate func isEqual(_ other: String) -> Bool { self == other }
}
