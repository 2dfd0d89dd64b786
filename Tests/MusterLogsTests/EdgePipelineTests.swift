import MusterLogs
import MusterModel
import Testing

private let start = Instant(seconds: 1_772_357_400)

@Suite struct Filters {
    private func isDropped(_ line: String, _ level: LogLevel = .info, _ rules: [DropRule]) -> Bool {
        let bytes = Array(line.utf8)
        return DropRule.drops(bytes.span, level: level, rules: rules)
    }

    @Test func `the first rule that matches decides`() throws {
        let rules = [
            DropRule(.contains(Array("keep".utf8)), keeps: true), DropRule(.contains(Array("healthz".utf8))),
            DropRule(.matches(try searching("id=([0-9]+)")), levels: LevelSet([.debug])),
            DropRule(.always, levels: LevelSet([.trace])),
        ]
        #expect(!isDropped("GET /healthz keep", .info, rules))
        #expect(isDropped("GET /healthz", .error, rules))
        #expect(
            isDropped("id=7", .debug, rules) && !isDropped("id=7", .info, rules) && !isDropped("id=", .debug, rules))
        #expect(
            isDropped("anything", .trace, rules) && !isDropped("anything", .info, rules) && !isDropped("x", .info, []))
    }

    @Test(arguments: [
        ("", "", true), ("", "a", true), ("a", "", false), ("a", "a", true), ("ab", "aab", true), ("aab", "aaab", true),
        ("b", "aaaaaaaaaaaaaaab", true),
        ("abc", "ab", false), ("é", "café", true), ("needle", "a hay with a needl in it, needle", true),
        ("needle", "needl needl needl needl", false),
    ]) func `literals are found`(literal: String, line: String, expected: Bool) {
        #expect(isDropped(line, .info, [DropRule(.contains(Array(literal.utf8)))]) == expected)
    }

    @Test func `a sample is one of n, the same again, and errors stay`() {
        let sampler = LineSampler(keepOneOf: 10)
        var kept: [Int] = []
        for number in 0..<10_000 {
            let line = Array("request \(number) served".utf8)
            if sampler.keeps(line.span, level: .info) { kept.append(number) }
            #expect(sampler.keeps(line.span, level: .error) && sampler.keeps(line.span, level: .fatal))
        }
        #expect((800...1_200).contains(kept.count))
        for number in kept {
            let line = Array("request \(number) served".utf8)
            #expect(LineSampler(keepOneOf: 10).keeps(line.span, level: .info) == true)
        }
    }

    @Test func `only the levels asked for are sampled, and errors never`() {
        let sampler = LineSampler(keepOneOf: 1_000_000, levels: [.debug, .error])
        let lines = (0..<50).map { Array("line \($0)".utf8) }
        #expect(lines.contains { !sampler.keeps($0.span, level: .debug) })
        #expect(lines.allSatisfy { sampler.keeps($0.span, level: .info) && sampler.keeps($0.span, level: .error) })
        #expect(lines.allSatisfy { LineSampler(keepOneOf: 0).keeps($0.span, level: .info) })
    }

    @Test func `short lines of every length are spread too`() {
        let sampler = LineSampler(keepOneOf: 4)
        for length in 1...20 {
            let kept = (0..<200).count { number in
                var line = [UInt8](repeating: 0x61, count: length)
                line[length - 1] = UInt8(number)
                return sampler.keeps(line.span, level: .info)
            }
            #expect((20...80).contains(kept), "\(length): \(kept)")
        }
    }
}

@Suite struct Rates {
    @Test func `lines pass at their rate after a burst`() {
        var gate = RateGate(linesPerSecond: 10, bytesPerSecond: nil, burst: .seconds(1))
        var passed = (0..<20).count { _ in gate.admits(byteCount: 1, level: .info, now: start) }
        #expect(passed == 10)
        passed = (1...100).count {
            gate.admits(byteCount: 1, level: .warn, now: start + .milliseconds(Int64($0) * 100))
        }
        #expect(passed == 100)
        #expect(gate.dropped[.info] == 10 && gate.dropped[.warn] == 0 && gate.dropped.total == 10)
    }

