import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// The server beside the client, over real sockets.
@Suite(.serialized) struct HTTPListenerTests {
    private struct Rules: HTTPAdmission {
        func refusal(ofHead head: HTTPRequest) -> HTTPResponse? {
            head.target == "/no" ? HTTPResponse(status: 404, body: Array("no".utf8)) : nil
        }
        func tooLarge(_ head: HTTPRequest) -> HTTPResponse { HTTPResponse(status: 413, body: Array("large".utf8)) }
        func busy(_ head: HTTPRequest) -> HTTPResponse {
            HTTPResponse(status: 429, headers: [HTTPHeader("Retry-After", "1")])
        }
    }

    /// A listener whose calls are answered with what they said, unless `answers` is false.
    private func listening(
        _ options: HTTPListener.Options = .init(), answers: Bool = true,
        _ test: (HTTPListener) async throws -> Void
    ) async throws {
        let listener = try await HTTPListener.bind(options, admission: Rules(), group: TestFleet.group)
        let answering = Task {
            for await call in listener.calls where answers {
                let words = "\(call.request.method) \(call.request.target) \(call.request.body.count)"
                call.answer(
                    HTTPResponse(status: 200, headers: [HTTPHeader("X-Seen", words)], body: call.request.body))
            }
        }
        do {
            try await test(listener)
        } catch {
            await listener.close()
            await answering.value
            throw error
        }
        await listener.close()
        await answering.value
        try await eventually("every connection is gone") { listener.connectionCount == 0 }
        #expect(listener.waitingBytes == 0)
    }

    private func send(_ request: HTTPRequest, _ listener: HTTPListener) async throws -> HTTPResponse {
        try await NIOHTTPClient(group: TestFleet.group).send(
            request, to: .tcp(host: "127.0.0.1", port: listener.port), timeout: .seconds(10), maxBytes: 64 << 20)
    }

    @Test func `a request arrives whole and its answer goes back`() async throws {
        try await listening { listener in
            let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
            let answer = try await send(HTTPRequest("POST", "/x?y=1", body: body), listener)
            #expect(answer.status == 200 && answer.body == body)
            #expect(answer.header("x-seen") == "POST /x?y=1 3000000")
            #expect(try await send(HTTPRequest("GET", "/"), listener).header("x-seen") == "GET / 0")
            try await eventually("nothing is held") { listener.waitingBytes == 0 }
        }
    }

    @Test func `what is refused by its head is answered before its body is read`() async throws {
        try await listening { listener in
            // More than socket buffers hold: the rest of it is read and thrown away.
            let body = [UInt8](repeating: 1, count: 12 << 20)
            let answer = try await send(HTTPRequest("POST", "/no", body: body), listener)
            #expect(answer.status == 404 && answer.body == Array("no".utf8))
            #expect(answer.header("connection") == "close")
        }
    }

