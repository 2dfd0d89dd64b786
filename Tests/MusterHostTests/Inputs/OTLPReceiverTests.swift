import MusterHost
import MusterInterchange
import MusterModel
import MusterTransport
import NIOPosix
import Testing

/// Exports over real HTTP, as the wiring joins listener and receiver.
@Suite(.serialized) struct OTLPReceiverTests {
    private static let gzip = ZlibCompressor(.gzip)
    private let client = NIOHTTPClient(group: MultiThreadedEventLoopGroup.singleton)

    private struct Door: HTTPAdmission {
        let receiver: OTLPReceiver
        func refusal(ofHead head: HTTPRequest) -> HTTPResponse? { receiver.refusal(ofHead: head) }
        func tooLarge(_ head: HTTPRequest) -> HTTPResponse { receiver.refuse(head, .tooLarge) }
        func busy(_ head: HTTPRequest) -> HTTPResponse { receiver.refuse(head, .busy) }
    }

    /// One receiver behind one port.
    private func receiving(
        _ options: OTLPReceiver.Options = .init(), _ test: (OTLPReceiver, HTTPListener) async throws -> Void
    ) async throws {
        let receiver = OTLPReceiver(
            interval: .seconds(1), options: options, compressor: Self.gzip, now: testClock)
        var listening = HTTPListener.Options()
        listening.bodyBytes = OTLPRequest.bodyBytes
        let listener = try await HTTPListener.bind(
            listening, admission: Door(receiver: receiver), group: MultiThreadedEventLoopGroup.singleton)
        let answering = Task { for await call in listener.calls { call.answer(receiver.answer(call.request)) } }
        do {
            try await test(receiver, listener)
        } catch {
            await listener.close()
            await answering.value
            throw error
        }
        await listener.close()
        await answering.value
    }

    private func post(
        _ body: [UInt8], _ listener: HTTPListener, type: String = "application/json", encoding: String? = nil,
        path: String = "/v1/metrics"
    ) async throws -> (status: Int, type: String?, text: String, retry: String?) {
        var headers = [HTTPHeader("Content-Type", type)]
        if let encoding { headers.append(HTTPHeader("Content-Encoding", encoding)) }
        let answer = try await client.send(
            HTTPRequest("POST", path, headers: headers, body: body), to: .tcp(host: "127.0.0.1", port: listener.port),
            timeout: .seconds(20), maxBytes: 1 << 20)
        return (
            answer.status, answer.header("content-type"), String(decoding: answer.body, as: UTF8.self),
            answer.header("retry-after")
        )
    }

    /// An export of cumulative sums, in JSON.
    private func export(_ points: [(name: String, value: Int)], service: String = "shop") -> [UInt8] {
        let metrics = points.map { name, value in
            """
            {"name":"\(name)","unit":"1","sum":{"aggregationTemporality":2,"isMonotonic":true,"dataPoints":[
            {"timeUnixNano":"1700000000000000000","asInt":"\(value)",
            "attributes":[{"key":"http.method","value":{"stringValue":"GET"}}]}]}}
            """
        }
        return Array(
            """
            {"resourceMetrics":[{"resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"\(service)"}}]},
            "scopeMetrics":[{"metrics":[\(metrics.joined(separator: ","))]}]}]}
            """.utf8)
    }

    private func said(_ receiver: OTLPReceiver, _ source: inout SourcedSeries, _ table: inout MetricTable)
        -> [String: Double]
    {
        table.tickBegan()
        source.apply(receiver.tickBegan(now: testClock()), to: &table)
        return table.samples
    }

