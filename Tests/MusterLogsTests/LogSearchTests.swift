import MusterLogs
import MusterModel
import Testing

@Suite struct LogSearchTests {
    private func lines(_ times: [Int64], _ text: String = "line") -> [TestLine] {
        times.map { TestLine(text: "\(text) \($0)", timestamp: $0) }
    }

    private func search(_ question: LogQuestion, _ blocks: [LogBlock]) -> [String] {
        var search = LogSearch(question)
        for (number, block) in blocks.enumerated()
        where search.mayHold(first: block.header.first, last: block.header.last) {
            let position = BlockPosition(segment: 1, offset: UInt64(number))
            search.add(LogSearch.search(block, at: position, for: question))
        }
        return search.entries().map(\.text)
    }

    @Test func `blocks are merged by time, in both directions`() throws {
        let blocks = try [block(lines([1, 4, 7])), block(lines([2, 5, 8])), block(lines([3, 6, 9]))]
        let forward = search(LogQuestion(direction: .forward), blocks)
        #expect(forward == (1...9).map { "line \($0)" })
        #expect(search(LogQuestion(direction: .backward), blocks) == Array(forward.reversed()))
    }

    @Test func `the limit keeps the first ones in the question's direction`() throws {
        let blocks = try (0..<20).map { number in try block(lines(Array(Int64(number * 10)..<Int64(number * 10 + 15))))
        }
        let forward = search(LogQuestion(limit: 7, direction: .forward), blocks)
        #expect(forward == ["line 0", "line 1", "line 2", "line 3", "line 4", "line 5", "line 6"])
        let backward = search(LogQuestion(limit: 2), blocks.reversed())
        #expect(backward == ["line 204", "line 203"])
    }

    @Test func `with enough found, later blocks need no reading`() throws {
        var search = LogSearch(LogQuestion(limit: 3, direction: .forward))
        let position = BlockPosition(segment: 1, offset: 0)
        search.add(LogSearch.search(try block(lines([1, 2, 3])), at: position, for: search.question))
        #expect(!search.mayHold(first: Instant(nanoseconds: 4), last: Instant(nanoseconds: 5)))
        #expect(search.mayHold(first: Instant(nanoseconds: 2), last: Instant(nanoseconds: 2)))
        #expect(search.blocksSearched == 1)
        #expect(search.linesSearched == 3)
        #expect(search.bytesSearched == 18)
    }

    @Test func `one time keeps the order of the source`() throws {
        let same = try block((0..<5).map { TestLine(text: "\($0)", timestamp: 9) })
        #expect(search(LogQuestion(direction: .forward), [same]) == ["0", "1", "2", "3", "4"])
        #expect(search(LogQuestion(limit: 2), [same]) == ["4", "3"])
    }

    @Test func `lines are filtered by bytes, time and labels`() throws {
        let web = try block(lines([1, 2, 30], "error"), labels: ["service": "web"])
        let db = try block(lines([1, 2], "error"), labels: ["service": "db"])
        let question = LogQuestion(
            matchers: [LabelMatcher("service", equals: "web")], filters: [.contains(Array("error ".utf8))],
            from: Instant(nanoseconds: 2), through: Instant(nanoseconds: 29), direction: .forward)
        #expect(search(question, [web, db]) == ["error 2"])
    }

    @Test func `a stream chooses lines within a block`() throws {
        let both = try block([
            TestLine(text: "out", timestamp: 1, stream: .stdout),
            TestLine(text: "err", timestamp: 2, flags: .stderr, stream: .stderr),
        ])
        #expect(search(LogQuestion(matchers: [LabelMatcher("stream", equals: "stderr")]), [both]) == ["err"])
        #expect(search(LogQuestion(matchers: [LabelMatcher("stream", equals: "none")]), [both]).isEmpty)
    }

    @Test func `a question knows the words that its blocks must have`() throws {
        let question = LogQuestion(
            filters: [.contains(Array("code=ENOSPC;".utf8)), .excludes(Array(" other ".utf8))],
            words: NeedleWord.words(in: Array(" disk ".utf8)))
        let miss = try block(lines([1], "nothing of the kind"))
        let hit = try block([TestLine(text: "failed code=ENOSPC; disk", timestamp: 1)])
        #expect(!question.neededWords.allSatisfy(miss.header.words.mayContain))
        #expect(question.neededWords.allSatisfy(hit.header.words.mayContain))
        #expect(question.neededWords.count == 3)
    }

    @Test func `lines are filtered by what they lack, by expressions and by level`() throws {
        let lines = [
            TestLine(text: "GET /a 200", timestamp: 1, flags: LineFlags(level: .info)),
            TestLine(text: "GET /b 500", timestamp: 2, flags: LineFlags(level: .error)),
            TestLine(text: "PUT /a 503", timestamp: 3, flags: LineFlags(level: .warn)),
            TestLine(text: "no level", timestamp: 4),
        ]
        let one = try block(lines)
        func found(_ filters: LineFilter...) -> [String] {
            search(LogQuestion(filters: filters, direction: .forward), [one])
        }
        #expect(found(.excludes(Array("GET".utf8))) == ["PUT /a 503", "no level"])
        #expect(found(.matches(EndsWith(text: "00"))) == ["GET /a 200", "GET /b 500"])
        #expect(found(.mismatches(EndsWith(text: "00"))) == ["PUT /a 503", "no level"])
        #expect(found(.level(atLeast: .warn)) == ["GET /b 500", "PUT /a 503"])
        #expect(found(.contains(Array("GET".utf8)), .excludes(Array("/a".utf8))) == ["GET /b 500"])
    }

