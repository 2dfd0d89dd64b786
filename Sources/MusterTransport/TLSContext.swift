internal import CMusterOpenSSL
import MusterModel
import Synchronization

/// What one end of TLS connections presents and expects. Immutable; made once and used by any number of connections.
@safe package final class TLSContext: Sendable {
    enum Side: Sendable {
        case server
        case client
    }

    let side: Side
    let expectation: PeerExpectation?
    let pin: CertificatePin?
    /// The `SSL_CTX`, as a number because pointers are not `Sendable`. OpenSSL counts references to it under a lock
    /// and nobody changes it after `init`.
    private let address: UInt
    /// What the server may choose from; lives as long as the context, which points to it.
    private let protocolsAddress: UInt

    /// For accepting connections. `protocols` are ALPN names; a client that offers none of them gets none.
    package static func server(
        _ credentials: TLSCredentials, clients: ClientCertificates, protocols: [String] = []
    ) throws(TLSError) -> TLSContext {
        let context: TLSContext
        switch clients {
        case .none:
            context = try TLSContext(.server, credentials, trust: nil, expecting: nil, protocols: protocols)
        case .optional(let trust, let expectation), .required(let trust, let expectation):
            context = try TLSContext(.server, credentials, trust: trust, expecting: expectation, protocols: protocols)
        }
        var mode = SSL_VERIFY_NONE
        if case .optional = clients { mode = SSL_VERIFY_PEER }
        if case .required = clients { mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT }
        unsafe SSL_CTX_set_verify(context.handle, mode, nil)
        return context
    }

    /// For making connections; `credentials` nil presents no certificate.
    package static func client(
        _ credentials: TLSCredentials?, trust: TrustAnchors, expecting expectation: PeerExpectation,
        protocols: [String] = []
    ) throws(TLSError) -> TLSContext {
        let context = try TLSContext(.client, credentials, trust: trust, expecting: expectation, protocols: protocols)
        unsafe SSL_CTX_set_verify(context.handle, SSL_VERIFY_PEER, nil)
        return context
    }

    private init(
        _ side: Side, _ credentials: TLSCredentials?, trust: TrustAnchors?, expecting expectation: PeerExpectation?,
        protocols: [String]
    ) throws(TLSError) {
        try OpenSSLLibrary.requireSupported()
        let wire = try Self.wireForm(protocols)
        let method = unsafe side == .server ? TLS_server_method() : TLS_client_method()
        guard let handle = unsafe SSL_CTX_new(method) else { throw .badMaterial(OpenSSLLibrary.takeErrorText()) }
        let kept = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, wire.count))
        unsafe kept.initialize(from: wire, count: wire.count)
        self.side = side
        self.expectation = expectation
        if case .pin(let pin) = trust { self.pin = pin } else { pin = nil }
        address = UInt(bitPattern: handle)
        protocolsAddress = UInt(bitPattern: kept)
        // From here on `deinit` frees both, also when something below throws.
        try require(
            unsafe muster_ctx_harden(
                handle, TransportLimits.peerCertificatesBytes, Int32(TransportLimits.chainDepth)))
        unsafe SSL_CTX_set_cert_verify_callback(handle, { store, _ in unsafe PeerCheck.verify(store) }, nil)
        if let credentials { try present(credentials) }
        if let trust { try self.trust(trust) }
        if !protocols.isEmpty {
            switch side {
            case .server: unsafe muster_ctx_offer_alpn(handle, kept)
            // This one returns 0 for success.
            case .client: unsafe SSL_CTX_set_alpn_protos(handle, kept + 2, UInt32(wire.count - 2))
            }
        }
    }

    deinit {
        unsafe SSL_CTX_free(handle)
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: protocolsAddress)?.deallocate()
    }

    var handle: OpaquePointer? { unsafe OpaquePointer(bitPattern: address) }

    /// A two-byte length, then each name behind its one-byte length.
    private static func wireForm(_ protocols: [String]) throws(TLSError) -> [UInt8] {
        var names: [UInt8] = []
        for name in protocols {
            guard (1...255).contains(name.utf8.count), names.count < 1_024 else {
                throw .badMaterial("\"\(name)\" is no ALPN name")
            }
            names.append(UInt8(name.utf8.count))
            names += name.utf8
        }
        return [UInt8(names.count >> 8), UInt8(names.count & 255)] + names
    }

    private func present(_ credentials: TLSCredentials) throws(TLSError) {
        guard let own = credentials.chain.first else { throw .badMaterial("the certificate chain is empty") }
        do {
            _ = unsafe try own.withHandle { unsafe SSL_CTX_use_certificate(handle, $0) }
            for issuer in credentials.chain.dropFirst() {
                _ = unsafe try issuer.withHandle { unsafe muster_ctx_add_chain(handle, $0) }
            }
            _ = unsafe try credentials.key.withHandle { unsafe SSL_CTX_use_PrivateKey(handle, $0) }
        } catch {
            throw .badMaterial("\(error)")
        }
        try require(unsafe SSL_CTX_check_private_key(handle))
    }

    private func trust(_ anchors: TrustAnchors) throws(TLSError) {
        switch anchors {
        case .pin: break
        case .system: try require(unsafe SSL_CTX_set_default_verify_paths(handle))
        case .certificates(let certificates):
            guard !certificates.isEmpty else { throw .badMaterial("there is no trust anchor") }
            let store = unsafe SSL_CTX_get_cert_store(handle)
            for certificate in certificates {
                do {
                    _ = unsafe try certificate.withHandle { unsafe X509_STORE_add_cert(store, $0) }
                } catch {
                    throw .badMaterial("\(error)")
                }
            }
        }
    }

    private func require(_ result: Int32) throws(TLSError) {
        guard result == 1 else { throw .badMaterial(OpenSSLLibrary.takeErrorText()) }
    }
}

/// The context that new connections get, replaceable while a server runs: certificates are renewed without a restart.
package final class LiveTLSContext: Sendable {
    private let context: Mutex<TLSContext>

    package init(_ context: TLSContext) { self.context = Mutex(context) }

    package var current: TLSContext { context.withLock { $0 } }

    /// Connections that are open keep the context they were made with.
    package func replace(with context: TLSContext) { self.context.withLock { $0 = context } }
}
