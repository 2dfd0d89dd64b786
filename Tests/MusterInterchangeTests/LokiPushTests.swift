import MusterInterchange
import MusterModel
import Testing

private func label(_ text: String) throws(LogRefusal) -> Labels { try LokiLabelText.parse(text) }

@Suite struct LokiLabelTexts {
    @Test(
        arguments: [
            (#"{a="b"}"#, ["a": "b"]), (#"{a="b", c="d"}"#, ["a": "b", "c": "d"]),
            (#" { c = "d" , a="b" , } "#, ["a": "b", "c": "d"]), (#"{a='b',c=`d`}"#, ["a": "b", "c": "d"]),
            (#"{a="b",empty=""}"#, ["a": "b"]), (#"{a="} , {"}"#, ["a": "} , {"]),
            (#"{a="\a\b\f\n\r\t\v\\\""}"#, ["a": "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\""]), (#"{a='\''}"#, ["a": "'"]),
            (#"{a="\x41\101\u00e9\U0001F600"}"#, ["a": "AAé😀"]), (#"{a="\xc3\xa9"}"#, ["a": "é"]),
            (#"{a=`\n"'`}"#, ["a": "\\n\"'"]), ("{a=`1\n2`}", ["a": "1\n2"]), ("{a=\"é😀\"}", ["a": "é😀"]),
            (#"{__name__="x",_a1="b"}"#, ["__name__": "x", "_a1": "b"]),
        ] as [(String, Labels)])
    func `labels are read as Go quotes them`(text: String, expected: Labels) throws {
        #expect(try label(text) == expected)
    }

    @Test(
        arguments: [
            ("", .malformedLabels, "no { at byte 0"), ("a=\"b\"", .malformedLabels, "no { at byte 0"),
            ("{a=\"b\"", .malformedLabels, "no comma between two labels at byte 6"),
            ("{a=\"b\",", .malformedLabels, "labels that do not end at byte 7"),
            ("{", .malformedLabels, "labels that do not end at byte 1"),
            ("{=\"b\"}", .malformedLabels, "no label name at byte 1"),
            ("{\"a\"=\"b\"}", .malformedLabels, "no label name at byte 1"),
            ("{a.b=\"c\"}", .malformedLabels, "no = after a label name at byte 2"),
            ("{a\"b\"}", .malformedLabels, "no = after a label name at byte 2"),
            ("{a=b}", .malformedLabels, "no quoted label value at byte 3"),
            ("{a=\"b\" c=\"d\"}", .malformedLabels, "no comma between two labels at byte 7"),
            ("{a=\"b\"}x", .malformedLabels, "something follows the closing } at byte 7"),
            ("{a=\"b}", .malformedLabels, "a label value that does not end at byte 3"),
            ("{a=\"b\\", .malformedLabels, "a label value that does not end at byte 6"),
            ("{a=\"1\n2\"}", .malformedLabels, "a line break in a label value at byte 5"),
            (#"{a="\'"}"#, .malformedLabels, "an unknown escape at byte 5"),
            (#"{a="\q"}"#, .malformedLabels, "an unknown escape at byte 5"),
            (#"{a="\x4"}"#, .malformedLabels, "an escape without its 2 digits at byte 7"),
            (#"{a="\08"}"#, .malformedLabels, "an escape without its 3 digits at byte 6"),
            (#"{a="\400"}"#, .malformedLabels, "an octal escape above 377 at byte 8"),
            (#"{a="\ud800"}"#, .malformedLabels, "an escape that is no character at byte 6"),
            (#"{a="\UFFFFFFFF"}"#, .malformedLabels, "an escape that is no character at byte 6"),
            (#"{a="\xff"}"#, .malformedLabels, "a label value that is no UTF-8 at byte 3"),
            ("{}", .noLabels, "no label; a stream has at least one"),
            (#"{a=""}"#, .noLabels, "no label; a stream has at least one"),
            (#"{a="b",a="c"}"#, .duplicateLabel, "two labels of one name"),
            (#"{1a="b"}"#, .badLabelName, "\"1a\" is no label name"),
        ] as [(String, LogRefusal.Reason, String)])
    func `what is no label text is refused at its byte`(text: String, reason: LogRefusal.Reason, detail: String) {
        let refusal = #expect(throws: LogRefusal.self) { try label(text) }
        #expect(refusal?.reason == reason)
        #expect(refusal?.detail.hasPrefix(detail) == true, "\(refusal?.detail ?? "")")
    }

    @Test func `sizes are bounded and the bounds are inclusive`() throws {
        func labels(_ count: Int) -> String { "{" + (0..<count).map { "l\($0)=\"v\"" }.joined(separator: ",") + "}" }
        func sized(name: Int, value: Int) -> String {
            "{\(String(repeating: "n", count: name))=\"\(String(repeating: "v", count: value))\"}"
        }
        #expect(try label(labels(Limits.labelsPerSet)).count == Limits.labelsPerSet)
        #expect(try label(sized(name: Limits.labelNameBytes, value: Limits.labelValueBytes)).count == 1)
        for (text, reason) in [
            (labels(Limits.labelsPerSet + 1), LogRefusal.Reason.tooManyLabels), (labels(100_000), .tooManyLabels),
            (sized(name: Limits.labelNameBytes + 1, value: 1), .labelNameTooLong),
            (sized(name: 1, value: Limits.labelValueBytes + 1), .labelValueTooLong),
        ] {
            let refusal = #expect(throws: LogRefusal.self) { try label(text) }
            #expect(refusal?.reason == reason)
            #expect((refusal?.stream.utf8.count ?? 0) <= InterchangeLimits.seriesNameBytes)
            #expect(refusal?.stream.hasPrefix("{") == true)
        }
    }

    @Test func `what is written is read again`() throws {
        var generator = SplitMix(seed: 3)
        for _ in 0..<2_000 {
            for stream in randomStreams(&generator, isUTF8: true, labels: ["app", "env", "__name__", "zone"]) {
                #expect(try label(LokiLabelText.text(stream.labels)) == stream.labels)
            }
        }
        #expect(LokiLabelText.text(["b": "x\"\\\n", "a": "1"]) == #"{a="1", b="x\"\\\n"}"#)
    }

    @Test func `no bytes make it trap`() {
        var generator = SplitMix(seed: 4)
        let seed = Array(##"{app="we\x41b\u00e9\101", env='p\'', raw=`c:\`, z="\U0001F600"}"##.utf8)
        var outcomes = [0, 0]
        for _ in 0..<50_000 {
            let text = String(decoding: mutated(seed, &generator), as: UTF8.self)
            outcomes[(try? label(text)) == nil ? 0 : 1] += 1
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}

/// One stream of protobuf.
private func stream(_ labels: String, _ entries: [UInt8]...) -> [UInt8] {
    Wire.bytes(1, Wire.text(1, labels) + entries.flatMap { Wire.bytes(2, $0) })
}

private func entryBytes(_ line: [UInt8], seconds: Int64 = 1, nanos: Int64 = 0, _ more: [UInt8] = []) -> [UInt8] {
    Wire.bytes(1, Wire.number(1, UInt64(bitPattern: seconds)) + Wire.number(2, UInt64(bitPattern: nanos)))
        + Wire.bytes(2, line) + more
}

private func parsed(_ json: String) throws(JSONError) -> PushedLogs { try LokiPush.decode(json: Array(json.utf8)) }

@Suite struct LokiPushes {
    @Test func `a push is read as its sender's library wrote it`() throws {
        let logs = try LokiPush.decode(protobuf: Fixtures.lokiPush)
        #expect(
            logs.streams == [
                PushedLogs.Stream(
                    labels: ["app": "web", "env": "prod\n\"x\""],
                    entries: [
                        entry(
                            1_700_000_010_123_456_789, "first", [Field("trace_id", "0af7"), Field("user", "é")]),
                        PushedLogs.Entry(time: Instant(nanoseconds: -1), line: [0xff, 0] + bytes("bad")),
                    ]),
                PushedLogs.Stream(labels: ["job": "b"], entries: [entry(0, "")]),
            ])
        #expect(logs.entryCount == 3 && logs.refusals == LogRefusalTally() && logs.refusals.text.isEmpty)
    }

    @Test func `JSON says the same`() throws {
        let logs = try parsed(
            #"""
            {"streams":[{"stream":{"env":"prod\n\"x\"","app":"web","none":""},"unknown":[{}],"values":[
              ["1700000010123456789","first",{"trace_id":"0af7","user":"é"}],["-1","x"]]},
             {"values":[["0","",{}]],"stream":{"job":"b"}},null,{"stream":{"a":"b"},"values":null}],"more":1}
            """#)
        var expected = try LokiPush.decode(protobuf: Fixtures.lokiPush)
        expected.streams[0].entries[1].line = bytes("x")
        #expect(logs == expected)
        #expect(try parsed("{}") == PushedLogs() && parsed(#"{"streams":null}"#) == PushedLogs())
        #expect(try LokiPush.decode(protobuf: []) == PushedLogs())
    }

    @Test(
        arguments: [
            (#"[1,"x"]"#, "a timestamp that is no text; write nanoseconds since 1970 in quotes at byte 43"),
            (#"["1.5","x"]"#, "a timestamp that is no whole number of nanoseconds since 1970 at byte 43"),
            (
                #"["9223372036854775808","x"]"#,
                "a timestamp that is no whole number of nanoseconds since 1970 at byte 43"
            ),
            (#"["","x"]"#, "a timestamp that is no whole number of nanoseconds since 1970 at byte 43"),
            ("[]", "an entry without a timestamp at byte 44"), (#"["1"]"#, "an entry without a line at byte 47"),
            (#"["1",2]"#, "no text where one should be at byte 47"), (#"["1","x",{"a":1}]"#, "no text where one"),
            (#"["1","x","y"]"#, "no object at byte 51"), (#"["1","x",{},{}]"#, "more than a timestamp, a line and"),
            (#"{"ts":"1"}"#, "no array at byte 42"), (#"["1","x"],"#, "no array at byte 52"),
        ])
    func `an entry of another shape refuses the request`(value: String, problem: String) {
        let error = #expect(throws: JSONError.self) {
            try parsed(#"{"streams":[{"stream":{"a":"b"},"values":["# + value + "]}]}")
        }
        #expect(error?.description.hasPrefix(problem) == true, "\(error?.description ?? "")")
    }

    @Test(
        arguments: [
            "", "[]", "{} x", #"{"streams":{}}"#, #"{"streams":[{"stream":"{a=\"b\"}"}]}"#,
            #"{"streams":[{"stream":{"a":1}}]}"#, #"{"streams":[{"stream":{"a":"b"},"values":"x"}]}"#,
        ])
    func `a document of another shape is refused`(json: String) {
        #expect(throws: JSONError.self) { try parsed(json) }
    }

    @Test(arguments: ["0a", "0a02", "0800", "0a020800", "0a021005", "0a0412021005", "0a0412020800", "0a0512031a0108"])
    func `what is no push in protobuf is refused`(digits: String) {
        #expect(throws: ProtobufError.self) { try LokiPush.decode(protobuf: hex(digits)) }
    }

    @Test func `a stream that breaks a rule is refused alone, in both forms`() throws {
        let good = stream(#"{a="b"}"#, entryBytes(bytes("kept")))
        let bad = stream("{a=}", entryBytes(bytes("1")), entryBytes(bytes("2")), Wire.bytes(2, bytes("no time")))
        let logs = try LokiPush.decode(protobuf: bad + good + stream("{}") + stream("{}", entryBytes([])))
        #expect(logs.streams == [PushedLogs.Stream(labels: ["a": "b"], entries: [entry(1_000_000_000, "kept")])])
        #expect(logs.refusals.counts == [.malformedLabels: 3, .noLabels: 1])
        #expect(
            logs.refusals.text == "4 log entries refused: stream {a=}: no quoted label value at byte 3 of the labels; "
                + "stream {}: no label; a stream has at least one; ...")
        let json = try parsed(
            #"{"streams":[{"values":[["1","x"],["2","y"]],"stream":{"a b":"c"}},"#
                + #"{"stream":{"a":"b"},"values":[["1","z"]]}]}"#)
        #expect(json.streams.map(\.labels) == [["a": "b"]] && json.refusals.counts == [.badLabelName: 2])
        #expect(json.refusals.examples.first?.detail.hasPrefix("\"a b\" is no label name") == true)
    }

    @Test(
        arguments: [
            (0, 0, 0), (1, 999_999_999, 1_999_999_999), (-1, 999_999_999, -1), (-1, 0, -1_000_000_000),
            (9_223_372_036, 854_775_807, .max), (-9_223_372_037, 145_224_192, .min),
            (9_223_372_036, 854_775_808, nil), (-9_223_372_037, 145_224_191, nil), (0, 1_000_000_000, nil),
            (0, -1, nil), (.max, 0, nil), (.min, 0, nil), (.min, 999_999_999, nil),
        ] as [(Int64, Int64, Int64?)])
    func `times have two parts and a range`(seconds: Int64, nanos: Int64, expected: Int64?) throws {
        let logs = try LokiPush.decode(
            protobuf: stream("{a=`b`}", entryBytes([], seconds: seconds, nanos: nanos)))
        #expect(logs.streams.first?.entries.first?.time.nanoseconds == expected)
        #expect(logs.refusals.counts == (expected == nil ? [.timeOutOfRange: 1] : [:]))
    }

    @Test func `entries beyond a limit are refused alone and the limits are inclusive`() throws {
        let line = [UInt8](repeating: 0x78, count: Limits.logLineBytes)
        func field(_ name: String, _ value: String) -> [UInt8] {
            Wire.bytes(3, Wire.text(1, name) + Wire.text(2, value))
        }
        let many = (0..<InterchangeLimits.logFieldsPerEntry).flatMap { field("f\($0)", "v") }
        let long = field("f", String(repeating: "v", count: InterchangeLimits.logFieldBytes - 1))
        let push = stream(
            "{a=\"b\"}", entryBytes(line, many), entryBytes([], long), entryBytes(line + [0]),
            entryBytes([], many + field("one", "more")), entryBytes([], long + field("", "x")), Wire.bytes(2, [0x78]))
        let logs = try LokiPush.decode(protobuf: push)
        #expect(logs.streams.first?.entries.map(\.line.count) == [Limits.logLineBytes, 0])
        #expect(logs.streams.first?.entries.map(\.fields.count) == [InterchangeLimits.logFieldsPerEntry, 1])
        #expect(logs.refusals.counts == [.lineTooLong: 1, .tooManyFields: 1, .fieldsTooLong: 1, .noTime: 1])
        #expect(logs.refusals.examples.allSatisfy { $0.stream == "{a=\"b\"}" })
        let text = String(decoding: line, as: UTF8.self)
        let json = try parsed(#"{"streams":[{"stream":{"a":"b"},"values":[["1","\#(text)"],["2","\#(text)x"]]}]}"#)
        #expect(json.entryCount == 1 && json.refusals.counts == [.lineTooLong: 1])
    }

    @Test func `a push that would be too much in memory is refused whole`() throws {
        func problem(_ push: [UInt8]) -> ProtobufError.Problem? {
            #expect(throws: ProtobufError.self) { try LokiPush.decode(protobuf: push) }?.problem
        }
        func problem(json: String) -> String? {
            #expect(throws: JSONError.self) { try parsed(json) }?.problem
        }
        let streams = InterchangeLimits.logStreamsPerRequest
        let empty = [UInt8](repeating: 0, count: 0)
        let manyStreams = (0..<streams).flatMap { _ in Wire.bytes(1, empty) }
        #expect(try LokiPush.decode(protobuf: manyStreams) == PushedLogs())
        #expect(problem(manyStreams + Wire.bytes(1, empty)) == .overLimit("logStreamsPerRequest (\(streams))"))
        let jsonStreams = "{\"streams\":[" + String(repeating: "{},", count: streams) + "{}]}"
        #expect(problem(json: jsonStreams) == "the limit logStreamsPerRequest (\(streams)) is passed")

        let entries = InterchangeLimits.logEntriesPerRequest
        let manyEntries = [UInt8]((0..<entries).flatMap { _ in [0x12, 0x00] as [UInt8] })
        #expect(try LokiPush.decode(protobuf: Wire.bytes(1, manyEntries)).refusals.total == entries)
        #expect(
            problem(Wire.bytes(1, manyEntries) + Wire.bytes(1, [0x12, 0]))
                == .overLimit("logEntriesPerRequest (\(entries))"))
        let jsonEntries =
            "{\"streams\":[{\"stream\":{},\"values\":[" + String(repeating: "[\"1\",\"\"],", count: entries)
            + "[\"1\",\"\"]]}]}"
        #expect(problem(json: jsonEntries) == "the limit logEntriesPerRequest (\(entries)) is passed")

        let fields = InterchangeLimits.logFieldsPerRequest
        let manyFields = [UInt8]((0...fields).flatMap { _ in [0x1a, 0x00] as [UInt8] })
        #expect(
            problem(Wire.bytes(1, Wire.bytes(2, manyFields))) == .overLimit("logFieldsPerRequest (\(fields))"))
        let jsonFields =
            "{\"streams\":[{\"values\":[[\"1\",\"\",{" + String(repeating: "\"\":\"\",", count: fields)
            + "\"\":\"\"}]]}]}"
        #expect(problem(json: jsonFields) == "the limit logFieldsPerRequest (\(fields)) is passed")

        let large = [UInt8](repeating: 0x20, count: InterchangeLimits.logRequestBytes + 1)
        #expect(problem(large) == .overLimit("logRequestBytes (16777216)"))
        #expect(throws: JSONError("the limit logRequestBytes (16777216) is passed", at: 0)) {
            try LokiPush.decode(json: large)
        }
    }

    @Test(
        arguments: [
            ("application/json", .json), ("Application/JSON; charset=utf-8", .json),
            ("application/x-protobuf", .protobuf), (nil, .protobuf), ("text/plain", .protobuf), ("", .protobuf),
        ] as [(String?, LokiPush.Encoding)])
    func `what is no JSON is protobuf`(type: String?, expected: LokiPush.Encoding) {
        #expect(LokiPush.Encoding(contentType: type) == expected)
    }

    @Test func `no bytes make the decoders trap`() {
        var generator = SplitMix(seed: 81)
        let json = bytes(
            #"{"streams":[{"stream":{"a":"b","c":"d"},"values":[["1","x",{"f":"g"}],["2","y\n😀"]]},{"x":[]}]}"#)
        var outcomes = [0, 0, 0, 0]
        for round in 0..<100_000 {
            let isJSON = round % 3 == 0
            let bytes = mutated(isJSON ? json : Fixtures.lokiPush, &generator)
            let logs = isJSON ? try? LokiPush.decode(json: bytes) : try? LokiPush.decode(protobuf: bytes)
            outcomes[(isJSON ? 2 : 0) + (logs == nil ? 0 : 1)] += 1
            #expect((logs?.entryCount ?? 0) + (logs?.refusals.total ?? 0) <= bytes.count / 2)
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}

@Suite struct LokiPushEncoding {
    @Test func `a push is spelled as the format says`() {
        var encoder = LokiPushEncoder()
        encoder.add(
            PushedLogs.Stream(
                labels: ["a": "b"], fields: [Field("k.x", "shared"), Field("own", "hidden"), Field("…", "lost")],
                entries: [entry(-1, "hi", severity: 9, [Field("own", "mine")]), entry(0, "")]))
        func pair(_ name: String, _ value: String) -> [UInt8] {
            Wire.bytes(3, Wire.text(1, name) + Wire.text(2, value))
        }
        let first =
            Wire.bytes(1, Wire.number(1, .max) + Wire.number(2, 999_999_999)) + Wire.text(2, "hi")
            + pair("k_x", "shared") + pair("own", "mine") + pair("severity_number", "9")
        let second = Wire.bytes(1, []) + pair("k_x", "shared") + pair("own", "hidden")
        #expect(encoder.bytes == stream(#"{a="b"}"#, first, second))
    }

    @Test func `what is written is read again, lines repaired`() throws {
        var generator = SplitMix(seed: 82)
        for round in 0..<2_000 {
            let streams = randomStreams(&generator, isUTF8: round % 2 == 0, labels: ["app", "env", "zone"])
            var encoder = LokiPushEncoder()
            for stream in streams { encoder.add(stream) }
            let logs = try LokiPush.decode(protobuf: encoder.bytes)
            let expected = streams.map { stream in
                PushedLogs.Stream(
                    labels: stream.labels,
                    entries: stream.entries.map { entry in
                        PushedLogs.Entry(
                            time: entry.time, line: Array(String(decoding: entry.line, as: UTF8.self).utf8),
                            fields: stream.fields + entry.fields)
                    })
            }
            #expect(logs.streams == expected && logs.refusals.total == 0)
        }
    }
}

@Suite struct LogRefusalTallies {
    @Test func `every refusal is counted and the first are named`() {
        var tally = LogRefusalTally()
        #expect(tally.text.isEmpty)
        tally.add(LogRefusal(.noTime, "none"), entries: 0)
        #expect(tally == LogRefusalTally())
        for index in 0..<(InterchangeLimits.refusalExamples + 3) {
            tally.add(LogRefusal(.noTime, "none", stream: "s\(index)"), entries: 2)
        }
        #expect(tally.total == 2 * (InterchangeLimits.refusalExamples + 3) && tally.counts == [.noTime: tally.total])
        #expect(tally.examples.count == InterchangeLimits.refusalExamples && tally.text.hasSuffix("; ..."))
        var other = LogRefusalTally()
        other.add(LogRefusal(.lineTooLong, "long"))
        other.add(tally)
        #expect(other.total == tally.total + 1 && other.counts[.lineTooLong] == 1)
        #expect(other.examples.count == InterchangeLimits.refusalExamples)
        #expect(other.examples.first?.description == "stream without labels: long")
    }

    @Test func `names of streams are cut at a character`() {
        let refusal = LogRefusal(.noTime, "none", stream: String(repeating: "é", count: 1_000))
        #expect(refusal.stream == String(repeating: "é", count: 126) + "...")
    }

    @Test(
        arguments: [
            ("http_method", "http_method"), ("http.method", "http_method"), ("1st", "key_1st"), ("_x", "_x"),
            ("é", nil), ("", nil), ("a é", "a__"),
        ] as [(String, String?)])
    func `fields have a name in the characters of labels`(name: String, expected: String?) {
        #expect(Field(name, "").labelName == expected)
    }
}