    @Test func `a body beyond the limit is refused, announced or not`() async throws {
        var options = HTTPListener.Options()
        options.bodyBytes = 1_000
        try await listening(options) { listener in
            #expect(
                try await send(HTTPRequest("POST", "/", body: [UInt8](repeating: 1, count: 1_000)), listener).status
                    == 200)
            #expect(
                try await send(HTTPRequest("POST", "/", body: [UInt8](repeating: 1, count: 1_001)), listener).status
                    == 413)
            let raw = try await RawClient(port: listener.port)
            raw.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<3 { raw.send("190\r\n" + String(repeating: "x", count: 400) + "\r\n") }
            try await eventually("it is refused") { raw.text.hasPrefix("HTTP/1.1 413") && raw.text.hasSuffix("large") }
            try await eventually("and closed") { raw.isClosed }
        }
    }

    @Test func `bodies of all requests together are bounded`() async throws {
        var options = HTTPListener.Options()
        options.waitingBytes = 1_500
        try await listening(options, answers: false) { listener in
            let first = try await RawClient(port: listener.port)
            first.send(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + String(repeating: "x", count: 1_000))
            try await eventually("the first is held") { listener.waitingBytes == 1_000 }
            let second = try await send(HTTPRequest("POST", "/", body: [UInt8](repeating: 1, count: 600)), listener)
            #expect(second.status == 429 && second.header("retry-after") == "1")
            #expect(listener.waitingBytes == 1_000)
            first.close()
            try await eventually("its bytes are given back") { listener.waitingBytes == 0 }
        }
    }

    @Test func `a connection is kept between requests`() async throws {
        try await listening { listener in
            let raw = try await RawClient(port: listener.port)
            for number in 1...3 {
                raw.send("POST /\(number) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab")
                try await eventually("answer \(number)") { raw.text.contains("POST /\(number) 2") }
            }
            #expect(listener.connectionCount == 1 && !raw.isClosed)
            raw.send("POST /4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            try await eventually("closed as asked") { raw.isClosed && raw.text.contains("POST /4 0") }
        }
    }

    @Test func `a sender that asks first is told to go on`() async throws {
        try await listening { listener in
            let raw = try await RawClient(port: listener.port)
            raw.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
            try await eventually("it may go on") { raw.text.hasPrefix("HTTP/1.1 100 Continue\r\n\r\n") }
            raw.send("abc")
            try await eventually("the answer") { raw.text.contains("HTTP/1.1 200") && raw.text.hasSuffix("abc") }
        }
    }

    @Test(arguments: ["nonsense\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "\u{0}\u{1}\r\n\r\n"])
    func `what is no HTTP is closed`(bytes: String) async throws {
        try await listening { listener in
            let raw = try await RawClient(port: listener.port)
            raw.send(bytes)
            try await eventually("closed") { raw.isClosed }
            #expect(raw.text.isEmpty || raw.text.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func `who pipelines or comes on top is closed`() async throws {
        var options = HTTPListener.Options()
        options.connections = 2
        try await listening(options, answers: false) { listener in
            let pipelined = try await RawClient(port: listener.port)
            pipelined.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            try await eventually("a second request before the answer") { pipelined.isClosed }
            try await eventually("its place is free") { listener.connectionCount == 0 }
            let first = try await RawClient(port: listener.port)
            let second = try await RawClient(port: listener.port)
            try await eventually("both are there") { listener.connectionCount == 2 }
            let third = try await RawClient(port: listener.port)
            try await eventually("one too many") { third.isClosed }
            #expect(!first.isClosed && !second.isClosed && listener.connectionCount == 2)
        }
    }

    @Test func `who dawdles is closed, who waits for an answer is not`() async throws {
        var options = HTTPListener.Options()
        options.patience = .milliseconds(300)
        try await listening(options, answers: false) { listener in
            let waiting = try await RawClient(port: listener.port)
            waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            let slow = try await RawClient(port: listener.port)
            slow.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab")
            let silent = try await RawClient(port: listener.port)
            try await eventually("never whole") { slow.isClosed }
            try await eventually("silent from the start") { silent.isClosed }
            #expect(!waiting.isClosed)
        }
    }

    @Test func `an address that is taken is told`() async throws {
        try await listening { listener in
            var options = HTTPListener.Options()
            options.port = listener.port
            let error = await #expect(throws: HTTPFailure.self) {
                _ = try await HTTPListener.bind(options, admission: Rules(), group: TestFleet.group)
            }
            #expect(
                "\(error as Any)".contains("127.0.0.1:\(listener.port) cannot be listened on: Address already in use"))
        }
    }
}

/// A connection whose bytes a test writes itself.
private final class RawClient: Sendable {
    private final class Handler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        let text = Mutex("")
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let piece = String(buffer: unwrapInboundIn(data))
            text.withLock { $0 += piece }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private let handler: Handler
    private let channel: any Channel

    init(port: Int) async throws {
        let handler = Handler()
        self.handler = handler
        channel = try await ClientBootstrap(group: TestFleet.group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    deinit { channel.close(promise: nil) }

    func send(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }
    func close() { channel.close(promise: nil) }
    var text: String { handler.text.withLock { $0 } }
    var isClosed: Bool { !channel.isActive }
}
