internal import CMusterOpenSSL
import Glibc
package import MusterModel

/// The coordinator's own certificate authority: one self-signed P-256 certificate that signs everything else.
package struct CertificateAuthority: Sendable {
    package static let authorityLifetime = Duration.hours(24 * 3_650)
    package static let certificateLifetime = Duration.hours(24)
    /// Certificates are valid from a little before they are issued, for hosts whose clock is behind.
    package static let clockTolerance = Duration.minutes(5)

    package let certificate: Certificate
    private let key: KeyPair

    /// What join tokens carry.
    package var pin: CertificatePin { certificate.pin }
    /// For storing, with mode 0600.
    package var privatePEM: String { key.privatePEM }

    /// A new authority, valid for ten years from `now`.
    package static func create(now: Instant) throws(CertificateError) -> CertificateAuthority {
        let key = try KeyPair.generate()
        let name = "Muster CA " + Hex.encode(SecureRandom.bytes(4))
        let draft = CertificateDraft(
            name: name, publicKey: key.publicKey, notBefore: now - clockTolerance, notAfter: now + authorityLifetime,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        return CertificateAuthority(certificate: try draft.signed(by: key, issuer: nil), key: key)
    }

    /// An authority as it was stored. Throws when the certificate is no authority's or the key is another's.
    package init(certificatePEM: String, privatePEM: String) throws(CertificateError) {
        certificate = try Certificate(pem: certificatePEM)
        key = try KeyPair(privatePEM: privatePEM)
        guard certificate.isAuthority else { throw .cannotIssue("the certificate is not an authority's") }
        let fits = unsafe try certificate.withHandle { certificate throws(CertificateError) in
            unsafe try key.withHandle { unsafe X509_check_private_key(certificate, $0) == 1 }
        }
        ERR_clear_error()
        guard fits else { throw .cannotIssue("the private key does not belong to the authority's certificate") }
    }

    private init(certificate: Certificate, key: KeyPair) {
        self.certificate = certificate
        self.key = key
    }

    /// A certificate for `identity`, valid from five minutes before `now` until `now + lifetime`, at most until the
    /// authority ends. DNS names and addresses are for coordinators only.
    package func issue(
        to publicKey: PublicKey, identity: PeerIdentity, dnsNames: [String] = [], addresses: [String] = [],
        now: Instant, lifetime: Duration = certificateLifetime
    ) throws(CertificateError) -> Certificate {
        guard identity.role == .coordinator || (dnsNames.isEmpty && addresses.isEmpty) else {
            throw .cannotIssue("only a coordinator's certificate may carry DNS names or addresses")
        }
        guard lifetime > .zero, now < certificate.notAfter else {
            throw .cannotIssue("it would end before it begins; the authority is valid until \(certificate.notAfter)")
        }
        let usage = identity.role == .coordinator ? "serverAuth,clientAuth" : "clientAuth"
        let draft = CertificateDraft(
            name: "Muster \(identity.role)", publicKey: publicKey, notBefore: now - Self.clockTolerance,
            notAfter: min(now + lifetime, certificate.notAfter),
            extensions: [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, usage), (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid"),
                (NID_subject_alt_name, try Self.names(identity, dnsNames: dnsNames, addresses: addresses)),
            ])
        return try draft.signed(by: key, issuer: certificate)
    }

    /// OpenSSL's spelling of the alternative names. Everything in it was checked, so nothing can add a name of its own.
    private static func names(
        _ identity: PeerIdentity, dnsNames: [String], addresses: [String]
    ) throws(CertificateError) -> String {
        var names = ["URI:\(identity.uri)"]
        for name in dnsNames {
            guard NameSpelling.isValid(name), !name.hasPrefix("-"), !name.hasPrefix(".") else { throw .badName(name) }
            names.append("DNS:\(name)")
        }
        for address in addresses {
            guard IPAddress.isValid(address) else { throw .badName(address) }
            names.append("IP:\(address)")
        }
        return names.joined(separator: ",")
    }
}

/// Numeric addresses.
package enum IPAddress {
    /// Whether the text is an IPv4 or IPv6 address without zone.
    package static func isValid(_ text: String) -> Bool {
        var storage = in6_addr()
        return unsafe inet_pton(AF_INET, text, &storage) == 1 || inet_pton(AF_INET6, text, &storage) == 1
    }
}
