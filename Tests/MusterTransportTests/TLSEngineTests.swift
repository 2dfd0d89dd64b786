import MusterModel
import MusterTransport
import NIOCore
import Testing

/// Two engines with nothing but memory between them.
struct EnginePair {
    let client: TLSEngine
    let server: TLSEngine

    init(client: TLSContext, server: TLSContext, hostName: String? = nil, rekeyBytes: Int = 1 << 30) throws {
        self.client = try TLSEngine(client, hostName: hostName, rekeyBytes: rekeyBytes)
        self.server = try TLSEngine(server, rekeyBytes: rekeyBytes)
    }

    /// Shakes hands until both ends have finished or failed. With TLS 1.3 a client finishes before the server has
    /// looked at its certificate; what the server then says arrives with `read`.
    func shake() -> (client: TLSError?, server: TLSError?) {
        var errors: (client: TLSError?, server: TLSError?)
        var isDone = (client: false, server: false)
        for _ in 0..<10 where !(isDone.client && isDone.server) {
            if !isDone.client {
                do throws(TLSError) { isDone.client = try client.handshake() == .finished } catch {
                    errors.client = error
                    isDone.client = true
                }
            }
            if let output = client.takeOutput() { server.feed(output) }
            if !isDone.server {
                do throws(TLSError) { isDone.server = try server.handshake() == .finished } catch {
                    errors.server = error
                    isDone.server = true
                }
            }
            if let output = server.takeOutput() { client.feed(output) }
        }
        guard errors.client == nil else { return errors }
        do throws(TLSError) {
            var buffer = ByteBuffer()
            _ = try client.read(into: &buffer)
        } catch {
            errors.client = error
        }
        return errors
    }

    func readAll(_ engine: TLSEngine) throws -> (bytes: ByteBuffer, last: TLSEngine.Reading) {
        var bytes = ByteBuffer()
        var last = TLSEngine.Reading.bytes
        while last == .bytes { last = try engine.read(into: &bytes) }
        return (bytes, last)
    }
}

@Suite struct TLSEngineTests {
    let fleet: TestFleet
    init() throws { fleet = try TestFleet() }

    @Test func `both ends learn who the other is`() throws {
        let pair = try EnginePair(client: try fleet.agent("web-1"), server: try fleet.server())
        let errors = pair.shake()
        #expect(errors.client == nil && errors.server == nil)
        #expect(pair.server.peer?.identity?.uri == "muster://agent/web-1")
        #expect(pair.client.peer?.identity?.uri == "muster://coordinator/main")
    }

    @Test func `data goes both ways, also across new keys`() throws {
        let pair = try EnginePair(client: try fleet.agent(), server: try fleet.server(), rekeyBytes: 100_000)
        #expect(pair.shake() == (nil, nil))
        for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
            for size in [1, 16_384, 16_385, 1_000_000] {
                let bytes = ByteBuffer(bytes: SecureRandom.bytes(size))
                to.feed(try from.encrypt(bytes))
                let read = try pair.readAll(to)
                #expect(read.bytes == bytes)
                #expect(read.last == .needsInput)
            }
        }
    }

    @Test func `a close is told apart from silence`() throws {
        let pair = try EnginePair(client: try fleet.agent(), server: try fleet.server())
        #expect(pair.shake() == (nil, nil))
        #expect(try pair.readAll(pair.server).last == .needsInput)
        pair.client.finish()
        pair.server.feed(try #require(pair.client.takeOutput()))
        #expect(try pair.readAll(pair.server).last == .closed)
    }

    @Test func `a changed record is an error`() throws {
        let pair = try EnginePair(client: try fleet.agent(), server: try fleet.server())
        #expect(pair.shake() == (nil, nil))
        var ciphertext = try pair.client.encrypt(ByteBuffer(string: "hello"))
        ciphertext.setInteger(ciphertext.getInteger(at: 8, as: UInt8.self).map { $0 ^ 1 } ?? 0, at: 8)
        pair.server.feed(ciphertext)
        #expect(throws: TLSError.self) { try pair.readAll(pair.server) }
    }

    @Test func `no session is ever resumable`() throws {
        let pair = try EnginePair(client: try fleet.agent(), server: try fleet.server())
        #expect(pair.shake() == (nil, nil))
        // A ticket would be a record from the server after its handshake.
        #expect(pair.server.takeOutput() == nil)
    }

    @Test func `a protocol is agreed on when both offer it`() throws {
        let credentials = try fleet.credentials(.coordinator, "main")
        let server = try TLSContext.server(credentials, clients: .none, protocols: ["h9", "http/1.1"])
        let cases: [([String], String?)] = [
            (["http/1.1"], "http/1.1"), (["h9", "http/1.1"], "h9"), (["x"], nil), ([], nil),
        ]
        for (offer, expected) in cases {
            let client = try TLSContext.client(nil, trust: fleet.trust, expecting: .coordinator, protocols: offer)
            let pair = try EnginePair(client: client, server: server)
            #expect(pair.shake() == (nil, nil))
            #expect(pair.client.negotiatedProtocol == expected)
            #expect(pair.server.negotiatedProtocol == expected)
        }
        #expect(throws: TLSError.self) { try TLSContext.server(credentials, clients: .none, protocols: [""]) }
    }
}