    @Test func `an entry is asked like a line of a block`() throws {
        let entry = LogEntry(
            timestamp: Instant(nanoseconds: 5), labels: ["a": "b"], line: Array("x y".utf8), level: .warn)
        #expect(LogQuestion(filters: [.contains(Array("x y".utf8)), .level(atLeast: .warn)]).isMatch(entry))
        #expect(!LogQuestion(filters: [.level(atLeast: .error)]).isMatch(entry))
        #expect(!LogQuestion(matchers: [LabelMatcher("a", equals: "c")]).isMatch(entry))
    }

    @Test(arguments: [("needle", true), ("n", true), ("needles", false), ("", true), ("eneedl", true), ("dle", true)])
    func `a needle is found wherever it stands`(needle: String, isFound: Bool) throws {
        let one = try block([TestLine(text: "neneedle", timestamp: 1)])
        #expect(search(LogQuestion(filters: [.contains(Array(needle.utf8))]), [one]).isEmpty != isFound)
    }

    @Test func `limits of a question are kept in range`() {
        #expect(LogQuestion(limit: 0).limit == 1)
        #expect(LogQuestion(limit: .max).limit == LogLimits.searchEntries)
    }

    @Test func `a search equals sorting everything, for any input`() throws {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            var all: [(time: Int64, text: String)] = []
            var blocks: [LogBlock] = []
            for number in 0..<Int.random(in: 1...6, using: &generator) {
                let own = (0..<Int.random(in: 1...20, using: &generator)).map { line in
                    TestLine(text: "\(number).\(line)", timestamp: Int64.random(in: 0..<30, using: &generator))
                }
                all += own.map { ($0.timestamp, $0.text) }
                blocks.append(try block(own))
            }
            // A stable sort, because the order of the standard one is not promised.
            let sorted = all.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }.map(
                \.element.text)
            let limit = Int.random(in: 1...40, using: &generator)
            #expect(search(LogQuestion(limit: limit, direction: .forward), blocks) == Array(sorted.prefix(limit)))
            #expect(search(LogQuestion(limit: limit), blocks) == Array(sorted.reversed().prefix(limit)))
        }
    }
}

@Suite struct LogSelectorTests {
    private func parse(_ text: String) throws -> [String] {
        try LogSelector.parse(text, compiler: PrefixCompiler()).map(\.description)
    }

    @Test(arguments: [
        ("", []), ("{}", []), (#"{a="b"}"#, [#"a="b""#]), (#" { a = "b" , c!="d", } "#, [#"a="b""#, #"c!="d""#]),
        (#"{a=~"b.*",c!~"d.*"}"#, [#"a=~"b.*""#, #"c!~"d.*""#]), (#"{a="q\"\\\n"}"#, [#"a="q\"\\\n""#]),
        ("{a=`raw\\`}", [#"a="raw\\""#]), ("service=web", [#"service="web""#]),
        ("service=web host!=db-1", [#"service="web""#, #"host!="db-1""#]), ("a=b,c=d", [#"a="b""#, #"c="d""#]),
        (#"a="with space" b=x.*"#, [#"a="with space""#, #"b="x.*""#]), ("a=", [#"a="""#]),
    ]) func `selectors are read`(text: String, matchers: [String]) throws {
        #expect(try parse(text) == matchers)
    }

    @Test(arguments: [
        "{", "{a", "{a=b}", #"{a="b""#, #"{a="b"} x"#, #"{a="b" c="d"}"#, "=x", "a", "a!x", "1a=b", #"{a="\q"}"#,
        #"{a="b}"#, "{a=~\"no(pe\"}", "{a=`b}", String(repeating: "a=b ", count: 33),
        String(repeating: "a", count: 9_000),
    ]) func `others say where and what is allowed`(text: String) {
        let error = #expect(throws: LogSelectorError.self) { try parse(text) }
        #expect(error?.description.contains("write {service=") == true)
        #expect((error?.offset ?? -1) >= 0)
    }
}

/// A pattern that stands in for an expression.
struct EndsWith: SearchPattern {
    let text: String
    var groupNames: [String: Int] { [:] }

    func isFound(in bytes: Span<UInt8>) -> Bool { firstMatch(in: bytes, from: 0) != nil }

    func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? {
        let wanted = Array(text.utf8)
        let from = bytes.count - wanted.count
        guard from >= start, wanted.indices.allSatisfy({ bytes[from + $0] == wanted[$0] }) else { return nil }
        return [from..<bytes.count]
    }
}
