import MusterInterchange
import MusterModel
import Testing

private typealias Tag = StatsDLine.Tag

private func at(_ seconds: Int64) -> Instant { Instant(seconds: seconds) }

/// A table and what its rows are called.
private struct ReadTable {
    var table: StatsDTable
    var rows = ReadRows()

    var seriesCount: Int { table.seriesCount }
    mutating func add(_ line: StatsDLine, now: Instant) throws(StatsDError) { try table.add(line, now: now) }
}

/// `name{labels} value` for each series, by name; `stale` for one that ended.
private func flushed(_ table: inout ReadTable, _ seconds: Int64) -> [String] {
    table.rows.spelled(table.table.flush(now: at(seconds)))
}

private func table(_ lines: String..., options: StatsDTable.Options = .init()) throws -> ReadTable {
    var table = ReadTable(table: StatsDTable(options: options))
    for line in lines { try table.add(StatsDLine(line), now: at(0)) }
    return table
}

@Suite struct StatsDLines {
    @Test(
        arguments: [
            ("a:1|c", [], .counter, [.number(1)], 1), ("a.b-c:2.5|g", [], .gauge, [.number(2.5)], 1),
            ("a:+4|g", [], .gauge, [.change(4)], 1), ("a:-4|g", [], .gauge, [.change(-4)], 1),
            ("a:320|ms|@0.1", [], .timer, [.number(320)], 0.1), ("a:1|h", [], .histogram, [.number(1)], 1),
            ("a:1:2:3|d", [], .histogram, [.number(1), .number(2), .number(3)], 1),
            ("a:user 7|s", [], .set, [.member("user 7")], 1), ("a:b:c|s", [], .set, [.member("b:c")], 1),
            (
                "a:1|c|#env:prod,flag,u:http://x", [Tag("env", "prod"), Tag("flag", "true"), Tag("u", "http://x")],
                .counter, [.number(1)], 1
            ),
            ("a:1|c|@0.5|#x:", [Tag("x", "")], .counter, [.number(1)], 0.5), ("a:1|c|#", [], .counter, [.number(1)], 1),
            ("a,env=prod,dc=b:1|c", [Tag("env", "prod"), Tag("dc", "b")], .counter, [.number(1)], 1),
            (
                "a;env=prod;dc=b:1|c|#x:y", [Tag("env", "prod"), Tag("dc", "b"), Tag("x", "y")], .counter, [.number(1)],
                1
            ),
            ("a:1|c|c:83c0|T1700000000", [], .counter, [.number(1)], 1), ("a:-1|c", [], .counter, [.number(-1)], 1),
        ] as [(String, [StatsDLine.Tag], StatsDLine.Kind, [StatsDLine.Value], Double)])
    func `a line is read`(
        text: String, tags: [StatsDLine.Tag], kind: StatsDLine.Kind, values: [StatsDLine.Value], rate: Double
    ) throws {
        let line = try StatsDLine(text)
        #expect(line.tags == tags && line.kind == kind && line.values == values && line.rate == rate)
        #expect(line.name == (text.hasPrefix("a.b-c") ? "a.b-c" : "a"))
    }

    @Test(
        arguments: [
            ("", .malformed), ("a", .malformed), ("a:1", .malformed), ("a|c", .malformed), (":1|c", .malformed),
            (",x=y:1|c", .malformed), ("a:1|", .unknownType), ("a:1|x", .unknownType), ("a:|c", .badValue),
            ("a:x|c", .badValue), ("a:NaN|g", .badValue), ("a:inf|g", .badValue), ("a:1:|h", .badValue),
            ("a:|s", .badValue),
            ("a:1|c|@0", .badRate), ("a:1|c|@2", .badRate), ("a:1|c|@x", .badRate), ("a:1|c|@NaN", .badRate),
            ("a:1|c|?", .malformed), ("a:1|c|#:x", .malformed), ("_e{5,4}:title|text", .unsupported),
            ("_sc|name|0", .unsupported),
            ("a:1|c|#" + (0...32).map { "t\($0):v" }.joined(separator: ","), .tooManyTags),
        ] as [(String, StatsDError.Reason)])
    func `a bad line is refused`(text: String, reason: StatsDError.Reason) {
        let error = #expect(throws: StatsDError.self) { try StatsDLine(text) }
        #expect(error?.reason == reason)
    }

    @Test func `a datagram has several lines, each with its limits`() throws {
        let lines = StatsDLine.lines(Array("a:1|c\n\nb:2|g\r\nc:3|ms\n".utf8))
        #expect(lines.map { String(decoding: $0, as: UTF8.self) } == ["a:1|c", "b:2|g", "c:3|ms"])
        #expect(try lines.map { try StatsDLine($0).name } == ["a", "b", "c"])
        #expect(throws: StatsDError.self) { try StatsDLine([0xff, 0x3a, 0x31][...]) }
        let long = Array(String(repeating: "a", count: InterchangeLimits.statsDLineBytes - 3).utf8) + Array(":1|c".utf8)
        let error = #expect(throws: StatsDError.self) { try StatsDLine(long[...]) }
        #expect(error?.reason == .tooLong)
        #expect(try StatsDLine(long.dropFirst()).values == [.number(1)])
    }

