import Foundation
import MusterModel
import MusterTestKit
import MusterTransport
import NIOPosix
import Testing

/// The tools of the field that speak Prometheus, from Debian's packages.
private enum Tool {
    static let prometheus = Peers.path(of: "prometheus")
    static let promtool = Peers.path(of: "promtool")
    static let victoriaMetrics = Peers.path(of: "victoria-metrics")
    static let vmalert = Peers.path(of: "vmalert")
    static let obstacle = Peers.obstacle(programs: [
        (prometheus, "prometheus"), (promtool, "prometheus"), (victoriaMetrics, "victoria-metrics"),
        (vmalert, "victoria-metrics"), ("/usr/bin/curl", "curl"),
    ])
}

extension Acceptance {
    /// Real clients of the Prometheus interfaces, and real engines behind them.
    @Suite(.needsPrograms, .enabled(if: Tool.obstacle == nil, "skipped: \(Tool.obstacle ?? "")"))
    struct PrometheusPeers {
        private static func setup(_ coordinator: String = "") -> Fleet.Setup {
            Fleet.Setup(agents: ["a"], coordinator: coordinator)
        }

        /// An answer's series at a fixed time, by labels, from any server.
        private static func values(
            _ base: String, _ query: String, at time: Double, token: String?, ca: String
        ) async throws -> [[String: String]: String] {
            struct Answer: Decodable {
                var data: Shape.Query
            }
            let arguments =
                ["-sS", "--max-time", "10", "-G", base + "/api/v1/query", "--data-urlencode", "query=\(query)", "-d"]
                + ["time=\(time)"] + (token.map { ["-H", "Authorization: Bearer \($0)", "--cacert", ca] } ?? [])
            let done = try await Finished.run(.init("/usr/bin/curl", arguments))
            let answer = try JSONDecoder().decode(Answer.self, from: Data(try done.succeeded().output.utf8))
            return Dictionary(answer.data.result.map { ($0.metric, $0.value?.value ?? "") }) { first, _ in first }
        }

        private static func isReady(_ port: Int, _ path: String) async throws {
            let client = NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton)
            try await eventually("the server on \(port) is ready", within: .seconds(60), every: .milliseconds(200)) {
                let response = try? await client.send(
                    HTTPRequest("GET", path), to: .tcp(host: "127.0.0.1", port: port), timeout: .seconds(2),
                    maxBytes: 1 << 20)
                return response?.status == 200
            }
        }

        // MARK: promtool

        @Test(.timeLimit(.minutes(3)))
        func promtoolAsksAndChecks() async throws {
            try await Fleet.run("promtool", Self.setup()) { fleet in
                let ca = try fleet.authorityFile()
                let url = "https://anyone:\(fleet.token)@127.0.0.1:\(fleet.api)"
                func promtool(_ arguments: String...) async throws -> String {
                    let done = try await Finished.run(
                        .init(Tool.promtool, arguments, environment: fleet.environment(["SSL_CERT_FILE": ca])))
                    return try done.succeeded().output
                }
                try await eventually("there are samples", within: .seconds(30), every: .milliseconds(300)) {
                    try await promtool("query", "instant", url, "node_load1").contains("node_load1{")
                }
                let now = Date().timeIntervalSince1970
                let range = try await promtool(
                    "query", "range", "--start=\(Int(now) - 5)", "--end=\(Int(now))", "--step=1s", url,
                    "sum(node_memory_MemTotal_bytes)")
                #expect(range.contains("@["))
                let series = try await promtool("query", "series", "--match=node_load1", url)
                #expect(series.contains("__name__=\"node_load1\""))
                let values = try await promtool("query", "labels", url, "cpu")
                #expect(values.split(separator: "\n").contains("0"))
                let refused = try await Finished.run(
                    .init(
                        Tool.promtool, ["query", "instant", url, "sum("],
                        environment: fleet.environment(["SSL_CERT_FILE": ca])))
                #expect(refused.exitCode != 0)
                // The coordinator's own page is what the format demands.
                let page = try await Finished.run(
                    .init(
                        "/bin/sh",
                        [
                            "-c",
                            "curl -sS --cacert \(ca) -u x:\(fleet.token) https://127.0.0.1:\(fleet.api)/metrics "
                                + "| \(Tool.promtool) check metrics",
                        ]))
                #expect(page.exitCode == 0, "\(page)")
            }
        }

