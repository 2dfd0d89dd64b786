import Foundation
import MusterHost
import MusterModel
import MusterRollouts
import MusterTransport
import NIOPosix
import Synchronization
import Testing

/// The executor against a real daemon.
@Suite(.serialized, .enabled(if: DockerDaemon.obstacle == nil, "needs dockerd, busybox-static and root"))
struct ContainerReplacementTests {
    /// One test's own part of the daemon: a label nobody else uses.
    struct World {
        let daemon: DockerDaemon
        let mark = "t\(UInt32.random(in: 0 ..< .max))"
        var name: String { "web-\(mark)" }
        var labels: [String: String] {
            [
                "test": mark, "app": "web", "SERVICE_NAME": "web", "SERVICE_CHECK_HTTP": "/health",
                "SERVICE_CHECK_INTERVAL": "100ms",
            ]
        }

        func executor(client: (any HTTPClient)? = nil) -> ContainerReplacement {
            var settings = ContainerReplacement.Settings(selector: LabelSelector("test", mark))
            settings.stopGrace = .zero
            settings.patience = .seconds(5)
            settings.lookInterval = .milliseconds(50)
            return ContainerReplacement(
                api: DockerAPI(client: client ?? daemon.client, endpoint: daemon.endpoint),
                probe: NetworkProbe(client: daemon.client, group: MultiThreadedEventLoopGroup.singleton),
                host: ExampleNames.host("host-a"), advertisedAddress: { "127.0.0.1" }, settings: settings,
                now: testClock)
        }

        func step(
            _ image: String, attempt: Int = 1, rollout: String = "r1", healthyFor: Duration = .milliseconds(300),
            deadline: Duration = .seconds(2)
        ) -> RolloutStep {
            step(
                .replace(
                    selector: ["app": "web"], image: image, gate: HealthGate(healthyFor: healthyFor, deadline: deadline)
                ),
                attempt: attempt, rollout: rollout)
        }

        func step(_ action: StepAction, name: String? = nil, attempt: Int = 1, rollout: String = "r1") -> RolloutStep {
            var kind = "end"
            if case .replace = action { kind = "swap" }
            return RolloutStep(
                rollout: ExampleNames.rollout(rollout), step: name ?? kind, attempt: attempt, epoch: 1,
                host: ExampleNames.host("host-a"),
                action: action, expiresAt: .distantFuture)
        }

        /// Name, image and whether it runs, of every container of this test, by name.
        func containers() async throws -> [String] {
            var lines: [String] = []
            for id in try await daemon.api.containerIDs(labels: [LabelSelector("test", mark)]) {
                guard let json = try await daemon.api.inspect(container: id) else { continue }
                let name = (json["Name"]?.string ?? "").replacingOccurrences(of: mark, with: "T").dropFirst()
                let policy = json["HostConfig"]?["RestartPolicy"]?["Name"]?.string ?? ""
                let image = json["Config"]?["Image"]?.string ?? ""
                let status = json["State"]?["Status"]?.string ?? ""
                lines.append("\(name) \(image) \(status) \(policy.isEmpty ? "no" : policy)")
            }
            return lines.sorted()
        }

        func inspect(_ name: String? = nil) async throws -> DockerJSON {
            try #require(try await daemon.api.inspect(container: name ?? self.name))
        }
    }

    static let always = DockerJSON.Member(
        "HostConfig",
        .object([
            .init(
                "RestartPolicy", .object([.init("Name", .string("always")), .init("MaximumRetryCount", .integer(0))]))
        ]))

    private func inWorld(
        running: Bool = true, _ more: [DockerJSON.Member] = [always], _ body: (World) async throws -> Void
    ) async throws {
        let world = World(daemon: try await DockerDaemon.shared())
        do {
            if running { try await world.daemon.run(world.name, "web:1", labels: world.labels, more) }
            try await body(world)
        } catch {
            try await world.daemon.clear(LabelSelector("test", world.mark))
            throw error
        }
        try await world.daemon.clear(LabelSelector("test", world.mark))
    }

    static let before = ["web-T web:1 running always"]
    static let replaced = ["web-T web:2 running always", "web-T.muster-old-r1.swap web:1 exited no"]