/// What each end says about the other's certificate, and what the other hears of it.
@Suite struct CertificateRefusalTests {
    let fleet: TestFleet
    init() throws { fleet = try TestFleet() }

    func shake(_ credentials: TLSCredentials?, server: TLSContext? = nil) throws -> (
        client: TLSError?, server: TLSError?
    ) {
        try EnginePair(client: try fleet.client(credentials), server: try server ?? fleet.server()).shake()
    }

    @Test func `a client without a certificate is refused and told so`() throws {
        let errors = try shake(nil)
        #expect(errors.server == .noCertificate)
        #expect(errors.client == .alert(.certificateRequired))
    }

    @Test func `a certificate of another authority is refused and told so`() throws {
        let errors = try shake(try TestFleet().credentials(.agent, "web-1"))
        #expect(errors.server == .unknownAuthority)
        #expect(errors.client == .alert(.unknownAuthority))
    }

    @Test func `an expired certificate is refused and told so`() throws {
        let old = try fleet.credentials(.agent, "web-1", now: TestFleet.now - .hours(48))
        let errors = try shake(old)
        #expect(errors.server == .expired(old.chain[0]))
        #expect(errors.client == .alert(.certificateExpired))
        #expect(errors.server?.description.contains("muster://agent/web-1 expired at") == true)
    }

    @Test func `a certificate that is not valid yet is refused and told so`() throws {
        let early = try fleet.credentials(.agent, "web-1", now: TestFleet.now + .hours(2))
        let errors = try shake(early)
        #expect(errors.server == .notYetValid(early.chain[0]))
        #expect(errors.client == .alert(.badCertificate))
    }

    @Test(arguments: [PeerRole.operator, .coordinator])
    func `a certificate of another role is refused and told so`(_ role: PeerRole) throws {
        let errors = try shake(try fleet.credentials(role, "ada"))
        #expect(errors.server == .wrongRole(expected: [.agent], actual: try TestFleet.identity(role, "ada")))
        #expect(errors.client == .alert(.handshakeFailure))
    }

    @Test func `a certificate for another host is refused and told so`() throws {
        let server = try TLSContext.server(
            try fleet.credentials(.coordinator, "main"),
            clients: .required(fleet.trust, .identity(roles: [.agent], id: "web-2")))
        let errors = try shake(try fleet.credentials(.agent, "web-1"), server: server)
        #expect(errors.server == .wrongPeer(expected: "web-2", actual: "web-1"))
        #expect(errors.client == .alert(.handshakeFailure))
    }

    @Test func `a revoked certificate is refused and told so`() throws {
        let agent = try fleet.credentials(.agent, "web-1")
        let revoked = agent.chain[0].serial
        let server = try fleet.server { $0.serial == revoked ? "revoked by ada" : nil }
        let errors = try shake(agent, server: server)
        #expect(errors.server == .refused("revoked by ada"))
        #expect(errors.client == .alert(.certificateRevoked))
        #expect(try shake(try fleet.credentials(.agent, "web-1"), server: server) == (nil, nil))
    }

    @Test func `the authority's own certificate is nobody`() throws {
        let authority = try CertificateAuthority.create(now: TestFleet.now)
        let own = TLSCredentials(
            chain: [authority.certificate], key: try KeyPair(privatePEM: authority.privatePEM))
        let server = try TLSContext.server(
            try fleet.credentials(.coordinator, "main"),
            clients: .required(.certificates([authority.certificate]), .identity(roles: [.agent])))
        let errors = try shake(own, server: server)
        #expect(errors.server != nil)
        #expect(errors.client != nil)
    }

    @Test func `an optional certificate may be absent but not wrong`() throws {
        let server = try TLSContext.server(
            try fleet.credentials(.coordinator, "main"),
            clients: .optional(fleet.trust, .identity(roles: [.operator])))
        #expect(try shake(nil, server: server) == (nil, nil))
        #expect(try shake(try fleet.credentials(.operator, "ada"), server: server) == (nil, nil))
        #expect(try shake(try fleet.credentials(.agent, "web-1"), server: server).server != nil)
    }

    @Test func `more certificates than the cap are refused`() throws {
        let agent = try fleet.credentials(.agent, "web-1")
        let many = TLSCredentials(
            chain: agent.chain + Array(repeating: agent.chain[0], count: 40), key: agent.key)
        #expect(many.chain.reduce(0) { $0 + $1.der.count } > TransportLimits.peerCertificatesBytes)
        #expect(try shake(many).server == .tooManyCertificates)
    }

