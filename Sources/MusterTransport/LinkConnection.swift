import MusterModel
import NIOCore

/// An authenticated connection between an agent and a coordinator. Any task may use it; one task at a time consumes
/// `inbound`.
///
///     for try await bytes in connection.inbound { ... }
///     try await connection.send(bytes)
///
/// `inbound` ends when either end closed in good order and throws a `LinkError` otherwise (truncation, reset, alert).
package final class LinkConnection: Sendable {
    package let peer: PeerIdentity
    /// The peer's. The connection closes by itself when it expires.
    package let certificate: Certificate
    /// Address and port in text.
    package let remoteAddress: String
    /// Our own address on the way to the peer, without a port; nil when the system does not say.
    package let localAddress: String?
    package let inbound: LinkInbound

    private let channel: any Channel
    private let queue: SendQueue

    init(
        peer: PeerIdentity, certificate: Certificate, remoteAddress: String, inbound: LinkInbound,
        channel: any Channel, queue: SendQueue
    ) {
        localAddress = channel.localAddress?.ipAddress
        self.peer = peer
        self.certificate = certificate
        self.remoteAddress = remoteAddress
        self.inbound = inbound
        self.channel = channel
        self.queue = queue
    }

    /// Whether another chunk would be taken now.
    package var isWritable: Bool { queue.isWritable }
    /// Bytes given to `send` that the kernel has not taken yet.
    package var queuedBytes: Int { queue.queuedBytes }
    /// Why the connection ended; nil while it is open.
    package var end: LinkError? { queue.end }

    /// Takes the bytes at once or not at all: false when there is no room now. Order of calls is order on the wire.
    package func trySend(_ bytes: [UInt8]) throws(LinkError) -> Bool {
        switch queue.reserve(bytes.count) {
        case .granted:
            write(bytes)
            return true
        case .full: return false
        case .refused(let reason): throw reason
        }
    }

    /// Takes the bytes as soon as there is room for them. Returning says nothing about the peer having them.
    package func send(_ bytes: [UInt8]) async throws(LinkError) {
        while !(try trySend(bytes)) { try await queue.waitForRoom() }
    }

    /// Returns when `trySend` is worth another try; throws when the connection has ended.
    package func waitUntilWritable() async throws(LinkError) {
        while !queue.isWritable {
            if let end = queue.end { throw end }
            try await queue.waitForRoom()
        }
    }

    /// Sends what was taken so far, closes in good order and lets the peer read it all for a moment. `inbound` ends.
    package func close(_ reason: String) {
        queue.close(.closedHere(reason))
        channel.close(mode: .all, promise: nil)
    }

    /// Returns when the socket is gone.
    package func waitUntilClosed() async {
        try? await channel.closeFuture.get()
    }

    private func write(_ bytes: [UInt8]) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { [queue] _ in queue.release(bytes.count) }
    }
}

/// The bytes that arrive on a link, in chunks of no particular size. One consumer at a time; one loop may end and
/// another go on where it stopped. Reading from the socket stops while `TransportLimits.inboundBytesHigh` wait.
package struct LinkInbound: AsyncSequence, Sendable {
    let queue: InboundQueue

    package struct AsyncIterator: AsyncIteratorProtocol {
        let queue: InboundQueue

        package mutating func next() async throws(LinkError) -> [UInt8]? { try await queue.next() }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(queue: queue) }
}
