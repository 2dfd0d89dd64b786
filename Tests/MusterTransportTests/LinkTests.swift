import MusterModel
import MusterTestKit
import MusterTransport
import NIOCore
import Synchronization
import Testing

@Suite(.serialized) struct LinkTests {
    let fleet: TestFleet
    init() throws { fleet = try TestFleet() }

    func dial(_ server: EchoServer, _ id: String = "web-1") async throws -> LinkConnection {
        try await LinkDialer(try fleet.agent(id), group: TestFleet.group).dial(server.address)
    }

    @Test func `a link knows its peer and brings back what was sent`() async throws {
        let server = try await EchoServer(try fleet.server())
        let link = try await dial(server)
        #expect(link.peer.uri == "muster://coordinator/main")
        #expect(link.remoteAddress == server.address.description)
        try await link.send(Array("hello".utf8))
        let echoed = try await bounded {
            for try await bytes in link.inbound { return bytes }
            return []
        }
        #expect(echoed == Array("hello".utf8))
        link.close("done")
        await link.waitUntilClosed()
        try await eventually("the server sees the good end") { server.ends.all.count == 1 }
        #expect(server.ends.all == [nil])
        #expect(server.listener.counts.authenticated == 1)
        await server.close()
    }

    @Test func `what was sent before a close arrives before the end`() async throws {
        let fleet = fleet
        var options = LinkListener.Options()
        (options.host, options.port) = ("127.0.0.1", 0)
        let listener = try await LinkListener.bind(
            options, context: LiveTLSContext(try fleet.server()), group: TestFleet.group, refused: { _ in })
        let payload = SecureRandom.bytes(3_000_000)
        let address = LinkAddress(host: "127.0.0.1", port: listener.port)
        async let received = bounded {
            let link = try await LinkDialer(try fleet.agent(), group: TestFleet.group).dial(address)
            // The server closes while this is unread in its socket: a reset would destroy what it sent.
            try await link.send([UInt8](repeating: 1, count: 100_000))
            var received: [UInt8] = []
            for try await bytes in link.inbound { received += bytes }
            return received
        }
        var links = listener.connections.makeAsyncIterator()
        let link = try #require(await links.next())
        try await link.send(payload)
        link.close("said everything")
        #expect(try await received == payload)
        #expect(throws: LinkError.closedHere("said everything")) { try link.trySend([1]) }
        await listener.close()
    }

    @Test func `50 MB go both ways at once, unchanged`() async throws {
        let server = try await EchoServer(try fleet.server())
        let link = try await dial(server)
        let chunk = SecureRandom.bytes(500_000)
        let count = 100
        async let received = bounded(.seconds(120)) {
            var received: [UInt8] = []
            received.reserveCapacity(chunk.count * count)
            for try await bytes in link.inbound {
                received += bytes
                if received.count == chunk.count * count { break }
            }
            return SHA256.hex(received)
        }
        for _ in 0..<count { try await link.send(chunk) }
        var sent: [UInt8] = []
        for _ in 0..<count { sent += chunk }
        #expect(try await received == SHA256.hex(sent))
        link.close("done")
        await server.close()
    }

    @Test func `a peer that does not read makes its sender wait, within the bound`() async throws {
        let fleet = fleet
        var options = LinkListener.Options()
        (options.host, options.port) = ("127.0.0.1", 0)
        let listener = try await LinkListener.bind(
            options, context: LiveTLSContext(try fleet.server()), group: TestFleet.group, refused: { _ in })
        var dialer = LinkDialer(try fleet.agent(), group: TestFleet.group)
        dialer.sendQueueBytes = 1 << 20
        let sender = try await dialer.dial(LinkAddress(host: "127.0.0.1", port: listener.port))
        var links = listener.connections.makeAsyncIterator()
        let receiver = try #require(await links.next())

        var sent = 0
        let chunk = [UInt8](repeating: 7, count: 64 << 10)
        // Kernel buffers take some; then the queue fills and stays full.
        var refusedInARow = 0
        try await eventually("the queue stays full", every: .milliseconds(2)) {
            while try sender.trySend(chunk) {
                sent += chunk.count
                refusedInARow = 0
            }
            refusedInARow += 1
            #expect(sender.queuedBytes <= 1 << 20)
            return refusedInARow == 50
        }
        #expect(sent < 64 << 20)
        #expect(throws: LinkError.chunkTooLarge(bytes: (1 << 20) + 1, maxBytes: 1 << 20)) {
            try sender.trySend([UInt8](repeating: 0, count: (1 << 20) + 1))
        }