    @Test func `an export in JSON is measured at the tick`() async throws {
        try await receiving { receiver, listener in
            let answer = try await post(export([("requests", 5), ("errors", 2)]), listener)
            #expect(answer == (200, "application/json", "{}", nil))
            #expect(try await post(export([("requests", 6)]), listener).status == 200)
            var (source, table) = (SourcedSeries(), MetricTable())
            #expect(
                said(receiver, &source, &table) == [
                    "requests_total{http_method=\"GET\",job=\"shop\"}": 6,
                    "errors_total{http_method=\"GET\",job=\"shop\"}": 2,
                ])
            #expect(table.family(table.started[0]).kind == .counter)
            #expect(said(receiver, &source, &table).isEmpty && source.count == 2)
            #expect(receiver.counters.requests == 2 && receiver.counters.points == 3 && receiver.seriesCount == 2)
        }
    }

    @Test func `protobuf, gzip and both are the same`() async throws {
        try await receiving { receiver, listener in
            // resource_metrics { scope_metrics { metrics { name, gauge { data_points { time, as_double } } } } }
            let point =
                [0x19] + [UInt8](repeating: 1, count: 8) + [0x21] + withUnsafeBytes(of: 2.5.bitPattern) { Array($0) }
            func message(_ field: UInt8, _ body: [UInt8]) -> [UInt8] { [field << 3 | 2, UInt8(body.count)] + body }
            let metric = message(1, Array("level".utf8)) + message(5, message(1, point))
            let body = message(1, message(2, message(2, metric)))
            let type = "application/x-protobuf"
            let plain = try await post(body, listener, type: type)
            #expect(plain.status == 200 && plain.type == type && plain.text == "")
            var (source, table) = (SourcedSeries(), MetricTable())
            #expect(said(receiver, &source, &table) == ["level": 2.5])
            let packed = Self.gzip.deflate(body, level: 6)
            #expect(try await post(packed, listener, type: type, encoding: "gzip").status == 200)
            #expect(said(receiver, &source, &table) == ["level": 2.5])
            let json = Self.gzip.deflate(export([("a", 1)]), level: 6)
            #expect(try await post(json, listener, encoding: "gzip").text == "{}")
            #expect(said(receiver, &source, &table) == ["a_total{http_method=\"GET\",job=\"shop\"}": 1])
        }
    }

    @Test func `what is no export is refused in the encoding it came in`() async throws {
        try await receiving { receiver, listener in
            let body = export([("a", 1)])
            #expect(try await post(body, listener, path: "/v1/traces").status == 404)
            #expect(try await post(body, listener, type: "text/plain").status == 415)
            #expect(try await post(body, listener, encoding: "br").status == 415)
            let cut = try await post(Array(body.dropLast(5)), listener)
            #expect(cut.status == 400 && cut.text.contains("\"code\":3"))
            let wrong = try await post(body, listener, type: "application/x-protobuf")
            #expect(wrong.status == 400 && wrong.type == "application/x-protobuf")
            #expect(try await post([1, 2, 3], listener, encoding: "gzip").status == 400)
            #expect(
                receiver.counters.refusedRequests == [
                    .notFound: 1, .contentType: 1, .contentEncoding: 1, .malformed: 3,
                ])
            #expect(receiver.counters.requests == 0)
        }
    }

    @Test func `too much is refused, sent or inflated`() async throws {
        try await receiving { receiver, listener in
            let large = [UInt8](repeating: 0x20, count: OTLPRequest.bodyBytes + 1)
            #expect(try await post(large, listener).status == 413)
            // 64 MiB of blanks in 64 KiB.
            let bomb = Self.gzip.deflate([UInt8](repeating: 0x20, count: 64 << 20), level: 9)
            #expect(bomb.count < 100_000)
            let answer = try await post(bomb, listener, encoding: "gzip")
            #expect(answer.status == 413 && answer.text.contains("inflate to more than"))
            // Hard to deflate, so that the ratio is in order and the size alone is too large.
            var state: UInt64 = 1
            let piece = (0..<1 << 18).map { _ -> UInt8 in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 61) + 0x61
            }
            // Far enough apart for deflate not to see that it is the same again.
            let noise = [[UInt8]](repeating: piece, count: 65).flatMap { $0 }
            let packed = Self.gzip.deflate(noise, level: 1)
            try #require(packed.count < OTLPRequest.bodyBytes)
            let size = try await post(packed, listener, encoding: "gzip")
            #expect(size.status == 413 && size.text.contains("16777216 allowed"))
            #expect(receiver.counters.refusedRequests == [.tooLarge: 3])
            #expect(try await post(export([("a", 1)]), listener).status == 200)
        }
    }

    @Test func `a full table of waiting samples asks the sender to wait until the tick`() async throws {
        var options = OTLPReceiver.Options()
        options.samplesPerSecond = 3
        try await receiving(options) { receiver, listener in
            #expect(try await post(export([("a", 1), ("b", 1)]), listener).status == 200)
            #expect(try await post(export([("a", 2), ("b", 2)]), listener).status == 200)
            let full = try await post(export([("a", 3)]), listener)
            #expect(full.status == 429 && full.retry == "1" && full.text.contains("\"code\":8"))
            var (source, table) = (SourcedSeries(), MetricTable())
            #expect(Set(said(receiver, &source, &table).values) == [2])
            #expect(try await post(export([("a", 3)]), listener).status == 200)
            #expect(receiver.counters.refusedRequests == [.full: 1])
        }
    }

    @Test func `series beyond the limit are rejected as a part of the export`() async throws {
        var options = OTLPReceiver.Options()
        options.maxSeries = 2
        try await receiving(options) { receiver, listener in
            let answer = try await post(export([("a", 1), ("b", 1), ("c", 1)]), listener)
            #expect(answer.status == 200)
            #expect(
                answer.text.contains("\"rejectedDataPoints\":\"1\"") && answer.text.contains("more than the 2 series"))
            #expect(receiver.counters.refusedSamples == 1 && receiver.seriesCount == 2)
            let exponential = """
                {"resourceMetrics":[{"scopeMetrics":[{"metrics":[
                {"name":"h","exponentialHistogram":{"dataPoints":[{}]}}]}]}]}
                """
            let refused = try await post(Array(exponential.utf8), listener)
            #expect(refused.status == 200 && refused.text.contains("export explicit buckets"))
            #expect(receiver.counters.refusedPoints == [.exponentialHistogram: 1])
        }
    }
}
