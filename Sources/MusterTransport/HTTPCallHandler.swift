import MusterModel
import NIOCore
import NIOHTTP1

/// The requests of one connection, one after the other.
///
///     idle      --head, refused--------------> closing
///     idle      --head-----------------------> receiving
///     receiving --too large, no room---------> closing
///     receiving --end------------------------> waiting
///     waiting   --answered, kept open--------> idle
///     waiting   --answered, not kept---------> closing
///     idle, receiving --patience is over-----> closed
///
/// Before a connection is closed because of what was sent, the answer goes out and the rest of the body is read and
/// thrown away for a moment: a reset would take the answer from a sender that is still sending.
final class HTTPCallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        case receiving
        case waiting
        case closing
    }

    private let options: HTTPListener.Options
    private let admission: any HTTPAdmission
    private let budget: ByteBudget
    private let arrived: (HTTPCall) -> Void
    private var state = State.idle
    private var request = HTTPRequest("GET", "/")
    private var isKept = true
    /// Taken from the budget for the request.
    private var held = 0
    private var timer: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(
        _ options: HTTPListener.Options, admission: any HTTPAdmission, budget: ByteBudget,
        arrived: @escaping (HTTPCall) -> Void
    ) {
        self.options = options
        self.admission = admission
        self.budget = budget
        self.arrived = arrived
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        restartTimer(context, options.patience)
    }

    func handlerRemoved(context: ChannelHandlerContext) { forget() }

    func channelInactive(context: ChannelHandlerContext) {
        forget()
        context.fireChannelInactive()
    }

    private func forget() {
        timer?.cancel()
        context = nil
        release()
    }

    private func release() {
        budget.giveBack(held)
        held = 0
        request = HTTPRequest("GET", "/")
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (state, unwrapInboundIn(data)) {
        case (.idle, .head(let head)): received(head, context)
        case (.receiving, .body(let piece)): received(piece, context)
        case (.receiving, .end): whole(context)
        case (.closing, _): break
        // A second request before the answer to the first.
        case (.idle, _), (.receiving, .head), (.waiting, _): context.close(promise: nil)
        }
    }

    private func received(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        restartTimer(context, options.patience)
        request = HTTPRequest(
            head.method.rawValue, head.uri, headers: head.headers.map { HTTPHeader($0.name, $0.value) })
        isKept = head.isKeepAlive
        if let refusal = admission.refusal(ofHead: request) { return refuse(refusal, context) }
        let announced = head.headers.first(name: "content-length").flatMap { Int($0) } ?? 0
        guard announced <= options.bodyBytes else { return refuse(admission.tooLarge(request), context) }
        state = .receiving
        guard head.headers.first(name: "expect")?.lowercased() == "100-continue" else { return }
        context.writeAndFlush(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
    }

    private func received(_ piece: ByteBuffer, _ context: ChannelHandlerContext) {
        guard request.body.count + piece.readableBytes <= options.bodyBytes else {
            return refuse(admission.tooLarge(request), context)
        }
        guard budget.take(piece.readableBytes) else { return refuse(admission.busy(request), context) }
        held += piece.readableBytes
        unsafe piece.withUnsafeReadableBytes { bytes in unsafe request.body.append(contentsOf: bytes) }
    }

    private func whole(_ context: ChannelHandlerContext) {
        state = .waiting
        timer?.cancel()
        let loop = context.eventLoop
        let bound = NIOLoopBound(self, eventLoop: loop)
        arrived(HTTPCall(request: request) { response in loop.execute { bound.value.answered(response) } })
    }

    private func answered(_ response: HTTPResponse) {
        guard let context, state == .waiting else { return }
        release()
        state = .idle
        restartTimer(context, options.patience)
        write(response, context, isLast: !isKept)
    }

    private func refuse(_ response: HTTPResponse, _ context: ChannelHandlerContext) {
        release()
        write(response, context, isLast: true)
    }

    private func write(_ response: HTTPResponse, _ context: ChannelHandlerContext, isLast: Bool) {
        var headers = HTTPHeaders(response.headers.map { ($0.name, $0.value) })
        headers.replaceOrAdd(name: "content-length", value: "\(response.body.count)")
        if isLast { headers.replaceOrAdd(name: "connection", value: "close") }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: response.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !response.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: response.body)))), promise: nil)
        }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
        guard isLast else { return }
        state = .closing
        restartTimer(context, TransportLimits.lingerDeadline)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        written.futureResult.whenComplete { _ in bound.value.close(mode: .output, promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func restartTimer(_ context: ChannelHandlerContext, _ wait: Duration) {
        timer?.cancel()
        let loop = context.eventLoop.assumeIsolated()
        timer = loop.scheduleTask(in: TimeAmount(wait)) { context.close(promise: nil) }
    }
}
