import MusterConfig
import MusterModel
import MusterYAML
import Testing

private func processing(_ text: String) throws(ConfigError) -> LogProcessing {
    var reader = try ConfigReader(try YAML.parse(text, file: "agent.yaml"))
    guard let inner = try reader.mapping("processing") else { return LogProcessing() }
    return try LogProcessing(inner)
}

private func message(_ text: String) -> String {
    do throws(ConfigError) {
        return "no error but \(try processing(text))"
    } catch {
        return error.description
    }
}

@Suite struct ProcessingFiles {
    private func expression(_ text: String) -> LogProcessing.Expression {
        .init(text, key: "", position: SourcePosition(file: "", line: 0, column: 0))
    }

    @Test(arguments: ["processing:", "processing: {}", "processing: {level: true, drop: []}", "other: 1"])
    func `without keys nothing is done`(text: String) throws {
        #expect(try processing(text).isEmpty)
    }

    @Test func `every key is read`() throws {
        let found = try processing(
            """
            processing:
              multiline: {start: '^\\d{4}-', maxLines: 100}
              redact:
                secrets: [jwt, card, secret]
                patterns:
                  - {name: customer, pattern: 'cust-(\\d+)', group: 1}
                  - {name: plain, pattern: hush}
              fields: {format: pattern, pattern: '(?P<status>\\d+)'}
              level: true
              drop:
                - {contains: /healthz, levels: [info, debug]}
                - {pattern: '^x', action: keep}
                - {levels: [trace], action: drop}
              sample: {keepOneOf: 10, levels: [debug]}
              rate: {lines: 1000, bytes: 1MiB, burst: 10s}
            """)
        var expected = LogProcessing()
        expected.multiline = .init(.start(expression("^\\d{4}-")), maxLines: 100)
        expected.redaction = .init(
            secrets: [.jwt, .card, .keyedValue],
            patterns: [
                .init(name: "customer", expression: expression("cust-(\\d+)"), group: 1),
                .init(name: "plain", expression: expression("hush")),
            ])
        expected.fields = .pattern(expression("(?P<status>\\d+)"))
        expected.findsLevel = true
        expected.drops = [
            .init(.contains("/healthz"), levels: [.info, .debug]), .init(.matches(expression("^x")), keeps: true),
            .init(.always, levels: [.trace]),
        ]
        expected.sample = .init(keepOneOf: 10, levels: [.debug])
        expected.rate = .init(lines: 1_000, bytes: 1 << 20, burst: .seconds(10))
        #expect(found == expected)
    }

    @Test func `defaults are filled in`() throws {
        let found = try processing(
            "processing: {multiline: {kind: go}, redact: {}, sample: {keepOneOf: 2}, rate: {lines: 1}}"
        )
        #expect(found.multiline == .init(.go, maxLines: 500))
        #expect(found.redaction?.secrets == LogProcessing.Secret.allCases && found.redaction?.patterns == [])
        #expect(found.sample?.levels == [.unknown, .trace, .debug, .info, .warn])
        #expect(found.rate == .init(lines: 1, bytes: nil, burst: .seconds(5)))
        let kinds: [(String, LogProcessing.Multiline.Kind)] = [
            ("java", .java), ("python", .python), ("go", .go), ("indented", .indented),
        ]
        for (name, kind) in kinds {
            #expect(try processing("processing: {multiline: {kind: \(name)}}").multiline?.kind == kind)
        }
        #expect(try processing("processing: {fields: {format: logfmt}}").fields == .logfmt)
        #expect(try processing("processing: {rate: {bytes: 1KiB}}").rate == .init(bytes: 1_024))
    }

