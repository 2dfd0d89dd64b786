import Glibc
import MusterModel
package import NIOCore
import NIOPosix

/// Makes links to a coordinator.
package struct LinkDialer: Sendable {
    package let context: TLSContext
    package let group: any EventLoopGroup
    package var connectDeadline = TransportLimits.connectDeadline
    package var handshakeDeadline = Limits.handshakeDeadline
    package var sendQueueBytes = TransportLimits.sendQueueBytes

    /// `context` is made with `TLSContext.client`, with credentials and an identity to expect.
    package init(_ context: TLSContext, group: any EventLoopGroup) {
        self.context = context
        self.group = group
    }

    /// A link whose handshake is finished. The coordinator may still refuse our certificate: then `inbound` throws, so
    /// only its welcome means that we are connected.
    package func dial(_ address: LinkAddress) async throws(LinkError) -> LinkConnection {
        let outcome = group.next().makePromise(of: LinkConnection.self)
        let bootstrap = ClientBootstrap(group: outcome.futureResult.eventLoop)
            .channelOption(.autoRead, value: false)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .connectTimeout(TimeAmount(connectDeadline))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context, hostName: address.host, handshakeDeadline: handshakeDeadline),
                        LinkHandler(sendQueueBytes: sendQueueBytes) { outcome.completeWith($0.mapError { $0 }) })
                }
            }
        do {
            let channel: any Channel
            do {
                channel = try await bootstrap.connect(host: address.host, port: address.port).get()
            } catch {
                // No connection, so no handler that could report anything.
                outcome.fail(unreachable(error))
                return try await outcome.futureResult.get()
            }
            return try await withTaskCancellationHandler {
                try await outcome.futureResult.get()
            } onCancel: {
                channel.close(mode: .all, promise: nil)
            }
        } catch {
            throw Task.isCancelled ? .cancelled : LinkError(error)
        }
    }

    /// Tries the addresses in turn and gives the first link; the reasons of all when none works.
    package func dial(anyOf addresses: [LinkAddress]) async throws(LinkError) -> LinkConnection {
        var reasons: [String] = []
        for address in addresses {
            do throws(LinkError) {
                return try await dial(address)
            } catch {
                if error == .cancelled { throw error }
                reasons.append("\(address): \(error)")
            }
        }
        throw .allFailed(reasons)
    }

    private func unreachable(_ error: any Error) -> LinkError {
        if case ChannelError.connectTimeout? = error as? ChannelError {
            return .connectTimedOut(after: connectDeadline)
        }
        return error as? TLSError != nil ? LinkError(error) : .unreachable(ConnectFailure.text(error))
    }
}

/// NIO's connection errors in one line.
enum ConnectFailure {
    static func text(_ error: any Error) -> String {
        if let error = error as? IOError { return systemText(error) }
        guard let error = error as? NIOConnectionError else { return "\(error)" }
        if let attempt = error.connectionErrors.last { return text(attempt.error) }
        guard let reason = error.dnsAError ?? error.dnsAAAAError else { return "no address for \(error.host)" }
        return "\(error.host) does not resolve: \(reason)"
    }

    /// `Connection refused`: what the system says, without the call that NIO made.
    private static func systemText(_ error: IOError) -> String {
        guard let text = unsafe strerror(error.errnoCode) else { return "error \(error.errnoCode)" }
        return unsafe String(cString: text)
    }
}
