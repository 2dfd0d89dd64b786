import MusterModel

/// Why a TLS connection was refused or ended. Every case is one reason, in words for the person who reads the log.
package enum TLSError: Error, Equatable, Sendable, CustomStringConvertible {
    // Our own end.
    case libraryTooOld(String)
    case badMaterial(String)

    // The peer's certificate.
    case noCertificate
    case expired(Certificate)
    case notYetValid(Certificate)
    case unknownAuthority
    case pinMismatch(expected: CertificatePin)
    case noIdentity(String)
    case wrongRole(expected: [PeerRole], actual: PeerIdentity)
    case wrongPeer(expected: String, actual: String)
    case refused(String)
    case badCertificate(String)
    case tooManyCertificates

    // The peer's behaviour.
    case notTLS
    case unsupportedVersion
    case alert(TLSAlert)
    case handshakeTimedOut(after: Duration)
    case closedInHandshake
    case handshakeTooLarge
    case truncated
    case earlyWritesFull
    case protocolFailure(String)

    package var description: String {
        switch self {
        case .libraryTooOld(let version):
            "\(version) is too old: Muster needs OpenSSL \(OpenSSLLibrary.floor) or newer (Debian: libssl3)"
        case .badMaterial(let reason): "our own certificate, key or trust anchor is not usable: \(reason)"
        case .noCertificate: "the peer presented no certificate; it has to enrol first"
        case .expired(let certificate):
            "the certificate of \(certificate.subject) expired at \(certificate.notAfter); renew it or enrol again"
        case .notYetValid(let certificate):
            "the certificate of \(certificate.subject) is valid only from \(certificate.notBefore); check both clocks"
        case .unknownAuthority: "the peer's certificate was not issued by the authority trusted here"
        case .pinMismatch(let expected):
            "the peer does not present the authority with the pin \(expected); check the token and the address"
        case .noIdentity(let reason): "the peer's certificate carries no Muster identity: \(reason)"
        case .wrongRole(let expected, let actual):
            "the peer is \(actual), but only \(Self.list(expected)) may connect here"
        case .wrongPeer(let expected, let actual): "the peer is \(actual), expected was \(expected)"
        case .refused(let reason): "the peer's certificate is refused: \(reason)"
        case .badCertificate(let reason): "the peer's certificate is not valid: \(reason)"
        case .tooManyCertificates:
            "the peer's certificates are more than \(TransportLimits.peerCertificatesBytes) bytes or too many"
        case .notTLS: "the peer does not speak TLS"
        case .unsupportedVersion: "the peer does not offer TLS 1.3"
        case .alert(let alert): "the peer refused: \(alert)"
        case .handshakeTimedOut(let after): "the TLS handshake was not finished within \(after.shortText)"
        case .closedInHandshake: "the peer closed the connection during the TLS handshake"
        case .handshakeTooLarge:
            "the peer sent more than \(TransportLimits.preAuthenticationBytes) bytes before its handshake was finished"
        case .truncated: "the connection ended without a TLS close: data may be missing"
        case .earlyWritesFull: "more was written than may wait for the end of the handshake"
        case .protocolFailure(let reason): "TLS failed: \(reason)"
        }
    }

    private static func list(_ roles: [PeerRole]) -> String {
        roles.map(\.rawValue).sorted().joined(separator: " or ")
    }
}

/// A fatal alert of the peer (RFC 8446 section 6). With TLS 1.3 a client learns only by one of these, on its first
/// read, that its certificate was refused.
package struct TLSAlert: Hashable, Sendable, CustomStringConvertible {
    package let number: UInt8

    package init(number: UInt8) { self.number = number }

    package static let handshakeFailure = TLSAlert(number: 40)
    package static let badCertificate = TLSAlert(number: 42)
    package static let unsupportedCertificate = TLSAlert(number: 43)
    package static let certificateRevoked = TLSAlert(number: 44)
    package static let certificateExpired = TLSAlert(number: 45)
    package static let unknownAuthority = TLSAlert(number: 48)
    package static let protocolVersion = TLSAlert(number: 70)
    package static let certificateRequired = TLSAlert(number: 116)

    package var description: String {
        switch self {
        case .handshakeFailure: "it does not accept this identity here (alert 40)"
        case .badCertificate: "our certificate is not valid there yet, or damaged (alert 42)"
        case .unsupportedCertificate: "our certificate is for another role (alert 43)"
        case .certificateRevoked: "our certificate was revoked (alert 44)"
        case .certificateExpired: "our certificate has expired (alert 45)"
        case .unknownAuthority: "our certificate is not of the authority it trusts (alert 48)"
        case .protocolVersion: "it does not speak TLS 1.3 (alert 70)"
        case .certificateRequired: "it asks for a certificate and we presented none (alert 116)"
        default: "TLS alert \(number)"
        }
    }
}
