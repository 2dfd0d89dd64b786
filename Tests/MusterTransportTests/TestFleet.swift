import Foundation
import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Keys and certificates made at run time, and the contexts that use them.
struct TestFleet {
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    /// One moment for all that a test compares.
    static let now = freshNow
    static var freshNow: Instant { Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) }

    let authority: CertificateAuthority

    init() throws { authority = try CertificateAuthority.create(now: Self.now) }

    static func identity(_ role: PeerRole, _ id: String) throws -> PeerIdentity {
        try #require(PeerIdentity(role: role, id: id))
    }

    /// Credentials of `role`/`id`; the chain ends with the authority, as a coordinator presents it.
    func credentials(
        _ role: PeerRole, _ id: String, dnsNames: [String] = [], addresses: [String] = [], now: Instant = now,
        lifetime: Duration = CertificateAuthority.certificateLifetime
    ) throws -> TLSCredentials {
        let key = try KeyPair.generate()
        let certificate = try authority.issue(
            to: key.publicKey, identity: try Self.identity(role, id), dnsNames: dnsNames, addresses: addresses,
            now: now, lifetime: lifetime)
        return TLSCredentials(chain: [certificate, authority.certificate], key: key)
    }

    var trust: TrustAnchors { .certificates([authority.certificate]) }

    func server(
        _ credentials: TLSCredentials? = nil, roles: Set<PeerRole> = [.agent],
        refusal: @escaping @Sendable (Certificate) -> String? = { _ in nil }
    ) throws -> TLSContext {
        try TLSContext.server(
            try credentials ?? self.credentials(.coordinator, "main"),
            clients: .required(trust, .identity(roles: roles, refusal: refusal)))
    }

    func client(
        _ credentials: TLSCredentials?, trust: TrustAnchors? = nil, expecting: PeerExpectation = .coordinator
    ) throws -> TLSContext {
        try TLSContext.client(credentials, trust: trust ?? self.trust, expecting: expecting)
    }

    func agent(_ id: String = "web-1") throws -> TLSContext { try client(try credentials(.agent, id)) }
}

struct Missed: Error {}

/// Runs `body`, giving up after a bound.
func bounded<Value: Sendable>(
    _ bound: Duration = .seconds(20), _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: bound)
            throw Missed()
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw Missed() }
        return first
    }
}

/// Things that happened, from any thread.
final class Recorder<Element: Sendable>: Sendable {
    private let recorded = Mutex<[Element]>([])
    var all: [Element] { recorded.withLock { $0 } }
    func record(_ element: Element) { recorded.withLock { $0.append(element) } }
}

/// A listener on loopback whose links answer every chunk with itself.
final class EchoServer: Sendable {
    let listener: LinkListener
    let refusals = Recorder<LinkRefusal>()
    /// How each served link's inbound ended; nil for good order.
    let ends = Recorder<LinkError?>()
    private let serving = Mutex<Task<Void, Never>?>(nil)

    init(_ context: TLSContext, handshakeDeadline: Duration = .seconds(5), gate: AcceptGate.Limits = .init())
        async throws
    {
        var options = LinkListener.Options()
        options.host = "127.0.0.1"
        options.port = 0
        options.gate = gate
        options.handshakeDeadline = handshakeDeadline
        let refusals = refusals
        listener = try await LinkListener.bind(
            options, context: LiveTLSContext(context), group: TestFleet.group, refused: { refusals.record($0) })
        let (listener, ends) = (listener, ends)
        serving.withLock { task in
            task = Task {
                await withTaskGroup(of: Void.self) { group in
                    for await link in listener.connections {
                        group.addTask {
                            do {
                                for try await bytes in link.inbound { try await link.send(bytes) }
                                ends.record(nil)
                            } catch {
                                ends.record(error as? LinkError)
                            }
                            link.close("served")
                        }
                    }
                }
            }
        }
    }

    var address: LinkAddress { LinkAddress(host: "127.0.0.1", port: listener.port) }

    func close() async {
        await listener.close()
        await serving.withLock { $0 }?.value
    }

    /// The reason of the first refusal at this stage, waited for.
    func refusal(_ stage: LinkRefusal.Stage = .handshake) async throws -> String {
        try await eventually("a refusal is reported") { refusals.all.contains { $0.stage == stage } }
        return refusals.all.first { $0.stage == stage }?.reason ?? ""
    }
}

/// One link that keeps talking while others misbehave.
struct Bystander {
    let link: LinkConnection

    init(_ fleet: TestFleet, _ server: EchoServer) async throws {
        link = try await LinkDialer(try fleet.agent("bystander"), group: TestFleet.group).dial(server.address)
        try await check()
    }

    /// Sends and gets the same back.
    func check() async throws {
        let bytes = SecureRandom.bytes(1_000)
        try await link.send(bytes)
        let link = link
        let echoed = try await bounded {
            var received: [UInt8] = []
            for try await chunk in link.inbound {
                received += chunk
                if received.count >= bytes.count { break }
            }
            return received
        }
        #expect(echoed == bytes)
    }
}

/// A TCP client without TLS, for peers that misbehave.
final class RawPeer: Sendable {
    let channel: any Channel

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let take: (ByteBuffer) -> Void
        init(_ take: @escaping (ByteBuffer) -> Void) { self.take = take }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { take(unwrapInboundIn(data)) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {}
    }

    private final class Box: Sendable { let buffer = Mutex(ByteBuffer()) }

    private let box: Box

    init(_ address: LinkAddress) async throws {
        let box = Box()
        self.box = box
        channel = try await ClientBootstrap(group: TestFleet.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Collector { bytes in box.buffer.withLock { _ = $0.writeImmutableBuffer(bytes) } })
                }
            }
            .connect(host: address.host, port: address.port).get()
    }

    func send(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes).get() }
    func send(_ bytes: [UInt8]) async throws { try await send(ByteBuffer(bytes: bytes)) }

    /// Everything that arrived since the last call.
    func takeReceived() -> ByteBuffer {
        box.buffer.withLock { buffer in
            defer { buffer = ByteBuffer() }
            return buffer
        }
    }

    var isOpen: Bool { channel.isActive }
    func close() async { try? await channel.close() }
}

/// The `openssl` program, as an independent peer.
enum OpenSSLTool {
    static let path = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static let isRequired = ProcessInfo.processInfo.environment["MUSTER_REQUIRE_PEERS"] == "1"
    static var isUsable: Bool { path != nil || isRequired }

    /// Runs it with these arguments and input; gives its output and errors together.
    static func run(_ arguments: [String], input: String = "") async throws -> String {
        let path = try #require(path, "the openssl program is required (Debian: openssl)")
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try runAndWait(path, arguments, input) })
            }
        }
    }

    private static func runAndWait(_ path: String, _ arguments: [String], _ input: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        // Files rather than pipes: a FileHandle traps when a read is interrupted by a signal.
        let folder = FileManager.default.temporaryDirectory.appending(path: "muster-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (stdin, stdout) = (folder.appending(path: "in"), folder.appending(path: "out"))
        try Data(input.utf8).write(to: stdin)
        try Data().write(to: stdout)
        process.standardInput = try FileHandle(forReadingFrom: stdin)
        let out = try FileHandle(forWritingTo: stdout)
        process.standardOutput = out
        process.standardError = out
        let ended = DispatchSemaphore(value: 0)
        process.terminationHandler = { _ in ended.signal() }
        try process.run()
        _ = ended.wait(timeout: .now() + 20)
        process.terminate()
        process.waitUntilExit()
        let output = try Data(contentsOf: stdout)
        return String(decoding: output, as: UTF8.self)
    }
}
