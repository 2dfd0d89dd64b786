package import ArgumentParser
import Foundation
import MusterModel

package struct RolloutVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "rollout", abstract: "Change the fleet in waves, with a way back.",
        discussion: """
            Examples:
              muster rollout plan web.yaml
              muster rollout run web.yaml --watch
              muster rollout undo r-20260301-0001

            \(endingHelp)
            """,
        subcommands: [
            Plan.self, Run.self, Status.self, Watch.self, Pause.self, Resume.self, Abort.self, Undo.self, History.self,
        ])

    package init() {}

    struct PlanAnswer: Decodable, Sendable {
        struct Wave: Decodable, Sendable {
            struct Host: Decodable, Sendable {
                var host: String
                var name: String
                var container: String
                var from: String
                var to: String
            }
            var hosts: [Host]
        }
        var name: String
        var changes: Int
        var waves: [Wave]
        var warnings: [String]
    }

    struct StatusAnswer: Decodable, Sendable {
        struct Host: Decodable, Sendable {
            var host: String
            var state: String
            var reason: String
        }
        var id: String
        var name: String
        var state: String
        var reason: String
        var wave: Int
        var hosts: [Host]
    }

    struct Started: Decodable {
        var id: String
    }

    package static func document(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw CLIError("the file \(path) cannot be read", hint: "give the path of a rollout document (YAML)")
        }
        guard data.count <= Limits.documentBytes else {
            throw CLIError("the file \(path) has \(data.count) bytes; at most \(Limits.documentBytes) are allowed")
        }
        return Array(data)
    }

    static func lines(_ status: StatusAnswer, _ terminal: Terminal) -> [String] {
        var table = Table("HOST", "STATE", "REASON")
        for host in status.hosts {
            table.row(.init(host.host), .init(host.state, stateColour(host.state)), .init(host.reason))
        }
        let state = terminal.paint(status.state, stateColour(status.state))
        let reason = status.reason.isEmpty ? "" : ": \(Terminal.sanitized(status.reason))"
        return ["\(status.name) (\(status.id)), wave \(status.wave), \(state)\(reason)"] + table.lines(terminal)
    }

    /// The exit code of a rollout that does not move by itself any more; nil while it does.
    package static func ending(_ state: String) -> Ending? {
        switch state {
        case "succeeded": .success
        case "rolledBack": .rolledBack
        case "rollbackFailed", "aborted", "failed": .failedNotRolledBack
        case "paused": .needsPerson
        default: nil
        }
    }

    /// Follows a rollout until it stands still and ends with its exit code. Stopping to watch never stops the rollout.
    static func watch(_ id: String, _ session: Session) async throws {
        var last: Data?
        while true {
            let data = try await session.ask("GET", "/v1/rollouts/\(APIClient.encoded(id))")
            let status: StatusAnswer = try APIClient.decode(data)
            if data != last {
                if session.isJSON {
                    Output.line(String(decoding: data, as: UTF8.self))
                } else {
                    for line in lines(status, session.terminal) + [""] { Output.line(line) }
                }
                last = data
            }
            if let ending = ending(status.state) {
                guard ending == .success else { throw ending.exitCode }
                return
            }
            try await Task.sleep(for: .milliseconds(500))
        }
    }

    struct Plan: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "plan", abstract: "Show what a rollout would do; exit 2 when it would do something.",
            discussion: "Example:\n  muster rollout plan web.yaml")
        @Argument(help: "The rollout document.") var file: String
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let data = try await session.ask(
                    "POST", "/v1/rollouts/plan", query: [("file", file)], body: try RolloutVerb.document(file),
                    contentType: "application/yaml")
                let plan: PlanAnswer = try APIClient.decode(data)
                if session.isJSON {
                    Output.line(String(decoding: data, as: UTF8.self))
                } else {
                    var table = Table("WAVE", "HOST", "CONTAINER", "FROM", "TO")
                    for (index, wave) in plan.waves.enumerated() {
                        for host in wave.hosts {
                            table.row(
                                .init("\(index + 1)"), .init(host.host), .init(host.container), .init(host.from),
                                .init(host.to))
                        }
                    }
                    for line in table.lines(session.terminal) { Output.line(line) }
                    for warning in plan.warnings { Output.line("Note: \(warning)") }
                    Output.line(
                        plan.changes == 0
                            ? "Nothing to do." : "\(plan.changes) to change. Run it: muster rollout run \(file)")
                }
                if plan.changes > 0 { throw Ending.planHasChanges.exitCode }
            }
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "run", abstract: "Start a rollout.",
            discussion: "Example:\n  muster rollout run web.yaml --watch\n\n\(endingHelp)")
        @Argument(help: "The rollout document.") var file: String
        @Flag(help: "Follow it to its end and exit with its code.") var watch = false
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let data = try await session.ask(
                    "POST", "/v1/rollouts", query: [("file", file)], body: try RolloutVerb.document(file),
                    contentType: "application/yaml")
                let started: Started = try APIClient.decode(data)
                Output.line(
                    session.isJSON
                        ? String(decoding: data, as: UTF8.self)
                        : "\(started.id) has started. Follow it: muster rollout watch \(started.id)")
                if watch { try await RolloutVerb.watch(started.id, session) }
            }
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status", abstract: "One rollout, host by host; the exit code is its outcome.",
            discussion: "Example:\n  muster rollout status r-20260301-0001\n\n\(endingHelp)")
        @Argument(help: "The rollout's id.") var id: String
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let data = try await session.ask("GET", "/v1/rollouts/\(APIClient.encoded(id))")
                let status: StatusAnswer = try APIClient.decode(data)
                if session.isJSON {
                    Output.line(String(decoding: data, as: UTF8.self))
                } else {
                    for line in RolloutVerb.lines(status, session.terminal) { Output.line(line) }
                }
                if let ending = RolloutVerb.ending(status.state), ending != .success { throw ending.exitCode }
            }
        }
    }

    struct Watch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "watch", abstract: "Follow a rollout to its end. Interrupting only stops the watching.",
            discussion: "Example:\n  muster rollout watch r-20260301-0001\n\n\(endingHelp)")
        @Argument(help: "The rollout's id.") var id: String
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting { try await RolloutVerb.watch(id, try Session(options)) }
        }
    }

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "history", abstract: "Past and present rollouts, newest first.",
            discussion: "Example:\n  muster rollout history")
        @OptionGroup var options: CommonOptions

        struct Entry: Decodable, Sendable {
            var id: String
            var name: String
            var state: String
            var reason: String
            var startedAt: String
            var finishedAt: String?
        }

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                try await session.show("/v1/rollouts", [Entry].self) { entries in
                    guard !entries.isEmpty else { return ["No rollouts yet. Try: muster rollout plan FILE"] }
                    var table = Table("ID", "NAME", "STATE", "STARTED", "FINISHED", "REASON")
                    for entry in entries {
                        table.row(
                            .init(entry.id), .init(entry.name), .init(entry.state, stateColour(entry.state)),
                            .init(entry.startedAt), .init(entry.finishedAt ?? "-"), .init(entry.reason))
                    }
                    return table.lines(session.terminal)
                }
            }
        }
    }
}

