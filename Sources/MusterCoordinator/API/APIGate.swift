import Logging
import MusterTransport
import NIOCore
import Synchronization

/// Who may connect to the API at all. Enrolment has to be open to strangers, so one address must not be able to take
/// every place; a connection counts as unauthenticated until its TLS handshake is done.
final class APIGate: Sendable {
    static let limits = {
        var limits = AcceptGate.Limits()
        limits.connections = APIServer.connectionsMax
        limits.connectionsPerAddress = 512
        return limits
    }()

    private struct State {
        var gate = AcceptGate(APIGate.limits)
        var channels: [UInt64: any Channel] = [:]
        var lastID: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Nil when the connection has to be closed; the reason is in the log.
    func admit(_ channel: any Channel, logger: Logger) -> UInt64? {
        let address = channel.remoteAddress?.ipAddress ?? "unknown"
        let (id, effect, evicted) = state.withLock { state in
            state.lastID += 1
            let effect = state.gate.connectionAccepted(state.lastID, from: address, now: MachineClock.wall)
            var evicted: (any Channel)?
            if case .admit(let old) = effect {
                state.channels[state.lastID] = channel
                evicted = old.flatMap { state.channels.removeValue(forKey: $0) }
            }
            return (state.lastID, effect, evicted)
        }
        if let evicted {
            log(evicted, "it had not authenticated and its place is needed", logger)
            evicted.close(mode: .all, promise: nil)
        }
        if case .refuse(let reason) = effect {
            log(channel, "\(reason)", logger)
            return nil
        }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { state in
                state.gate.connectionClosed(id)
                state.channels[id] = nil
            }
        }
        return id
    }

    /// The TLS handshake of the connection is done.
    func established(_ id: UInt64) { state.withLock { $0.gate.connectionAuthenticated(id) } }

    private func log(_ channel: any Channel, _ reason: String, _ logger: Logger) {
        logger.warning(
            "API connection refused",
            metadata: ["peer": "\(channel.remoteAddress?.description ?? "unknown")", "reason": "\(reason)"])
    }
}
