import ArgumentParser
import Logging
import MusterCoordinator
import MusterModel
import UnixSignals

struct ServeVerb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the coordinator.",
        discussion: "Example:\n  muster serve --config /var/lib/muster/coordinator/muster.yaml")
    @Option(help: ArgumentHelp("The configuration.", valueName: "file")) var config: String
    @Option(help: "trace, debug, info, notice, warning or error.") var logLevel = "info"

    func validate() throws {
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("\"\(logLevel)\" is no log level; use trace, debug, info, notice, warning or error")
        }
    }

    func run() async throws {
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "muster")
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        let options = CoordinatorOptions(configPath: config)
        let log = logger
        do {
            try await untilSignalled { try await Coordinator.run(options, logger: log) }
            log.info("coordinator stopped")
        } catch {
            log.critical("coordinator cannot go on", metadata: ["reason": "\(error)"])
            throw ExitCode(1)
        }
    }
}

struct PKIVerb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pki", abstract: "The certificate authority.",
        discussion: "Example:\n  muster pki init --data /var/lib/muster/coordinator",
        subcommands: [Init.self])

    struct Init: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "init", abstract: "Make an authority, a configuration and the first operator's context.",
            discussion: "Example:\n  muster pki init --data /var/lib/muster/coordinator --link 0.0.0.0:7443")
        @Option(help: ArgumentHelp("The coordinator's folder.", valueName: "folder")) var data: String
        @Option(help: "Where agents connect.") var link = "0.0.0.0:7443"
        @Option(help: "Where the API answers.") var api = "0.0.0.0:7444"

        func run() async throws {
            do {
                let made = try await PKI.initialize(PKI.Request(dataDirectory: data, link: link, api: api))
                print("Authority made, SHA-256 \(made.pin)")
                print("Start the coordinator: muster serve --config \(made.configPath)")
                print("Operators use:         export MUSTER_CONTEXT=\(made.contextPath)")
            } catch {
                Logger(label: "muster").error("\(error)")
                throw ExitCode(1)
            }
        }
    }
}

/// Runs `work` until it ends or the process is told to stop (SIGTERM, SIGINT), and then lets it end in good order.
func untilSignalled(_ work: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await work() }
        group.addTask {
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { return }
        }
        try await group.next()
        group.cancelAll()
        while true {
            do {
                guard try await group.next() != nil else { return }
            } catch is CancellationError {
                continue
            }
        }
    }
}