    @Test func `a server is checked like a client`() throws {
        let agent = try fleet.credentials(.agent, "web-1")
        func clientError(_ server: TLSCredentials, _ expecting: PeerExpectation = .coordinator) throws -> TLSError? {
            try EnginePair(
                client: try fleet.client(agent, expecting: expecting), server: try fleet.server(server)
            ).shake().client
        }
        let old = try fleet.credentials(.coordinator, "main", now: TestFleet.now - .hours(48))
        #expect(try clientError(old) == .expired(old.chain[0]))
        let early = try fleet.credentials(.coordinator, "main", now: TestFleet.now + .hours(2))
        #expect(try clientError(early) == .notYetValid(early.chain[0]))
        #expect(
            try clientError(try fleet.credentials(.agent, "evil"))
                == .wrongRole(expected: [.coordinator], actual: try TestFleet.identity(.agent, "evil")))
        #expect(
            try clientError(
                try fleet.credentials(.coordinator, "other"), .identity(roles: [.coordinator], id: "main"))
                == .wrongPeer(expected: "main", actual: "other"))
        let stranger = try TestFleet().credentials(.coordinator, "main")
        #expect(try clientError(stranger) == .unknownAuthority)
    }

    @Test func `a joining host trusts the authority with the pin and no other`() throws {
        let server = try TLSContext.server(try fleet.credentials(.coordinator, "main"), clients: .none)
        func join(_ pin: CertificatePin, _ server: TLSContext) throws -> TLSError? {
            let client = try TLSContext.client(nil, trust: .pin(pin), expecting: .coordinator)
            return try EnginePair(client: client, server: server).shake().client
        }
        #expect(try join(fleet.authority.pin, server) == nil)
        let other = CertificatePin(der: [1])
        #expect(try join(other, server) == .pinMismatch(expected: other))
        // The pin is the authority's; that of the server's own certificate makes no authority of it.
        let own = try fleet.credentials(.coordinator, "main")
        let leafOnly = try TLSContext.server(own, clients: .none)
        #expect(try join(own.chain[0].pin, leafOnly) != nil)
        // An impostor may present the real authority behind a certificate of its own.
        let impostor = try TestFleet().credentials(.coordinator, "main")
        let forged = TLSCredentials(chain: [impostor.chain[0], fleet.authority.certificate], key: impostor.key)
        #expect(try join(fleet.authority.pin, try TLSContext.server(forged, clients: .none)) != nil)
    }

    @Test func `a host name is checked where one is expected`() throws {
        let server = try TLSContext.server(
            try fleet.credentials(.coordinator, "main", dnsNames: ["localhost"], addresses: ["127.0.0.1"]),
            clients: .none)
        let client = try TLSContext.client(nil, trust: fleet.trust, expecting: .hostName)
        func error(_ name: String) throws -> TLSError? {
            try EnginePair(client: client, server: server, hostName: name).shake().client
        }
        #expect(try error("localhost") == nil)
        #expect(try error("127.0.0.1") == nil)
        #expect(try error("bank.example") == .wrongPeer(expected: "bank.example", actual: "muster://coordinator/main"))
        #expect(try error("127.0.0.2") == .wrongPeer(expected: "127.0.0.2", actual: "muster://coordinator/main"))
        #expect(throws: TLSError.self) { try TLSEngine(client) }
    }

    @Test func `material that does not fit together is refused before any connection`() throws {
        let a = try fleet.credentials(.agent, "a")
        let b = try fleet.credentials(.agent, "b")
        #expect(throws: TLSError.self) { try fleet.client(TLSCredentials(chain: a.chain, key: b.key)) }
        #expect(throws: TLSError.self) { try fleet.client(TLSCredentials(chain: [], key: b.key)) }
        #expect(throws: TLSError.self) {
            try TLSContext.client(a, trust: .certificates([]), expecting: .coordinator)
        }
    }

    @Test func `every error says what to do or what happened`() throws {
        let certificate = fleet.authority.certificate
        let all: [TLSError] = [
            .libraryTooOld("OpenSSL 1.1"), .badMaterial("x"), .noCertificate, .expired(certificate),
            .notYetValid(certificate), .unknownAuthority, .pinMismatch(expected: certificate.pin), .noIdentity("x"),
            .wrongRole(expected: [.agent], actual: try TestFleet.identity(.operator, "ada")),
            .wrongPeer(expected: "a", actual: "b"), .refused("x"), .badCertificate("x"), .tooManyCertificates,
            .notTLS, .unsupportedVersion, .handshakeTimedOut(after: .seconds(5)), .closedInHandshake,
            .handshakeTooLarge, .truncated, .earlyWritesFull, .protocolFailure("x"),
        ]
        let alerts = [40, 42, 43, 44, 45, 48, 70, 116, 80].map { TLSError.alert(TLSAlert(number: $0)) }
        let texts = (all + alerts).map(\.description)
        #expect(Set(texts).count == texts.count)
        #expect(texts.allSatisfy { $0.count > 10 })
    }
}

private func == (a: (client: TLSError?, server: TLSError?), b: (TLSError?, TLSError?)) -> Bool {
    a.client == b.0 && a.server == b.1
}
