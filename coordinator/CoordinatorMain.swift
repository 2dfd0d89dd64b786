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
}
