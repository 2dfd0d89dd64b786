import MusterLogQL
import MusterLogs
import MusterModel
import Testing

private struct Case: Sendable, CustomTestStringConvertible {
    var stages: String
    var line: String
    /// Nil when the line is dropped.
    var expected: String?
    var labels: Labels = ["job": "a"]
    var fields = ""
    var level = LogLevel.unknown

    init(
        _ stages: String, _ line: String, _ expected: String?, labels: Labels = ["job": "a"], fields: String = "",
        level: LogLevel = .unknown
    ) {
        (self.stages, self.line, self.expected) = (stages, line, expected)
        (self.labels, self.fields, self.level) = (labels, fields, level)
    }

    var testDescription: String { stages + " <- " + line }
}

/// The answer is written as labels without `job`, a space, and the line when it changed.
private let cases: [Case] = [
    Case(#"|= "err""#, "an error", "{}"),
    Case(#"|= "Err""#, "an error", nil),
    Case(#"|= """#, "", "{}"),
    Case(#"|= "a" or "b""#, "xb", "{}"),
    Case(#"|= "a" or "b""#, "xc", nil),
    Case(#"!= "a""#, "a", nil),
    Case(#"!= "a" or "b""#, "b", nil),
    Case(#"!= "a" or "b""#, "c", "{}"),
    Case(#"|~ "e.x""#, "error", nil),
    Case(#"|~ "er+or""#, "error", "{}"),
    Case(#"|~ "x" or "e$""#, "the", "{}"),
    Case(#"!~ "x" or "e$""#, "the", nil),
    Case(#"|~ `\berror\b`"#, "an error: x", "{}"),
    Case(#"|~ `\berror\b`"#, "errors", nil),
    Case(#"|~ `\berror\b`"#, "éerror", nil),
    Case(#"|~ `(?i)\bERROR\b`"#, "Error", "{}"),
    Case(
        "| json", #"{"a":"x","b":5,"c":true,"d":null,"e":[1],"f":{"g":{"h":"y"}}}"#,
        #"{a="x",b="5",c="true",f_g_h="y"}"#),
    Case("| json", #"{"a b":"x","1c":"y","é":"z"}"#, #"{_="z",_1c="y",a_b="x"}"#),
    Case("| json", #"{"a":"\u00e9\n\ud83d\ude00\u0041"}"#, #"{a="é\n😀\\u0041"}"#),
    Case("| json", #"{"a":1e3,"b":-0.5}"#, #"{a="1e3",b="-0.5"}"#),
    Case("| json", #"{"job":"b"}"#, #"{job_extracted="b"}"#),
    Case("| json", #"{"a":""}"#, "{}"),
    Case(#"| json | __error__="""#, "no json", nil),
    Case(#"| json | drop __error_details__"#, "no json", #"{__error__="JSONParserErr"}"#),
    Case(#"| json | drop __error_details__"#, #"{"a":"#, #"{__error__="JSONParserErr"}"#),
    Case(#"| json | drop __error_details__"#, #"[1]"#, #"{__error__="JSONParserErr"}"#),
    Case(#"| json x="a.b[1].c", y="a""#, #"{"a":{"b":[0,{"c":"z"}]}}"#, #"{x="z",y="{\"b\":[0,{\"c\":\"z\"}]}"}"#),
    Case(#"| json x="[\"a b\"]", y="n""#, #"{"a b":7}"#, #"{x="7"}"#),
    Case(#"| json a"#, #"{"a":1,"b":2}"#, #"{a="1"}"#),
    Case("| logfmt", #"a=1 b="x y" c= d e=f"#, #"{a="1",b="x y",e="f"}"#),
    Case("| logfmt", #"a="q\"q" a=2"#, #"{a="q\"q"}"#),
    Case("| logfmt", #"=x a=1 b="open"#, #"{a="1"}"#),
    Case("| logfmt --strict | drop __error_details__", "a=1 b", #"{__error__="LogfmtParserErr"}"#),
    Case("| logfmt --strict --keep-empty", "a=1 b", #"{a="1"}"#),
    Case(#"| logfmt x="a", c"#, "a=1 b=2 c=3", #"{c="3",x="1"}"#),
    Case(#"| regexp `(?P<m>\w+) (?P<p>/\w*)`"#, "GET /x 5", #"{m="GET",p="/x"}"#),
    Case(#"| regexp `(?P<m>\d+)`"#, "none", "{}"),
    Case(#"| pattern `<ip> - <_> [<t>] <rest>`"#, "::1 - x [now] a b", #"{ip="::1",rest="a b",t="now"}"#),
    Case(#"| pattern `GET <p> <_>`"#, "POST /x y", "{}"),
    Case(#"| pattern `GET <p> HTTP`"#, "GET /x y", #"{p="/x y"}"#),
    Case(#"| pattern `<a>=<b>`"#, "k=v=w", #"{a="k",b="v=w"}"#),
    Case("| unpack", #"{"_entry":"the line","pod":"p","n":1}"#, #"{pod="p"} the line"#),
    Case(#"| json | status >= 500"#, #"{"status":503}"#, #"{status="503"}"#),
    Case(#"| json | status >= 500"#, #"{"status":404}"#, nil),
    Case(#"| json | status >= 500"#, #"{"other":1}"#, nil),
    Case(
        #"| json | status > 1 | drop __error_details__"#, #"{"status":"x"}"#,
        #"{__error__="LabelFilterErr",status="x"}"#),
    Case(#"| logfmt | t > 1s"#, "t=1500ms", #"{t="1500ms"}"#),
    Case(#"| logfmt | t > 2s"#, "t=1500ms", nil),
    Case(#"| logfmt | n >= 2KB and n < 1MiB"#, "n=2kB", #"{n="2kB"}"#),
    Case(#"| logfmt | a="1" or b="2""#, "b=2", #"{b="2"}"#),
    Case(#"| logfmt | a="1" or b="2" and c="3""#, "a=1", #"{a="1"}"#),
    Case(#"| logfmt | (a="1" or b="2") and c="3""#, "a=1", nil),
    Case(#"| job="a""#, "x", "{}"),
    Case(#"| job=~"b|c""#, "x", nil),
    Case(#"| missing="""#, "x", "{}"),
    Case(#"| trace="t1""#, "x", #"{trace="t1"}"#, fields: #"{"trace":"t1"}"#),
    Case(#"| trace="t2""#, "x", nil, fields: #"{"trace":"t1"}"#),
    Case("", "x", #"{job_extracted="f"}"#, fields: #"{"job":"f"}"#),
    Case("", "x", "{}", fields: #"{"broken"#),
    Case("| json", #"{"t":"line"}"#, #"{t="field",t_extracted="line"}"#, fields: #"{"t":"field"}"#),
    Case(#"| level="error""#, "x", #"{level="error"}"#, level: .error),
    Case(#"| json | level="info""#, #"{"level":"info"}"#, #"{level="info"}"#, level: .error),
    Case(#"| level="stream""#, "x", #"{level="stream"}"#, labels: ["job": "a", "level": "stream"], level: .error),
    Case(#"| logfmt | line_format "{{.a}}/{{.b}}!""#, "a=1 b=2", #"{a="1",b="2"} 1/2!"#),
    Case(#"| line_format "{{__line__ | ToUpper}}""#, "abc", "{} ABC"),
    Case(#"| line_format "{{__timestamp__}}""#, "abc", "{} 1970-01-01T00:00:00.000Z"),
    Case(#"| line_format `{{ ToLower .job }}{{ default "none" .x }}`"#, "l", "{} anone"),
    Case(#"| line_format `a {{- trim "  b  " -}} c`"#, "l", "{} abc"),
    Case(#"| line_format `{{ .job | replace "a" "bb" | upper }}`"#, "l", "{} BB"),
    Case(#"| line_format "x" |= "x""#, "y", "{} x"),
    Case(#"| logfmt | label_format b=a, c="{{.b}}2""#, "a=1", #"{b="1",c="12"}"#),
    Case(#"| label_format b=missing"#, "l", "{}"),
    Case("| decolorize", "\u{1b}[31;1mred\u{1b}[0m x", "{} red x"),
    Case("| decolorize", "\u{1b}[31", "{} "),
    Case(#"| logfmt | drop a, b="2""#, "a=1 b=2 c=3", #"{c="3"}"#),
    Case(#"| logfmt | drop b="3""#, "b=2", #"{b="2"}"#),
    Case(#"| logfmt | keep job, a, b=~"3.*""#, "a=1 b=2 c=3", #"{a="1"}"#),
    Case(#"|= "a" | json | x="1" |= "b""#, #"{"x":"1","y":"ab"}"#, #"{x="1",y="ab"}"#),
]

struct PipelineTests {
    @Test func thereAreManyCases() { #expect(cases.count >= 60) }

    @Test(arguments: cases)
    private func linesBecomeWhatTheStagesSay(_ test: Case) throws {
        let pipeline = try compiled(#"{job="a"} "# + test.stages)
        let entry = logEntry(test.line, test.labels, fields: test.fields, level: test.level)
        let result = pipeline.process(entry)
        let written = result.map { result in
            var labels = result.labels
            labels["job"] = nil
            let line = String(decoding: result.line, as: UTF8.self)
            return labels.description + (line == test.line ? "" : " " + line)
        }
        #expect(written == test.expected)
    }

    @Test func otherStreamsAreDropped() throws {
        #expect(try compiled(#"{job="a"}"#).process(logEntry("x", ["job": "b"])) == nil)
    }

    @Test func timesFieldsAndLevelsStay() throws {
        let before = logEntry("x", fields: #"{"a":"b"}"#, level: .warn, at: 77)
        let after = try #require(try compiled(#"{job="a"}"#).process(before))
        #expect(after.timestamp == before.timestamp && after.fields == before.fields && after.level == .warn)
        #expect(after.labels == ["job": "a", "a": "b", "level": "warn"])
    }

    @Test func aLineGivesABoundedNumberOfLabels() throws {
        let line = (0..<5_000).map { "k\($0)=v" }.joined(separator: " ")
        let result = try #require(try compiled(#"{job="a"} | logfmt"#).process(logEntry(line)))
        #expect(result.labels.count <= LogQLLimits.parsedLabels + 1)
        let members = (0..<2_000).map { "\"k\($0)\":1" }.joined(separator: ",")
        let json = try #require(try compiled(#"{job="a"} | json"#).process(logEntry("{\(members)}")))
        #expect(json.labels.count <= LogQLLimits.parsedLabels + 1)
    }

    @Test func deepAndLargeDocumentsAreErrors() throws {
        let pipeline = try compiled(#"{job="a"} | json"#)
        let deep = String(repeating: #"{"a":"#, count: 100_000)
        let many = "{\"a\":[" + String(repeating: "1,", count: 100_000) + "1]}"
        for line in [
            deep, many, "{\"a\":\"\\", "{\"a\":\"\\u12\"}", "{\"a\":1.}", "{\"a\":+1}", "{\"a\" 1}", "{,}", "",
        ] {
            #expect(pipeline.process(logEntry(line))?.labels["__error__"] == "JSONParserErr", "\(line.prefix(40))")
        }
    }

    @Test func templatesAreCut() throws {
        let stages = (0..<12).map { _ in #"| label_format x="{{.x}}{{.x}}{{.x}}{{.x}}""# }.joined(separator: " ")
        let result = try compiled(#"{job="a"} | logfmt "# + stages).process(logEntry("x=abcdefgh"))
        #expect(result?.labels["x"]?.utf8.count == LogQLLimits.templateBytes)
    }

    @Test func linesThatAreNoTextPassThrough() throws {
        var bytes = logEntry("")
        bytes.line = [0xff, 0x00, 0xfe, 0x61]
        for stages in ["", "| logfmt", "| json", "| unpack", "| decolorize", #"|= "a""#, #"| pattern "<x>a""#] {
            #expect(try compiled(#"{job="a"} "# + stages).process(bytes)?.line == bytes.line)
        }
    }

    @Test func longConditionsAreHarmless() throws {
        let condition = [String](repeating: "n > 1", count: 1_900).joined(separator: " and ")
        let text = #"{job="a"} | logfmt | "# + condition
        #expect(try parsed(text).description == text)
        #expect(try compiled(text).process(logEntry("n=2")) != nil)
        #expect(try compiled(text).process(logEntry("n=1")) == nil)
    }

    @Test func changedLinesNeverTrap() throws {
        var generator = SeededGenerator(seed: 11)
        let pipelines = try cases.map { try compiled(#"{job=~".+"} "# + $0.stages) }
        var kept = 0
        for round in 0..<6_000 {
            var bytes = Array(generator.pick(cases).line.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0...bytes.count, using: &generator)
                let byte = generator.pick(Array("\"\\{}[]=:,u \u{1b}é0".utf8) + [0, 0xff, 0xc3])
                if place < bytes.count, Bool.random(using: &generator) {
                    bytes[place] = byte
                } else {
                    bytes.insert(byte, at: place)
                }
            }
            var changed = logEntry("")
            changed.line = bytes
            changed.fields = round % 3 == 0 ? bytes : []
            if pipelines[round % pipelines.count].process(changed) != nil { kept += 1 }
        }
        #expect(kept > 1_000)
    }
}
