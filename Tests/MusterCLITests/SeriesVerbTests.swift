import ArgumentParser
import Foundation
import MusterCLI
import MusterModel
import Testing

@Suite struct SeriesVerbTests {
    /// `owners` and `refused` are JSON arrays.
    private static func status(owners: String, refused: String = "[]") -> String {
        """
        {"status":"success","data":{"headStats":{"numSeries":61234,"numLabelPairs":789,"chunkCount":120000,\
        "minTime":1772366100000,"maxTime":1772366400000},\
        "seriesCountByMetricName":[{"name":"http_requests_total","value":50000},{"name":"up","value":3}],\
        "labelValueCountByLabelName":[{"name":"path","value":40000},{"name":"host","value":3}],\
        "memoryInBytesByLabelName":[{"name":"path","value":3145728}],\
        "seriesCountByLabelValuePair":[{"name":"job=web","value":50000}],\
        "seriesByOwner":\(owners),"refusedByMetricName":\(refused)}}
        """
    }

    private static let calm = status(
        owners: #"[{"name":"web-1","value":41000,"budget":50000,"refused":0},"#
            + #"{"name":"web-2","value":234,"budget":50000,"refused":0}]"#)

    private func asked(
        _ answer: String, isJSON: Bool = false, terminal: Terminal = .paper, _ arguments: String...
    ) async throws -> (paper: Paper, targets: [String]) {
        let paper = Paper()
        let http = ScriptedHTTP(.answer(answer))
        let verb = try #require(try SeriesVerb.parseAsRoot(arguments) as? SeriesVerb)
        try await verb.run(try paper.session(http, isJSON: isJSON, terminal: terminal), now: noon)
        return (paper, http.requests.map(\.target))
    }

    @Test func `totals come first, then who has the most of what`() async throws {
        let (paper, targets) = try await asked(Self.calm)
        #expect(targets == ["/api/v1/status/tsdb?limit=10"])
        #expect(
            paper.lines == [
                "61,234 series, 789 pairs of label and value, 120,000 chunks",
                "",
                "SERIES  METRIC",
                "50,000  http_requests_total",
                "     3  up",
                "",
                "VALUES  MEMORY  LABEL",
                "40,000    3MiB  path",
                "     3       -  host",
                "",
                "SERIES  BUDGET   USED  REFUSED  HOST",
                "41,000  50,000  82.0%        0  web-1",
                "   234  50,000   0.5%        0  web-2",
                "",
                "SERIES  PAIR",
                "50,000  job=web",
            ])
    }

    @Test(
        arguments: [
            ("metric", "SERIES  METRIC"), ("label", "VALUES  MEMORY  LABEL"),
            ("host", "SERIES  BUDGET   USED  REFUSED  HOST"), ("pair", "SERIES  PAIR"),
        ])
    func `one table alone can be asked for`(_ subject: String, _ title: String) async throws {
        let (paper, targets) = try await asked(Self.calm, "--by", subject, "--limit", "1")
        #expect(targets == ["/api/v1/status/tsdb?limit=1"])
        #expect(paper.lines.count == 4 && paper.lines[1] == "" && paper.lines[2] == title)
    }