        // MARK: Prometheus

        @Test(.timeLimit(.minutes(4)))
        func prometheusWritesToUsAndFederatesFromUs() async throws {
            try await Fleet.run("prometheus", Self.setup()) { fleet in
                let ca = try fleet.authorityFile()
                let pusher = try await fleet.apiToken(role: "ingester", name: "prometheus")
                let port = try Ports.free()
                let tls = "tls_config: {ca_file: \(ca)}"
                let config = try fleet.scratch.write(
                    """
                    global: {scrape_interval: 1s, external_labels: {replica: one}}
                    scrape_configs:
                      - job_name: prometheus
                        static_configs: [{targets: ['127.0.0.1:\(port)']}]
                      - job_name: muster
                        honor_labels: true
                        scheme: https
                        metrics_path: /federate
                        params: {'match[]': ['node_load1', '{__name__=~"node_memory_.*"}']}
                        authorization: {credentials: "\(fleet.token)"}
                        \(tls)
                        static_configs: [{targets: ['127.0.0.1:\(fleet.api)']}]
                    remote_write:
                      - url: https://127.0.0.1:\(fleet.api)/api/v1/write
                        authorization: {credentials: "\(pusher)"}
                        \(tls)
                    """, to: "prometheus.yml")
                let process = try ChildProcess(
                    "prometheus",
                    .init(
                        Tool.prometheus,
                        [
                            "--config.file=\(config)", "--storage.tsdb.path=\(fleet.scratch("prometheus"))",
                            "--web.listen-address=127.0.0.1:\(port)",
                        ]), log: fleet.logPath("prometheus"))
                defer { process.end() }
                try await Self.isReady(port, "/-/ready")
                let (own, theirs) = ("https://127.0.0.1:\(fleet.api)", "http://127.0.0.1:\(port)")
                let query = "prometheus_tsdb_head_samples_appended_total{job=\"prometheus\"}"
                try await eventually("its samples are here", within: .seconds(60), every: .milliseconds(500)) {
                    try await !Self.values(
                        own, query, at: Date().timeIntervalSince1970, token: fleet.token, ca: ca
                    ).isEmpty
                }
                try await eventually("ours are there", within: .seconds(60), every: .milliseconds(500)) {
                    try await !Self.values(
                        theirs, "node_load1", at: Date().timeIntervalSince1970, token: nil, ca: ca
                    ).isEmpty
                }
                // At a time that both have behind them, and at which there is an answer, both give the same. Not asked
                // for a rate: Prometheus 2 extrapolates counters that begin within the range in another way than 3.
                let questions = [
                    query, "irate(prometheus_http_requests_total[30s]) >= 0", "count({job=\"prometheus\"})",
                ]
                try await eventually("rates are there", within: .seconds(30), every: .milliseconds(500)) {
                    try await !Self.values(
                        theirs, questions[1], at: Date().timeIntervalSince1970, token: nil, ca: ca
                    ).isEmpty
                }
                let at = Date().timeIntervalSince1970.rounded(.up)
                try await eventually("both agree", within: .seconds(30), every: .milliseconds(500)) {
                    for question in questions {
                        let mine = try await Self.values(own, question, at: at, token: fleet.token, ca: ca)
                        let its = try await Self.values(theirs, question, at: at, token: nil, ca: ca)
                        let named = Dictionary(
                            its.map { labels, value in
                                (labels.isEmpty ? [:] : labels.merging(["replica": "one"]) { $1 }, value)
                            }
                        ) { first, _ in first }
                        guard !mine.isEmpty, mine == named else { return false }
                    }
                    return true
                }
                // Whose token may only push may not read.
                let refused = try await fleet.answer("/api/v1/query?query=up", token: pusher)
                #expect(refused.status == 403)
            }
        }

        // MARK: vmalert

