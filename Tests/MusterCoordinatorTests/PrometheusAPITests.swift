import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterStore
import MusterTestKit
import MusterTransport
import Testing

/// Prometheus's HTTP API as its clients use it, over the real HTTPS server.
@Suite(.serialized)
struct PrometheusAPITests {
    /// A second, a minute ago, and samples around it: three hosts, five seconds of each.
    private struct Loaded {
        let pusher: Pusher
        let second: Int64

        init(_ coordinator: RunningCoordinator) async throws {
            pusher = try await Pusher(coordinator)
            let second = MachineClock.wall.seconds - 60
            self.second = second
            let series = ["a", "b", "c"].map { host in
                Push.series("load", (0..<5).map { ((second + $0) * 1_000, Double($0)) }, ["host": host, "job": "x"])
            }
            let answer = try await pusher.write(.v1, series)
            guard answer.status == 204 else { throw NeverHappened("the samples were refused: \(answer.words)") }
        }

        func get(_ path: String, _ parameters: [(String, String)] = []) async throws -> HTTPResponse {
            let query = parameters.isEmpty ? "" : "?" + Self.form(parameters)
            return try await pusher.coordinator.ask("GET", path + query, token: pusher.viewer, headers: [])
        }

        func post(_ path: String, _ parameters: [(String, String)]) async throws -> HTTPResponse {
            try await pusher.coordinator.ask(
                "POST", path, token: pusher.viewer,
                headers: [HTTPHeader("Content-Type", "application/x-www-form-urlencoded")],
                body: Array(Self.form(parameters).utf8), timeout: .seconds(60))
        }

        func data(_ path: String, _ parameters: [(String, String)] = []) async throws -> JSON {
            let answer = try await get(path, parameters)
            guard answer.status == 200 else { throw NeverHappened("\(path): \(answer.status) \(answer.words)") }
            let json = try JSON(answer.body)
            #expect(json["status"]?.text == "success")
            return try #require(json["data"])
        }

        /// Everything but letters and digits escaped.
        private static func form(_ parameters: [(String, String)]) -> String {
            parameters.map { escaped($0.0) + "=" + escaped($0.1) }.joined(separator: "&")
        }

        private static func escaped(_ text: String) -> String {
            var escaped = ""
            for byte in text.utf8 {
                let scalar = Unicode.Scalar(byte)
                if scalar.properties.isAlphabetic && scalar.isASCII || (0x30...0x39).contains(byte) {
                    escaped.unicodeScalars.append(scalar)
                } else {
                    let digits = String(byte, radix: 16, uppercase: true)
                    escaped += "%" + (digits.count < 2 ? "0" : "") + digits
                }
            }
            return escaped
        }
    }

    private static func run(_ name: String, _ test: (Loaded) async throws -> Void) async throws {
        try await RunningCoordinator.run(try Scratch(name)) { coordinator in try await test(Loaded(coordinator)) }
    }

    @Test(.timeLimit(.minutes(1))) func refusalsHaveTheStatusAndTheTypeOfPrometheus() async throws {
        try await Self.run("refusals") { loaded in
            let range = [("query", "load"), ("start", "10"), ("end", "20"), ("step", "1")]
            func changed(_ name: String, _ value: String?) -> [(String, String)] {
                range.filter { $0.0 != name } + (value.map { [(name, $0)] } ?? [])
            }
            let (query, queryRange) = ("/api/v1/query", "/api/v1/query_range")
            let cases: [(path: String, parameters: [(String, String)], status: Int, type: String, text: String)] = [
                (query, [], 400, "bad_data", "query"),
                (query, [("query", "sum(load")], 400, "bad_data", "1:9"),
                (query, [("query", "load{host=~\"(\"}")], 400, "bad_data", "("),
                (query, [("query", "info(load)")], 400, "bad_data", "info"),
                (query, [("query", "load"), ("time", "tomorrow")], 400, "bad_data", "tomorrow"),
                (query, [("query", "load"), ("timeout", "soon")], 400, "bad_data", "soon"),
                (query, [("query", "load"), ("limit", "-1")], 400, "bad_data", "limit"),
                (queryRange, changed("start", nil), 400, "bad_data", "start"),
                (queryRange, changed("end", "9"), 400, "bad_data", "end"),
                (queryRange, changed("step", "0"), 400, "bad_data", "step"),
                (queryRange, changed("step", nil), 400, "bad_data", "step"),
                (queryRange, changed("end", "11011"), 400, "bad_data", "11,000 points"),
                (queryRange, changed("query", "load[5m]"), 400, "bad_data", "range vector"),
                (
                    query, [("query", "load + on() load"), ("time", "\(loaded.second)")], 422, "execution",
                    "many-to-many"
                ),
                ("/api/v1/series", [], 400, "bad_data", "match[]"),
                ("/api/v1/series", [("match[]", "1 + 1")], 400, "bad_data", "match[]"),
                ("/api/v1/labels", [("match[]", "{")], 400, "bad_data", "match[]"),
                ("/api/v1/nothing", [], 404, "", ""),
            ]
            for (path, parameters, status, type, text) in cases {
                let answer = try await loaded.get(path, parameters)
                #expect(answer.status == status, "\(path) \(parameters): \(answer.words)")
                guard !type.isEmpty else { continue }
                let json = try JSON(answer.body)
                #expect(json["status"]?.text == "error" && json["errorType"]?.text == type, "\(path) \(parameters)")
                #expect(json["error"]?.text?.contains(text) == true, "\(parameters): \(answer.words)")
                #expect(answer.header("content-type")?.hasPrefix("application/json") == true)
            }
            // As many points as are allowed.
            #expect(try await loaded.get(queryRange, changed("end", "11010")).status == 200)
            let method = try await loaded.pusher.coordinator.ask("DELETE", query, token: loaded.pusher.viewer)
            #expect(method.status == 404 && method.words.contains("DELETE"))
            let stranger = try await loaded.pusher.coordinator.ask("GET", query + "?query=1", token: nil)
            #expect(stranger.status == 401)
            let sender = try await loaded.pusher.coordinator.ask(
                "GET", query + "?query=1", token: loaded.pusher.ingester)
            #expect(sender.status == 403)
        }
    }

