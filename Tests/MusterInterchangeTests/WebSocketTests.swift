import MusterInterchange
import MusterModel
import Testing

/// A frame of a client, spelled out as RFC 6455 section 5.2 says.
private func frame(
    _ opcode: UInt8, _ payload: [UInt8] = [], isFinal: Bool = true, mask: [UInt8] = [0x37, 0xfa, 0x21, 0x3d],
    lengthBytes: Int? = nil
) -> [UInt8] {
    let size = lengthBytes ?? (payload.count < 126 ? 0 : payload.count < 65_536 ? 2 : 8)
    let short = size == 0 ? UInt8(payload.count) : size == 2 ? 126 : 127
    let long = (0..<size).reversed().map { UInt8(truncatingIfNeeded: payload.count >> (8 * $0)) }
    return [(isFinal ? 0x80 : 0) | opcode, 0x80 | short] + long + mask
        + payload.enumerated().map { $0.element ^ mask[$0.offset % 4] }
}

/// All a decoder says of the pieces, and its error.
private func read(
    _ pieces: [[UInt8]], limit: Int = InterchangeLimits.webSocketMessageBytes
) -> ([WebSocketEvent], WebSocketError?) {
    var decoder = WebSocketDecoder(maxMessageBytes: limit)
    var events: [WebSocketEvent] = []
    for piece in pieces {
        decoder.append(piece)
        do throws(WebSocketError) {
            while let event = try decoder.next() { events.append(event) }
        } catch {
            return (events, error)
        }
        // Header and one control frame at most besides the message.
        if decoder.bufferedBytes > limit + 14 + 125 { Issue.record("holds \(decoder.bufferedBytes) bytes") }
    }
    return (events, nil)
}

private func pieces(_ bytes: [UInt8], _ generator: inout SplitMix) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        let count = Int.random(in: 0...min(9, rest.count), using: &generator)
        pieces.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
    }
    return pieces
}

@Suite struct WebSocketHandshake {
    private static let sha1: [UInt8] = hex("b37a4f2cc0624f1690f64606cf385945b2bec4ea")

    /// The hash of the example, for its bytes and for nothing else.
    private func example(_ bytes: [UInt8]) -> [UInt8] {
        text(bytes) == "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11" ? Self.sha1 : []
    }

