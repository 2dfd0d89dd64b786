internal import CMusterOpenSSL

/// A PKCS #10 certificate signing request. It proves that the sender holds a key, and that is all it says: names,
/// roles and extensions in it are never looked at.
package enum SigningRequest {
    /// A request for this key with an empty subject, in PEM.
    package static func make(for key: KeyPair) throws(CertificateError) -> String {
        try make(for: key, asking: nil)
    }

    /// `names` in OpenSSL's spelling become requested alternative names, for tests that show they are ignored.
    package static func make(for key: KeyPair, asking names: String?) throws(CertificateError) -> String {
        guard let request = unsafe X509_REQ_new() else { throw .library("no memory") }
        defer { unsafe X509_REQ_free(request) }
        if let names, unsafe muster_request_names(request, names) != 1 {
            throw .library(OpenSSLLibrary.takeErrorText())
        }
        unsafe try key.withHandle { handle throws(CertificateError) in
            guard unsafe X509_REQ_set_pubkey(request, handle) == 1,
                unsafe X509_REQ_sign(request, handle, EVP_sha256()) > 0
            else { throw .library(OpenSSLLibrary.takeErrorText()) }
        }
        return unsafe try PEMText.collect { unsafe PEM_write_bio_X509_REQ($0, request) }
    }

    /// The public key of a request whose signature was made with that key.
    package static func publicKey(pem: String) throws(CertificateError) -> PublicKey {
        unsafe try PEMText.parse(pem, what: "the signing request") { buffer throws(CertificateError) in
            guard let request = unsafe PEM_read_bio_X509_REQ(buffer, nil, nil, nil) else {
                throw .malformed("the signing request", reason: OpenSSLLibrary.takeErrorText())
            }
            defer { unsafe X509_REQ_free(request) }
            guard let key = unsafe X509_REQ_get0_pubkey(request) else {
                throw .malformed("the signing request", reason: OpenSSLLibrary.takeErrorText())
            }
            let publicKey = unsafe try PublicKey(key: key)
            guard unsafe X509_REQ_verify(request, key) == 1 else { throw .badSignature }
            return publicKey
        }
    }
}
