import Glibc
import MusterHost
import MusterInterchange
import MusterModel
import MusterTestKit
import NIOCore
import Synchronization
import Testing

/// Syslog over real UDP and TCP sockets.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SyslogReceiverTests {
    @Test func `datagrams are messages, and those without room are counted`() async throws {
        let sink = SyslogSink()
        try await receivingSyslog([.anyUDP], sink) { receiver, _ in
            let sender = try SyslogDatagrams(port: try await receiver.awaitedPort(.anyUDP))
            sender.send("<38>1 2026-03-05T12:00:00Z web-1 sshd 7 - - first\n")
            sender.send("<13>Oct 11 22:14:15 web-1 app[1]: second")
            sender.send("what is this")
            // The largest there can be.
            sender.send("<13>" + String(repeating: "x", count: 65_503))
            try await unhurriedly("all arrived") { sink.records.count == 4 }
            let records = sink.records
            #expect(sink.texts.prefix(3) == ["first", "second", "what is this"])
            #expect(records[0].message.timestamp?.description == "2026-03-05T12:00:00.000Z")
            #expect(records[1].message.appName == "app" && records[1].message.host == "web-1")
            #expect(records[3].message.message.count == 65_503)
            #expect(records.allSatisfy { $0.peer == "127.0.0.1" && $0.transport == .udp && !$0.isCut })
            #expect(records.allSatisfy { abs(($0.arrived - testClock()).nanoseconds) < 100_000_000_000 })

            sink.setRoom(1)
            for number in 0..<5 { sender.send("<13>\(number)") }
            try await unhurriedly("the others are dropped") { receiver.counters.droppedDatagrams == 4 }
            #expect(sink.texts.last == "0")
            var expected = SyslogCounters()
            (expected.records, expected.unparsed, expected.droppedDatagrams) = (5, 1, 4)
            #expect(receiver.counters == expected)
        }
    }

    @Test func `a time without an offset is of this host's zone, or of another`() async throws {
        var time = time_t(1_772_712_000)
        var parts = tm()
        localtime_r(&time, &parts)
        var elsewhere = SyslogReceiver.Options()
        elsewhere.offsetSeconds = { _ in 7_200 }
        for (options, offset) in [(SyslogReceiver.Options(), Int64(parts.tm_gmtoff)), (elsewhere, 7_200)] {
            let sink = SyslogSink()
            try await receivingSyslog([.anyUDP], sink, options: options) { receiver, _ in
                let sender = try SyslogDatagrams(port: try await receiver.awaitedPort(.anyUDP))
                sender.send("<13>2026-03-05T12:00:00 h a: x")
                try await unhurriedly("it arrived") { sink.records.count == 1 }
                #expect(sink.records[0].message.timestamp == Instant(seconds: 1_772_712_000 - offset))
            }
        }
    }

    @Test func `each connection is cut into messages in its own way`() async throws {
        let sink = SyslogSink()
        try await receivingSyslog([.anyTCP], sink) { receiver, _ in
            let port = try await receiver.awaitedPort(.anyTCP)
            let counted = try await SyslogClient(port: port)
            let lines = try await SyslogClient(port: port)
            try await counted.send("7 <13>one7 <1").get()
            try await lines.send("<13>a\n<13>b\0<13").get()
            try await unhurriedly("the first ones are there") { sink.records.count == 3 }
            #expect(Set(sink.texts) == ["one", "a", "b"] && receiver.connectionCount == 2)
            try await counted.send("3>two9 <13>t").get()
            try await lines.send(">c\nlast").get()
            try await unhurriedly("the next ones are there") { sink.records.count == 5 }
            try await counted.close()
            try await lines.close()
            // What had no end ends with its connection.
            try await unhurriedly("the last ones are there") { sink.records.count == 7 }
            #expect(Set(sink.texts) == ["one", "a", "b", "two", "c", "t", "last"])
            #expect(sink.records.filter(\.isCut).map { $0.message.message } == [Array("t".utf8)])
            try await unhurriedly("both are gone") { receiver.connectionCount == 0 }
            #expect(sink.records.allSatisfy { $0.peer == "127.0.0.1" && $0.transport == .tcp })
        }
    }

    @Test func `a message that is too long costs no other`() async throws {
        let sink = SyslogSink()
        try await receivingSyslog([.anyTCP], sink) { receiver, _ in
            let client = try await SyslogClient(port: try await receiver.awaitedPort(.anyTCP))
            let long = String(repeating: "x", count: 300_000)
            try await client.send("5 <13>a\(long.utf8.count) \(long)5 <13>b5 <13>c").get()
            try await unhurriedly("all are there") { sink.records.count == 4 }
            #expect(sink.records.map(\.isCut) == [false, true, false, false])
            #expect(sink.records[1].message.message.count == SyslogLimits.messageBytes)
            #expect(sink.texts.suffix(2) == ["b", "c"] && receiver.counters.cut == 1)
            try await client.send("nonsense\n5 <13>d").get()
            try await unhurriedly("the next is there") { sink.texts.last == "d" }
            #expect(receiver.counters.damagedCounts == 1 && sink.texts.contains("nonsense"))
            try await client.close()
        }
    }

    @Test func `an address that is taken is told and does not stop the other`() async throws {
        let sink = SyslogSink()
        try await receivingSyslog([.anyTCP], sink) { receiver, _ in
            let taken = SyslogReceiver.Address.tcp(host: "127.0.0.1", port: try await receiver.awaitedPort(.anyTCP))
            try await receivingSyslog([taken, .anyUDP], sink) { other, troubles in
                try await unhurriedly("it is told") { troubles.list.contains { $0.hasPrefix("\(taken) ") } }
                #expect(!troubles.list.contains("\(taken) open"))
                let sender = try SyslogDatagrams(port: try await other.awaitedPort(.anyUDP))
                sender.send("<13>hello")
                try await unhurriedly("it arrived") { sink.texts == ["hello"] }
            }
        }
    }
}

