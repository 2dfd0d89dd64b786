import Foundation
import MusterCoordinator
import MusterLogs
import MusterModel
import MusterQuery
import Testing

/// What is written by hand is JSON, whatever the hosts say.
struct HandWrittenJSONTests {
    @Test
    func anInstantAnswerHasPrometheusShape() throws {
        let result = QueryResult.vector([
            .init(labels: ["__name__": "up", "job": "a \"b\"\\"], sample: Sample(milliseconds: 1_500, value: 0.1)),
            .init(labels: ["job": "c"], sample: Sample(milliseconds: 2_000, value: .infinity)),
        ])
        #expect(
            String(decoding: QueryJSON.data(result), as: UTF8.self)
                == #"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a \"b\"\\"},"#
                + #""value":[1.500,"0.1"]},{"metric":{"job":"c"},"value":[2,"+Inf"]}]}"#)
        let empty = String(decoding: QueryJSON.data(.vector([])), as: UTF8.self)
        #expect(empty == #"{"resultType":"vector","result":[]}"#)
    }

    @Test
    func aRangeAnswerHasPrometheusShape() throws {
        let result = QueryResult.matrix([
            SeriesSamples(
                labels: ["a": "b"],
                samples: [
                    Sample(milliseconds: 1_000, value: 1), Sample(milliseconds: 1_005, value: .nan),
                    Sample(milliseconds: 1_050, value: -2e300),
                ])
        ])
        let json = try JSON(QueryJSON.data(result))
        #expect(json.keys == ["result", "resultType"])
        #expect(json["resultType"]?.text == "matrix")
        let series = try #require(json["result"]?[0])
        #expect(series.keys == ["metric", "values"])
        #expect(series["values"]?.items.compactMap { $0[0]?.number } == [1, 1.005, 1.05])
        #expect(series["values"]?.items.compactMap { $0[1]?.text } == ["1", "NaN", "-2e+300"])
    }

    @Test(
        arguments: [
            (0, "0"), (999, "0.999"), (-1, "-0.001"), (-500, "-0.500"), (-1_000, "-1"), (-1_500, "-1.500"),
            (1_700_000_000_007, "1700000000.007"),
        ] as [(Int64, String)])
    func timesAreSecondsWithThreeDigits(_ milliseconds: Int64, _ text: String) {
        let data = QueryJSON.data(
            .vector([.init(labels: Labels(), sample: Sample(milliseconds: milliseconds, value: 1))]))
        #expect(String(decoding: data, as: UTF8.self).contains("\"value\":[\(text),\"1\"]"))
    }

    @Test
    func aLogLineWithAnyBytesIsOneLineOfJSON() throws {
        let every = (0...255).map { UInt8($0) }
        let entry = LogEntry(
            timestamp: Instant(nanoseconds: 1_700_000_000_000_000_007),
            labels: ["host": "a\n", "path": "/var/log/\"x\".log", "na\u{1}me": "\u{2028}ü"], line: every)
        let bytes = LogLineJSON.line(entry)
        #expect(!bytes.contains(UInt8(ascii: "\n")))
        let json = try JSON(bytes)
        #expect(json.keys == ["host", "labels", "line", "source", "ts"])
        #expect(json["ts"]?.text == "2023-11-14T22:13:20.000000007Z")
        #expect(json["host"]?.text == "a\n")
        #expect(json["source"]?.text == "/var/log/\"x\".log")
        #expect(json["labels"]?["na\u{1}me"]?.text == "\u{2028}ü")
        #expect(json["line"]?.text == String(decoding: every, as: UTF8.self))
    }

    @Test
    func theSourceIsThePathOrTheContainer() throws {
        func source(_ labels: Labels) throws -> String? {
            try JSON(LogLineJSON.line(LogEntry(timestamp: Instant(seconds: 0), labels: labels, line: [])))["source"]?
                .text
        }
        #expect(try source(["path": "/a", "container": "c"]) == "/a")
        #expect(try source(["container": "c"]) == "c")
        #expect(try source([:]) == "")
    }

    @Test(arguments: [1, 1_000_000_000 - 1, -1, -1_000_000_000] as [Int64])
    func timesOfLinesHaveNineDigitsAlsoBefore1970(_ nanoseconds: Int64) throws {
        let entry = LogEntry(timestamp: Instant(nanoseconds: nanoseconds), labels: Labels(), line: [])
        let text = try #require(try JSON(LogLineJSON.line(entry))["ts"]?.text)
        let fraction = text.split(separator: ".").last ?? ""
        let rest = ((nanoseconds % 1_000_000_000) + 1_000_000_000) % 1_000_000_000
        #expect(fraction.count == 10 && Int64(fraction.dropLast()) == rest)
    }
}