/// `pause`, `resume`, `abort` and `undo` differ in one word.
protocol RolloutOrder: AsyncParsableCommand {
    static var word: String { get }
    var id: String { get }
    var options: CommonOptions { get }
}

extension RolloutOrder {
    func run() async throws {
        try await reporting {
            let session = try Session(options)
            let data = try await session.ask("POST", "/v1/rollouts/\(APIClient.encoded(id))/\(Self.word)")
            guard !session.isJSON else { return Output.line(String(decoding: data, as: UTF8.self)) }
            if let status = try? JSONDecoder().decode(RolloutVerb.StatusAnswer.self, from: data) {
                for line in RolloutVerb.lines(status, session.terminal) { Output.line(line) }
            } else {
                let started: RolloutVerb.Started = try APIClient.decode(data)
                Output.line("\(started.id) has started. Follow it: muster rollout watch \(started.id)")
            }
        }
    }
}

extension RolloutVerb {
    struct Pause: RolloutOrder {
        static let word = "pause"
        static let configuration = CommandConfiguration(
            commandName: "pause", abstract: "Start no further host; hosts at work finish.",
            discussion: "Example:\n  muster rollout pause r-20260301-0001")
        @Argument(help: "The rollout's id.") var id: String
        @OptionGroup var options: CommonOptions
    }

    struct Resume: RolloutOrder {
        static let word = "resume"
        static let configuration = CommandConfiguration(
            commandName: "resume", abstract: "Go on after a pause.",
            discussion: "Example:\n  muster rollout resume r-20260301-0001")
        @Argument(help: "The rollout's id.") var id: String
        @OptionGroup var options: CommonOptions
    }

    struct Abort: RolloutOrder {
        static let word = "abort"
        static let configuration = CommandConfiguration(
            commandName: "abort", abstract: "End a rollout and leave every host as it is.",
            discussion: "Example:\n  muster rollout abort r-20260301-0001")
        @Argument(help: "The rollout's id.") var id: String
        @OptionGroup var options: CommonOptions
    }

    struct Undo: RolloutOrder {
        static let word = "undo"
        static let configuration = CommandConfiguration(
            commandName: "undo", abstract: "Bring back the images a rollout replaced.",
            discussion: "Example:\n  muster rollout undo r-20260301-0001")
        @Argument(help: "The rollout's id.") var id: String
        @OptionGroup var options: CommonOptions
    }
}
