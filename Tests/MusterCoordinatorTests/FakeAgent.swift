import MusterCoordinator
import MusterModel
import MusterProtocol
import MusterTestKit
import MusterTransport
import MusterWire
import NIOPosix
import Synchronization
import Testing

/// An agent as far as the link is concerned: it says hello, heartbeats, sends what it is told and takes receipts.
final class FakeAgent: Sendable {
    let host: HostID
    let boot: BootID
    let certificate: Certificate
    private let connection: LinkConnection
    private let tasks: Mutex<[Task<Void, Never>]> = Mutex([])

    private struct Heard {
        var welcome: Welcome?
        var refusal: Refusal?
        var durable = PerClass<UInt64>(repeating: 0)
        var messages: [CoordinatorMessage] = []
        var isOver = false
    }

    private let heard = Mutex(Heard())
    /// The hash of the last snapshot, for heartbeats.
    private let snapshotHash = Mutex<UInt64>(0)

    /// Connects with a certificate made for the occasion, and says hello.
    init(
        _ coordinator: RunningCoordinator, _ host: HostID, boot: BootID = BootID(high: 1, low: 2),
        nextSequences: PerClass<UInt64>? = nil, lifetime: Duration = CertificateAuthority.certificateLifetime,
        credentials: TLSCredentials? = nil, claiming name: HostID? = nil
    ) async throws {
        let key = try KeyPair.generate()
        let own =
            try credentials
            ?? TLSCredentials(
                chain: [
                    try coordinator.authority.issue(
                        to: key.publicKey, identity: PeerIdentity(agent: host), now: MachineClock.wall,
                        lifetime: lifetime)
                ], key: key)
        self.host = host
        self.boot = boot
        certificate = try #require(own.chain.first)
        let context = try TLSContext.client(
            own, trust: .certificates([coordinator.authority.certificate]), expecting: .coordinator)
        connection = try await LinkDialer(context, group: MultiThreadedEventLoopGroup.singleton).dial(
            LinkAddress(host: "127.0.0.1", port: coordinator.link))
        let hello = Hello(host: name ?? host, boot: boot, agentVersion: "test", nextSequences: nextSequences)
        try await connection.send(try Frame.hello(hello).encoded())
        let reader = Task { await self.read() }
        let heart = Task { await self.beat() }
        tasks.withLock { $0 = [reader, heart] }
    }

    deinit {
        for task in tasks.withLock({ $0 }) { task.cancel() }
        connection.close("the test is over")
    }

    func close() async {
        connection.close("the test says so")
        await connection.waitUntilClosed()
    }

    // MARK: Hearing

    private func read() async {
        var decoder = FrameDecoder()
        do {
            for try await bytes in connection.inbound {
                decoder.append(bytes)
                while let frame = try decoder.next() { try await take(frame) }
            }
        } catch {}
        heard.withLock { $0.isOver = true }
    }

    private func take(_ frame: Frame) async throws {
        switch frame {
        case .welcome(let welcome):
            heard.withLock { heard in
                heard.welcome = welcome
                heard.durable = welcome.durable
            }
        case .refuse(let refusal): heard.withLock { $0.refusal = refusal }
        case .acknowledgement(let name, let sequence): heard.withLock { $0.durable[name] = sequence }
        case .message(let id, let payload):
            let message = try CoordinatorMessage.decode(payload)
            heard.withLock { $0.messages.append(message) }
            try await connection.send(try Frame.messageReceipt(id: id).encoded())
        default: break
        }
    }

    private func beat() async {
        var counter: UInt64 = 0
        while !Task.isCancelled {
            if heard.withLock({ $0.welcome != nil && !$0.isOver }) {
                counter += 1
                let beat = Heartbeat(
                    counter: counter, monotonicMilliseconds: counter, snapshotSequence: 0,
                    snapshotHash: snapshotHash.withLock { $0 })
                guard let bytes = try? Frame.heartbeat(beat).encoded(), (try? await connection.send(bytes)) != nil
                else { return }
            }
            try? await Task.sleep(for: .milliseconds(100))
        }
    }

    func welcome() async throws -> Welcome {
        try await awaited("\(host) is welcomed") {
            if let refusal = self.refusal { throw RefusedAgent(refusal: refusal) }
            return heard.withLock { $0.welcome }
        }
    }

    var refusal: Refusal? { heard.withLock { $0.refusal } }
    var isOver: Bool { heard.withLock { $0.isOver } }
    var messages: [CoordinatorMessage] { heard.withLock { $0.messages } }
    func durable(_ name: TrafficClass) -> UInt64 { heard.withLock { $0.durable[name] } }

    // MARK: Saying

    func send(_ name: TrafficClass, _ sequence: UInt64, codec: UInt8 = 0, _ payload: [UInt8]) async throws {
        let frame = DataFrame(class: name, sequence: sequence, codec: codec, payload: payload)
        try await connection.send(try Frame.data(frame).encoded())
    }

    /// Sends bytes as they are, whether they are a frame or not.
    func send(raw bytes: [UInt8]) async throws { try await connection.send(bytes) }

    /// Sends and waits until it is durable.
    func deliver(_ name: TrafficClass, _ sequence: UInt64, codec: UInt8 = 0, _ payload: [UInt8]) async throws {
        try await send(name, sequence, codec: codec, payload)
        try await eventually("\(name) \(sequence) is durable") { self.durable(name) >= sequence }
    }

    func deliver(_ snapshot: HostSnapshot, _ sequence: UInt64) async throws {
        let payload = try AgentMessage.snapshot(snapshot).encoded()
        snapshotHash.withLock { $0 = SnapshotHash.of(payload) }
        try await deliver(.health, sequence, payload)
    }

    func say(_ message: AgentMessage, _ sequence: UInt64) async throws {
        try await deliver(.control, sequence, try message.encoded())
    }
}

struct RefusedAgent: Error {
    var refusal: Refusal
}
