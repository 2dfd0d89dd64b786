/// What is wrong with a key, a certificate, a request or a token.
package enum CertificateError: Error, Equatable, Sendable, CustomStringConvertible {
    case malformed(String, reason: String)
    case tooLarge(String, maxBytes: Int)
    case wrongKeyKind(String)
    case badSignature
    case badName(String)
    case badToken(String)
    case cannotIssue(String)
    case library(String)

    package var description: String {
        switch self {
        case .malformed(let what, let reason): "\(what) cannot be read: \(reason)"
        case .tooLarge(let what, let maxBytes): "\(what) is larger than the \(maxBytes) bytes allowed"
        case .wrongKeyKind(let kind): "the key is of the kind \(kind), Muster uses P-256 only"
        case .badSignature: "the signing request is not signed by its own key"
        case .badName(let name): "\"\(name)\" is no DNS name or IP address for a certificate"
        case .badToken(let reason): "the join token is not valid: \(reason); ask for a new one"
        case .cannotIssue(let reason): "the certificate cannot be issued: \(reason)"
        case .library(let reason): "libcrypto failed: \(reason)"
        }
    }
}
