import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import Testing

/// Peers that are not who they should be, or do not behave: each is refused with a reason at the listener and a
/// message at the peer, and a bystander on the same listener notices nothing.
@Suite(.serialized) struct LinkRefusalTests {
    let fleet: TestFleet
    init() throws { fleet = try TestFleet() }

    struct Stranger: Sendable, CustomTestStringConvertible {
        let name: String
        /// Part of what the listener reports.
        let refusal: String
        /// Part of what the stranger is told.
        let told: String
        let credentials: @Sendable (TestFleet) throws -> TLSCredentials?
        var testDescription: String { name }
    }

    static let strangers: [Stranger] = [
        Stranger(name: "no certificate", refusal: "no certificate", told: "alert 116") { _ in nil },
        Stranger(name: "wrong authority", refusal: "not issued by the authority", told: "alert 48") { _ in
            try TestFleet().credentials(.agent, "web-1")
        },
        Stranger(name: "expired", refusal: "muster://agent/web-1 expired at", told: "has expired (alert 45)") {
            try $0.credentials(.agent, "web-1", now: TestFleet.now - .hours(48))
        },
        Stranger(name: "not yet valid", refusal: "valid only from", told: "alert 42") {
            try $0.credentials(.agent, "web-1", now: TestFleet.now + .hours(2))
        },
        Stranger(name: "wrong role", refusal: "muster://operator/ada, but only agent may", told: "alert 40") {
            try $0.credentials(.operator, "ada")
        },
        Stranger(name: "revoked", refusal: "revoked", told: "was revoked (alert 44)") {
            try $0.credentials(.agent, "banned")
        },
    ]

