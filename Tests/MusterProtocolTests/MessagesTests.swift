import MusterModel
import MusterProtocol
import MusterRollouts
import Testing

/// A name that this test wrote itself.
private func valid<Value>(_ value: Value?, line: UInt = #line) -> Value {
    guard let value else { preconditionFailure("the name on line \(line) is not valid") }
    return value
}

private let host = valid(HostID("web-01"))
private let boot = BootID(high: 1, low: 2)
private let key = StepKey(rollout: valid(RolloutID("r-1")), step: "web-01", attempt: 2)

private func step(_ action: StepAction) -> RolloutStep {
    RolloutStep(
        rollout: key.rollout, step: key.step, attempt: key.attempt, epoch: 7, host: host, action: action,
        expiresAt: Instant(seconds: 1_000))
}

private let snapshot = HostSnapshot(
    host: host, boot: boot, sequence: 9, name: "web-01.example", agentVersion: "0.1.0", labels: ["zone": "a"],
    containers: [
        Container(
            id: String(repeating: "ab", count: 32), name: "web", image: "web:1", imageDigest: "sha256:00",
            labels: ["SERVICE_NAME": "web"], state: .running, health: .healthy, startedAt: Instant(seconds: 5),
            restarts: 3, ports: [.init(containerPort: 80, protocol: "tcp", hostPort: 8_080, hostAddress: "0.0.0.0")],
            networks: [.init(name: "bridge", address: "172.17.0.2")]),
        Container(id: "cd", name: "gone", image: "x", state: .exited, exitCode: -1),
    ],
    instances: [
        Instance(
            id: "web-01:web:80", service: valid(ServiceName("web")), host: host, container: "ab", address: "127.0.0.1",
            port: 8_080, tags: ["blue"], weight: 50, health: .warning, reason: "429")
    ])

@Suite struct MessagesTests {
    @Test(arguments: [
        AgentMessage.snapshot(snapshot),
        .stepReport(key, .accepted),
        .stepReport(key, .finished(.succeeded(StepDetail(previousImage: "a", containers: ["w"], note: "n")))),
        .stepReport(key, .finished(.failed(reason: "check failed", rolledBack: true))),
        .stepReport(key, .finished(.refused(reason: "older epoch"))),
        .certificateRequest("PEM"),
    ])
    func whatAnAgentSaysComesBackAsItWas(_ message: AgentMessage) throws {
        #expect(try AgentMessage.decode(message.encoded()) == message)
    }

    @Test(arguments: [
        CoordinatorMessage.step(
            step(
                .replace(
                    selector: ["app": "web"], image: "web:2",
                    gate: HealthGate(healthyFor: .seconds(2), deadline: .milliseconds(2_500))))),
        .step(step(.restore)), .step(step(.commit)), .stepReportStored(key), .certificate(chain: "PEM"),
        .certificateRefused(reason: "revoked"), .snapshotRequest, .keyframeRequest,
    ])
    func whatTheCoordinatorSaysComesBackAsItWas(_ message: CoordinatorMessage) throws {
        #expect(try CoordinatorMessage.decode(message.encoded()) == message)
    }

    @Test func anEmptyMessageIsAnUnknownKind() {
        #expect(throws: ProtocolError.unknownKind) { try AgentMessage.decode([]) }
        #expect(throws: ProtocolError.unknownKind) { try CoordinatorMessage.decode([]) }
    }

    @Test func everyTruncationIsAnErrorOrAnotherMessageAndNeverATrap() throws {
        let bytes = try AgentMessage.snapshot(snapshot).encoded()
        for length in bytes.indices { _ = try? AgentMessage.decode(Array(bytes[..<length])) }
    }

    @Test func mutatedMessagesNeverTrap() throws {
        let bytes = try AgentMessage.snapshot(snapshot).encoded()
        var generator = SplitMix(seed: 1)
        for _ in 0..<20_000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                mutated[Int.random(in: mutated.indices, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            _ = try? AgentMessage.decode(mutated)
        }
    }

    @Test func aMessageLargerThanTheLimitIsRefusedBeforeItIsDecoded() {
        let bytes = [UInt8](repeating: 0, count: Limits.snapshotBytes + 1)
        #expect(throws: ProtocolError.tooMany("bytes", count: bytes.count, limit: Limits.snapshotBytes)) {
            try AgentMessage.decode(bytes)
        }
    }

    @Test func moreContainersThanTheLimitAreRefused() throws {
        var large = snapshot
        large.containers = (0...Limits.containersPerHost).map {
            Container(id: "\($0)", name: "c", image: "i", state: .running)
        }
        let bytes = try AgentMessage.snapshot(large).encoded()
        #expect(
            throws: ProtocolError.tooMany(
                "containers", count: large.containers.count, limit: Limits.containersPerHost)
        ) { try AgentMessage.decode(bytes) }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
