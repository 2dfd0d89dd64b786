import MusterInterchange
package import MusterModel
package import NIOCore
import NIOPosix
import Synchronization

/// Listens for syslog on UDP, TCP and TLS ports and on unix datagram sockets, and gives every message to a sink.
///
/// The sink says whether it had room. When it had none, a connection is not read until it has (its sender waits), and a
/// datagram is dropped and counted. The sink is called on event loops, by several at once: it must not block.
///
/// TLS is the wiring's to offer, as no driver knows another: `makeTLSHandler` gives, for each connection, the handler
/// that turns ciphertext into plaintext. With MusterTransport that is `{ try TLSHandler(live.current) }`, where `live`
/// is the `LiveTLSContext` of the certificate.
package final class SyslogReceiver: Sendable {
    /// The defaults are the limits' one place.
    package struct Options: Sendable {
        /// Of all listeners together. More are closed at once.
        package var connections = 256
        /// Bytes of a connection that were read and are not cut into messages yet. Only a peer that closes while the
        /// sink is full comes near; `kernelBytes` keeps it below.
        package var connectionBytes = 512 << 10
        /// What the kernel may hold for a connection; it takes twice as much for its own needs.
        package var kernelBytes = 64 << 10
        /// What the kernel may hold for a UDP socket, if its own limit (net.core.rmem_max) allows.
        package var datagramBytes = 4 << 20
        /// A connection that sends nothing for this long is closed. Long, because a sender notices the end only by
        /// losing a message; dead peers are found by the keep-alive of TCP.
        package var idle = Duration.hours(2)
        /// A sink without room is asked again after this time.
        package var retryWhenFull = Duration.milliseconds(20)
        /// Seconds east of Greenwich that the clocks of senders are at, for times without an offset: as this host's.
        package var offsetSeconds: @Sendable (Instant) -> Int64 = { SyslogIntake.localOffset(at: $0) }

        package init() {}
    }

    package enum Address: Hashable, Sendable, CustomStringConvertible {
        case udp(host: String, port: Int)
        case tcp(host: String, port: Int)
        case tls(host: String, port: Int)
        case unix(path: String)

        package var description: String {
            switch self {
            case .udp(let host, let port): "udp \(HTTPEndpoint.tcp(host: host, port: port))"
            case .tcp(let host, let port): "tcp \(HTTPEndpoint.tcp(host: host, port: port))"
            case .tls(let host, let port): "tls \(HTTPEndpoint.tcp(host: host, port: port))"
            case .unix(let path): "unix:\(path)"
            }
        }
    }

    package typealias TLSHandlerMaker = @Sendable () throws -> any ChannelHandler

    /// A socket that cannot be had is tried again after this long, doubled up to the second.
    static let retry = (floor: Duration.seconds(1), ceiling: Duration.seconds(30))
    static let backlog: Int32 = 128

    private let intake: SyslogIntake
    private let makeTLSHandler: TLSHandlerMaker?
    private let listeners = Mutex<[Address: any Channel]>([:])
    private let children = Mutex<[ObjectIdentifier: any Channel]>([:])

    package init(
        options: Options = Options(), now: @escaping @Sendable () -> Instant,
        makeTLSHandler: TLSHandlerMaker? = nil, sink: @escaping @Sendable (SyslogRecord) -> Bool
    ) {
        intake = SyslogIntake(options, now, sink)
        self.makeTLSHandler = makeTLSHandler
    }

    package var counters: SyslogCounters { intake.counters }
    /// Connections that are open, or closed with messages the sink has no room for yet.
    package var connectionCount: Int { intake.connections }
    /// Sockets that are listened on.
    package var openCount: Int { listeners.withLock { $0.count } }
    /// The port of an address that is listened on, nil while it is not.
    package func port(of address: Address) -> Int? { listeners.withLock { $0[address]?.localAddress?.port } }

    /// Listens until the task is cancelled, then closes everything; once. A socket that cannot be opened is tried again
    /// for ever; `onTrouble` hears why each time, and nil when it is open.
    package func run(
        _ addresses: [Address], group: any EventLoopGroup,
        onTrouble: @escaping @Sendable (_ address: Address, _ reason: String?) -> Void
    ) async {
        await withDiscardingTaskGroup { tasks in
            for address in Set(addresses) {
                tasks.addTask { await self.listen(at: address, group, onTrouble) }
            }
        }
        intake.stop()
        for child in children.withLock({ Array($0.values) }) { child.close(promise: nil) }
    }

    private func listen(
        at address: Address, _ group: any EventLoopGroup, _ onTrouble: @Sendable (Address, String?) -> Void
    ) async {
        var pause = Self.retry.floor
        while !Task.isCancelled {
            do {
                let channel = try await open(address, group)
                listeners.withLock { $0[address] = channel }
                onTrouble(address, nil)
                pause = Self.retry.floor
                await withTaskCancellationHandler {
                    try? await channel.closeFuture.get()
                } onCancel: {
                    channel.close(promise: nil)
                }
                _ = listeners.withLock { $0.removeValue(forKey: address) }
                if !Task.isCancelled { onTrouble(address, "its socket was closed") }
            } catch {
                onTrouble(address, "\(error)")
            }
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            pause = min(pause * 2, Self.retry.ceiling)
        }
    }
}

