package import ArgumentParser
import Foundation

package struct StatusVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "status", abstract: "The fleet in one look.",
        discussion: "Example:\n  muster status")
    @OptionGroup var options: CommonOptions

    package init() {}

    struct Answer: Decodable, Sendable {
        struct Alerts: Decodable, Sendable {
            var pending: Int
            var firing: Int
        }
        struct Ingest: Decodable, Sendable {
            var metricFrames: Int
            var logFrames: Int
            var duplicates: Int
            var bytes: Int
        }
        var version: String
        var startedAt: String
        var warmingUp: Bool
        var hosts: [String: Int]
        var containers: Int
        var services: Int
        var series: Int
        var alerts: Alerts
        var rollouts: [String: Int]
        var ingest: Ingest
    }

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            try await session.show("/v1/status", Answer.self) { answer in
                var table = Table("WHAT", "STATE")
                let hosts = ["alive", "suspect", "unreachable", "dead"].compactMap { state in
                    answer.hosts[state].flatMap { $0 > 0 ? "\($0) \(state)" : nil }
                }
                let isBad = answer.hosts.contains { $0.key != "alive" && $0.value > 0 }
                table.row(
                    .init("coordinator"),
                    .init("\(answer.version), up \(age(answer.startedAt, now: Date()))", .green))
                table.row(
                    .init("hosts"),
                    .init(hosts.isEmpty ? "none yet" : hosts.joined(separator: ", "), isBad ? .red : .green))
                table.row(.init("containers"), .init("\(answer.containers)"))
                table.row(.init("services"), .init("\(answer.services)"))
                table.row(.init("series"), .init("\(answer.series)"))
                table.row(
                    .init("alerts"),
                    .init(
                        "\(answer.alerts.firing) firing, \(answer.alerts.pending) pending",
                        answer.alerts.firing > 0 ? .red : nil))
                table.row(.init("rollouts"), .init("\(answer.rollouts["running"] ?? 0) running"))
                table.row(
                    .init("received"),
                    .init(
                        "\(answer.ingest.metricFrames) metric frames, \(answer.ingest.logFrames) log blocks, "
                            + "\(answer.ingest.bytes) bytes, \(answer.ingest.duplicates) duplicates dropped"))
                var lines = table.lines(session.terminal)
                if answer.warmingUp {
                    lines.append("The coordinator has just started: hosts are shown as last known until they report.")
                }
                return lines
            }
        }
    }
}

package struct HostsVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "hosts", abstract: "Hosts, their state and why.",
        discussion: "Examples:\n  muster hosts\n  muster hosts revoke web-01",
        subcommands: [List.self, Revoke.self], defaultSubcommand: List.self)

    package init() {}

    struct Host: Decodable, Sendable {
        var id: String
        var name: String
        var state: String
        var reason: String
        var agentVersion: String
        var lastSeen: String
        var labels: [String: String]
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the hosts (the default).", discussion: "Example:\n  muster hosts")
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                try await session.show("/v1/hosts", [Host].self) { hosts in
                    guard !hosts.isEmpty else {
                        return ["No host has joined. Make a token: muster token create --host NAME"]
                    }
                    var table = Table("ID", "NAME", "STATE", "SEEN", "AGENT", "LABELS", "REASON")
                    for host in hosts {
                        table.row(
                            .init(host.id), .init(host.name), .init(host.state, stateColour(host.state)),
                            .init(age(host.lastSeen, now: Date())), .init(host.agentVersion), .init(host.labels.cell),
                            .init(host.reason))
                    }
                    return table.lines(session.terminal)
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke",
            abstract: "Cut a host off: its connection closes within 5 s and its certificate is not renewed.",
            discussion: "Example:\n  muster hosts revoke web-01")
        @Argument(help: "The host's id.") var id: String
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let data = try await session.ask("POST", "/v1/hosts/\(APIClient.encoded(id))/revoke")
                Output.line(
                    session.isJSON
                        ? String(decoding: data, as: UTF8.self)
                        : "\(id) is revoked. To let it back in, make a new token: muster token create --host NAME")
            }
        }
    }
}

package struct ContainersVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "containers", abstract: "Containers on every host.",
        discussion: "Examples:\n  muster containers\n  muster containers --host web-01")
    @Option(help: "Only this host's.") var host: String?
    @OptionGroup var options: CommonOptions

    package init() {}

    struct Container: Decodable, Sendable {
        var id: String
        var name: String
        var host: String
        var image: String
        var state: String
        var health: String
    }

    package func run() async throws {
        try await reporting {
            let session = try Session(options)
            try await session.show("/v1/containers", query: [("host", host)], [Container].self) { containers in
                guard !containers.isEmpty else { return ["No containers."] }
                var table = Table("HOST", "NAME", "STATE", "HEALTH", "ID", "IMAGE")
                for container in containers {
                    table.row(
                        .init(container.host), .init(container.name),
                        .init(container.state, stateColour(container.state)),
                        .init(container.health, stateColour(container.health)), .init(String(container.id.prefix(12))),
                        .init(container.image))
                }
                return table.lines(session.terminal)
            }
        }
    }
}
