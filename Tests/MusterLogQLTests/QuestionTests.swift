import MusterLogQL
import MusterLogs
import MusterModel
import Testing

private func question(_ text: String, streamLabels: Set<String>? = ["job"]) throws -> LogQuestion {
    try compiled(text).question(
        from: .distantPast, through: .distantFuture, limit: 10, direction: .forward, streamLabels: streamLabels)
}

/// The filter of a block with these lines.
private func wordFilter(of entries: [LogEntry]) throws -> WordFilter {
    var builder = LogBlockBuilder()
    for entry in entries {
        let isAppended = entry.line.withUnsafeBytes { builder.append($0, timestamp: 1, fields: entry.fields) }
        try #require(isAppended)
    }
    let encoded = builder.finish(labels: ["job": "a"], compressor: StoringCompressor())
    let bytes = try #require(encoded)
    return try LogBlock.decode(bytes[...], compressor: StoringCompressor()).header.words
}

/// Stages, and the words that a question asks blocks for; `+` stands before and behind what may go on there.
private let wordCases: [(String, [String])] = [
    (#"|= "timeout""#, ["+timeout+"]),
    (#"|= " timeout ""#, ["timeout"]),
    (#"|= "a" or "bbbb""#, []),
    (#"!= "timeout""#, []),
    (#"|~ `\btimeout\b`"#, ["timeout"]),
    (#"|~ `\btimeout \d+ms\b`"#, ["timeout"]),
    (#"|~ "timeout""#, ["+timeout+"]),
    (#"|~ "^timeout$""#, ["timeout"]),
    (#"|~ "time.*out""#, ["+time+", "+out+"]),
    (#"|~ "timeouts?""#, ["+timeout+"]),
    (#"|~ "timeout+""#, ["+timeout+"]),
    (#"|~ "time(out|d)""#, ["+time+"]),
    (#"|~ "timeout|error""#, []),
    (#"|~ "(?i)timeout""#, ["+timeout+"]),
    (#"|~ `(?i)\bError\b`"#, ["error"]),
    (#"|~ "(?i)socket""#, []),
    (#"|~ "(?s)timeout""#, []),
    (#"|~ `\x74imeout`"#, []),
    (#"|~ `\Qtimeout\E`"#, []),
    (#"|~ "[abc]timeout""#, ["+timeout+"]),
    (#"|~ `time\.out`"#, ["+time", "out+"]),
    (#"|~ `\b-timeout`"#, ["timeout+"]),
    (#"|~ "timeout" or "x""#, []),
    (#"| json | x="abc123""#, ["abc123"]),
    (#"| logfmt | x="abc123" and y="other""#, ["abc123", "other"]),
    (#"| logfmt | x="abc123" or y="other""#, []),
    (#"| trace="abc123""#, ["abc123"]),
    (#"| json | x="abc-123""#, []),
    (#"| json | x!="abc123""#, []),
    (#"| json | job="abc123""#, []),
    (#"| json | level="error""#, []),
    (#"| json | __error__="JSONParserErr""#, []),
    (#"| regexp `(?P<x>\w+)` | x="abc123""#, []),
    (#"| json | label_format x="abc123" | x="abc123""#, []),
    (#"| json | drop y | x="abc123""#, ["abc123"]),
    (#"| line_format "timeout" |= "timeout""#, []),
]

struct QuestionTests {
    @Test(arguments: wordCases)
    func questionsNameTheWordsOfTheirLines(stages: String, expected: [String]) throws {
        let wanted = expected.flatMap { text in
            NeedleWord.words(
                in: Array(text.utf8.filter { $0 != UInt8(ascii: "+") }), startsAtBoundary: !text.hasPrefix("+"),
                endsAtBoundary: !text.hasSuffix("+"))
        }
        #expect(Set(try question(#"{job="a"} "# + stages).neededWords) == Set(wanted))
    }

    @Test func withoutTheStreamsLabelsConditionsGiveNoWords() throws {
        #expect(try question(#"{job="a"} | json | x="abc123""#, streamLabels: nil).neededWords.isEmpty)
    }

    @Test func filtersAreAskedUntilALineChanges() throws {
        #expect(try question(#"{job="a"} |= "a" | json |~ "b" | x=5 != "c""#).filters.count == 3)
        #expect(try question(#"{job="a"} |= "a" | line_format "x" |= "b""#).filters.count == 1)
        #expect(try question(#"{job="a"} | decolorize |= "b""#).filters.isEmpty)
        #expect(try question(#"{job="a"} | unpack |= "b""#).filters.isEmpty)
        #expect(try question(#"{job="a"} | label_format a=b |= "b""#).filters.count == 1)
        #expect(try question(#"{job="a"} |= "a" or """#).filters.isEmpty)
        #expect(try question(#"{job="a"} != "a" or "b""#).filters.count == 2)
    }

    @Test func theQuestionHasTimesLimitAndStreams() throws {
        let asked = try compiled(#"{job="a", b!="c"}"#).question(
            from: Instant(seconds: 1), through: Instant(seconds: 2), limit: 7, direction: .backward)
        #expect(asked.from == Instant(seconds: 1) && asked.through == Instant(seconds: 2))
        #expect(asked.limit == 7 && asked.direction == .backward)
        #expect(asked.isMatch(["job": "a", "b": "d"] as Labels))
        #expect(!asked.isMatch(["job": "a", "b": "c"] as Labels))
    }

    /// Expressions by chance, and lines that are likely to match them.
    @Test func expressionsAskForNoWordThatTheirLinesLack() throws {
        var generator = SeededGenerator(seed: 31)
        let atoms: [(String, [String])] = [
            ("err", ["err", "ERR"]), ("or", ["or"]), ("\\b", ["", " ", "é", "-", "“"]), ("\\b", ["", " "]),
            (".*", ["", "x", " é"]), ("\\d+", ["1", "23456"]), ("[ae]", ["a", "e"]), ("(x|y)?", ["", "x"]),
            ("é", ["é", "É"]), ("é?", ["", "é"]), ("s*", ["", "ss"]), ("r+", ["r", "rr"]), (" ", [" "]), ("-", ["-"]),
            ("^", [""]), ("$", [""]), ("abc12", ["abc12"]), ("_", ["_"]), ("kelvin", ["\u{212a}elvin", "kelvin"]),
            ("|word", ["", "word"]), ("a{0,2}", ["", "aa"]), ("\\.", ["."]), ("\\s", [" "]), ("(?:abc|de)+", ["abcde"]),
        ]
        var (kept, asked) = (0, 0)
        for _ in 0..<4_000 {
            let chosen = (0..<Int.random(in: 2...6, using: &generator)).map { _ in generator.pick(atoms) }
            let expression = generator.pick(["", "", "(?i)"]) + chosen.map(\.0).joined()
            let line =
                generator.pick(["", " ", "é", "x"]) + chosen.map { generator.pick($0.1) }.joined()
                + generator.pick(["", "", " ", "é", "x"])
            guard let pipeline = try? compiled("{job=\"a\"} |~ `\(expression)`") else { continue }
            let entry = logEntry(line)
            guard pipeline.process(entry) != nil else { continue }
            kept += 1
            let words = pipeline.question(
                from: .distantPast, through: .distantFuture, limit: 1, direction: .forward
            ).neededWords
            asked += words.isEmpty ? 0 : 1
            let filter = try wordFilter(of: [entry])
            #expect(words.allSatisfy(filter.mayContain), "\(expression) <- \(line)")
        }
        #expect(kept > 500)
        #expect(asked > 200)
    }

    /// What the pipeline keeps is never excluded: neither by the filters nor by the words of its block.
    @Test func questionsNeverExcludeWhatPipelinesKeep() throws {
        var generator = SeededGenerator(seed: 23)
        let stages = [
            #"|= "abc123""#, #"|= "err" or "time.out""#, #"!= "zzz""#, #"|~ `\berror\b`"#, #"|~ `(?i)\bError\b`"#,
            #"|~ "err(or|ur)?s*""#, #"|~ `\babc\d+`"#, #"|~ "^abc123""#, #"|~ `error$`"#, #"|~ `(?i)err+or: [a-z]`"#,
            #"|~ `x|error`"#, #"|~ `\b-error`"#, "| json", "| logfmt", #"| json y="x""#, "| unpack", "| decolorize",
            #"| x="abc123""#, #"| x="error" or x="abc123""#, #"| x_extracted="abc123""#, #"| level="error""#,
            #"| line_format "{{.x}} error abc123""#, #"| label_format x="abc123""#, #"| regexp `(?P<x>\w+)`"#,
            #"| pattern "<x> <_>""#, "| drop level", #"| __error__="JSONParserErr""#, #"| y="error""#, #"| job="a""#,
        ]
        let words = [
            "error", "Error", "éerror", "errors", "abc123", "xabc123", "abc1234", "“error”", "-error", "time.out",
            "zzz",
            "\\u0061bc123", "error: x", "ERRor", "\u{1b}[1m",
        ]
        let names = ["x", "y", "level", "job", "_entry"]
        let streams: [Labels] = [["job": "a"], ["job": "a", "s": "abc123"]]
        var (kept, skippable) = (0, 0)
        for _ in 0..<6_000 {
            let text =
                #"{job="a"} "#
                + (0..<Int.random(in: 1...4, using: &generator)).map { _ in generator.pick(stages) }
                .joined(separator: " ")
            let pipeline = try compiled(text)
            let asked = pipeline.question(
                from: .distantPast, through: .distantFuture, limit: 1, direction: .forward, streamLabels: ["job", "s"])
            let pairs = (0..<3).map { _ in (generator.pick(names), generator.pick(words)) }
            let line =
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: "{" + pairs.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",") + "}"
                case 1: pairs.map { "\($0)=\($1)" }.joined(separator: " ")
                default: pairs.map(\.1).joined(separator: generator.pick([" ", ",", "", "é"]))
                }
            let fields = Bool.random(using: &generator) ? "" : #"{"x":"\#(generator.pick(["abc123", "error"]))"}"#
            let entry = logEntry(
                line, generator.pick(streams), fields: fields, level: generator.pick([.unknown, .error, .info]))
            let filter = try wordFilter(of: [entry])
            let mayHold = asked.neededWords.allSatisfy(filter.mayContain)
            if !mayHold { skippable += 1 }
            guard pipeline.process(entry) != nil else { continue }
            kept += 1
            #expect(asked.isMatch(entry) && mayHold, "\(text) <- \(line) \(fields)")
        }
        #expect(kept > 300)
        #expect(skippable > 300)
    }
}
