import MusterHost
import MusterInterchange
import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import Testing

/// Syslog over TLS and the local socket, and what `logger` makes of them.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SyslogTransportTests {
    /// A server's context and a client's that trusts it.
    private struct Certificates {
        let server: TLSContext
        let client: TLSContext
        /// One that shows a certificate of the same authority.
        let knownClient: TLSContext

        init(needsClients: Bool = false) throws {
            let authority = try CertificateAuthority.create(now: testClock())
            let trust = TrustAnchors.certificates([authority.certificate])
            // Only a coordinator's certificate may serve; a receiver of people's own logs has one of their authority.
            let own = try Self.credentials(authority, .coordinator, addresses: ["127.0.0.1"])
            let clients = ClientCertificates.required(trust, .identity(roles: [.agent]))
            server = try TLSContext.server(own, clients: needsClients ? clients : .none)
            client = try TLSContext.client(nil, trust: trust, expecting: .hostName)
            knownClient = try TLSContext.client(
                try Self.credentials(authority, .agent), trust: trust, expecting: .hostName)
        }

        private static func credentials(
            _ authority: CertificateAuthority, _ role: PeerRole, addresses: [String] = []
        ) throws -> TLSCredentials {
            let key = try KeyPair.generate()
            let identity = try #require(PeerIdentity(role: role, id: "main"))
            let certificate = try authority.issue(
                to: key.publicKey, identity: identity, dnsNames: [], addresses: addresses, now: testClock())
            return TLSCredentials(chain: [certificate, authority.certificate], key: key)
        }

        var maker: SyslogReceiver.TLSHandlerMaker { { [server] in try TLSHandler(server) } }
    }

    @Test func `messages come over TLS, also when the sender has to wait`() async throws {
        let certificates = try Certificates()
        let sink = SyslogSink()
        sink.setRoom(3)
        try await receivingSyslog([.anyTLS], sink, tls: certificates.maker) { receiver, _ in
            let port = try await receiver.awaitedPort(.anyTLS)
            let client = try await SyslogClient(port: port, tls: certificates.client)
            let sending = client.send((0..<5_000).map { "\("<13>\($0)".utf8.count) <13>\($0)\n" }.joined())
            try await unhurriedly("the sink is asked in vain") { sink.refusals > 5 }
            #expect(sink.texts == ["0", "1", "2"])
            sink.setRoom(.max)
            try await sending.get()
            try await client.close()
            try await unhurriedly("all are there") { sink.records.count == 5_000 }
            #expect(sink.texts == (0..<5_000).map(String.init))
            #expect(sink.records.allSatisfy { $0.transport == .tls && $0.peer == "127.0.0.1" })
            try await unhurriedly("its place is free") { receiver.connectionCount == 0 }
        }
    }

    @Test func `a sender without TLS is refused and the next is heard`() async throws {
        let certificates = try Certificates()
        let sink = SyslogSink()
        try await receivingSyslog([.anyTLS], sink, tls: certificates.maker) { receiver, _ in
            let port = try await receiver.awaitedPort(.anyTLS)
            let plain = try await SyslogClient(port: port)
            try await plain.send("<13>in the open\n").get()
            try await unhurriedly("it failed") { receiver.counters.failedConnections >= 1 }
            try await plain.channel.closeFuture.get()
            let client = try await SyslogClient(port: port, tls: certificates.client)
            try await client.send("<13>hidden\n").get()
            try await unhurriedly("it is heard") { sink.texts == ["hidden"] }
            try await client.close()
        }
    }

    @Test func `without a certificate TLS is a trouble that says so`() async throws {
        struct Spoiled: Error, CustomStringConvertible { var description: String { "the key does not fit" } }
        let makers: [(SyslogReceiver.TLSHandlerMaker?, String)] = [
            (nil, "needs a certificate"), ({ throw Spoiled() }, "the key does not fit"),
        ]
        for (maker, words) in makers {
            try await receivingSyslog([.anyTLS], SyslogSink(), tls: maker) { receiver, troubles in
                try await unhurriedly("it is told") { troubles.list.contains { $0.contains(words) } }
                #expect(receiver.openCount == 0)
            }
        }
    }

    @Test func `programs of this host write to a unix socket`() async throws {
        let folder = try Scratch("syslog")
        let path = folder("log")
        let sink = SyslogSink()
        let address = SyslogReceiver.Address.unix(path: path)
        try await receivingSyslog([address], sink) { receiver, troubles in
            try await unhurriedly("it is open") { receiver.openCount == 1 }
            let sender = try SyslogDatagrams(path: path)
            sender.send("<13>Mar  5 11:59:01 deploy[7]: hello\0")
            sender.send(String(repeating: "x", count: SyslogLimits.messageBytes))
            sender.send(String(repeating: "x", count: SyslogLimits.messageBytes + 10))
            try await unhurriedly("all arrived") { sink.records.count == 3 }
            let records = sink.records
            #expect(records[0].message.appName == "deploy" && records[0].message.processID == "7")
            #expect(sink.texts[0] == "hello" && records.allSatisfy { $0.peer == nil && $0.transport == .unix })
            #expect(records.map(\.isCut) == [false, false, true])
            #expect(records[2].message.message.count == SyslogLimits.messageBytes)

            // An empty datagram looks like the end; the socket is opened again.
            sender.send("")
            try await unhurriedly("it is open again") { troubles.list.count { $0.hasSuffix(" open") } == 2 }
            try SyslogDatagrams(path: path).send("<13>again")
            try await unhurriedly("it arrived") { sink.texts.last == "again" }
            // One that is listened at is nobody else's to take.
            try await receivingSyslog([address], sink) { _, theirs in
                try await unhurriedly("it is told") { theirs.list.contains { $0.contains("already in use") } }
            }
        }
        // What was left behind is in nobody's way.
        try await receivingSyslog([address], sink) { receiver, _ in
            try await unhurriedly("it is open") { receiver.openCount == 1 }
        }
    }

    @Test func `clients whose certificates are asked for are heard only with one`() async throws {
        let certificates = try Certificates(needsClients: true)
        let sink = SyslogSink()
        try await receivingSyslog([.anyTLS], sink, tls: certificates.maker) { receiver, _ in
            let port = try await receiver.awaitedPort(.anyTLS)
            let stranger = try await SyslogClient(port: port, tls: certificates.client)
            // It learns of it after it has sent.
            try? await stranger.send("<13>stranger\n").get()
            try await unhurriedly("it is refused") { receiver.counters.failedConnections >= 1 }
            let known = try await SyslogClient(port: port, tls: certificates.knownClient)
            try await known.send("<13>known\n").get()
            try await unhurriedly("it is heard") { sink.texts == ["known"] }
            try await known.close()
            try? await stranger.close()
            try await unhurriedly("both are gone") { receiver.connectionCount == 0 }
        }
    }

    @Test func `many senders are heard at once, each in its order`() async throws {
        let certificates = try Certificates()
        let sink = SyslogSink()
        let addresses: [SyslogReceiver.Address] = [.anyTCP, .anyTLS]
        try await receivingSyslog(addresses, sink, tls: certificates.maker) { receiver, _ in
            let (tcp, tls) = (try await receiver.awaitedPort(.anyTCP), try await receiver.awaitedPort(.anyTLS))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for sender in 0..<24 {
                    group.addTask {
                        let isTLS = sender.isMultiple(of: 3)
                        let client = try await SyslogClient(
                            port: isTLS ? tls : tcp, tls: isTLS ? certificates.client : nil)
                        for number in 0..<50 { try await client.send("<13>s\(sender) \(number)\n").get() }
                        try await client.close()
                    }
                }
                try await group.waitForAll()
            }
            try await unhurriedly("all are there") { sink.records.count == 24 * 50 }
            for sender in 0..<24 {
                let own = sink.texts.filter { $0.hasPrefix("s\(sender) ") }
                #expect(own == (0..<50).map { "s\(sender) \($0)" })
            }
            #expect(sink.records.count { $0.transport == .tls } == 8 * 50)
            #expect(receiver.counters.refusedConnections == 0 && receiver.counters.failedConnections == 0)
            try await unhurriedly("every place is free") { receiver.connectionCount == 0 }
        }
    }

    private static let logger = Peers.path(of: "logger")
    private static let obstacle = Peers.obstacle(programs: [(logger, "bsdutils")])

    /// The C library's form and the three `logger` writes itself.
    @Test(.enabled(if: obstacle == nil, "skipped: \(obstacle ?? "")"))
    func `logger is understood over every transport`() async throws {
        let folder = try Scratch("logger")
        let path = folder("log")
        let sink = SyslogSink()
        try await receivingSyslog([.unix(path: path), .anyUDP, .anyTCP], sink) { receiver, _ in
            let udp = ["--server", "127.0.0.1", "--udp", "--port", "\(try await receiver.awaitedPort(.anyUDP))"]
            let tcp = ["--server", "127.0.0.1", "--tcp", "--port", "\(try await receiver.awaitedPort(.anyTCP))"]
            try await unhurriedly("all are open") { receiver.openCount == 3 }
            let runs = [
                ["--socket", path, "--socket-errors=on"], udp + ["--rfc5424"], udp + ["--rfc3164"],
                tcp + ["--rfc5424", "--octet-count"], tcp + ["--rfc3164"],
            ]
            for (number, run) in runs.enumerated() {
                let words = run + ["--tag", "probe", "--id=77", "--priority", "local3.warning", "words \(number)"]
                let finished = try await Finished.run(.init(Self.logger, words))
                #expect(finished.exitCode == 0, "\(finished)")
                try await unhurriedly("run \(number) arrived") { sink.texts.last == "words \(number)" }
            }
            #expect(sink.records.count == runs.count)
            for record in sink.records {
                let message = record.message
                #expect(message.appName == "probe" && message.processID == "77", "\(record)")
                #expect(message.facilityName == "local3" && message.severityName == "warning")
                let time = try #require(message.timestamp)
                #expect(abs((time - testClock()).nanoseconds) < 120_000_000_000, "\(record)")
                #expect((message.host == nil) == (record.transport == .unix))
            }
        }
    }
}