        // A waiting sender that is cancelled gives up; the others go on when the peer reads.
        let waiting = Task { try await sender.send(chunk) }
        waiting.cancel()
        await #expect(throws: LinkError.cancelled) { try await waiting.value }
        let expected = sent + chunk.count
        async let last: Void = sender.send(chunk)
        let received = try await bounded {
            var received = 0
            for try await bytes in receiver.inbound {
                received += bytes.count
                if received == expected { break }
            }
            return received
        }
        try await last
        #expect(received == expected)
        try await sender.waitUntilWritable()
        sender.close("done")
        await listener.close()
    }

    @Test func `only so many senders may wait`() async throws {
        let fleet = fleet
        var options = LinkListener.Options()
        (options.host, options.port) = ("127.0.0.1", 0)
        let listener = try await LinkListener.bind(
            options, context: LiveTLSContext(try fleet.server()), group: TestFleet.group, refused: { _ in })
        var dialer = LinkDialer(try fleet.agent(), group: TestFleet.group)
        dialer.sendQueueBytes = 64 << 10
        let sender = try await dialer.dial(LinkAddress(host: "127.0.0.1", port: listener.port))
        let chunk = [UInt8](repeating: 7, count: 64 << 10)
        let errors = Recorder<LinkError>()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<TransportLimits.waitingSenders + 200 {
                group.addTask {
                    do throws(LinkError) { try await sender.send(chunk) } catch { errors.record(error) }
                }
            }
            try? await eventually("one sender too many") {
                errors.all.contains(.tooManySenders(TransportLimits.waitingSenders))
            }
            sender.close("enough")
        }
        #expect(errors.all.contains(.closedHere("enough")))
        await listener.close()
    }

    @Test func `a link has one consumer at a time, and another may go on later`() async throws {
        let server = try await EchoServer(try fleet.server())
        let link = try await dial(server)
        let (chunks, refused) = (Recorder<[UInt8]>(), Recorder<LinkError>())
        // Nothing was sent: whichever comes second finds the other waiting.
        let readers = (0..<2).map { _ in
            Task {
                do {
                    for try await bytes in link.inbound {
                        chunks.record(bytes)
                        break
                    }
                } catch {
                    (error as? LinkError).map(refused.record)
                }
            }
        }
        try await eventually("the second consumer is refused") { refused.all == [.secondConsumer] }
        try await link.send([1])
        for reader in readers { await reader.value }
        #expect(chunks.all == [[1]])
        try await link.send([2])
        let next = try await bounded {
            for try await bytes in link.inbound { return bytes }
            return []
        }
        #expect(next == [2])
        link.close("done")
        await server.close()
    }

    @Test func `a link ends when the peer's certificate does`() async throws {
        let server = try await EchoServer(try fleet.server())
        let short = try fleet.credentials(.agent, "web-1", now: TestFleet.freshNow, lifetime: .seconds(4))
        let link = try await LinkDialer(try fleet.client(short), group: TestFleet.group).dial(server.address)
        try await eventually("the server closes the expired link") { server.ends.all.count == 1 }
        #expect(server.ends.all == [.tls(.expired(short.chain[0]))])
        try await bounded { for try await _ in link.inbound {} }
        await server.close()
    }

    @Test func `a listener takes a new certificate while it runs`() async throws {
        let server = try await EchoServer(try fleet.server())
        let before = try await dial(server)
        let renewed = try fleet.credentials(.coordinator, "main")
        server.listener.context.replace(with: try fleet.server(renewed))
        let after = try await dial(server)
        #expect(after.certificate == renewed.chain[0])
        #expect(before.certificate != after.certificate)
        try await before.send([1])
        let echoed = try await bounded {
            for try await bytes in before.inbound { return bytes }
            return []
        }
        #expect(echoed == [1])
        await server.close()
    }

    @Test func `addresses are tried in turn`() async throws {
        let server = try await EchoServer(try fleet.server())
        let closed = try await EchoServer(try fleet.server())
        let nobody = closed.address
        await closed.close()
        let dialer = LinkDialer(try fleet.agent(), group: TestFleet.group)
        let link = try await dialer.dial(anyOf: [nobody, server.address])
        #expect(link.remoteAddress == server.address.description)
        let error = await #expect(throws: LinkError.self) { try await dialer.dial(anyOf: [nobody, nobody]) }
        #expect(error?.description.contains("\(nobody): cannot connect") == true)
        await #expect(throws: LinkError.allFailed([])) { try await dialer.dial(anyOf: []) }
        link.close("done")
        await server.close()
    }

    @Test func `a port in use cannot be listened on`() async throws {
        let server = try await EchoServer(try fleet.server())
        var options = LinkListener.Options()
        (options.host, options.port) = ("127.0.0.1", server.listener.port)
        let context = LiveTLSContext(try fleet.server())
        let error = await #expect(throws: LinkError.self) {
            try await LinkListener.bind(options, context: context, group: TestFleet.group, refused: { _ in })
        }
        #expect(error?.description.contains("127.0.0.1:\(options.port)") == true)
        await server.close()
    }
}

@Suite struct LinkAddressTests {
    @Test(arguments: [
        ("a.example", "a.example", 7_443), ("a.example:1", "a.example", 1), ("10.0.0.1:65535", "10.0.0.1", 65_535),
        ("[::1]", "::1", 7_443), ("[2001:db8::1]:8", "2001:db8::1", 8),
    ]) func `an address reads what it writes`(_ text: String, _ host: String, _ port: Int) throws {
        let address = try #require(LinkAddress(text))
        #expect(address == LinkAddress(host: host, port: port))
        #expect(LinkAddress(address.description) == address)
    }

    @Test(arguments: [
        "", ":1", "a:", "a:0", "a:65536", "a:+1", "a:b", "::1", "[::1", "[::1]x", "[a]:1", "a b", "a:1:2",
    ])
    func `anything else is no address`(_ text: String) {
        #expect(LinkAddress(text) == nil)
    }
}
