import Foundation
import MusterModel
import MusterTransport
import NIOCore
import NIOPosix

/// A server that reads one request and answers with whatever bytes a test wants, well formed or not.
final class HTTPTestServer: Sendable {
    /// How a test answers; every method may be called from any thread.
    struct Reply: Sendable {
        let channel: any Channel

        func raw(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }
        func raw(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
        func whole(_ status: Int, _ body: String, headers: String = "") {
            raw("HTTP/1.1 \(status) X\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }
        func close() { channel.close(promise: nil) }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var request = ByteBuffer()
        /// Head and body, once the head is there.
        private var requestBytes: Int?
        private let answer: @Sendable (String, Reply) -> Void

        init(_ answer: @escaping @Sendable (String, Reply) -> Void) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            request.writeBuffer(&bytes)
            if requestBytes == nil { requestBytes = Self.length(of: String(buffer: request)) }
            guard let requestBytes, request.readableBytes >= requestBytes else { return }
            answer(String(buffer: request), Reply(channel: context.channel))
            request.clear()
            self.requestBytes = nil
        }

        private static func length(of text: String) -> Int? {
            guard let end = text.range(of: "\r\n\r\n") else { return nil }
            let head = text[..<end.upperBound]
            let body = head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
                .flatMap { Int($0.dropFirst(15).filter { $0 != " " }) }
            return head.utf8.count + (body ?? 0)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// Its own threads: what a test does there must not hold up the client.
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    private let channel: any Channel
    private let children: Recorder<any Channel>

    init(
        tls: TLSContext? = nil, unixPath: String? = nil, answer: @escaping @Sendable (String, Reply) -> Void
    ) async throws {
        let children = Recorder<any Channel>()
        self.children = children
        let bootstrap = ServerBootstrap(group: Self.group).childChannelInitializer { channel in
            children.record(channel)
            return channel.eventLoop.makeCompletedFuture {
                if let tls { try channel.pipeline.syncOperations.addHandler(TLSHandler(tls)) }
                try channel.pipeline.syncOperations.addHandler(Handler(answer))
            }
        }
        if let unixPath {
            channel = try await bootstrap.bind(unixDomainSocketPath: unixPath).get()
        } else {
            channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        }
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    var endpoint: HTTPEndpoint { .tcp(host: "127.0.0.1", port: port) }
    /// Connections that are open now.
    var connectionCount: Int { children.all.count { $0.isActive } }

    func close() async {
        try? await channel.close()
        for child in children.all { child.close(promise: nil) }
    }
}
