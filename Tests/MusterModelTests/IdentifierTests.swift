import MusterModel
import Testing

private struct Counting: RandomNumberGenerator {
    var value: UInt64 = 0

    mutating func next() -> UInt64 {
        value += 1
        return value
    }
}

@Suite struct Identifiers {
    static let longest = String(repeating: "a", count: Limits.nameBytes)

    @Test(arguments: [
        ("a", true), ("web-1.example_com", true), ("A9", true), ("...", true), (longest, true), (longest + "a", false),
        ("", false),
        (".", false), ("..", false), ("a b", false), ("a/b", false), ("ä", false), ("a\n", false), ("a\0", false),
        ("../x", false), ("a:b", false),
    ])
    func `names keep one spelling everywhere`(text: String, isValid: Bool) {
        #expect(NameSpelling.isValid(text) == isValid)
        #expect(
            (HostID(text) != nil) == isValid && (ServiceName(text) != nil) == isValid
                && (RolloutID(text) != nil) == isValid)
        #expect(HostID(text)?.description == (isValid ? text : nil))
    }

    @Test func `names have an order`() throws {
        #expect(try #require(HostID("a")) < #require(HostID("b")))
        #expect(try #require(ServiceName("a")) < #require(ServiceName("b")))
        #expect(try #require(RolloutID("a")) < #require(RolloutID("b")))
    }

    @Test func `a boot id reads back from its 32 digits`() {
        let boot = BootID(high: 0xab, low: 0x1)
        #expect(boot.description == "00000000000000ab0000000000000001" && BootID(boot.description) == boot)
        var generator = Counting()
        #expect(BootID(using: &generator) == BootID(high: 1, low: 2))
        #expect(BootID(high: .max, low: .max).description == String(repeating: "f", count: 32))
    }

    @Test(arguments: [
        "", "ab", "00000000000000AB0000000000000001", "00000000000000ab000000000000000",
        "00000000000000ab00000000000000010",
        "00000000000000ab+000000000000001", "00000000000000ab 000000000000001", "0000000000000gab0000000000000001",
        "ääääääääääääääää",
    ])
    func `anything else is no boot id`(text: String) {
        #expect(BootID(text) == nil)
    }

    @Test func `classes are ordered by urgency`() {
        #expect(TrafficClass.allCases.sorted() == [.control, .health, .metrics, .logs])
        #expect(TrafficClass.allCases.map(\.description) == ["control", "health", "metrics", "logs"])
        #expect(TrafficClass.allCases.map(\.rawValue) == [0, 1, 2, 3])
    }

    @Test func `frames are told apart by every part of their name`() throws {
        let host = try #require(HostID("a"))
        let other = try #require(HostID("b"))
        let boot = BootID(high: 1, low: 1)
        let ids: Set<FrameID> = [
            FrameID(host: host, boot: boot, class: .logs, sequence: 1),
            FrameID(host: host, boot: boot, class: .logs, sequence: 2),
            FrameID(host: host, boot: boot, class: .metrics, sequence: 1),
            FrameID(host: other, boot: boot, class: .logs, sequence: 1),
            FrameID(host: host, boot: BootID(high: 1, low: 2), class: .logs, sequence: 1),
            FrameID(host: host, boot: boot, class: .logs, sequence: 1),
        ]
        #expect(ids.count == 5)
    }
}

@Suite struct HTTPMessages {
    @Test func `endpoints print so that they can be typed again`() {
        #expect(HTTPEndpoint.tcp(host: "a", port: 1).description == "a:1")
        #expect(HTTPEndpoint.tcp(host: "::1", port: 1).description == "[::1]:1")
        #expect(HTTPEndpoint.unixSocket(path: "/s").description == "unix:/s")
    }

    @Test func `headers are found without regard to case and the first wins`() {
        let response = HTTPResponse(status: 204, headers: [HTTPHeader("X-A", "1"), HTTPHeader("x-a", "2")])
        #expect(response.header("x-A") == "1" && response.header("y") == nil)
        #expect([199, 200, 299, 300].map { HTTPResponse(status: $0).isSuccess } == [false, true, true, false])
    }
}

@Suite struct Errors {
    @Test(arguments: [
        (CompressionError.damaged("x") as any Error, "x"), (CompressionError.tooLarge(maxBytes: 5), "5"),
        (CompressionError.suspiciousRatio(compressed: 7), "7"), (CompressionError.trailingBytes(3), "3"),
        (HTTPFailure.unreachable("no route"), "no route"), (HTTPFailure.timedOut(after: .seconds(2)), "2s"),
        (HTTPFailure.untrusted("self-signed"), "self-signed"), (HTTPFailure.malformed("chunk"), "chunk"),
        (HTTPFailure.closed("reset"), "reset"),
        (PatternError(expression: "(", reason: "missing )"), "missing )"),
    ])
    func `errors say what happened`(error: any Error, detail: String) {
        #expect("\(error)".contains(detail) && "\(error)".count > detail.count + 5)
    }
}
