import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterQuery
import MusterStore
import MusterTransport
import Testing

/// Answers to the byte: clients of Prometheus read them with parsers of their own.
struct PrometheusJSONTests {
    private static func answer(_ text: String, at time: QueryTime = .instant(1_500)) async throws -> String {
        let ingest = try Ingest.open(MemoryFileIO(), now: Instant(seconds: 10))
        let samples = [1_000, 2_000].map { Sample(milliseconds: $0, value: Double($0) / 1_000) }
        let labels = Labels(["__name__": "m_total", "job": "a \"quoted\" <job> & \u{2028}\u{1}\n\\", "é": "ü"])
        try await ingest.push([SeriesSamples(labels: labels, samples: samples)], at: Instant(seconds: 10))
        let desk = QueryDesk(source: ingest.metrics, clock: MachineClock())
        do {
            let found = try await desk.answer(.init(text, at: time))
            await desk.close()
            return String(decoding: PrometheusJSON.answer(found, to: text), as: UTF8.self)
        } catch {
            await desk.close()
            throw error
        }
    }

    private static func success(_ type: String, _ result: String) -> String {
        #"{"status":"success","data":{"resultType":"\#(type)","result":\#(result)}}"#
    }

    private static let metric =
        #"{"__name__":"m_total","job":"a \"quoted\" \u003cjob\u003e \u0026 \u2028\u0001\n\\","é":"ü"}"#

    @Test func anInstantOfSeries() async throws {
        let found = try await Self.answer("m_total")
        #expect(found == Self.success("vector", #"[{"metric":\#(Self.metric),"value":[1.500,"1"]}]"#))
    }

    @Test func noSeriesIsAnEmptyList() async throws {
        #expect(try await Self.answer("absent_one") == Self.success("vector", "[]"))
        let range = QueryTime.range(start: 0, end: 1_000, step: 500)
        #expect(try await Self.answer("absent_one", at: range) == Self.success("matrix", "[]"))
    }

    @Test func aRangeOfSeries() async throws {
        let found = try await Self.answer("m_total", at: .range(start: 500, end: 2_500, step: 500))
        let values = #"[[1,"1"],[1.500,"1"],[2,"2"],[2.500,"2"]]"#
        #expect(found == Self.success("matrix", #"[{"metric":\#(Self.metric),"values":\#(values)}]"#))
    }

    @Test func samplesAsTheyAreStored() async throws {
        let found = try await Self.answer("m_total[5s]", at: .instant(2_001))
        #expect(found == Self.success("matrix", #"[{"metric":\#(Self.metric),"values":[[1,"1"],[2,"2"]]}]"#))
    }

    /// Points are written as Go's JSON writes numbers, with an exponent from 1e21 on and below 1e-6.
    @Test(arguments: [
        ("vector(1.5)", "1.5"), ("vector(-0)", "-0"), ("vector(0/0)", "NaN"), ("vector(1/0)", "+Inf"),
        ("vector(-1/0)", "-Inf"), ("vector(1e21)", "1e+21"), ("vector(1e20)", "100000000000000000000"),
        ("vector(0.000001)", "0.000001"), ("vector(0.0000001)", "1e-07"), ("vector(5e-324)", "5e-324"),
        ("vector(0.1+0.2)", "0.30000000000000004"), ("vector(123456789)", "123456789"),
    ])
    func pointsOfAVector(text: String, value: String) async throws {
        let found = try await Self.answer(text)
        #expect(found == Self.success("vector", #"[{"metric":{},"value":[1.500,"\#(value)"]}]"#))
    }

    /// Scalars have no exponent, and their time as few digits as it takes.
    @Test(arguments: [
        ("1.5", "1.5"), ("0/0", "NaN"), ("1/0", "+Inf"), ("1e21", "1000000000000000000000"), ("1e-7", "0.0000001"),
        ("-0", "-0"),
    ])
    func scalars(text: String, value: String) async throws {
        #expect(try await Self.answer(text) == Self.success("scalar", #"[1.5,"\#(value)"]"#))
    }

    @Test func texts() async throws {
        let found = try await Self.answer(#""a\tb\"<\u2029""#, at: .instant(-20))
        #expect(found == Self.success("string", #"[-0.02,"a\tb\"\u003c\u2029"]"#))
    }

    @Test func whatIsOddAboutAQueryIsSaidBehindTheAnswer() async throws {
        let info = try await Self.answer("rate(m_total[5s]) + rate({__name__=~\"m_tot.*\"}[5s])", at: .instant(3_000))
        #expect(!info.contains("infos") && !info.contains("warnings"))
        let warned = try await Self.answer("quantile(2, m_total)")
        let warning = "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"
        #expect(
            warned
                == #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1.500,"+Inf"]}]},"#
                + #""warnings":["\#(warning)"]}"#)
    }

    @Test func errorsHaveATypeAndAText() {
        let cases: [(APIError, String)] = [
            (APIError(400, "bad_request", "no"), #""bad_data","error":"no""#),
            (APIError(404, "not_found", "no"), #""not_found","error":"no""#),
            (APIError(422, "execution", "no", hint: "go \"on\""), #""execution","error":"no (go \"on\")""#),
            (APIError(503, "timeout", "no"), #""timeout","error":"no""#),
            (APIError(503, "overloaded", "no"), #""unavailable","error":"no""#),
            (APIError(499, "canceled", "no"), #""canceled","error":"no""#),
            (APIError(500, "internal", "no"), #""internal","error":"no""#),
        ]
        for (error, text) in cases {
            let written = String(decoding: PrometheusJSON.error(error), as: UTF8.self)
            #expect(written == #"{"status":"error","errorType":\#(text)}"#)
        }
    }
}