// MARK: - Limits

extension SyslogReceiverTests {
    /// More than the kernel may hold on both sides.
    private static let flood: [UInt8] = {
        let tail = String(repeating: "y", count: 1_000)
        return Array((0..<20_000).map { "<13>n\($0) \(tail)\n" }.joined().utf8)
    }()

    @Test func `a sink without room makes the sender of a connection wait, and nothing is lost`() async throws {
        let sink = SyslogSink()
        sink.setRoom(10)
        try await receivingSyslog([.anyTCP], sink) { receiver, _ in
            let client = try await SyslogClient(port: try await receiver.awaitedPort(.anyTCP))
            let isSent = Mutex(false)
            let sending = client.send(Self.flood)
            sending.whenComplete { _ in isSent.withLock { $0 = true } }
            try await unhurriedly("the sink was asked in vain, often") { sink.refusals > 20 }
            #expect(sink.records.count == 10 && !isSent.withLock { $0 })
            sink.setRoom(100)
            try await unhurriedly("it is full again") { sink.records.count == 110 }
            #expect(!isSent.withLock { $0 })
            sink.setRoom(.max)
            try await sending.get()
            try await unhurriedly("all are there") { sink.records.count == 20_000 }
            #expect(sink.texts.enumerated().allSatisfy { $0.element.hasPrefix("n\($0.offset) y") })
            try await client.close()
        }
    }

    @Test func `what a sender sent before it closed is kept until there is room`() async throws {
        let sink = SyslogSink()
        sink.setRoom(1)
        try await receivingSyslog([.anyTCP], sink) { receiver, _ in
            let client = try await SyslogClient(port: try await receiver.awaitedPort(.anyTCP))
            let tail = String(repeating: "z", count: 1_000)
            try await client.send((0..<60).map { "<13>n\($0) \(tail)\n" }.joined()).get()
            try await client.close()
            try await unhurriedly("the sink is asked in vain") { sink.refusals > 10 }
            #expect(receiver.connectionCount == 1)
            sink.setRoom(.max)
            try await unhurriedly("all are there") { sink.records.count == 60 }
            #expect(sink.texts.enumerated().allSatisfy { $0.element.hasPrefix("n\($0.offset) z") })
            try await unhurriedly("its place is free") { receiver.connectionCount == 0 }
            #expect(receiver.counters.lostMessages == 0 && receiver.counters.lostBytes == 0)
        }
    }

