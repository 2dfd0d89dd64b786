import Foundation
import MusterModel
import MusterTestKit
import MusterTransport
import Testing

extension Acceptance {
    /// What the commands print: the shapes that programs rely on, and what people read.
    @Suite(.needsPrograms) struct Telemetry {
        private static func setup(docker: DockerDaemon? = nil) -> Fleet.Setup {
            Fleet.Setup(
                agents: ["a"], docker: docker,
                rules: """
                    groups:
                      - name: always
                        interval: 500ms
                        rules:
                          - alert: Running
                            expr: muster_agent_link_up == 1
                            annotations: {summary: "{{ $labels.host }} is connected"}
                    """,
                agentExtra: { _, folder in
                    """
                    services: [{name: nothing, port: 9, tags: [idle], check: {tcp: true, interval: 500ms}}]
                    logs: {files: [{path: "\(folder)/app/*.log", service: app, labels: {kind: test}}]}
                    """
                })
        }

        /// What every running agent measures of itself.
        private static let agentNames = [
            "muster_agent_metrics_tick_lateness_seconds", "muster_agent_build_info", "muster_agent_cpu_seconds_total",
            "muster_agent_resident_memory_bytes", "muster_agent_link_up", "muster_agent_link_connects_total",
            "muster_agent_link_sent_bytes_total", "muster_agent_link_round_trip_seconds", "muster_agent_queue_bytes",
            "muster_agent_queue_frames", "muster_agent_sent_frames_total", "muster_agent_spool_bytes",
            "muster_agent_log_lines_total", "muster_agent_log_read_bytes_total", "muster_agent_log_blocks_total",
            "muster_agent_log_files", "muster_agent_log_rotations_total", "muster_agent_log_truncations_total",
            "muster_agent_log_gaps_total", "muster_agent_log_lost_lines_total", "muster_agent_log_polling",
            "muster_agent_log_redacted_lines_total", "muster_agent_log_unparsed_lines_total",
            "muster_agent_label_complaints", "muster_agent_collector_errors_total",
            "muster_agent_collector_duration_seconds", "muster_agent_retained_bytes",
            "muster_agent_metrics_missed_ticks_total", "muster_agent_metrics_late_ticks_total",
        ]
        /// They have a series for each reason, so they are not there before something was lost or went wrong.
        private static let agentNamesAfterAnEvent: Set = [
            "muster_agent_dropped_frames_total", "muster_agent_log_dropped_lines_total",
            "muster_agent_log_faults_total",
        ]

        @Test(.timeLimit(.minutes(3)))
        func metricsAreAnsweredInPrometheussShapeAndSurviveAKill() async throws {
            try await Fleet.run("metrics", Self.setup()) { fleet in
                let names = [
                    "node_load1", "node_memory_MemAvailable_bytes", "node_cpu_seconds_total",
                    "node_disk_read_bytes_total",
                    "node_network_receive_bytes_total", "node_filefd_allocated", "node_sockstat_TCP_inuse",
                    "node_filesystem_size_bytes", "node_procs_running", "node_vmstat_pgfault",
                ]
                for name in names + Self.agentNames {
                    try await eventually("\(name) is there", within: .seconds(25), every: .milliseconds(300)) {
                        let answer = try await fleet.query("/api/v1/query?query=\(name)")
                        return answer.resultType == "vector" && !answer.result.isEmpty
                    }
                }
                let own = try await fleet.query("/api/v1/query?query=%7B__name__%3D~%22muster_agent_.*%22%7D")
                let unknown = Set(own.result.compactMap { $0.metric["__name__"] }).subtracting(Self.agentNames)
                #expect(unknown.isSubset(of: Self.agentNamesAfterAnEvent), "\(unknown)")
                let cpu = try await fleet.json(
                    Shape.Envelope.self, "query", "node_cpu_seconds_total{mode=\"idle\"}"
                ).data
                #expect(cpu.result.count == ProcessInfo.processInfo.processorCount)
                #expect(cpu.result.allSatisfy { $0.metric["__name__"] == "node_cpu_seconds_total" })
                #expect(cpu.result.allSatisfy { $0.metric["host"] == "a" && $0.metric["cpu"] != nil })
                let range = try await awaited("ten seconds were measured", within: .seconds(25)) {
                    let range = try await fleet.json(
                        Shape.Envelope.self, "query", "node_load1", "--range", "1m", "--step", "1s"
                    ).data
                    return (range.result.first?.values ?? []).count >= 12 ? range : nil
                }
                #expect(range.resultType == "matrix" && range.result.count == 1)
                #expect(range.result.first?.metric["host"] == "a")
                #expect(try await fleet.cli("query", "node_load1").succeeded().output.contains("node_load1"))
                let wrong = try await fleet.cli("query", "node_load1{")
                #expect(wrong.exitCode == 1 && !wrong.errors.isEmpty)
                try await coloursStayOutOfFiles(fleet)
                try await survivesAKill(fleet)
            }
        }

