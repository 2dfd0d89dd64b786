import MusterInterchange
import MusterModel
import Testing

/// A line's series with its labels read, or the words of the error.
private struct Line: Equatable {
    var labels: Labels
    var value: Double
    var milliseconds: Int64?

    init(_ labels: Labels, _ value: Double, _ milliseconds: Int64? = nil) {
        self.labels = labels
        self.value = value
        self.milliseconds = milliseconds
    }

    static func == (a: Line, b: Line) -> Bool {
        a.labels == b.labels && a.milliseconds == b.milliseconds && a.value.bitPattern == b.value.bitPattern
    }
}

private func events(
    _ text: String, _ format: ExpositionFormat = .prometheus, chunk: Int = .max
) throws -> ([ExpositionEvent], ExpositionParser) {
    var parser = ExpositionParser(format: format)
    var events: [ExpositionEvent] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        parser.feed(Array(rest.prefix(chunk)))
        rest = rest.dropFirst(chunk)
        while let event = try parser.next() { events.append(event) }
    }
    parser.finish()
    while let event = try parser.next() { events.append(event) }
    return (events, parser)
}

private func labels(_ sample: ExpositionSample, _ parser: ExpositionParser) throws -> Labels {
    let bytes = try ExpositionLabels.labelBytes(of: sample, in: parser)
    var ranges: [LabelRange] = []
    try LabelBytes.decode(bytes.span, 0..<bytes.count, into: &ranges)
    return LabelBytes.labels(bytes.span, ranges)
}

private func lines(_ text: String, _ format: ExpositionFormat = .prometheus) throws -> [Line] {
    let (events, parser) = try events(text, format)
    return try events.compactMap { event in
        guard case .sample(let sample) = event else { return nil }
        return Line(try labels(sample, parser), sample.value, sample.milliseconds)
    }
}

private func text(_ range: Range<Int>, _ parser: ExpositionParser) -> String {
    String(decoding: parser.bytes[range], as: UTF8.self)
}

/// The error of one line, read whole: the line itself, then its labels.
private func problem(_ text: String, _ format: ExpositionFormat) -> ExpositionError? {
    do {
        _ = try lines(text, format)
        return nil
    } catch {
        return error as? ExpositionError
    }
}

private let nan = Double(bitPattern: 0x7ff8_0000_0000_0001)

