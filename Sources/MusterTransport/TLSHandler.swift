import MusterModel
package import NIOCore

/// TLS in a NIO pipeline: ciphertext towards the socket, plaintext towards everybody else. It is the first handler.
///
///     idle -> handshaking -> open -> closing -> closed
///                 `------------------^
///
/// Every state may go to closed when the socket does. In `closing` our last record (close or alert) is on its way, and
/// what the peer still sends is read and thrown away for a moment: a socket closed with unread bytes is reset, and a
/// reset would take from the peer the very alert that tells it why.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// Fired inbound.
    package enum Event: Sendable {
        /// The handshake is finished; the certificate is the peer's, nil when it presented none. For a client this
        /// does not mean yet that the server accepted it.
        case established(Certificate?)
    }

    private enum State {
        case idle
        case handshaking
        case open
        case closing
        case closed
    }

    private let engine: TLSEngine
    private let handshakeDeadline: Duration
    private let isClient: Bool
    private var state = State.idle
    private var timer: Scheduled<Void>?
    private var earlyWrites: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
    private var earlyWriteBytes = 0
    /// Before the handshake is finished, and again while closing.
    private var receivedBytes = 0
    private var isPeerFinished = false

    package init(
        _ context: TLSContext, hostName: String? = nil, handshakeDeadline: Duration = Limits.handshakeDeadline
    ) throws(TLSError) {
        engine = try TLSEngine(context, hostName: hostName)
        isClient = context.side == .client
        self.handshakeDeadline = handshakeDeadline
    }

    // MARK: Inbound

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { begin(context) }
    }

    package func channelActive(context: ChannelHandlerContext) {
        begin(context)
        context.fireChannelActive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch state {
        case .idle, .closed: break
        case .handshaking:
            receivedBytes += bytes.readableBytes
            engine.feed(bytes)
            advanceHandshake(context)
            if state == .handshaking, receivedBytes > TransportLimits.preAuthenticationBytes {
                fail(.handshakeTooLarge, context)
            }
        case .open:
            engine.feed(bytes)
            deliver(context)
        case .closing:
            receivedBytes += bytes.readableBytes
            if receivedBytes > TransportLimits.lingerBytes { context.close(promise: nil) }
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        if state == .closing { context.read() }
        context.fireChannelReadComplete()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Where half closure is allowed this is how the end of the peer's bytes shows.
        if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            socketEnded(context)
            if state == .closing { context.close(promise: nil) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    package func channelInactive(context: ChannelHandlerContext) {
        socketEnded(context)
        state = .closed
        timer?.cancel()
        failEarlyWrites(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    /// Reports an end that TLS did not announce.
    private func socketEnded(_ context: ChannelHandlerContext) {
        switch state {
        case .handshaking: fail(.closedInHandshake, context)
        case .open where !isPeerFinished: fail(.truncated, context)
        default: break
        }
    }

    // MARK: Handshake

    private func begin(_ context: ChannelHandlerContext) {
        guard state == .idle else { return }
        state = .handshaking
        schedule(handshakeDeadline, context) { handler, context in
            handler.fail(.handshakeTimedOut(after: handler.handshakeDeadline), context)
        }
        if isClient { advanceHandshake(context) }
    }

    private func advanceHandshake(_ context: ChannelHandlerContext) {
        do throws(TLSError) {
            let progress = try engine.handshake()
            sendOutput(context)
            if progress == .finished { established(context) }
        } catch {
            fail(error, context)
        }
    }

    private func established(_ context: ChannelHandlerContext) {
        state = .open
        timer?.cancel()
        receivedBytes = 0
        context.fireUserInboundEventTriggered(Event.established(engine.peer))
        let writes = earlyWrites
        earlyWrites = []
        earlyWriteBytes = 0
        for write in writes { encrypt(write.bytes, write.promise, context) }
        context.flush()
        // The peer's first data may have come in the same segment as its last handshake message.
        if state == .open { deliver(context) }
    }

    // MARK: Data

    private func deliver(_ context: ChannelHandlerContext) {
        var plaintext = ByteBuffer()
        var failure: TLSError?
        do throws(TLSError) {
            var reading = TLSEngine.Reading.bytes
            while reading == .bytes { reading = try engine.read(into: &plaintext) }
            isPeerFinished = reading == .closed
        } catch {
            failure = error
        }
        sendOutput(context)
        if plaintext.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plaintext)) }
        guard state == .open else { return }
        if let failure {
            fail(failure, context)
        } else if isPeerFinished {
            beginClosing(context)
        }
    }

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let bytes = unwrapOutboundIn(data)
        switch state {
        case .idle, .handshaking:
            guard earlyWriteBytes + bytes.readableBytes <= TransportLimits.earlyWriteBytes else {
                promise?.fail(TLSError.earlyWritesFull)
                return
            }
            earlyWriteBytes += bytes.readableBytes
            earlyWrites.append((bytes, promise))
        case .open: encrypt(bytes, promise, context)
        case .closing, .closed: promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    private func encrypt(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?, _ context: ChannelHandlerContext) {
        do {
            context.write(wrapOutboundOut(try engine.encrypt(bytes)), promise: promise)
        } catch {
            promise?.fail(error)
            fail(error, context)
        }
    }

    private func sendOutput(_ context: ChannelHandlerContext) {
        guard let output = engine.takeOutput() else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    // MARK: Closing

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (state, mode) {
        case (.open, .all):
            context.channel.closeFuture.cascade(to: promise)
            beginClosing(context)
        case (.open, .output):
            engine.finish()
            sendOutput(context)
            context.close(mode: .output, promise: promise)
        case (.closing, .all): context.channel.closeFuture.cascade(to: promise)
        default: context.close(mode: mode, promise: promise)
        }
    }

    private func fail(_ error: TLSError, _ context: ChannelHandlerContext) {
        guard state == .handshaking || state == .open else { return }
        let wasOpen = state == .open
        state = .closing
        failEarlyWrites(error)
        // The alert goes first: whoever hears of the error may end the process.
        sendOutput(context)
        context.fireErrorCaught(error)
        finishOutput(context, announcing: wasOpen && error == .truncated)
    }

    private func beginClosing(_ context: ChannelHandlerContext) {
        state = .closing
        finishOutput(context, announcing: true)
    }

    /// Sends the last record, then closes our direction, then waits for the peer to close its own.
    private func finishOutput(_ context: ChannelHandlerContext, announcing: Bool) {
        if announcing { engine.finish() }
        receivedBytes = 0
        schedule(TransportLimits.flushDeadline, context) { _, context in context.close(promise: nil) }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { result in
            guard case .success = result, !self.isPeerFinished else {
                context.close(promise: nil)
                return
            }
            self.schedule(TransportLimits.lingerDeadline, context) { _, context in context.close(promise: nil) }
            context.close(mode: .output, promise: nil)
            context.read()
        }
        context.writeAndFlush(wrapOutboundOut(engine.takeOutput() ?? ByteBuffer()), promise: written)
    }

    private func failEarlyWrites(_ error: any Error) {
        let writes = earlyWrites
        earlyWrites = []
        for write in writes { write.promise?.fail(error) }
    }

    /// The one timer: handshake, then flush, then linger.
    private func schedule(
        _ delay: Duration, _ context: ChannelHandlerContext,
        _ action: @escaping (TLSHandler, ChannelHandlerContext) -> Void
    ) {
        timer?.cancel()
        let loop = context.eventLoop.assumeIsolated()
        timer = loop.scheduleTask(in: TimeAmount(delay)) { action(self, context) }
    }
}
