import MusterInterchange
import MusterModel
import Testing

/// The export of `Fixtures.otlpLogs` as JSON, with the liberties the form allows: numbers as texts and as numbers, an
/// enum by name, hexadecimal ids of either case, unknown fields, null, members in another order.
private let json = """
    {"resourceLogs":[{"scopeLogs":[
      {"logRecords":[
        {"timeUnixNano":"1700000010123456789","observedTimeUnixNano":1700000011000000000,"severityNumber":17,
         "severityText":"Error","body":{"stringValue":"it <broke>"},"attributes":[
           {"key":"http.status","value":{"intValue":"500"}},{"key":"retry","value":{"boolValue":true}}],
         "droppedAttributesCount":2,"flags":1,"traceId":"0AF7651916CD43DD8448EB211C80319C",
         "spanId":"b7ad6b7169203331","eventName":"crash","newField":[{"x":{}}]},
        {"observedTimeUnixNano":"1700000012000000000","severityText":"warn2","severityNumber":0,"body":{"kvlistValue":
         {"values":[{"key":"msg","value":{"stringValue":"hi"}},{"key":"n","value":{"doubleValue":1.5}},{"key":"list",
           "value":{"arrayValue":{"values":[{"stringValue":"a"},{"bytesValue":"AQID"},{}]}}}]}}},
        {"timeUnixNano":5,"severityNumber":"SEVERITY_NUMBER_UNSPECIFIED","body":null,"traceId":""}],
       "scope":{"attributes":[{"key":"lang","value":{"stringValue":"swift"}}],"name":"io.lib","version":"1.2"},
       "schemaUrl":"https://schema"},
      {"logRecords":[
        {"timeUnixNano":"6","severityNumber":"SEVERITY_NUMBER_TRACE","body":{"stringValue":"scopeless"}}]}],
     "schemaUrl":"https://schema","resource":{"droppedAttributesCount":1,"attributes":[
       {"key":"service.name","value":{"stringValue":"cart"}},{"key":"k8s.pod.name","value":{"stringValue":"cart-7"}},
       {"key":"host.name","value":{"stringValue":"web1"}},{"key":"host.cpus","value":{"intValue":8}}]}},
     {"scopeLogs":[{"logRecords":[{"timeUnixNano":"7","body":{"intValue":"-3"}}]}]}],"unknown":{"deep":[1]}}
    """

private let now = Instant(seconds: 1_700_000_020)

private func parsed(_ text: String) throws(JSONError) -> OTLPLogs { try OTLPLogs(json: Array(text.utf8)) }