    @Test func `bytes pass at theirs, and a large line passes a full bucket`() {
        var gate = RateGate(linesPerSecond: nil, bytesPerSecond: 1_000, burst: .seconds(2))
        #expect(gate.admits(byteCount: 50_000, level: .info, now: start) == true)
        #expect(gate.admits(byteCount: 1, level: .info, now: start + .seconds(47)) == false)
        #expect(gate.admits(byteCount: 1_000, level: .info, now: start + .seconds(50)) == true)
        #expect(gate.admits(byteCount: 1_000, level: .info, now: start + .seconds(50)) == true)
        #expect(gate.admits(byteCount: 1, level: .info, now: start + .seconds(50)) == false)
    }

    @Test func `a line that one limit refuses costs the other nothing`() {
        var gate = RateGate(linesPerSecond: 2, bytesPerSecond: 1_000, burst: .seconds(1))
        #expect(gate.admits(byteCount: 900, level: .info, now: start) == true)
        #expect(gate.admits(byteCount: 900, level: .info, now: start) == false)
        #expect(gate.admits(byteCount: 100, level: .info, now: start) == true)
        #expect(gate.admits(byteCount: 0, level: .info, now: start) == false)
    }

    @Test func `time that steps back or is at the end of its range is safe`() {
        var gate = RateGate(linesPerSecond: 1, bytesPerSecond: 1, burst: .seconds(1))
        #expect(gate.admits(byteCount: 1, level: .info, now: start) == true)
        #expect(gate.admits(byteCount: 1, level: .info, now: .distantPast) == false)
        #expect(gate.admits(byteCount: 1, level: .info, now: start) == false)
        #expect(gate.admits(byteCount: .max, level: .info, now: .distantFuture) == true)
        _ = gate.admits(byteCount: .max, level: .info, now: .distantFuture)
        var early = RateGate(linesPerSecond: 0, bytesPerSecond: -5, burst: .seconds(-1))
        #expect(early.admits(byteCount: 1, level: .info, now: .distantPast) == true)
        #expect(early.admits(byteCount: 1, level: .info, now: .distantPast) == false)
        var open = RateGate(linesPerSecond: nil, bytesPerSecond: nil, burst: .zero)
        #expect((0..<100).allSatisfy { _ in open.admits(byteCount: 1_000, level: .info, now: start) })
    }
}

@Suite struct Pipelines {
    private func process(_ pipeline: inout EdgePipeline, _ line: String, _ now: Instant = start) -> EdgeVerdict {
        let bytes = Array(line.utf8)
        return pipeline.process(bytes.span, now: now)
    }

    private func settings(_ change: (inout LogProcessing) -> Void) throws -> EdgeSettings {
        var processing = LogProcessing()
        change(&processing)
        return try EdgeSettings(processing, compiler: LiteralCompiler())
    }

    @Test func `nothing asked for is nothing done but finding the level`() throws {
        #expect(EdgeSettings().isEmpty)
        #expect(try settings { _ in }.isEmpty)
        #expect(LogProcessing().isEmpty)
        var pipeline = EdgePipeline(EdgeSettings())
        #expect(process(&pipeline, "ERROR password=x") == .kept(.error, isRewritten: false))
        var without = EdgeSettings()
        without.findsLevel = false
        var blind = EdgePipeline(without)
        #expect(process(&blind, "ERROR password=x") == .kept(.unknown, isRewritten: false))
        #expect(pipeline.grouper == nil && pipeline.output.isEmpty && pipeline.fields.count == 0)
        #expect(pipeline.counters.linesIn == 1 && pipeline.counters.linesOut == 1 && pipeline.counters.bytesOut == 16)
    }

