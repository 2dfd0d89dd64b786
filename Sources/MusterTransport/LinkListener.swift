package import Logging
import MusterModel
package import NIOCore
import NIOPosix
import Synchronization

/// Somebody who was not let in.
package struct LinkRefusal: Hashable, Sendable {
    package enum Stage: String, Sendable {
        case gate
        case eviction
        case handshake
    }

    /// Address and port in text.
    package let remoteAddress: String
    package let stage: Stage
    /// In words for people.
    package let reason: String
}

/// Accepts links. Everybody who gets as far as `connections` has a certificate that the context accepts.
package final class LinkListener: Sendable {
    package struct Options: Sendable {
        package var host = "::"
        /// 0 lets the system choose; see `port`.
        package var port = LinkAddress.defaultPort
        package var gate = AcceptGate.Limits()
        package var handshakeDeadline = Limits.handshakeDeadline
        package var sendQueueBytes = TransportLimits.sendQueueBytes

        package init() {}
    }

    /// What happened so far.
    package struct Counts: Equatable, Sendable {
        package var authenticated = 0
        package var refusedByGate = 0
        package var refusedInHandshake = 0
        package var evicted = 0
    }

    /// Links whose handshake is finished, in that order. One consumer; what it does not take in time stays within the
    /// gate's number of connections.
    package let connections: AsyncStream<LinkConnection>
    /// The context of new connections, replaceable.
    package let context: LiveTLSContext

    private struct State {
        var gate: AcceptGate
        var channels: [UInt64: any Channel] = [:]
        var nextID: UInt64 = 0
        var counts = Counts()
    }

    private let state: Mutex<State>
    private let arrivals: AsyncStream<LinkConnection>.Continuation
    private let options: Options
    private let refused: @Sendable (LinkRefusal) -> Void
    private let server: Mutex<(any Channel)?> = Mutex(nil)

    private init(
        _ options: Options, context: LiveTLSContext, refused: @escaping @Sendable (LinkRefusal) -> Void
    ) {
        self.options = options
        self.context = context
        self.refused = refused
        state = Mutex(State(gate: AcceptGate(options.gate)))
        (connections, arrivals) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingOldest(max(1, options.gate.connections)))
    }

    /// Listens, and writes every refusal with its reason to the log.
    package static func bind(
        _ options: Options, context: LiveTLSContext, group: any EventLoopGroup, logger: Logger
    ) async throws(LinkError) -> LinkListener {
        try await bind(options, context: context, group: group) { refusal in
            logger.warning(
                "link refused",
                metadata: [
                    "peer": "\(refusal.remoteAddress)", "stage": "\(refusal.stage)", "reason": "\(refusal.reason)",
                ])
        }
    }

    /// Listens. `refused` hears of everybody who was not let in. Throws `LinkError.unreachable` when the address
    /// cannot be bound.
    package static func bind(
        _ options: Options, context: LiveTLSContext, group: any EventLoopGroup,
        refused: @escaping @Sendable (LinkRefusal) -> Void
    ) async throws(LinkError) -> LinkListener {
        let listener = LinkListener(options, context: context, refused: refused)
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: Int32(TransportLimits.listenBacklog))
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.autoRead, value: false)
                .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
                .childChannelInitializer { channel in listener.accepted(channel) }
                .bind(host: options.host, port: options.port).get()
            listener.server.withLock { $0 = channel }
            return listener
        } catch {
            throw .unreachable("\(options.host):\(options.port) cannot be listened on: \(error)")
        }
    }

    /// The port that is listened on; 0 after `close`.
    package var port: Int { server.withLock { $0?.localAddress?.port } ?? 0 }
    package var counts: Counts { state.withLock { $0.counts } }
    package var connectionCount: Int { state.withLock { $0.gate.connectionCount } }

    /// Stops listening and closes every connection; returns when the listening socket is gone.
    package func close() async {
        let channel = server.withLock { server in
            defer { server = nil }
            return server
        }
        try? await channel?.close()
        arrivals.finish()
        for channel in state.withLock({ Array($0.channels.values) }) { channel.close(mode: .all, promise: nil) }
    }

    private func accepted(_ channel: any Channel) -> EventLoopFuture<Void> {
        let address = channel.remoteAddress?.ipAddress ?? "unknown"
        let (id, effect, evicted) = state.withLock { state in
            state.nextID += 1
            let id = state.nextID
            let effect = state.gate.connectionAccepted(id, from: address, now: MachineClock.wall)
            var evicted: (any Channel)?
            switch effect {
            case .refuse: state.counts.refusedByGate += 1
            case .admit(let old):
                state.channels[id] = channel
                if let old {
                    evicted = state.channels.removeValue(forKey: old)
                    state.counts.evicted += 1
                }
            }
            return (id, effect, evicted)
        }
        if let evicted {
            refuse(evicted, .eviction, "it had not authenticated and its place is needed")
            evicted.close(mode: .all, promise: nil)
        }
        if case .refuse(let reason) = effect {
            refuse(channel, .gate, "\(reason)")
            return channel.eventLoop.makeFailedFuture(LinkError.closedHere("\(reason)"))
        }
        channel.closeFuture.whenComplete { _ in self.closed(id) }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandlers(
                TLSHandler(self.context.current, handshakeDeadline: self.options.handshakeDeadline),
                LinkHandler(sendQueueBytes: self.options.sendQueueBytes) { self.decided(id, channel, $0) })
        }
    }

    private func decided(_ id: UInt64, _ channel: any Channel, _ outcome: Result<LinkConnection, LinkError>) {
        switch outcome {
        case .success(let connection):
            state.withLock { state in
                state.gate.connectionAuthenticated(id)
                state.counts.authenticated += 1
            }
            if case .enqueued = arrivals.yield(connection) { return }
            connection.close("the listener is closing or too many links wait to be served")
        case .failure(let reason):
            state.withLock { $0.counts.refusedInHandshake += 1 }
            refuse(channel, .handshake, "\(reason)")
        }
    }

    private func refuse(_ channel: any Channel, _ stage: LinkRefusal.Stage, _ reason: String) {
        refused(LinkRefusal(remoteAddress: channel.remoteText, stage: stage, reason: reason))
    }

    private func closed(_ id: UInt64) {
        state.withLock { state in
            state.gate.connectionClosed(id)
            state.channels[id] = nil
        }
    }
}
