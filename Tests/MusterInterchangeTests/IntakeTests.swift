import MusterInterchange
import MusterModel
import Testing

private func at(_ seconds: Int64) -> Instant { Instant(seconds: seconds) }

@Suite struct StatsDIntakes {
    private func line(_ text: String) -> ArraySlice<UInt8> { Array(text.utf8)[...] }

    @Test func `lines are added up, and what is no line is counted by its reason`() {
        var intake = StatsDIntake(interval: .seconds(1))
        var rows = ReadRows()
        intake.datagramReceived()
        for text in ["a:1|c", "a:2|c", "g:5|g", "no line", "a:x|c", "a:1|q", "a:1|g"] {
            intake.received(line(text), now: at(0))
        }
        #expect(rows.spelled(intake.tickBegan(now: at(1))) == ["a 3", "g 5"])
        #expect(intake.counters.datagrams == 1 && intake.counters.lines == 3)
        #expect(intake.counters.refused == [.malformed: 1, .badValue: 1, .unknownType: 1, .typeConflict: 1])
        #expect(rows.spelled(intake.tickBegan(now: at(2))) == ["a 3", "g 5"])
        #expect(intake.seriesCount == 2)
    }

    @Test(arguments: [(Duration.milliseconds(100), 5_000), (.seconds(1), 50_000), (.seconds(2), 100_000)])
    func `more lines than a tick takes are refused, and the next tick takes some again`(interval: Duration, most: Int) {
        var intake = StatsDIntake(interval: interval)
        let text = line("a:1|c")
        var refused = 0
        for _ in 0..<most where intake.received(text, now: at(0)) != nil { refused += 1 }
        #expect(refused == 0)
        #expect(intake.received(text, now: at(0))?.reason == .overRate)
        #expect(intake.received(line("bad"), now: at(0))?.reason == .overRate)
        _ = intake.tickBegan(now: at(1))
        #expect(intake.received(text, now: at(1)) == nil)
        #expect(intake.counters.lines == UInt64(most + 1) && intake.counters.refused == [.overRate: 2])
    }

    @Test func `a tag called host makes room for the agent's`() {
        var intake = StatsDIntake(interval: .seconds(1))
        var rows = ReadRows()
        intake.received(line("a:1|c|#host:web,x:y"), now: at(0))
        intake.received(line("t:1|ms|#host:web"), now: at(0))
        let said = rows.spelled(intake.tickBegan(now: at(1)))
        #expect(said.contains("a{exported_host=\"web\",x=\"y\"} 1"))
        #expect(said.contains("t_count{exported_host=\"web\"} 1") && said.count == 15)
    }

    /// Rows of series that ended are given to others: by `ReadRows` never while they are in use.
    @Test func `a random life keeps every rule of readings`() {
        var generator = SplitMix(seed: 5)
        var options = StatsDTable.Options()
        options.idle = .seconds(4)
        options.maxSeries = 30
        options.buckets = [0.1, 1]
        var intake = StatsDIntake(interval: .seconds(1), options: options)
        var rows = ReadRows()
        var ended = 0
        for second in Int64(1)...2_000 {
            for _ in 0..<Int.random(in: 0...6, using: &generator) {
                let name = Int.random(in: 0..<40, using: &generator)
                let kind = ["c", "g", "ms", "s"][(name + Int(second) / 500) % 4]
                intake.received(line("n\(name):1|\(kind)"), now: at(second))
            }
            let reading = intake.tickBegan(now: at(second))
            ended += reading.ended.count
            _ = rows.take(reading)
        }
        #expect(ended > 1_000 && (rows.live.keys.max() ?? 0) < 30 * 5)
        _ = rows.take(intake.tickBegan(now: at(3_000)))
        #expect(rows.live.isEmpty && intake.seriesCount == 0)
    }
}

@Suite struct NewestValues {
    private func samples(_ labels: Labels, _ values: (Int64, Double)...) -> SeriesSamples {
        SeriesSamples(labels: labels, samples: values.map { Sample(milliseconds: $0.0, value: $0.1) })
    }

    private func take(_ table: inout LatestSeries, _ series: SeriesSamples, _ seconds: Int64 = 0) -> Bool {
        table.received(series, now: at(seconds)) { metric in
            metric == "c_total" ? FamilyMetadata(name: "c", type: .counter, help: "Help", unit: "x") : nil
        }
    }

