internal import CMusterOpenSSL
import Glibc
package import MusterModel

/// An X.509 certificate as it was read. Reading one says nothing about whether it is to be trusted.
package struct Certificate: Hashable, Sendable {
    package let der: [UInt8]
    /// Nil unless exactly one alternative name is a URI and that URI is a Muster identity. Names of other kinds are
    /// for coordinators only (browsers ask for them); on any other role they make the identity nil.
    package let identity: PeerIdentity?
    package let notBefore: Instant
    package let notAfter: Instant
    /// Lower-case hexadecimal.
    package let serial: String
    package let isAuthority: Bool

    /// SHA-256 of the DER bytes.
    package var pin: CertificatePin { CertificatePin(der: der) }

    /// For messages: the identity, or the serial number of a certificate that has none.
    package var subject: String { identity?.uri ?? "serial \(serial)" }

    package init(der: [UInt8]) throws(CertificateError) {
        guard let handle = unsafe Self.decode(der) else {
            throw .malformed("the certificate", reason: OpenSSLLibrary.takeErrorText())
        }
        defer { unsafe X509_free(handle) }
        unsafe try self.init(handle: handle)
    }

    /// The first certificate of a PEM text.
    package init(pem: String) throws(CertificateError) {
        guard let first = try Self.chain(pem: pem).first else {
            throw .malformed("the certificate", reason: "the text is empty")
        }
        self = first
    }

    /// All certificates of a PEM text, in its order; at least one, at most `TransportLimits.pemCertificates`.
    package static func chain(pem: String) throws(CertificateError) -> [Certificate] {
        unsafe try PEMText.parse(pem, what: "the certificate") { buffer throws(CertificateError) in
            var chain: [Certificate] = []
            while let handle = unsafe PEM_read_bio_X509(buffer, nil, nil, nil) {
                defer { unsafe X509_free(handle) }
                guard chain.count < TransportLimits.pemCertificates else {
                    throw .malformed(
                        "the certificate", reason: "more than \(TransportLimits.pemCertificates) in one text")
                }
                chain.append(unsafe try Certificate(handle: handle))
            }
            let failure = OpenSSLLibrary.takeError()
            guard !chain.isEmpty, failure == nil || failure?.reason == PEM_R_NO_START_LINE else {
                throw .malformed("the certificate", reason: failure?.text ?? "there is none")
            }
            return chain
        }
    }

    init(handle: OpaquePointer) throws(CertificateError) {
        der = unsafe PEMText.der { unsafe i2d_X509(handle, $0) }
        identity = unsafe Self.identity(of: handle)
        notBefore = unsafe try Self.instant(X509_get0_notBefore(handle))
        notAfter = unsafe try Self.instant(X509_get0_notAfter(handle))
        serial = unsafe Self.serial(of: handle)
        isAuthority = unsafe X509_check_ca(handle) == 1
    }

    package var pem: String {
        get throws(CertificateError) {
            unsafe try withHandle { handle throws(CertificateError) in
                unsafe try PEMText.collect { unsafe PEM_write_bio_X509($0, handle) }
            }
        }
    }

    /// Lends OpenSSL's form of the certificate.
    func withHandle<Value>(
        _ body: (OpaquePointer) throws(CertificateError) -> Value
    ) throws(CertificateError) -> Value {
        guard let handle = unsafe Self.decode(der) else { throw .library(OpenSSLLibrary.takeErrorText()) }
        defer { unsafe X509_free(handle) }
        return unsafe try body(handle)
    }

    private static func decode(_ der: [UInt8]) -> OpaquePointer? {
        unsafe der.withUnsafeBufferPointer { bytes in
            var next = bytes.baseAddress
            return unsafe d2i_X509(nil, &next, bytes.count)
        }
    }

    private static func identity(of handle: OpaquePointer) -> PeerIdentity? {
        var uri = [UInt8](repeating: 0, count: 256)
        var uris: Int32 = 0
        var others: Int32 = 0
        let count = unsafe muster_san_uri(handle, &uri, uri.count, &uris, &others)
        guard count > 0, uris == 1,
            let identity = PeerIdentity(uri: String(decoding: uri.prefix(count), as: UTF8.self)),
            others == 0 || identity.role == .coordinator
        else { return nil }
        return identity
    }

    private static func instant(_ time: UnsafePointer<ASN1_TIME>?) throws(CertificateError) -> Instant {
        var broken = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &broken) == 1 else {
            throw .malformed("the certificate", reason: "its validity is no time")
        }
        return Instant(seconds: Int64(unsafe timegm(&broken)))
    }

    private static func serial(of handle: OpaquePointer) -> String {
        guard let number = unsafe ASN1_INTEGER_to_BN(X509_get0_serialNumber(handle), nil) else { return "" }
        defer { unsafe BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int(unsafe BN_num_bits(number) + 7) / 8)
        unsafe BN_bn2bin(number, &bytes)
        return Hex.encode(bytes)
    }
}
