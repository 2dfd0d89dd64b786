import ArgumentParser
import MusterAgent

/// `muster-agent`: one for each host.
@main
struct MusterAgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "muster-agent", abstract: "Observes this host for a Muster coordinator and acts for it.",
        discussion: """
            Examples:
              muster-agent enroll --coordinator muster.example.com:7444 --token muster1.…
              muster-agent run --config /etc/muster/agent.yaml
            """,
        version: Agent.version, subcommands: [RunCommand.self, EnrollCommand.self, CheckCommand.self, LogsCommand.self])
}
