package import MusterModel

/// The handshake of a WebSocket, server's side (RFC 6455 section 4.2): what turns a GET into one.
package enum WebSocketUpgrade {
    /// Section 1.3.
    private static let suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

    /// The headers of the answer with status 101. `sha1` is the hash of that name (FIPS 180-4), 20 bytes: the protocol
    /// proves with it that both sides mean a WebSocket and nothing else, so that its weakness does no harm.
    package static func headers(
        answering request: HTTPRequest, sha1: ([UInt8]) -> [UInt8]
    ) throws(WebSocketRefusal) -> [HTTPHeader] {
        guard request.method == "GET" else { throw .method }
        guard tokens("upgrade", request).contains("websocket"), tokens("connection", request).contains("upgrade")
        else { throw .noUpgrade }
        guard tokens("sec-websocket-version", request).contains("13") else { throw .version }
        let keys = request.headers.filter { $0.name.lowercased() == "sec-websocket-key" }
        guard keys.count == 1, let key = keys.first?.value.trimmedASCII, isKey(key) else { throw .key }
        return [
            HTTPHeader("Upgrade", "websocket"), HTTPHeader("Connection", "Upgrade"),
            HTTPHeader("Sec-WebSocket-Accept", acceptKey(key, sha1: sha1)),
        ]
    }

    package static func acceptKey(_ key: String, sha1: ([UInt8]) -> [UInt8]) -> String {
        Base64.encode(sha1(Array((key + suffix).utf8)))
    }

    /// 16 bytes in base64.
    private static func isKey(_ text: String) -> Bool {
        guard text.utf8.count == 24, text.hasSuffix("==") else { return false }
        return text.utf8.dropLast(2).allSatisfy { byte in
            (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
        }
    }

    /// The values of a header that is a list, in lower case.
    private static func tokens(_ name: String, _ request: HTTPRequest) -> [String] {
        request.headers.filter { $0.name.lowercased() == name }.flatMap { header in
            header.value.split(separator: ",").map { String($0).trimmedASCII.lowercased() }
        }
    }
}

/// Why a request is no handshake, and how it is answered.
package enum WebSocketRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    case method
    case noUpgrade
    case version
    case key

    package var status: Int {
        switch self {
        case .method: 405
        case .noUpgrade, .version: 426
        case .key: 400
        }
    }

    /// What the answer says besides its status.
    package var headers: [HTTPHeader] {
        switch self {
        case .method: [HTTPHeader("Allow", "GET")]
        case .noUpgrade: [HTTPHeader("Upgrade", "websocket"), HTTPHeader("Connection", "Upgrade")]
        case .version: [HTTPHeader("Sec-WebSocket-Version", "13")]
        case .key: []
        }
    }

    package var description: String {
        switch self {
        case .method: "a WebSocket begins with GET"
        case .noUpgrade:
            "only a WebSocket is served here: send Upgrade: websocket and Connection: Upgrade; a proxy in between has "
                + "to pass both on"
        case .version: "only version 13 of the WebSocket protocol is spoken here"
        case .key: "no Sec-WebSocket-Key of 16 bytes in base64"
        }
    }
}