@Suite struct PrometheusText {
    @Test(
        arguments: [
            ("up 1", Line(["__name__": "up"], 1)),
            ("up 1 1700000000123", Line(["__name__": "up"], 1, 1_700_000_000_123)),
            ("  up\t 1  -5  ", Line(["__name__": "up"], 1, -5)), ("up{} 1", Line(["__name__": "up"], 1)),
            (":a_b:c9 +.5e-3", Line(["__name__": ":a_b:c9"], 0.0005)),
            ("up{a=\"b\"}1", Line(["__name__": "up", "a": "b"], 1)),
            ("up { a = \"b\" , c=\"d\", } 1", Line(["__name__": "up", "a": "b", "c": "d"], 1)),
            ("up{z=\"1\",a=\"2\"} 1", Line(["__name__": "up", "a": "2", "z": "1"], 1)),
            (#"up{a="x\"y\\z\nw\q"} 1"#, Line(["__name__": "up", "a": "x\"y\\z\nw\\q"], 1)),
            (#"up{a="}{,=#\""} 1"#, Line(["__name__": "up", "a": "}{,=#\""], 1)),
            ("up{a=\"\"} 1", Line(["__name__": "up"], 1)),
            ("up{a=\"é世界🙂\"} 1", Line(["__name__": "up", "a": "é世界🙂"], 1)),
            (#"{"my.metric","a.b"="c",d="e"} 1"#, Line(["__name__": "my.metric", "a.b": "c", "d": "e"], 1)),
            ("up NaN", Line(["__name__": "up"], nan)), ("up nan", Line(["__name__": "up"], nan)),
            ("up +Inf", Line(["__name__": "up"], .infinity)), ("up -inf", Line(["__name__": "up"], -.infinity)),
            ("up Infinity", Line(["__name__": "up"], .infinity)), ("up -0", Line(["__name__": "up"], -0.0)),
            ("up 1e308", Line(["__name__": "up"], 1e308)),
            ("up 4.9e-324", Line(["__name__": "up"], .leastNonzeroMagnitude)),
            ("up 9007199254740993", Line(["__name__": "up"], 9_007_199_254_740_992)),
            ("up 0.1", Line(["__name__": "up"], 0.1)), ("up 1e-400", Line(["__name__": "up"], 0)),
        ] as [(String, Line)])
    fileprivate func `a line is read`(line: String, expected: Line) throws {
        #expect(try lines(line) == [expected])
        #expect(try lines(line + "\n\n# a remark\n#\n" + line) == [expected, expected])
    }

    @Test(
        arguments: [
            ("9up 1", 1, "no metric name"), ("up", 3, "ends where a value"), ("up ", 4, "ends where a value"),
            ("up x", 4, "no number"), ("up 1x", 4, "no number"), ("up 0x10", 4, "no number"),
            ("up 1_000", 4, "no number"),
            ("up 1e", 4, "no number"), ("up .", 4, "no number"), ("up 1e400", 4, "no number"),
            ("up +nan", 4, "no number"),
            ("up 1 2.5", 6, "no whole number"), ("up 1 9223372036854775808", 6, "no whole number"),
            ("up 1 2 3", 7, "follows the timestamp"), ("up 1\r", 4, "no number"), ("up{a=\"b\" 1", 3, "do not end"),
            ("up{a=\"b} 1", 6, "quoted text that does not end"), ("up{a=\"b\\", 6, "quoted text that does not end"),
            ("up{a} 1", 5, "no = after"), ("up{a=b} 1", 6, "no quoted label value"),
            ("up{=\"b\"} 1", 4, "no label name"),
            ("up{9a=\"b\"} 1", 4, "no label name"), ("up{a:b=\"c\"} 1", 5, "colon"),
            ("up{a=\"b\"c=\"d\"} 1", 9, "no comma"),
            ("up{,} 1", 4, "no label name"), ("{a=\"b\"} 1", 7, "without a metric name"),
            ("up{\"other\"} 1", 11, "no = after"), ("# TYPE", 7, "the name of a family"),
            ("# TYPE up", 10, "the type of a family"),
            ("# TYPE up bogus", 11, "is no type"), ("# TYPE up gauge x", 16, "follows the type"),
            ("# HELP", 7, "the name of a family"), ("# HELP 1x y", 8, "no name of a family"),
            ("up # {a=\"b\"} 1", 4, "no number"),
        ] as [(String, Int, String)])
    func `a bad line is named with its column`(line: String, column: Int, words: String) throws {
        let error = try #require(problem("good 1\n" + line + "\n", .prometheus))
        #expect(error.line == 2 && error.column == column && error.problem.contains(words), "\(error)")
        #expect(error.description.hasPrefix("line 2, column \(column): "))
    }

    @Test func `families are described`() throws {
        let (events, parser) = try events(
            """
            # HELP up Is it \\\\ up?\\nYes.
            # TYPE up counter
            #TYPE other untyped
            # HELP bare
            # UNIT up seconds
            # EOF
            # TYPE "my.metric" histogram
            """)
        #expect(events.count == 5)
        guard case .help(let name, let help) = events[0], case .type(_, .counter) = events[1],
            case .type(let other, .unknown) = events[2], case .help(let bare, let nothing) = events[3],
            case .type(let quoted, .histogram) = events[4]
        else {
            Issue.record("\(events)")
            return
        }
        #expect(text(name, parser) == "up" && text(other, parser) == "other" && text(bare, parser) == "bare")
        #expect(nothing.isEmpty && text(quoted, parser) == "my.metric")
        let unescaped = ExpositionText.unescaped(parser.bytes.span, help, hasQuotes: false)
        #expect(String(decoding: unescaped, as: UTF8.self) == "Is it \\ up?\nYes.")
    }

    @Test func `after a bad line the next one is read`() throws {
        var parser = ExpositionParser(format: .prometheus)
        parser.feed(Array("a 1\nb x\nc 3\n".utf8))
        var values: [Double] = []
        var errors: [Int] = []
        while true {
            do {
                guard let event = try parser.next() else { break }
                if case .sample(let sample) = event { values.append(sample.value) }
            } catch { errors.append(error.line) }
        }
        #expect(values == [1, 3] && errors == [2])
    }

    @Test func `a line over the limit is refused and stepped over, however it arrives`() throws {
        for chunk in [1, 7, 1_000] {
            var parser = ExpositionParser(format: .prometheus, lineBytes: 20)
            let bytes = Array(
                ("a 1\nb{x=\"" + String(repeating: "y", count: 90) + "\"} 2\nc{d=\"12345678\"} 3\nd 4").utf8)
            var values: [Double] = []
            var errors: [ExpositionError] = []
            func drain() {
                while true {
                    do throws(ExpositionError) {
                        guard let event = try parser.next() else { return }
                        if case .sample(let sample) = event { values.append(sample.value) }
                    } catch { errors.append(error) }
                }
            }
            for start in stride(from: 0, to: bytes.count, by: chunk) {
                parser.feed(Array(bytes[start..<min(start + chunk, bytes.count)]))
                drain()
                #expect(parser.bytes.count <= 20 + 2 * chunk)
            }
            parser.finish()
            drain()
            #expect(values == [1, 3, 4])
            #expect(errors == [ExpositionError("a line of more than 20 bytes", line: 2, column: 21)])
        }
    }

    @Test func `it makes no difference in which pieces the bytes arrive`() throws {
        let exposition = "# TYPE a counter\na{x=\"1\"} 1 5\n\na{x=\"2\"} 2\n# HELP b B\nb 3"
        let whole = try events(exposition)
        for chunk in 1...9 {
            let (pieces, _) = try events(exposition, chunk: chunk)
            #expect(pieces.count == whole.0.count)
            for (a, b) in zip(pieces, whole.0) {
                guard case .sample(let left) = a, case .sample(let right) = b else { continue }
                #expect(left.value == right.value && left.line == right.line && left.milliseconds == right.milliseconds)
            }
        }
    }

    @Test func `numbers are read to the last bit`() throws {
        var generator = SplitMix(seed: 41)
        for _ in 0..<20_000 {
            let value = Double(bitPattern: generator.next())
            guard value.isFinite else { continue }
            let rounded = Double(Int64.random(in: -1_000_000_000...1_000_000_000, using: &generator)) / 1_000
            for number in [value, rounded] {
                #expect(try lines("m \(number)")[0].value.bitPattern == number.bitPattern)
                #expect(try lines("m \(GoFloat.general(number))")[0].value.bitPattern == number.bitPattern)
            }
        }
    }

    @Test func `no bytes make it trap`() {
        let text =
            "# HELP up Is it\\n up?\n# TYPE up counter\nup{a=\"b\\\"\",c=\"d\"} 1.5e3 17\n{\"x.y\",z=\"w\"} NaN\n"
        let open = "# TYPE a counter\n# UNIT a seconds\na_total{b=\"c\"} 1 1.5 # {t=\"x\"} 2 3\n# EOF\n"
        var generator = SplitMix(seed: 42)
        var outcomes = [0, 0]
        for round in 0..<100_000 {
            let format: ExpositionFormat = round.isMultiple(of: 2) ? .prometheus : .openMetrics
            let bytes = mutated(Array((format == .prometheus ? text : open).utf8), &generator)
            var parser = ExpositionParser(format: format, lineBytes: 60)
            parser.feed(bytes)
            parser.finish()
            var isBad = false
            while true {
                do throws(ExpositionError) {
                    guard let event = try parser.next() else { break }
                    if case .sample(let sample) = event {
                        _ = try ExpositionLabels.labelBytes(of: sample, in: parser)
                    }
                } catch { isBad = true }
            }
            outcomes[isBad ? 0 : 1] += 1
        }
        #expect(outcomes.allSatisfy { $0 > 5_000 })
    }
}

@Suite struct OpenMetricsText {
    @Test func `an exposition with exemplars, units and seconds is read`() throws {
        let exposition = """
            # TYPE a counter
            # UNIT a seconds
            # HELP a Help with a \\"quote\\".
            a_total{b="c"} 1 1.5 # {trace_id="x}\\""} 0.67 1.6
            a_created{b="c"} 1
            # TYPE h gaugehistogram
            # TYPE s stateset
            # TYPE i info
            # TYPE u unknown
            h_bucket{le="+Inf"} 3 # {} 1
            x -1 -0.001
            # EOF

            """
        let (events, parser) = try events(exposition, .openMetrics)
        #expect(events.last == .endOfFile)
        #expect(
            try lines(exposition, .openMetrics) == [
                Line(["__name__": "a_total", "b": "c"], 1, 1_500), Line(["__name__": "a_created", "b": "c"], 1),
                Line(["__name__": "h_bucket", "le": "+Inf"], 3), Line(["__name__": "x"], -1, -1),
            ])
        let types = events.compactMap { event -> FamilyType? in
            if case .type(_, let type) = event { type } else { nil }
        }
        #expect(types == [.counter, .gaugeHistogram, .stateSet, .info, .unknown])
        let unit = events.compactMap { event -> String? in
            if case .unit(_, let unit) = event { text(unit, parser) } else { nil }
        }
        #expect(unit == ["seconds"])
    }

    @Test(
        arguments: [
            ("", 1, "empty line"), (" up 1", 1, "no metric name"), ("up  1", 4, "no number"),
            ("up 1 ", 6, "ends where"),
            ("up\t1", 3, "no space"), ("up{a=\"b\"}1", 10, "no space"), ("up { } 1", 4, "no number"),
            ("up 1 x", 6, "no number of seconds"), ("up 1 NaN", 6, "no number of seconds"),
            ("up 1 1e300", 6, "no number of seconds"),
            ("# remark", 1, "no HELP"), ("#TYPE up gauge", 2, "no space"), ("# TYPE up untyped", 11, "is no type"),
            ("up 1 # 5", 8, "no labels of an exemplar"), ("up 1 # {a=\"b\"}", 15, "ends where"),
            ("up 1 # {a=\"b\"} x", 16, "no number"), ("up 1 # {a=\"b\"} 1 2 3", 19, "follows the exemplar"),
            ("# EOF x", 6, "follows # EOF"), ("up{a = \"b\"} 1", 5, "no = after"),
        ] as [(String, Int, String)])
    func `what is lax is refused`(line: String, column: Int, words: String) throws {
        let error = try #require(problem("good 1\n" + line + "\n# EOF\n", .openMetrics))
        #expect(error.line == 2 && error.column == column && error.problem.contains(words), "\(error)")
    }

    @Test func `it ends with EOF and with nothing else`() throws {
        #expect(problem("a 1\n", .openMetrics)?.problem == "the exposition does not end with # EOF")
        #expect(problem("", .openMetrics)?.line == 1)
        #expect(problem("# EOF", .openMetrics) == nil)
        #expect(problem("# EOF\na 1\n", .openMetrics)?.line == 2)
    }

    @Test(
        arguments: [
            (nil, .prometheus), ("text/plain; version=0.0.4", .prometheus),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", .openMetrics),
            ("Application/OpenMetrics-Text", .openMetrics), ("text/html", .prometheus),
        ] as [(String?, ExpositionFormat)])
    func `the content type decides`(type: String?, expected: ExpositionFormat) {
        #expect(ExpositionFormat(contentType: type) == expected)
    }
}

@Suite struct ExpositionWriting {
    @Test func `families and samples are written as Prometheus writes them`() {
        var writer = ExpositionWriter()
        writer.family(FamilyMetadata(name: "up", type: .gauge, help: "Is it \\ up?\nYes."))
        writer.sample(["__name__": "up", "path": "/a\"b\\\n", "job": "x"], 1, milliseconds: -3)
        writer.sample(["__name__": "up"], .infinity)
        writer.family(FamilyMetadata(name: "my.metric", type: .unknown))
        writer.sample(["__name__": "my.metric", "a:b.c": "d", "9": "e"], 1e6)
        writer.family(FamilyMetadata(name: "s", type: .stateSet))
        writer.sample(["__name__": "s"], -.infinity)
        writer.sample(["__name__": "s"], .nan)
        #expect(
            String(decoding: writer.bytes, as: UTF8.self) == """
                # HELP up Is it \\\\ up?\\nYes.
                # TYPE up gauge
                up{job="x",path="/a\\"b\\\\\\n"} 1 -3
                up +Inf
                # TYPE my_metric untyped
                my_metric{_9="e",a_b_c="d"} 1e+06
                # TYPE s gauge
                s -Inf
                s NaN

                """)
    }

    @Test func `what was written is read`() throws {
        var generator = SplitMix(seed: 43)
        for _ in 0..<500 {
            var writer = ExpositionWriter()
            var expected: [Line] = []
            for _ in 0..<10 {
                let value = Double(bitPattern: generator.next())
                let texts = ["a", "\"", "\\", "\n", "é{}", "\\n", "x\\\"y"]
                var labels: Labels = ["__name__": "m_\(Int.random(in: 0...9, using: &generator))"]
                for name in ["a", "b", "c"] where Bool.random(using: &generator) {
                    labels[name] = texts.randomElement(using: &generator)
                }
                let time = Bool.random(using: &generator) ? Int64.random(in: -99...(.max), using: &generator) : nil
                writer.sample(labels, value, milliseconds: time)
                expected.append(Line(labels, value.isNaN ? nan : value, time))
            }
            #expect(try lines(String(decoding: writer.bytes, as: UTF8.self)) == expected)
        }
    }
}
