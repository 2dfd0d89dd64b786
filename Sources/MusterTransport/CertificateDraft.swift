internal import CMusterOpenSSL
import MusterModel

/// A certificate before it is signed.
struct CertificateDraft {
    let name: String
    let publicKey: PublicKey
    let notBefore: Instant
    let notAfter: Instant
    /// NID and value in OpenSSL's spelling, in the order in which they are added.
    let extensions: [(nid: Int32, value: String)]

    /// `issuer` nil means self-signed. The serial number is 128 random bits.
    func signed(by key: KeyPair, issuer: Certificate?) throws(CertificateError) -> Certificate {
        guard let draft = unsafe X509_new() else { throw .library("no memory") }
        defer { unsafe X509_free(draft) }
        unsafe try fill(draft)
        unsafe try publicKey.withHandle { handle throws(CertificateError) in
            try Self.require(unsafe X509_set_pubkey(draft, handle))
        }
        if let issuer {
            unsafe try issuer.withHandle { handle throws(CertificateError) in
                try Self.require(unsafe X509_set_issuer_name(draft, X509_get_subject_name(handle)))
                unsafe try addExtensions(draft, issuer: handle)
            }
        } else {
            try Self.require(unsafe X509_set_issuer_name(draft, X509_get_subject_name(draft)))
            unsafe try addExtensions(draft, issuer: draft)
        }
        unsafe try key.withHandle { handle throws(CertificateError) in
            try Self.require(unsafe X509_sign(draft, handle, EVP_sha256()))
        }
        return unsafe try Certificate(handle: draft)
    }

    private func fill(_ draft: OpaquePointer) throws(CertificateError) {
        try Self.require(unsafe X509_set_version(draft, 2))
        unsafe try Self.setSerial(draft)
        try Self.require(unsafe ASN1_TIME_set(X509_getm_notBefore(draft), Int(notBefore.seconds)) == nil ? 0 : 1)
        try Self.require(unsafe ASN1_TIME_set(X509_getm_notAfter(draft), Int(notAfter.seconds)) == nil ? 0 : 1)
        let subject = unsafe X509_get_subject_name(draft)
        try Self.require(
            unsafe X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, Int32(name.utf8.count), -1, 0))
    }

    private static func setSerial(_ draft: OpaquePointer) throws(CertificateError) {
        var bytes = SecureRandom.bytes(16)
        // Positive and of full length, as RFC 5280 and readers expect.
        bytes[0] = bytes[0] & 0x7f | 0x40
        guard let number = unsafe BN_bin2bn(bytes, Int32(bytes.count), nil) else { throw .library("no memory") }
        defer { unsafe BN_free(number) }
        try require(unsafe BN_to_ASN1_INTEGER(number, X509_get_serialNumber(draft)) == nil ? 0 : 1)
    }

    private func addExtensions(_ draft: OpaquePointer, issuer: OpaquePointer) throws(CertificateError) {
        for (nid, value) in extensions {
            try Self.require(unsafe muster_add_extension(draft, issuer, nid, value))
        }
    }

    /// OpenSSL's functions return 1, or a positive length, for success.
    private static func require(_ result: Int32) throws(CertificateError) {
        guard result > 0 else { throw .library(OpenSSLLibrary.takeErrorText()) }
    }
}
