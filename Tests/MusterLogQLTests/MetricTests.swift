import MusterLogQL
import MusterLogs
import MusterModel
import Testing

/// Lines of two streams, one each at 10 s, 20 s and so on to 60 s: logfmt with a number `n` that counts, `t` in
/// milliseconds, `s` in bytes, and `k`, which is `x` and `y` in turn.
private let entries: [LogEntry] = (1...6).flatMap { number in
    ["a", "b"].map { app in
        logEntry(
            "n=\(app == "a" ? number : number * 10) t=\(number)00ms s=\(number)KB k=\(number % 2 == 0 ? "y" : "x")",
            ["job": "j", "app": app], at: Int64(number) * 10_000)
    }
}

private func expression(_ text: String) throws -> LogMetricExpression {
    guard case .metric(let expression) = try parsed(text) else { throw NoMetricQuery() }
    return expression
}

private struct NoMetricQuery: Error {}

/// Feeds each range what its question lets through, in an order by chance.
private func feed(_ query: inout LogMetricQuery, _ entries: [LogEntry] = entries, seed: UInt64 = 1) throws {
    var generator = SeededGenerator(seed: seed)
    for (number, range) in query.ranges.enumerated() {
        let question = range.question()
        for entry in entries.shuffled(using: &generator)
        where question.isMatch(entry) && entry.timestamp >= question.from && entry.timestamp <= question.through {
            try query.add(entry, to: number)
        }
    }
}

private func written(_ answer: LogMetricAnswer, times: Bool) -> String {
    func value(_ sample: Sample) -> String {
        let rounded = (sample.value * 1e6).rounded() / 1e6
        return GoFloat.general(rounded) + (times ? "@\(sample.milliseconds / 1_000)" : "")
    }
    switch answer {
    case .scalar(let sample): return value(sample)
    case .vector(let all), .matrix(let all):
        return all.map { "\($0.labels) \($0.samples.map(value).joined(separator: " "))" }.joined(separator: "; ")
    }
}

private func instant(_ text: String, at seconds: Int64 = 60, _ entries: [LogEntry] = entries) throws -> String {
    var query = try LogMetricQuery(expression(text), at: Instant(seconds: seconds), compiler: TestPatterns())
    try feed(&query, entries)
    return written(try query.finish(), times: false)
}

private func series(
    _ text: String, from: Int64 = 0, through: Int64 = 90, step: Int64 = 30
) throws -> String {
    var query = try LogMetricQuery(
        expression(text), from: Instant(seconds: from), through: Instant(seconds: through), step: .seconds(step),
        compiler: TestPatterns())
    try feed(&query)
    return written(try query.finish(), times: true)
}

private let a = #"{app="a"}"#
private let unwrapped = #"{app="a"} | logfmt | keep n | unwrap n"#