    @Test(arguments: strangers) func `a stranger is refused and told why`(_ stranger: Stranger) async throws {
        let server = try await EchoServer(
            try fleet.server { $0.identity?.id == "banned" ? "its host was revoked" : nil })
        let bystander = try await Bystander(fleet, server)
        let client = try fleet.client(try stranger.credentials(fleet))
        // What the client says at once must not cost it the alert.
        let error = await #expect(throws: LinkError.self) {
            let link = try await LinkDialer(client, group: TestFleet.group).dial(server.address)
            _ = try? link.trySend([UInt8](repeating: 1, count: 50_000))
            try await bounded { for try await _ in link.inbound {} }
        }
        #expect(error?.description.contains(stranger.told) == true, "told: \(error?.description ?? "nothing")")
        let refusal = try await server.refusal()
        #expect(refusal.contains(stranger.refusal), "refused: \(refusal)")
        try await bystander.check()
        #expect(server.listener.counts.refusedInHandshake == 1)
        try await eventually("the stranger's socket is gone") { server.listener.connectionCount == 1 }
        await server.close()
    }

    @Test func `an agent refuses a server that is not its coordinator`() async throws {
        let impostor = try await EchoServer(try fleet.server(try fleet.credentials(.agent, "evil")))
        let error = await #expect(throws: LinkError.self) {
            try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(impostor.address)
        }
        #expect(error?.description.contains("the peer is muster://agent/evil") == true)
        await impostor.close()
        let named = try await EchoServer(try fleet.server(try fleet.credentials(.coordinator, "other")))
        let client = try fleet.client(
            try fleet.credentials(.agent, "web-1"), expecting: .identity(roles: [.coordinator], id: "main"))
        await #expect(throws: LinkError.tls(.wrongPeer(expected: "main", actual: "other"))) {
            try await LinkDialer(client, group: TestFleet.group).dial(named.address)
        }
        #expect(try await named.refusal().contains("the peer refused"))
        await named.close()
    }

    @Test func `a pin that is not the authority's ends the dialling`() async throws {
        let server = try await EchoServer(try fleet.server())
        let pin = CertificatePin(der: [0])
        let client = try fleet.client(try fleet.credentials(.agent, "web-1"), trust: .pin(pin))
        await #expect(throws: LinkError.tls(.pinMismatch(expected: pin))) {
            try await LinkDialer(client, group: TestFleet.group).dial(server.address)
        }
        let right = try fleet.client(try fleet.credentials(.agent, "web-1"), trust: .pin(fleet.authority.pin))
        let link = try await LinkDialer(right, group: TestFleet.group).dial(server.address)
        link.close("done")
        await server.close()
    }

    @Test func `a peer that says nothing is cut at the deadline`() async throws {
        let server = try await EchoServer(try fleet.server(), handshakeDeadline: .seconds(2))
        let bystander = try await Bystander(fleet, server)
        let start = ContinuousClock.now
        let silent = try await RawPeer(server.address)
        try await eventually("the silent peer is cut") { !silent.isOpen }
        #expect(ContinuousClock.now - start >= .milliseconds(1_900))
        #expect(try await server.refusal().contains("not finished within 2s"))
        try await bystander.check()
        await server.close()
    }

    @Test func `a peer that sends a byte now and then is cut at the same deadline`() async throws {
        let server = try await EchoServer(try fleet.server(), handshakeDeadline: .seconds(2))
        let bystander = try await Bystander(fleet, server)
        let hello = try TLSEngine(try fleet.agent())
        _ = try hello.handshake()
        var bytes = try #require(hello.takeOutput())
        let slow = try await RawPeer(server.address)
        let start = ContinuousClock.now
        try await eventually("the slow peer is cut", within: .seconds(10)) {
            if let byte = bytes.readSlice(length: 1) { try? await slow.send(byte) }
            return !slow.isOpen
        }
        #expect(ContinuousClock.now - start < .seconds(8))
        #expect(try await server.refusal().contains("not finished within 2s"))
        try await bystander.check()
        await server.close()
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SSH-2.0-x\r\n", "\0\0\0\0\0\0\0\0\0\0\0\0"])
    func `a peer without TLS is refused`(_ greeting: String) async throws {
        let server = try await EchoServer(try fleet.server())
        let bystander = try await Bystander(fleet, server)
        let plain = try await RawPeer(server.address)
        try await plain.send(Array(greeting.utf8))
        #expect(try await server.refusal() == TLSError.notTLS.description)
        try await eventually("the plain peer is cut") { !plain.isOpen }
        try await bystander.check()
        await server.close()
    }

    @Test func `a handshake that never ends is cut by its size`() async throws {
        let server = try await EchoServer(try fleet.server())
        let bystander = try await Bystander(fleet, server)
        let endless = try await RawPeer(server.address)
        // Handshake records that announce a hello of 100 KiB and keep filling it.
        var record = ByteBuffer(bytes: [0x16, 3, 1, 0x40, 0, 1, 1, 0x90, 0])
        record.writeRepeatingByte(3, count: 0x4000 - 4)
        try? await endless.send(record)
        for _ in 0..<8 {
            var more = ByteBuffer(bytes: [0x16, 3, 1, 0x40, 0])
            more.writeRepeatingByte(3, count: 0x4000)
            try? await endless.send(more)
        }
        let refusal = try await server.refusal()
        #expect(refusal == TLSError.handshakeTooLarge.description || refusal.hasPrefix("TLS failed"), "\(refusal)")
        try await bystander.check()
        endless.channel.close(promise: nil)
        await server.close()
    }

    @Test func `a peer that leaves in the middle of the handshake is counted`() async throws {
        let server = try await EchoServer(try fleet.server())
        let bystander = try await Bystander(fleet, server)
        let hello = try TLSEngine(try fleet.agent())
        _ = try hello.handshake()
        let peer = try await RawPeer(server.address)
        try await peer.send(try #require(hello.takeOutput()))
        await peer.close()
        let refusal = try await server.refusal()
        #expect(refusal.contains("during the TLS handshake") || refusal.contains("lost"), "\(refusal)")
        try await eventually("its place is free") { server.listener.connectionCount == 1 }
        try await bystander.check()
        await server.close()
    }

    @Test func `a connection that ends without a TLS close is truncated`() async throws {
        let server = try await EchoServer(try fleet.server())
        let bystander = try await Bystander(fleet, server)
        let engine = try TLSEngine(try fleet.agent())
        let peer = try await RawPeer(server.address)
        try await eventually("the handshake is finished") {
            let state = try engine.handshake()
            if let output = engine.takeOutput() { try await peer.send(output) }
            if state == .finished { return true }
            engine.feed(peer.takeReceived())
            return false
        }
        try await peer.send(try engine.encrypt(ByteBuffer(string: "half a mess")))
        try await eventually("the echo arrives") { peer.takeReceived().readableBytes > 0 }
        await peer.close()
        try await eventually("the server sees the end") { server.ends.all.count == 1 }
        #expect(server.ends.all == [.tls(.truncated)])
        try await bystander.check()
        await server.close()
    }

    @Test func `a record that was changed on the way ends that link alone`() async throws {
        let server = try await EchoServer(try fleet.server())
        let bystander = try await Bystander(fleet, server)
        let link = try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(server.address)
        try await link.send([1])
        let raw = try await RawPeer(server.address)
        try await raw.send([0x17, 3, 3, 0, 20] + SecureRandom.bytes(20))
        _ = try await server.refusal()
        try await bystander.check()
        await server.close()
    }

    @Test func `one address gets only so many connections`() async throws {
        var gate = AcceptGate.Limits()
        gate.connectionsPerAddress = 2
        let server = try await EchoServer(try fleet.server(), gate: gate)
        let bystander = try await Bystander(fleet, server)
        let second = try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(server.address)
        await #expect(throws: LinkError.self) {
            try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(server.address)
        }
        #expect(try await server.refusal(.gate) == "this address already has 2 connections")
        second.close("room")
        try await eventually("there is room again") { server.listener.connectionCount == 1 }
        let third = try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(server.address)
        third.close("done")
        try await bystander.check()
        await server.close()
    }

    @Test func `silent connections make room for those that come after them`() async throws {
        var gate = AcceptGate.Limits()
        gate.unauthenticated = 2
        let server = try await EchoServer(try fleet.server(), gate: gate)
        let bystander = try await Bystander(fleet, server)
        // Connections are let in on several threads: one at a time, or the second may count as the older.
        var silent: [RawPeer] = []
        for count in 2...3 {
            silent.append(try await RawPeer(server.address))
            try await eventually("it waits") { server.listener.connectionCount == count }
        }
        let (oldest, newest) = (silent[0], silent[1])
        let link = try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(server.address)
        try await eventually("the oldest is gone") { !oldest.isOpen }
        #expect(newest.isOpen)
        #expect(try await server.refusal(.eviction).contains("its place is needed"))
        #expect(server.listener.counts.evicted == 1)
        link.close("done")
        try await bystander.check()
        await newest.close()
        await server.close()
    }

    @Test func `connections that come too fast are refused`() async throws {
        var gate = AcceptGate.Limits()
        gate.acceptBurst = 1
        gate.acceptsPerSecond = 1
        let server = try await EchoServer(try fleet.server(), gate: gate)
        let bystander = try await Bystander(fleet, server)
        let peers = [try await RawPeer(server.address), try await RawPeer(server.address)]
        #expect(try await server.refusal(.gate) == "more than 1 connections are arriving each second")
        try await bystander.check()
        for peer in peers { await peer.close() }
        await server.close()
    }
}

