import Logging
import MusterTransport
import NIOCore

/// Writes to the log who did not get through the TLS handshake of the API and why: an agent that does not find the
/// authority its token pins hangs up here, and nobody else would ever hear of it.
final class RefusedHandshakes: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let logger: Logger
    private let established: () -> Void
    private var isEstablished = false

    init(logger: Logger, established: @escaping () -> Void) {
        self.logger = logger
        self.established = established
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSHandler.Event.established? = event as? TLSHandler.Event {
            isEstablished = true
            established()
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if !isEstablished, let error = error as? TLSError {
            logger.warning(
                "API connection refused",
                metadata: ["peer": "\(context.channel.remoteAddress?.description ?? "unknown")", "reason": "\(error)"])
        }
        context.fireErrorCaught(error)
    }
}