    @Test(.timeLimit(.minutes(1))) func aFormThatIsPostedIsAnsweredAsAnAddress() async throws {
        try await Self.run("forms") { loaded in
            let (start, end) = ("\(loaded.second)", "\(loaded.second + 4)")
            let cases: [(String, [(String, String)])] = [
                ("/api/v1/query", [("query", "sum by (host) (load) + 0.5"), ("time", end)]),
                ("/api/v1/query_range", [("query", "load"), ("start", start), ("end", end), ("step", "1s")]),
                ("/api/v1/series", [("match[]", "load{host=\"a\"}"), ("match[]", "{host=~\"b|ü\"}")]),
                ("/api/v1/labels", [("match[]", "load")]), ("/api/v1/format_query", [("query", "sum(load)by(host)")]),
            ]
            for (path, parameters) in cases {
                let address = try await loaded.get(path, parameters)
                let form = try await loaded.post(path, parameters)
                #expect(address.status == 200 && form.status == 200, "\(path)")
                // The order of an instant vector says nothing.
                let (found, posted) = (try JSON(address.body)["data"], try JSON(form.body)["data"])
                if path == "/api/v1/query" {
                    let values = [found, posted].map { data in
                        (data?["result"]?.items ?? []).compactMap { $0["metric"]?["host"]?.text }.sorted()
                    }
                    #expect(values == [["a", "b", "c"], ["a", "b", "c"]])
                } else {
                    #expect(found == posted && found != nil, "\(path)")
                }
            }
        }
    }