        @Test(.timeLimit(.minutes(4)))
        func vmalertEvaluatesItsRulesWithOurAnswers() async throws {
            try await Fleet.run("vmalert", Self.setup()) { fleet in
                let ca = try fleet.authorityFile()
                let port = try Ports.free()
                let rules = try fleet.scratch.write(
                    """
                    groups:
                      - name: hosts
                        interval: 1s
                        rules:
                          - alert: HostSeen
                            expr: count by (host) (rate(node_cpu_seconds_total[10s])) > 0
                          - alert: Never
                            expr: absent(node_load1) and node_load1 > 1e9
                    """, to: "vmalert.yaml")
                let process = try ChildProcess(
                    "vmalert",
                    .init(
                        Tool.vmalert,
                        [
                            "-rule=\(rules)", "-datasource.url=https://127.0.0.1:\(fleet.api)",
                            "-datasource.tlsCAFile=\(ca)", "-datasource.basicAuth.username=vmalert",
                            "-datasource.basicAuth.password=\(fleet.token)", "-notifier.url=http://127.0.0.1:9",
                            "-httpListenAddr=127.0.0.1:\(port)", "-evaluationInterval=1s",
                        ]), log: fleet.logPath("vmalert"))
                defer { process.end() }
                let client = NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton)
                try await eventually("its alert fires", within: .seconds(60), every: .milliseconds(500)) {
                    let response = try? await client.send(
                        HTTPRequest("GET", "/api/v1/alerts"), to: .tcp(host: "127.0.0.1", port: port),
                        timeout: .seconds(2), maxBytes: 1 << 20)
                    let text = String(decoding: response?.body ?? [], as: UTF8.self)
                    return text.contains("HostSeen") && text.contains("firing") && !text.contains("Never")
                }
            }
        }

        // MARK: Engines that samples are handed to

        /// Everything arrives, also what was measured while the engine was away; and what the coordinator does not have
        /// any more is answered by the engine and joined with what it has.
        @Test(.timeLimit(.minutes(6)))
        func samplesAreHandedToEnginesAlsoAfterAnOutageAndOldOnesAreAskedThere() async throws {
            let (port, other) = (try Ports.free(), try Ports.free())
            let config = """
                metrics:
                  handOff:
                    - {name: vm, url: "http://127.0.0.1:\(port)/api/v1/write", query: "http://127.0.0.1:\(port)"}
                    - {name: prometheus, url: "http://127.0.0.1:\(other)/api/v1/write"}

                """
            try await Fleet.run("handoff", Self.setup(config)) { fleet in
                let ca = try fleet.authorityFile()
                func start() throws -> ChildProcess {
                    try ChildProcess(
                        "victoria-metrics",
                        .init(
                            Tool.victoriaMetrics,
                            [
                                "-storageDataPath=\(fleet.scratch("vm"))", "-httpListenAddr=127.0.0.1:\(port)",
                                "-search.latencyOffset=0s", "-retentionPeriod=1",
                            ]), log: fleet.logPath("vm"))
                }
                let began = Date().timeIntervalSince1970.rounded(.up) + 5
                // Away at first, then there, away again, and there.
                try await Self.wait(for: 2, fleet)
                let prometheus = try Self.receiver(fleet, port: other)
                defer { prometheus.end() }
                var engine = try start()
                try await Self.isReady(port, "/health")
                let (own, theirs) = ("https://127.0.0.1:\(fleet.api)", "http://127.0.0.1:\(port)")
                try await eventually("samples arrive", within: .seconds(60), every: .milliseconds(500)) {
                    try await !Self.values(
                        theirs, "node_load1", at: Date().timeIntervalSince1970, token: nil, ca: ca
                    ).isEmpty
                }
                _ = try await engine.stop()
                try await Self.wait(for: 3, fleet)
                engine = try start()
                defer { engine.end() }
                try await Self.isReady(port, "/health")
                // Between two ticks: ranges of Prometheus 2 have both their ends.
                let end = Date().timeIntervalSince1970.rounded(.down) - 0.5
                let window = Int(end - began)
                // A part of the first outage and all of the second.
                try #require(window > 10)
                let question = "count_over_time(node_load1[\(window)s])"
                let mine = try await awaited("we have all samples") {
                    let found = try await Self.values(own, question, at: end, token: fleet.token, ca: ca)
                    return found.isEmpty ? nil : found
                }
                for base in [theirs, "http://127.0.0.1:\(other)"] {
                    try await eventually("\(base) has all of them", within: .seconds(60), every: .seconds(1)) {
                        try await Self.values(base, question, at: end, token: nil, ca: ca) == mine
                    }
                }
                let page = String(decoding: try await fleet.ask("/metrics"), as: UTF8.self)
                for name in ["vm", "prometheus"] {
                    #expect(page.contains("muster_coordinator_handoff_lost_windows_total{engine=\"\(name)\"} 0"))
                }
                try await Self.oldSamplesAreAsked(fleet, question, at: end, mine)
            }
        }

        /// An outage lasts until so many windows of 10 s wait for the engine.
        private static func wait(for windows: Int, _ fleet: Fleet) async throws {
            let name = #"muster_coordinator_handoff_pending_windows{engine="vm"} "#
            try await eventually("\(windows) windows wait", within: .seconds(60), every: .milliseconds(200)) {
                let page = String(decoding: try await fleet.ask("/metrics"), as: UTF8.self)
                let line = page.split(separator: "\n").first { $0.hasPrefix(name) }
                return try Int(#require(line).dropFirst(name.count)) ?? 0 >= windows
            }
        }

        /// The coordinator loses its metrics: what was measured before is answered as it was, and a range over the edge
        /// has the samples of both sides.
        private static func oldSamplesAreAsked(
            _ fleet: Fleet, _ question: String, at end: Double, _ before: [[String: String]: String]
        ) async throws {
            let ca = try fleet.authorityFile()
            let own = "https://127.0.0.1:\(fleet.api)"
            try fleet.kill("coordinator")
            try FileManager.default.removeItem(atPath: fleet.coordinatorData + "/metrics")
            try fleet.startCoordinator()
            try await fleet.coordinatorAnswers()
            try await eventually("the engine answers for us", within: .seconds(60), every: .milliseconds(500)) {
                try await values(own, question, at: end, token: fleet.token, ca: ca) == before
            }
            try await eventually("both sides are joined", within: .seconds(60), every: .milliseconds(500)) {
                let now = Date().timeIntervalSince1970.rounded(.down)
                let wide = "count_over_time(node_load1[\(Int(now - end) + 20)s])"
                let recent = "count_over_time(node_load1[3s])"
                let joined = try await values(own, wide, at: now, token: fleet.token, ca: ca)
                let fresh = try await values(own, recent, at: now, token: fleet.token, ca: ca)
                guard joined.count == 1, fresh.count == 1, let count = joined.values.first.flatMap(Double.init) else {
                    return false
                }
                // Twenty seconds of the engine alone, and more than what is fresh.
                return count > 20 + 3
            }
        }

        /// A Prometheus that takes what is written to it, late samples too.
        private static func receiver(_ fleet: Fleet, port: Int) throws -> ChildProcess {
            let config = try fleet.scratch.write(
                "storage: {tsdb: {out_of_order_time_window: 30m}}\n", to: "receiver.yml")
            return try ChildProcess(
                "receiver",
                .init(
                    Tool.prometheus,
                    [
                        "--config.file=\(config)", "--storage.tsdb.path=\(fleet.scratch("receiver"))",
                        "--web.enable-remote-write-receiver", "--web.listen-address=127.0.0.1:\(port)",
                    ]), log: fleet.logPath("receiver"))
        }
    }
}

extension Fleet {
    /// The authority's certificate as a file, for programs that ask for one.
    func authorityFile() throws -> String {
        struct Context: Decodable {
            var authority: String
        }
        let bytes = try Data(contentsOf: URL(fileURLWithPath: contextPath))
        return try scratch.write(try JSONDecoder().decode(Context.self, from: bytes).authority, to: "ca.pem")
    }

    func apiToken(role: String, name: String) async throws -> String {
        struct Made: Decodable {
            var token: String
        }
        return try await json(Made.self, "token", "create", "--role", role, "--name", name).token
    }
}
