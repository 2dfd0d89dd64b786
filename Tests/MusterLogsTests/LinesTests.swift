import MusterLogs
import MusterModel
import Testing

@Suite struct PlainLinesTests {
    private func parse(_ text: String, end: ParseEnd = .open, skipsNULs: Bool = false) throws -> (
        lines: [LogEntry], parse: LineParse
    ) {
        try parsed(Array(text.utf8)) { bytes, builder in
            PlainLines.parse(bytes, end: end, skipsNULs: skipsNULs, arrival: 42, into: &builder)
        }
    }

    @Test(arguments: [
        ("", [], 0), ("a\n", ["a"], 2), ("a\nb", ["a"], 2), ("\n\n", ["", ""], 2), ("a\r\nb\r\n", ["a", "b"], 6),
        ("a\rb\n", ["a\rb"], 4), ("\r\n", [""], 2), ("12345678\n123456789\n", ["12345678", "123456789"], 19),
    ]) func `lines end at LF`(text: String, lines: [String], consumed: Int) throws {
        let result = try parse(text)
        #expect(result.lines.map(\.text) == lines)
        #expect(result.parse.consumed == consumed)
        #expect(result.lines.allSatisfy { $0.timestamp.nanoseconds == 42 && !$0.isContinued })
    }

    @Test func `a closed end makes a line of the rest`() throws {
        let result = try parse("a\nrest", end: .closed)
        #expect(result.lines.map(\.text) == ["a", "rest"])
        #expect(result.lines.map(\.isContinued) == [false, true])
        #expect(result.parse.consumed == 6)
    }

    @Test func `NULs at the head are skipped and counted`() throws {
        let result = try parse(String(repeating: "\0", count: 21) + "a\n", skipsNULs: true)
        #expect(result.lines.map(\.text) == ["a"])
        #expect(result.parse.skippedNULs == 21)
        #expect(result.parse.consumed == 23)
    }

    @Test(arguments: [0, 1, 2, 3]) func `the longest line is whole and a longer one is split`(more: Int) throws {
        let text = String(repeating: "x", count: Limits.logLineBytes + more)
        let result = try parse(text + "\r\n" + "next\n")
        #expect(result.lines.map(\.text).joined() == text + "next")
        #expect(result.lines.count == (more == 0 ? 2 : 3))
        #expect(result.parse.splitLines == (more == 0 ? 0 : 1))
    }

    @Test func `a full block stops the parse at a line`() throws {
        let text = String(repeating: "0123456789\n", count: 40_000)
        let result = try parse(text)
        #expect(result.parse.isFull)
        #expect(result.parse.consumed == result.lines.count * 11)
    }

    @Test func `any cut of the input gives the same lines`() throws {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<300 {
            let text = (0..<20).map { _ in
                String(repeating: "ab", count: Int.random(in: 0..<9, using: &generator))
                    + (Bool.random(using: &generator) ? "\r\n" : "\n")
            }.joined()
            let cut = Int.random(in: 0...text.utf8.count, using: &generator)
            let first = try parse(String(decoding: text.utf8.prefix(cut), as: UTF8.self))
            let rest = try parse(String(decoding: text.utf8.dropFirst(first.parse.consumed), as: UTF8.self))
            #expect(first.lines.map(\.line) + rest.lines.map(\.line) == (try parse(text).lines.map(\.line)))
        }
    }
}

@Suite struct DockerLinesTests {
    private func record(_ text: String, _ stream: String = "stdout", time: String = "2026-03-01T09:30:00.5Z") -> String
    {
        #"{"log":"\#(text)","stream":"\#(stream)","time":"\#(time)"}"# + "\n"
    }

    private func parse(_ text: String, end: ParseEnd = .open) throws -> (lines: [LogEntry], parse: LineParse) {
        try parsed(Array(text.utf8)) { bytes, builder in
            var lines = DockerLines()
            return lines.parse(bytes, end: end, arrival: 42, into: &builder)
        }
    }

