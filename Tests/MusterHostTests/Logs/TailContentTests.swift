import Foundation
import MusterHost
import MusterLogs
import MusterModel
import Testing

/// What stands in the files.
@Suite struct TailContentTests {
    private func harness(_ glob: String = "app.log", kind: LogFileKind = .plain) throws -> TailHarness {
        let harness = try TailHarness()
        harness.sources = [LogSource(glob: harness.path(glob), kind: kind)]
        harness.start()
        return harness
    }

    @Test func `an unfinished last line waits and becomes one line`() throws {
        let harness = try harness()
        harness.append("whole\nhalf", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == ["whole"])
        harness.append(" and half\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == ["whole", "half and half"])
    }

    @Test func `an unfinished last line comes after five quiet seconds, marked`() throws {
        let harness = try harness()
        harness.append("prompt> ", to: "app.log")
        harness.pass(.seconds(4))
        #expect(try harness.lines().isEmpty)
        harness.pass(.seconds(2))
        #expect(try harness.link.entries().map(\.isContinued) == [true])
        harness.append("answer\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == ["prompt> ", "answer"])
    }

    @Test func `a restart in the middle of a line completes it once`() throws {
        let harness = try harness()
        harness.append("whole\nhalf", to: "app.log")
        harness.settle()
        harness.restart()
        harness.append(" and half\n", to: "app.log")
        harness.settle()
        #expect(try harness.lines() == ["whole", "half and half"])
    }

    @Test func `the last line of a deleted file arrives without its end`() throws {
        let harness = try harness()
        harness.append("line 0\nline 1", to: "app.log")
        harness.turn()
        harness.remove("app.log")
        harness.pass(.seconds(15))
        #expect(try harness.lines() == numbered(0..<2))
        #expect(harness.counters.openFiles == 0)
    }

    @Test func `line ends, NULs, invalid UTF-8 and marks of byte order arrive as they are`() throws {
        let harness = try harness()
        let bytes: [UInt8] =
            [
                0xef, 0xbb, 0xbf, 0x61, 0x0d, 0x0a, 0x0a, 0x62, 0x0d, 0x63, 0x0a, 0x64, 0x00, 0x65, 0x0a, 0xff, 0xfe,
                0x0a,
            ]
        harness.append(bytes, to: "app.log")
        harness.settle()
        #expect(
            try harness.link.entries().map(\.line) == [
                [0xef, 0xbb, 0xbf, 0x61], [], [0x62, 0x0d, 0x63], [0x64, 0x00, 0x65], [0xff, 0xfe],
            ])
    }

    @Test func `a line of a megabyte becomes pieces, its neighbours stay whole`() throws {
        let harness = try harness()
        let long = String(repeating: "0123456789", count: 100_000)
        harness.append("before\n" + long + "\nafter\n", to: "app.log")
        harness.settle()
        let entries = try harness.link.entries()
        let text = entries.map { String(decoding: $0.line, as: UTF8.self) }
        #expect(text.first == "before")
        #expect(text.last == "after")
        #expect(text.dropFirst().dropLast().joined() == long)
        #expect(entries.allSatisfy { $0.line.count <= Limits.logLineBytes })
        #expect(entries.dropFirst().dropLast(2).allSatisfy { $0.isContinued })
    }

    @Test func `a line without end arrives in pieces`() throws {
        let harness = try harness()
        for _ in 0..<40 {
            harness.append([UInt8](repeating: 0x78, count: 100_000), to: "app.log")
            harness.turn()
        }
        harness.append("\nafter\n", to: "app.log")
        harness.settle()
        let lines = try harness.lines()
        #expect(lines.last == "after")
        #expect(lines.dropLast().reduce(0) { $0 + $1.utf8.count } == 4_000_000)
    }

    @Test func `an empty file, a file of one byte and a short one`() throws {
        let harness = try harness("*.log")
        harness.append("", to: "empty.log")
        harness.append("\n", to: "one.log")
        harness.append("x\n", to: "short.log")
        harness.settle()
        #expect(try harness.lines().sorted() == ["", "x"])
        harness.append("later\n", to: "empty.log")
        harness.settle()
        #expect(try harness.lines(of: "empty.log") == ["later"])
    }

    @Test func `a thousand files with the same content are all read`() throws {
        let harness = try harness("*.log")
        for number in 0..<1_000 { harness.append("the same\n", to: "\(number).log") }
        harness.settle()
        #expect(try harness.lines().count == 1_000)
        #expect(Set(try harness.link.entries().map(\.labels)).count == 1_000)
        #expect(harness.counters.openFiles <= 513)
    }

    @Test func `writes of one byte and one write of sixteen megabytes`() throws {
        let harness = try harness("*.log")
        for byte in Array("written in small parts\nand again\n".utf8) {
            harness.append([byte], to: "small.log")
            harness.turn()
        }
        let count = 1_000_000
        harness.append(numbered(0..<count).joined(separator: "\n") + "\n", to: "large.log")
        harness.settle()
        #expect(try harness.lines(of: "small.log") == ["written in small parts", "and again"])
        #expect(try harness.lines(of: "large.log") == numbered(0..<count))
    }

    @Test func `docker's records give lines, streams and times`() throws {
        let harness = try harness("*-json.log", kind: .dockerJSON)
        harness.append(
            #"{"log":"one\n","stream":"stdout","time":"2026-03-01T09:30:00.000000001Z"}"# + "\n"
                + #"{"log":"two \"q\" \u00e9\n","stream":"stderr","time":"2026-03-01T09:30:00.000000001Z"}"# + "\n",
            to: "c-json.log")
        harness.settle()
        let entries = try harness.link.entries()
        #expect(entries.map { String(decoding: $0.line, as: UTF8.self) } == ["one", "two \"q\" é"])
        #expect(entries.map { $0.labels["stream"] } == ["stdout", "stderr"])
        #expect(entries.map(\.timestamp.nanoseconds) == [1_772_357_400_000_000_001, 1_772_357_400_000_000_001])
    }

    @Test func `docker's partial records wait for their end across a restart`() throws {
        let harness = try harness("*-json.log", kind: .dockerJSON)
        func record(_ text: String, _ stream: String) -> String {
            #"{"log":"\#(text)","stream":"\#(stream)","time":"2026-03-01T09:30:00Z"}"# + "\n"
        }
        harness.append(
            record(#"whole\n"#, "stdout") + record("out1 ", "stdout") + record("err1 ", "stderr"), to: "c-json.log")
        harness.settle()
        #expect(try harness.lines() == ["whole"])
        harness.restart()
        harness.append(
            record("out2 ", "stdout") + record(#"err2\n"#, "stderr") + record(#"out3\n"#, "stdout"), to: "c-json.log")
        harness.settle()
        #expect(try harness.lines() == ["whole", "err1 err2", "out1 out2 out3"])
    }

    @Test func `a partial record whose end never comes arrives after five seconds`() throws {
        let harness = try harness("*-json.log", kind: .dockerJSON)
        harness.append(#"{"log":"cut off","stream":"stdout","time":"2026-03-01T09:30:00Z"}"# + "\n", to: "c-json.log")
        harness.pass(.seconds(7))
        #expect(try harness.link.entries().map(\.isContinued) == [true])
        #expect(try harness.lines() == ["cut off"])
    }

    @Test func `a torn record costs itself only`() throws {
        let harness = try harness("*-json.log", kind: .dockerJSON)
        let good = #"{"log":"good\n","stream":"stdout","time":"2026-03-01T09:30:00Z"}"#
        harness.append("stream\":\"stdout\"}\n" + good + "\n" + #"{"log":"tor"# + good + "\n", to: "c-json.log")
        harness.settle()
        #expect(try harness.lines() == ["good", "good"])
        #expect(harness.counters.damagedRecords == 2)
    }
}