    @Test func `an expression knows its place`() throws {
        let found = try processing("processing:\n  drop:\n    - contains: a\n    - pattern: 'b('\n")
        guard case .matches(let expression) = found.drops[1].condition else {
            Issue.record("no expression")
            return
        }
        #expect(
            expression.error("is odd", allowed: "x").description
                == "agent.yaml:4:16: 'processing.drop[1].pattern' is odd; allowed: x")
    }

    @Test(arguments: [
        (
            "{color: red}",
            "agent.yaml:1:14: 'processing.color' is unknown; allowed: multiline, redact, fields, level, drop, sample"
        ),
        ("[a]", "'processing' is a list; allowed: a mapping of keys"),
        ("{level: 1}", "'processing.level' is \"1\"; allowed: true or false"),
        ("{multiline: {}}", "'processing.multiline.kind' is missing; allowed: java, python, go, indented; or 'start'"),
        ("{multiline: {kind: perl}}", "'processing.multiline.kind' is \"perl\"; allowed: java, python, go, indented"),
        (
            "{multiline: {kind: java, start: x}}",
            "'processing.multiline.start' stands beside 'kind'; allowed: one of the two"
        ),
        (
            "{multiline: {kind: java, maxLines: 1}}",
            "'processing.multiline.maxLines' is \"1\"; allowed: a whole number from 2 to 10000"
        ),
        (
            "{multiline: {start: ''}}",
            "'processing.multiline.start' is \"\"; allowed: a regular expression of 1 to 4096 bytes"
        ),
        ("{multiline: {start: x, end: y}}", "'processing.multiline.end' is unknown; allowed: kind, start, maxLines"),
        (
            "{redact: {secrets: [jwt, pins]}}",
            "'processing.redact.secrets[1]' is \"pins\"; allowed: aws-key-id, aws-secret-key, github-token"
        ),
        ("{redact: {secrets: []}}", "'processing.redact.secrets' is empty; allowed: some of aws-key-id"),
        ("{redact: {secrets: [jwt, jwt]}}", "'processing.redact.secrets' has jwt twice"),
        ("{redact: {all: true}}", "'processing.redact.all' is unknown; allowed: secrets, patterns"),
        ("{redact: {patterns: [{pattern: x}]}}", "'processing.redact.patterns[0].name' is missing"),
        ("{redact: {patterns: [{name: x}]}}", "'processing.redact.patterns[0].pattern' is missing"),
        (
            "{redact: {patterns: [{name: jwt, pattern: x}]}}",
            "'processing.redact.patterns[0].name' is \"jwt\"; allowed: 1 to 32 letters"
        ),
        ("{redact: {patterns: [{name: 'a]', pattern: x}]}}", "patterns[0].name' is \"a]\""),
        ("{redact: {patterns: [{name: é, pattern: x}]}}", "patterns[0].name' is \"é\""),
        (
            "{redact: {patterns: [{name: a, pattern: x, group: -1}]}}",
            "patterns[0].group' is \"-1\"; allowed: a whole number from 0 to 99"
        ),
        (
            "{redact: {patterns: [{name: a, pattern: x}, {name: a, pattern: y}]}}",
            "'processing.redact.patterns' has the name a twice"
        ),
        (
            "{redact: {patterns: [{name: a, pattern: x, flags: i}]}}",
            "patterns[0].flags' is unknown; allowed: name, pattern, group"
        ),
        ("{fields: {}}", "'processing.fields.format' is missing; allowed: json, logfmt, pattern"),
        ("{fields: {format: xml}}", "'processing.fields.format' is \"xml\""),
        (
            "{fields: {format: pattern}}",
            "'processing.fields.pattern' is missing; allowed: a regular expression with named groups"
        ),
        ("{fields: {format: json, pattern: x}}", "'processing.fields.pattern' stands beside another format"),
        ("{fields: {format: json, keys: [a]}}", "'processing.fields.keys' is unknown; allowed: format, pattern"),
        ("{drop: {contains: x}}", "'processing.drop' is a mapping; allowed: a list"),
        ("{drop: [{}]}", "'processing.drop[0].contains' is missing; allowed: 'contains', 'pattern' or 'levels'"),
        ("{drop: [{contains: a, pattern: b}]}", "'processing.drop[0].pattern' stands beside 'contains'"),
        ("{drop: [{contains: ''}]}", "'processing.drop[0].contains' is \"\""),
        (
            "{drop: [{levels: [loud]}]}",
            "'processing.drop[0].levels[0]' is \"loud\"; allowed: unknown, trace, debug, info, warn, error, fatal"
        ),
        ("{drop: [{contains: a, action: hide}]}", "'processing.drop[0].action' is \"hide\"; allowed: drop, keep"),
        (
            "{drop: [{contains: a, level: info}]}",
            "'processing.drop[0].level' is unknown; allowed: contains, pattern, levels, action"
        ),
        ("{sample: {}}", "'processing.sample.keepOneOf' is missing; allowed: a whole number from 2 to 1000000"),
        ("{sample: {keepOneOf: 1}}", "'processing.sample.keepOneOf' is \"1\""),
        (
            "{sample: {keepOneOf: 2, levels: [error]}}",
            "'processing.sample.levels[0]' is \"error\"; allowed: unknown, trace, debug, info, warn"
        ),
        ("{rate: {}}", "'processing.rate.lines' is missing; allowed: 'lines' or 'bytes'"),
        ("{rate: {lines: 0}}", "'processing.rate.lines' is \"0\"; allowed: a whole number from 1"),
        ("{rate: {bytes: 1}}", "'processing.rate.bytes' is \"1\"; allowed: a size such as 64MiB, from 1024"),
        ("{rate: {lines: 1, burst: 1h}}", "'processing.rate.burst' is \"1h\"; allowed: a duration"),
        ("{rate: {lines: 1, per: 1m}}", "'processing.rate.per' is unknown; allowed: lines, bytes, burst"),
    ]) func `a wrong value names file, line, key and what is allowed`(text: String, expected: String) {
        let found = message("processing: " + text)
        #expect(found.hasPrefix("agent.yaml:1:") && found.contains(expected), "\(found)")
    }

    @Test func `lists and texts have limits`() {
        func accepts(_ text: String) -> Bool { !message("processing: " + text).hasPrefix("agent.yaml") }
        let drops = { (count: Int) in
            "{drop: [\(Array(repeating: "{contains: a}", count: count).joined(separator: ", "))]}"
        }
        #expect(accepts(drops(LogProcessing.maxDropRules)) && !accepts(drops(LogProcessing.maxDropRules + 1)))
        let patterns = { (count: Int) in
            "{redact: {patterns: [\((0..<count).map { "{name: a\($0), pattern: x}" }.joined(separator: ", "))]}}"
        }
        #expect(
            accepts(patterns(LogProcessing.maxSecretPatterns))
                && !accepts(patterns(LogProcessing.maxSecretPatterns + 1)))
        let literal = { (count: Int) in "{drop: [{contains: \(String(repeating: "x", count: count))}]}" }
        #expect(accepts(literal(LogProcessing.expressionBytes)) && !accepts(literal(LogProcessing.expressionBytes + 1)))
        let name = { (count: Int) in
            "{redact: {patterns: [{name: \(String(repeating: "n", count: count)), pattern: x}]}}"
        }
        #expect(accepts(name(LogProcessing.ruleNameBytes)) && !accepts(name(LogProcessing.ruleNameBytes + 1)))
    }
}
