import MusterLogs
import MusterModel
import Testing

@Suite struct EdgePassTests {
    private func settings(_ change: (inout EdgeSettings) -> Void) -> EdgeSettings {
        var settings = EdgeSettings()
        change(&settings)
        return settings
    }

    private let indented = MultilineRule.indented

    /// Lines of a plain file, read from `start` on, as blocks take them.
    private func pass(
        _ text: String, end: ParseEnd, _ settings: EdgeSettings, capacity: Int = Limits.logBlockBytes
    ) throws -> (lines: [LogEntry], parse: LineParse) {
        var pipeline = EdgePipeline(settings)
        return try pass(Array(text.utf8), end: end, &pipeline, capacity: capacity)
    }

    private func pass(
        _ bytes: [UInt8], end: ParseEnd, _ pipeline: inout EdgePipeline, capacity: Int = Limits.logBlockBytes
    ) throws -> (lines: [LogEntry], parse: LineParse) {
        var lines = LogBlockBuilder()
        lines.recordsPoints = true
        var builder = LogBlockBuilder(capacity: capacity)
        let parse = PlainLines.parse(bytes, end: end, arrival: 5, into: &lines)
        var pass = EdgePass()
        let result = pass.run(
            lines, parse, end: end, &pipeline, now: Instant(nanoseconds: 5), into: &builder)
        guard let block = builder.finish(labels: [:], compressor: StoringCompressor()) else { return ([], result) }
        return (try LogBlock.decode(block[...], compressor: StoringCompressor()).entries, result)
    }

    @Test func `the last event waits for its next line`() throws {
        let settings = settings { $0.multiline = indented }
        let open = try pass("a\n 1\n 2\nb\n 3\n", end: .open, settings)
        #expect(open.lines.map(\.text) == ["a\n 1\n 2"])
        #expect(open.parse.consumed == 8)
        #expect(open.parse.heldLines == 2)
        let closed = try pass("a\n 1\n 2\nb\n 3\n", end: .closed, settings)
        #expect(closed.lines.map(\.text) == ["a\n 1\n 2", "b\n 3"])
        #expect(closed.parse.consumed == 13)
        #expect(closed.parse.heldLines == 0)
    }

    @Test func `one event alone takes nothing until it is over`() throws {
        let settings = settings { $0.multiline = indented }
        let open = try pass("a\n 1\n", end: .open, settings)
        #expect(open.lines.isEmpty)
        #expect(open.parse.consumed == 0)
        #expect(open.parse.heldLines == 2)
    }

    @Test func `without grouping nothing is held`() throws {
        let open = try pass("a\n 1\nrest", end: .open, settings { $0.findsLevel = true })
        #expect(open.lines.map(\.text) == ["a", " 1"])
        #expect(open.parse.consumed == 5)
    }

    @Test(arguments: 0..<60) func `read in any pieces, events are the same`(seed: Int) throws {
        var maker = LineMaker(seed: UInt64(seed + 500))
        let text =
            (0..<80).map { _ in maker.pick(["event \(maker.number(0...99))", "  more", "\tand more", ""]) }
            .joined(separator: "\n") + "\n"
        let bytes = Array(text.utf8)
        let settings = settings { $0.multiline = indented }
        let whole = try pass(text, end: .closed, settings).lines.map(\.text)
        var pieces: [String] = []
        var start = 0
        var end = 0
        var pipeline = EdgePipeline(settings)
        while start < bytes.count {
            end = min(bytes.count, end + maker.number(1...60))
            let isLast = end == bytes.count
            let result = try pass(Array(bytes[start..<end]), end: isLast ? .closed : .open, &pipeline)
            pieces += result.lines.map(\.text)
            start += result.parse.consumed
        }
        #expect(pieces == whole)
    }

