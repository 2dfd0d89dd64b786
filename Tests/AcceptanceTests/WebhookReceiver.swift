import Foundation
import MusterTestKit
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A small HTTP server that takes notifications and remembers them.
final class WebhookReceiver: Sendable {
    /// What arrived at one path.
    struct Call: Sendable {
        var path: String
        var message: Message
    }

    struct Message: Decodable, Sendable {
        struct Alert: Decodable, Sendable {
            var status: String
            var labels: [String: String]
            var annotations: [String: String]
            var fingerprint: String
        }
        struct Escalation: Decodable, Sendable {
            var level: Int
            var acknowledgedBy: String?
        }
        var status: String
        var receiver: String
        var groupLabels: [String: String]
        var alerts: [Alert]
        var notificationId: String
        var escalation: Escalation
    }

    private let received = Mutex<[Call]>([])
    private let channel = Mutex<(any Channel)?>(nil)
    let port: Int

    init() async throws {
        port = try Ports.free()
        let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler { self.take($0, $1) })
                }
            }.bind(host: "127.0.0.1", port: port).get()
        channel.withLock { $0 = bound }
    }

    func close() async { try? await channel.withLock { $0 }?.close() }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// The calls of one path, oldest first.
    func calls(_ path: String) -> [Message] {
        received.withLock { $0.filter { $0.path == path }.map(\.message) }
    }

    private func take(_ path: String, _ body: [UInt8]) -> HTTPResponseStatus {
        guard let message = try? JSONDecoder().decode(Message.self, from: Data(body)) else { return .badRequest }
        received.withLock { $0.append(Call(path: path, message: message)) }
        return .ok
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let take: @Sendable (String, [UInt8]) -> HTTPResponseStatus
        private var path = ""
        private var body: [UInt8] = []

        init(_ take: @escaping @Sendable (String, [UInt8]) -> HTTPResponseStatus) { self.take = take }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                path = head.uri
                body = []
            case .body(let bytes): body += bytes.readableBytesView
            case .end:
                let head = HTTPResponseHead(
                    version: .http1_1, status: take(path, body), headers: ["content-length": "0"])
                context.write(wrapOutboundOut(.head(head)), promise: nil)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