    /// What Grafana's data source asks when it is set up, when somebody writes a query, and from a dashboard.
    @Test(.timeLimit(.minutes(1))) func theCallsOfADashboard() async throws {
        try await Self.run("dashboard") { loaded in
            let range = [("start", "\(loaded.second - 300)"), ("end", "\(loaded.second + 60)")]
            let version = try await loaded.data("/api/v1/status/buildinfo")["version"]?.text
            #expect(version?.hasPrefix("3.") == true)
            // The test of a new data source.
            let test = try await loaded.post("/api/v1/query", [("query", "1+1"), ("time", "4")])
            #expect(test.words == #"{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}"#)
            // The metrics browser.
            let names = try await loaded.data("/api/v1/label/__name__/values", range)
            #expect(names.items.compactMap(\.text).contains("load"))
            let labels = try await loaded.data("/api/v1/labels", range + [("match[]", "load")])
            #expect(labels.items.compactMap(\.text) == ["__name__", "host", "job"])
            let hosts = try await loaded.data("/api/v1/label/host/values", range + [("match[]", "load")])
            #expect(hosts.items.compactMap(\.text) == ["a", "b", "c"])
            let none = try await loaded.data("/api/v1/label/host/values", range + [("match[]", "load{job=\"y\"}")])
            #expect(none.items.isEmpty)
            let series = try await loaded.data("/api/v1/series", range + [("match[]", "load{host=\"b\"}")])
            #expect(
                series
                    == .array([
                        .object(["__name__": .string("load"), "host": .string("b"), "job": .string("x")])
                    ]))
            let first = try await loaded.data("/api/v1/series", range + [("match[]", "load"), ("limit", "2")])
            #expect(first.items.count == 2)
            #expect(try await loaded.data("/api/v1/metadata", [("limit", "10")]).keys.count <= 10)
            // A panel.
            let panel = try await loaded.post(
                "/api/v1/query_range",
                [
                    ("query", "sum(load) by (job)"), ("start", "\(loaded.second)"), ("end", "\(loaded.second + 4)"),
                    ("step", "2"),
                ])
            let values = (0..<3 as Range<Int64>).map { "[\(loaded.second + $0 * 2),\"\($0 * 6)\"]" }.joined(
                separator: ",")
            #expect(
                panel.words
                    == #"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"x"},"#
                    + #""values":[\#(values)]}]}}"#)
            // Annotations, alerts and exemplars.
            #expect(try await loaded.data("/api/v1/rules", [("type", "alert")])["groups"] != nil)
            #expect(try await loaded.data("/api/v1/alerts")["alerts"] != nil)
            #expect(try await loaded.data("/api/v1/targets", [("state", "active")])["activeTargets"] != nil)
            #expect(try await loaded.data("/api/v1/query_exemplars", [("query", "load")] + range) == .array([]))
            #expect(try await loaded.data("/api/v1/status/tsdb")["headStats"]?["numSeries"]?.number != nil)
            #expect(try await loaded.data("/api/v1/status/runtimeinfo")["storageRetention"]?.text == "1d")
        }
    }

    @Test(.timeLimit(.minutes(1))) func largeAnswersComeAsGzipToWhoTakesIt() async throws {
        try await Self.run("gzip") { loaded in
            let path = "/api/v1/query?query=vector(1)%5B1h:1s%5D&time=7200"
            let plain = try await loaded.get(path)
            #expect(plain.status == 200 && plain.header("content-encoding") == nil && plain.body.count > 30_000)
            let packed = try await loaded.pusher.coordinator.ask(
                "GET", path, token: loaded.pusher.viewer, headers: [HTTPHeader("Accept-Encoding", "br, gzip;q=0.5")])
            #expect(packed.header("content-encoding") == "gzip" && packed.body.count * 4 < plain.body.count)
            let unpacked = try ZlibCompressor(.gzip).inflate(packed.body[...], maxBytes: plain.body.count)
            #expect(unpacked == plain.body)
            let small = try await loaded.pusher.coordinator.ask(
                "GET", "/api/v1/query?query=1", token: loaded.pusher.viewer,
                headers: [HTTPHeader("Accept-Encoding", "gzip")])
            #expect(small.header("content-encoding") == nil)
        }
    }

    /// Variables of dashboards with everything chosen become expressions of this size.
    @Test(.timeLimit(.minutes(1))) func anExpressionOfTenThousandAlternativesIsAnswered() async throws {
        try await Self.run("alternatives") { loaded in
            let names = (0..<10_000).map { String($0, radix: 36) } + ["a"]
            let text = "sum(load{host=~\"\(names.joined(separator: "|"))\"})"
            let answer = try await loaded.post("/api/v1/query", [("query", text), ("time", "\(loaded.second + 4)")])
            // Hosts b and c are numbers too.
            #expect(answer.status == 200, "\(answer.words.prefix(300))")
            #expect(try JSON(answer.body)["data"]?["result"]?[0]?["value"]?[1]?.text == "12")
            // What is no list of values has to be compiled, and has a limit.
            let long = (0..<10_000).map { "host-number-\($0)" }.joined(separator: "|")
            let refused = try await loaded.post("/api/v1/query", [("query", "load{host=~\".*x|\(long)\"}")])
            #expect(refused.status == 400 && refused.words.contains("65536 are allowed"))
        }
    }

    @Test(.timeLimit(.minutes(1))) func aQueryEndsWhenItsClientGoesAway() async throws {
        try await Self.run("leaving") { loaded in
            let text = "count_over_time(vector(1)%5B100d:1s%5D)"
            let coordinator = loaded.pusher.coordinator
            let client = Task {
                try await coordinator.ask(
                    "GET", "/api/v1/query?query=\(text)", token: loaded.pusher.viewer, timeout: .milliseconds(500))
            }
            try await eventually("it is evaluated") {
                try await loaded.pusher.metric("queries_running") == "1"
            }
            await #expect(throws: (any Error).self) { try await client.value }
            try await eventually("it has ended") {
                try await loaded.pusher.metric("queries_total{outcome=\"canceled\"}") == "1"
            }
            #expect(try await loaded.pusher.metric("queries_running") == "0")
        }
    }
}