    @Test func `no bytes make it trap`() {
        var generator = SplitMix(seed: 51)
        let lines = ["a.b:1:2|ms|@0.5|#x:y,z:w", "a;b=c:+4|g", "set,x=y:member|s|c:1", "n:3|c|T9"]
        var outcomes = [0, 0]
        var table = StatsDTable()
        for round in 0..<100_000 {
            let bytes = mutated(Array(lines[round % lines.count].utf8), &generator)
            do throws(StatsDError) {
                try table.add(StatsDLine(bytes[...]), now: at(0))
                outcomes[1] += 1
            } catch {
                outcomes[0] += 1
            }
        }
        #expect(outcomes.allSatisfy { $0 > 5_000 })
        #expect(table.seriesCount <= InterchangeLimits.statsDSeries)
    }
}

@Suite struct StatsDTables {
    @Test func `counters only grow and count what was sampled`() throws {
        var table = try table("a.b:1|c", "a.b:2|c|@0.1", "a.b:1:2|c|#x:y")
        #expect(flushed(&table, 10) == ["a_b 21", "a_b{x=\"y\"} 3"])
        try table.add(StatsDLine("a.b:0.5|c"), now: at(11))
        #expect(flushed(&table, 20) == ["a_b 21.5", "a_b{x=\"y\"} 3"])
        let error = #expect(throws: StatsDError.self) { try table.add(StatsDLine("a.b:-1|c"), now: at(21)) }
        #expect(error?.reason == .badValue)
        #expect(flushed(&table, 30) == ["a_b 21.5", "a_b{x=\"y\"} 3"])
    }

    @Test func `gauges are set and changed`() throws {
        var table = try table("g:10|g", "g:-3|g", "g:+0.5|g", "fresh:-2|g")
        #expect(flushed(&table, 1) == ["fresh -2", "g 7.5"])
    }

    @Test func `sets count different members between two flushes`() throws {
        var table = try table("s:a|s", "s:b|s", "s:a|s")
        #expect(flushed(&table, 1) == ["s 2"])
        #expect(flushed(&table, 2) == ["s 0"])
    }

    @Test func `timers become histograms in seconds, histograms keep their unit`() throws {
        var options = StatsDTable.Options()
        options.buckets = [0.1, 1]
        var table = try table("t:100|ms", "t:250|ms|@0.5", "t:5000|ms", "h:0.5|h|#a:b", options: options)
        #expect(
            flushed(&table, 1) == [
                "h_bucket{a=\"b\",le=\"+Inf\"} 1", "h_bucket{a=\"b\",le=\"0.1\"} 0", "h_bucket{a=\"b\",le=\"1\"} 1",
                "h_count{a=\"b\"} 1", "h_sum{a=\"b\"} 0.5", "t_bucket{le=\"+Inf\"} 4", "t_bucket{le=\"0.1\"} 1",
                "t_bucket{le=\"1\"} 3", "t_count 4", "t_sum 5.6",
            ])
    }

    @Test func `names and tags are spelled in Prometheus's characters`() throws {
        var table = try table("9 web.req-é:1|c|#my.tag:v.1,0x:y,a:b:last,a:b,empty:")
        #expect(flushed(&table, 1) == ["_9_web_req___{_0x=\"y\",a=\"b\",my_tag=\"v.1\"} 1"])
        #expect(throws: StatsDError.self) { try table.add(StatsDLine("a:1|c|#__name__:x"), now: at(1)) }
    }

    @Test func `a name has one type, timers and histograms are the same`() throws {
        var table = try table("a:1|c", "t:1|ms", "t:1|h")
        for line in ["a:1|g", "a:1|ms|#x:y", "t:1|s"] {
            let error = #expect(throws: StatsDError.self) { try table.add(StatsDLine(line), now: at(1)) }
            #expect(error?.reason == .typeConflict)
        }
        try table.add(StatsDLine("a:1|c|#x:y"), now: at(1))
        #expect(table.seriesCount == 3)
    }

    @Test func `series and members of sets are bounded`() throws {
        var options = StatsDTable.Options()
        options.maxSeries = 2
        var table = try table("a:1|c", "b:1|c", options: options)
        let error = #expect(throws: StatsDError.self) { try table.add(StatsDLine("c:1|c"), now: at(1)) }
        #expect(error?.reason == .overLimit && table.seriesCount == 2)
        try table.add(StatsDLine("a:1|c"), now: at(1))

        var sets = ReadTable(table: StatsDTable())
        for member in 0..<InterchangeLimits.statsDSetMembers { try sets.add(StatsDLine("s:\(member)|s"), now: at(1)) }
        #expect(throws: StatsDError.self) { try sets.add(StatsDLine("s:more|s"), now: at(1)) }
        try sets.add(StatsDLine("s:0|s"), now: at(1))
        #expect(flushed(&sets, 2) == ["s 10000"])
    }

    @Test func `an idle series ends once and may come back with another type`() throws {
        var options = StatsDTable.Options()
        options.idle = .seconds(60)
        var table = try table("a:1|c", "t:1|ms", options: options)
        try table.add(StatsDLine("a:1|c"), now: at(30))
        #expect(flushed(&table, 59).count == 15)
        let ended = flushed(&table, 60)
        #expect(ended.filter { $0.hasSuffix("stale") }.count == 14 && ended.contains("a 2"))
        #expect(flushed(&table, 61) == ["a 2"] && table.seriesCount == 1)
        try table.add(StatsDLine("t:1|g"), now: at(62))
        #expect(flushed(&table, 63) == ["a 2", "t 1"])
    }
}
