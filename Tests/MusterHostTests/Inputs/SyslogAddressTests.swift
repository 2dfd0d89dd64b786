import MusterHost
import MusterInterchange
import MusterModel
import MusterTestKit
import NIOCore
import Testing

/// What addresses are called, and that those of IPv6 are no others.
@Suite(.serialized, .timeLimit(.minutes(3))) struct SyslogAddressTests {
    @Test(
        arguments: [
            (.udp(host: "0.0.0.0", port: 514), "udp 0.0.0.0:514"), (.tcp(host: "::", port: 601), "tcp [::]:601"),
            (.tls(host: "logs.example", port: 6_514), "tls logs.example:6514"),
            (.unix(path: "/dev/log"), "unix:/dev/log"),
        ] as [(SyslogReceiver.Address, String)])
    func `an address is spelled for people`(address: SyslogReceiver.Address, text: String) {
        #expect(address.description == text)
    }

    @Test func `an address that is named twice is listened on once, and its port is free afterwards`() async throws {
        let sink = SyslogSink()
        let address = SyslogReceiver.Address.tcp(host: "127.0.0.1", port: try Ports.free())
        for round in 1...3 {
            try await receivingSyslog([address, address], sink) { receiver, troubles in
                let client = try await SyslogClient(port: try await receiver.awaitedPort(address))
                try await client.send("<13>round \(round)\n").get()
                try await unhurriedly("it is heard") { sink.texts.last == "round \(round)" }
                #expect(receiver.openCount == 1 && troubles.list == ["\(address) open"])
                // Open when the receiver stops: it is closed by it.
            }
        }
        #expect(sink.records.count == 3)
    }

    @Test func `a host that is none is told`() async throws {
        let address = SyslogReceiver.Address.udp(host: "203.0.113.7", port: 5_140)
        try await receivingSyslog([address], SyslogSink()) { receiver, troubles in
            try await unhurriedly("it is told") { troubles.list.contains { $0.hasPrefix("udp 203.0.113.7:5140 ") } }
            #expect(receiver.openCount == 0 && receiver.port(of: address) == nil)
        }
    }

    @Test func `an empty datagram over UDP is no message and ends nothing`() async throws {
        let sink = SyslogSink()
        try await receivingSyslog([.anyUDP], sink) { receiver, troubles in
            let sender = try SyslogDatagrams(port: try await receiver.awaitedPort(.anyUDP))
            sender.send("")
            sender.send("\n")
            sender.send("<13>x")
            try await unhurriedly("the others arrived") { sink.texts == ["", "x"] }
            #expect(troubles.list.count == 1 && receiver.counters.records == 2)
        }
    }
}
