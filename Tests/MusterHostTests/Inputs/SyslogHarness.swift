import Glibc
import MusterHost
import MusterInterchange
import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// Where the messages of a test go.
final class SyslogSink: Sendable {
    private struct State {
        var records: [SyslogRecord] = []
        var room = Int.max
        var refusals = 0
    }

    private let state = Mutex(State())

    var records: [SyslogRecord] { state.withLock { $0.records } }
    /// How often it was asked in vain.
    var refusals: Int { state.withLock { $0.refusals } }
    var texts: [String] { records.map { String(decoding: $0.message.message, as: UTF8.self) } }
    /// So many more are taken.
    func setRoom(_ room: Int) { state.withLock { $0.room = room } }

    func take(_ record: SyslogRecord) -> Bool {
        state.withLock { state in
            guard state.room > 0 else {
                state.refusals += 1
                return false
            }
            state.room -= 1
            state.records.append(record)
            return true
        }
    }
}

/// A client of a test, over TCP or TLS.
struct SyslogClient {
    let channel: any Channel

    init(port: Int, tls: TLSContext? = nil) async throws {
        channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let tls else { return }
                    try channel.pipeline.syncOperations.addHandler(TLSHandler(tls, hostName: "127.0.0.1"))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func send(_ bytes: [UInt8]) -> EventLoopFuture<Void> { channel.writeAndFlush(ByteBuffer(bytes: bytes)) }
    func send(_ text: String) -> EventLoopFuture<Void> { send(Array(text.utf8)) }
    func close() async throws { try await channel.close() }
}

/// What a receiver says about its addresses.
final class SyslogTroubles: Sendable {
    private let all = Mutex<[String]>([])
    func add(_ address: SyslogReceiver.Address, _ reason: String?) {
        all.withLock { $0.append("\(address) \(reason ?? "open")") }
    }
    var list: [String] { all.withLock { $0 } }
}

extension SyslogReceiver.Address {
    static let anyTCP = Self.tcp(host: "127.0.0.1", port: 0)
    static let anyTLS = Self.tls(host: "127.0.0.1", port: 0)
    static let anyUDP = Self.udp(host: "127.0.0.1", port: 0)
}

extension SyslogReceiver {
    /// The port of an address as soon as it is listened on.
    func awaitedPort(_ address: Address) async throws -> Int {
        try await awaited("\(address) is open", within: .seconds(40)) { port(of: address) }
    }
}

/// Runs a receiver around a test, and sees to it that nothing of it is left.
func receivingSyslog(
    _ addresses: [SyslogReceiver.Address], _ sink: SyslogSink, options: SyslogReceiver.Options = .init(),
    tls: SyslogReceiver.TLSHandlerMaker? = nil, _ test: (SyslogReceiver, SyslogTroubles) async throws -> Void
) async throws {
    let receiver = SyslogReceiver(options: options, now: testClock, makeTLSHandler: tls) { sink.take($0) }
    let troubles = SyslogTroubles()
    let running = Task {
        await receiver.run(addresses, group: MultiThreadedEventLoopGroup.singleton) { troubles.add($0, $1) }
    }
    do {
        try await test(receiver, troubles)
    } catch {
        running.cancel()
        await running.value
        throw error
    }
    running.cancel()
    await running.value
    #expect(receiver.openCount == 0)
    try await unhurriedly("every connection is gone") { receiver.connectionCount == 0 }
}

/// A machine that is busy with other tests takes its time to open a socket.
func unhurriedly(_ what: String, _ condition: () async throws -> Bool) async throws {
    try await eventually(what, within: .seconds(40), condition)
}

/// A datagram socket of a test.
final class SyslogDatagrams: Sendable {
    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard descriptor >= 0, connected == 0 else { throw NeverHappened("no UDP socket") }
    }

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard descriptor >= 0, connected == 0 else { throw NeverHappened("no socket at \(path)") }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(Glibc.send(descriptor, bytes, bytes.count, 0) == bytes.count)
    }
}
