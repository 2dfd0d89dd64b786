import MusterModel
import NIOCore
import NIOHTTP1

/// One request and its response on one connection.
///
///     connecting -> waiting for the head -> body -> done
///
/// Any state may go to done by a failure; the first failure is the one that is told.
final class HTTPExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    enum Sink {
        case whole(maxBytes: Int)
        case pieces(head: @Sendable (HTTPResponse) -> Void, chunk: @Sendable ([UInt8]) -> Bool)
    }

    private let request: HTTPRequestHead
    private let body: [UInt8]
    private let sink: Sink
    private let isSecure: Bool
    private let idle: Duration?
    private var promise: EventLoopPromise<HTTPResponse>?
    private var response: HTTPResponse?
    private var idleTimer: Scheduled<Void>?

    init(
        _ request: HTTPRequestHead, body: [UInt8], sink: Sink, isSecure: Bool, idle: Duration?,
        promise: EventLoopPromise<HTTPResponse>
    ) {
        self.request = request
        self.body = body
        self.sink = sink
        self.isSecure = isSecure
        self.idle = idle
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        if !isSecure { sendRequest(context) }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSHandler.Event.established? = event as? TLSHandler.Event { sendRequest(context) }
        context.fireUserInboundEventTriggered(event)
    }

    private func sendRequest(_ context: ChannelHandlerContext) {
        restartIdleTimer(context)
        context.write(wrapOutboundOut(.head(request)), promise: nil)
        if !body.isEmpty { context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard promise != nil else { return }
        restartIdleTimer(context)
        switch unwrapInboundIn(data) {
        case .head(let head): received(head, context)
        case .body(let piece): received(piece, context)
        case .end: finish(context)
        }
    }

    private func received(_ head: HTTPResponseHead, _ context: ChannelHandlerContext) {
        let bytes = head.headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
        guard bytes <= TransportLimits.httpHeaderBytes else {
            fail(.malformed("its headers are more than \(TransportLimits.httpHeaderBytes) bytes"), context)
            return
        }
        let response = HTTPResponse(
            status: Int(head.status.code), headers: head.headers.map { HTTPHeader($0.name, $0.value) })
        self.response = response
        if case .pieces(let headReceived, _) = sink { headReceived(response) }
    }

    private func received(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        switch sink {
        case .whole(let maxBytes):
            guard (response?.body.count ?? 0) + piece.readableBytes <= maxBytes else {
                fail(.malformed("its body is more than the \(maxBytes) bytes allowed"), context)
                return
            }
            unsafe piece.withUnsafeReadableBytes { bytes in unsafe response?.body.append(contentsOf: bytes) }
        case .pieces(_, let chunk):
            var rest = piece
            while promise != nil,
                let part = rest.readBytes(length: min(rest.readableBytes, TransportLimits.httpChunkBytes)),
                !part.isEmpty
            {
                if !chunk(part) { finish(context) }
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(HTTPFailure(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(.closed(response == nil ? "no response came" : "the body is not complete"), context)
        context.fireChannelInactive()
    }

    private func restartIdleTimer(_ context: ChannelHandlerContext) {
        idleTimer?.cancel()
        guard let idle else { return }
        let loop = context.eventLoop.assumeIsolated()
        idleTimer = loop.scheduleTask(in: TimeAmount(idle)) { self.fail(.timedOut(after: idle), context) }
    }

    private func finish(_ context: ChannelHandlerContext) {
        idleTimer?.cancel()
        guard let promise else { return }
        self.promise = nil
        if let response { promise.succeed(response) } else { promise.fail(HTTPFailure.closed("no response came")) }
        context.close(promise: nil)
    }

    func fail(_ failure: HTTPFailure, _ context: ChannelHandlerContext) {
        idleTimer?.cancel()
        guard let promise else { return }
        self.promise = nil
        promise.fail(failure)
        context.close(promise: nil)
    }
}

extension HTTPFailure {
    init(_ error: any Error) {
        switch error {
        case let error as HTTPFailure: self = error
        case let error as TLSError:
            switch error {
            case .handshakeTimedOut(let after): self = .timedOut(after: after)
            case .truncated, .closedInHandshake: self = .closed(error.description)
            case .notTLS, .protocolFailure: self = .malformed(error.description)
            default: self = .untrusted(error.description)
            }
        case HTTPParserError.invalidEOFState: self = .closed("the body is not complete")
        case let error as HTTPParserError: self = .malformed("\(error)")
        default: self = .closed("\(error)")
        }
    }
}