    @Test func `what was refused is said before everything else, the worst first`() async throws {
        let (paper, _) = try await asked(
            Self.status(
                owners: #"[{"name":"web-1","value":50000,"budget":50000,"refused":1234},"#
                    + #"{"name":"calm","value":1000,"budget":50000,"refused":0},"#
                    + #"{"name":"web-2","value":900,"budget":50000,"refused":77777}]"#,
                refused: #"[{"name":"http_requests_total","value":70000},{"name":"rpc\u001b","value":9011}]"#))
        #expect(
            Array(paper.lines.prefix(6)) == [
                "web-2 has 900 of 50,000 series; 77,777 new ones were refused, earlier, "
                    + "by the budget of a metric or for lack of memory.",
                "web-1 has used up its budget of 50,000 series: 1,234 new ones were refused.",
                #"Refused by metric: http_requests_total (70,000), rpc\u{1b} (9,011)"#,
                "Way out: take the label with too many values out of the metric where it is made (path has the most, "
                    + "40,000), or raise metrics.seriesPerHost, metrics.seriesPerMetric or metrics.maxMemory in "
                    + "muster.yaml. What is stored goes on; only new series are refused.",
                "",
                "61,234 series, 789 pairs of label and value, 120,000 chunks",
            ])
        #expect(!paper.lines.prefix(3).contains { $0.hasPrefix("calm") })
    }

    @Test func `refusals are red on a terminal and bounded everywhere`() async throws {
        let owners = (0..<30).map { #"{"name":"h\#($0)","value":9,"budget":9,"refused":\#(100 - $0)}"# }
        let metrics = (0..<30).map { #"{"name":"m\#($0)","value":\#(100 - $0)}"# }
        let status = Self.status(
            owners: "[\(owners.joined(separator: ","))]", refused: "[\(metrics.joined(separator: ","))]")
        let (paper, _) = try await asked(status, terminal: .screen(80, hasColour: true), "--limit", "2")
        #expect(
            paper.lines[0] == "\u{1B}[31mh0 has used up its budget of 9 series: 100 new ones were refused.\u{1B}[0m")
        #expect(paper.lines[2] == "… and 28 more hosts; --limit 30 shows all.")
        #expect(paper.lines[3] == "Refused by metric: m0 (100), m1 (99) and 28 more")
    }

    @Test func `an empty store is no error`() async throws {
        let empty = """
            {"status":"success","data":{"headStats":{"numSeries":0,"numLabelPairs":0,"chunkCount":0,\
            "minTime":9223372036854775807,"maxTime":-9223372036854775808},"seriesCountByMetricName":[],\
            "labelValueCountByLabelName":[],"memoryInBytesByLabelName":[],"seriesCountByLabelValuePair":[],\
            "seriesByOwner":[],"refusedByMetricName":[]}}
            """
        let (paper, _) = try await asked(empty, "--by", "host")
        #expect(
            paper.lines == [
                "0 series, 0 pairs of label and value, 0 chunks", "", "No series, so nothing by host.",
            ])
    }

    @Test func `a budget of none is used up`() async throws {
        let (paper, _) = try await asked(
            Self.status(owners: #"[{"name":"a","value":0,"budget":0,"refused":0}]"#), "--by", "host")
        #expect(paper.lines.last == "     0       0  100%        0  a")
    }

    // MARK: The series of a selector

    @Test func `the series of a selector are listed one a line`() async throws {
        let answer = """
            {"status":"success","data":[{"__name__":"up","host":"a"},{"__name__":"up","host":"b\\u001b"}],\
            "warnings":["w"]}
            """
        let (paper, targets) = try await asked(answer, "--match", "up", "--match", "{a=\"b\"}", "--since", "10m")
        #expect(
            targets == [
                "/api/v1/series?match%5B%5D=up&match%5B%5D=%7Ba%3D%22b%22%7D&start=1772365800.000"
                    + "&end=1772366400.000&limit=100"
            ])
        #expect(paper.lines == [#"up{host="a"}"#, #"up{host="b\u{1b}"}"#])
        #expect(paper.remarks == ["warning: w"])
    }

    @Test func `a full list says that there may be more`() async throws {
        let answer = #"{"status":"success","data":[{"__name__":"a"},{"__name__":"b"}]}"#
        let (full, _) = try await asked(answer, "--match", "a", "--limit", "2")
        #expect(full.lines == ["a", "b"] && full.remarks == ["2 series are shown; --limit 4 shows more, if any."])
        let (none, _) = try await asked(#"{"status":"success","data":[]}"#, "--match", "a", "--since", "5m")
        #expect(none.lines == ["No series matches in the last 5m."])
    }

    // MARK: JSON, errors, what is typed

    @Test(arguments: [[], ["--by", "label"], ["--match", "up"]])
    func `programs get the answer as it came`(_ arguments: [String]) async throws {
        let answer = #"{ "status" : "success","data":{"anything":[1 ]},"warnings":["w"]}"#
        let paper = Paper()
        let verb = try #require(try SeriesVerb.parseAsRoot(arguments) as? SeriesVerb)
        try await verb.run(try paper.session(ScriptedHTTP(.answer(answer)), isJSON: true), now: noon)
        #expect(paper.lines == [answer] && paper.remarks.isEmpty)
    }

    @Test func `a refusal is said in the coordinator's words`() async throws {
        let refusal = #"{"status":"error","errorType":"bad_data","error":"1:3: unexpected }"}"#
        let error = try await #require(throws: CLIError.self) {
            let session = try Paper().session(ScriptedHTTP(.answer(refusal, status: 400)))
            try await typed(SeriesVerb.self, "--match", "a}").run(session, now: noon)
        }
        #expect("\(error)" == "1:3: unexpected }")
    }

    @Test(
        arguments: [
            (["--by", "colour"], "metric, label, host"), (["--by", "host", "--match", "up"], "one of the two"),
            (["--limit", "0"], "20"), (["--since", "0s"], "1h30m"), (["up"], "up"),
        ])
    func `what makes no sense is refused with the way out`(_ arguments: [String], _ words: String) throws {
        let error = try #require(throws: (any Error).self) { try SeriesVerb.parseAsRoot(arguments) }
        #expect(SeriesVerb.fullMessage(for: error).contains(words))
    }
}
