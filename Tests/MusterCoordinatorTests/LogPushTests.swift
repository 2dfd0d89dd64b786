import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterSnappy
import MusterTestKit
import MusterTransport
import Testing

/// Log lines that others push, over the real HTTPS server.
@Suite(.serialized)
struct LogPushTests {
    private func lines(_ coordinator: RunningCoordinator, _ query: String) async throws -> [JSON] {
        let response = try await coordinator.ask("GET", "/v1/logs?\(query)", token: coordinator.token)
        return try String(decoding: response.body, as: UTF8.self).split(separator: "\n").map {
            try JSON(Array($0.utf8))
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func whatIsPushedInEachFormatIsFoundWithItsLabels() async throws {
        try await RunningCoordinator.run(try Scratch("logpush")) { coordinator in
            let ingester = try await coordinator.token(.ingester)
            let now = MachineClock.wall
            let time = "\(now.nanoseconds)"
            let json = """
                {"streams":[{"stream":{"app":"shop","env":"test"},"values":[["\(time)","from json"],
                ["\(time)","level=error msg=second",{"trace":"abc"}]]}]}
                """
            let first = try await coordinator.ask(
                "POST", "/loki/api/v1/push", token: ingester, headers: [HTTPHeader("content-type", "application/json")],
                body: Array(json.utf8))
            #expect(first.status == 204, "\(String(decoding: first.body, as: UTF8.self))")

            var encoder = LokiPushEncoder()
            encoder.add(
                PushedLogs.Stream(
                    labels: ["app": "shop", "env": "live"],
                    entries: [.init(time: now, line: Array("from protobuf".utf8))]))
            let second = try await coordinator.ask(
                "POST", "/loki/api/v1/push", token: ingester,
                headers: [HTTPHeader("content-type", "application/x-protobuf")],
                body: Snappy.compress(encoder.bytes))
            #expect(second.status == 204, "\(String(decoding: second.body, as: UTF8.self))")

            let otlp = """
                {"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"till"}}]},
                "scopeLogs":[{"logRecords":[{"timeUnixNano":"\(time)","severityNumber":17,
                "body":{"stringValue":"from otlp"}}]}]}]}
                """
            let third = try await coordinator.ask(
                "POST", "/otlp/v1/logs", token: ingester, headers: [HTTPHeader("content-type", "application/json")],
                body: Array(otlp.utf8))
            #expect(third.status == 200, "\(String(decoding: third.body, as: UTF8.self))")

            let shop = try await lines(coordinator, "selector=%7Bapp%3D%22shop%22%7D")
            #expect(
                Set(shop.compactMap { $0["line"]?.text }) == ["from json", "level=error msg=second", "from protobuf"])
            #expect(Set(shop.compactMap { $0["labels"]?["env"]?.text }) == ["test", "live"])
            let grave = try await lines(coordinator, "selector=%7B%7D&level=error")
            #expect(Set(grave.compactMap { $0["line"]?.text }) == ["level=error msg=second", "from otlp"])
            #expect(Set(grave.compactMap { $0["level"]?.text }) == ["error"])
            #expect(grave.contains { $0["fields"]?["trace"]?.text == "abc" })
            #expect(grave.contains { $0["labels"]?["service_name"]?.text == "till" })
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func whatCannotBeReadIsRefusedAndSaysWhy() async throws {
        try await RunningCoordinator.run(try Scratch("logrefused")) { coordinator in
            let ingester = try await coordinator.token(.ingester)
            for (path, type, body, status, reason) in [
                ("/loki/api/v1/push", "text/plain", "x", 400, "cannot be read"),
                ("/loki/api/v1/push", "application/json", "{", 400, "cannot be read"),
                ("/loki/api/v1/push", "application/x-protobuf", "\u{1}zz", 400, "cannot be read"),
                ("/otlp/v1/logs", "application/json", "[", 400, "message"),
                ("/otlp/v1/logs", "text/plain", "x", 415, "content type"),
            ] {
                let response = try await coordinator.ask(
                    "POST", path, token: ingester, headers: [HTTPHeader("content-type", type)], body: Array(body.utf8))
                #expect(response.status == status, "\(path) \(type)")
                #expect(String(decoding: response.body, as: UTF8.self).contains(reason))
            }
            let viewer = try await coordinator.token(.viewer)
            let refused = try await coordinator.ask(
                "POST", "/loki/api/v1/push", token: viewer)
            #expect(refused.status == 403)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func pushedLinesAreThereAfterARestartOnce() async throws {
        let scratch = try Scratch("logagain")
        let body = #"{"streams":[{"stream":{"app":"a"},"values":[["\#(MachineClock.wall.nanoseconds)","kept"]]}]}"#
        for round in 1...2 {
            try await RunningCoordinator.run(scratch) { coordinator in
                let ingester = try await coordinator.token(.ingester)
                let response = try await coordinator.ask(
                    "POST", "/loki/api/v1/push", token: ingester,
                    headers: [HTTPHeader("content-type", "application/json")],
                    body: Array(body.utf8))
                #expect(response.status == 204)
                #expect(try await lines(coordinator, "selector=%7B%7D").count == round)
            }
        }
    }
}
