import MusterInterchange
import MusterModel
import NIOCore

/// One TCP or TLS connection. It reads on only when the sink took everything that was read: a sink that is full shows
/// to the sender as a window that closes. What was read when a connection ends is still given, however long the sink
/// takes; until then the connection keeps its place.
final class SyslogConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// One reading, and so many bytes are cut into messages at once.
    static let readBytes = 16 << 10

    private let intake: SyslogIntake
    private let transport: SyslogTransport
    private let peer: String?
    private let loop: NIOIsolatedEventLoop
    private var context: ChannelHandlerContext?
    private var framing = SyslogFraming()
    /// Read and not cut into messages. NIO reads what the kernel holds when a peer closes, asked or not.
    private var unread = ByteBuffer()
    private var frames: [SyslogFrame] = []
    private var nextFrame = 0
    /// The record the sink had no room for.
    private var stuck: SyslogRecord?
    private var isEnded = false
    private var isFramingEnded = false
    private var isFinished = false
    private var retry: Scheduled<Void>?
    private var idle: Scheduled<Void>?
    private var lastBytes = NIODeadline.now()

    /// The place of an admitted connection is given back when it is done.
    init(_ intake: SyslogIntake, _ transport: SyslogTransport, _ channel: any Channel) {
        self.intake = intake
        self.transport = transport
        peer = channel.remoteAddress?.ipAddress
        loop = channel.eventLoop.assumeIsolated()
    }

    // MARK: Of the channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        connectionEnded()
    }

    func channelActive(context: ChannelHandlerContext) {
        watchIdle(for: TimeAmount(intake.options.idle))
        context.read()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        lastBytes = .now()
        let room = intake.options.connectionBytes - unread.readableBytes
        let lost = bytes.readableBytes - max(0, room)
        if lost > 0 {
            // The stream has a hole from here on: nothing behind it is read as its continuation.
            intake.count { $0.lostBytes += UInt64(lost) }
            bytes = bytes.readSlice(length: max(0, room)) ?? ByteBuffer()
        }
        if unread.readableBytes == 0 { unread = bytes } else { unread.writeBuffer(&bytes) }
        if retry == nil { deliver() }
        if lost > 0 { context.close(promise: nil) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if retry == nil { context.read() }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        connectionEnded()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        intake.count { $0.failedConnections += 1 }
        context.close(promise: nil)
    }

    private func connectionEnded() {
        guard !isEnded else { return }
        isEnded = true
        idle?.cancel()
        idle = nil
        if retry == nil { deliver() }
    }

    // MARK: Giving

    private func deliver() {
        repeat {
            while nextFrame < frames.count {
                guard give(frames[nextFrame]) else {
                    waitForRoom()
                    return
                }
                nextFrame += 1
            }
            frames.removeAll(keepingCapacity: true)
            nextFrame = 0
        } while cutMore()
        if isEnded { finish() }
    }

    private func give(_ frame: SyslogFrame) -> Bool {
        let record = stuck ?? intake.record(frame, transport, peer: peer)
        let isTaken = intake.give(record)
        stuck = isTaken ? nil : record
        return isTaken
    }

    /// False when there is nothing that could be cut.
    private func cutMore() -> Bool {
        let damaged = framing.counters.damagedCounts
        if let piece = unread.readBytes(length: min(Self.readBytes, unread.readableBytes)), !piece.isEmpty {
            framing.received(piece.span, into: &frames)
        } else if isEnded, !isFramingEnded {
            isFramingEnded = true
            framing.ended(into: &frames)
        } else {
            unread = ByteBuffer()
            return false
        }
        let more = framing.counters.damagedCounts - damaged
        if more > 0 { intake.count { $0.damagedCounts += more } }
        return true
    }

    private func waitForRoom() {
        guard !intake.isStopped else {
            giveUp()
            return
        }
        retry = loop.scheduleTask(in: TimeAmount(intake.options.retryWhenFull)) { self.triedAgain() }
    }

    private func triedAgain() {
        retry = nil
        deliver()
        if retry == nil { context?.read() }
    }

    private func giveUp() {
        if !isFramingEnded {
            isFramingEnded = true
            framing.ended(into: &frames)
        }
        let (messages, bytes) = (frames.count - nextFrame, unread.readableBytes)
        intake.count { counters in
            counters.lostMessages += UInt64(messages)
            counters.lostBytes += UInt64(bytes)
        }
        (frames, nextFrame, stuck, unread) = ([], 0, nil, ByteBuffer())
        context?.close(promise: nil)
        if isEnded { finish() }
    }

    private func finish() {
        guard !isFinished else { return }
        isFinished = true
        intake.connectionEnded()
    }

    // MARK: Silence

    private func watchIdle(for time: TimeAmount) {
        idle = loop.scheduleTask(in: time) { self.idleTimeOver() }
    }

    /// A sender that has to wait for us is not silent.
    private func idleTimeOver() {
        let limit = TimeAmount(intake.options.idle)
        let left = limit - (NIODeadline.now() - lastBytes)
        guard retry == nil, left <= .zero else {
            watchIdle(for: retry == nil ? left : limit)
            return
        }
        intake.count { $0.idleConnections += 1 }
        context?.close(promise: nil)
    }
}
