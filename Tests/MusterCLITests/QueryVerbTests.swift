import ArgumentParser
import Foundation
import MusterCLI
import MusterModel
import Testing

@Suite struct QueryVerbTests {
    private static let vector = """
        {"status":"success","data":{"resultType":"vector","result":[\
        {"metric":{"__name__":"up","host":"a"},"value":[1772366400,"1"]},\
        {"metric":{"__name__":"up","host":"b"},"value":[1772366400,"0.30000000000000004"]}]}}
        """

    private func asked(
        _ http: ScriptedHTTP, isJSON: Bool = false, terminal: Terminal = .paper, _ verb: QueryVerb
    ) async throws -> Paper {
        let paper = Paper()
        try await verb.run(try paper.session(http, isJSON: isJSON, terminal: terminal), now: noon)
        return paper
    }

    // MARK: Instants

    @Test func `a vector is a table of values with all their digits`() async throws {
        let http = ScriptedHTTP(.answer(Self.vector))
        let paper = try await asked(http, try typed(QueryVerb.self, "up > 0"))
        #expect(
            paper.lines == [
                "              VALUE  SERIES", #"                  1  up{host="a"}"#,
                #"0.30000000000000004  up{host="b"}"#,
            ])
        #expect(paper.remarks.isEmpty)
        #expect(http.requests.map(\.target) == ["/api/v1/query?query=up%20%3E%200"])
    }

    @Test func `a time is asked about as seconds`() async throws {
        for text in ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00", "1772366400", "2026-03-01T12:00:00.000Z"] {
            let http = ScriptedHTTP(.answer(Self.vector))
            _ = try await asked(http, try typed(QueryVerb.self, "up", "--end", text))
            #expect(http.requests.map(\.target) == ["/api/v1/query?query=up&time=1772366400.000"])
        }
    }

    @Test(
        arguments: [
            (#"{"resultType":"scalar","result":[1772366400.5,"42.5"]}"#, ["42.5"]),
            (#"{"resultType":"string","result":[1772366400,"a\u001bb"]}"#, [#"a\u{1b}b"#]),
            (#"{"resultType":"vector","result":[]}"#, ["No series matches now."]),
            (#"{"resultType":"matrix","result":[]}"#, ["No series matches in this time."]),
            (
                #"{"resultType":"vector","result":[{"metric":{},"value":[1,"NaN"]}]}"#, ["VALUE  SERIES", "  NaN  {}"]
            ),
            (
                #"{"resultType":"vector","result":[{"metric":{"__name__":"h"},"histogram":[1,{"count":"1"}]}]}"#,
                ["VALUE  SERIES", "    -  h"]
            ),
            (
                #"{"resultType":"matrix","result":[{"metric":{"__name__":"up"},"values":"#
                    + #"[[1772366400,"1"],[1772366401.25,"20"]]}]}"#,
                [
                    "TIME                      VALUE  SERIES", "2026-03-01T12:00:00.000Z      1  up",
                    "2026-03-01T12:00:01.250Z     20  up",
                ]
            ),
        ])
    func `every type of result is shown`(_ data: String, _ lines: [String]) async throws {
        let http = ScriptedHTTP(.answer("{\"status\":\"success\",\"data\":\(data)}"))
        #expect(try await asked(http, try typed(QueryVerb.self, "x")).lines == lines)
    }

    @Test func `rows beyond the limit are counted`() async throws {
        let elements = (0..<60).map { "{\"metric\":{\"n\":\"\($0)\"},\"value\":[0,\"\($0)\"]}" }
        let answer =
            "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
            + elements.joined(separator: ",") + "]}}"
        let some = try await asked(ScriptedHTTP(.answer(answer)), try typed(QueryVerb.self, "x"))
        #expect(some.lines.count == 52 && some.lines.last == "… and 10 more series; --limit 60 shows all.")
        let all = try await asked(ScriptedHTTP(.answer(answer)), try typed(QueryVerb.self, "x", "--limit", "60"))
        #expect(all.lines.count == 61 && all.lines.last == #"   59  {n="59"}"#)
    }

    // MARK: Ranges

    private static let range = """
        {"status":"success","data":{"resultType":"matrix","result":[\
        {"metric":{"__name__":"up"},"values":[[1772366100,"1"],[1772366400,"2"]]}]}}
        """

    @Test(arguments: [(80, "5s"), (200, "2s"), (20, "20s")])
    func `a range without a step has as many points as the terminal has columns`(
        _ width: Int, _ step: String
    ) async throws {
        let http = ScriptedHTTP(.answer(Self.range))
        let paper = try await asked(
            http, terminal: .screen(width), try typed(QueryVerb.self, "up", "--range", "5m"))
        #expect(
            http.requests.map(\.target) == [
                "/api/v1/query_range?query=up&start=1772366100.000&end=1772366400.000&step=\(step)"
            ])
        #expect(paper.lines.first == "up" && paper.lines.count == 4)
        #expect(paper.lines.allSatisfy { $0.count <= width })
    }

    @Test func `step and end are taken as given`() async throws {
        let http = ScriptedHTTP(.answer(Self.range))
        let verb = try typed(QueryVerb.self, "up", "--range", "1h", "--step", "10m", "--end", "1772366400.5")
        let paper = try await asked(http, verb)
        #expect(
            http.requests.map(\.target) == [
                "/api/v1/query_range?query=up&start=1772362800.500&end=1772366400.500&step=10m"
            ])
        #expect(paper.lines[1] == "2026-03-01T11:00:00.500Z to 2026-03-01T12:00:00.500Z, a point each 10m")
    }

    // MARK: Remarks, errors, JSON

    @Test func `warnings and notes are not among the rows`() async throws {
        let answer = """
            {"status":"success","data":{"resultType":"vector","result":[]},\
            "warnings":["one\\nhost is away"],"infos":["x might not be a counter (1:1)"]}
            """
        let paper = try await asked(ScriptedHTTP(.answer(answer)), try typed(QueryVerb.self, "x"))
        #expect(paper.lines == ["No series matches now."])
        #expect(paper.remarks == [#"warning: one\u{a}host is away"#, "note: x might not be a counter (1:1)"])
    }

    @Test(arguments: [[], ["--range", "5m"]])
    func `programs get the answer as it came`(_ more: [String]) async throws {
        let answer = #"{ "status":"success", "data":{"resultType":"vector","result":[]},"warnings":["w"], "new":1e400}"#
        let verb = try #require(try QueryVerb.parseAsRoot(["x"] + more) as? QueryVerb)
        let paper = try await asked(ScriptedHTTP(.answer(answer)), isJSON: true, verb)
        #expect(paper.lines == [answer] && paper.remarks.isEmpty)
    }

    @Test func `an error keeps the excerpt with the mark below the place`() async throws {
        let refusal = """
            {"status":"error","errorType":"bad_data","error":\
            "1:9: unexpected end of the expression\\n  rate(up\\n         ^"}
            """
        let error = try await #require(throws: CLIError.self) {
            _ = try await self.asked(ScriptedHTTP(.answer(refusal, status: 400)), try typed(QueryVerb.self, "rate(up"))
        }
        #expect("\(error)" == "1:9: unexpected end of the expression\n  rate(up\n         ^")
    }

    @Test(
        arguments: [
            (503, "timeout", "longer step"), (503, "canceled", "longer step"), (503, "unavailable", "again"),
            (422, "execution", ""), (400, "bad_data", ""), (500, "internal", ""), (404, "not_found", ""),
        ])
    func `every type of error is said with its way out, to programs too`(
        _ status: Int, _ type: String, _ hint: String
    ) async throws {
        let refusal = "{\"status\":\"error\",\"errorType\":\"\(type)\",\"error\":\"what \\u001b[2J happened\"}"
        for isJSON in [false, true] {
            let paper = Paper()
            let session = try paper.session(ScriptedHTTP(.answer(refusal, status: status)), isJSON: isJSON)
            let error = try await #require(throws: CLIError.self) {
                try await typed(QueryVerb.self, "x", "--range", "1m").run(session, now: noon)
            }
            #expect(error.message == #"what \u{1b}[2J happened"#)
            #expect(hint.isEmpty ? error.hint.isEmpty : error.hint.contains(hint))
            #expect(paper.lines.isEmpty)
        }
    }

    @Test(
        arguments: [
            "", "{}", #"{"status":"success"}"#, #"{"status":"success","data":{}}"#,
            #"{"status":"success","data":{"resultType":"table","result":[]}}"#,
            #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["1",2]}]}}"#,
            #"{"status":"success","data":{"resultType":"scalar","result":[]}}"#,
        ])
    func `an answer of another shape is an error`(_ answer: String) async throws {
        let error = try await #require(throws: CLIError.self) {
            _ = try await self.asked(ScriptedHTTP(.answer(answer)), try typed(QueryVerb.self, "x"))
        }
        #expect(error.message.contains("not what this version expects"))
    }

    // MARK: What is typed

    @Test(
        arguments: [
            (["x", "--step", "5s"], "--range"), (["x", "--shared-scale"], "--range"),
            (["x", "--range", "1d", "--step", "1s"], "86401 points"),
            (["x", "--end", "yesterday"], "2026-03-01T12:00"),
            (["x", "--limit", "0"], "20"), (["x", "--limit", "many"], "20"), (["x", "--end", "1e300"], "no time"),
        ])
    func `what makes no sense is refused with the way out`(_ arguments: [String], _ words: String) throws {
        let error = try #require(throws: (any Error).self) { try QueryVerb.parseAsRoot(arguments) }
        #expect(QueryVerb.fullMessage(for: error).contains(words))
    }

    @Test func `as many points as the API gives can be asked for`() throws {
        _ = try typed(QueryVerb.self, "x", "--range", "10999s", "--step", "1s")
        #expect(throws: (any Error).self) { try typed(QueryVerb.self, "x", "--range", "11000s", "--step", "1s") }
    }
}