/// An implementation that is not ours.
@Suite(.enabled(if: OpenSSLTool.isUsable, "the openssl program is not installed"))
struct OpenSSLClientTests {
    let fleet: TestFleet
    init() throws { fleet = try TestFleet() }

    @Test(arguments: ["-tls1_2", "-tls1_1"]) func `an older TLS is refused`(_ version: String) async throws {
        let server = try await EchoServer(try fleet.server())
        let output = try await OpenSSLTool.run(["s_client", "-connect", server.address.description, version])
        #expect(output.contains("alert protocol version") || output.contains("no protocols available"), "\(output)")
        if output.contains("alert protocol version") {
            #expect(try await server.refusal() == TLSError.unsupportedVersion.description)
        }
        await server.close()
    }

    @Test func `a server without client certificates speaks TLS 1_3 with everybody and offers no ticket`() async throws
    {
        let context = try TLSContext.server(
            try fleet.credentials(.coordinator, "main", dnsNames: ["localhost"]), clients: .none,
            protocols: ["http/1.1"])
        let server = try await HTTPTestServer(tls: context) { _, reply in
            reply.whole(200, "fine")
            reply.close()
        }
        let output = try await OpenSSLTool.run(
            ["s_client", "-connect", "127.0.0.1:\(server.port)", "-alpn", "http/1.1", "-ign_eof"],
            input: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        #expect(output.contains("TLSv1.3"))
        #expect(output.contains("ALPN protocol: http/1.1"))
        #expect(output.contains("fine"))
        #expect(!output.contains("New Session Ticket"))
        await server.close()
    }
}
