import Foundation
import MusterCoordinator
import MusterModel
import MusterTestKit
import MusterTransport
import Testing

/// What Grafana's Loki data source and logcli ask, over the real HTTPS server.
@Suite(.serialized)
struct LokiAPITests {
    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
    }

    /// A coordinator with lines of a shop: one a second for two minutes, every tenth an error.
    private func withLines(
        _ name: String, _ test: (RunningCoordinator, _ start: Int64) async throws -> Void
    ) async throws {
        try await RunningCoordinator.run(try Scratch(name)) { coordinator in
            let start = MachineClock.wall.seconds - 120
            var values: [String] = []
            for second in 0..<120 {
                let level = second % 10 == 0 ? "error" : "info"
                let line =
                    "{\\\"level\\\":\\\"\(level)\\\",\\\"status\\\":\(200 + second),\\\"user\\\":\\\"u\(second % 3)\\\"}"
                values.append("[\"\((start + Int64(second)) * 1_000_000_000)\",\"\(line)\"]")
            }
            let body = """
                {"streams":[{"stream":{"app":"shop","host":"web-1"},"values":[\(values.joined(separator: ","))]},
                {"stream":{"app":"till"},"values":[["\(start * 1_000_000_000)","one line"]]}]}
                """
            let response = try await coordinator.ask(
                "POST", "/loki/api/v1/push", token: try await coordinator.token(.ingester), body: Array(body.utf8))
            #expect(response.status == 204, "\(response.words)")
            try await test(coordinator, start)
        }
    }

    private func range(
        _ coordinator: RunningCoordinator, _ query: String, _ start: Int64, _ more: String = ""
    ) async throws -> JSON {
        let (from, through) = (start * 1_000_000_000, (start + 200) * 1_000_000_000)
        let answer = try await coordinator.get(
            "/loki/api/v1/query_range?query=\(Self.encoded(query))&start=\(from)&end=\(through)\(more)")
        #expect(answer["status"]?.text == "success")
        return try #require(answer["data"])
    }

    private func lines(_ data: JSON) -> [String] {
        data["result"]?.items.flatMap { $0["values"]?.items.compactMap { $0[1]?.text } ?? [] } ?? []
    }

    @Test(.timeLimit(.minutes(2)))
    func theDataSourceIsHealthyAndListsLabels() async throws {
        try await withLines("lokihealth") { coordinator, _ in
            let health = try await coordinator.get("/loki/api/v1/query?query=vector(1)%2Bvector(1)")
            #expect(health["data"]?["resultType"]?.text == "vector")
            #expect(health["data"]?["result"]?[0]?["value"]?[1]?.text == "2")
            let labels = try await coordinator.get("/loki/api/v1/labels")
            #expect(labels["data"]?.items.compactMap(\.text) == ["app", "host"])
            let values = try await coordinator.get("/loki/api/v1/label/app/values")
            #expect(values["data"]?.items.compactMap(\.text) == ["shop", "till"])
            let chosen = try await coordinator.get(
                "/loki/api/v1/label/app/values?query=\(Self.encoded(#"{host="web-1"}"#))")
            #expect(chosen["data"]?.items.compactMap(\.text) == ["shop"])
            let series = try await coordinator.get(
                "/loki/api/v1/series?match%5B%5D=\(Self.encoded(#"{app="shop"}"#))")
            #expect(series["data"]?.items.count == 1)
            #expect(series["data"]?[0]?["host"]?.text == "web-1")
            let stats = try await coordinator.get(
                "/loki/api/v1/index/stats?query=\(Self.encoded(#"{app=~".+"}"#))")
            #expect(stats["streams"]?.number == 2)
            #expect(stats["entries"]?.number == 121)
            let volume = try await coordinator.get(
                "/loki/api/v1/index/volume?query=\(Self.encoded(#"{app=~".+"}"#))&targetLabels=app")
            #expect(volume["data"]?["result"]?.items.compactMap { $0["metric"]?["app"]?.text } == ["shop", "till"])
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func linesGoThroughTheirPipeline() async throws {
        try await withLines("lokilines") { coordinator, start in
            let newest = try await range(coordinator, #"{app="shop"}"#, start, "&limit=3")
            #expect(newest["resultType"]?.text == "streams")
            #expect(lines(newest).count == 3)
            #expect(lines(newest).contains { $0.contains("\"status\":319") })
            let oldest = try await range(coordinator, #"{app="shop"}"#, start, "&limit=1&direction=forward")
            #expect(lines(oldest).first?.contains("\"status\":200") == true)
            // What stages drop does not count in the limit.
            let late = try await range(
                coordinator, #"{app="shop"} | json | status >= 317 | line_format "{{.user}} {{.status}}""#, start,
                "&limit=100&direction=forward")
            #expect(lines(late).sorted() == ["u0 317", "u1 318", "u2 319"])
            let errors = try await range(
                coordinator, #"{app="shop"} | json | level="error" | status < 230"#, start, "&limit=2")
            #expect(lines(errors).count == 2)
            let regexp = try await range(coordinator, #"{app="shop"} |~ "status.:20[12]," != "u1""#, start)
            #expect(lines(regexp).count == 1)
            let nothing = try await range(coordinator, #"{app="shop"} |= "nowhere""#, start)
            #expect(lines(nothing).isEmpty)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func numbersAreMadeOfLines() async throws {
        try await withLines("lokinumbers") { coordinator, start in
            let byLevel = try await range(
                coordinator, #"sum by (level) (count_over_time({app="shop"}[1m]))"#, start, "&step=60s")
            #expect(byLevel["resultType"]?.text == "matrix")
            var counts: [String: [String]] = [:]
            for series in byLevel["result"]?.items ?? [] {
                counts[series["metric"]?["level"]?.text ?? ""] = series["values"]?.items.compactMap { $0[1]?.text }
            }
            #expect(counts["error"] == ["1", "6", "5"])
            #expect(counts["info"]?.count == 2 || counts["info"]?.count == 3)
            let at = (start + 119) * 1_000_000_000
            let instant = try await coordinator.get(
                "/loki/api/v1/query?time=\(at)&query="
                    + Self.encoded(#"sum(rate({app="shop"} | json | user="u0" [2m])) * 120"#))
            #expect(instant["data"]?["result"]?[0]?["value"]?[1]?.text == "40")
            let unwrapped = try await coordinator.get(
                "/loki/api/v1/query?time=\(at)&query="
                    + Self.encoded(#"max_over_time({app="shop"} | json | unwrap status [5m]) by (app)"#))
            #expect(unwrapped["data"]?["result"]?[0]?["value"]?[1]?.text == "319")
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func theOwnRouteTakesStagesToo() async throws {
        try await withLines("lokiown") { coordinator, _ in
            func found(_ query: String, _ more: String = "") async throws -> [String] {
                let response = try await coordinator.ask(
                    "GET", "/v1/logs?selector=\(Self.encoded(query))\(more)", token: coordinator.token)
                #expect(response.status == 200, "\(response.words)")
                return try response.words.split(separator: "\n").compactMap { try JSON(Array($0.utf8))["line"]?.text }
            }
            let stages = #"{app="shop"} | json | status >= 318 | line_format "{{.status}}""#
            #expect(try await found(stages) == ["318", "319"])
            #expect(try await found(#"{app="shop"} |= "u1" != "info""#).count == 4)
            #expect(try await found(#"{app="shop"}"#, "&match=status.:20%5B0-4%5D,&excludes=error").count == 4)
            #expect(try await found(#"app=shop"#, "&level=error").count == 12)
            let wrong = try await coordinator.ask(
                "GET", "/v1/logs?selector=\(Self.encoded(#"{app="shop"} | nonsense"#))", token: coordinator.token)
            #expect(wrong.status == 400)
            #expect(wrong.words.contains("line 1, column"))
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func whatIsNotRightIsSaidInPlainWords() async throws {
        try await withLines("lokiwrong") { coordinator, _ in
            for (path, status, reason) in [
                ("query_range?query=" + Self.encoded(#"{app="shop"} |="#), 400, "line 1"),
                ("query_range?query=" + Self.encoded("{}"), 400, "no empty value"),
                ("query_range", 400, "query is missing"),
                ("query_range?query=" + Self.encoded(#"{a="b"}"#) + "&start=x", 400, "start is \"x\""),
                ("query_range?query=" + Self.encoded(#"{a="b"}"#) + "&limit=-1", 400, "limit"),
                ("query?query=" + Self.encoded(#"{a="b"}"#), 400, "query_range"),
                ("query_range?query=" + Self.encoded(#"{a="b"}"#) + "&start=9&end=5", 400, "before the start"),
            ] {
                let response = try await coordinator.ask("GET", "/loki/api/v1/" + path, token: coordinator.token)
                #expect(response.status == status, "\(path)")
                #expect(response.words.contains(reason), "\(path): \(response.words)")
            }
            let anyone = try await coordinator.ask("GET", "/loki/api/v1/labels", token: nil)
            #expect(anyone.status == 401)
        }
    }
}