        /// Not even where everything else asks for colours.
        private func coloursStayOutOfFiles(_ fleet: Fleet) async throws {
            var environment = fleet.environment(["TERM": "xterm-256color"])
            environment["NO_COLOR"] = nil
            let done = try await Finished.run(.init(Binaries.muster, ["hosts"], environment: environment)).succeeded()
            #expect(done.output.contains("alive") && !done.output.contains("\u{1B}"), "\(done)")
        }

        /// What was answered before the kill is answered after it, point by point.
        private func survivesAKill(_ fleet: Fleet) async throws {
            let end = MachineClock.wall.seconds - 1
            let path = "/api/v1/query_range?query=%7B__name__%3D~%22node_.*%22%7D&start=\(end - 8)&end=\(end)&step=1"
            let before = try await fleet.query(path)
            #expect(before.result.count > 100)
            try fleet.crash("coordinator")
            try await fleet.coordinatorAnswers()
            let after = try await fleet.query(path)
            #expect(points(after) == points(before))
        }

        private func points(_ answer: Shape.Query) -> [[String: String]: [Shape.Series.Point]] {
            Dictionary(answer.result.map { ($0.metric, $0.values ?? []) }) { first, _ in first }
        }

        @Test(.timeLimit(.minutes(3)))
        func newLinesAreFollowedAsTheyAreWritten() async throws {
            try await Fleet.run("follow", Self.setup()) { fleet in
                _ = try fleet.scratch.folder("app")
                let path = try fleet.scratch.write("an old line\nanother\n", to: "app/one.log")
                try await eventually("the old lines are found", within: .seconds(15)) {
                    try await fleet.cli("logs", "{service=\"app\"}").succeeded().output.contains("another")
                }
                let follower = try ChildProcess(
                    "follower",
                    .init(
                        Binaries.muster, ["logs", "{service=\"app\"}", "-f", "--json"], environment: fleet.environment()
                    ),
                    log: fleet.logPath("follower-errors"), output: fleet.logPath("follower"))
                defer { follower.end() }
                try await fleet.logged("follower", "another")
                for number in 1...5 {
                    let file = try #require(FileHandle(forWritingAtPath: path))
                    try file.seekToEnd()
                    try file.write(contentsOf: Data("live \(number)\n".utf8))
                    try file.close()
                    try await fleet.logged("follower", "\"line\":\"live \(number)\"", within: .seconds(5))
                }
                let lines = try fleet.log("follower").split(separator: "\n").map {
                    try JSONDecoder().decode(Shape.LogLine.self, from: Data($0.utf8)).line
                }
                #expect(lines == ["an old line", "another"] + (1...5).map { "live \($0)" })
                let some = try await fleet.cli("logs", "{kind=\"test\"}", "--contains", "live", "--limit", "2")
                    .succeeded()
                #expect(some.output.contains("live 5") && !some.output.contains("live 3"))
                let none = try await fleet.cli("logs", "{service=\"app\"}", "--contains", "never").succeeded()
                #expect(none.output.isEmpty)
                let wrong = try await fleet.cli("logs", "{service=")
                #expect(wrong.exitCode == 1 && !wrong.errors.isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(3)), .needsDocker)
        func everyVerbPrintsExactlyTheFieldsThatProgramsRelyOn() async throws {
            let docker = try await DockerDaemon.shared()
            try await Fleet.run("fields", Self.setup(docker: docker)) { fleet in
                _ = try fleet.scratch.folder("app")
                try fleet.scratch.write("a line\n", to: "app/one.log")
                try await docker.run(
                    "shop", "web:1", labels: ["fleet-agent": "a", "app": "shop", "SERVICE_NAME": "shop"])
                try await eventually("everything is there", within: .seconds(20)) {
                    let log = try await fleet.cli("logs", "{service=\"app\"}").output
                    let (route, alerts) = (try await fleet.route("shop"), try await fleet.alerts())
                    return route != nil && !alerts.isEmpty && !log.isEmpty
                }
                for (path, keys) in Self.listings {
                    try await expect(fleet, path.split(separator: " ").map(String.init), keys)
                }
                let file = try fleet.scratch.write(
                    "kind: container\nname: shop\ntarget: {select: {app: shop}}\nimage: web:2\nwaves: [{hosts: 1}]\n"
                        + "health: {healthyFor: 1s, deadline: 10s}\n", to: "shop.yaml")
                let id = try await fleet.json(Shape.Started.self, "rollout", "run", file).id
                try await expect(
                    fleet, ["rollout", "status", id],
                    ["": "hosts id name reason state wave", "hosts": "host reason state"])
                try await expect(
                    fleet, ["rollout", "history"], ["": "finishedAt id name reason startedAt state"],
                    may: ["finishedAt"])
                try await eventually("the rollout has ended", within: .seconds(60)) {
                    try await fleet.ask(Shape.Rollout.self, "/v1/rollouts/\(id)").state == "succeeded"
                }
            }
        }

        /// The keys of the top object, or of every object of the top list, and of what is below it.
        private static let listings: [(String, [String: String])] = [
            ("hosts", ["": "agentVersion bootId id labels lastSeen name reason state"]),
            ("containers", ["": "health host id image labels name state"]),
            ("services", ["": "instances name", "instances": "address host id port reason state tags"]),
            (
                "route shop",
                ["": "excluded instances service version", "instances": "address id port reason weight"]
            ),
            ("route nothing", ["": "excluded instances service version", "excluded": "id reason"]),
            ("query node_load1", ["": "data status", "data": "result resultType"]),
            ("query node_load1 --range 5m --step 10s", ["": "data status", "data": "result resultType"]),
            ("logs {service=\"app\"} --since 10m --contains line --limit 5", ["": "host labels level line source ts"]),
            (
                "alerts",
                [
                    "": "activeAt annotations escalation fingerprint groupKey labels receiver state",
                    "escalation": "acknowledgedBy level",
                ]
            ),
            (
                "status",
                [
                    "": "alerts containers hosts ingest rollouts series services startedAt version warmingUp",
                    "ingest": "bytes duplicates logFrames metricFrames",
                ]
            ),
        ]

        private func expect(
            _ fleet: Fleet, _ verb: [String], _ keys: [String: String], may absent: Set<String> = []
        ) async throws {
            let done = try await Finished.run(
                .init(Binaries.muster, verb + ["--json"], environment: fleet.environment()))
            let tops = try objects(JSONSerialization.jsonObject(with: Data(try done.succeeded().output.utf8)))
            try #require(!tops.isEmpty, "\(verb): \(done)")
            for (below, names) in keys {
                let found = try below.isEmpty ? tops : tops.flatMap { try objects($0[below] ?? [Any]()) }
                try #require(!found.isEmpty, "\(verb) has no \(below): \(done)")
                for object in found {
                    let wanted = Set(names.split(separator: " ").map(String.init))
                    let missing = wanted.subtracting(object.keys).subtracting(absent)
                    #expect(missing.isEmpty, "\(verb) \(below) lacks \(missing)")
                    #expect(Set(object.keys).isSubset(of: wanted), "\(verb) \(below) has \(object.keys.sorted())")
                }
            }
        }

        private func objects(_ value: Any) throws -> [[String: Any]] {
            if let object = value as? [String: Any] { return [object] }
            return try #require(value as? [[String: Any]])
        }

        @Test(.timeLimit(.minutes(2)))
        func everyVerbHelpsWithAnExample() async throws {
            let verbs = [
                "serve", "hosts", "hosts list", "hosts revoke", "containers", "services", "route", "query", "series",
                "top", "logs",
                "alerts",
                "alerts list", "alerts ack", "rollout", "rollout plan", "rollout run", "rollout status",
                "rollout watch",
                "rollout pause", "rollout resume", "rollout abort", "rollout undo", "rollout history", "token",
                "token create", "token list", "token revoke", "pki", "pki init", "status",
            ]
            for verb in verbs {
                let done = try await Finished.run(
                    .init(Binaries.muster, verb.split(separator: " ").map(String.init) + ["--help"]))
                #expect(done.exitCode == 0 && done.output.contains("Example"), "\(done)")
                #expect(done.output.contains("muster \(verb.split(separator: " ")[0])"), "\(done)")
            }
            for verb in ["run", "enroll", "check"] {
                let done = try await Finished.run(.init(Binaries.agent, [verb, "--help"]))
                #expect(done.exitCode == 0 && done.output.contains("Example"), "\(done)")
            }
        }

        @Test(.timeLimit(.minutes(2)))
        func aMistakeIsAMessageAndExitCodeOne() async throws {
            let scratch = try Scratch("mistakes")
            let port = try Ports.free()
            let made = try await Finished.run(
                .init(
                    Binaries.muster,
                    ["pki", "init", "--data", scratch("data"), "--link", "127.0.0.1:1", "--api", "127.0.0.1:\(port)"]))
            try made.succeeded()
            var environment = ProcessInfo.processInfo.environment
            environment["MUSTER_CONTEXT"] = scratch("data/context.json")
            for verb in [["hosts"], ["status"], ["query", "up"], ["logs", "{}"], ["alerts"], ["rollout", "history"]] {
                let away = try await Finished.run(.init(Binaries.muster, verb, environment: environment))
                #expect(away.exitCode == 1 && away.output.isEmpty, "\(away)")
                #expect(away.errors.contains("127.0.0.1:\(port)") && away.errors.contains("Try:"), "\(away)")
            }
            let again = try await Finished.run(.init(Binaries.muster, ["pki", "init", "--data", scratch("data")]))
            #expect(again.exitCode == 1 && again.errors.contains("authority already"), "\(again)")
            environment["MUSTER_CONTEXT"] = scratch("absent.json")
            let absent = try await Finished.run(.init(Binaries.muster, ["hosts"], environment: environment))
            #expect(absent.exitCode == 1 && absent.errors.contains("absent.json"), "\(absent)")
            let config = try scratch.write("coordinator: [x]\nlogs: {fles: []}\n", to: "agent.yaml")
            let check = try await Finished.run(.init(Binaries.agent, ["check", "--config", config]))
            #expect(check.exitCode == 1 && check.errors.contains("agent.yaml:2"), "\(check)")
            #expect(check.errors.contains("logs.fles") && check.errors.contains("files"), "\(check)")
            let serve = try await Finished.run(.init(Binaries.muster, ["serve", "--config", scratch("none.yaml")]))
            #expect(serve.exitCode == 1 && serve.errors.contains("none.yaml"), "\(serve)")
        }
    }
}
