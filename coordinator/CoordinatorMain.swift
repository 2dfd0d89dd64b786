import ArgumentParser
import MusterCLI

/// `muster`: the coordinator (`serve`, `pki`) and the operator's verbs.
@main
struct Muster: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster",
        abstract: "Fleet operations: hosts, services, metrics, logs, alerts and rollouts in one place.",
        discussion: """
            Start with:
              muster status
              muster hosts
            """,
        version: "0.1.0",
        subcommands: OperatorVerbs.all + [PKIVerb.self, ServeVerb.self])

    /// A command line that makes no sense ends with 1 as every other error does; the numbers above 1 say how a rollout
    /// stands.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            Output.error(fullMessage(for: error))
            exit(withError: ExitCode(1))
        }
    }
}
