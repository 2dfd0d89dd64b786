import Foundation
import Glibc
import MusterAgent
import MusterModel
import MusterSeries
import MusterTestKit
import MusterTransport
import MusterWire
import NIOPosix
import Synchronization
import Testing

/// What the frames of a stream say in the end: each live series with its newest value, and what it is.
private struct Stream {
    private var decoder = MetricFrameDecoder(compressor: ZlibCompressor())
    private var families: [MetricFamily] = []
    private var series: [UInt32: (labels: Labels, kind: MetricKind)] = [:]
    private var read = 0
    private(set) var values: [String: Double] = [:]
    private(set) var kinds: [String: MetricKind] = [:]

    /// Reads the frames that are new.
    mutating func follow(_ coordinator: FakeCoordinator) throws {
        let frames = coordinator.received.filter { $0.frame.class == .metrics }
        for frame in frames.dropFirst(read) {
            let tick = try decoder.decode(frame.frame.payload)
            if tick.isKeyframe { (families, series, values) = ([], [:], [:]) }
            families += tick.families
            for definition in tick.definitions {
                series[definition.ref] = (definition.labels, families[definition.family].kind)
            }
            for ref in tick.ended {
                if let gone = series.removeValue(forKey: ref) { values[gone.labels.description] = nil }
            }
            for (ref, bits) in zip(tick.refs, tick.bits) {
                guard let known = series[ref] else { continue }
                values[known.labels.description] = Double(bitPattern: bits)
                kinds[known.labels.description] = known.kind
            }
        }
        read = frames.count
    }
}

/// An endpoint that is scraped.
private final class Endpoint: Sendable {
    private struct Door: HTTPAdmission {
        func refusal(ofHead head: HTTPRequest) -> HTTPResponse? { nil }
        func tooLarge(_ head: HTTPRequest) -> HTTPResponse { HTTPResponse(status: 413) }
        func busy(_ head: HTTPRequest) -> HTTPResponse { HTTPResponse(status: 429) }
    }

    let listener: HTTPListener
    let page = Mutex("")

    init(port: Int = 0) async throws {
        var options = HTTPListener.Options()
        options.port = port
        listener = try await HTTPListener.bind(
            options, admission: Door(), group: MultiThreadedEventLoopGroup.singleton)
    }

    func serve() async {
        for await call in listener.calls {
            call.answer(HTTPResponse(status: 200, body: Array(page.withLock { $0 }.utf8)))
        }
    }
}

/// The inputs of a whole agent, from a sender's socket to the frames on the link.
extension AgentRunTests {
    private func datagram(_ text: String, to port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, text, text.utf8.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private func export(_ value: Int, to port: Int) async throws -> Int {
        let body = """
            {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"pushed","sum":{"aggregationTemporality":2,
            "isMonotonic":true,"dataPoints":[{"timeUnixNano":"1","asInt":"\(value)"}]}}]}]}]}
            """
        let request = HTTPRequest(
            "POST", "/v1/metrics", headers: [HTTPHeader("Content-Type", "application/json")], body: Array(body.utf8))
        return try await NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton).send(
            request, to: .tcp(host: "127.0.0.1", port: port), timeout: .seconds(5), maxBytes: 1 << 20
        ).status
    }

    @Test(.timeLimit(.minutes(2)))
    func whatOtherProgramsMeasureIsPartOfTheStream() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        let endpoint = try await Endpoint()
        endpoint.page.withLock { $0 = "# TYPE jobs counter\njobs{host=\"x\"} 5\nqueue 1\n" }
        let serving = Task { await endpoint.serve() }
        let (statsD, otlp) = (try Ports.free(), try Ports.free())
        // Somebody has the port of OTLP at first.
        let other = try await Endpoint(port: otlp)
        let keys = """
            , scrape: [{url: "http://127.0.0.1:\(endpoint.listener.port)/m", job: app, interval: 100ms}], \
            statsd: {listen: "127.0.0.1:\(statsD)"}, otlp: {listen: "127.0.0.1:\(otlp)"}
            """
        let labels = "instance=\"127.0.0.1:\(endpoint.listener.port)\",job=\"app\""
        let jobs = "jobs{exported_host=\"x\",\(labels)}"
        var stream = Stream()
        try await running(coordinator.port, metrics: keys) {
            try await eventually("what is scraped arrives", within: .seconds(20)) {
                try stream.follow(coordinator)
                return stream.values[jobs] == 5 && stream.values["up{\(labels)}"] == 1
            }
            #expect(stream.kinds[jobs] == .counter && stream.kinds["queue{\(labels)}"] == .untyped)
            endpoint.page.withLock { $0 = "jobs{host=\"x\"} 6\n" }
            try await eventually("what is not written any more ends", within: .seconds(20)) {
                try stream.follow(coordinator)
                return stream.values[jobs] == 6 && stream.values["queue{\(labels)}"] == nil
            }
            try await eventually("lines arrive", within: .seconds(20), every: .milliseconds(100)) {
                datagram("hits:1|c\nnonsense", to: statsD)
                try stream.follow(coordinator)
                return stream.values["hits"] ?? 0 > 0
                    && stream.values["muster_agent_statsd_refused_lines_total{reason=\"malformed\"}"] ?? 0 > 0
            }
            #expect(stream.kinds["hits"] == .counter)
            #expect(log.text.contains("metrics are not listened for") && log.text.contains("otlp 127.0.0.1:\(otlp)"))
            await other.listener.close()
            try await eventually("the port is taken when it is free", within: .seconds(20), every: .milliseconds(100)) {
                (try? await export(3, to: otlp)) == 200
            }
            try await eventually("what is pushed arrives", within: .seconds(20)) {
                try stream.follow(coordinator)
                return stream.values["pushed_total"] == 3
            }
            #expect(stream.kinds["pushed_total"] == .counter)
            await endpoint.listener.close()
            try await eventually("the target is down", within: .seconds(20)) {
                try stream.follow(coordinator)
                return stream.values["up{\(labels)}"] == 0 && stream.values[jobs] == nil
            }
            try await eventually("the agent says so of itself", within: .seconds(20)) {
                try stream.follow(coordinator)
                return stream.values["muster_agent_scrape_failures_total{reason=\"unreachable\"}"] ?? 0 > 0
                    && stream.values["muster_agent_otlp_points_total"] == 1
                    && stream.values["muster_agent_scrape_targets"] == 1
            }
            #expect(log.text.contains("a target cannot be scraped"))
        }
        await serving.value
        await coordinator.close()
    }

    @Test(.timeLimit(.minutes(2)))
    func withoutInputsNothingIsSaidOfThem() async throws {
        let coordinator = try await FakeCoordinator()
        try giveIdentity(coordinator.authority)
        var stream = Stream()
        try await running(coordinator.port) {
            try await eventually("the stream goes on", within: .seconds(20)) {
                try stream.follow(coordinator)
                return coordinator.sequences(.metrics).count >= 10
            }
        }
        let inputs = ["muster_agent_scrape_", "muster_agent_statsd_", "muster_agent_otlp_", "muster_agent_input_"]
        #expect(stream.values.count > 100)
        #expect(!stream.values.keys.contains { name in inputs.contains { name.hasPrefix($0) } })
        await coordinator.close()
    }

    @Test func anAddressThatOthersCouldReachIsRefused() throws {
        let config = try scratch.write(
            "coordinator: [c]\nmetrics: {otlp: {listen: \"0.0.0.0:4318\"}}\n", to: "open.yaml")
        let error = #expect(throws: (any Error).self) { try Agent.checkConfiguration(config) }
        #expect("\(error as Any)".contains("a loopback address"))
    }
}
