import MusterInterchange
import MusterModel
import Testing

/// The export of `Fixtures.otlp` as JSON, with the liberties the form allows: numbers as texts and as numbers, an enum
/// by name, ids in hexadecimal, unknown fields, null.
private let json = """
    {"resourceMetrics":[{"resource":{"attributes":[
      {"key":"service.name","value":{"stringValue":"cart"}},
      {"key":"service.namespace","value":{"stringValue":"shop"}},
      {"key":"service.instance.id","value":{"stringValue":"i-1"}},
      {"key":"host.name","value":{"stringValue":"web 1"}},
      {"key":"host.cpus","value":{"intValue":"8"}},
      {"key":"host.tags","value":{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":1},{"boolValue":true},
        {"doubleValue":1.5},{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}]}}},
      {"key":"host.raw","value":{"bytesValue":"AQID"}}],"droppedAttributesCount":0},
     "scopeMetrics":[{"scope":{"name":"io.lib","version":"1.2","attributes":[
       {"key":"lang","value":{"stringValue":"swift"}}]},"schemaUrl":"https://schema","metrics":[
      {"name":"memory.usage","description":"Bytes in use","unit":"By","gauge":{"dataPoints":[
        {"attributes":[{"key":"state","value":{"stringValue":"used"}},{"key":"a.b","value":{"stringValue":"1"}},
          {"key":"a_b","value":{"stringValue":"2"}}],"startTimeUnixNano":"1700000000000000000",
          "timeUnixNano":"1700000010123456789","asDouble":12.5,"newField":[{"x":{}}]},
        {"attributes":[{"key":"state","value":{"stringValue":"free"}}],"startTimeUnixNano":1700000000000000000,
          "timeUnixNano":1700000010123456789,"asInt":"-3"},
        {"attributes":[{"key":"state","value":{"stringValue":"gone"}}],"startTimeUnixNano":"1700000000000000000",
          "timeUnixNano":"1700000010123456789","flags":1}]}},
      {"name":"requests","unit":"1","description":null,"sum":{"aggregationTemporality":"AGGREGATION_TEMPORALITY_CUMULATIVE",
        "isMonotonic":true,"dataPoints":[{"attributes":[{"key":"code","value":{"intValue":200}}],
        "startTimeUnixNano":"1700000000000000000","timeUnixNano":"1700000010123456789","asInt":41}]}},
      {"name":"latency","unit":"ms","histogram":{"aggregationTemporality":2,"dataPoints":[
        {"attributes":[{"key":"route","value":{"stringValue":"/a"}}],"startTimeUnixNano":"1700000000000000000",
         "timeUnixNano":"1700000010123456789","count":"6","sum":7.5,"bucketCounts":["1",2,"3"],"explicitBounds":[0.5,10],
         "exemplars":[{"timeUnixNano":"1700000010123456789","asDouble":1,"spanId":"0011223344556677",
           "traceId":"00112233445566778899aabbccddeeff"}],"min":0.1,"max":20}]}},
      {"name":"rpc","unit":"s","summary":{"dataPoints":[{"attributes":[{"key":"q","value":{"stringValue":"x"}}],
         "startTimeUnixNano":"1700000000000000000","timeUnixNano":"1700000010123456789","count":10,"sum":"99.5",
         "quantileValues":[{"quantile":0.5,"value":4},{"quantile":0.99,"value":9}]}]}},
      {"name":"expo","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"count":1},{"count":2}]}}
     ]}]}],"unknown":{"deep":[1,{"er":null}]}}
    """

private let time: UInt64 = 1_700_000_010_123_456_789

private func parsed(_ text: String) throws(JSONError) -> OTLPMetrics { try OTLPMetrics(json: Array(text.utf8)) }

private func spelled(_ series: OTLPSeries) -> [String] {
    series.series.map { entry in
        let values = entry.samples.map { sample in
            StaleMarker.isMarker(sample.value) ? "stale" : GoFloat.general(sample.value)
        }
        return "\(entry.labels) \(values.joined(separator: ","))"
    }
}

