package import MusterModel

/// Asks the coordinator for everything that one picture needs.
package struct TopSurvey: Sendable {
    private let api: APIClient
    private let window: Duration
    private let host: String?
    private var counts: SeriesCounts?

    /// Counting series looks at every label of the store, and what it finds changes slowly.
    package static let countsMaxAge = Duration.seconds(30)
    /// Sources that are no hosts and may have more series than all of them.
    private static let otherOwners = 100

    /// Rates are over `window`. With `host`, an id or a name, the picture shows this host and its containers alone.
    package init(_ api: APIClient, window: Duration, host: String?) {
        self.api = api
        self.window = window
        self.host = host
    }

    private struct SeriesCounts {
        var at: Instant
        var byHost: [String: Int]
        var warnings: [String]
    }

    private struct Figures {
        /// By host, or by host and container; finite ones only.
        var values: [Key: [String: Double]] = [:]
        /// By host.
        var fullestMounts: [String: String] = [:]
        var warnings: [String] = []

        struct Key: Hashable {
            var host: String
            var container: String
        }

        subscript(_ host: String, _ container: String, _ figure: String) -> Double? {
            values[Key(host: host, container: container)]?[figure]
        }
    }

    /// Throws `CLIError` when one of the answers is missing: half a picture would look like a whole one.
    package mutating func picture(now: Instant) async throws -> TopPicture {
        let survey = self
        let hosts = try await survey.hosts()
        let id = host == nil ? nil : hosts.first?.id
        async let containers: [ContainersVerb.Container] = survey.api.get("/v1/containers", query: [("host", id)])
        async let hostFigures = survey.figures(TopQuestion.hosts(window: window, host: id), now)
        async let containerFigures = survey.figures(TopQuestion.containers(window: window, host: id), now)
        async let counted = survey.seriesCounts(hosts.count, now)
        let counts = try await counted
        self.counts = counts
        return Self.joined(
            hosts, try await containers, try await hostFigures, try await containerFigures, counts, now)
    }

    private func seriesCounts(_ hosts: Int, _ now: Instant) async throws -> SeriesCounts {
        if let counts, now - counts.at < Self.countsMaxAge { return counts }
        let answer: PrometheusAnswer<Cardinality> = try await api.get(
            "/api/v1/status/tsdb", query: [("limit", "\(hosts + Self.otherOwners)")])
        return SeriesCounts(
            at: now,
            byHost: Dictionary(
                answer.data.seriesByOwner.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first }),
            warnings: answer.warnings ?? [])
    }

    private func hosts() async throws -> [HostsVerb.Host] {
        let all: [HostsVerb.Host] = try await api.get("/v1/hosts")
        guard let host else { return all }
        guard let found = all.first(where: { $0.id == host }) ?? all.first(where: { $0.name == host }) else {
            throw CLIError("no host has the id or the name \"\(host)\"", hint: "`muster hosts` lists them")
        }
        return [found]
    }

    private func figures(_ question: String, _ now: Instant) async throws -> Figures {
        let answer: PrometheusAnswer<QueryData> = try await api.get(
            "/api/v1/query", query: [("query", question), ("time", now.secondsText)])
        var figures = Figures()
        figures.warnings = answer.warnings ?? []
        guard case .vector(let elements) = answer.data else { return figures }
        for element in elements {
            guard let name = element.metric[TopQuestion.label], let host = element.metric["host"],
                let value = element.value?.value, value.isFinite
            else { continue }
            figures.values[.init(host: host, container: element.metric["name"] ?? ""), default: [:]][name] = value
            figures.fullestMounts[host] = element.metric["mountpoint"] ?? figures.fullestMounts[host]
        }
        return figures
    }

    private static func joined(
        _ hosts: [HostsVerb.Host], _ containers: [ContainersVerb.Container], _ hostFigures: Figures,
        _ containerFigures: Figures, _ counts: SeriesCounts, _ now: Instant
    ) -> TopPicture {
        let byHost = Dictionary(grouping: containers, by: \.host)
        return TopPicture(
            time: now.description,
            hosts: hosts.map { host in
                row(host, byHost[host.id] ?? [], hostFigures, series: counts.byHost[host.id])
            },
            containers: containers.map { row($0, containerFigures) },
            warnings: hostFigures.warnings + containerFigures.warnings + counts.warnings)
    }

    private static func row(
        _ host: HostsVerb.Host, _ containers: [ContainersVerb.Container], _ figures: Figures, series: Int?
    ) -> TopPicture.Host {
        let figure = { (name: TopQuestion.HostFigure) in figures[host.id, "", name.rawValue] }
        var row = TopPicture.Host(
            id: host.id, name: host.name, state: host.state, reason: host.reason, lastSeen: host.lastSeen)
        row.cpuPercent = figure(.cpu)
        row.load1 = figure(.load1)
        row.memoryPercent = figure(.memory)
        row.diskPercent = figure(.disk)
        row.fullestMount = figures.fullestMounts[host.id]
        row.receiveBytesPerSecond = figure(.receive)
        row.transmitBytesPerSecond = figure(.transmit)
        row.containers = containers.count
        row.runningContainers = containers.filter { $0.state == "running" }.count
        row.series = series
        return row
    }

    private static func row(_ container: ContainersVerb.Container, _ figures: Figures) -> TopPicture.Container {
        let figure = { (name: TopQuestion.ContainerFigure) in figures[container.host, container.name, name.rawValue] }
        var row = TopPicture.Container(
            id: container.id, host: container.host, name: container.name, state: container.state)
        row.cpuPercent = figure(.cpu)
        row.memoryBytes = figure(.memory)
        row.receiveBytesPerSecond = figure(.receive)
        row.transmitBytesPerSecond = figure(.transmit)
        return row
    }
}