    @Test func `the newest of a tick is said once, at the tick`() {
        var table = LatestSeries(maxSeries: 10, idle: .minutes(5))
        var rows = ReadRows()
        #expect(take(&table, samples(["__name__": "a"], (5, 50), (9, 90), (7, 70))))
        #expect(take(&table, samples(["__name__": "a"], (8, 80))))
        #expect(take(&table, samples(["__name__": "b"], (1, 1))))
        #expect(take(&table, samples(["__name__": "b"], (1, 2))))
        #expect(take(&table, samples(["__name__": "none"])))
        #expect(table.pending == 6)
        #expect(rows.spelled(table.tickBegan(now: at(1))) == ["a 90", "b 2"])
        #expect(table.pending == 0)
        #expect(table.tickBegan(now: at(2)).isEmpty)
        // Of another tick also what is older: the sender's clock may have been set.
        #expect(take(&table, samples(["__name__": "a"], (2, 20)), 2))
        #expect(rows.spelled(table.tickBegan(now: at(3))) == ["a 20"])
    }

    @Test func `kind, unit and help are asked for once`() {
        var table = LatestSeries(maxSeries: 10, idle: .minutes(5))
        _ = take(&table, samples(["__name__": "c_total", "host": "h"], (1, 1)))
        _ = take(&table, samples(["__name__": "other"], (1, 1)))
        let started = table.tickBegan(now: at(1)).started
        #expect(
            started == [
                .init(0, ["__name__": "c_total", "exported_host": "h"], .counter, unit: "x", help: "Help"),
                .init(1, ["__name__": "other"], .untyped),
            ])
    }

    @Test func `a series ends when it is said to, and when nothing comes for it`() {
        var table = LatestSeries(maxSeries: 10, idle: .seconds(60))
        var rows = ReadRows()
        for name in ["a", "b", "c"] { _ = take(&table, samples(["__name__": name], (1, 1))) }
        #expect(rows.spelled(table.tickBegan(now: at(1))).count == 3)
        _ = take(&table, samples(["__name__": "a"], (2, StaleMarker.value)), 2)
        _ = take(&table, samples(["__name__": "new"], (2, StaleMarker.value)), 2)
        _ = take(&table, samples(["__name__": "b"], (2, 5)), 30)
        #expect(rows.spelled(table.tickBegan(now: at(31))) == ["a stale", "b 5"])
        #expect(table.seriesCount == 2)
        // Ended and back within a tick: it goes on.
        _ = take(&table, samples(["__name__": "b"], (3, StaleMarker.value)), 40)
        _ = take(&table, samples(["__name__": "b"], (4, 6)), 40)
        #expect(rows.spelled(table.tickBegan(now: at(41))) == ["b 6"])
        #expect(rows.spelled(table.tickBegan(now: at(60))) == ["c stale"])
        #expect(rows.spelled(table.tickBegan(now: at(99))) == [])
        #expect(rows.spelled(table.tickBegan(now: at(100))) == ["b stale"] && table.seriesCount == 0)
    }

    @Test func `series are bounded, those that are there go on`() {
        var table = LatestSeries(maxSeries: 2, idle: .seconds(60))
        #expect(take(&table, samples(["__name__": "a"], (1, 1))) && take(&table, samples(["__name__": "b"], (1, 1))))
        #expect(!take(&table, samples(["__name__": "c"], (1, 1))))
        #expect(take(&table, samples(["__name__": "a"], (2, 2))))
        #expect(table.seriesCount == 2)
    }

    @Test func `a random life keeps every rule of readings`() {
        var generator = SplitMix(seed: 6)
        var table = LatestSeries(maxSeries: 20, idle: .seconds(5))
        var rows = ReadRows()
        for second in Int64(1)...3_000 {
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                let value = UInt8.random(in: 0...9, using: &generator) == 0 ? StaleMarker.value : 1
                let name = "n\(Int.random(in: 0..<30, using: &generator))"
                _ = take(
                    &table, samples(["__name__": name], (Int64.random(in: 0...9, using: &generator), value)), second)
            }
            _ = rows.take(table.tickBegan(now: at(second)))
            #expect(rows.live.count == table.seriesCount && table.seriesCount <= 20)
        }
        #expect((rows.live.keys.max() ?? 0) < 20)
    }
}