private func metric(_ name: String, _ data: OTLPMetrics.Data, unit: String = "") -> OTLPMetrics {
    var metric = OTLPMetrics.Metric()
    metric.name = name
    metric.unit = unit
    metric.data = data
    var scope = OTLPMetrics.Scope()
    scope.metrics = [metric]
    var resource = OTLPMetrics.Resource()
    resource.scopes = [scope]
    var metrics = OTLPMetrics()
    metrics.resources = [resource]
    return metrics
}

private func head(
    _ attributes: [OTLPAttribute] = [], start: UInt64 = 0, time: UInt64 = time, flags: UInt64 = 0
) -> OTLPMetrics.Head {
    var head = OTLPMetrics.Head()
    (head.attributes, head.start, head.time, head.flags) = (attributes, start, time, flags)
    return head
}

private func point(_ value: Double?, _ head: OTLPMetrics.Head) -> OTLPMetrics.NumberPoint {
    var point = OTLPMetrics.NumberPoint()
    (point.value, point.head) = (value, head)
    return point
}

private func histogram(
    _ counts: [UInt64], _ bounds: [Double], sum: Double?, _ head: OTLPMetrics.Head
) -> OTLPMetrics.HistogramPoint {
    var point = OTLPMetrics.HistogramPoint()
    (point.counts, point.bounds, point.sum, point.head) = (counts, bounds, sum, head)
    point.count = counts.reduce(0, &+)
    return point
}

private func translated(_ metrics: OTLPMetrics, _ options: OTLPTranslation = .init()) -> OTLPSeries {
    var translator = OTLPTranslator(options: options)
    return translator.translate(metrics, now: Instant(seconds: 1_700_000_020))
}

