import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import MusterModel
import MusterTransport
import NIOCore

/// What a handler sees of a request besides its bytes.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let remoteAddress: String
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
        remoteAddress = source.channel.remoteAddress?.ipAddress ?? "unknown"
    }
}

/// HTTP/1.1 behind our own TLS handler.
private struct SystemTLSChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value
    let base: HTTP1Channel
    let context: LiveTLSContext
    let gate: APIGate

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard let id = gate.admit(channel, logger: logger) else {
            return channel.close().flatMapThrowing { throw ChannelError.ioOnClosedChannel }
        }
        return channel.eventLoop.makeCompletedFuture {
            let handshakes = RefusedHandshakes(logger: logger) { [gate] in gate.established(id) }
            try channel.pipeline.syncOperations.addHandlers(
                TLSHandler(context.current), handshakes, AskerPresence())
        }.flatMap {
            base.setup(channel: channel, logger: logger)
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// The HTTPS server: every route of `APIRoute`, each behind its access rule. A request is refused before its body is
/// read.
struct APIServer {
    static let bodyBytes = Limits.documentBytes
    static let headerBytes = 16 << 10
    static let headerCount = 64
    static let connectionsMax = 2_000
    static let idleTimeout = TimeAmount.minutes(2)
    /// Parameters of one request.
    static let parametersMax = 1_000
    /// Shorter answers are not deflated.
    static let gzipFromBytes = 1_400
    private static let gzip = ZlibCompressor(.gzip)

    let handlers: APIHandlers
    let tokens: TokenBook
    let clock: MachineClock
    let logger: Logger

    /// Serves until the task is cancelled. `ready` is called once with the port.
    func run(
        host: String, port: Int, context: LiveTLSContext, group: any EventLoopGroup,
        ready: @escaping @Sendable (Int) -> Void
    ) async throws {
        let router = Router(context: APIContext.self)
        router.add(middleware: UnknownRoutes())
        for route in APIRoute.allCases {
            for method in route.methods {
                router.on(
                    RouterPath(route.path), method: .init(rawValue: method.rawValue) ?? .get
                ) { request, context in
                    await respond(route, request, context)
                }
            }
        }
        let gate = APIGate()
        let server = HTTPServerBuilder { responder in
            SystemTLSChannel(
                base: HTTP1Channel(
                    responder: responder,
                    configuration: .init(
                        idleTimeout: Self.idleTimeout,
                        httpDecoderConfiguration: .init(
                            maxHeaderFieldSize: Self.headerBytes, maxHeaderListSize: Self.headerBytes,
                            maxHeaderFieldCount: Self.headerCount))),
                context: context, gate: gate)
        }
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)
        let application = Application(
            router: router, server: server,
            configuration: .init(
                address: .hostname(host, port: port), serverName: nil,
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax)),
            onServerRunning: { channel in ready(channel.localAddress?.port ?? port) },
            eventLoopGroupProvider: .shared(group), logger: quiet)
        try await application.run()
    }

    private func respond(_ route: APIRoute, _ request: Request, _ context: APIContext) async -> Response {
        do {
            let role = bearer(request).flatMap { tokens.role(of: $0, now: clock.now) }
            guard route.access.permits(role) else { throw Self.refusal(route, role) }
            if request.method == .get {
                return Self.response(
                    try await answer(route, Self.call(request, [], context), context), route: route, to: request)
            }
            let buffer = try await request.body.collect(upTo: route.bodyBytes)
            let call = Self.call(request, Array(buffer.readableBytesView), context)
            return Self.response(try await answer(route, call, context), route: route, to: request)
        } catch let error as APIError {
            return Self.response(error, route.dialect)
        } catch is NIOTooManyBytesError {
            return Self.response(
                APIError(413, "too_large", "the body is larger than the \(route.bodyBytes) bytes allowed"),
                route.dialect)
        } catch {
            logger.error("request failed", metadata: ["route": "\(route)", "reason": "\(error)"])
            return Self.response(
                APIError(500, "internal", "the coordinator could not answer: \(error)", hint: "look at its log"),
                route.dialect)
        }
    }

    /// What may be computed for long is given up when its asker goes away.
    private func answer(_ route: APIRoute, _ call: APICall, _ context: APIContext) async throws -> APIAnswer {
        guard route.mayTakeLong else { return try await handlers.answer(route, call) }
        let presence = try await context.channel.pipeline.handler(type: AskerPresence.self).map(\.presence).get()
        let computation = Task { try await handlers.answer(route, call) }
        presence.whenGone { computation.cancel() }
        defer { presence.whenGone(nil) }
        return try await withTaskCancellationHandler {
            try await computation.value
        } onCancel: {
            computation.cancel()
        }
    }

    private static func call(_ request: Request, _ body: [UInt8], _ context: APIContext) -> APICall {
        let type = request.headers[.contentType] ?? ""
        // Taken apart here: names come escaped as well, as in `match%5B%5D`.
        var parameters = FormText.pairs(Array((request.uri.query ?? "").utf8))
        if type.hasPrefix("application/x-www-form-urlencoded") {
            parameters += FormText.pairs(body)
        }
        return APICall(
            id: context.parameters.get("id") ?? "",
            parameters: parameters.prefix(Self.parametersMax).map { ($0.name, $0.value) },
            body: body,
            contentType: type, contentEncoding: request.headers[.contentEncoding] ?? "",
            versionHeader: header("X-Prometheus-Remote-Write-Version", of: request),
            remoteAddress: context.remoteAddress)
    }

    private static func header(_ name: String, of request: Request) -> String {
        HTTPFields.Element.Name(name).flatMap { request.headers[$0] } ?? ""
    }

    /// The token: as a bearer, or as the password of basic authentication, which is all some tools can send.
    private func bearer(_ request: Request) -> String? {
        guard let value = request.headers[.authorization] else { return nil }
        if value.hasPrefix("Bearer ") { return String(value.dropFirst("Bearer ".count)) }
        guard value.hasPrefix("Basic "), let data = Data(base64Encoded: String(value.dropFirst("Basic ".count))) else {
            return nil
        }
        let parts = String(decoding: data, as: UTF8.self).split(separator: ":", maxSplits: 1)
        return parts.count == 2 ? String(parts[1]) : nil
    }

    private static func refusal(_ route: APIRoute, _ role: Role?) -> APIError {
        guard let role else {
            return APIError(
                401, "unauthenticated", "the token is missing, unknown or expired",
                hint: "make one with an admin's context: muster token create --role viewer --name NAME")
        }
        guard case .role(let least) = route.access else { return APIError(403, "forbidden", "not allowed") }
        return APIError(
            403, "forbidden", "this needs the role \(least.rawValue); the token has \(role.rawValue)",
            hint: "ask an admin for a token: muster token create --role \(least.rawValue) --name NAME")
    }

    // MARK: Answers

    private static func response(_ answer: APIAnswer, route: APIRoute, to request: Request) -> Response {
        switch answer {
        case .json(let data):
            return content(Array(data), "application/json", to: request)
        case .prometheus(let bytes):
            return content(bytes, "application/json", to: request)
        case .text(let text):
            return content(Array(text.utf8), "text/plain; charset=utf-8", to: request)
        case .content(let status, let bytes, let type, let retryAfterSeconds):
            return content(bytes, type, status: status, retryAfterSeconds: retryAfterSeconds, to: request)
        case .status(let status, let headers):
            return Response(status: .init(code: status), headers: Self.fields(headers))
        case .refused(let status, let text, let headers):
            var fields = Self.fields(headers)
            fields[.contentType] = "text/plain; charset=utf-8"
            return Response(
                status: .init(code: status), headers: fields, body: .init(byteBuffer: ByteBuffer(string: text)))
        case .lines(let lines):
            return Response(
                status: .ok, headers: Self.headers(of: lines),
                body: .init { writer in
                    var writer = writer
                    try await whileConnected(request, isFollowing: lines.following != nil) {
                        try await lines.forEachPiece { try await writer.write(ByteBuffer(bytes: $0)) }
                    }
                    try await writer.finish(nil)
                })
        }
    }

    private static func fields(_ headers: [HTTPHeader]) -> HTTPFields {
        var fields = HTTPFields()
        for header in headers {
            if let name = HTTPFields.Element.Name(header.name) { fields[name] = header.value }
        }
        return fields
    }

    /// Deflated for whoever takes gzip, when there is enough of it to matter.
    private static func content(
        _ bytes: [UInt8], _ type: String, status: Int = 200, retryAfterSeconds: Int? = nil, to request: Request
    ) -> Response {
        var headers: HTTPFields = [.contentType: type, .cacheControl: "no-store"]
        var body = bytes
        let accepted = request.headers[.acceptEncoding] ?? ""
        if bytes.count >= gzipFromBytes, accepted.split(separator: ",").contains(where: isGzip) {
            body = gzip.deflate(bytes, level: 1)
            headers[.contentEncoding] = "gzip"
            headers[.vary] = "Accept-Encoding"
        }
        if let retryAfterSeconds { headers[.retryAfter] = "\(retryAfterSeconds)" }
        return Response(
            status: .init(code: status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }

    private static func isGzip(_ coding: Substring) -> Bool {
        let parts = coding.split(separator: ";")
        return parts.first.map { $0.filter { !$0.isWhitespace } == "gzip" } == true
            && !parts.dropFirst().contains { $0.filter { !$0.isWhitespace } == "q=0" }
    }

    /// An answer that lacks lines says so before the first one: the lines themselves are only lines.
    private static func headers(of lines: LogLines) -> HTTPFields {
        var headers: HTTPFields = [.contentType: "application/x-ndjson", .cacheControl: "no-store"]
        if lines.unreadableBlocks > 0, let name = HTTPFields.Element.Name("Muster-Incomplete") {
            headers[name] = "\(lines.unreadableBlocks) stored blocks could not be read"
        }
        return headers
    }

    /// Ends the writing when the asker has gone away: one who follows a quiet stream would be written to never again,
    /// and would hold its place for ever.
    private static func whileConnected(
        _ request: Request, isFollowing: Bool, _ write: () async throws -> Void
    ) async throws {
        guard isFollowing else { return try await write() }
        try await request.body.consumeWithCancellationOnInboundClose { _ in try await write() }
    }

    fileprivate static func response(_ error: APIError, _ dialect: APIRoute.Dialect = .muster) -> Response {
        var headers: HTTPFields = [:]
        let body: [UInt8]
        switch dialect {
        case .muster:
            headers[.contentType] = "application/json"
            body = error.ownJSON
        case .prometheus:
            headers[.contentType] = "application/json"
            body = PrometheusJSON.error(error)
        case .plain:
            headers[.contentType] = "text/plain; charset=utf-8"
            body = Array((error.hint.isEmpty ? error.message : "\(error.message)\nTry: \(error.hint)").utf8) + [10]
        }
        if let seconds = error.retryAfterSeconds { headers[.retryAfter] = "\(seconds)" }
        return Response(
            status: .init(code: error.status), headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

extension APIError {
    fileprivate var ownJSON: [UInt8] {
        struct Refusal: Encodable {
            struct Content: Encodable {
                var code: String
                var message: String
                var hint: String
            }
            var error: Content
        }
        let content = Refusal.Content(code: code, message: message, hint: hint)
        return Array((try? JSONEncoder().encode(Refusal(error: content))) ?? Data())
    }
}

/// Says in the API's words that there is no such route.
private struct UnknownRoutes: RouterMiddleware {
    typealias Context = APIContext

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            return APIServer.response(
                .notFound(
                    "\(request.method.rawValue) \(request.uri.path)", hint: "docs/reference/api.md lists the routes"))
        }
    }
}
