internal import CMusterOpenSSL

/// The public half of a P-256 key.
package struct PublicKey: Hashable, Sendable {
    /// SubjectPublicKeyInfo with the named curve and an uncompressed point.
    package let der: [UInt8]

    /// That encoding has one length.
    private static let derBytes = 91

    /// Reads the public half of `key`; throws when it is not on P-256.
    init(key: OpaquePointer) throws(CertificateError) {
        var group = [CChar](repeating: 0, count: 64)
        let isNamed = unsafe EVP_PKEY_get_group_name(key, &group, group.count, nil) == 1
        let name = String(decoding: group.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let kind = unsafe EVP_PKEY_get0_type_name(key).map { unsafe String(cString: $0) } ?? "unknown"
        ERR_clear_error()
        guard kind == "EC", isNamed, name == "prime256v1" else {
            throw .wrongKeyKind(isNamed ? "\(kind) \(name)" : kind)
        }
        der = unsafe PEMText.der { unsafe i2d_PUBKEY(key, $0) }
        guard der.count == Self.derBytes else { throw .wrongKeyKind("EC with an unusual encoding") }
    }

    /// Lends OpenSSL's form of the key.
    func withHandle<Value>(
        _ body: (OpaquePointer) throws(CertificateError) -> Value
    ) throws(CertificateError) -> Value {
        let handle = unsafe der.withUnsafeBufferPointer { bytes in
            var next = bytes.baseAddress
            return unsafe d2i_PUBKEY(nil, &next, bytes.count)
        }
        guard let handle = unsafe handle else { throw .library(OpenSSLLibrary.takeErrorText()) }
        defer { unsafe EVP_PKEY_free(handle) }
        return unsafe try body(handle)
    }
}

/// A P-256 key. Whoever stores `privatePEM` does so with mode 0600.
package struct KeyPair: Sendable, CustomStringConvertible, CustomReflectable {
    /// PKCS #8 in PEM, not encrypted.
    package let privatePEM: String
    package let publicKey: PublicKey

    /// A new key.
    package static func generate() throws(CertificateError) -> KeyPair {
        guard let key = unsafe muster_generate_p256() else { throw .library(OpenSSLLibrary.takeErrorText()) }
        defer { unsafe EVP_PKEY_free(key) }
        let pem = unsafe try PEMText.collect { unsafe PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
        return KeyPair(privatePEM: pem, publicKey: unsafe try PublicKey(key: key))
    }

    /// Reads a private key that is not encrypted; throws on any other kind than P-256.
    package init(privatePEM: String) throws(CertificateError) {
        self.privatePEM = privatePEM
        publicKey = unsafe try Self.withHandle(privatePEM) { key throws(CertificateError) in
            unsafe try PublicKey(key: key)
        }
    }

    private init(privatePEM: String, publicKey: PublicKey) {
        self.privatePEM = privatePEM
        self.publicKey = publicKey
    }

    /// Lends OpenSSL's form of the private key.
    func withHandle<Value>(
        _ body: (OpaquePointer) throws(CertificateError) -> Value
    ) throws(CertificateError) -> Value {
        unsafe try Self.withHandle(privatePEM, body)
    }

    private static func withHandle<Value>(
        _ pem: String, _ body: (OpaquePointer) throws(CertificateError) -> Value
    ) throws(CertificateError) -> Value {
        unsafe try PEMText.parse(pem, what: "the private key") { buffer throws(CertificateError) in
            // Without a callback OpenSSL would ask for a passphrase on the terminal.
            guard let key = unsafe PEM_read_bio_PrivateKey(buffer, nil, { _, _, _, _ in 0 }, nil) else {
                throw .malformed("the private key", reason: OpenSSLLibrary.takeErrorText())
            }
            defer { unsafe EVP_PKEY_free(key) }
            return unsafe try body(key)
        }
    }

    package var description: String { "KeyPair(private key not shown)" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