@Suite struct OTLPDecoding {
    @Test func `protobuf and JSON are the same export`() throws {
        let metrics = try OTLPMetrics(protobuf: Fixtures.otlp)
        #expect(try parsed(json) == metrics)
        #expect(metrics.resources.count == 1)
        let scope = try #require(metrics.resources.first?.scopes.first)
        #expect(scope.name == "io.lib" && scope.version == "1.2" && scope.schemaURL == "https://schema")
        #expect(scope.metrics.map(\.name) == ["memory.usage", "requests", "latency", "rpc", "expo"])
        #expect(scope.metrics.map(\.pointCount) == [3, 1, 1, 1, 2])
        #expect(
            scope.metrics[2].data
                == .histogram(
                    [
                        histogram(
                            [1, 2, 3], [0.5, 10], sum: 7.5,
                            head([OTLPAttribute("route", .string("/a"))], start: 1_700_000_000_000_000_000))
                    ],
                    .cumulative))
        let attributes = metrics.resources[0].attributes
        #expect(attributes[5].value.text == #"["a",1,true,1.5,{"k":"v"}]"#)
        #expect(attributes[6].value.text == "AQID" && attributes[4].value == .int(8))
    }

    @Test func `an empty export is one`() throws {
        #expect(try OTLPMetrics(protobuf: []) == OTLPMetrics())
        #expect(try parsed("{}") == OTLPMetrics())
        #expect(try parsed(#"{"resourceMetrics":null}"#) == OTLPMetrics())
        #expect(translated(OTLPMetrics()) == OTLPSeries())
    }

    @Test(
        arguments: [
            (#""asInt":"9007199254740993""#, 9_007_199_254_740_992), (#""asInt":-5"#, -5), (#""asInt":1e3"#, 1_000),
            (#""asDouble":"NaN""#, .nan), (#""asDouble":"-Infinity""#, -.infinity), (#""asDouble":"1.5""#, 1.5),
            (#""asDouble":-0.0"#, -0.0), (#""asInt":null"#, nil), (#""as_int":5"#, nil),
        ] as [(String, Double?)])
    func `JSON spells numbers in several ways`(member: String, expected: Double?) throws {
        let metrics = try parsed(
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{\#(member)}]}}]}]}]}"#
        )
        guard case .gauge(let points) = metrics.resources[0].scopes[0].metrics[0].data else {
            Issue.record("no gauge")
            return
        }
        let value = points[0].value
        #expect(value?.isNaN == true ? expected?.isNaN == true : value?.bitPattern == expected?.bitPattern)
    }

    @Test(
        arguments: [
            #"{"resourceMetrics":{}}"#, #"{"resourceMetrics":[{"resource":[]}]}"#, #"[]"#, #"{} {}"#, "",
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":5}]}]}]}"#,
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":1.5}]}}]}]}]}"#,
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asInt":"x"}]}}]}]}]}"#,
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"timeUnixNano":-1}]}}]}]}]}"#,
            #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{"asDouble":"x"}]}}]}]}]}"#,
        ])
    func `a document of another shape is refused`(text: String) {
        #expect(throws: JSONError.self) { try parsed(text) }
    }

    @Test func `attributes, buckets and depth are bounded in both forms`() throws {
        let limit = InterchangeLimits.attributes
        func attributes(_ count: Int) -> [UInt8] {
            Wire.bytes(1, Wire.bytes(1, (0..<count).flatMap { Wire.bytes(1, Wire.text(1, "k\($0)")) }))
        }
        #expect(try OTLPMetrics(protobuf: attributes(limit)).resources[0].attributes.count == limit)
        #expect(throws: ProtobufError.self) { try OTLPMetrics(protobuf: attributes(limit + 1)) }
        func jsonAttributes(_ count: Int) -> String {
            let list = (0..<count).map { #"{"key":"k\#($0)"}"# }.joined(separator: ",")
            return #"{"resourceMetrics":[{"resource":{"attributes":[\#(list)]}}]}"#
        }
        #expect(try parsed(jsonAttributes(limit)).resources[0].attributes.count == limit)
        #expect(throws: JSONError.self) { try parsed(jsonAttributes(limit + 1)) }

        func buckets(_ count: Int) -> [UInt8] {
            let point = Wire.bytes(6, [UInt8](repeating: 0, count: 8 * count))
            return Wire.bytes(1, Wire.bytes(2, Wire.bytes(2, Wire.bytes(9, Wire.bytes(1, point)))))
        }
        #expect(throws: Never.self) { _ = try OTLPMetrics(protobuf: buckets(InterchangeLimits.histogramBuckets)) }
        #expect(throws: ProtobufError.self) {
            try OTLPMetrics(protobuf: buckets(InterchangeLimits.histogramBuckets + 1))
        }

        let nested = (0..<100).reduce(Wire.text(1, "x")) { inner, _ in Wire.bytes(5, Wire.bytes(1, inner)) }
        let deep = Wire.bytes(1, Wire.bytes(1, Wire.bytes(1, Wire.text(1, "k") + Wire.bytes(2, nested))))
        let error = #expect(throws: ProtobufError.self) { try OTLPMetrics(protobuf: deep) }
        #expect(error?.problem == .tooDeep(limit: InterchangeLimits.protobufDepth))
    }

    @Test func `no bytes make the decoders or the translator trap`() {
        var generator = SplitMix(seed: 71)
        var outcomes = [0, 0, 0, 0]
        var translator = OTLPTranslator(deltas: DeltaAccumulator(maxSeries: 50))
        for round in 0..<100_000 {
            let isJSON = round % 5 == 0
            let bytes = mutated(isJSON ? Array(json.utf8) : Fixtures.otlp, &generator)
            let metrics = isJSON ? try? OTLPMetrics(json: bytes) : try? OTLPMetrics(protobuf: bytes)
            outcomes[(isJSON ? 2 : 0) + (metrics == nil ? 0 : 1)] += 1
            if let metrics, round.isMultiple(of: 4) { _ = translator.translate(metrics, now: Instant(seconds: 1)) }
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}

@Suite struct OTLPNaming {
    @Test(
        arguments: [
            ("http.server.duration", "s", .other, "http_server_duration_seconds"),
            ("http.server.duration.seconds", "s", .other, "http_server_duration_seconds"),
            ("requests", "1", .counter, "requests_total"), ("requests.total", "", .counter, "requests_total"),
            ("total.requests", "", .counter, "requests_total"), ("cpu", "1", .gauge, "cpu_ratio"),
            ("cpu.ratio", "1", .gauge, "cpu_ratio"), ("cpu", "1", .other, "cpu"),
            ("io", "By/s", .gauge, "io_bytes_per_second"),
            ("io", "KiBy", .counter, "io_kibibytes_total"), ("x", "{requests}/s", .gauge, "x_per_second"),
            ("x", "{requests}", .gauge, "x"), ("x", "m/m", .gauge, "x_meters_per_minute"),
            ("x", "%", .gauge, "x_percent"),
            ("x", "foo bar", .gauge, "x_foo_bar"), ("x", " s / min ", .gauge, "x_seconds_per_min"),
            ("a..b__c-d", "", .gauge, "a_b_c_d"), ("9lives", "", .gauge, "_9lives"), ("a:b", "", .gauge, "a:b"),
            ("größe", "", .gauge, "gr_e"), ("...", "", .gauge, nil), ("", "", .gauge, nil), ("_", "", .gauge, nil),
        ] as [(String, String, OTLPNames.Kind, String?)])
    func `a metric's name gets its unit and type`(name: String, unit: String, kind: OTLPNames.Kind, expected: String?) {
        #expect(OTLPNames.metric(name, unit: unit, kind: kind) == expected)
    }

    @Test(
        arguments: [("a.b", "a_b"), ("a__b", "a__b"), ("9x", "_9x"), ("a-b.c", "a_b_c"), ("%", nil)]
            as [(String, String?)])
    func `without suffixes a name only changes its characters`(name: String, expected: String?) {
        #expect(OTLPNames.metric(name, unit: "s", kind: .counter, hasSuffixes: false) == expected)
    }

    @Test(
        arguments: [
            ("http.method", "http_method"), ("a_b", "a_b"), ("1x", "key_1x"), ("_x", "key_x"), ("__x__", "__x__"),
            ("é", nil), ("", nil), ("..", nil), ("a é", "a__"),
        ] as [(String, String?)])
    func `a label's name is spelled in Prometheus's characters`(name: String, expected: String?) {
        #expect(OTLPNames.label(name) == expected)
    }
}

@Suite struct OTLPTranslating {
    @Test func `an export becomes series, families and refusals`() throws {
        let result = translated(try OTLPMetrics(protobuf: Fixtures.otlp))
        let who = "instance=\"i-1\",job=\"shop/cart\""
        #expect(
            spelled(result) == [
                "memory_usage_bytes{a_b=\"1;2\",\(who),state=\"used\"} 12.5",
                "memory_usage_bytes{\(who),state=\"free\"} -3",
                "memory_usage_bytes{\(who),state=\"gone\"} stale", "requests_total{code=\"200\",\(who)} 41",
                "latency_milliseconds_bucket{\(who),le=\"0.5\",route=\"/a\"} 1",
                "latency_milliseconds_bucket{\(who),le=\"10\",route=\"/a\"} 3",
                "latency_milliseconds_bucket{\(who),le=\"+Inf\",route=\"/a\"} 6",
                "latency_milliseconds_count{\(who),route=\"/a\"} 6",
                "latency_milliseconds_sum{\(who),route=\"/a\"} 7.5",
                "rpc_seconds{\(who),q=\"x\",quantile=\"0.5\"} 4", "rpc_seconds{\(who),q=\"x\",quantile=\"0.99\"} 9",
                "rpc_seconds_count{\(who),q=\"x\"} 10", "rpc_seconds_sum{\(who),q=\"x\"} 99.5",
                "target_info{host_cpus=\"8\",host_name=\"web 1\",host_raw=\"AQID\","
                    + "host_tags=\"[\\\"a\\\",1,true,1.5,{\\\"k\\\":\\\"v\\\"}]\",\(who)} 1",
            ])
        #expect(result.series.allSatisfy { $0.samples.map(\.milliseconds) == [1_700_000_010_123] })
        #expect(
            result.families == [
                FamilyMetadata(name: "memory_usage_bytes", type: .gauge, help: "Bytes in use", unit: "bytes"),
                FamilyMetadata(name: "requests_total", type: .counter),
                FamilyMetadata(name: "latency_milliseconds", type: .histogram, unit: "milliseconds"),
                FamilyMetadata(name: "rpc_seconds", type: .summary, unit: "seconds"),
                FamilyMetadata(name: "target_info", type: .gauge, help: "Attributes of the resource"),
            ])
        #expect(result.refusals.counts == [.exponentialHistogram: 2] && result.points == 6)
        #expect(result.attributeCollisions == 1)
    }

    @Test func `samples know their point, and those of counters their start`() throws {
        let result = translated(try OTLPMetrics(protobuf: Fixtures.otlp))
        let origins = zip(result.series, result.origins).map { series, origins in
            "\(series.labels.metricName) \(origins.map { "\($0.point ?? 0)@\($0.start)" }.joined(separator: ","))"
        }
        #expect(
            origins == [
                "memory_usage_bytes 1@0", "memory_usage_bytes 2@0", "memory_usage_bytes 3@0",
                "requests_total 4@1700000000000", "latency_milliseconds_bucket 5@1700000000000",
                "latency_milliseconds_bucket 5@1700000000000", "latency_milliseconds_bucket 5@1700000000000",
                "latency_milliseconds_count 5@1700000000000", "latency_milliseconds_sum 5@1700000000000",
                "rpc_seconds 6@0", "rpc_seconds 6@0", "rpc_seconds_count 6@1700000000000",
                "rpc_seconds_sum 6@1700000000000", "target_info 0@0",
            ])
    }

    @Test func `the start of deltas is that of the first`() {
        var translator = OTLPTranslator()
        func send(_ start: UInt64, _ end: UInt64) -> [Int64] {
            let data = OTLPMetrics.Data.sum(
                [point(1, head(start: start * 1_000_000, time: end * 1_000_000))], .delta, isMonotonic: true)
            let series = translator.translate(metric("d", data), now: Instant(seconds: 10))
            return series.origins.flatMap { $0.map(\.start) }
        }
        #expect(send(1_000, 2_000) == [1_000] && send(2_000, 3_000) == [1_000])
    }

    @Test func `a large export is cut into portions`() throws {
        let whole = translated(try OTLPMetrics(protobuf: Fixtures.otlp))
        #expect(whole.portions(maxBytes: 1 << 20).count == 1)
        for maxBytes in [1, 200, 500] {
            let portions = whole.portions(maxBytes: maxBytes)
            #expect(portions.count > 2)
            #expect(portions.flatMap(\.families) == whole.families && portions.flatMap(\.series) == whole.series)
            #expect(portions.flatMap(\.origins) == whole.origins)
        }
        #expect(OTLPSeries().portions(maxBytes: 1).isEmpty)
    }

    @Test func `scope and promoted attributes become labels when asked for`() throws {
        var options = OTLPTranslation()
        options.hasScopeLabels = true
        options.promotedAttributes = ["host.name", "absent"]
        options.hasSuffixes = false
        let result = translated(try OTLPMetrics(protobuf: Fixtures.otlp), options)
        #expect(
            result.series[3].labels == [
                "__name__": "requests", "code": "200", "host_name": "web 1", "instance": "i-1", "job": "shop/cart",
                "otel_scope_name": "io.lib", "otel_scope_version": "1.2", "otel_scope_schema_url": "https://schema",
                "otel_scope_lang": "swift",
            ])
    }

    @Test func `points of one series stand together, the resource's identity wins over attributes`() {
        let attributes = [OTLPAttribute("job", .string("mine")), OTLPAttribute("empty", .string(""))]
        var metrics = metric(
            "m", .gauge([point(1, head(attributes)), point(2, head(attributes, time: time + 1_000_000))]))
        metrics.resources[0].attributes = [OTLPAttribute("service.name", .string("cart"))]
        let result = translated(metrics)
        #expect(spelled(result) == ["m{job=\"cart\"} 1,2"])
        #expect(result.series[0].samples.map(\.milliseconds) == [1_700_000_010_123, 1_700_000_010_124])
    }

    @Test func `a point without a time has the time it arrived`() {
        let result = translated(metric("m", .gauge([point(1, head(time: 0))])))
        #expect(result.series[0].samples[0].milliseconds == 1_700_000_020_000)
        let far = translated(metric("m", .gauge([point(1, head(time: .max))])))
        #expect(far.series[0].samples[0].milliseconds == 18_446_744_073_709)
    }

    @Test func `what cannot be stored is refused by name`() {
        let long = [OTLPAttribute("a", .string(String(repeating: "x", count: 5_000)))]
        let many = (0..<100).map { OTLPAttribute("a\($0)", .int(1)) }
        let cases: [(OTLPMetrics, SeriesRefusal.Reason, Int)] = [
            (metric("m", .gauge([point(nil, head())])), .noValue, 1),
            (
                metric("m", .sum([point(1, head()), point(2, head())], .unspecified, isMonotonic: true)),
                .noTemporality, 2
            ),
            (metric("..", .gauge([point(1, head()), point(1, head())])), .noName, 2),
            (metric("m", .gauge([point(1, head(long))])), .labelValueTooLong, 1),
            (metric("m", .gauge([point(1, head(many))])), .tooManyLabels, 1),
            (
                metric("m", .histogram([histogram([1, 2], [1, 2], sum: 1, head())], .cumulative)), .malformedHistogram,
                1
            ),
            (
                metric("m", .histogram([histogram([1, 2, 3], [2, 1], sum: 1, head())], .cumulative)),
                .malformedHistogram, 1
            ),
            (metric("m", .histogram([histogram([], [1], sum: 1, head())], .cumulative)), .malformedHistogram, 1),
            (metric("m", .exponentialHistogram(points: 3)), .exponentialHistogram, 3),
        ]
        for (metrics, reason, count) in cases {
            let result = translated(metrics)
            #expect(result.refusals.counts == [reason: count] && result.series == [] && result.families == [])
            #expect(OTLPResponse(result).rejectedDataPoints == count)
        }
    }

    @Test func `a histogram may have no buckets, no sum, an infinite last bound, and an end`() {
        var bare = histogram([], [], sum: nil, head())
        bare.count = 7
        #expect(
            spelled(translated(metric("h", .histogram([bare], .cumulative)))) == [
                "h_bucket{le=\"+Inf\"} 7", "h_count 7",
            ])
        let infinite = histogram([1, 2, 0], [1, .infinity], sum: 3, head())
        #expect(
            spelled(translated(metric("h", .histogram([infinite], .cumulative)))) == [
                "h_bucket{le=\"1\"} 1", "h_bucket{le=\"+Inf\"} 3", "h_count 3", "h_sum 3",
            ])
        let ended = histogram([0, 0], [1], sum: 0, head(flags: 1))
        #expect(
            spelled(translated(metric("h", .histogram([ended], .delta)))) == [
                "h_bucket{le=\"1\"} stale", "h_bucket{le=\"+Inf\"} stale", "h_count stale", "h_sum stale",
            ])
    }

    @Test func `deltas add up from export to export`() {
        var translator = OTLPTranslator()
        func send(_ value: Double, _ start: UInt64, _ end: UInt64) -> [String] {
            let sum = metric("d", .sum([point(value, head(start: start, time: end))], .delta, isMonotonic: true))
            let buckets = metric(
                "h",
                .histogram([histogram([1, UInt64(value)], [5], sum: value, head(start: start, time: end))], .delta))
            let now = Instant(seconds: 10)
            return spelled(translator.translate(sum, now: now)) + spelled(translator.translate(buckets, now: now))
        }
        #expect(
            send(3, 1, 2) == ["d_total 3", "h_bucket{le=\"5\"} 1", "h_bucket{le=\"+Inf\"} 4", "h_count 4", "h_sum 3"])
        #expect(
            send(2, 2, 3) == ["d_total 5", "h_bucket{le=\"5\"} 2", "h_bucket{le=\"+Inf\"} 7", "h_count 7", "h_sum 5"])
        #expect(send(2, 2, 3) == [])
        let again = translator.translate(
            metric("d", .sum([point(2, head(start: 2, time: 3))], .delta, isMonotonic: true)), now: Instant(seconds: 10)
        )
        #expect(again.refusals.counts == [.deltaOutOfOrder: 1])
        let end = translator.translate(
            metric("d", .sum([point(nil, head(start: 2, time: 4, flags: 1))], .delta, isMonotonic: true)),
            now: Instant(seconds: 10))
        #expect(spelled(end) == ["d_total stale"])
        #expect(send(7, 5, 6).first == "d_total 7")
    }
}