    @Test func aGoodImageTakesTheOldOnesPlaceAndTheOldOneIsParked() async throws {
        try await inWorld { world in
            let outcome = try await world.executor().execute(world.step("web:2"))
            guard case .succeeded(let detail) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(detail.previousImage == "web:1")
            #expect(detail.containers == [world.name])
            #expect(try await world.containers() == Self.replaced)
            let labels = try await world.inspect()["Config"]?["Labels"]?.texts ?? [:]
            #expect(labels["muster.rollout"] == "r1")
            #expect(labels["muster.step"] == "swap")
            #expect(labels["muster.attempt"] == "1")
            #expect(labels["built"] == "two")
            #expect(try await world.inspect()["Config"]?["Env"]?.strings.contains("VERSION=2") == true)
            let again = try await world.executor().execute(world.step("web:2"))
            #expect(again == outcome)
            #expect(try await world.containers() == Self.replaced)
        }
    }

    @Test func committingRemovesTheParkedAndRestoringAfterThatSaysSo() async throws {
        try await inWorld { world in
            _ = try await world.executor().execute(world.step("web:2"))
            guard case .succeeded = try await world.executor().execute(world.step(.commit)) else {
                Issue.record("not committed")
                return
            }
            #expect(try await world.containers() == ["web-T web:2 running always"])
            guard case .succeeded = try await world.executor().execute(world.step(.commit)) else {
                Issue.record("the second commit is no success")
                return
            }
            let late = try await world.executor().execute(world.step(.restore))
            guard case .failed(let reason, rolledBack: false) = late else {
                Issue.record("\(late)")
                return
            }
            #expect(reason.contains("is gone"))
            #expect(try await world.containers() == ["web-T web:2 running always"])
        }
    }

    @Test func restoringPutsTheParkedBackAndCanBeRepeated() async throws {
        try await inWorld { world in
            _ = try await world.executor().execute(world.step("web:2"))
            let old = try await world.inspect(world.name + ".muster-old-r1.swap")["Id"]
            for _ in 0..<2 {
                guard case .succeeded = try await world.executor().execute(world.step(.restore)) else {
                    Issue.record("not restored")
                    return
                }
                #expect(try await world.containers() == Self.before)
                #expect(try await world.inspect()["Id"] == old)
            }
        }
    }

    @Test func aParkedContainerWhoseReplacementWasRemovedIsRestoredByItsName() async throws {
        try await inWorld { world in
            _ = try await world.executor().execute(world.step("web:2"))
            try await world.daemon.api.remove(container: world.name, withAnonymousVolumes: true)
            _ = try await world.executor().execute(world.step(.restore))
            #expect(try await world.containers() == ["web-T web:1 running no"])
        }
    }