/// The one record of an export with these members.
private func record(_ members: String) throws(JSONError) -> OTLPLogs.Record? {
    try parsed(#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{\#(members)}]}]}]}"#).resources.first?.scopes.first?
        .records.first
}

/// An export with one record of these fields.
private func export(_ fields: [UInt8]) -> [UInt8] { Wire.bytes(1, Wire.bytes(2, Wire.bytes(2, fields))) }

private func record(_ fields: [UInt8]) throws(ProtobufError) -> OTLPLogs.Record? {
    try OTLPLogs(protobuf: export(fields)).resources.first?.scopes.first?.records.first
}

private func resource(_ attributes: [(String, OTLPValue)], records: [OTLPLogs.Record]) -> OTLPLogs {
    var scope = OTLPLogs.Scope()
    scope.records = records
    var resource = OTLPLogs.Resource()
    resource.attributes = attributes.map { OTLPAttribute($0.0, $0.1) }
    resource.scopes = [scope]
    var logs = OTLPLogs()
    logs.resources = [resource]
    return logs
}

private func line(_ line: String) -> OTLPLogs.Record {
    var record = OTLPLogs.Record()
    (record.time, record.body) = (9, Array(line.utf8))
    return record
}

@Suite struct OTLPLogsDecoding {
    @Test func `protobuf and JSON are the same export`() throws {
        let logs = try OTLPLogs(protobuf: Fixtures.otlpLogs)
        #expect(try parsed(json) == logs)
        #expect(try OTLPLogs(Fixtures.otlpLogs, .protobuf) == logs && OTLPLogs(Array(json.utf8), .json) == logs)
        #expect(logs.resources.map(\.scopes.count) == [2, 1])
        let first = try #require(logs.resources.first?.scopes.first)
        #expect(first.name == "io.lib" && first.version == "1.2" && first.attributes.count == 1)
        #expect(first.records.map(\.severity) == [17, 0, 0])
        #expect(
            first.records.map { text($0.body) } == [
                "it <broke>", #"{"msg":"hi","n":1.5,"list":["a","AQID",null]}"#, "",
            ])
        #expect(first.records[0].traceID == hex("0af7651916cd43dd8448eb211c80319c"))
        #expect(first.records[0].spanID == hex("b7ad6b7169203331") && first.records[0].flags == 1)
        #expect(first.records[0].droppedAttributes == 2 && first.records[0].eventName == "crash")
    }

    @Test func `an empty export is one`() throws {
        #expect(try OTLPLogs(protobuf: []) == OTLPLogs() && parsed("{}") == OTLPLogs())
        #expect(try parsed(#"{"resourceLogs":null}"#) == OTLPLogs())
        #expect(OTLPLogs().pushed(now: now) == PushedLogs())
    }

    @Test(
        arguments: [
            (#""severityNumber":24"#, 24), (#""severityNumber":25"#, 0), (#""severityNumber":-1"#, 0),
            (#""severityNumber":"SEVERITY_NUMBER_FATAL4""#, 24), (#""severityNumber":"9""#, 0),
            (#""severity_number":9"#, 0), (#""severityNumber":null"#, 0),
        ])
    func `a severity that does not exist is none`(members: String, expected: Int) throws {
        #expect(try record(members)?.severity == expected)
    }

    @Test(
        arguments: [
            (0, 0), (1, 1), (24, 24), (25, 0), (.max, 0), (1 << 32, 0),
        ] as [(UInt64, Int)])
    func `nor is one in protobuf`(number: UInt64, expected: Int) throws {
        #expect(try record(Wire.number(2, number))?.severity == expected)
    }

    @Test(
        arguments: [
            ("", ""), ("00000000000000000000000000000000", ""), ("0af7651916cd43dd8448eb211c80319", ""),
            ("0af7651916cd43dd8448eb211c80319g", ""), ("CvdlGRbNQ92ESOshHIAxnA==", ""),
            ("0af7651916cd43dd8448eb211c80319C", "0af7651916cd43dd8448eb211c80319c"),
        ])
    func `an id that is none belongs to no trace`(digits: String, expected: String) throws {
        #expect(try record(#""traceId":"\#(digits)""#)?.traceID == hex(expected))
    }

    @Test func `nor does one of another length in protobuf`() throws {
        for (count, isKept) in [(0, false), (8, false), (15, false), (16, true), (17, false), (100_000, false)] {
            let id = [UInt8](repeating: 7, count: count)
            #expect(try record(Wire.bytes(9, id))?.traceID == (isKept ? id : []))
        }
        #expect(try record(Wire.bytes(9, [UInt8](repeating: 0, count: 16)))?.traceID == [])
        #expect(try record(Wire.bytes(10, hex("0000000000000001")))?.spanID == hex("0000000000000001"))
    }

    @Test func `a body is bytes, and the last of several counts`() throws {
        #expect(try record(Wire.bytes(5, Wire.bytes(1, [0xff, 0x61])))?.body == [0xff, 0x61])
        #expect(try record(Wire.bytes(5, []))?.body == [])
        #expect(try record(Wire.bytes(5, Wire.text(1, "a") + Wire.text(1, "b")))?.body == bytes("b"))
        #expect(try record(Wire.bytes(5, Wire.text(1, "a") + Wire.number(3, 5)))?.body == bytes("5"))
        #expect(try record(Wire.bytes(5, Wire.bytes(7, [1, 2, 3])))?.body == bytes("AQID"))
        #expect(try record(Wire.bytes(5, Wire.number(2, 1)))?.body == bytes("true"))
        #expect(try record(#""body":{"doubleValue":"NaN"}"#)?.body == bytes("\"NaN\""))
    }

    @Test(
        arguments: [
            #"{"resourceLogs":{}}"#, "[]", "{} {}", "", #"{"resourceLogs":[{"resource":[]}]}"#,
            #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":-1}]}]}]}"#,
            #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}"#,
            #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":5}]}]}]}"#,
            #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":"x"}]}]}]}"#,
        ])
    func `a document of another shape is refused`(text: String) {
        #expect(throws: JSONError.self) { try parsed(text) }
        let error = #expect(throws: OTLPLogsError.self) { try OTLPLogs(Array(text.utf8), .json) }
        #expect(error?.description.hasPrefix("no export of logs in JSON: ") == true)
    }

    @Test(arguments: ["0a", "0801", "0a0208 01", "0a021001", "0a0412020801", "0a06120412020801", "0a0612041202 4501"])
    func `what is no export in protobuf is refused`(digits: String) {
        #expect(throws: ProtobufError.self) { try OTLPLogs(protobuf: hex(digits)) }
        #expect(throws: OTLPLogsError.self) { try OTLPLogs(hex(digits), .protobuf) }
    }

    @Test func `counts, sizes and depth are bounded in both forms`() throws {
        func problem(_ export: [UInt8]) -> ProtobufError.Problem? {
            #expect(throws: ProtobufError.self) { try OTLPLogs(protobuf: export) }?.problem
        }
        func problem(json: String) -> String? { #expect(throws: JSONError.self) { try parsed(json) }?.problem }
        let streams = InterchangeLimits.logStreamsPerRequest
        let scopes = [UInt8]((0..<streams).flatMap { _ in [0x12, 0x00] as [UInt8] })
        #expect(problem(Wire.bytes(1, scopes)) == .overLimit("logStreamsPerRequest (\(streams))"))
        #expect(try OTLPLogs(protobuf: Wire.bytes(1, Array(scopes.dropLast(2)))).resources.count == 1)
        #expect(
            problem(json: "{\"resourceLogs\":[{\"scopeLogs\":[\(String(repeating: "{},", count: streams)){}]}]}")
                == "the limit logStreamsPerRequest (\(streams)) is passed")
        let records = InterchangeLimits.logEntriesPerRequest
        let many = [UInt8]((0...records).flatMap { _ in [0x12, 0x00] as [UInt8] })
        #expect(problem(Wire.bytes(1, Wire.bytes(2, many))) == .overLimit("logEntriesPerRequest (\(records))"))
        #expect(
            problem(
                json: "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[\(String(repeating: "{},", count: records))"
                    + "{}]}]}]}") == "the limit logEntriesPerRequest (\(records)) is passed")
        let attributes = [UInt8]((0...InterchangeLimits.attributes).flatMap { _ in [0x32, 0x00] as [UInt8] })
        #expect(problem(export(attributes)) == .overLimit("attributes (128)"))
        let full = Wire.bytes(2, Array(attributes.dropLast(2)))
        let crowd = (0...InterchangeLimits.logFieldsPerRequest / InterchangeLimits.attributes).flatMap { _ in full }
        #expect(
            problem(Wire.bytes(1, Wire.bytes(2, crowd)))
                == .overLimit("logFieldsPerRequest (\(InterchangeLimits.logFieldsPerRequest))"))
        let nested = (0..<100).reduce(Wire.text(1, "x")) { inner, _ in Wire.bytes(5, Wire.bytes(1, inner)) }
        #expect(problem(export(Wire.bytes(5, nested))) == .tooDeep(limit: InterchangeLimits.protobufDepth))
        let large = [UInt8](repeating: 0x20, count: InterchangeLimits.logRequestBytes + 1)
        #expect(problem(large) == .overLimit("logRequestBytes (16777216)"))
        #expect(throws: JSONError.self) { try OTLPLogs(json: large) }
    }

    @Test func `no bytes make the decoders or what follows trap`() {
        var generator = SplitMix(seed: 72)
        var outcomes = [0, 0, 0, 0]
        for round in 0..<100_000 {
            let isJSON = round % 5 == 0
            let bytes = mutated(isJSON ? Array(json.utf8) : Fixtures.otlpLogs, &generator)
            let logs = isJSON ? try? OTLPLogs(json: bytes) : try? OTLPLogs(protobuf: bytes)
            outcomes[(isJSON ? 2 : 0) + (logs == nil ? 0 : 1)] += 1
            guard let logs, round.isMultiple(of: 4) else { continue }
            var encoder = OTLPLogsEncoder()
            for stream in logs.pushed(now: now).streams { encoder.add(stream) }
            #expect(throws: Never.self) { try OTLPLogs(protobuf: encoder.bytes) }
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}

@Suite struct OTLPLogsPushed {
    @Test func `an export becomes streams by resource and scope`() throws {
        let logs = try OTLPLogs(protobuf: Fixtures.otlpLogs).pushed(now: now)
        let labels: Labels = ["service_name": "cart", "k8s_pod_name": "cart-7", "host_name": "web1"]
        #expect(
            logs.streams == [
                PushedLogs.Stream(
                    labels: labels,
                    fields: [
                        Field("host.cpus", "8"), Field("lang", "swift"), Field("scope_name", "io.lib"),
                        Field("scope_version", "1.2"),
                    ],
                    entries: [
                        entry(
                            1_700_000_010_123_456_789, "it <broke>", severity: 17,
                            [
                                Field("http.status", "500"), Field("retry", "true"), Field("event_name", "crash"),
                                Field("severity_text", "Error"),
                                Field("trace_id", "0af7651916cd43dd8448eb211c80319c"),
                                Field("span_id", "b7ad6b7169203331"), Field("flags", "1"),
                                Field("dropped_attributes_count", "2"),
                                Field("observed_timestamp", "1700000011000000000"),
                            ]),
                        entry(
                            1_700_000_012_000_000_000, #"{"msg":"hi","n":1.5,"list":["a","AQID",null]}"#, severity: 14,
                            [Field("severity_text", "warn2")]), entry(5, ""),
                    ]),
                PushedLogs.Stream(
                    labels: labels, fields: [Field("host.cpus", "8")], entries: [entry(6, "scopeless", severity: 1)]),
                PushedLogs.Stream(labels: ["service_name": "unknown_service"], entries: [entry(7, "-3")]),
            ])
        #expect(logs.refusals.total == 0)
    }

    @Test(
        arguments: [
            ("service.name", "service_name"), ("service.namespace", "service_namespace"),
            ("service.instance.id", "service_instance_id"), ("deployment.environment", "deployment_environment"),
            ("deployment.environment.name", "deployment_environment_name"), ("host.name", "host_name"),
            ("k8s.pod.name", "k8s_pod_name"), ("k8s.statefulset.name", "k8s_statefulset_name"), ("k8s.pod.uid", nil),
            ("k8s.name", nil), ("k8s..name", nil), ("k8s.a.b.name", nil), ("k8s.pod.label.name", nil),
            ("host.id", nil), ("service_name", nil), ("", nil),
        ] as [(String, String?)])
    func `these attributes are labels and no others`(attribute: String, label: String?) {
        #expect(OTLPLogLabels.isLabel(attribute) == (label != nil))
        let logs = resource([(attribute, .string("v"))], records: [line("x")]).pushed(now: now)
        if let label {
            #expect(logs.streams.map(\.labels) == [[label: "v"]] && logs.streams[0].fields.isEmpty)
            #expect(OTLPLogLabels.attribute(label: label) == attribute)
        } else {
            #expect(logs.streams.map(\.labels) == [["service_name": OTLPLogLabels.unknownService]])
            #expect(logs.streams[0].fields == [Field(attribute, "v")])
        }
    }

    @Test func `a label from elsewhere has no attribute`() {
        for label in ["job", "service.name", "k8s_name", "k8s__name", "k8s_a_b_name", ""] {
            #expect(OTLPLogLabels.attribute(label: label) == nil, "\(label)")
        }
    }

    @Test(
        arguments: [
            ("trace", 1), ("TRACE4", 4), ("debug", 5), ("Information", 9), ("INFO2", 10), ("Warning", 13), ("WARN", 13),
            ("ERROR3", 19), ("critical", 18), ("FATAL4", 24), ("FATAL5", 0), ("FATAL1", 0), ("INFO22", 0), ("", 0),
            ("2", 0), ("whatever", 0), (String(repeating: "x", count: 100_000), 0),
        ])
    func `a severity may be a word`(word: String, number: Int) {
        var record = line("x")
        record.severityText = word
        let entries = resource([], records: [record]).pushed(now: now).streams.flatMap(\.entries)
        #expect(entries.map(\.severity) == (word.utf8.count > InterchangeLimits.logFieldBytes ? [] : [number]))
        #expect(OTLPSeverity.number(word) == number)
        record.severity = 9
        record.severityText = "ERROR"
        #expect(resource([], records: [record]).pushed(now: now).streams[0].entries[0].severity == 9)
    }

    @Test(
        arguments: [
            (0, 0, 1_700_000_020_000_000_000), (0, 8, 8), (9, 8, 9), (9, 9, 9),
            (UInt64(Int64.max), 0, .max), (UInt64(Int64.max) + 1, 0, nil), (.max, 3, nil), (0, .max, nil),
        ] as [(UInt64, UInt64, Int64?)])
    func `the time is the event's, else the observer's, else now`(time: UInt64, observed: UInt64, expected: Int64?) {
        var record = line("x")
        (record.time, record.observed) = (time, observed)
        let logs = resource([], records: [record]).pushed(now: now)
        #expect(logs.streams.first?.entries.first?.time.nanoseconds == expected)
        #expect(logs.refusals.counts == (expected == nil ? [.timeOutOfRange: 1] : [:]))
        let isSaid = expected != nil && time != 0 && observed != 0 && time != observed
        #expect((logs.streams.first?.entries.first?.fields ?? []).map(\.name) == (isSaid ? ["observed_timestamp"] : []))
    }

    @Test func `what breaks a rule is refused and counted`() {
        let long = String(repeating: "x", count: Limits.logLineBytes + 1)
        let logs = resource(
            [("service.name", .string("a")), ("service.name", .string("b"))], records: [line(long), line("kept")]
        ).pushed(now: now)
        #expect(logs.streams.map(\.labels) == [["service_name": "b"]] && logs.entryCount == 1)
        #expect(logs.refusals.counts == [.lineTooLong: 1])
        #expect(logs.refusals.examples.first?.stream == #"{service_name="b"}"#)
        let value = String(repeating: "v", count: Limits.labelValueBytes + 1)
        let refused = resource([("host.name", .string(value))], records: [line("1"), line(long)]).pushed(now: now)
        #expect(refused.streams.isEmpty && refused.refusals.counts == [.labelValueTooLong: 2])
    }
}

@Suite struct OTLPLogsEncoding {
    @Test func `what is written is the export that was read`() throws {
        let logs = try OTLPLogs(protobuf: Fixtures.otlpLogs).pushed(now: now)
        var encoder = OTLPLogsEncoder()
        for stream in logs.streams { encoder.add(stream) }
        let again = try OTLPLogs(protobuf: encoder.bytes)
        #expect(again.pushed(now: now) == logs)
        let record = try #require(again.resources.first?.scopes.first?.records.first)
        #expect(record.traceID == hex("0af7651916cd43dd8448eb211c80319c") && record.flags == 1)
        #expect(record.eventName == "crash" && record.droppedAttributes == 2 && record.severityText == "Error")
        #expect(record.attributes.map(\.key) == ["http.status", "retry"])
        #expect(
            again.resources.first?.attributes.map(\.key) == [
                "host.name", "k8s.pod.name", "service.name", "host.cpus", "lang",
            ])
        #expect(again.resources.first?.scopes.first?.name == "io.lib")
    }

    @Test func `an export is spelled as the format says`() {
        func attribute(_ field: UInt64, _ key: String, _ value: String) -> [UInt8] {
            Wire.bytes(field, Wire.text(1, key) + Wire.bytes(2, Wire.text(1, value)))
        }
        var encoder = OTLPLogsEncoder()
        encoder.add(
            PushedLogs.Stream(
                labels: ["job": "b", "service_name": "a"], fields: [Field("x", "")],
                entries: [
                    entry(
                        9, "hi", severity: 24,
                        [
                            Field("trace_id", "no hex"), Field("span_id", "b7ad6b7169203331"), Field("flags", "-1"),
                            Field("flags", "258"), Field("dropped_attributes_count", "x"),
                            Field("observed_timestamp", "3"),
                        ]), entry(-5, ""),
                ]))
        let resource = attribute(1, "job", "b") + attribute(1, "service.name", "a") + attribute(1, "x", "")
        let first =
            Wire.fixed(1, 9) + Wire.number(2, 24) + Wire.bytes(5, Wire.text(1, "hi"))
            + attribute(6, "trace_id", "no hex") + Wire.bytes(10, hex("b7ad6b7169203331"))
            + attribute(6, "flags", "-1") + hex("4502010000") + attribute(6, "dropped_attributes_count", "x")
            + Wire.fixed(11, 3)
        let second = Wire.fixed(1, 1) + Wire.bytes(5, Wire.text(1, ""))
        let scope = Wire.bytes(2, first) + Wire.bytes(2, second)
        #expect(encoder.bytes == Wire.bytes(1, Wire.bytes(1, resource) + Wire.bytes(2, scope)))
    }

    @Test func `what is written is read again, lines repaired`() throws {
        var generator = SplitMix(seed: 73)
        for round in 0..<1_000 {
            var streams = randomStreams(
                &generator, isUTF8: round % 2 == 0, labels: ["host_name", "k8s_pod_name", "service_name"])
            for index in streams.indices {
                for place in streams[index].entries.indices {
                    let time = streams[index].entries[place].time.nanoseconds
                    streams[index].entries[place].time = Instant(nanoseconds: max(1, time & .max))
                    streams[index].entries[place].severity = Int.random(in: 0...24, using: &generator)
                    let line = streams[index].entries[place].line
                    if round % 2 == 0 { #expect(String(validating: line, as: UTF8.self) != nil) }
                }
            }
            var encoder = OTLPLogsEncoder()
            for stream in streams { encoder.add(stream) }
            let read = try OTLPLogs(protobuf: encoder.bytes).pushed(now: now)
            for index in streams.indices {
                for place in streams[index].entries.indices {
                    let line = streams[index].entries[place].line
                    streams[index].entries[place].line = Array(String(decoding: line, as: UTF8.self).utf8)
                }
            }
            #expect(read.streams == streams && read.refusals.total == 0)
        }
    }

    @Test func `the answer says what was rejected`() {
        let plain = OTLPLogsResponse(PushedLogs())
        #expect(plain.encoded(.protobuf) == [] && text(plain.encoded(.json)) == "{}")
        let response = OTLPLogsResponse(rejectedRecords: 300, message: "a \"b\"\n")
        #expect(response.encoded(.protobuf) == Wire.bytes(1, Wire.number(1, 300) + Wire.text(2, "a \"b\"\n")))
        #expect(
            text(response.encoded(.json))
                == #"{"partialSuccess":{"rejectedLogRecords":"300","errorMessage":"a \"b\"\n"}}"#)
        var logs = PushedLogs()
        logs.refusals.add(LogRefusal(.noTime, "an entry without a timestamp", stream: "{a=\"b\"}"), entries: 2)
        let joined = OTLPLogsResponse(logs, storeRejected: 3, storeMessage: "3 too old")
        #expect(joined.rejectedRecords == 5)
        #expect(
            joined.message
                == "2 log entries refused: stream {a=\"b\"}: an entry without a timestamp; .... 3 too old")
    }
}
