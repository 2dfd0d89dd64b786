internal import CMusterOpenSSL
import MusterModel

/// The libssl this process is linked with.
package enum OpenSSLLibrary {
    /// The oldest version whose behaviour the TLS code relies on.
    package static let floor = "3.0"

    /// For example `OpenSSL 3.0.19 27 Jan 2026`.
    package static var version: String {
        guard let text = unsafe OpenSSL_version(OPENSSL_VERSION) else { return "OpenSSL of unknown version" }
        return unsafe String(cString: text)
    }

    package static var isSupported: Bool { isSupported(versionNumber: UInt64(OpenSSL_version_num())) }

    /// `0xMNN00PP0`: major, minor and patch as OpenSSL 3 packs them.
    package static func isSupported(versionNumber: UInt64) -> Bool { versionNumber >> 28 >= 3 }

    /// Throws on a library below the floor. Every `TLSContext` asks.
    package static func requireSupported() throws(TLSError) {
        guard isSupported else { throw .libraryTooOld(version) }
    }

    /// Takes the oldest entry of this thread's error queue and empties the rest; nil when there is none.
    static func takeError() -> OpenSSLFailure? {
        let code = ERR_get_error()
        guard code != 0 else { return nil }
        ERR_clear_error()
        return OpenSSLFailure(code: code)
    }

    /// The oldest error as text, for messages about our own material.
    static func takeErrorText() -> String { takeError()?.text ?? "no reason given" }
}

/// One entry of OpenSSL's error queue.
struct OpenSSLFailure {
    let code: UInt

    var reason: Int32 { ERR_GET_REASON(code) }
    var isFromTLS: Bool { ERR_GET_LIB(code) == ERR_LIB_SSL }

    /// OpenSSL's own words for the reason.
    var text: String {
        guard let text = unsafe ERR_reason_error_string(code) else { return "OpenSSL error \(code)" }
        return unsafe String(cString: text)
    }
}