    @Test(arguments: [
        ("web:sick", "check http :8080/health failed: status 404;"),
        ("web:deaf", "check http :8080/health failed: connection refused;"),
        ("web:dead", "exit"),
    ])
    func aBadImageIsUndoneAndSaysWhy(_ image: String, _ words: String) async throws {
        try await inWorld { world in
            let outcome = try await world.executor().execute(world.step(image, deadline: .seconds(1)))
            guard case .failed(let reason, rolledBack: true) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(reason.contains(words), "\(reason)")
            #expect(reason.contains(image), "\(reason)")
            if image == "web:dead" { #expect(reason.contains("no database to be found"), "\(reason)") }
            if image == "web:deaf" { #expect(reason.contains(" tries"), "\(reason)") }
            #expect(try await world.containers() == Self.before)
        }
    }

    @Test func anImageThatCannotBePulledTouchesNothing() async throws {
        try await inWorld { world in
            let id = try await world.inspect()["Id"]
            let outcome = try await world.executor().execute(world.step("127.0.0.1:1/nowhere/web:9"))
            guard case .failed(let reason, rolledBack: true) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(reason.contains("127.0.0.1:1/nowhere/web:9 is not on this host and cannot be pulled"), "\(reason)")
            #expect(try await world.containers() == Self.before)
            #expect(try await world.inspect()["Id"] == id)
        }
    }

    @Test func aStartThatDockerRefusesIsUndone() async throws {
        let broken = DockerJSON.Member("Entrypoint", .strings(["/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]))
        try await inWorld([broken]) { world in
            // Its own working folder is a file of the new image: the runtime cannot start there.
            try await world.daemon.clear(LabelSelector("test", world.mark))
            try await world.daemon.run(
                world.name, "web:1", labels: world.labels,
                [Self.always, .init("WorkingDir", .string("/www")), .init("User", .string("0"))])
            let client = TamperingClient(world.daemon.client) { request in
                guard request.target.contains("/containers/create"), var body = try? DockerJSON(parsing: request.body)
                else { return request }
                body["Entrypoint"] = .strings(["/not-there"])
                var changed = request
                changed.body = body.encoded()
                return changed
            }
            let outcome = try await world.executor(client: client).execute(world.step("web:2"))
            guard case .failed(let reason, rolledBack: true) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(reason.contains("not-there"), "\(reason)")
            #expect(try await world.containers() == Self.before)
        }
    }

    @Test func whatCannotBeReplacedIsRefusedUntouched() async throws {
        try await inWorld(running: false) { world in
            let none = try await world.executor().execute(world.step("web:2"))
            #expect(none == .refused(reason: "no container on this host carries the label app=web"))
            let all = try await world.executor().execute(
                world.step(
                    .replace(selector: [:], image: "web:2", gate: HealthGate(healthyFor: .zero, deadline: .seconds(1))))
            )
            guard case .refused = all else {
                Issue.record("\(all)")
                return
            }
            let rm = DockerJSON.Member("HostConfig", .object([.init("AutoRemove", .bool(true))]))
            try await world.daemon.run(world.name, "web:1", labels: world.labels, [rm])
            guard case .refused(let reason) = try await world.executor().execute(world.step("web:2")) else {
                Issue.record("not refused")
                return
            }
            #expect(reason.contains("--rm"))
        }
    }

    @Test func severalContainersOfAHostAreReplacedOneByOneAndUndoneTogether() async throws {
        try await inWorld { world in
            try await world.daemon.run(world.name + "-b", "web:1", labels: world.labels)
            guard case .succeeded(let detail) = try await world.executor().execute(world.step("web:2")) else {
                Issue.record("not replaced")
                return
            }
            #expect(detail.containers == [world.name, world.name + "-b"])
            _ = try await world.executor().execute(world.step(.commit))
            #expect(try await world.containers() == ["web-T web:2 running always", "web-T-b web:2 running no"])
            // The second one fails: its label makes its check look for what is not there.
            try await world.daemon.api.remove(container: world.name + "-b", withAnonymousVolumes: true)
            var labels = world.labels
            labels["SERVICE_CHECK_HTTP"] = "/not-there"
            try await world.daemon.run(world.name + "-b", "web:2", labels: labels)
            let outcome = try await world.executor().execute(world.step("web:1", rollout: "r2", deadline: .seconds(1)))
            guard case .failed(_, rolledBack: true) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(try await world.containers() == ["web-T web:2 running always", "web-T-b web:2 running no"])
        }
    }

    @Test func whatPeopleSetIsCarriedOverAndWhatTheImageSetIsNot() async throws {
        let host = DockerJSON.object([
            .init(
                "RestartPolicy",
                .object([.init("Name", .string("on-failure")), .init("MaximumRetryCount", .integer(3))])),
            .init("Memory", .integer(64 << 20)),
            .init(
                "PortBindings",
                .object([
                    .init(
                        "8080/tcp",
                        .array([.object([.init("HostIp", .string("127.0.0.1")), .init("HostPort", .string(""))])]))
                ])),
            .init("ExtraHosts", .strings(["other:10.0.0.1"])),
        ])
        try await inWorld([
            .init("HostConfig", host), .init("Env", .strings(["OWN=mine", "SHARED=overridden"])),
            .init("Volumes", .object([.init("/data", .object([]))])),
        ]) { world in
            let before = try await world.inspect()
            let outcome = try await world.executor().execute(world.step("web:2"))
            guard case .succeeded = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let after = try await world.inspect()
            let environment = Set(after["Config"]?["Env"]?.strings ?? [])
            #expect(environment.isSuperset(of: ["OWN=mine", "SHARED=overridden", "VERSION=2"]))
            #expect(!environment.contains("VERSION=1"))
            #expect(after["HostConfig"]?["Memory"] == before["HostConfig"]?["Memory"])
            #expect(after["HostConfig"]?["ExtraHosts"] == before["HostConfig"]?["ExtraHosts"])
            #expect(after["HostConfig"]?["RestartPolicy"] == before["HostConfig"]?["RestartPolicy"])
            #expect(after["Mounts"]?.elements.first?["Name"] == before["Mounts"]?.elements.first?["Name"])
            #expect(after["Config"]?["Hostname"] != before["Config"]?["Hostname"])
            #expect(after["HostConfig"]?["PortBindings"] == before["HostConfig"]?["PortBindings"])
            _ = try await world.executor().execute(world.step(.restore))
            #expect(try await world.inspect()["HostConfig"]?["RestartPolicy"] == before["HostConfig"]?["RestartPolicy"])
            #expect(
                try await world.inspect()["Mounts"]?.elements.first?["Name"]
                    == before["Mounts"]?.elements.first?["Name"])
        }
    }
}
