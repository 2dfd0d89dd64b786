import Foundation
import MusterTestKit
import Testing

extension Acceptance {
    /// A fleet gets a new image, or its old one back, whatever is killed meanwhile.
    @Suite(.needsPrograms, .needsDocker) struct Rollouts {
        private static let agents = ["a", "b", "c"]

        private func fleet(_ name: String, _ test: (Fleet, DockerDaemon) async throws -> Void) async throws {
            let docker = try await DockerDaemon.shared()
            try await Fleet.run(name, .init(agents: Self.agents, docker: docker)) { fleet in
                // As the first process of a container busybox does not hear SIGTERM, and every stop would take its grace.
                for agent in Self.agents {
                    try await docker.run(
                        "shop-\(agent)", "web:1",
                        labels: [
                            "app": "shop", "fleet-agent": agent, "SERVICE_NAME": "shop",
                            "SERVICE_CHECK_HTTP": "/health",
                            "SERVICE_CHECK_INTERVAL": "300ms",
                        ], options: ["--stop-signal", "SIGKILL"])
                }
                try await eventually("all three are routed", within: .seconds(15)) {
                    try await fleet.route("shop")?.instances.count == 3
                }
                try await test(fleet, docker)
            }
        }

        /// A document on disk; waves of one host and then the rest.
        private func document(_ fleet: Fleet, _ image: String, bake: String = "1s") throws -> String {
            try fleet.scratch.write(
                """
                kind: container
                name: shop-\(image.replacingOccurrences(of: ":", with: "-"))
                target:
                  select: {app: shop}
                  expect: {min: 3, max: 3}
                image: \(image)
                waves: [{hosts: 1, bake: \(bake)}, {percent: 100}]
                maxInFlight: 2
                health: {healthyFor: 1s, deadline: 12s}
                onFailure: rollback
                """, to: "rollout.yaml")
        }

        /// Exactly one container on each host, running this image under its old name, nothing set aside.
        private func settled(_ docker: DockerDaemon, on image: String) async throws {
            try await eventually("each host has one container of \(image) and nothing else", within: .seconds(20)) {
                let listed = try await docker.docker([
                    "ps", "--all", "--filter", "label=app=shop", "--format", "{{.Names}} {{.Image}} {{.State}}",
                ])
                return listed.split(separator: "\n").map(String.init).sorted()
                    == Self.agents.map { "shop-\($0) \(image) running" }
            }
        }

        private func start(_ fleet: Fleet, _ document: String) async throws -> String {
            try await fleet.json(Shape.Started.self, "rollout", "run", document).id
        }

        private func rollout(_ fleet: Fleet, _ id: String) async throws -> Shape.Rollout {
            try await fleet.ask(Shape.Rollout.self, "/v1/rollouts/\(id)")
        }

        /// Waits until some host of the rollout has taken its step.
        private func underWay(_ fleet: Fleet, _ id: String) async throws {
            try await eventually("a host is at work", within: .seconds(15)) {
                try await rollout(fleet, id).hosts.contains { $0.state == "running" || $0.state == "failed" }
            }
        }

        private func finished(_ fleet: Fleet, _ id: String, as state: String) async throws -> Shape.Rollout {
            try await awaited("rollout \(id) is \(state)", within: .seconds(120), every: .milliseconds(200)) {
                guard let now = try? await rollout(fleet, id) else { return nil }
                let endings = ["succeeded", "rolledBack", "rollbackFailed", "aborted", "failed", "paused"]
                guard endings.contains(now.state), now.state != state else { return now.state == state ? now : nil }
                throw NeverHappened("rollout \(id) is \(now)")
            }
        }

        @Test(.timeLimit(.minutes(4)))
        func aGoodImageGoesOutAndComesBackByUndo() async throws {
            try await fleet("rollout-good") { fleet, docker in
                let file = try document(fleet, "web:2")
                let plan = try await fleet.cli("rollout", "plan", file)
                #expect(plan.exitCode == 2, "\(plan)")
                #expect(
                    plan.output.contains("web:1") && plan.output.contains("web:2")
                        && plan.output.contains("3 to change"))
                let run = try await fleet.cli("rollout", "run", file, "--watch", within: .seconds(120))
                #expect(run.exitCode == 0, "\(run)")
                try await settled(docker, on: "web:2")
                try await eventually("all three are routed again", within: .seconds(10)) {
                    try await fleet.route("shop")?.instances.count == 3
                }
                let again = try await fleet.cli("rollout", "plan", file)
                #expect(again.exitCode == 0 && again.output.contains("Nothing to do."), "\(again)")
                struct Entry: Decodable {
                    var id: String
                    var state: String
                }
                let history = try await fleet.json([Entry].self, "rollout", "history")
                #expect(history.map(\.state) == ["succeeded"])
                let id = try #require(history.first?.id)
                #expect(try await fleet.cli("rollout", "status", id).exitCode == 0)
                let undo = try await fleet.json(Shape.Started.self, "rollout", "undo", id)
                let watched = try await fleet.cli("rollout", "watch", undo.id, within: .seconds(120))
                #expect(watched.exitCode == 0, "\(watched)")
                try await settled(docker, on: "web:1")
            }
        }

