import Foundation
import MusterTestKit
import Testing

extension Acceptance {
    /// From a container's metric to the people who are told, level by level, and to the end of it.
    @Suite(.needsPrograms, .needsDocker) struct Alerts {
        private static let rules = """
            groups:
              - name: containers
                interval: 500ms
                rules:
                  - alert: Crowded
                    expr: container_processes{name=~"crowd-.*"} > 3
                    for: 1s
                    labels: {severity: page}
                    annotations: {summary: "{{ $labels.name }} has {{ $value }} processes"}
                  - alert: Held
                    expr: container_processes{name=~"held-.*"} > 3
                    for: 1s
                    annotations: {summary: "{{ $labels.name }}"}
            """

        private static func alerting(_ receiver: WebhookReceiver) -> String {
            """

            alerting:
              route:
                receiver: on-call
                group_by: [alertname]
                group_wait: 4s
                group_interval: 1s
                repeat_interval: 1h
                routes:
                  - matchers: ['alertname="Held"']
                    group_by: [alertname, name]
                    group_wait: 1s
              receivers:
                - name: on-call
                  escalation:
                    - webhooks: ['\(receiver.url("/first"))']
                    - webhooks: ['\(receiver.url("/second"))']
                      after: 5s
            """
        }

        private func fleet(
            _ name: String, _ docker: DockerDaemon, _ test: (Fleet, WebhookReceiver) async throws -> Void
        ) async throws {
            let receiver = try await WebhookReceiver()
            let setup = Fleet.Setup(
                agents: ["a", "b"], docker: docker, rules: Self.rules, coordinator: Self.alerting(receiver))
            do {
                try await Fleet.run(name, setup) { try await test($0, receiver) }
            } catch {
                await receiver.close()
                throw error
            }
            await receiver.close()
        }

        /// A container with so many processes that a rule fires.
        private func crowd(_ docker: DockerDaemon, _ name: String, agent: String) async throws {
            let sleeps = String(repeating: "/busybox sleep 100000 & ", count: 4)
            try await docker.run(
                name, "busybox:1", labels: ["fleet-agent": agent], command: ["sh", "-c", sleeps + "wait"])
        }

        @Test(.timeLimit(.minutes(3)))
        func oneGroupIsToldEscalatedAndResolvedThroughAKillOfTheCoordinator() async throws {
            let docker = try await DockerDaemon.shared()
            try await fleet("alerts", docker) { fleet, receiver in
                try await crowd(docker, "crowd-a", agent: "a")
                try await crowd(docker, "crowd-b", agent: "b")
                try await eventually("the first level is told", within: .seconds(25)) {
                    !receiver.calls("/first").isEmpty
                }
                let told = try #require(receiver.calls("/first").first)
                #expect(told.status == "firing")
                #expect(told.groupLabels == ["alertname": "Crowded"])
                #expect(told.alerts.compactMap { $0.labels["name"] }.sorted() == ["crowd-a", "crowd-b"])
                let summary = told.alerts.first { $0.labels["name"] == "crowd-a" }?.annotations["summary"]
                #expect(summary == "crowd-a has 5 processes")
                #expect(receiver.calls("/second").isEmpty)
                let alerts = try await fleet.alerts()
                #expect(alerts.count == 2 && alerts.allSatisfy { $0.state == "firing" && $0.escalation.level == 1 })

                try fleet.crash("coordinator")
                try await fleet.coordinatorAnswers()
                try await eventually("nobody acknowledged, so the second level is told", within: .seconds(20)) {
                    !receiver.calls("/second").isEmpty
                }
                let escalated = try #require(receiver.calls("/second").first)
                #expect(escalated.status == "firing" && escalated.escalation.level == 2)
                #expect(escalated.alerts.count == 2)
                #expect(receiver.calls("/first").count == 1, "a restart is no reason to tell again")

                try await fleet.everyoneIsAlive(within: .seconds(60))
                try await docker.docker(["rm", "--force", "crowd-a", "crowd-b"])
                for path in ["/first", "/second"] {
                    try await eventually("\(path) hears of the end", within: .seconds(40)) {
                        receiver.calls(path).last?.status == "resolved"
                    }
                }
                try await eventually("no alert is listed", within: .seconds(10)) { try await fleet.alerts().isEmpty }
                let ids = (receiver.calls("/first") + receiver.calls("/second")).map(\.notificationId)
                #expect(Set(ids).count == ids.count, "a notification came twice")
                #expect(receiver.calls("/second").filter { $0.status == "firing" }.count == 1)
                let table = try await fleet.cli("alerts").succeeded().output
                #expect(table.contains("No alerts."))
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func whoeverTakesAnAlertStopsItsEscalation() async throws {
            let docker = try await DockerDaemon.shared()
            try await fleet("acknowledge", docker) { fleet, receiver in
                try await crowd(docker, "held-by-anna", agent: "a")
                try await eventually("the first level is told", within: .seconds(25)) {
                    receiver.calls("/first").count == 1
                }
                let alert = try #require(try await fleet.alerts().first)
                #expect(alert.labels["name"] == "held-by-anna")
                let done = try await fleet.cli("alerts", "ack", alert.fingerprint, "--by", "anna").succeeded()
                #expect(done.output.contains("anna"))
                let listed = try await fleet.json([Shape.Alert].self, "alerts")
                #expect(listed.first?.escalation.acknowledgedBy == "anna")
                // One that comes later and that nobody takes is escalated; by then the first would have been.
                try await crowd(docker, "held-by-nobody", agent: "b")
                try await eventually("the other alert is escalated", within: .seconds(30)) {
                    !receiver.calls("/second").isEmpty
                }
                let names = receiver.calls("/second").flatMap(\.alerts).compactMap { $0.labels["name"] }
                #expect(names == ["held-by-nobody"])
                let unknown = try await fleet.cli("alerts", "ack", "0000000000000000")
                #expect(unknown.exitCode == 1 && !unknown.errors.isEmpty)
            }
        }
    }
}
