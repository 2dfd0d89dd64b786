import Foundation
import Glibc
import MusterHost
import MusterInterchange
import MusterModel
import MusterTestKit
import NIOPosix
import Synchronization
import Testing

/// StatsD over real sockets.
@Suite(.serialized) struct StatsDReceiverTests {
    private final class Troubles: Sendable {
        private let all = Mutex<[String]>([])
        func add(_ address: StatsDReceiver.Address, _ reason: String?) {
            all.withLock { $0.append("\(address) \(reason ?? "open")") }
        }
        var list: [String] { all.withLock { $0 } }
    }

    private func receiving(
        _ addresses: [StatsDReceiver.Address], interval: Duration = .seconds(1),
        _ test: (StatsDReceiver, Troubles) async throws -> Void
    ) async throws {
        let receiver = StatsDReceiver(interval: interval, now: testClock)
        let troubles = Troubles()
        let running = Task {
            await receiver.run(addresses, group: MultiThreadedEventLoopGroup.singleton) { troubles.add($0, $1) }
        }
        do {
            try await test(receiver, troubles)
        } catch {
            running.cancel()
            await running.value
            throw error
        }
        running.cancel()
        await running.value
        #expect(receiver.openCount == 0)
    }

    /// What a tick says, by the spelling of the series.
    private func said(_ receiver: StatsDReceiver, _ source: inout SourcedSeries, _ table: inout MetricTable)
        -> [String: Double]
    {
        table.tickBegan()
        source.apply(receiver.tickBegan(now: testClock()), to: &table)
        return table.samples
    }

    @Test func `lines that arrive over UDP are measured at the tick`() async throws {
        try await receiving([.udp(host: "127.0.0.1", port: 0)]) { receiver, _ in
            try await patiently("the port is open") { receiver.port != nil }
            let sender = try DatagramSender(port: try #require(receiver.port))
            sender.send("hits:1|c|#path:/a\nhits:2|c|#path:/a\nbad line\nlevel:7|g")
            sender.send("hits:3|c|#path:/a\r\n")
            // The largest there can be: thousands of lines, none of them cut.
            sender.send(String(repeating: "many:1|c\n", count: 7_000))
            try await patiently("all arrived") { receiver.counters.lines == 7_004 }
            var (source, table) = (SourcedSeries(), MetricTable())
            #expect(said(receiver, &source, &table) == ["hits{path=\"/a\"}": 6, "level": 7, "many": 7_000])
            #expect(said(receiver, &source, &table).count == 3)
            #expect(receiver.counters.datagrams == 3 && receiver.counters.refused == [.malformed: 1])
            #expect(receiver.seriesCount == 3)
        }
    }

    @Test func `a flood is bounded for each tick and counted`() async throws {
        // A tick of 20 ms takes 1,000 lines.
        try await receiving([.udp(host: "127.0.0.1", port: 0)], interval: .milliseconds(20)) { receiver, _ in
            try await patiently("the port is open") { receiver.port != nil }
            let sender = try DatagramSender(port: try #require(receiver.port))
            for _ in 0..<3 { sender.send(String(repeating: "many:1|c\n", count: 500)) }
            try await patiently("all arrived") {
                let counters = receiver.counters
                return counters.lines + (counters.refused[.overRate] ?? 0) == 1_500
            }
            #expect(receiver.counters.lines == 1_000 && receiver.counters.refused == [.overRate: 500])
            var (source, table) = (SourcedSeries(), MetricTable())
            #expect(said(receiver, &source, &table) == ["many": 1_000])
            sender.send("many:1|c")
            try await patiently("the next tick takes some again") { receiver.counters.lines == 1_001 }
        }
    }

    @Test func `a unix socket is made, taken over, and open to everybody`() async throws {
        let path = "/tmp/muster-statsd-\(getpid()).sock"
        defer { unlink(path) }
        for round in 1...2 {
            // What the first round left behind is in the second one's way.
            try await receiving([.unix(path: path)]) { receiver, troubles in
                try await patiently("it is open") { receiver.openCount == 1 }
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o666)
                let sender = try DatagramSender(path: path)
                sender.send("a:\(round)|c")
                try await patiently("it arrived") { receiver.counters.lines == 1 }
                #expect(troubles.list == ["unix:\(path) open"])
                guard round == 2 else { return }
                // An empty datagram looks like the end of the socket; it is opened again.
                sender.send("")
                try await patiently("it is open again") { troubles.list.count { $0.hasSuffix(" open") } == 2 }
                try DatagramSender(path: path).send("a:1|c")
                try await patiently("lines arrive again") { receiver.counters.lines == 2 }
                // One that is listened at is nobody else's to take.
                try await receiving([.unix(path: path)]) { _, theirs in
                    try await patiently("it is told") { theirs.list.contains { $0.contains("already in use") } }
                }
                try DatagramSender(path: path).send("a:1|c")
                try await patiently("it is still there") { receiver.counters.lines == 3 }
            }
        }
    }

    @Test func `an address that is taken is told and does not stop the other`() async throws {
        let path = "/tmp/muster-statsd-\(getpid())-folder"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { rmdir(path) }
        try await receiving([.unix(path: path), .udp(host: "127.0.0.1", port: 0)]) { receiver, troubles in
            try await patiently("the trouble is told") { troubles.list.contains { $0.hasPrefix("unix:") } }
            #expect(!troubles.list.contains("unix:\(path) open"))
            try await patiently("the port is open") { receiver.port != nil }
            let sender = try DatagramSender(port: try #require(receiver.port))
            sender.send("a:1|c")
            try await patiently("it arrived") { receiver.counters.lines == 1 }
        }
    }
}

/// A machine that is busy with other tests takes its time to open a socket.
private func patiently(_ what: String, _ condition: () async throws -> Bool) async throws {
    try await eventually(what, within: .seconds(40), condition)
}

/// A datagram socket of a test.
private final class DatagramSender: Sendable {
    private let descriptor: Int32

    init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard descriptor >= 0, connected == 0 else { throw NeverHappened("no UDP socket") }
    }

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let size = socklen_t(MemoryLayout<sockaddr_un>.size)
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
        }
        guard descriptor >= 0, connected == 0 else { throw NeverHappened("no socket at \(path)") }
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(Glibc.send(descriptor, bytes, bytes.count, 0) == bytes.count)
    }
}