    @Test func `streams of a container are grouped apart and end at a whole place`() throws {
        func record(_ text: String, _ stream: String) -> String {
            #"{"log":"\#(text)\n","stream":"\#(stream)","time":"2026-01-01T00:00:00Z"}"# + "\n"
        }
        let text = [
            record("out 1", "stdout"), record("err 1", "stderr"), record("  at out", "stdout"),
            record("  at err", "stderr"), record("out 2", "stdout"), record("err 2", "stderr"),
            record("  late err", "stderr"),
        ]
        let bytes = Array(text.joined().utf8)
        var parsed = LogBlockBuilder()
        parsed.recordsPoints = true
        var docker = DockerLines()
        var builder = LogBlockBuilder()
        var pipeline = EdgePipeline(settings { $0.multiline = indented })
        var pass = EdgePass()
        let parse = bytes.withUnsafeBytes { docker.parse($0, end: .open, arrival: 1, into: &parsed) }
        let result = pass.run(parsed, parse, end: .open, &pipeline, now: Instant(nanoseconds: 1), into: &builder)
        let block = builder.finish(labels: [:], compressor: StoringCompressor()) ?? []
        let entries = try LogBlock.decode(block[...], compressor: StoringCompressor()).entries
        #expect(entries.map(\.text) == ["out 1\n  at out", "err 1\n  at err"])
        #expect(entries.map { $0.labels["stream"] } == ["stdout", "stderr"])
        #expect(result.consumed == text[..<4].joined().utf8.count)
        #expect(result.heldLines == 3)
    }

    @Test func `what does not fit is read again with the next block`() throws {
        let settings = settings { $0.multiline = indented }
        let event = "event " + String(repeating: "x", count: 90) + "\n " + String(repeating: "y", count: 90) + "\n"
        let text = String(repeating: event, count: 10)
        let first = try pass(text, end: .closed, settings, capacity: 700)
        #expect(first.lines.count == 3)
        #expect(first.parse.isFull)
        #expect(first.parse.consumed == 3 * event.utf8.count)
        #expect(first.lines.allSatisfy { $0.text + "\n" == event })
    }

    @Test func `secrets go, fields and levels come, and what is dropped is counted`() throws {
        let settings = settings { settings in
            settings.redaction = EdgeSettings.Redaction()
            settings.fields = .logfmt
            settings.drops = [DropRule(.contains(Array("health".utf8)))]
        }
        var pipeline = EdgePipeline(settings)
        let text = """
            level=info msg=login password=hunter2
            level=debug msg=health
            level=error msg="it \\"broke\\""

            """
        let result = try pass(Array(text.utf8), end: .open, &pipeline)
        #expect(result.lines.map(\.level) == [.info, .error])
        #expect(result.lines[0].text == "level=info msg=login password=[redacted:secret]")
        #expect(
            result.lines.map { String(decoding: $0.fields, as: UTF8.self) } == [
                #"{"level":"info","msg":"login","password":"[redacted:secret]"}"#,
                #"{"level":"error","msg":"it \"broke\""}"#,
            ])
        #expect(pipeline.counters[.rule][.debug] == 1)
        #expect(result.parse.consumed == text.utf8.count)
    }

    @Test func `a range that is read again is not dropped for its rate`() throws {
        let settings = settings { $0.rate = LogProcessing.Rate(lines: 1, burst: .seconds(1)) }
        var pipeline = EdgePipeline(settings)
        let bytes = Array("a\nb\nc\n".utf8)
        #expect(try pass(bytes, end: .open, &pipeline).lines.count == 1)
        var lines = LogBlockBuilder()
        lines.recordsPoints = true
        var builder = LogBlockBuilder()
        var pass = EdgePass()
        let parse = PlainLines.parse(bytes, end: .closed, arrival: 5, into: &lines)
        _ = pass.run(
            lines, parse, end: .closed, &pipeline, now: Instant(nanoseconds: 5), keepsRate: false, into: &builder)
        #expect(builder.lineCount == 3)
    }

    @Test func `lines without a level are asked for it`() throws {
        var builder = LogBlockBuilder()
        builder.findsLevels = true
        append(TestLine(text: "ERROR: no disk", timestamp: 1), to: &builder)
        append(
            TestLine(text: #"{"level":"warn","msg":"x"}"#, timestamp: 1, flags: LineFlags(level: .fatal)), to: &builder)
        append(TestLine(text: "plain", timestamp: 1, flags: .continues), to: &builder)
        let block = builder.finish(labels: [:], compressor: StoringCompressor()) ?? []
        let entries = try LogBlock.decode(block[...], compressor: StoringCompressor()).entries
        #expect(entries.map(\.level) == [.error, .fatal, .unknown])
        #expect(entries.map(\.isContinued) == [false, false, true])
    }
}