// MARK: - Sockets

extension SyslogReceiver {
    /// A TLS address without anything to make TLS of.
    struct NoCertificateError: Error, CustomStringConvertible {
        var description: String {
            "TLS needs a certificate and none is configured: name one for syslog, or listen with tcp"
        }
    }

    private func open(_ address: Address, _ group: any EventLoopGroup) async throws -> any Channel {
        switch address {
        case .udp(let host, let port): return try await openUDP(host, port, group)
        case .tcp(let host, let port): return try await openTCP(host, port, .tcp, group)
        case .tls(let host, let port):
            // What is wrong with the certificate is told now, not with the first connection.
            guard let makeTLSHandler else { throw NoCertificateError() }
            _ = try makeTLSHandler()
            return try await openTCP(host, port, .tls, group)
        case .unix(let path): return try await openUnix(path, group)
        }
    }

    private func openTCP(
        _ host: String, _ port: Int, _ transport: SyslogTransport, _ group: any EventLoopGroup
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Connections inherit it.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: .init(intake.options.kernelBytes))
            .childChannelOption(.socketOption(.so_keepalive), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: SyslogConnection.readBytes)
            )
            .childChannelInitializer { channel in self.accepted(channel, transport) }
            .bind(host: host, port: port).get()
    }

    private func accepted(_ channel: any Channel, _ transport: SyslogTransport) -> EventLoopFuture<Void> {
        guard intake.connectionAdmitted() else { return channel.close() }
        let id = ObjectIdentifier(channel)
        children.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in _ = self.children.withLock { $0.removeValue(forKey: id) } }
        var isTheirs = false
        defer { if !isTheirs { intake.connectionEnded() } }
        do {
            let pipeline = channel.pipeline.syncOperations
            if transport == .tls, let makeTLSHandler { try pipeline.addHandler(makeTLSHandler()) }
            try pipeline.addHandler(SyslogConnection(intake, transport, channel))
            isTheirs = true
            return channel.eventLoop.makeSucceededVoidFuture()
        } catch {
            intake.count { $0.failedConnections += 1 }
            return channel.eventLoop.makeFailedFuture(error)
        }
    }

    private func openUDP(_ host: String, _ port: Int, _ group: any EventLoopGroup) async throws -> any Channel {
        let intake = intake
        return try await DatagramBootstrap(group: group)
            .channelOption(.socketOption(.so_rcvbuf), value: .init(intake.options.datagramBytes))
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 64 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = Datagrams<AddressedEnvelope<ByteBuffer>> { datagram in
                        intake.datagramReceived(
                            Array(datagram.data.readableBytesView), .udp, peer: datagram.remoteAddress.ipAddress)
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: host, port: port).get()
    }

    /// Senders have no address of their own, which NIO's datagram channel does not take; read as a pipe, each reading
    /// is one datagram. An empty one looks like the end: the socket is then opened again.
    private func openUnix(_ path: String, _ group: any EventLoopGroup) async throws -> any Channel {
        let intake = intake
        let descriptor = try UnixDatagramSocket.listen(at: path)
        // One byte more than is kept, so that what is longer is known to be.
        let allocator = FixedSizeRecvByteBufferAllocator(capacity: SyslogLimits.messageBytes + 1)
        return try await NIOPipeBootstrap(group: group)
            .channelOption(.recvAllocator, value: allocator)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = Datagrams<ByteBuffer> { datagram in
                        intake.datagramReceived(Array(datagram.readableBytesView), .unix, peer: nil)
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .takingOwnershipOfDescriptor(input: descriptor).get()
    }

    private final class Datagrams<Datagram>: ChannelInboundHandler {
        typealias InboundIn = Datagram
        private let received: (Datagram) -> Void

        init(_ received: @escaping (Datagram) -> Void) { self.received = received }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { received(unwrapInboundIn(data)) }

        /// A datagram that bounced is no reason to stop listening.
        func errorCaught(context: ChannelHandlerContext, error: any Error) {}
    }
}
