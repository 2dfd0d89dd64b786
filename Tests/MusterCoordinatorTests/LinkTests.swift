import Foundation
import MusterCoordinator
import MusterModel
import MusterProtocol
import MusterRollouts
import MusterTestKit
import MusterTransport
import MusterWire
import Synchronization
import Testing

/// A number that several tasks count up.
private final class Counter: Sendable {
    private let number = Mutex(0)
    var value: Int { number.withLock { $0 } }
    func count() { number.withLock { $0 += 1 } }
}

/// A whole coordinator with agents that are nothing but the link.
@Suite(.serialized)
struct LinkTests {
    private let host = Thing.host("a")
    private let boot = BootID(high: 1, low: 2)

    private func snapshot(_ sequence: UInt64 = 1) -> HostSnapshot {
        let container = Thing.container("web-1")
        return Thing.snapshot(
            "a", boot: boot, sequence: sequence, containers: [container],
            instances: [
                Thing.instance("web", on: "a", container: container.id),
                Thing.instance("web", on: "a", port: 81, health: .critical),
            ])
    }

    /// From here on programs rely on these names.
    @Test(.timeLimit(.minutes(2)))
    func everyShapeHasExactlyItsFields() async throws {
        try await RunningCoordinator.run(try Scratch("shapes")) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await agent.welcome()
            try await agent.deliver(snapshot(), 1)
            var metrics = MetricStream()
            try await agent.deliver(.metrics, 1, codec: 1, metrics.frame([("node_load1", 2.5)]))
            try await agent.deliver(.logs, 1, codec: 1, Thing.logBlock(["hello"], host: "a"))
            let hosts = try await coordinator.get("/v1/hosts")
            #expect(
                hosts[0]?.keys == ["agentVersion", "bootId", "id", "labels", "lastSeen", "name", "reason", "state"])
            #expect(hosts[0]?["state"]?.text == "alive" && hosts[0]?["bootId"]?.text == boot.description)
            let containers = try await coordinator.get("/v1/containers")
            #expect(containers[0]?.keys == ["health", "host", "id", "image", "labels", "name", "state"])
            #expect(try await coordinator.get("/v1/containers?host=b").items.isEmpty)
            let services = try await coordinator.get("/v1/services")
            #expect(services[0]?.keys == ["instances", "name"])
            #expect(
                services[0]?["instances"]?[0]?.keys == ["address", "host", "id", "port", "reason", "state", "tags"])
            let route = try await coordinator.get("/v1/route/web")
            #expect(route.keys == ["excluded", "instances", "service", "version"])
            #expect(route["instances"]?[0]?.keys == ["address", "id", "port", "reason", "weight"])
            #expect(route["excluded"]?[0]?.keys == ["id", "reason"])
            #expect(try await coordinator.get("/v1/alerts") == .array([]))
            #expect(try await coordinator.get("/v1/rollouts") == .array([]))
            let status = try await coordinator.get("/v1/status")
            #expect(
                status.keys == [
                    "alerts", "containers", "hosts", "ingest", "rollouts", "series", "services", "startedAt", "version",
                    "warmingUp",
                ])
            #expect(status["hosts"] == .object(["alive": .number(1)]))
            #expect(status["alerts"]?.keys == ["firing", "pending"])
            #expect(status["ingest"]?.keys == ["bytes", "duplicates", "logFrames", "metricFrames"])
            #expect(status["ingest"]?["metricFrames"]?.number == 1)
            let query = try await coordinator.get("/api/v1/query?query=node_load1")
            #expect(query.keys == ["data", "status"] && query["status"]?.text == "success")
            #expect(query["data"]?.keys == ["result", "resultType"])
            #expect(query["data"]?["result"]?[0]?["value"]?[1]?.text == "2.5")
            let found = try await coordinator.ask(
                "GET", "/v1/logs?selector=%7Bhost%3D%22a%22%7D&contains=hell&limit=5", token: coordinator.token)
            #expect(try JSON(found.body.dropLast()).keys == ["host", "labels", "level", "line", "source", "ts"])
            let tokens = try await coordinator.get("/v1/tokens")
            #expect(tokens[0]?.keys == ["expiresAt", "id", "kind", "lastUsed", "name", "role"])
            _ = try await coordinator.token(.viewer)
            let unused = try await coordinator.get("/v1/tokens").items.first { $0["role"]?.text == "viewer" }
            #expect(unused?["lastUsed"] == .null)
            await agent.close()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func questionsThatMakeNoSenseAreExplained() async throws {
        let questions = [
            ("/v1/logs?selector=%7Ba", "selector"), ("/v1/logs?limit=0", "limit is \"0\""),
            ("/v1/logs?limit=100001", "limit is \"100001\""), ("/v1/logs?since=1", "since is \"1\""),
            ("/v1/route/a%20b", "no service name"), ("/v1/route/web?version=-1", "version is \"-1\""),
        ]
        try await RunningCoordinator.run(try Scratch("questions")) { coordinator in
            for (path, text) in questions {
                let response = try await coordinator.ask("GET", path, token: coordinator.token)
                let body = String(decoding: response.body, as: UTF8.self)
                #expect(response.status == 400, "\(path): \(body)")
                let message = try JSON(response.body)["error"]?["message"]?.text ?? ""
                #expect(message.contains(text), "\(path): \(body)")
            }
            for path in ["/v1/route/nobody", "/v1/rollouts/r-20260101-0001"] {
                #expect(try await coordinator.ask("GET", path, token: coordinator.token).status == 404)
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func nothingIsLostOrDoubledAcrossARestart() async throws {
        let scratch = try Scratch("restart")
        let block = Thing.logBlock(["kept"], host: "a")
        var metrics = MetricStream()
        let frame = metrics.frame([("node_load1", 1)])
        try await RunningCoordinator.run(scratch) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            #expect(try await agent.welcome().durable == PerClass(repeating: 0))
            try await agent.deliver(snapshot(), 1)
            try await agent.deliver(.metrics, 4, codec: 1, frame)
            try await agent.deliver(.logs, 9, codec: 1, block)
            await agent.close()
        }
        try await RunningCoordinator.run(scratch) { coordinator in
            // Last known, although nobody has reported.
            #expect(try await coordinator.get("/v1/hosts")[0]?["state"]?.text == "suspect")
            #expect(try await coordinator.get("/v1/status")["warmingUp"] == .bool(true))
            #expect(try await coordinator.get("/v1/route/web")["instances"]?.items.count == 1)
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            let welcome = try await agent.welcome()
            #expect(welcome.durable[.metrics] == 4 && welcome.durable[.logs] == 9)
            try await agent.send(.logs, 9, codec: 1, block)
            try await agent.send(.metrics, 4, codec: 1, frame)
            try await agent.deliver(.logs, 10, codec: 1, Thing.logBlock(["new"], host: "a"))
            let found = try await coordinator.ask("GET", "/v1/logs?direction=forward", token: coordinator.token)
            let lines = try found.body.split(separator: UInt8(ascii: "\n")).map { try JSON($0)["line"]?.text }
            #expect(lines == ["kept", "new"])
            #expect(try await coordinator.get("/v1/status")["ingest"]?["duplicates"]?.number == 2)
            await agent.close()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func anAgentThatWouldUseSequencesAgainIsToldToBeginANewBoot() async throws {
        try await RunningCoordinator.run(try Scratch("stale")) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await agent.welcome()
            try await agent.deliver(.logs, 9, codec: 1, Thing.logBlock(["x"], host: "a"))
            await agent.close()
            let copy = try await FakeAgent(
                coordinator, host, boot: boot, nextSequences: PerClass(control: 1, health: 1, metrics: 1, logs: 9))
            try await eventually("it is refused") { copy.refusal?.code == .staleState }
            let other = try await FakeAgent(
                coordinator, host, boot: BootID(high: 5, low: 5), nextSequences: PerClass(repeating: 1))
            #expect(try await other.welcome().durable[.logs] == 0)
            await other.close()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func ofTwoConnectionsOfAHostTheNewerStays() async throws {
        try await RunningCoordinator.run(try Scratch("newer")) { coordinator in
            let older = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await older.welcome()
            let newer = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await newer.welcome()
            try await eventually("the older one ends") { older.isOver }
            #expect(older.refusal?.code == .superseded)
            try await newer.deliver(snapshot(), 1)
            #expect(try await coordinator.get("/v1/hosts")[0]?["state"]?.text == "alive")
            await newer.close()
        }
    }

    /// Anybody may connect to the API, for enrolment; but one address does not get every place, and keeps none for long.
    @Test(.timeLimit(.minutes(2)))
    func oneAddressCannotTakeEveryPlaceOfTheAPI() async throws {
        try await RunningCoordinator.run(try Scratch("api-gate")) { coordinator in
            let strangers = try (0..<140).map { _ in try RawConnection(port: coordinator.api) }
            try await eventually("those above the limit are refused", within: .seconds(4)) {
                coordinator.logged.contains("already has 128 connections that did not authenticate yet")
            }
            try await eventually("silence is cut off and the API answers") {
                guard strangers.allSatisfy({ $0.isClosed }) else { return false }
                return (try? await coordinator.get("/v1/hosts"))?.items.isEmpty ?? false
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func anAgentThatSaysItIsAnotherHostIsRefusedAndThatHostIsUndisturbed() async throws {
        try await RunningCoordinator.run(try Scratch("wrong-host")) { coordinator in
            let good = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await good.welcome()
            let liar = try await FakeAgent(coordinator, Thing.host("b"), claiming: host)
            try await eventually("it is refused") { liar.isOver }
            #expect(liar.refusal?.code == .wrongHost)
            try await eventually("the reason is in the log") {
                coordinator.logged.contains("the certificate is for b, but hello says \(host)")
            }
            try await good.deliver(snapshot(), 1)
            #expect(!good.isOver)
            #expect(try await coordinator.get("/v1/hosts")[0]?["state"]?.text == "alive")
            #expect(try await coordinator.get("/v1/hosts")[1] == nil)
            await good.close()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func bytesThatAreNoFrameEndTheirLinkAlone() async throws {
        let damages: [(bytes: [UInt8], reason: String)] = [
            ([0xFF, 0xFF, 0xFF, 0xFF], "says it has 4294967299 bytes, the limit is \(Limits.frameBytes)"),
            ([0, 0, 0, 0], "is empty"), ([1, 0, 0, 0, 0xEE], "is of the unknown kind 238"),
        ]
        try await RunningCoordinator.run(try Scratch("no-frame")) { coordinator in
            let good = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await good.welcome()
            for (number, damage) in damages.enumerated() {
                let bad = try await FakeAgent(coordinator, Thing.host("b"))
                _ = try await bad.welcome()
                try await bad.send(raw: damage.bytes)
                try await eventually("it is cut off") { bad.isOver }
                #expect(bad.refusal?.code == .badFrame)
                try await eventually("the reason is in the log") {
                    coordinator.logged.split(separator: "\n").contains {
                        $0.contains("link closed host=b ") && $0.contains(damage.reason)
                    }
                }
                let sequence = UInt64(number) + 1
                try await good.deliver(snapshot(sequence), sequence)
            }
            #expect(!good.isOver)
            #expect(try await coordinator.get("/v1/hosts")[0]?["state"]?.text == "alive")
            await good.close()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aCertificateThatEndsTakesItsConnectionAlong() async throws {
        try await RunningCoordinator.run(try Scratch("expiry")) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot, lifetime: .seconds(3))
            _ = try await agent.welcome()
            try await eventually("the connection ends", within: .seconds(10)) { agent.isOver }
            try await eventually("its end is in the log with the reason") {
                coordinator.logged.contains("agent disconnected") && coordinator.logged.contains("expired")
            }
            #expect(MachineClock.wall >= agent.certificate.notAfter)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aRevokedHostIsCutOffForgottenAndNotLetInAgain() async throws {
        let scratch = try Scratch("revoked")
        try await RunningCoordinator.run(scratch) { coordinator in
            let unknown = try await coordinator.ask("POST", "/v1/hosts/b/revoke", token: coordinator.token)
            #expect(unknown.status == 404)
            let credentials = try await enrolled(coordinator, "a")
            let agent = try await FakeAgent(coordinator, host, boot: boot, credentials: credentials)
            _ = try await agent.welcome()
            try await agent.deliver(snapshot(), 1)
            let revoked = try await coordinator.json("POST", "/v1/hosts/a/revoke")
            #expect(revoked.keys == ["id", "revoked"])
            try await eventually("the connection ends", within: .seconds(5)) { agent.isOver }
            #expect(agent.refusal?.code == .revoked)
            #expect(try await coordinator.get("/v1/hosts").items.isEmpty)
            await #expect(throws: (any Error).self) {
                _ = try await FakeAgent(coordinator, host, boot: boot, credentials: credentials).welcome()
            }
            #expect(coordinator.logged.contains("host a is revoked"))
        }
        try await RunningCoordinator.run(scratch) { coordinator in
            let hosts = try await coordinator.get("/v1/hosts")
            #expect(hosts.items.isEmpty)
        }
    }

    /// Joins as `muster-agent enroll` does.
    private func enrolled(_ coordinator: RunningCoordinator, _ name: String) async throws -> TLSCredentials {
        let made = try await coordinator.json("POST", "/v1/tokens", body: #"{"kind":"join","host":"\#(name)"}"#)
        #expect(made.keys == ["expiresAt", "id", "token"])
        let key = try KeyPair.generate()
        let body = try JSONEncoder().encode([
            "token": made["token"]?.text ?? "", "hostName": name,
            "signingRequest": try SigningRequest.make(for: key),
        ])
        let answer = try await coordinator.ask("POST", "/v1/enroll", token: nil, body: Array(body))
        let fields = try JSON(answer.body)
        #expect(fields.keys == ["authority", "certificateChain", "hostId"])
        let again = try await coordinator.ask("POST", "/v1/enroll", token: nil, body: Array(body))
        #expect(again.status == 429)
        return TLSCredentials(
            chain: try Certificate.chain(pem: try #require(fields["certificateChain"]?.text)), key: key)
    }

    @Test(.timeLimit(.minutes(2)))
    func aFollowerHearsNewLinesAndLeavesItsPlaceWhenItGoes() async throws {
        try await RunningCoordinator.run(try Scratch("follow")) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await agent.welcome()
            try await agent.deliver(.logs, 1, codec: 1, Thing.logBlock(["before"], host: "a"))
            let isConnected = Mutex(false)
            async let heard = coordinator.lines("/v1/logs?follow=true") {
                isConnected.withLock { $0 = true }
            } enough: {
                $0.contains("after")
            }
            try await eventually("it follows") { isConnected.withLock { $0 } }
            try await agent.deliver(.logs, 2, codec: 1, Thing.logBlock(["after"], host: "a"))
            let lines = try await heard.split(separator: "\n").map { try JSON($0.utf8)["line"]?.text }
            #expect(lines == ["before", "after"])
            await agent.close()
        }
    }

    /// Someone who follows what never comes and goes away would otherwise hold one of 256 places for ever.
    @Test(.timeLimit(.minutes(3)))
    func followersOfAQuietStreamGiveTheirPlacesBack() async throws {
        try await RunningCoordinator.run(try Scratch("quiet")) { coordinator in
            for round in 1...3 {
                let connected = Counter()
                let everyone = Task {
                    await withTaskGroup(of: Void.self) { group in
                        for _ in 0..<100 {
                            group.addTask {
                                _ = try? await coordinator.lines("/v1/logs?follow=true&contains=never") {
                                    connected.count()
                                } enough: { _ in
                                    false
                                }
                            }
                        }
                    }
                }
                try await eventually("100 follow in round \(round)", within: .seconds(30)) { connected.value == 100 }
                everyone.cancel()
                await everyone.value
            }
            let last = try await awaited("a place is free", within: .seconds(10)) {
                let response = try await coordinator.ask("GET", "/v1/logs", token: coordinator.token)
                return response.isSuccess ? response : nil
            }
            #expect(last.isSuccess)
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aWatchedRouteIsAnsweredWhenItChanges() async throws {
        try await RunningCoordinator.run(try Scratch("watch")) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await agent.welcome()
            try await agent.deliver(snapshot(), 1)
            let first = try #require(try await coordinator.get("/v1/route/web")["version"]?.number)
            async let changed = coordinator.get("/v1/route/web?version=\(Int64(first))&wait=20s")
            var next = snapshot(2)
            next.instances.removeLast()
            try await agent.deliver(next, 2)
            #expect(try #require(try await changed["version"]?.number) > first)
            let now = try #require(try await coordinator.get("/v1/route/web")["version"]?.number)
            let waited = try await timed {
                _ = try await coordinator.get("/v1/route/web?version=\(Int64(now))&wait=1s")
            }
            #expect(waited >= .milliseconds(900))
            await agent.close()
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func aRolloutGoesOverTheLinkAndItsShapesHaveTheirFields() async throws {
        let document =
            "kind: container\nname: web\ntarget: {select: {app: web}}\nimage: web:2\n"
            + "health: {healthyFor: 0s, deadline: 10s}\n"
        try await RunningCoordinator.run(try Scratch("rollout")) { coordinator in
            let agent = try await FakeAgent(coordinator, host, boot: boot)
            _ = try await agent.welcome()
            try await agent.deliver(snapshot(), 1)
            let plan = try await coordinator.json("POST", "/v1/rollouts/plan", body: document)
            #expect(plan.keys == ["changes", "name", "warnings", "waves"])
            #expect(plan["waves"]?[0]?["hosts"]?[0]?.keys == ["container", "from", "host", "name", "to"])
            let started = try await coordinator.json("POST", "/v1/rollouts", body: document)
            #expect(started.keys == ["id"])
            let id = try #require(started["id"]?.text)
            let step = try await awaited("the step comes") {
                agent.messages.lazy.compactMap { if case .step(let step) = $0 { step } else { nil } }.first
            }
            #expect(step.host == host && step.rollout.text == id)
            let before = try await coordinator.get("/v1/rollouts")
            #expect(before[0]?.keys == ["finishedAt", "id", "name", "reason", "startedAt", "state"])
            #expect(before[0]?["finishedAt"] == .null)
            let outcome = StepOutcome.succeeded(StepDetail(previousImage: "web:1", containers: ["web-1"]))
            try await agent.say(.stepReport(step.key, .accepted), 1)
            try await agent.say(.stepReport(step.key, .finished(outcome)), 2)
            try await eventually("the outcome is said to be stored") {
                agent.messages.contains(.stepReportStored(step.key))
            }
            let status = try await awaited("it succeeds", within: .seconds(20)) {
                let status = try await coordinator.get("/v1/rollouts/\(id)")
                return status["state"]?.text == "succeeded" ? status : nil
            }
            #expect(status.keys == ["hosts", "id", "name", "reason", "state", "wave"])
            #expect(status["hosts"]?[0]?.keys == ["host", "reason", "state"])
            let refused = try await coordinator.ask("POST", "/v1/rollouts/\(id)/pause", token: coordinator.token)
            #expect(refused.status == 409)
            await agent.close()
        }
    }
}