    @Test(arguments: [
        (#"plain\n"#, "plain"), (#"tab\there\n"#, "tab\there"), (#"q \"x\" \\ \/\n"#, #"q "x" \ /"#),
        (#"\u00e9\u4e2d\ud83d\ude00\n"#, "é中😀"), (#"\ud83d alone\n"#, "\u{fffd} alone"), (#"\u0000nul\n"#, "\0nul"),
        (#"\r\n"#, ""), (#"tty\r\n"#, "tty"), (#"\u001b[31mred\u001b[0m\n"#, "\u{1b}[31mred\u{1b}[0m"),
        (#"ends with backslash-n: \\n\n"#, #"ends with backslash-n: \n"#), ("é raw\\n", "é raw"),
    ]) func `escapes are undone`(escaped: String, text: String) throws {
        #expect(try parse(record(escaped)).lines.map(\.text) == [text])
    }

    @Test func `keys may come in any order, others are skipped`() throws {
        let text =
            #"{ "time":"2026-03-01T09:30:00Z", "attrs":{"a":[1,{"b":null}],"c":"}"},"stream":"stderr","log":"x\n" }"#
            + "\n"
        let result = try parse(text)
        #expect(result.lines.map(\.text) == ["x"])
        #expect(result.lines[0].labels["stream"] == "stderr")
        #expect(result.parse.damagedRecords == 0)
    }

    @Test(arguments: [
        "garbage", "{}", #"{"log":"x\n""#, #"{"log":1,"stream":"stdout"}"#, #"{"stream":"stdout","time":"x"}"#, "[1,2]",
        #"{"log":"x\n"} more"#, #"{"log":"x\n",}"#, #"{"a":{{{{,"log":"x\n"}"#,
    ]) func `a damaged record costs itself only`(damaged: String) throws {
        let result = try parse(record(#"before\n"#) + damaged + "\n" + record(#"after\n"#))
        #expect(result.lines.map(\.text) == ["before", "after"])
        #expect(result.parse.damagedRecords == 1)
    }

    @Test func `a record without a usable time gets the time of reading`() throws {
        let result = try parse(record(#"x\n"#, time: "yesterday"))
        #expect(result.lines.map(\.timestamp.nanoseconds) == [42])
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-03-01T09:30:00.123456789Z", 1_772_357_400_123_456_789),
        ("2026-03-01T10:30:00.1+01:00", 1_772_357_400_100_000_000), ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
        ("1969-12-31T23:59:59.5Z", -500_000_000), ("2000-12-31T23:59:60Z", 978_307_200_000_000_000),
    ]) func `times are RFC 3339`(text: String, nanoseconds: Int64) throws {
        #expect(try parse(record(#"x\n"#, time: text)).lines.map(\.timestamp.nanoseconds) == [nanoseconds])
    }

    @Test(arguments: [
        "2026-13-01T00:00:00Z", "2026-03-01", "2026-03-01T00:00:00", "2026-03-01T00:00:00.Z", "9999-01-01T00:00:00Z",
        "2026-03-01T00:00:00+1:00",
    ])
    func `other times are none`(text: String) throws {
        #expect(try parse(record(#"x\n"#, time: text)).lines.map(\.timestamp.nanoseconds) == [42])
    }

    @Test func `partials are merged for each stream`() throws {
        let text =
            record("a1 ") + record("b1 ", "stderr") + record("a2 ") + record(#"b2\n"#, "stderr") + record(#"a3\n"#)
        let result = try parse(text)
        #expect(result.lines.map(\.text) == ["b1 b2", "a1 a2 a3"])
        #expect(result.lines.map { $0.labels["stream"] } == ["stderr", "stdout"])
        #expect(result.parse.consumed == text.utf8.count)
    }

    @Test func `an open end goes back to where nothing was half done`() throws {
        let head = record(#"whole\n"#)
        let result = try parse(head + record("half ") + record(#"other\n"#, "stderr"))
        #expect(result.lines.map(\.text) == ["whole"])
        #expect(result.parse.consumed == head.utf8.count)
    }

    @Test func `a forced and a closed end give out the halves`() throws {
        let text = record("half ") + record("err ", "stderr")
        for end in [ParseEnd.forced, .closed] {
            let result = try parse(text + #"{"log":"to"#, end: end)
            #expect(result.lines.map(\.text) == ["half ", "err "])
            #expect(result.lines.allSatisfy { $0.isContinued })
            #expect(result.parse.splitLines == 2)
        }
        #expect(try parse(text + #"{"log":"to"#, end: .forced).parse.consumed == text.utf8.count)
    }

    @Test func `a logical line of a megabyte is cut into pieces`() throws {
        var text = ""
        for _ in 0..<15 { text += record(String(repeating: "x", count: 16_384)) }
        text += record(#"end\n"#) + record(#"next\n"#)
        let result = try parse(text)
        #expect(result.lines.last?.text == "next")
        #expect(result.lines.dropLast().reduce(0) { $0 + $1.line.count } == 15 * 16_384 + 3)
        #expect(result.lines.allSatisfy { $0.line.count <= Limits.logLineBytes })
    }

    @Test func `two streams that never pause are cut by force, and cut alike when read again`() throws {
        var text = ""
        for _ in 0..<40 {
            text +=
                record(String(repeating: "o", count: 12_000)) + record(String(repeating: "e", count: 12_000), "stderr")
        }
        let first = try parse(text)
        #expect(first.parse.isFull)
        #expect(first.parse.consumed > 0)
        let range = String(decoding: text.utf8.prefix(first.parse.consumed), as: UTF8.self)
        let again = try parse(range, end: .closed)
        #expect(again.lines == first.lines)
    }

    @Test func `a record that no block can hold is damaged`() throws {
        let result = try parse(record(String(repeating: "x", count: Limits.logBlockBytes)) + record(#"ok\n"#))
        #expect(result.lines.map(\.text) == ["ok"])
        #expect(result.parse.damagedRecords == 1)
    }

    @Test func `mutated records never trap`() throws {
        var generator = SeededGenerator(seed: 11)
        let original = Array((record(#"a \u00e9 \"x\"\n"#) + record("half") + record(#"b\n"#, "stderr")).utf8)
        for _ in 0..<5_000 {
            var bytes = original
            for _ in 0..<3 {
                bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            let result = try parsed(bytes) { bytes, builder in
                var lines = DockerLines()
                return lines.parse(bytes, end: .closed, arrival: 0, into: &builder)
            }
            #expect(result.parse.consumed == bytes.count)
        }
    }
}
