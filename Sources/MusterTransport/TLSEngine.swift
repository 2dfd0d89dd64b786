internal import CMusterOpenSSL
import MusterModel
package import NIOCore

/// One connection's TLS state between two memory buffers: ciphertext is fed in and taken out, plaintext is read and
/// written. It touches no socket and no clock. One thread at a time.
@safe package final class TLSEngine {
    package enum Handshake: Equatable {
        case finished
        /// Send `takeOutput()`, feed what the peer answers, ask again.
        case needsInput
    }

    package enum Reading: Equatable {
        case bytes
        case needsInput
        /// The peer said that it will send no more.
        case closed
    }

    private let ssl: OpaquePointer
    private let input: OpaquePointer
    private let output: OpaquePointer
    /// OpenSSL holds the address of this object: it lives as long as `ssl`.
    private let check: PeerCheck?
    private let context: TLSContext
    private var bytesUnderKey = 0
    private let rekeyBytes: Int

    /// The largest plaintext of one record.
    private static let recordBytes = 16 << 10
    /// Written at once, so that OpenSSL's output buffer stays small.
    private static let writeBytes = 64 << 10

    /// `hostName` is the name or address that was dialled: sent as SNI when it is a name, compared when the context
    /// expects `.hostName`.
    package init(
        _ context: TLSContext, hostName: String? = nil, rekeyBytes: Int = TransportLimits.rekeyBytes
    ) throws(TLSError) {
        guard let ssl = unsafe SSL_new(context.handle) else { throw .badMaterial(OpenSSLLibrary.takeErrorText()) }
        guard let input = unsafe BIO_new(BIO_s_mem()), let output = unsafe BIO_new(BIO_s_mem()) else {
            unsafe SSL_free(ssl)
            throw .badMaterial("no memory")
        }
        // From here on `ssl` owns both buffers.
        unsafe SSL_set_bio(ssl, input, output)
        unsafe self.ssl = ssl
        unsafe self.input = input
        unsafe self.output = output
        self.context = context
        self.rekeyBytes = rekeyBytes
        check = context.expectation.map { PeerCheck($0, pin: context.pin, hostName: hostName) }
        if let check { unsafe SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(check).toOpaque()) }
        switch context.side {
        case .server: unsafe SSL_set_accept_state(ssl)
        case .client:
            unsafe SSL_set_connect_state(ssl)
            try expectHostName(hostName)
        }
    }

    deinit { unsafe SSL_free(ssl) }

    private func expectHostName(_ hostName: String?) throws(TLSError) {
        let isCompared = if case .hostName = context.expectation?.name { true } else { false }
        guard let hostName else {
            guard !isCompared else { throw .badMaterial("the name of the server to connect to is missing") }
            return
        }
        let isAddress = IPAddress.isValid(hostName)
        if !isAddress { unsafe muster_ssl_set_server_name(ssl, hostName) }
        guard isCompared else { return }
        let result =
            unsafe isAddress
            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), hostName) : SSL_set1_host(ssl, hostName)
        guard result == 1 else { throw .badMaterial("\"\(hostName)\" is no host name") }
    }

    /// The peer's certificate after the handshake; nil when it presented none.
    package var peer: Certificate? { check?.certificate }

    /// The ALPN name both ends agreed on.
    package var negotiatedProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        unsafe SSL_get0_alpn_selected(ssl, &name, &count)
        guard let name = unsafe name, count > 0 else { return nil }
        return unsafe String(decoding: UnsafeBufferPointer(start: name, count: Int(count)), as: UTF8.self)
    }

    /// Ciphertext from the peer.
    package func feed(_ bytes: ByteBuffer) {
        _ = unsafe bytes.withUnsafeReadableBytes { bytes in
            unsafe BIO_write(input, bytes.baseAddress, Int32(clamping: bytes.count))
        }
    }

    /// Ciphertext for the peer; nil when there is none. To be taken after every other call, also after one that threw:
    /// the alert is in it.
    package func takeOutput() -> ByteBuffer? {
        var taken = ByteBuffer()
        moveOutput(into: &taken)
        return taken.readableBytes > 0 ? taken : nil
    }

    private func moveOutput(into buffer: inout ByteBuffer) {
        let pending = Int(unsafe BIO_ctrl_pending(output))
        guard pending > 0 else { return }
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { room in
            unsafe Int(max(0, BIO_read(output, room.baseAddress, Int32(clamping: pending))))
        }
    }

    package func handshake() throws(TLSError) -> Handshake {
        ERR_clear_error()
        let result = unsafe SSL_do_handshake(ssl)
        if result == 1 { return .finished }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        case SSL_ERROR_ZERO_RETURN: throw .closedInHandshake
        default: throw failure()
        }
    }

    /// Appends the plaintext of at most one record.
    package func read(into buffer: inout ByteBuffer) throws(TLSError) -> Reading {
        ERR_clear_error()
        var result: Int32 = 0
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.recordBytes) { room in
            unsafe result = SSL_read(ssl, room.baseAddress, Int32(clamping: room.count))
            return Int(max(0, result))
        }
        if result > 0 { return .bytes }
        switch unsafe SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .needsInput
        case SSL_ERROR_ZERO_RETURN: return .closed
        default: throw failure()
        }
    }

    /// Encrypts all of `plaintext`; the handshake must be finished.
    package func encrypt(_ plaintext: ByteBuffer) throws(TLSError) -> ByteBuffer {
        var plaintext = plaintext
        var ciphertext = ByteBuffer()
        // 22 bytes of overhead for each record, and a little for a key update.
        let records = plaintext.readableBytes / Self.recordBytes + 1
        ciphertext.reserveCapacity(plaintext.readableBytes + records * 22 + 64)
        while let piece = plaintext.readSlice(length: min(Self.writeBytes, plaintext.readableBytes)),
            piece.readableBytes > 0
        {
            ERR_clear_error()
            let result = unsafe piece.withUnsafeReadableBytes { bytes in
                unsafe SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count))
            }
            guard result == piece.readableBytes else { throw failure() }
            bytesUnderKey += piece.readableBytes
            if bytesUnderKey >= rekeyBytes {
                bytesUnderKey = 0
                unsafe SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED)
            }
            moveOutput(into: &ciphertext)
        }
        return ciphertext
    }

    /// Puts our close into the output; nothing can be written after it.
    package func finish() {
        ERR_clear_error()
        unsafe SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// Why the last call failed: the peer check's reason, the peer's alert, or OpenSSL's own.
    private func failure() -> TLSError {
        if let reason = check?.failure { return reason }
        guard let error = OpenSSLLibrary.takeError() else { return .protocolFailure("no reason given") }
        guard error.isFromTLS else { return .protocolFailure(error.text) }
        switch error.reason {
        case 1_000...1_255: return .alert(TLSAlert(number: UInt8(truncatingIfNeeded: error.reason - 1_000)))
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .noCertificate
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_SSL_VERSION, SSL_R_NO_PROTOCOLS_AVAILABLE:
            return .unsupportedVersion
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_BAD_RECORD_TYPE,
            SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_PACKET_LENGTH_TOO_LONG:
            return .notTLS
        case SSL_R_EXCESSIVE_MESSAGE_SIZE: return .tooManyCertificates
        default: return .protocolFailure(error.text)
        }
    }
}