    @Test func `no more than the limit is held of a sender that closed`() async throws {
        let sink = SyslogSink()
        sink.setRoom(1)
        var options = SyslogReceiver.Options()
        options.connectionBytes = 20_000
        let line = "<13>" + String(repeating: "z", count: 995) + "\n"
        try await receivingSyslog([.anyTCP], sink, options: options) { receiver, _ in
            let client = try await SyslogClient(port: try await receiver.awaitedPort(.anyTCP))
            try await client.send(String(repeating: line, count: 60)).get()
            try await client.close()
            try await unhurriedly("the rest is counted") { receiver.counters.lostBytes > 0 }
            sink.setRoom(.max)
            try await unhurriedly("its place is free") { receiver.connectionCount == 0 }
            // One reading is in messages already when the sink is full, and the limit comes on top.
            let whole = sink.texts.count { $0.utf8.count == 995 }
            #expect((20...37).contains(whole))
            #expect(Int(receiver.counters.lostBytes) < (60 - whole + 1) * 1_000)
        }
    }

    @Test func `what cannot be given when the receiver stops is counted`() async throws {
        let sink = SyslogSink()
        sink.setRoom(1)
        let kept = Mutex<SyslogReceiver?>(nil)
        try await receivingSyslog([.anyTCP], sink) { receiver, _ in
            kept.withLock { $0 = receiver }
            let client = try await SyslogClient(port: try await receiver.awaitedPort(.anyTCP))
            try await client.send("<13>a\n<13>b\n<13>c\nrest").get()
            try await unhurriedly("the sink is asked in vain") { sink.refusals > 0 }
        }
        let counters = try #require(kept.withLock { $0 }).counters
        #expect(counters.records == 1 && counters.lostMessages == 3 && sink.texts == ["a"])
    }

    @Test func `places are limited and are given back`() async throws {
        let sink = SyslogSink()
        var options = SyslogReceiver.Options()
        options.connections = 2
        try await receivingSyslog([.anyTCP], sink, options: options) { receiver, _ in
            let port = try await receiver.awaitedPort(.anyTCP)
            let first = try await SyslogClient(port: port)
            let second = try await SyslogClient(port: port)
            try await unhurriedly("both are in") { receiver.connectionCount == 2 }
            let third = try RawConnection(port: port)
            try await unhurriedly("the third is closed") { third.isClosed }
            #expect(receiver.counters.refusedConnections == 1 && receiver.connectionCount == 2)
            try await first.close()
            try await unhurriedly("a place is free") { receiver.connectionCount == 1 }
            let fourth = try await SyslogClient(port: port)
            try await fourth.send("<13>fourth\n").get()
            try await second.send("<13>second\n").get()
            try await unhurriedly("both are heard") { Set(sink.texts) == ["fourth", "second"] }
            try await fourth.close()
            try await second.close()
        }
    }

    @Test func `a silent connection is closed, one that waits for us is not`() async throws {
        let sink = SyslogSink()
        var options = SyslogReceiver.Options()
        options.idle = .milliseconds(150)
        try await receivingSyslog([.anyTCP], sink, options: options) { receiver, _ in
            let port = try await receiver.awaitedPort(.anyTCP)
            let silent = try RawConnection(port: port)
            silent.send(Array("<13>no end".utf8))
            try await unhurriedly("it is closed") { silent.isClosed }
            #expect(receiver.counters.idleConnections == 1)
            try await unhurriedly("what it had begun to say is given") { sink.texts == ["no end"] }

            sink.setRoom(0)
            let waiting = try RawConnection(port: port)
            waiting.send(Array("<13>a\n".utf8))
            try await unhurriedly("the time has long passed") { sink.refusals > 20 }
            #expect(!waiting.isClosed && receiver.counters.idleConnections == 1)
            sink.setRoom(.max)
            try await unhurriedly("it is heard") { sink.texts.last == "a" }
            try await unhurriedly("and is then closed") { waiting.isClosed }
            #expect(receiver.counters.idleConnections == 2 && receiver.counters.failedConnections == 0)
        }
    }
}
