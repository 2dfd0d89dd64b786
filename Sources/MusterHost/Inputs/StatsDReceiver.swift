package import MusterInterchange
package import MusterModel
package import NIOCore
import NIOPosix
import Synchronization

/// Listens for StatsD on a UDP port, on a unix datagram socket, or on both. Lines are read as they come, on the event
/// loop, and added up in a `StatsDIntake`; `tickBegan` takes what there is.
package final class StatsDReceiver: Sendable {
    /// The largest datagram there can be.
    static let datagramBytes = 64 << 10
    /// A socket that cannot be had is tried again after this long, doubled up to the second.
    static let retry = (floor: Duration.seconds(1), ceiling: Duration.seconds(30))

    package enum Address: Hashable, Sendable, CustomStringConvertible {
        case udp(host: String, port: Int)
        case unix(path: String)

        package var description: String {
            switch self {
            case .udp(let host, let port): "udp \(HTTPEndpoint.tcp(host: host, port: port))"
            case .unix(let path): "unix:\(path)"
            }
        }
    }

    private let now: @Sendable () -> Instant
    private let intake: Mutex<StatsDIntake>
    private let channels = Mutex<[Address: any Channel]>([:])

    /// `interval`: of the ticks.
    package init(interval: Duration, now: @escaping @Sendable () -> Instant) {
        self.now = now
        intake = Mutex(StatsDIntake(interval: interval))
    }

    package var counters: StatsDIntake.Counters { intake.withLock { $0.counters } }
    package var seriesCount: Int { intake.withLock { $0.seriesCount } }
    /// The UDP port, nil while there is none.
    package var port: Int? { channels.withLock { $0.values.compactMap { $0.localAddress?.port }.first } }
    /// Sockets that are open.
    package var openCount: Int { channels.withLock { $0.count } }

    package func tickBegan(now: Instant) -> SeriesReading { intake.withLock { $0.tickBegan(now: now) } }

    /// One datagram. The lock is held for a line at a time, so a reader waits for no more than that.
    package func received(_ datagram: [UInt8]) {
        let arrived = now()
        intake.withLock { $0.datagramReceived() }
        for line in StatsDLine.lines(datagram) {
            intake.withLock { intake in _ = intake.received(line, now: arrived) }
        }
    }

    /// Listens until the task is cancelled. A socket that cannot be opened is tried again for ever; `onTrouble` hears
    /// why each time, and nil when it is open.
    package func run(
        _ addresses: [Address], group: any EventLoopGroup,
        onTrouble: @escaping @Sendable (_ address: Address, _ reason: String?) -> Void
    ) async {
        await withDiscardingTaskGroup { tasks in
            for address in addresses {
                tasks.addTask { await self.listen(at: address, group, onTrouble) }
            }
        }
    }

    private func listen(
        at address: Address, _ group: any EventLoopGroup, _ onTrouble: @Sendable (Address, String?) -> Void
    ) async {
        var pause = Self.retry.floor
        while !Task.isCancelled {
            do {
                let channel = try await open(address, group)
                channels.withLock { $0[address] = channel }
                onTrouble(address, nil)
                pause = Self.retry.floor
                await withTaskCancellationHandler {
                    try? await channel.closeFuture.get()
                } onCancel: {
                    channel.close(promise: nil)
                }
                _ = channels.withLock { $0.removeValue(forKey: address) }
                if !Task.isCancelled { onTrouble(address, "its socket was closed") }
            } catch {
                onTrouble(address, "\(error)")
            }
            guard (try? await Task.sleep(for: pause)) != nil else { return }
            pause = min(pause * 2, Self.retry.ceiling)
        }
    }

    private func open(_ address: Address, _ group: any EventLoopGroup) async throws -> any Channel {
        let allocator = FixedSizeRecvByteBufferAllocator(capacity: Self.datagramBytes)
        switch address {
        case .udp(let host, let port):
            return try await DatagramBootstrap(group: group)
                .channelOption(.recvAllocator, value: allocator)
                .channelInitializer { channel in
                    self.initialize(channel, Handler<AddressedEnvelope<ByteBuffer>>(bytes: \.data, self.received))
                }
                .bind(host: host, port: port).get()
        case .unix(let path):
            // Senders have no address of their own, which NIO's datagram channel does not take; read as a pipe, each
            // reading is one datagram. An empty one looks like the end: the socket is then opened again.
            let descriptor = try UnixDatagramSocket.listen(at: path)
            return try await NIOPipeBootstrap(group: group)
                .channelOption(.recvAllocator, value: allocator)
                .channelInitializer { channel in
                    self.initialize(channel, Handler<ByteBuffer>(bytes: \.self, self.received))
                }
                .takingOwnershipOfDescriptor(input: descriptor).get()
        }
    }

    private func initialize(
        _ channel: any Channel, _ handler: @autoclosure () -> any ChannelHandler
    ) -> EventLoopFuture<Void> {
        do {
            try channel.pipeline.syncOperations.addHandler(handler())
            return channel.eventLoop.makeSucceededVoidFuture()
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
    }

    private final class Handler<Datagram>: ChannelInboundHandler {
        typealias InboundIn = Datagram
        private let bytes: (Datagram) -> ByteBuffer
        private let received: ([UInt8]) -> Void

        init(bytes: @escaping (Datagram) -> ByteBuffer, _ received: @escaping ([UInt8]) -> Void) {
            self.bytes = bytes
            self.received = received
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received(Array(bytes(unwrapInboundIn(data)).readableBytesView))
        }

        /// A datagram that bounced is no reason to stop listening.
        func errorCaught(context: ChannelHandlerContext, error: any Error) {}
    }
}