    @Test func `each part alone is not empty`() throws {
        let position = SourcePosition(file: "f", line: 1, column: 1)
        let changes: [(inout LogProcessing) -> Void] = [
            { $0.multiline = .init(.java) }, { $0.redaction = .init() }, { $0.fields = .json },
            { $0.drops = [.init(.contains("x"))] }, { $0.sample = .init(keepOneOf: 2) }, { $0.rate = .init(lines: 1) },
            { $0.multiline = .init(.start(.init("x", key: "k", position: position)), maxLines: 3) },
        ]
        for change in changes {
            #expect(!(try settings(change).isEmpty))
            var processing = LogProcessing()
            change(&processing)
            #expect(!processing.isEmpty)
        }
    }

    @Test func `secrets go before fields are taken`() throws {
        var pipeline = EdgePipeline(
            try settings {
                $0.redaction = .init()
                $0.fields = .json
                $0.findsLevel = true
            })
        #expect(process(&pipeline, #"{"level":"warn","token":12}"#) == .kept(.warn, isRewritten: true))
        #expect(pipeline.fields.texts == ["level=warn", "token=[redacted:secret]"])
        #expect(String(decoding: pipeline.output, as: UTF8.self) == #"{"level":"warn","token":"[redacted:secret]"}"#)
        #expect(process(&pipeline, #"{"level":"info"}"#) == .kept(.info, isRewritten: false))
        #expect(pipeline.fields.texts == ["level=info"])
        #expect(process(&pipeline, "plain") == .kept(.unknown, isRewritten: false))
        #expect(pipeline.fields.count == 0)
        #expect(pipeline.counters.parseFailures == 1 && pipeline.counters.redactedLines == 1)
        #expect(pipeline.redactor?.count("secret") == 1)
    }

    @Test func `the steps drop in their order and count by level`() throws {
        var pipeline = EdgePipeline(
            try settings {
                $0.drops = [.init(.contains("healthz"), levels: [.info, .debug]), .init(.contains("all"), levels: [])]
                $0.sample = .init(keepOneOf: 1_000_000, levels: [.debug])
                $0.rate = .init(lines: 1, burst: .seconds(1))
            })
        #expect(process(&pipeline, "INFO healthz") == .dropped(.rule, .info))
        #expect(process(&pipeline, "ERROR all") == .dropped(.rule, .error))
        #expect(process(&pipeline, "DEBUG x") == .dropped(.sampled, .debug))
        #expect(process(&pipeline, "WARN healthz") == .kept(.warn, isRewritten: false))
        #expect(process(&pipeline, "ERROR y") == .dropped(.rate, .error))
        #expect(process(&pipeline, "ERROR y", start + .seconds(1)) == .kept(.error, isRewritten: false))
        let counters = pipeline.counters
        #expect(counters.linesIn == 6 && counters.linesOut == 2)
        #expect(counters[.rule][.info] == 1 && counters[.rule][.error] == 1 && counters[.rule].total == 2)
        #expect(counters[.sampled][.debug] == 1 && counters[.rate][.error] == 1 && counters[.rate].total == 1)
        #expect(EdgeDropReason.allCases.map(\.text) == ["rule", "sampled", "rate"])
        #expect(counters != EdgeCounters() && counters == pipeline.counters)
    }

    @Test func `what is dropped sees the line without its secrets`() throws {
        var pipeline = EdgePipeline(
            try settings {
                $0.redaction = .init()
                $0.drops = [.init(.contains("hunter2"))]
            })
        #expect(process(&pipeline, "password=hunter2") == .kept(.unknown, isRewritten: true))
        #expect(process(&pipeline, "hunter2") == .dropped(.rule, .unknown))
    }

    @Test func `omitted fields are counted over all events`() throws {
        var pipeline = EdgePipeline(try settings { $0.fields = .logfmt })
        let line = (0..<66).map { "k\($0)=1" }.joined(separator: " ")
        _ = process(&pipeline, line)
        _ = process(&pipeline, line)
        #expect(pipeline.counters.omittedFields == 4 && pipeline.fields.count == 64)
    }

