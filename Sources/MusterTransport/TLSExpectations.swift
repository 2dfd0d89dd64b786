/// What one end shows: its certificate first, then the authority's, and the private key.
package struct TLSCredentials: Sendable {
    package let chain: [Certificate]
    package let key: KeyPair

    package init(chain: [Certificate], key: KeyPair) {
        self.chain = chain
        self.key = key
    }

    package init(chainPEM: String, privatePEM: String) throws(CertificateError) {
        self.init(chain: try Certificate.chain(pem: chainPEM), key: try KeyPair(privatePEM: privatePEM))
    }
}

/// Which authorities may have issued the peer's certificate.
package enum TrustAnchors: Sendable {
    case certificates([Certificate])
    /// The authority's certificate is not known yet, only its digest: the peer has to present it. For joining.
    case pin(CertificatePin)
    /// The authorities the operating system trusts: for other people's servers, such as webhook receivers.
    case system
}

/// Whose the peer's certificate may be.
package struct PeerExpectation: Sendable {
    enum Name: Sendable {
        case identity(roles: Set<PeerRole>, id: String?)
        /// The DNS name or address that was dialled, as browsers check it.
        case hostName
    }

    let name: Name
    let refusal: @Sendable (Certificate) -> String?

    /// One of the roles, and this id when one is given. `refusal` sees every certificate that is otherwise good and
    /// gives the reason why it is not let in (revoked, host removed), or nil. It is called on an event loop: it must
    /// only look something up.
    package static func identity(
        roles: Set<PeerRole>, id: String? = nil, refusal: @escaping @Sendable (Certificate) -> String? = { _ in nil }
    ) -> PeerExpectation {
        PeerExpectation(name: .identity(roles: roles, id: id), refusal: refusal)
    }

    package static let coordinator = identity(roles: [.coordinator])
    package static let hostName = PeerExpectation(name: .hostName, refusal: { _ in nil })

    /// Throws when the certificate's identity is not the expected one. Host names are OpenSSL's to compare.
    func check(_ certificate: Certificate) throws(TLSError) {
        guard case .identity(let roles, let id) = name else { return }
        guard let identity = certificate.identity else {
            throw .noIdentity("it needs exactly one URI name such as muster://agent/web-1")
        }
        guard roles.contains(identity.role) else {
            throw .wrongRole(expected: roles.sorted { $0.rawValue < $1.rawValue }, actual: identity)
        }
        if let id, id != identity.id { throw .wrongPeer(expected: id, actual: identity.id) }
        if let reason = refusal(certificate) { throw .refused(reason) }
    }
}

/// Whether a server asks for a client's certificate.
package enum ClientCertificates: Sendable {
    case none
    /// A client without one is let in; a bad one is still refused.
    case optional(TrustAnchors, PeerExpectation)
    case required(TrustAnchors, PeerExpectation)
}