/// Instant queries at 60 s.
private let instants: [(String, String)] = [
    ("vector(1)+vector(1)", "{} 2"),
    ("vector(2) * 3", "{} 6"),
    ("1 + 2 * 3 ^ 2", "19"),
    ("2 ^ 3 ^ 2", "512"),
    ("7 % 4 - 1", "2"),
    ("2 ^ 0.5", "1.414214"),
    ("2 > 1", "1"),
    ("1 > bool 2", "0"),
    ("1 / 0", "+Inf"),
    ("vector(1) > 1", ""),
    ("vector(1) > bool 1", "{} 0"),
    ("5 > vector(1)", "{} 1"),
    ("vector(5) unless vector(1)", ""),
    ("vector(5) and vector(1)", "{} 5"),
    ("vector(5) or vector(1)", "{} 5"),
    ("count_over_time(\(a)[1m])", #"{app="a",job="j"} 6"#),
    ("count_over_time(\(a)[59s])", #"{app="a",job="j"} 6"#),
    ("count_over_time(\(a)[50s])", #"{app="a",job="j"} 5"#),
    ("count_over_time(\(a)[10s])", #"{app="a",job="j"} 1"#),
    ("count_over_time(\(a)[1m] offset 30s)", #"{app="a",job="j"} 3"#),
    ("count_over_time(\(a)[1m] offset -30s)", #"{app="a",job="j"} 3"#),
    ("count_over_time(\(a) |= \"k=x\" [1m])", #"{app="a",job="j"} 3"#),
    (#"count_over_time({app="none"}[1m])"#, ""),
    ("rate(\(a)[1m])", #"{app="a",job="j"} 0.1"#),
    ("bytes_over_time(\(a)[10s])", #"{app="a",job="j"} 21"#),
    ("bytes_rate(\(a)[10s])", #"{app="a",job="j"} 2.1"#),
    ("sum_over_time(\(unwrapped)[1m])", "{} 21"),
    ("avg_over_time(\(unwrapped)[1m])", "{} 3.5"),
    ("min_over_time(\(unwrapped)[1m])", "{} 1"),
    ("max_over_time(\(unwrapped)[1m])", "{} 6"),
    ("first_over_time(\(unwrapped)[1m])", "{} 1"),
    ("last_over_time(\(unwrapped)[1m])", "{} 6"),
    ("stdvar_over_time(\(unwrapped)[1m])", "{} 2.916667"),
    ("stddev_over_time(\(unwrapped)[1m])", "{} 1.707825"),
    ("quantile_over_time(0.5, \(unwrapped)[1m])", "{} 3.5"),
    ("quantile_over_time(1, \(unwrapped)[1m])", "{} 6"),
    ("rate(\(unwrapped)[1m])", "{} 0.35"),
    (
        "sum_over_time(\(a) | logfmt | unwrap duration(t) | n > 4 [1m])",
        #"{app="a",job="j",k="x",n="5",s="5KB"} 0.5; {app="a",job="j",k="y",n="6",s="6KB"} 0.6"#
    ),
    ("sum(sum_over_time(\(a) | logfmt | unwrap bytes(s) [1m]))", "{} 21000"),
    ("avg_over_time(\(a) | logfmt | unwrap n [1m]) by (k)", #"{k="x"} 3; {k="y"} 4"#),
    ("max_over_time({job=\"j\"} | logfmt | unwrap n [1m]) without (n, t, s, k, job)", #"{app="a"} 6; {app="b"} 60"#),
    ("absent_over_time(\(a)[1m])", ""),
    (#"absent_over_time({app="none", job=~"j"}[1m])"#, #"{app="none"} 1"#),
    (#"sum(count_over_time({job="j"}[1m]))"#, "{} 12"),
    (#"sum by (app) (count_over_time({job="j"}[1m]))"#, #"{app="a"} 6; {app="b"} 6"#),
    (#"sum by (k) (count_over_time({job="j"} | logfmt [1m]))"#, #"{k="x"} 6; {k="y"} 6"#),
    (
        #"sum without (n, s, t, job) (rate({job="j"} | logfmt [1m]))"#,
        #"{app="a",k="x"} 0.05; {app="a",k="y"} 0.05; {app="b",k="x"} 0.05; {app="b",k="y"} 0.05"#
    ),
    (#"count(count_over_time({job="j"} | logfmt [1m]))"#, "{} 12"),
    (#"avg(count_over_time({job="j"}[1m]))"#, "{} 6"),
    (#"min(sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, "{} 21"),
    (#"max(sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, "{} 210"),
    (#"max(max_over_time({job="j"} | logfmt | unwrap n [1m]))"#, "{} 60"),
    (#"stdvar(sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, "{} 8930.25"),
    (#"stddev(sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, "{} 94.5"),
    (#"topk(1, sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, #"{app="b"} 210"#),
    (#"bottomk(1, sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, #"{app="a"} 21"#),
    (#"sort_desc(sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, #"{app="b"} 210; {app="a"} 21"#),
    (#"sort(sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [1m])))"#, #"{app="a"} 21; {app="b"} 210"#),
    (#"sum(count_over_time({job="j"}[1m])) / 4"#, "{} 3"),
    (
        #"sum by (app) (count_over_time({job="j"}[10s])) / sum by (app) (count_over_time({job="j"}[1m]))"#,
        #"{app="a"} 0.166667; {app="b"} 0.166667"#
    ),
    (#"count_over_time({app="a"}[1m]) / on (job) count_over_time({app="b"}[10s])"#, #"{job="j"} 6"#),
    (#"count_over_time({app="a"}[1m]) - ignoring (app) count_over_time({app="b"}[10s])"#, #"{job="j"} 5"#),
    (#"count_over_time({job="j"}[1m]) unless count_over_time({app="b"}[1m])"#, #"{app="a",job="j"} 6"#),
    (
        #"count_over_time({app="a"}[1m]) or count_over_time({app="b"}[1m])"#,
        #"{app="a",job="j"} 6; {app="b",job="j"} 6"#
    ),
    (#"sum(count_over_time({app="none"}[1m])) or vector(0)"#, "{} 0"),
    (
        #"label_replace(count_over_time({app="a"}[1m]), "x", "$1-${1}$$", "app", "(.)")"#,
        #"{app="a",job="j",x="a-a$"} 6"#
    ),
    (#"label_replace(count_over_time({app="a"}[1m]), "x", "y", "app", "z")"#, #"{app="a",job="j"} 6"#),
    (#"count_over_time({app="a"} | json | __error__="" [1m])"#, ""),
]

/// Range queries from 0 s to 90 s, every 30 s.
private let ranges: [(String, String)] = [
    ("vector(1)", "{} 1@0 1@30 1@60 1@90"),
    ("1 + 1", "{} 2@0 2@30 2@60 2@90"),
    ("count_over_time(\(a)[30s])", #"{app="a",job="j"} 3@30 3@60"#),
    ("count_over_time(\(a)[31s])", #"{app="a",job="j"} 3@30 4@60 1@90"#),
    ("count_over_time(\(a)[1m])", #"{app="a",job="j"} 3@30 6@60 3@90"#),
    ("sum_over_time(\(unwrapped)[1m])", "{} 6@30 21@60 15@90"),
    ("last_over_time(\(unwrapped)[1m])", "{} 3@30 6@60 6@90"),
    ("quantile_over_time(0, \(unwrapped)[1m])", "{} 1@30 1@60 4@90"),
    ("quantile_over_time(0, \(unwrapped)[1m] offset 30s)", "{} 1@60 1@90"),
    ("bytes_over_time(\(a)[30s])", #"{app="a",job="j"} 63@30 63@60"#),
    ("absent_over_time(\(a)[30s])", #"{app="a"} 1@0 1@90"#),
    ("count_over_time(\(a)[1m]) > 3", #"{app="a",job="j"} 6@60"#),
    ("sum(count_over_time(\(a)[30s])) or vector(0)", "{} 0@0 3@30 3@60 0@90"),
    ("vector(7) unless sum(count_over_time(\(a)[30s]))", "{} 7@0 7@90"),
    (#"topk(1, sum by (app) (sum_over_time({job="j"} | logfmt | unwrap n [30s])))"#, #"{app="b"} 60@30 150@60"#),
]

struct MetricTests {
    @Test(arguments: instants)
    func instantQueriesGiveVectors(text: String, expected: String) throws {
        #expect(try instant(text) == expected)
    }

    @Test(arguments: ranges)
    func rangeQueriesGiveSeries(text: String, expected: String) throws {
        #expect(try series(text) == expected)
    }

    @Test func theOrderOfLinesDoesNotMatter() throws {
        let text =
            #"sum by (k) (sum_over_time({job="j"} | logfmt | unwrap n [40s])) + on (k) "#
            + #"max by (k) (last_over_time({job="j"} | logfmt | unwrap n [1m]))"#
        let answers = try (1...5).map { (seed: UInt64) in
            var query = try LogMetricQuery(
                expression(text), from: Instant(seconds: 0), through: Instant(seconds: 90), step: .seconds(10),
                compiler: TestPatterns())
            try feed(&query, seed: seed)
            return try query.finish()
        }
        #expect(Set(answers.map { written($0, times: true) }).count == 1)
        #expect(written(answers[0], times: true).contains(#"{k="x"}"#))
    }

    @Test func rangesSayWhatTheyNeed() throws {
        let query = try LogMetricQuery(
            expression(#"rate({app="a"} |= "x" [1m] offset 10s) / rate({app="b"}[5s])"#), from: Instant(seconds: 100),
            through: Instant(seconds: 200), step: .seconds(10), compiler: TestPatterns())
        #expect(query.ranges.count == 2)
        #expect(query.ranges[0].from == Instant(nanoseconds: 30_000_000_001))
        #expect(query.ranges[0].through == Instant(seconds: 190))
        #expect(query.ranges[1].from == Instant(nanoseconds: 195_000_000_001 - 100_000_000_000))
        let question = query.ranges[0].question(limit: 5)
        #expect(question.filters.count == 1 && question.limit == 5 && question.from == query.ranges[0].from)
        #expect(question.isMatch(["app": "a"] as Labels) && !question.isMatch(["app": "b"] as Labels))
    }

    @Test func windowsAreOpenAtTheirStart() throws {
        func count(_ nanoseconds: Int64) throws -> String {
            var query = try LogMetricQuery(
                expression(#"count_over_time({app="a"}[10s])"#), at: Instant(seconds: 20), compiler: TestPatterns())
            var entry = logEntry("x", ["app": "a"])
            entry.timestamp = Instant(nanoseconds: nanoseconds)
            try query.add(entry, to: 0)
            return written(try query.finish(), times: false)
        }
        #expect(try count(10_000_000_000) == "")
        #expect(try count(10_000_000_001) == #"{app="a"} 1"#)
        #expect(try count(20_000_000_000) == #"{app="a"} 1"#)
        #expect(try count(20_000_000_001) == "")
        #expect(try count(.min) == "" && count(.max) == "")
    }

    @Test func aLineThatCannotBeReadStopsTheQueryUnlessItIsDropped() throws {
        let error = #expect(throws: LogQLError.self) { try instant(#"sum(count_over_time({app="a"} | json [1m]))"#) }
        #expect(error?.kind == .pipeline)
        #expect(error?.message.contains("JSONParserErr") == true)
        #expect(error?.message.contains(#"| __error__="""#) == true)
        let bad = [logEntry("n=x", ["app": "a"], at: 60_000), logEntry("n=4", ["app": "a"], at: 60_000)]
        #expect(throws: LogQLError.self) {
            try instant(#"sum(sum_over_time({app="a"} | logfmt | unwrap n [1m]))"#, bad)
        }
        let dropped = #"sum(sum_over_time({app="a"} | logfmt | unwrap n | __error__="" [1m]))"#
        #expect(try instant(dropped, bad) == "{} 4")
    }

    @Test func linesWithoutTheLabelGiveNoNumber() throws {
        #expect(try instant(#"sum_over_time({app="a"} | logfmt | unwrap missing [1m])"#) == "")
    }

    @Test func seriesAreLimited() throws {
        let many = (0..<20).map { logEntry("id=\($0)", ["app": "a"], at: 60_000) }
        func run(_ text: String, _ limit: Int) throws -> String {
            var query = try LogMetricQuery(
                expression(text), at: Instant(seconds: 60), compiler: TestPatterns(), maxSeries: limit)
            try feed(&query, many)
            return written(try query.finish(), times: false)
        }
        let error = #expect(throws: LogQLError.self) { try run(#"count_over_time({app="a"} | logfmt [1m])"#, 19) }
        #expect(error?.kind == .limit)
        #expect(error?.message.contains("more than 19 series") == true)
        #expect(try run(#"count(count_over_time({app="a"} | logfmt [1m]))"#, 20) == "{} 20")
        // Sums of counts need no series for each label set.
        #expect(try run(#"sum(count_over_time({app="a"} | logfmt [1m]))"#, 1) == "{} 20")
    }

    @Test func stepsRangesAndSamplesAreLimited() throws {
        let text = #"rate({app="a"}[1m])"#
        func make(_ text: String, through: Int64, step: Duration = .seconds(1)) throws -> LogMetricQuery {
            try LogMetricQuery(
                expression(text), from: Instant(seconds: 0), through: Instant(seconds: through), step: step,
                compiler: TestPatterns())
        }
        #expect(throws: Never.self) { try make(text, through: 10_999) }
        for (through, step, kind) in [
            (11_000, Duration.seconds(1), LogQLError.Kind.limit), (10, .zero, .syntax), (10, .seconds(-1), .syntax),
            (-1, .seconds(1), .syntax), (10, .nanoseconds(1), .limit),
        ] {
            let error = #expect(throws: LogQLError.self) { try make(text, through: Int64(through), step: step) }
            #expect(error?.kind == kind)
        }
        let wide = [String](repeating: text, count: LogQLLimits.ranges + 1).joined(separator: " + ")
        #expect(throws: LogQLError.self) { try make(wide, through: 1) }
    }

    @Test func heldSamplesAreLimited() throws {
        var query = try LogMetricQuery(
            expression(#"quantile_over_time(0.5, {app="a"} | unwrap n [1m])"#), at: Instant(seconds: 60),
            compiler: TestPatterns())
        let entry = logEntry("", ["app": "a", "n": "1"], at: 60_000)
        for _ in 0..<LogQLLimits.heldSamples { try query.add(entry, to: 0) }
        let error = #expect(throws: LogQLError.self) { try query.add(entry, to: 0) }
        #expect(error?.kind == .limit)
    }

    @Test func severalSeriesOnOneSideAreAnError() throws {
        for text in [
            #"count_over_time({job="j"}[1m]) / on (job) count_over_time({app="a"}[1m])"#,
            #"count_over_time({app="a"}[1m]) / ignoring (app) count_over_time({job="j"}[1m])"#,
            #"label_replace(count_over_time({job="j"}[1m]), "app", "z", "job", ".*")"#,
        ] {
            let error = #expect(throws: LogQLError.self) { try instant(text) }
            #expect(error?.kind == .matching)
        }
    }

    @Test func longChainsAndUnknownRangesAreHarmless() throws {
        #expect(try instant("vector(1)" + String(repeating: " + 1", count: 900)) == "{} 901")
        var query = try LogMetricQuery(expression("vector(1)"), at: Instant(seconds: 0), compiler: TestPatterns())
        try query.add(logEntry("x"), to: 0)
        try query.add(logEntry("x"), to: -1)
        #expect(query.ranges.isEmpty)
        let one = SeriesSamples(labels: [:], samples: [Sample(milliseconds: 0, value: 1)])
        #expect(try query.finish() == .vector([one]))
    }

    @Test(arguments: [
        (2.0, 10.0, 1_024.0), (2, -1, 0.5), (-2, 3, -8), (9, 0.5, 3), (10, -2.5, 0.0031622776601683794),
        (1.5, 100.5, 4.9793371709318016e17), (-8, 1.0 / 3, .nan), (0, 5, 0), (0, -0.5, .infinity), (5, 0, 1),
        (.nan, 0, 1), (.infinity, -1, 0), (0.5, .infinity, 0), (2, .infinity, .infinity), (2, 2_000, .infinity),
    ])
    func powersAreThoseOfC(base: Double, exponent: Double, expected: Double) throws {
        var query = try LogMetricQuery(
            .binary(MetricOperation(op: .power, left: .number(base), right: .number(exponent))),
            at: Instant(seconds: 0), compiler: TestPatterns())
        try query.add(logEntry("x"), to: 0)
        guard case .scalar(let sample) = try query.finish() else { throw NoMetricQuery() }
        let isClose = sample.value == expected || (sample.value / expected - 1).magnitude < 1e-11
        #expect(isClose || (sample.value.isNaN && expected.isNaN), "\(sample.value)")
    }

    /// Against counting by hand, for windows and steps by chance.
    @Test func countsAreThoseOfTheirWindows() throws {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<200 {
            let times = (0..<30).map { _ in Int64.random(in: -50...250, using: &generator) }
            let range = Int64.random(in: 1...60, using: &generator)
            let step = Int64.random(in: 1...40, using: &generator)
            let offset = Int64.random(in: -20...20, using: &generator)
            let shift = offset == 0 ? "" : " offset \(offset)ms"
            var query = try LogMetricQuery(
                expression("count_over_time({app=\"a\"}[\(range)ms]\(shift))"), from: Instant(milliseconds: 0),
                through: Instant(milliseconds: 200), step: .milliseconds(step), compiler: TestPatterns())
            try feed(&query, times.map { logEntry("x", ["app": "a"], at: $0) })
            var expected: [Sample] = []
            for time in stride(from: Int64(0), through: 200, by: Int(step)) {
                let count = times.count { $0 + offset > time - range && $0 + offset <= time }
                if count > 0 { expected.append(Sample(milliseconds: time, value: Double(count))) }
            }
            let answer = try query.finish()
            #expect(
                answer == .matrix(expected.isEmpty ? [] : [SeriesSamples(labels: ["app": "a"], samples: expected)]))
        }
    }
}
