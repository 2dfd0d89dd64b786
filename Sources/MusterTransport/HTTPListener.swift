package import MusterModel
package import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Who decides about requests that are not whole yet. Called on event loops, so quickly.
package protocol HTTPAdmission: Sendable {
    /// The answer to a request by its head alone, whose body is then not read; nil lets the body in.
    func refusal(ofHead head: HTTPRequest) -> HTTPResponse?
    /// The answer to a body of more bytes than allowed.
    func tooLarge(_ head: HTTPRequest) -> HTTPResponse
    /// The answer when the bodies of all requests together are more than allowed.
    func busy(_ head: HTTPRequest) -> HTTPResponse
}

/// A whole request that waits for its answer. Whoever takes it answers it once.
package struct HTTPCall: Sendable {
    package let request: HTTPRequest
    let send: @Sendable (HTTPResponse) -> Void

    package func answer(_ response: HTTPResponse) { send(response) }
}

/// A small HTTP/1.1 server for programs of the same host: no TLS, no pipelining, whole bodies of bounded size. One
/// request at a time on each connection, which is kept between requests.
package final class HTTPListener: Sendable {
    package struct Options: Sendable {
        package var host = "127.0.0.1"
        /// 0 lets the system choose; see `port`.
        package var port = 0
        /// More are closed at once.
        package var connections = 64
        /// Of one request.
        package var bodyBytes = 16 << 20
        /// Of all requests that are being received or wait for their answer.
        package var waitingBytes = 32 << 20
        /// From one request to the next, and for a request to be whole.
        package var patience = Duration.seconds(60)

        package init() {}
    }

    /// Whole requests in the order they became so. One consumer; there are never more than connections.
    package let calls: AsyncStream<HTTPCall>

    private let arrivals: AsyncStream<HTTPCall>.Continuation
    private let options: Options
    private let admission: any HTTPAdmission
    private let budget: ByteBudget
    private let server = Mutex<(any Channel)?>(nil)
    private let children = Mutex<[ObjectIdentifier: any Channel]>([:])

    private init(_ options: Options, _ admission: any HTTPAdmission) {
        self.options = options
        self.admission = admission
        budget = ByteBudget(options.waitingBytes)
        (calls, arrivals) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(max(1, options.connections)))
    }

    /// Listens. Throws `HTTPFailure.unreachable` when the address cannot be had.
    package static func bind(
        _ options: Options, admission: any HTTPAdmission, group: any EventLoopGroup
    ) async throws(HTTPFailure) -> HTTPListener {
        let listener = HTTPListener(options, admission)
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: Int32(TransportLimits.listenBacklog))
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelInitializer { channel in listener.accepted(channel) }
                .bind(host: options.host, port: options.port).get()
            listener.server.withLock { $0 = channel }
            return listener
        } catch {
            throw .unreachable("\(options.host):\(options.port) cannot be listened on: \(ConnectFailure.text(error))")
        }
    }

    /// The port that is listened on; 0 after `close`.
    package var port: Int { server.withLock { $0?.localAddress?.port } ?? 0 }
    package var connectionCount: Int { children.withLock { $0.count } }
    /// Bytes of requests that are not answered.
    package var waitingBytes: Int { budget.used }

    /// Stops listening and closes every connection; returns when the listening socket is gone.
    package func close() async {
        let channel = server.withLock { server in
            defer { server = nil }
            return server
        }
        try? await channel?.close()
        arrivals.finish()
        for child in children.withLock({ Array($0.values) }) { child.close(promise: nil) }
    }

    /// Returns when the listening socket is closed, by `close` or by the system.
    package func closed() async {
        guard let channel = server.withLock({ $0 }) else { return }
        try? await channel.closeFuture.get()
    }

    private func accepted(_ channel: any Channel) -> EventLoopFuture<Void> {
        let id = ObjectIdentifier(channel)
        let isAdmitted = children.withLock { children in
            guard children.count < self.options.connections else { return false }
            children[id] = channel
            return true
        }
        guard isAdmitted else { return channel.close() }
        channel.closeFuture.whenComplete { _ in _ = self.children.withLock { $0.removeValue(forKey: id) } }
        let (options, admission, budget, arrivals) = (options, admission, budget, arrivals)
        return channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: true)
            try pipeline.addHandler(
                HTTPCallHandler(options, admission: admission, budget: budget) { arrivals.yield($0) })
        }
    }
}

/// Bytes that are held for all connections together.
final class ByteBudget: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(_ limit: Int) { self.limit = limit }

    var used: Int { taken.withLock { $0 } }

    /// False, and nothing taken, when it would be too much.
    func take(_ bytes: Int) -> Bool {
        taken.withLock { taken in
            guard bytes <= limit - taken else { return false }
            taken += bytes
            return true
        }
    }

    func giveBack(_ bytes: Int) { taken.withLock { $0 -= bytes } }
}
