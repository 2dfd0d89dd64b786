import MusterModel
import NIOCore

/// The last handler of a link's pipeline: turns the end of the handshake into a `LinkConnection` and feeds its inbound
/// sequence, reading from the socket only while the consumer keeps up.
final class LinkHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let outcome: (Result<LinkConnection, LinkError>) -> Void
    private let queue: SendQueue
    private var inbound: InboundQueue?
    private var wantsMore = true
    private var isReported = false
    private var failure: LinkError?
    private var expiry: Scheduled<Void>?

    /// `outcome` is called once, on the event loop.
    init(sendQueueBytes: Int, outcome: @escaping (Result<LinkConnection, LinkError>) -> Void) {
        self.outcome = outcome
        queue = SendQueue(capacity: sendQueueBytes)
    }

    func channelActive(context: ChannelHandlerContext) {
        context.read()
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSHandler.Event.established(let certificate)? = event as? TLSHandler.Event {
            established(certificate, context)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func established(_ certificate: Certificate?, _ context: ChannelHandlerContext) {
        guard let certificate, let peer = certificate.identity else {
            report(.failure(.tls(.noCertificate)))
            context.close(promise: nil)
            return
        }
        let (handler, channel) = (NIOLoopBound(self, eventLoop: context.eventLoop), context.channel)
        let inbound = InboundQueue {
            channel.eventLoop.execute { handler.value.resumeReading(channel) }
        }
        self.inbound = inbound
        closeWhenExpired(certificate, context)
        report(
            .success(
                LinkConnection(
                    peer: peer, certificate: certificate, remoteAddress: channel.remoteText,
                    inbound: LinkInbound(queue: inbound), channel: channel, queue: queue)))
    }

    /// A certificate that is not valid any more ends the connection too, not only the next handshake.
    private func closeWhenExpired(_ certificate: Certificate, _ context: ChannelHandlerContext) {
        let left = certificate.notAfter - MachineClock.wall
        let channel = context.channel
        let loop = context.eventLoop.assumeIsolated()
        expiry = loop.scheduleTask(in: TimeAmount(max(.zero, left))) { [queue] in
            queue.close(.tls(.expired(certificate)))
            channel.close(mode: .all, promise: nil)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let inbound else { return }
        // `readBytes` copies memory; an array of the view would be filled byte by byte in a debug build.
        var bytes = unwrapInboundIn(data)
        wantsMore = inbound.push(bytes.readBytes(length: bytes.readableBytes) ?? [])
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if wantsMore { context.read() }
        context.fireChannelReadComplete()
    }

    /// The consumer caught up.
    func resumeReading(_ channel: any Channel) {
        wantsMore = true
        channel.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let reason = LinkError(error)
        if failure == nil { failure = reason }
        // After an error of its own the TLS handler closes, in the order that lets the peer read the alert.
        if !(error is TLSError) { context.close(promise: nil) }
        if inbound == nil { report(.failure(reason)) } else { end() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        expiry?.cancel()
        report(.failure(failure ?? .closedByPeer))
        end()
        context.fireChannelInactive()
    }

    /// What this end asked for itself is no error to its consumer.
    private func end() {
        queue.close(failure ?? .closedByPeer)
        switch queue.end {
        case .closedHere, .closedByPeer, nil: inbound?.finish(nil)
        case let reason?: inbound?.finish(reason)
        }
    }

    private func report(_ result: Result<LinkConnection, LinkError>) {
        guard !isReported else { return }
        isReported = true
        outcome(result)
    }
}

extension LinkError {
    init(_ error: any Error) {
        switch error {
        case let error as LinkError: self = error
        case let error as TLSError: self = .tls(error)
        default: self = .lost("\(error)")
        }
    }
}

extension Channel {
    /// Address and port in text.
    var remoteText: String {
        guard let address = remoteAddress, let ip = address.ipAddress, let port = address.port else { return "unknown" }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }
}
