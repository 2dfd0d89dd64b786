package import ArgumentParser
import Foundation

package struct AlertsVerb: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "alerts", abstract: "What is wrong, who was told, and who has it.",
        discussion: "Examples:\n  muster alerts\n  muster alerts ack 4f2a9c01d2e3b4a5",
        subcommands: [List.self, Acknowledge.self], defaultSubcommand: List.self)

    package init() {}

    struct Alert: Decodable, Sendable {
        struct Escalation: Decodable, Sendable {
            var level: Int
            var acknowledgedBy: String?
        }
        var fingerprint: String
        var labels: [String: String]
        var annotations: [String: String]
        var state: String
        var activeAt: String
        var receiver: String?
        var escalation: Escalation
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List pending and firing alerts (the default).",
            discussion: "Example:\n  muster alerts")
        @OptionGroup var options: CommonOptions

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                try await session.show("/v1/alerts", [Alert].self) { alerts in
                    guard !alerts.isEmpty else { return ["No alerts."] }
                    var table = Table("FINGERPRINT", "ALERT", "STATE", "SINCE", "RECEIVER", "LEVEL", "HELD BY", "WHAT")
                    for alert in alerts {
                        var labels = alert.labels
                        let name = labels.removeValue(forKey: "alertname") ?? "-"
                        table.row(
                            .init(alert.fingerprint), .init(name), .init(alert.state, stateColour(alert.state)),
                            .init(age(alert.activeAt, now: Date())), .init(alert.receiver ?? "-"),
                            .init("\(alert.escalation.level)"), .init(alert.escalation.acknowledgedBy ?? "nobody"),
                            .init(alert.annotations["summary"] ?? labels.cell))
                    }
                    return table.lines(session.terminal)
                }
            }
        }
    }

    struct Acknowledge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ack", abstract: "Take an alert: its group is not escalated further.",
            discussion: "Example:\n  muster alerts ack 4f2a9c01d2e3b4a5 --by anna")
        @Argument(help: "The alert's fingerprint.") var fingerprint: String
        @Option(help: "Who takes it; your user name when not given.") var by: String?
        @OptionGroup var options: CommonOptions

        struct Request: Encodable {
            var by: String
        }
        struct Answer: Codable {
            var fingerprint: String
            var acknowledgedBy: String
        }

        func run() async throws {
            try await reporting {
                let session = try Session(options)
                let who = by ?? ProcessInfo.processInfo.environment["USER"] ?? "operator"
                let path = "/v1/alerts/\(APIClient.encoded(fingerprint))/acknowledge"
                let data = try await session.ask(
                    "POST", path, body: Array(try JSONEncoder().encode(Request(by: who))))
                let answer: Answer = try APIClient.decode(data)
                Output.line(
                    session.isJSON
                        ? String(decoding: data, as: UTF8.self)
                        : "\(answer.fingerprint) is held by \(answer.acknowledgedBy); it is not escalated further.")
            }
        }
    }
}
