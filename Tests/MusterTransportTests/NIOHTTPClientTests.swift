import Foundation
import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import Testing

@Suite(.serialized) struct NIOHTTPClientTests {
    let client = NIOHTTPClient(group: TestFleet.group)

    func send(
        _ request: HTTPRequest, _ server: HTTPTestServer, timeout: Duration = .seconds(5), maxBytes: Int = 1 << 20
    ) async throws(HTTPFailure) -> HTTPResponse {
        try await client.send(request, to: server.endpoint, timeout: timeout, maxBytes: maxBytes)
    }

    /// What the client makes of these bytes.
    func answer(
        _ bytes: String, close: Bool = true, timeout: Duration = .seconds(5), maxBytes: Int = 1 << 20
    ) async throws -> Result<HTTPResponse, HTTPFailure> {
        let server = try await HTTPTestServer { _, reply in
            reply.raw(bytes)
            if close { reply.close() }
        }
        let result: Result<HTTPResponse, HTTPFailure>
        do throws(HTTPFailure) {
            result = .success(try await send(HTTPRequest("GET", "/"), server, timeout: timeout, maxBytes: maxBytes))
        } catch {
            result = .failure(error)
        }
        await server.close()
        return result
    }

    @Test func `a request arrives as it was meant`() async throws {
        let requests = Recorder<String>()
        let server = try await HTTPTestServer { request, reply in
            requests.record(request)
            reply.whole(201, "made", headers: "X-A: 1\r\nX-a: 2\r\n")
        }
        let response = try await send(
            HTTPRequest("POST", "/v1/x?y=%20z", headers: [HTTPHeader("X-Mine", "yes")], body: Array("body".utf8)),
            server)
        #expect(response.status == 201)
        #expect(response.isSuccess)
        #expect(String(decoding: response.body, as: UTF8.self) == "made")
        #expect(response.header("x-A") == "1")
        #expect(response.headers.filter { $0.name.lowercased() == "x-a" }.map(\.value) == ["1", "2"])
        let request = try #require(requests.all.first)
        #expect(request.hasPrefix("POST /v1/x?y=%20z HTTP/1.1\r\n"))
        #expect(request.hasSuffix("\r\n\r\nbody"))
        for header in ["host: \(server.endpoint)", "content-length: 4", "connection: close", "X-Mine: yes"] {
            #expect(request.contains("\r\n\(header)\r\n"), "\(header)")
        }
        try await eventually("the connection is not kept") { server.connectionCount == 0 }
        await server.close()
    }

    @Test func `a large body goes out and comes back`() async throws {
        let server = try await HTTPTestServer { request, reply in
            reply.whole(200, String(decoding: request.utf8.suffix(3_000_000), as: UTF8.self))
        }
        let body = [UInt8](repeating: UInt8(ascii: "x"), count: 3_000_000)
        let response = try await send(
            HTTPRequest("PUT", "/", body: body), server, timeout: .seconds(30), maxBytes: 3_000_000)
        #expect(response.body == body)
        await server.close()
    }

