import ArgumentParser
import Foundation
import MusterCLI
import MusterModel
import Testing

/// What is true of every verb.
struct VerbTests {
    private static func withSubcommands(_ command: any ParsableCommand.Type) -> [any ParsableCommand.Type] {
        [command] + command.configuration.subcommands.flatMap(withSubcommands)
    }

    private static var all: [any ParsableCommand.Type] { OperatorVerbs.all.flatMap(withSubcommands) }

    /// A command and those below it, each with the words that call it; a default is called by the words above it.
    private static func calls(
        _ command: any ParsableCommand.Type, _ words: String
    ) -> [(any ParsableCommand.Type, String)] {
        var found = [(command, words)]
        let unnamed = command.configuration.defaultSubcommand.map { ObjectIdentifier($0) }
        for below in command.configuration.subcommands {
            let name = below.configuration.commandName ?? "?"
            found += calls(below, unnamed == ObjectIdentifier(below) ? words : "\(words) \(name)")
        }
        return found
    }

    @Test
    func everyHelpHasAnExampleThatCallsTheVerb() {
        let calls = OperatorVerbs.all.flatMap { Self.calls($0, $0.configuration.commandName ?? "?") }
        #expect(calls.count >= 27)
        for (verb, words) in calls {
            #expect(verb.helpMessage().contains("Example"), "\(verb)")
            // Line by line and with a space behind, so that a longer verb is no example of a shorter one.
            let lines = verb.configuration.discussion.split(separator: "\n").map { "\($0) " }
            #expect(lines.contains { $0.contains("muster \(words) ") }, "\(words)")
            #expect(!verb.configuration.abstract.isEmpty, "\(verb)")
        }
    }

