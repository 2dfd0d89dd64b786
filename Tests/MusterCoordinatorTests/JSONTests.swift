import Foundation
import MusterCoordinator
import MusterLogs
import MusterModel
import MusterQuery
import Testing

/// What is written by hand is JSON, whatever the hosts say.
struct HandWrittenJSONTests {
    @Test
    func aLogLineWithAnyBytesIsOneLineOfJSON() throws {
        let every = (0...255).map { UInt8($0) }
        let entry = LogEntry(
            timestamp: Instant(nanoseconds: 1_700_000_000_000_000_007),
            labels: ["host": "a\n", "path": "/var/log/\"x\".log", "na\u{1}me": "\u{2028}ü"], line: every)
        let bytes = LogLineJSON.line(entry)
        #expect(!bytes.contains(UInt8(ascii: "\n")))
        let json = try JSON(bytes)
        #expect(json.keys == ["host", "labels", "level", "line", "source", "ts"])
        var more = entry
        (more.level, more.fields) = (.error, Array(#"{"a\u0001":"ü\""}"#.utf8))
        let full = try JSON(LogLineJSON.line(more))
        #expect(full["level"]?.text == "error")
        #expect(full["fields"]?["a\u{1}"]?.text == "ü\"")
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