    @Test func `the framings of a body are understood`() async throws {
        let chunked = try await answer(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", close: false)
        #expect(try chunked.get().body == Array("abcde".utf8))
        let untilClose = try await answer("HTTP/1.1 200 OK\r\n\r\nabc")
        #expect(try untilClose.get().body == Array("abc".utf8))
        let none = try await answer("HTTP/1.1 204 No Content\r\n\r\n", close: false)
        #expect(try none.get().body.isEmpty)
        let interim = try await answer(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", close: false)
        #expect(try interim.get().status == 200)
        let redirect = try await answer("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", close: false)
        #expect(try redirect.get().status == 302)
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 200 OK\r\nContent-Le",
    ]) func `an answer that ends early is no answer`(_ bytes: String) async throws {
        guard case .failure(.closed) = try await answer(bytes) else {
            Issue.record("not refused as closed")
            return
        }
    }

    @Test(arguments: [
        "hello\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]) func `an answer that is no HTTP is malformed`(_ bytes: String) async throws {
        guard case .failure(.malformed) = try await answer(bytes, close: false) else {
            Issue.record("not refused as malformed")
            return
        }
    }

    @Test func `a body over the cap is refused, one at the cap is not`() async throws {
        let bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
        #expect(try await answer(bytes, maxBytes: 10).get().body.count == 10)
        let over = try await answer(bytes, maxBytes: 9)
        #expect(over == .failure(.malformed("its body is more than the 9 bytes allowed")))
        let endless = try await answer(
            "HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 100_000), close: false, maxBytes: 50_000)
        #expect(endless == .failure(.malformed("its body is more than the 50000 bytes allowed")))
    }

    @Test func `headers over the cap are refused`() async throws {
        let line = "X-Long: \(String(repeating: "y", count: 1_000))\r\n"
        let fits = try await answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(line)\r\n")
        #expect(try fits.get().status == 200)
        let many = String(repeating: line, count: TransportLimits.httpHeaderBytes / 1_000 + 1)
        guard case .failure(.malformed) = try await answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(many)\r\n") else {
            Issue.record("not refused as malformed")
            return
        }
    }

    @Test func `a server that does not answer, or not in full, is given up`() async throws {
        for bytes in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"] {
            let start = ContinuousClock.now
            let result = try await answer(bytes, close: false, timeout: .milliseconds(200))
            #expect(result == .failure(.timedOut(after: .milliseconds(200))))
            #expect(ContinuousClock.now - start < .seconds(4))
        }
    }

    @Test func `nobody there is unreachable`() async throws {
        let server = try await HTTPTestServer { _, _ in }
        let endpoint = server.endpoint
        await server.close()
        for endpoint in [
            endpoint, .unixSocket(path: "/nonexistent/socket"), .tcp(host: "no-such-host.invalid", port: 1),
        ] {
            let error = await #expect(throws: HTTPFailure.self) {
                try await client.send(HTTPRequest("GET", "/"), to: endpoint, timeout: .seconds(5), maxBytes: 1)
            }
            guard case .unreachable = error else {
                Issue.record("\(endpoint): \(String(describing: error))")
                continue
            }
        }
    }

    @Test func `a unix socket works like any other`() async throws {
        let path = FileManager.default.temporaryDirectory.appending(
            path: "muster-\(ProcessInfo.processInfo.processIdentifier).sock"
        ).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let server = try await HTTPTestServer(unixPath: path) { request, reply in
            reply.whole(200, request.contains("\r\nhost: localhost\r\n") ? "ok" : request)
        }
        let response = try await client.send(
            HTTPRequest("GET", "/version"), to: .unixSocket(path: path), timeout: .seconds(5), maxBytes: 1_000)
        #expect(String(decoding: response.body, as: UTF8.self) == "ok")
        await server.close()
    }

    @Test func `a request that would be two on the wire is never sent`() async throws {
        let server = try await HTTPTestServer { _, reply in reply.whole(200, "") }
        let wrong = [
            HTTPRequest("GET", "/ HTTP/1.1\r\n\r\nGET /"), HTTPRequest("GET", ""), HTTPRequest("GET", "x"),
            HTTPRequest("GET\r\n", "/"), HTTPRequest("", "/"), HTTPRequest("get", "/"),
            HTTPRequest("GET", "/", headers: [HTTPHeader("X", "a\r\nY: b")]),
            HTTPRequest("GET", "/", headers: [HTTPHeader("X: y\r\nZ", "a")]),
            HTTPRequest("GET", "/", headers: [HTTPHeader("", "a")]),
        ]
        for request in wrong {
            let error = await #expect(throws: HTTPFailure.self) { try await send(request, server) }
            guard case .malformed = error else {
                Issue.record("\(request)")
                continue
            }
        }
        #expect(server.connectionCount == 0)
        await server.close()
    }

    @Test func `a cancelled request gives its connection back`() async throws {
        let server = try await HTTPTestServer { _, _ in }
        let (client, endpoint) = (client, server.endpoint)
        let task = Task {
            try await client.send(HTTPRequest("GET", "/"), to: endpoint, timeout: .seconds(60), maxBytes: 1)
        }
        try await eventually("it is connected") { server.connectionCount == 1 }
        task.cancel()
        await #expect(throws: HTTPFailure.closed("cancelled")) { try await task.value }
        try await eventually("the connection is gone") { server.connectionCount == 0 }
        await server.close()
    }
}

