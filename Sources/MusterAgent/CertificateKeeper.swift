import Logging
import MusterModel
import MusterProtocol
import MusterTransport
import MusterWire
import Synchronization

/// Renews the host's certificate at half its life and has the link come back with the new one.
final class CertificateKeeper: Sendable {
    /// How long an answer is waited for before the question is asked again.
    static let patience = Duration.minutes(1)
    private static let pulse = Duration.seconds(1)

    private struct State {
        var identity: HostIdentity
        var dueAt: Instant
        /// The key whose certificate was asked for.
        var asked: KeyPair?
    }

    private let state: Mutex<State>
    private let store: AgentState
    private let uplink: Uplink
    private let clock: MachineClock
    private let logger: Logger

    init(_ identity: HostIdentity, store: AgentState, uplink: Uplink, clock: MachineClock, logger: Logger) {
        self.store = store
        self.uplink = uplink
        self.clock = clock
        self.logger = logger
        state = Mutex(State(identity: identity, dueAt: Self.dueAt(identity)))
    }

    private static func dueAt(_ identity: HostIdentity) -> Instant {
        var generator = SecureRandom()
        guard let certificate = identity.certificate else { return .distantPast }
        return Renewal.dueAt(notBefore: certificate.notBefore, notAfter: certificate.notAfter, using: &generator)
    }

    /// What the next connection presents.
    func context() throws(TLSError) -> TLSContext { try state.withLock { $0.identity }.context() }

    func run() async {
        while !Task.isCancelled {
            if clock.now >= state.withLock({ $0.dueAt }), uplink.isUp { ask() }
            try? await Task.sleep(for: Self.pulse)
        }
    }

    private func ask() {
        do {
            let key = try KeyPair.generate()
            let request = try SigningRequest.make(for: key)
            state.withLock { state in
                state.asked = key
                state.dueAt = clock.now + Self.patience
            }
            uplink.enqueue(.control, codec: 0, payload: try AgentMessage.certificateRequest(request).encoded())
        } catch {
            logger.error("the certificate cannot be renewed", metadata: ["reason": "\(error)"])
            state.withLock { $0.dueAt = clock.now + Self.patience }
        }
    }

    /// The coordinator's answer: stored first, used by the next connection, which is made at once.
    func issued(_ chain: String) {
        guard let key = state.withLock({ $0.asked }) else { return }
        do {
            let credentials = TLSCredentials(chain: try Certificate.chain(pem: chain), key: key)
            let old = state.withLock { $0.identity }
            guard credentials.chain.first?.identity?.host == old.host else {
                throw AgentError("the new certificate is not for host \(old.host)")
            }
            let new = HostIdentity(host: old.host, credentials: credentials, authority: old.authority)
            // An answer to an earlier question is for another key: stored, it would shut this host out for good.
            _ = try new.context()
            try HostIdentity.save(key: key, chain: chain, authority: nil, in: store.directory, io: store.io)
            state.withLock { $0 = State(identity: new, dueAt: Self.dueAt(new), asked: nil) }
            logger.info("certificate renewed", metadata: ["until": "\(new.certificate?.notAfter ?? .distantPast)"])
            uplink.reconnectNow()
        } catch {
            logger.error("the renewed certificate cannot be used", metadata: ["reason": "\(error)"])
        }
    }

    func refused(_ reason: String) {
        logger.error("the coordinator does not renew this host's certificate", metadata: ["reason": "\(reason)"])
    }
}