    @Test
    func theVerbsAreThoseThatWerePromised() {
        let names = OperatorVerbs.all.compactMap { $0.configuration.commandName }.sorted()
        #expect(
            names == [
                "alerts", "containers", "hosts", "logs", "query", "rollout", "route", "series", "services", "status",
                "token", "top",
            ])
    }

    @Test
    func verbsWithSeveralEndingsPrintThem() {
        for verb in Self.all where verb.configuration.commandName == "rollout" {
            for code in 0...5 { #expect(verb.helpMessage().contains("\(code) ")) }
        }
    }

    @Test(
        arguments: [
            ["logs"], ["logs", "{}", "--since", "soon"], ["logs", "{}", "--limit", "many"], ["route"], ["query"],
            ["token", "create"], ["token", "create", "--host", "a", "--role", "viewer"], ["rollout", "plan"],
            ["query", "up", "--range", "-1m"], ["query", "up", "--step", "0"],
        ])
    func whatIsTypedWronglyIsFoundBeforeAnybodyIsAsked(_ arguments: [String]) {
        let verb = OperatorVerbs.all.first { $0.configuration.commandName == arguments[0] }
        #expect(throws: (any Error).self) { _ = try verb?.parseAsRoot(Array(arguments.dropFirst())) }
    }

    @Test
    func whatIsTypedRightlyIsUnderstood() throws {
        for arguments in [
            ["logs", "{host=\"a\"}", "--since", "1h30m", "--contains", "x", "--limit", "5", "-f", "--json"],
            ["logs", "{}", "--exclude", "x", "--match", "a.*b", "--level", "warn"],
            ["query", "up > 1", "--range", "5m", "--step", "10s", "--shared-scale"], ["hosts"],
            ["hosts", "revoke", "a"],
            ["alerts", "ack", "4f2a9c01d2e3b4a5", "--by", "anna"], ["route", "web", "--watch"],
            ["token", "create", "--role", "viewer", "--ttl", "720h"], ["rollout", "run", "web.yaml", "--watch"],
            ["containers", "--host", "a", "--context", "file"],
        ] {
            let verb = OperatorVerbs.all.first { $0.configuration.commandName == arguments[0] }
            _ = try #require(verb).parseAsRoot(Array(arguments.dropFirst()))
        }
    }

    @Test(
        arguments: [
            ("30s", .seconds(30)), ("10m", .minutes(10)), ("1h30m", .minutes(90)), ("250ms", .milliseconds(250)),
            ("7d", .hours(168)),
        ] as [(String, Duration)])
    func durationsAreReadAsPeopleWriteThem(_ text: String, _ duration: Duration) throws {
        #expect(try parseDuration(text) == duration)
    }

    @Test(arguments: ["", "0", "0s", "-1m", "10", "m", "1m1h", "1.5h", "10 m", "99999999999999999999s"])
    func whatIsNoDurationIsRefusedWithExamples(_ text: String) throws {
        let error = try #require(throws: ValidationError.self) { try parseDuration(text) }
        #expect("\(error)".contains("1h30m"))
    }

    @Test
    func agesAreShortAndNeverNegative() throws {
        let now = try #require(
            try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse("2026-03-01T12:00:00.000Z"))
        #expect(age("2026-03-01T11:59:57.500Z", now: now) == "2s")
        #expect(age("2026-03-01T11:58:00.000Z", now: now) == "2m")
        #expect(age("2026-03-01T10:00:00.000Z", now: now) == "2h")
        #expect(age("2026-02-27T12:00:00.000Z", now: now) == "2d")
        #expect(age("2026-03-01T12:00:05.000Z", now: now) == "0s")
        #expect(age("", now: now) == "")
    }

    // MARK: Endings

    @Test(
        arguments: [
            ("succeeded", .success), ("rolledBack", .rolledBack), ("rollbackFailed", .failedNotRolledBack),
            ("aborted", .failedNotRolledBack), ("failed", .failedNotRolledBack), ("paused", .needsPerson),
            ("running", nil), ("rollingBack", nil), ("planned", nil),
        ] as [(String, Ending?)])
    func aRolloutEndsWithItsCode(_ state: String, _ ending: Ending?) {
        #expect(RolloutVerb.ending(state) == ending)
    }

    @Test
    func theCodesAreTheOnesScriptsKnow() {
        let codes: [Ending] = [.success, .error, .planHasChanges, .rolledBack, .failedNotRolledBack, .needsPerson]
        #expect(codes.map(\.rawValue) == [0, 1, 2, 3, 4, 5])
        #expect(codes.map(\.exitCode.rawValue) == [0, 1, 2, 3, 4, 5])
    }

    @Test
    func whatGoesWrongEndsWithOneAndAnEndingKeepsItsCode() async throws {
        await #expect(throws: ExitCode(1)) { try await reporting { throw CLIError("it is said on standard error") } }
        await #expect(throws: ExitCode(1)) { try await reporting { throw CancellationError() } }
        await #expect(throws: ExitCode(3)) { try await reporting { throw Ending.rolledBack.exitCode } }
        try await reporting {}
    }

    // MARK: Output

    @Test
    func programsGetTheAnswerAsItCame() throws {
        let answer = Data(#"{"b" : [1,  2],"a":"\u00fc"}"#.utf8)
        let lines = try Session.lines(of: answer, isJSON: true) { (_: [String: String]) in ["never"] }
        #expect(lines == [#"{"b" : [1,  2],"a":"\u00fc"}"#])
    }

    @Test
    func peopleGetWhatIsMadeOfIt() throws {
        let lines = try Session.lines(of: Data("[1,2]".utf8), isJSON: false) { (numbers: [Int]) in
            numbers.map { "number \($0)" }
        }
        #expect(lines == ["number 1", "number 2"])
        #expect(throws: CLIError.self) {
            try Session.lines(of: Data("no".utf8), isJSON: false) { (_: [Int]) in [] }
        }
    }

    @Test
    func aLogLineForPeopleCannotSteerTheirTerminal() {
        let terminal = Terminal(isOutputTerminal: true, isErrorTerminal: true, hasColour: false, width: 80)
        let line =
            #"{"ts":"2026-03-01T12:00:00.000000000Z","host":"a","source":"/x","labels":{"container":"web"},"#
            + #""line":"\u001b[31mred"}"#
        #expect(
            LogsVerb.text(Data(line.utf8), terminal) == "2026-03-01T12:00:00.000000000Z a web \\u{1b}[31mred")
        #expect(LogsVerb.text(Data("no json \u{1B}".utf8), terminal) == "no json \\u{1b}")
    }

    @Test
    func aGraveLogLineStandsOut() {
        let terminal = Terminal(isOutputTerminal: true, isErrorTerminal: true, hasColour: true, width: 80)
        func text(_ level: String) -> String {
            let line = #"{"ts":"t","host":"a","source":"/x","labels":{},"level":"\#(level)","line":"words"}"#
            return LogsVerb.text(Data(line.utf8), terminal)
        }
        let plain = text("info")
        #expect(plain.hasSuffix(" words"))
        #expect(text("unknown") == plain)
        #expect(text("error").hasSuffix("\u{1B}[31mwords\u{1B}[0m"))
        #expect(text("fatal") == text("error"))
        #expect(text("warn").hasSuffix("\u{1B}[33mwords\u{1B}[0m"))
        #expect(text("debug").hasSuffix("\u{1B}[2mwords\u{1B}[0m"))
    }

    @Test
    func aDocumentThatCannotBeReadOrIsTooLargeIsNamed() throws {
        let path = NSTemporaryDirectory() + "muster-document-\(UInt64.random(in: 0...UInt64.max)).yaml"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let absent = try #require(throws: CLIError.self) { try RolloutVerb.document(path) }
        #expect(absent.message.contains(path))
        try Data(count: Limits.documentBytes).write(to: URL(fileURLWithPath: path))
        #expect(try RolloutVerb.document(path).count == Limits.documentBytes)
        try Data(count: Limits.documentBytes + 1).write(to: URL(fileURLWithPath: path))
        let large = try #require(throws: CLIError.self) { try RolloutVerb.document(path) }
        #expect(large.message.contains("\(Limits.documentBytes)"))
    }
}
