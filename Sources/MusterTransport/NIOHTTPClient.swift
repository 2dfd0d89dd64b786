package import MusterModel
package import NIOCore
import NIOHTTP1
import NIOPosix

/// The model's `HTTPClient` over TCP, unix sockets and, when it has a `TLSContext`, HTTPS. One connection for each
/// request. Redirects are answers like any other; nothing is retried.
package struct NIOHTTPClient: HTTPClient {
    private let group: any EventLoopGroup
    private let context: TLSContext?

    /// With `context` every TCP endpoint is spoken to over TLS; unix sockets never are.
    package init(group: any EventLoopGroup, context: TLSContext? = nil) {
        self.group = group
        self.context = context
    }

    package func send(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, timeout: Duration, maxBytes: Int
    ) async throws(HTTPFailure) -> HTTPResponse {
        try await exchange(request, endpoint, .whole(maxBytes: maxBytes), connect: timeout, total: timeout, idle: nil)
    }

    /// `head` and `chunk` are called on an event loop: they must be quick, and what they do holds up the peer.
    package func stream(
        _ request: HTTPRequest, to endpoint: HTTPEndpoint, idle: Duration?,
        head: @escaping @Sendable (HTTPResponse) -> Void, chunk: @escaping @Sendable ([UInt8]) -> Bool
    ) async throws(HTTPFailure) {
        _ = try await exchange(
            request, endpoint, .pieces(head: head, chunk: chunk), connect: TransportLimits.connectDeadline, total: nil,
            idle: idle)
    }

    private func exchange(
        _ request: HTTPRequest, _ endpoint: HTTPEndpoint, _ sink: HTTPExchange.Sink, connect: Duration,
        total: Duration?, idle: Duration?
    ) async throws(HTTPFailure) -> HTTPResponse {
        let head = try Self.head(request, endpoint)
        let deadline = total.map { NIODeadline.now() + TimeAmount($0) }
        let loop = group.next()
        let outcome = loop.makePromise(of: HTTPResponse.self)
        do {
            let channel: any Channel
            do {
                channel = try await bootstrap(loop, endpoint, connect) { isSecure in
                    HTTPExchange(
                        head, body: request.body, sink: sink, isSecure: isSecure, idle: idle, promise: outcome)
                }
            } catch {
                outcome.fail(Self.connectFailure(error, connect))
                return try await outcome.futureResult.get()
            }
            if let deadline, let total {
                let timer = channel.eventLoop.scheduleTask(deadline: deadline) {
                    channel.pipeline.fireErrorCaught(HTTPFailure.timedOut(after: total))
                }
                outcome.futureResult.whenComplete { _ in timer.cancel() }
            }
            return try await withTaskCancellationHandler {
                try await outcome.futureResult.get()
            } onCancel: {
                channel.pipeline.fireErrorCaught(HTTPFailure.closed("cancelled"))
            }
        } catch {
            throw HTTPFailure(error)
        }
    }

    private func bootstrap(
        _ loop: any EventLoop, _ endpoint: HTTPEndpoint, _ deadline: Duration,
        _ handler: @escaping @Sendable (_ isSecure: Bool) -> HTTPExchange
    ) async throws -> any Channel {
        var secure: (context: TLSContext, host: String)?
        if let context, case .tcp(let host, _) = endpoint { secure = (context, host) }
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(deadline))
            .channelInitializer { [secure] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let secure {
                        try pipeline.addHandler(
                            TLSHandler(
                                secure.context, hostName: secure.host,
                                handshakeDeadline: min(deadline, Limits.handshakeDeadline)))
                    }
                    try pipeline.addHTTPClientHandlers(leftOverBytesStrategy: .dropBytes)
                    try pipeline.addHandler(handler(secure != nil))
                }
            }
        switch endpoint {
        case .tcp(let host, let port): return try await bootstrap.connect(host: host, port: port).get()
        case .unixSocket(let path): return try await bootstrap.connect(unixDomainSocketPath: path).get()
        }
    }

    private static func connectFailure(_ error: any Error, _ deadline: Duration) -> HTTPFailure {
        switch error {
        case ChannelError.connectTimeout: .timedOut(after: deadline)
        case let error as TLSError: .untrusted(error.description)
        default: .unreachable(ConnectFailure.text(error))
        }
    }

    /// Refuses what would not be one request on the wire: spaces and control bytes end the target or a header line.
    private static func head(
        _ request: HTTPRequest, _ endpoint: HTTPEndpoint
    ) throws(HTTPFailure) -> HTTPRequestHead {
        guard request.target.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), request.target.hasPrefix("/") else {
            throw .malformed("the request's target is not a percent-encoded path")
        }
        guard !request.method.isEmpty, request.method.utf8.allSatisfy({ (0x41...0x5a).contains($0) }) else {
            throw .malformed("the request's method is not in capital letters")
        }
        var headers = HTTPHeaders()
        for header in request.headers {
            guard header.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }), !header.name.isEmpty,
                header.name.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") })
            else { throw .malformed("the request's header \"\(header.name)\" is not one line") }
            headers.add(name: header.name, value: header.value)
        }
        if !headers.contains(name: "host") {
            if case .tcp = endpoint {
                headers.add(name: "host", value: endpoint.description)
            } else {
                headers.add(name: "host", value: "localhost")
            }
        }
        if !headers.contains(name: "user-agent") { headers.add(name: "user-agent", value: "muster") }
        headers.replaceOrAdd(name: "connection", value: "close")
        if !request.body.isEmpty || ["POST", "PUT", "PATCH"].contains(request.method) {
            headers.replaceOrAdd(name: "content-length", value: "\(request.body.count)")
        }
        return HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: request.target, headers: headers)
    }
}