    @Test func `a reset forgets events and keys`() throws {
        var pipeline = EdgePipeline(
            try settings {
                $0.multiline = .init(.indented, maxLines: 5)
                $0.redaction = .init()
            })
        let line = Array(" x".utf8)
        #expect(pipeline.grouper?.line(line.span) == .begins)
        #expect(pipeline.grouper?.line(line.span) == .continues)
        _ = process(&pipeline, "-----BEGIN PRIVATE" + " KEY-----")
        pipeline.reset()
        #expect(pipeline.grouper?.line(line.span) == .begins)
        #expect(process(&pipeline, String(repeating: "ab12", count: 16)) == .kept(.unknown, isRewritten: false))
    }
}

@Suite struct CompilingSettings {
    private let position = SourcePosition(file: "agent.yaml", line: 7, column: 12)

    private func expression(_ text: String) -> LogProcessing.Expression {
        LogProcessing.Expression(text, key: "logs.files[0].processing.x", position: position)
    }

    private func message(_ change: (inout LogProcessing) -> Void) -> String {
        var processing = LogProcessing()
        change(&processing)
        do throws(ConfigError) {
            _ = try EdgeSettings(processing, compiler: LiteralCompiler())
            return ""
        } catch {
            return error.description
        }
    }

    @Test func `an expression that is not valid names its place`() {
        let bad = expression("a(b")
        let expected =
            "agent.yaml:7:12: 'logs.files[0].processing.x' is \"a(b\", which is not valid: missing ); "
            + "allowed: a regular expression in RE2 syntax"
        #expect(message { $0.multiline = .init(.start(bad)) } == expected)
        #expect(message { $0.redaction = .init(patterns: [.init(name: "a", expression: bad)]) } == expected)
        #expect(message { $0.fields = .pattern(bad) } == expected)
        #expect(message { $0.drops = [.init(.matches(bad))] } == expected)
    }

    @Test func `groups have to be there`() {
        let none = expression("abc")
        let one = expression("abc([0-9]+)")
        #expect(
            message { $0.fields = .pattern(one) }.contains(
                "has no group with a name; allowed: groups such as (?P<status>"))
        #expect(message { $0.fields = .pattern(expression("a(?P<n>[0-9]+)")) } == "")
        #expect(
            message { $0.redaction = .init(patterns: [.init(name: "a", expression: none, group: 1)]) }.contains(
                "has no group 1"))
        #expect(
            message { $0.redaction = .init(patterns: [.init(name: "a", expression: one, group: 2)]) }.contains(
                "has no group 2"))
        #expect(message { $0.redaction = .init(patterns: [.init(name: "a", expression: one, group: 1)]) } == "")
    }

    /// Counted by the settings alone: the last number that is accepted.
    struct AnyCompiler: PatternCompiler {
        struct Nothing: SearchPattern {
            let groupNames: [String: Int] = [:]
            func isFound(in bytes: Span<UInt8>) -> Bool { false }
            func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]? { nil }
        }
        func compile(_ expression: String) throws(PatternError) -> any Pattern { LiteralCompiler.NoPattern() }
        func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern { Nothing() }
    }

    @Test(arguments: [
        ("", 0), ("a", 0), ("(a)", 1), ("(a(b))", 2), ("(?:a)(b)", 1), ("(?i)(a)", 1), (#"\((a)"#, 1), ("[(](a)", 1),
        ("[])(](a)", 1), ("[^](](a)", 1),
        (#"[\](](a)"#, 1), (#"\Q((\E(a)"#, 1), (#"\Q(("#, 0), ("(?P<x>a)(?<y>b)", 2), (#"\"#, 0), ("[(", 0), ("((", 2),
    ]) func `groups are counted`(text: String, count: Int) {
        func isAccepted(_ group: Int) -> Bool {
            var processing = LogProcessing()
            processing.redaction = .init(patterns: [.init(name: "a", expression: expression(text), group: group)])
            return (try? EdgeSettings(processing, compiler: AnyCompiler())) != nil
        }
        #expect(isAccepted(count) && !isAccepted(count + 1))
    }
}