        @Test(.timeLimit(.minutes(4)))
        func aPersonCanPauseResumeAbortAndUndo() async throws {
            try await fleet("rollout-orders") { fleet, docker in
                let id = try await start(fleet, try document(fleet, "web:2", bake: "20s"))
                try await eventually("the first host is done", within: .seconds(20)) {
                    try await rollout(fleet, id).hosts.contains { $0.state == "succeeded" }
                }
                _ = try await fleet.cli("rollout", "pause", id).succeeded()
                let paused = try await fleet.cli("rollout", "status", id)
                #expect(paused.exitCode == 5 && paused.output.contains("paused"), "\(paused)")
                _ = try await fleet.cli("rollout", "resume", id).succeeded()
                #expect(try await rollout(fleet, id).state == "running")
                _ = try await fleet.cli("rollout", "abort", id).succeeded()
                let aborted = try await fleet.cli("rollout", "status", id)
                #expect(aborted.exitCode == 4 && aborted.output.contains("aborted"), "\(aborted)")
                let images = try await docker.docker([
                    "ps", "--filter", "label=app=shop", "--format", "{{.Image}}",
                ]).split(separator: "\n").map(String.init).sorted()
                #expect(images == ["web:1", "web:1", "web:2"], "an abort leaves everything as it is")
                let undone = try await fleet.json(Shape.Started.self, "rollout", "undo", id)
                let watched = try await fleet.cli("rollout", "watch", undone.id, within: .seconds(60))
                #expect(watched.exitCode == 3, "\(watched)")
                try await settled(docker, on: "web:1")
                let late = try await fleet.cli("rollout", "pause", id)
                #expect(late.exitCode == 1 && !late.errors.isEmpty)
            }
        }

        @Test(.timeLimit(.minutes(4)))
        func anImageThatFailsItsCheckRollsBackByItselfAndSaysWhy() async throws {
            try await fleet("rollout-sick") { fleet, docker in
                let before = try await docker.docker(["inspect", "--format", "{{.Id}}", "shop-a"])
                let file = try document(fleet, "web:sick")
                let id = try await start(fleet, file)
                try await eventually("the old container is kept beside the new one", within: .seconds(15)) {
                    let names = try await docker.names(label: "app=shop")
                    return names.contains("shop-a") && names.contains { $0.hasPrefix("shop-a.muster-old-") }
                }
                let parked = try await docker.names(label: "app=shop").first { $0.hasPrefix("shop-a.muster-old-") }
                let name = try #require(parked)
                #expect(try await docker.docker(["inspect", "--format", "{{.Id}}", name]) == before)
                let watched = try await fleet.cli("rollout", "watch", id, within: .seconds(120))
                #expect(watched.exitCode == 3, "\(watched)")
                let status = try await rollout(fleet, id)
                #expect(status.state == "rolledBack")
                let why = status.reason + status.hosts.map(\.reason).joined()
                #expect(why.contains("404"), "the status does not say that the check failed: \(status)")
                try await settled(docker, on: "web:1")
                #expect(try await docker.docker(["inspect", "--format", "{{.Id}}", "shop-a"]) == before)
                #expect(
                    status.hosts.map(\.state) == ["failed", "pending", "pending"], "one host was touched, and only one")
                try await eventually("all three are routed again", within: .seconds(10)) {
                    try await fleet.route("shop")?.instances.count == 3
                }
                let shown = try await fleet.cli("rollout", "status", id)
                #expect(shown.exitCode == 3)
            }
        }

        @Test(.timeLimit(.minutes(5)))
        func aKilledCoordinatorChangesNothingAboutTheOutcome() async throws {
            try await fleet("rollout-crash") { fleet, docker in
                let good = try await start(fleet, try document(fleet, "web:2"))
                try await underWay(fleet, good)
                try fleet.crash("coordinator")
                try await fleet.coordinatorAnswers()
                _ = try await finished(fleet, good, as: "succeeded")
                try await settled(docker, on: "web:2")
                try await fleet.everyoneIsAlive(within: .seconds(60))

                let sick = try await start(fleet, try document(fleet, "web:sick"))
                try await underWay(fleet, sick)
                try fleet.crash("coordinator")
                try await fleet.coordinatorAnswers()
                let ended = try await finished(fleet, sick, as: "rolledBack")
                #expect((ended.reason + ended.hosts.map(\.reason).joined()).contains("404"), "\(ended)")
                try await settled(docker, on: "web:2")
            }
        }

        @Test(.timeLimit(.minutes(4)))
        func aKilledAgentTakesItsStepUpAgain() async throws {
            try await fleet("rollout-agent") { fleet, docker in
                let id = try await start(fleet, try document(fleet, "web:2"))
                try await underWay(fleet, id)
                let host = try #require(try await rollout(fleet, id).hosts.first { $0.state == "running" }?.host)
                try fleet.crash(host)
                let ended = try await finished(fleet, id, as: "succeeded")
                #expect(ended.hosts.allSatisfy { $0.state == "succeeded" })
                try await settled(docker, on: "web:2")
            }
        }

        @Test(.timeLimit(.minutes(3)))
        func aDocumentThatCannotBeFollowedChangesNothing() async throws {
            try await fleet("rollout-wrong") { fleet, docker in
                let file = try fleet.scratch.write("kind: container\nname: x\nimagine: web:2\n", to: "wrong.yaml")
                let plan = try await fleet.cli("rollout", "plan", file)
                #expect(plan.exitCode == 1 && plan.errors.contains("wrong.yaml"), "\(plan)")
                let absent = try await fleet.cli("rollout", "run", fleet.scratch("absent.yaml"))
                #expect(absent.exitCode == 1 && absent.errors.contains("absent.yaml"))
                // An image that nobody has fails before anything is stopped.
                let missing = try document(fleet, "web:absent")
                let run = try await fleet.cli("rollout", "run", missing, "--watch", within: .seconds(120))
                #expect(run.exitCode == 3, "\(run)")
                try await settled(docker, on: "web:1")
                let paused = try await fleet.cli("rollout", "pause", "r-20000101-0001")
                #expect(paused.exitCode == 1 && paused.errors.contains("r-20000101-0001"))
            }
        }
    }
}
