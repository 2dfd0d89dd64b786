import MusterLogs
import MusterModel
import Testing

@Suite struct LogSearchTests {
    private func lines(_ times: [Int64], _ text: String = "line") -> [TestLine] {
        times.map { TestLine(text: "\(text) \($0)", timestamp: $0) }
    }

    private func search(_ question: LogQuestion, _ blocks: [LogBlock]) -> [String] {
        var search = LogSearch(question)
        for block in blocks where search.mayHold(block.header) { search.blockRead(block) }
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
        search.blockRead(try block(lines([1, 2, 3])))
        #expect(!search.mayHold(try block(lines([4, 5])).header))
        #expect(search.mayHold(try block(lines([2])).header))
        #expect(search.blocksSearched == 1)
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
            matchers: [LabelMatcher("service", equals: "web")], contains: Array("error ".utf8),
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

    @Test func `a word that the filter denies keeps a block closed`() throws {
        var search = LogSearch(LogQuestion(contains: Array("code=ENOSPC;".utf8)))
        #expect(!search.mayHold(try block(lines([1], "nothing of the kind")).header))
        let hit = try block([TestLine(text: "failed code=ENOSPC; disk", timestamp: 1)])
        #expect(search.mayHold(hit.header))
        search.blockRead(hit)
        #expect(search.entries().count == 1)
    }

    @Test(arguments: [("needle", true), ("n", true), ("needles", false), ("", true), ("eneedl", true), ("dle", true)])
    func `a needle is found wherever it stands`(needle: String, isFound: Bool) throws {
        let one = try block([TestLine(text: "neneedle", timestamp: 1)])
        #expect(search(LogQuestion(contains: Array(needle.utf8)), [one]).isEmpty != isFound)
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

@Suite struct LogIndexTests {
    private func header(_ labels: Labels, _ first: Int64, _ last: Int64, streams: LogStreams = []) -> LogBlockHeader {
        LogBlockHeader(
            labels: labels, streams: streams, lineCount: 10, first: Instant(nanoseconds: first),
            last: Instant(nanoseconds: last), rawBytes: 100,
            columnBytes: 100, levels: LevelCounts(), words: .unknown)
    }

    private func position(_ segment: UInt64, _ offset: UInt64) -> BlockPosition {
        BlockPosition(segment: segment, offset: offset)
    }

    @Test func `candidates come in the order of time and by label`() {
        var index = LogIndex()
        _ = index.blockStored(header(["service": "web"], 20, 30), at: position(1, 0))
        _ = index.blockStored(header(["service": "db"], 5, 25), at: position(1, 1))
        _ = index.blockStored(header(["service": "web"], 1, 9), at: position(1, 2))
        let all = index.select([], from: .distantPast, through: .distantFuture)
        #expect(all.map(\.position.offset) == [2, 1, 0])
        let web = index.select(
            [LabelMatcher("service", equals: "web")], from: Instant(nanoseconds: 9), through: Instant(nanoseconds: 20))
        #expect(web.map(\.position.offset) == [2, 0])
        #expect(index.select([], from: Instant(nanoseconds: 31), through: .distantFuture).isEmpty)
        #expect(index.streamCount == 2)
        #expect(index.lineCount == 30)
    }

    @Test func `streams are labels`() {
        var index = LogIndex()
        _ = index.blockStored(header([:], 1, 2, streams: .stderr), at: position(1, 0))
        let stderr = index.select(
            [LabelMatcher("stream", equals: "stderr")], from: .distantPast, through: .distantFuture)
        let stdout = index.select(
            [LabelMatcher("stream", equals: "stdout")], from: .distantPast, through: .distantFuture)
        #expect(stderr.count == 1)
        #expect(stdout.isEmpty)
        #expect(index.labelSets == [["stream": "stderr"]])
    }

    @Test func `segments and blocks can be dropped`() {
        var index = LogIndex()
        for segment in 1...3 as ClosedRange<UInt64> {
            for offset in 0..<4 as Range<UInt64> {
                _ = index.blockStored(header(["a": "\(offset)"], 1, 2), at: position(segment, offset))
            }
        }
        index.segmentDropped(2)
        index.blockDropped(position(1, 3))
        index.blockDropped(position(9, 9))
        #expect(index.blockCount == 7)
        #expect(index.streamCount == 4)
        index.segmentDropped(1)
        index.segmentDropped(3)
        #expect(index.blockCount == 0)
        #expect(index.streamCount == 0)
        #expect(index.lineCount == 0)
    }

    @Test func `a full index gives up its oldest blocks and says which`() {
        var index = LogIndex(capacity: 32)
        var evicted: [BlockPosition] = []
        for offset in 0..<40 as Range<UInt64> {
            evicted += index.blockStored(header(["a": "\(offset % 3)"], 1, 2), at: position(1, offset))
            #expect(index.blockCount <= 32)
        }
        #expect(evicted == (0..<UInt64(evicted.count)).map { position(1, $0) })
        #expect(evicted.count >= 8)
    }
}
