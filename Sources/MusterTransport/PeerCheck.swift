internal import CMusterOpenSSL
import MusterModel

/// The verification of one connection's peer, called by OpenSSL in the middle of the handshake: so a refusal reaches
/// the peer as an alert, and no byte of data is exchanged before it.
///
/// OpenSSL builds and checks the chain; then the certificate's name is compared with the expectation. Nothing here
/// turns a failure of the chain into success.
final class PeerCheck {
    private let expectation: PeerExpectation
    private let pin: CertificatePin?
    private let hostName: String?
    private(set) var failure: TLSError?
    private(set) var certificate: Certificate?

    init(_ expectation: PeerExpectation, pin: CertificatePin?, hostName: String?) {
        self.expectation = expectation
        self.pin = pin
        self.hostName = hostName
    }

    /// OpenSSL's callback: 1 accepts. The check is found through the connection that the store belongs to.
    static func verify(_ store: OpaquePointer?) -> Int32 {
        guard let store = unsafe store,
            let ssl = unsafe X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()),
            let address = unsafe SSL_get_ex_data(OpaquePointer(ssl), 0)
        else { return 0 }
        let check = unsafe Unmanaged<PeerCheck>.fromOpaque(address).takeUnretainedValue()
        do throws(TLSError) {
            check.certificate = unsafe try check.accept(store)
            return 1
        } catch {
            check.failure = error
            unsafe X509_STORE_CTX_set_error(store, alertCode(for: error, chain: X509_STORE_CTX_get_error(store)))
            return 0
        }
    }

    private func accept(_ store: OpaquePointer) throws(TLSError) -> Certificate {
        guard let leaf = unsafe X509_STORE_CTX_get0_cert(store) else { throw .noCertificate }
        let certificate: Certificate
        do {
            certificate = unsafe try Certificate(handle: leaf)
        } catch {
            throw .badCertificate("\(error)")
        }
        guard unsafe verifyChain(store) == 1 else {
            throw unsafe chainError(X509_STORE_CTX_get_error(store), certificate)
        }
        try expectation.check(certificate)
        return certificate
    }

    private func verifyChain(_ store: OpaquePointer) -> Int32 {
        guard let pin else { return unsafe X509_verify_cert(store) }
        let presented = unsafe X509_STORE_CTX_get0_untrusted(store)
        for index in 0..<(unsafe muster_x509s_count(presented)) {
            guard let candidate = unsafe muster_x509s_at(presented, index),
                CertificatePin(der: unsafe PEMText.der { unsafe i2d_X509(candidate, $0) }) == pin
            else { continue }
            return unsafe muster_verify_with_anchor(store, candidate)
        }
        unsafe X509_STORE_CTX_set_error(store, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
        return 0
    }

    private func chainError(_ code: Int32, _ certificate: Certificate) -> TLSError {
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED: return .expired(certificate)
        case X509_V_ERR_CERT_NOT_YET_VALID: return .notYetValid(certificate)
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return pin.map { .pinMismatch(expected: $0) } ?? .unknownAuthority
        case X509_V_ERR_CERT_CHAIN_TOO_LONG: return .tooManyCertificates
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            return .wrongPeer(expected: hostName ?? "another host", actual: certificate.subject)
        case X509_V_ERR_INVALID_PURPOSE:
            // A certificate of ours for another role says so more clearly by its name.
            do throws(TLSError) { try expectation.check(certificate) } catch { return error }
            return .badCertificate("it is issued for another purpose")
        default:
            guard let text = unsafe X509_verify_cert_error_string(Int(code)) else { return .badCertificate("\(code)") }
            return unsafe .badCertificate(String(cString: text))
        }
    }

    /// OpenSSL chooses the alert by this code.
    private static func alertCode(for error: TLSError, chain: Int32) -> Int32 {
        switch error {
        case .refused: X509_V_ERR_CERT_REVOKED
        case .noIdentity, .wrongRole, .wrongPeer: X509_V_ERR_APPLICATION_VERIFICATION
        default: chain == X509_V_OK ? X509_V_ERR_UNSPECIFIED : chain
        }
    }
}