@Suite struct Deltas {
    private let now = Instant(seconds: 100)

    @Test func `intervals add up, gaps included`() throws {
        var deltas = DeltaAccumulator()
        #expect(
            try deltas.add([1, 2], to: ["a": "1"], start: 10, time: 20, now: now) == .init(start: 10, values: [1, 2]))
        #expect(
            try deltas.add([1, 0], to: ["a": "1"], start: 20, time: 30, now: now) == .init(start: 10, values: [2, 2]))
        #expect(
            try deltas.add([5, 5], to: ["a": "1"], start: 90, time: 99, now: now) == .init(start: 10, values: [7, 7]))
        #expect(
            try deltas.add([4, 4], to: ["a": "1"], start: 0, time: 100, now: now) == .init(start: 10, values: [11, 11]))
        #expect(
            try deltas.add([9, 9], to: ["a": "2"], start: 0, time: 1, now: now) == .init(start: 0, values: [9, 9]))
    }

    @Test(arguments: [(20, 30), (20, 29), (5, 31), (0, 30)] as [(UInt64, UInt64)])
    func `what ends no later, or began before the stream, is not added`(start: UInt64, time: UInt64) throws {
        var deltas = DeltaAccumulator()
        _ = try deltas.add([1], to: [:], start: 10, time: 30, now: now)
        #expect(throws: DeltaAccumulator.Refusal.outOfOrder) {
            try deltas.add([1], to: [:], start: start, time: time, now: now)
        }
        #expect(try deltas.add([1], to: [:], start: 30, time: 31, now: now).values == [2])
    }

    @Test func `other bounds start over`() throws {
        var deltas = DeltaAccumulator()
        _ = try deltas.add([1, 1], shape: [5], to: [:], start: 1, time: 2, now: now)
        let total = try deltas.add([2, 2], shape: [6], to: [:], start: 2, time: 3, now: now)
        #expect(total == .init(start: 2, values: [2, 2]))
        #expect(try deltas.add([2], shape: [6], to: [:], start: 3, time: 4, now: now).values == [2])
    }

    @Test func `streams are bounded, and silent ones forgotten`() throws {
        var deltas = DeltaAccumulator(maxSeries: 2, idle: .seconds(10))
        _ = try deltas.add([1], to: ["a": "1"], start: 1, time: 2, now: now)
        _ = try deltas.add([1], to: ["a": "2"], start: 1, time: 2, now: now + .seconds(5))
        #expect(throws: DeltaAccumulator.Refusal.overLimit) {
            try deltas.add([1], to: ["a": "3"], start: 1, time: 2, now: now)
        }
        deltas.expire(now: now + .seconds(9))
        #expect(deltas.count == 2)
        deltas.expire(now: now + .seconds(10))
        #expect(deltas.count == 1)
        #expect(try deltas.add([1], to: ["a": "2"], start: 2, time: 3, now: now).values == [2])
        deltas.end(["a": "2"])
        #expect(deltas.count == 0)
    }
}
