/// Where an HTTP server listens.
package enum HTTPEndpoint: Hashable, Sendable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case unixSocket(path: String)

    package var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unixSocket(let path): "unix:\(path)"
        }
    }
}

/// One header as it was written; names are compared without regard to case.
package struct HTTPHeader: Equatable, Sendable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A whole request. Whoever sends it adds `Host` and the length of the body.
package struct HTTPRequest: Equatable, Sendable {
    package var method: String
    /// Path and query, percent-encoded.
    package var target: String
    package var headers: [HTTPHeader]
    package var body: [UInt8]

    package init(_ method: String, _ target: String, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }
}

/// A whole response, its body as the caller bounded it.
package struct HTTPResponse: Equatable, Sendable {
    package var status: Int
    package var headers: [HTTPHeader]
    package var body: [UInt8]

    package init(status: Int, headers: [HTTPHeader] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first value of a header, its name compared without regard to case.
    package func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    package var isSuccess: Bool { (200..<300).contains(status) }
}

/// Why an exchange gave no response.
package enum HTTPFailure: Error, Equatable, CustomStringConvertible {
    /// Nothing listens, the name does not resolve, the socket is absent.
    case unreachable(String)
    case timedOut(after: Duration)
    /// The peer's certificate was refused, or it refused ours.
    case untrusted(String)
    /// What came back is no HTTP/1.1, or is larger than the caller allowed.
    case malformed(String)
    case closed(String)

    package var description: String {
        switch self {
        case .unreachable(let reason): "cannot connect: \(reason)"
        case .timedOut(let after): "no answer within \(after.shortText)"
        case .untrusted(let reason): "the TLS peer is not trusted: \(reason)"
        case .malformed(let reason): "the answer is not usable: \(reason)"
        case .closed(let reason): "the connection closed before the answer was complete: \(reason)"
        }
    }
}

/// The one HTTP/1.1 client, made by MusterTransport and handed to whoever asks over HTTP: the Docker API, checks,
/// webhooks, the operator's verbs.
package protocol HTTPClient: Sendable {
    /// One request, one whole response of at most `maxBytes` of body.
    func send(_ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int)
        async throws(HTTPFailure) -> HTTPResponse

    /// A response that goes on: `head` is called once, then `chunk` for each piece of the body as it arrives, each of
    /// at most 64 KiB; when `chunk` returns false the connection is closed and the call returns. `idle` is the longest
    /// wait for the next piece, nil for no limit. Returns when the peer ends the body; cancelling the task closes the
    /// connection.
    func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure)
}
