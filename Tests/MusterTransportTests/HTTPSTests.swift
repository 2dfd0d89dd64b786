import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import Testing

@Suite(.serialized) struct HTTPSTests {
    let fleet: TestFleet
    init() throws { fleet = try TestFleet() }

    func get(_ context: TLSContext, _ endpoint: HTTPEndpoint) async throws(HTTPFailure) -> String {
        let response = try await NIOHTTPClient(group: TestFleet.group, context: context).send(
            HTTPRequest("GET", "/"), to: endpoint, timeout: .seconds(20), maxBytes: 5_000_000)
        return String(decoding: response.body, as: UTF8.self)
    }

    func server(
        _ clients: ClientCertificates = .none, answer: @escaping @Sendable (String, HTTPTestServer.Reply) -> Void
    ) async throws -> HTTPTestServer {
        let context = try TLSContext.server(
            try fleet.credentials(.coordinator, "main", dnsNames: ["localhost"]), clients: clients,
            protocols: ["http/1.1"])
        return try await HTTPTestServer(tls: context, answer: answer)
    }

    @Test func `the API is reached by its role or by its pin`() async throws {
        let server = try await server { _, reply in reply.whole(200, String(repeating: "fine", count: 100_000)) }
        let contexts = [
            try TLSContext.client(nil, trust: fleet.trust, expecting: .coordinator, protocols: ["http/1.1"]),
            try TLSContext.client(nil, trust: .pin(fleet.authority.pin), expecting: .coordinator),
        ]
        for context in contexts { #expect(try await get(context, server.endpoint).count == 400_000) }
        let byName = try TLSContext.client(nil, trust: fleet.trust, expecting: .hostName)
        #expect(try await get(byName, .tcp(host: "localhost", port: server.port)).count == 400_000)
        await server.close()
    }

    @Test func `a server that is not trusted gets no request`() async throws {
        let requests = Recorder<String>()
        let server = try await server { request, reply in
            requests.record(request)
            reply.whole(200, "")
        }
        let wrong = [
            try TLSContext.client(nil, trust: .pin(CertificatePin(der: [])), expecting: .coordinator),
            try TLSContext.client(nil, trust: try TestFleet().trust, expecting: .coordinator),
            try TLSContext.client(nil, trust: fleet.trust, expecting: .identity(roles: [.operator])),
            try TLSContext.client(nil, trust: fleet.trust, expecting: .hostName),
            try TLSContext.client(nil, trust: .system, expecting: .hostName),
        ]
        for context in wrong {
            let error = await #expect(throws: HTTPFailure.self) { try await get(context, server.endpoint) }
            guard case .untrusted = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        #expect(requests.all.isEmpty)
        await server.close()
    }

    @Test func `a server that does not trust us says so`() async throws {
        let server = try await server(.required(fleet.trust, .identity(roles: [.operator]))) { _, reply in
            reply.whole(200, "fine")
        }
        let nobody = try TLSContext.client(nil, trust: fleet.trust, expecting: .coordinator)
        let error = await #expect(throws: HTTPFailure.self) { try await get(nobody, server.endpoint) }
        #expect(error?.description.contains("we presented none") == true, "\(String(describing: error))")
        let ada = try fleet.client(try fleet.credentials(.operator, "ada"))
        #expect(try await get(ada, server.endpoint) == "fine")
        await server.close()
    }

    @Test func `a plain server is no HTTPS server`() async throws {
        let server = try await HTTPTestServer { _, reply in reply.whole(200, "") }
        let plain = try await HTTPTestServer { _, reply in reply.whole(200, "") }
        let context = try TLSContext.client(nil, trust: fleet.trust, expecting: .coordinator)
        let client = NIOHTTPClient(group: TestFleet.group, context: context)
        // The server waits for the end of a request that never comes.
        await #expect(throws: HTTPFailure.timedOut(after: .milliseconds(200))) {
            try await client.send(HTTPRequest("GET", "/"), to: plain.endpoint, timeout: .milliseconds(200), maxBytes: 1)
        }
        await server.close()
        await plain.close()
    }

    @Test func `a body that is cut off is not a body that ends`() async throws {
        let replies = Recorder<HTTPTestServer.Reply>()
        let server = try await server { _, reply in
            reply.raw("HTTP/1.1 200 OK\r\n\r\nhalf")
            replies.record(reply)
        }
        let context = try TLSContext.client(nil, trust: fleet.trust, expecting: .coordinator)
        let pieces = Recorder<[UInt8]>()
        let (client, endpoint) = (NIOHTTPClient(group: TestFleet.group, context: context), server.endpoint)
        let task = Task {
            try await client.stream(
                HTTPRequest("GET", "/"), to: endpoint, idle: nil, head: { _ in },
                chunk: {
                    pieces.record($0)
                    return true
                })
        }
        try await eventually("the first half is there") { pieces.all.count == 1 }
        // Below TLS: the socket's output ends without a close record.
        let channel = replies.all[0].channel
        try await channel.eventLoop.submit {
            let context = try channel.pipeline.syncOperations.context(handlerType: TLSHandler.self)
            context.close(mode: .all, promise: nil)
        }.get()
        let error = await #expect(throws: HTTPFailure.self) { try await task.value }
        #expect(error?.description.contains("without a TLS close") == true, "\(String(describing: error))")
        await server.close()
    }
}