@Suite(.serialized) struct HTTPStreamTests {
    let client = NIOHTTPClient(group: TestFleet.group)

    @Test func `pieces arrive as they are sent, until the peer ends`() async throws {
        let replies = Recorder<HTTPTestServer.Reply>()
        let server = try await HTTPTestServer { _, reply in
            reply.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            replies.record(reply)
        }
        let (client, endpoint) = (client, server.endpoint)
        let (heads, pieces) = (Recorder<Int>(), Recorder<[UInt8]>())
        let task = Task {
            try await client.stream(
                HTTPRequest("GET", "/events"), to: endpoint, idle: nil, head: { heads.record($0.status) },
                chunk: {
                    pieces.record($0)
                    return true
                })
        }
        try await eventually("the head is there") { heads.all == [200] }
        for count in 1...3 {
            replies.all[0].raw("4\r\nev:\(count)\r\n")
            try await eventually("event \(count) is there") { pieces.all.count == count }
        }
        replies.all[0].raw("0\r\n\r\n")
        try await task.value
        #expect(pieces.all.map { String(decoding: $0, as: UTF8.self) } == ["ev:1", "ev:2", "ev:3"])
        await server.close()
    }

    @Test func `no piece is larger than its limit`() async throws {
        let size = 1 << 20
        let server = try await HTTPTestServer { _, reply in
            reply.raw("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            reply.raw(ZlibCompressorTests.text(size).prefix(size).map { $0 })
        }
        let pieces = Recorder<[UInt8]>()
        try await client.stream(
            HTTPRequest("GET", "/"), to: server.endpoint, idle: .seconds(10), head: { _ in },
            chunk: {
                pieces.record($0)
                return true
            })
        #expect(pieces.all.allSatisfy { (1...TransportLimits.httpChunkBytes).contains($0.count) })
        #expect(pieces.all.flatMap { $0 } == Array(ZlibCompressorTests.text(size).prefix(size)))
        await server.close()
    }

    @Test func `a consumer that has enough ends it`() async throws {
        let server = try await HTTPTestServer { _, reply in reply.raw("HTTP/1.1 200 OK\r\n\r\nabc") }
        let pieces = Recorder<[UInt8]>()
        try await client.stream(
            HTTPRequest("GET", "/"), to: server.endpoint, idle: .seconds(10), head: { _ in },
            chunk: {
                pieces.record($0)
                return false
            })
        #expect(pieces.all == [Array("abc".utf8)])
        try await eventually("the connection is gone") { server.connectionCount == 0 }
        await server.close()
    }

    @Test func `silence longer than allowed, an early end and cancellation are failures`() async throws {
        let server = try await HTTPTestServer { request, reply in
            reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
            if request.hasPrefix("GET /early") { reply.close() }
        }
        let (client, endpoint) = (client, server.endpoint)
        await #expect(throws: HTTPFailure.timedOut(after: .milliseconds(150))) {
            try await client.stream(
                HTTPRequest("GET", "/"), to: endpoint, idle: .milliseconds(150), head: { _ in }, chunk: { _ in true })
        }
        let early = await #expect(throws: HTTPFailure.self) {
            try await client.stream(
                HTTPRequest("GET", "/early"), to: endpoint, idle: nil, head: { _ in }, chunk: { _ in true })
        }
        #expect(early?.description.contains("before the answer was complete") == true)
        let pieces = Recorder<[UInt8]>()
        let task = Task {
            try await client.stream(
                HTTPRequest("GET", "/"), to: endpoint, idle: nil, head: { _ in },
                chunk: {
                    pieces.record($0)
                    return true
                })
        }
        try await eventually("the first piece is there") { pieces.all.count == 1 }
        task.cancel()
        await #expect(throws: HTTPFailure.closed("cancelled")) { try await task.value }
        await server.close()
    }
}
