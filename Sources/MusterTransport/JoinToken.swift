/// What a new host is given: a secret that works once, and the pin of the authority it may trust.
///
/// Text form: `muster1.<secret, base64url>.<SHA-256 of the authority's certificate, hex>`. Whoever checks tokens stores
/// `secretHash`, never the secret.
package struct JoinToken: Equatable, Sendable, CustomStringConvertible {
    /// 128 bits at least; 256 in tokens made here.
    package static let secretBytes = 16...64

    package let secret: [UInt8]
    package let pin: CertificatePin

    /// A new token for the authority with this pin.
    package init(pin: CertificatePin) {
        secret = SecureRandom.bytes(32)
        self.pin = pin
    }

    /// Throws a reason that names the part that is wrong, without repeating the secret.
    package init(text: String) throws(CertificateError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 256, parts.count == 3, parts[0] == "muster1" else {
            throw .badToken("it is not of the form muster1.<secret>.<pin>")
        }
        guard let secret = Base64URL.decode(parts[1]), Self.secretBytes.contains(secret.count) else {
            throw .badToken("its second part is no secret of \(Self.secretBytes) bytes in base64url")
        }
        guard let pin = CertificatePin(parts[2]) else {
            throw .badToken("its third part is no pin of 64 hexadecimal digits")
        }
        self.secret = secret
        self.pin = pin
    }

    /// The form people carry to the new host. This is the secret: show it once.
    package var text: String { "muster1.\(Base64URL.encode(secret)).\(pin)" }

    /// SHA-256 of the secret, 64 hexadecimal digits: what is stored and looked up.
    package var secretHash: String { SHA256.hex(secret) }

    /// Without the secret, so that a token that gets into a log is of no use.
    package var description: String { "muster1.(secret not shown).\(pin)" }
}

/// The SHA-256 of one certificate's DER bytes.
package struct CertificatePin: Hashable, Sendable, CustomStringConvertible {
    /// 64 lower-case hexadecimal digits.
    package let hex: String

    /// Nil unless the text is 64 hexadecimal digits.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 64, let bytes = Hex.decode(text) else { return nil }
        hex = Hex.encode(bytes)
    }

    package init(der: [UInt8]) { hex = SHA256.hex(der) }

    package var description: String { hex }
}
