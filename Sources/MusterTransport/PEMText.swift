internal import CMusterOpenSSL
import MusterModel

/// Text that OpenSSL reads and writes through memory buffers.
enum PEMText {
    /// Collects what `write` puts into the buffer; `write` returns 1 for success.
    static func collect(_ write: (OpaquePointer) -> Int32) throws(CertificateError) -> String {
        guard let buffer = unsafe BIO_new(BIO_s_mem()) else { throw .library("no memory") }
        defer { unsafe BIO_free(buffer) }
        guard unsafe write(buffer) == 1 else { throw .library(OpenSSLLibrary.takeErrorText()) }
        var bytes = [UInt8](repeating: 0, count: Int(unsafe BIO_ctrl_pending(buffer)))
        let count = unsafe BIO_read(buffer, &bytes, Int32(clamping: bytes.count))
        return String(decoding: bytes.prefix(Int(max(0, count))), as: UTF8.self)
    }

    /// Lets `read` take objects from the text; `what` names the text in errors.
    static func parse<Value>(
        _ text: String, what: String, _ read: (OpaquePointer) throws(CertificateError) -> Value
    ) throws(CertificateError) -> Value {
        let bytes = Array(text.utf8)
        guard bytes.count <= TransportLimits.pemBytes else {
            throw .tooLarge(what, maxBytes: TransportLimits.pemBytes)
        }
        guard let buffer = unsafe BIO_new(BIO_s_mem()) else { throw .library("no memory") }
        defer { unsafe BIO_free(buffer) }
        unsafe BIO_write(buffer, bytes, Int32(clamping: bytes.count))
        ERR_clear_error()
        defer { ERR_clear_error() }
        return unsafe try read(buffer)
    }

    /// The DER bytes that one of OpenSSL's `i2d` functions gives.
    static func der(_ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32) -> [UInt8] {
        let count = Int(encode(nil))
        guard count > 0 else { return [] }
        return unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var next = buffer.baseAddress
            unsafe initialized = Int(max(0, encode(&next)))
        }
    }
}
