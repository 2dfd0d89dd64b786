import ArgumentParser
import Logging
import MusterAgent
import UnixSignals

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run the agent.",
        discussion: "Example:\n  muster-agent run --config /etc/muster/agent.yaml")
    @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config: String
    @Option(help: "trace, debug, info, notice, warning or error.") var logLevel = "info"

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("\"\(logLevel)\" is no log level; use trace, debug, info, notice, warning or error")
        }
    }

    func run() async throws {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "muster-agent")
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        let options = AgentOptions(configPath: config)
        let log = logger
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await Agent.run(options, logger: log) }
                group.addTask {
                    for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { return }
                }
                try await group.next()
                group.cancelAll()
            }
            log.info("agent stopped")
        } catch {
            log.critical("agent cannot go on", metadata: ["reason": "\(error)"])
            throw ExitCode(1)
        }
    }
}

struct EnrollCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enroll", abstract: "Trade a single-use token for this host's certificate.",
        discussion: "Example:\n  muster-agent enroll --coordinator muster.example.com:7444 --token muster1.…")
    @Option(help: "The coordinator's API, host:port.") var coordinator: String
    @Option(help: "From `muster token create --host NAME`.") var token: String
    @Option(help: ArgumentHelp("The agent's state directory.", valueName: "folder")) var state = "/var/lib/muster/agent"
    @Option(help: "This host's name, as the token was made for; `uname -n` when not given.") var hostName: String?

    func run() async throws {
        do {
            let host = try await Enrolment.enroll(
                .init(
                    coordinator: coordinator, token: token, stateDirectory: state, hostName: hostName ?? Agent.hostName)
            )
            print("Enrolled as \(host). Start the agent: muster-agent run --config /etc/muster/agent.yaml")
        } catch {
            throw CleanError(error)
        }
    }
}

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Check a configuration without running it.",
        discussion: "Example:\n  muster-agent check --config /etc/muster/agent.yaml")
    @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config: String

    func run() throws {
        do {
            try Agent.checkConfiguration(config)
            print("\(config) is valid.")
        } catch {
            throw CleanError(error)
        }
    }
}

struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Try out what the agent does with logs.", subcommands: [LogsTestCommand.self])
}

struct LogsTestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Put lines from standard input through a log source's processing.",
        discussion: """
            Prints each event as it would travel: its level, its text, its fields. Nothing is sent or kept.

            Example:
              tail -1000 /var/log/app.log | muster-agent logs test --config agent.yaml --source /var/log/app.log
            """)
    @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config: String
    @Option(help: "The path of an entry of logs.files as it is written there, or \"containers\".") var source: String?

    func run() throws {
        do {
            let trial = try LogTrial(configPath: config, source: source)
            try LogTrialRun(trial: trial).run()
        } catch {
            throw CleanError(error)
        }
    }
}

/// Prints as the error's own words.
struct CleanError: Error, CustomStringConvertible {
    let description: String

    init(_ error: any Error) { description = "\(error)" }
}