@Suite struct ExportRequests {
    private func request(
        _ method: String = "POST", _ target: String = "/v1/metrics", type: String? = "application/x-protobuf",
        encoding: String? = nil, body: [UInt8] = []
    ) -> HTTPRequest {
        var headers: [HTTPHeader] = []
        if let type { headers.append(HTTPHeader("content-Type", type)) }
        if let encoding { headers.append(HTTPHeader("Content-encoding", encoding)) }
        return HTTPRequest(method, target, headers: headers, body: body)
    }

    @Test func `what is no export is refused by its head`() {
        let table: [(HTTPRequest, OTLPRequest.Refusal?, Int)] = [
            (request(), nil, 200), (request(type: "application/json; charset=utf-8"), nil, 200),
            (request("POST", "/v1/metrics?x=1"), nil, 200), (request(encoding: "gzip"), nil, 200),
            (request(encoding: "identity"), nil, 200), (request("GET"), .method, 405),
            (request("POST", "/v1/logs"), .notFound, 404), (request("POST", "/v1/metrics/"), .notFound, 404),
            (request(type: "text/plain"), .contentType, 415), (request(type: nil), .contentType, 415),
            (request(encoding: "zstd"), .contentEncoding, 415),
        ]
        for (request, refusal, status) in table {
            #expect(OTLPRequest.refusal(request) == refusal, "\(request)")
            if let refusal { #expect(OTLPRequest.answer(to: request, refusal).status == status) }
        }
    }

    @Test func `the answer has the encoding of the request, and says when to come again`() {
        let protobuf = OTLPRequest.answer(to: request(), .full)
        #expect(protobuf.status == 429 && protobuf.header("retry-after") == "1")
        #expect(protobuf.header("content-type") == "application/x-protobuf" && protobuf.body.first == 0x08)
        let json = OTLPRequest.answer(to: request(type: "application/json"), .tooLarge)
        #expect(json.status == 413 && json.header("content-type") == "application/json")
        #expect(
            String(decoding: json.body, as: UTF8.self)
                == #"{"code":3,"message":"the body is larger than the 16777216 bytes allowed"}"#)
        #expect(OTLPRequest.answer(to: request("GET"), .method).header("allow") == "POST")
        #expect(OTLPRequest.answer(to: request(type: "a/b"), .contentType).header("content-type") == "application/json")
    }

    @Test func `bodies are read in both encodings, and what cannot be read says where`() throws {
        let none = NoCompression()
        #expect(try OTLPRequest(request(), compressor: none).metrics == OTLPMetrics())
        let json = request(type: "application/json", body: Array(#"{"resourceMetrics":[{}]}"#.utf8))
        #expect(try OTLPRequest(json, compressor: none).metrics.resources.count == 1)
        for bad in [request(body: [0x0a]), request(type: "application/json", body: [0x7b])] {
            let error = #expect(throws: OTLPRefused.self) { try OTLPRequest(bad, compressor: none) }
            #expect(error?.refusal == .malformed && error?.detail.isEmpty == false)
        }
    }

    @Test(
        arguments: [
            (.tooLarge(maxBytes: 1), .tooLarge), (.suspiciousRatio(compressed: 1), .tooLarge),
            (.damaged("x"), .malformed), (.trailingBytes(1), .malformed),
        ] as [(CompressionError, OTLPRequest.Refusal)])
    func `what does not inflate is refused by its reason`(failure: CompressionError, refusal: OTLPRequest.Refusal) {
        let error = #expect(throws: OTLPRefused.self) {
            try OTLPRequest(request(encoding: "gzip", body: [1]), compressor: NoCompression(failure: failure))
        }
        #expect(error?.refusal == refusal && error?.detail == "\(failure)")
    }

    @Test func `inflating is bounded`() throws {
        let limit = NoCompression()
        _ = try OTLPRequest(request(encoding: "gzip"), compressor: limit)
        let error = #expect(throws: OTLPRefused.self) {
            try OTLPRequest(request(body: [UInt8](repeating: 0, count: OTLPRequest.bodyBytes + 1)), compressor: limit)
        }
        #expect(error?.refusal == .tooLarge)
    }
}

/// Gives the bytes back, or fails.
private struct NoCompression: Compressor {
    var failure: CompressionError?

    func deflate(_ bytes: [UInt8], level: Int) -> [UInt8] { bytes }
    func inflate(_ bytes: ArraySlice<UInt8>, maxBytes: Int) throws(CompressionError) -> [UInt8] {
        #expect(maxBytes == OTLPRequest.bodyBytes)
        if let failure { throw failure }
        return Array(bytes)
    }
}