    private func request(_ changes: [(String, String?)] = [], method: String = "GET") -> HTTPRequest {
        var headers = [
            HTTPHeader("Host", "server.example.com"), HTTPHeader("Upgrade", "websocket"),
            HTTPHeader("Connection", "Upgrade"), HTTPHeader("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            HTTPHeader("Sec-WebSocket-Version", "13"),
        ]
        for (name, value) in changes {
            headers.removeAll { $0.name == name }
            if let value { headers.append(HTTPHeader(name, value)) }
        }
        return HTTPRequest(method, "/loki/api/v1/tail?query=x", headers: headers)
    }

    @Test func `the example of RFC 6455 is answered as it says`() throws {
        #expect(
            WebSocketUpgrade.acceptKey("dGhlIHNhbXBsZSBub25jZQ==", sha1: example) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(
            try WebSocketUpgrade.headers(answering: request(), sha1: example) == [
                HTTPHeader("Upgrade", "websocket"), HTTPHeader("Connection", "Upgrade"),
                HTTPHeader("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ])
        #expect(throws: Never.self) {
            try WebSocketUpgrade.headers(
                answering: request([("Upgrade", "h2c, WebSocket"), ("Connection", "keep-alive , upgrade")]),
                sha1: example)
        }
    }

    @Test(
        arguments: [
            ([("Upgrade", nil)], .noUpgrade), ([("Upgrade", "h2c")], .noUpgrade), ([("Connection", nil)], .noUpgrade),
            ([("Connection", "keep-alive")], .noUpgrade), ([("Sec-WebSocket-Version", nil)], .version),
            ([("Sec-WebSocket-Version", "8")], .version), ([("Sec-WebSocket-Key", nil)], .key),
            ([("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ")], .key), ([("Sec-WebSocket-Key", "")], .key),
            ([("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ!==")], .key),
            ([("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZTE=")], .key),
        ] as [([(String, String?)], WebSocketRefusal)])
    func `what is no handshake is refused with its reason`(changes: [(String, String?)], refusal: WebSocketRefusal) {
        #expect(throws: refusal) { try WebSocketUpgrade.headers(answering: request(changes), sha1: example) }
    }

    @Test func `a second key and another method are refused`() {
        var twice = request()
        twice.headers.append(HTTPHeader("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))
        #expect(throws: WebSocketRefusal.key) { try WebSocketUpgrade.headers(answering: twice, sha1: example) }
        #expect(throws: WebSocketRefusal.method) {
            try WebSocketUpgrade.headers(answering: request(method: "POST"), sha1: example)
        }
        #expect(WebSocketRefusal.version.status == 426 && WebSocketRefusal.key.status == 400)
        #expect(WebSocketRefusal.method.status == 405 && WebSocketRefusal.noUpgrade.status == 426)
        #expect(WebSocketRefusal.version.headers == [HTTPHeader("Sec-WebSocket-Version", "13")])
    }
}

@Suite struct WebSocketWriting {
    @Test func `the examples of RFC 6455 section 5-7 are written`() {
        #expect(WebSocketFrames.text(bytes("Hello")) == hex("81 05 48 65 6c 6c 6f"))
        #expect(WebSocketFrames.ping(bytes("Hello")) == hex("89 05 48 65 6c 6c 6f"))
        #expect(WebSocketFrames.pong([]) == hex("8a 00"))
    }

    @Test(
        arguments: [
            (0, "8100"), (125, "817d"), (126, "817e007e"), (256, "817e0100"), (65_535, "817effff"),
            (65_536, "817f0000000000010000"),
        ])
    func `lengths take as few bytes as they can`(count: Int, head: String) {
        let payload = [UInt8](repeating: 0x61, count: count)
        #expect(WebSocketFrames.text(payload) == hex(head) + payload)
    }

    @Test func `what a server writes is what a client would, but for the mask`() {
        var generator = SplitMix(seed: 65)
        for _ in 0..<60 {
            let payload = (0..<Int.random(in: 0...70_000, using: &generator)).map {
                UInt8(truncatingIfNeeded: $0 % 90 + 32)
            }
            var masked = WebSocketFrames.text(payload)
            masked[1] |= 0x80
            // A mask of zeros changes nothing.
            masked.insert(contentsOf: [0, 0, 0, 0], at: masked.count - payload.count)
            #expect(read([masked], limit: 70_000).0 == [.text(payload)])
        }
        for code in [WebSocketCloseCode.normal, .goingAway, .protocolError, .internalError, .tryAgainLater] {
            var masked = WebSocketFrames.close(code, "why")
            masked[1] |= 0x80
            masked.insert(contentsOf: [0, 0, 0, 0], at: 2)
            #expect(read([masked]).0 == [.close(code: code.rawValue, reason: "why")])
        }
    }

    @Test func `control frames are cut to their size`() {
        #expect(WebSocketFrames.close(.normal) == hex("880203e8"))
        #expect(WebSocketFrames.close(.messageTooBig, "too big") == hex("880903f1") + bytes("too big"))
        let long = WebSocketFrames.close(.policyViolation, "x" + String(repeating: "é", count: 100))
        #expect(long == hex("887d03f0") + bytes("x" + String(repeating: "é", count: 61)))
        #expect(WebSocketFrames.ping([UInt8](repeating: 1, count: 200)).count == 127)
        #expect(WebSocketFrames.pong([UInt8](repeating: 1, count: 200)).count == 127)
    }
}

@Suite struct WebSocketReading {
    @Test(
        arguments: [
            ("81 85 37 fa 21 3d 7f 9f 4d 51 58", [.text(Array("Hello".utf8))]),
            ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", [.pong(Array("Hello".utf8))]),
            ("89 80 00 00 00 00", [.ping([])]), ("82 81 01 00 00 00 02", [.binary([3])]),
            ("88 80 00 00 00 00", [.close(code: nil, reason: "")]),
        ] as [(String, [WebSocketEvent])])
    func `the examples of RFC 6455 are read`(digits: String, expected: [WebSocketEvent]) {
        let (events, error) = read([hex(digits)])
        #expect(events == expected && error == nil)
    }

    @Test func `fragments are joined, and control frames may stand between them`() {
        let (events, error) = read([
            frame(1, bytes("Hé").dropLast(), isFinal: false) + frame(9, bytes("p")) + frame(0, [], isFinal: false)
                + frame(0, [0xa9], isFinal: false) + frame(10, []) + frame(0, bytes("!")) + frame(2, [], isFinal: false)
                + frame(0, []) + frame(8, [0x03, 0xe9] + bytes("bye")) + frame(1, bytes("never read")) + [0xff]
        ])
        #expect(
            events == [
                .ping(bytes("p")), .pong([]), .text(bytes("Hé!")), .binary([]), .close(code: 1001, reason: "bye"),
            ])
        #expect(error == nil)
    }

    @Test(
        arguments: [
            (frame(0), .continuesNothing), (frame(3), .unknownOpcode(3)), (frame(15), .unknownOpcode(15)),
            ([0x81, 0x05], .notMasked), ([0xc1, 0x80], .reservedBits), ([0x91, 0x80], .reservedBits),
            (frame(9, isFinal: false), .fragmentedControl), ([0x88, 0xfe], .controlTooLong(126)),
            ([0x89, 0xff], .controlTooLong(127)), (frame(1, [], isFinal: false) + frame(1), .messageNotFinished),
            (frame(1, [], isFinal: false) + frame(2, [], isFinal: false), .messageNotFinished),
            (frame(2, [1], lengthBytes: 2), .lengthNotMinimal),
            (frame(2, [UInt8](repeating: 1, count: 200), lengthBytes: 8), .lengthNotMinimal),
            ([0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], .lengthOutOfRange),
            ([0x82, 0xff, 0x7f] + [UInt8](repeating: 0xff, count: 11), .messageTooBig(limit: 65_536)),
            (frame(1, [0xc3, 0x28]), .textNotUTF8), (frame(1, [0xc3], isFinal: false) + frame(0), .textNotUTF8),
            (frame(8, [3]), .closeOfOneByte), (frame(8, [0x03, 0xe8, 0xff]), .closeReasonNotUTF8),
            (frame(8, [0x03, 0xe7]), .badCloseCode(999)), (frame(8, [0x03, 0xec]), .badCloseCode(1004)),
            (frame(8, [0x03, 0xed]), .badCloseCode(1005)), (frame(8, [0x03, 0xee]), .badCloseCode(1006)),
            (frame(8, [0x03, 0xf7]), .badCloseCode(1015)), (frame(8, [0x07, 0xd0]), .badCloseCode(2000)),
            (frame(8, [0x13, 0x88]), .badCloseCode(5000)),
        ] as [([UInt8], WebSocketError)])
    func `what is against the protocol is an error behind what came before`(bytes: [UInt8], expected: WebSocketError) {
        let before = frame(9, [7])
        let (events, error) = read([before + bytes + frame(9, [8])])
        #expect(events == [.ping([7])] && error == expected)
        #expect(read((before + bytes).map { [$0] }).1 == expected)
        #expect(!expected.description.isEmpty && expected.description.utf8.count <= 123)
    }

    @Test func `errors say how the connection is closed`() {
        #expect(WebSocketError.notMasked.closeCode == .protocolError)
        #expect(WebSocketError.messageTooBig(limit: 1).closeCode == .messageTooBig)
        #expect(WebSocketError.textNotUTF8.closeCode == .invalidText)
        #expect(WebSocketError.closeReasonNotUTF8.closeCode == .invalidText)
        let (_, error) = read([frame(1)[..<1] + [0x00]])
        #expect(error == .notMasked)
    }

    @Test func `an error stays, and nothing is kept of what follows`() {
        var decoder = WebSocketDecoder()
        decoder.append([0x81, 0x00])
        for _ in 0..<3 {
            #expect(throws: WebSocketError.notMasked) { try decoder.next() }
            decoder.append(frame(1, bytes("x")))
            #expect(decoder.bufferedBytes == 0)
        }
    }

    @Test func `a message is bounded, all its fragments together, and the bound is inclusive`() {
        let whole = [UInt8](repeating: 0x61, count: 100)
        #expect(read([frame(1, whole)], limit: 100).0 == [.text(whole)])
        #expect(read([frame(1, whole + [0x61])], limit: 100).1 == .messageTooBig(limit: 100))
        let halves = frame(1, Array(whole.prefix(60)), isFinal: false)
        #expect(read([halves + frame(9, whole) + frame(0, Array(whole.suffix(40)))], limit: 100).0.count == 2)
        let (events, error) = read([halves + frame(0, Array(whole.suffix(41)))], limit: 100)
        #expect(events == [] && error == .messageTooBig(limit: 100))
        #expect(read([frame(9, [UInt8](repeating: 1, count: 125))], limit: 0).0.count == 1)
        let largest = [UInt8](repeating: 0x61, count: InterchangeLimits.webSocketMessageBytes)
        #expect(read([frame(2, largest)]).0 == [.binary(largest)])
        // A length is believed only when its bytes come.
        var decoder = WebSocketDecoder()
        decoder.append(Array(frame(2, largest).prefix(14)))
        #expect(throws: Never.self) { _ = try decoder.next() }
        #expect(decoder.bufferedBytes == 0)
    }

    @Test func `the pieces bytes arrive in change nothing`() {
        var generator = SplitMix(seed: 66)
        for _ in 0..<3_000 {
            var stream: [UInt8] = []
            var expected: [WebSocketEvent] = []
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                let payload = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
                    UInt8.random(in: 0x20...0x7e, using: &generator)
                }
                let mask = (0..<4).map { _ in UInt8.random(in: 0...255, using: &generator) }
                switch Int.random(in: 0..<4, using: &generator) {
                case 0:
                    stream += frame(9, Array(payload.prefix(125)), mask: mask)
                    expected.append(.ping(Array(payload.prefix(125))))
                case 1:
                    let cut = Int.random(in: 0...payload.count, using: &generator)
                    stream += frame(1, Array(payload.prefix(cut)), isFinal: false, mask: mask) + frame(10, [1])
                    stream += frame(0, Array(payload.dropFirst(cut)), mask: mask)
                    expected += [.pong([1]), .text(payload)]
                default:
                    stream += frame(2, payload, mask: mask)
                    expected.append(.binary(payload))
                }
            }
            #expect(read([stream]).0 == expected)
            let (events, error) = read(pieces(stream, &generator))
            #expect(events == expected && error == nil)
        }
    }

    @Test func `no bytes make it trap, and their pieces change nothing`() {
        var generator = SplitMix(seed: 67)
        let seed =
            frame(1, bytes("Hello"), isFinal: false) + frame(9, [1, 2]) + frame(0, bytes(" é"))
            + frame(2, [], mask: [0, 0, 0, 0])
            + frame(2, [UInt8](repeating: 7, count: 130)) + frame(8, [0x03, 0xe8] + bytes("ok"))
        var outcomes = [0, 0]
        for _ in 0..<30_000 {
            let stream = mutated(seed, &generator)
            let whole = read([stream], limit: 150)
            let pieced = read(pieces(stream, &generator), limit: 150)
            #expect(whole.0 == pieced.0 && whole.1 == pieced.1)
            outcomes[whole.1 == nil ? 1 : 0] += 1
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 }, "\(outcomes)")
    }
}
