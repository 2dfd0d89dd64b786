import NIOCore
import Synchronization

/// Knows when whoever asked on a connection is gone, also while an answer is computed and nobody reads.
final class AskerPresence: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// The part of it that may be used anywhere.
    final class Presence: Sendable {
        private struct State {
            var isGone = false
            var tell: (@Sendable () -> Void)?
        }

        private let state = Mutex(State())

        /// Calls `tell` once, at once when the asker is gone already. There is one question at a time on a connection,
        /// so it takes the place of the one before; nil takes it away.
        func whenGone(_ tell: (@Sendable () -> Void)?) {
            let isGone = state.withLock { state in
                state.tell = state.isGone ? nil : tell
                return state.isGone
            }
            if isGone { tell?() }
        }

        fileprivate func gone() {
            let tell = state.withLock { state in
                state.isGone = true
                defer { state.tell = nil }
                return state.tell
            }
            tell?()
        }
    }

    let presence = Presence()

    /// Where half closure is allowed this is how the end of the peer's bytes shows: who closes its side of a TLS
    /// connection does not wait for an answer.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { presence.gone() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        presence.gone()
        context.fireChannelInactive()
    }
}
