import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterSnappy
import MusterTestKit
import Testing

/// What is pushed.
enum Push {
    static let versions: [RemoteWriteVersion] = [.v1, .v2]

    /// Samples by their times in milliseconds.
    static func series(
        _ name: String, _ samples: [(Int64, Double)], _ labels: [String: String] = ["host": "a"]
    ) -> SeriesSamples {
        SeriesSamples(
            labels: Labels(labels.merging(["__name__": name]) { $1 }),
            samples: samples.map { Sample(milliseconds: $0.0, value: $0.1) })
    }

    static func message(_ version: RemoteWriteVersion, _ series: [SeriesSamples]) -> [UInt8] {
        switch version {
        case .v1:
            var encoder = RemoteWriteV1Encoder()
            for one in series { encoder.add(one) }
            return encoder.bytes
        case .v2:
            var encoder = RemoteWriteV2Encoder()
            for one in series { encoder.add(one) }
            return encoder.bytes
        }
    }

    // MARK: OTLP

    /// A gauge with a point of now and one of the year 2100, and two points that nobody here stores.
    static func json(_ name: String, _ time: UInt64) -> [UInt8] {
        let given: [(host: String, time: UInt64, value: Double)] = [("a", time, 21.5), ("late", far, 1)]
        let points = given.map { point in
            #"{"attributes":[{"key":"host","value":{"stringValue":"\#(point.host)"}}],"#
                + #""timeUnixNano":"\#(point.time)","asDouble":\#(point.value)}"#
        }
        let gauge = #"{"name":"\#(name)","gauge":{"dataPoints":[\#(points.joined(separator: ","))]}}"#
        let other = #"{"name":"expo","exponentialHistogram":{"dataPoints":[{"count":1},{"count":2}]}}"#
        return Array(#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[\#(gauge),\#(other)]}]}]}"#.utf8)
    }

    static func protobuf(_ name: String, _ time: UInt64) -> [UInt8] {
        var request = ProtobufWriter()
        request.message(1) { resource in
            resource.message(2) { scope in
                scope.message(2) { metric in
                    metric.string(1, name)
                    metric.message(5) { gauge in
                        gauge.raw(1, point("a", time, 21.5))
                        gauge.raw(1, point("late", far, 1))
                    }
                }
                scope.message(2) { metric in
                    metric.string(1, "expo")
                    metric.message(10) { histogram in
                        histogram.raw(1, [])
                        histogram.raw(1, [])
                    }
                }
            }
        }
        return request.bytes
    }

    private static func point(_ host: String, _ time: UInt64, _ value: Double) -> [UInt8] {
        var point = ProtobufWriter()
        point.fixed64(3, time)
        point.double(4, value)
        point.message(7) { attribute in
            attribute.string(1, "host")
            attribute.message(2) { $0.string(1, host) }
        }
        return point.bytes
    }

    /// The first nanosecond of the year 2100.
    private static let far: UInt64 = 4_102_444_800_000_000_000
}

/// Someone who pushes to a coordinator and someone who reads there.
struct Pusher {
    let coordinator: RunningCoordinator
    let ingester: String
    let viewer: String

    init(_ coordinator: RunningCoordinator) async throws {
        self.coordinator = coordinator
        ingester = try await coordinator.token(.ingester)
        viewer = try await coordinator.token(.viewer)
    }

    func write(_ version: RemoteWriteVersion, _ series: [SeriesSamples]) async throws -> HTTPResponse {
        try await write(version, block: Snappy.compress(Push.message(version, series)))
    }

    /// `version` is what the type says, `header` what the header of its own says.
    func write(
        _ version: RemoteWriteVersion, header: RemoteWriteVersion? = nil, block: [UInt8]
    ) async throws -> HTTPResponse {
        try await coordinator.ask(
            "POST", "/api/v1/write", token: ingester,
            headers: [
                HTTPHeader("Content-Type", version.contentType), HTTPHeader("Content-Encoding", "snappy"),
                HTTPHeader("X-Prometheus-Remote-Write-Version", (header ?? version).versionHeader),
            ], body: block, timeout: .seconds(60))
    }

    func export(_ type: String, _ body: [UInt8], encoding: String? = nil) async throws -> HTTPResponse {
        var headers = [HTTPHeader("Content-Type", type)]
        if let encoding { headers.append(HTTPHeader("Content-Encoding", encoding)) }
        return try await coordinator.ask(
            "POST", "/api/v1/otlp/v1/metrics", token: ingester, headers: headers, body: body, timeout: .seconds(60))
    }

    /// What an instant query finds.
    func result(_ query: String) async throws -> JSON {
        let answer = try await coordinator.ask(
            "POST", "/api/v1/query", token: viewer,
            headers: [HTTPHeader("Content-Type", "application/x-www-form-urlencoded")],
            body: Array("query=\(query)".utf8))
        guard answer.isSuccess else { throw NeverHappened("\(query): \(answer.words)") }
        return try #require(try JSON(answer.body)["data"]?["result"])
    }

    /// The values of the series that a query finds, by their label `host`.
    func values(_ query: String) async throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        for item in try await result(query).items {
            let points = item["values"]?.items ?? [item["value"] ?? .null]
            found[item["metric"]?["host"]?.text ?? ""] = points.compactMap { $0[1]?.text }
        }
        return found
    }

    /// One of the coordinator's own metrics, as it is spelled.
    func metric(_ name: String) async throws -> String? {
        let page = try await coordinator.ask("GET", "/metrics", token: viewer)
        let line = page.words.split(separator: "\n").first { $0.hasPrefix("muster_coordinator_\(name) ") }
        return line?.split(separator: " ").last.map(String.init)
    }

    func expectNothingIsStored() async throws {
        #expect(try await coordinator.get("/v1/status")["series"]?.number == 0)
        #expect(try await metric("relayed_requests_total") == "0")
        #expect(try await metric("samples_total{outcome=\"stored\"}") == "0")
    }
}

extension HTTPResponse {
    var words: String { String(decoding: body, as: UTF8.self) }

    /// What the headers say was written, by their names in small letters.
    var written: [String: String] {
        let headers = self.headers.map { ($0.name.lowercased(), $0.value) }
            .filter { $0.0.hasPrefix("x-prometheus-remote-write") }
        return Dictionary(headers) { $0 + "," + $1 }
    }
}

extension RemoteWriteVersion {
    /// What the headers of an answer have to say.
    func written(_ samples: Int) -> [String: String] {
        guard self == .v2 else { return [:] }
        return [
            "x-prometheus-remote-write-samples-written": "\(samples)",
            "x-prometheus-remote-write-histograms-written": "0", "x-prometheus-remote-write-exemplars-written": "0",
        ]
    }
}
