import MusterModel
import MusterWire
import Testing

struct FrameTests {
    @Test(arguments: Samples.frames)
    func `every frame comes back as it was`(frame: Frame) throws {
        let bytes = try frame.encoded()
        #expect(Decoded(bytes).frames == [frame])
        #expect(Decoded(bytes).error == nil)
    }

    @Test func `the samples hold every kind`() {
        #expect(Set(Samples.frames.map(\.kind)) == Set(FrameKind.allCases))
        #expect(Set(FrameKind.allCases.map(\.description)).count == FrameKind.allCases.count)
    }

    // The wire is a promise: these bytes must not change without a new version.
    @Test func `the bytes of a data frame are as documented`() throws {
        let frame = Frame.data(DataFrame(class: .metrics, sequence: 0x0102, codec: 7, payload: [0xaa, 0xbb]))
        #expect(try frame.encoded() == [7, 0, 0, 0, 4, 2, 7, 0x82, 2, 0xaa, 0xbb])
    }

    @Test func `the bytes of hello and refuse are as documented`() throws {
        let hello = try Frame.hello(Samples.hello).encoded()
        #expect(hello.prefix(8) == [32, 0, 0, 0, 1, 2, 0, 5])
        #expect(hello.count == 36)
        let refuse = try Frame.refuse(Refusal(.revoked, "no")).encoded()
        #expect(refuse == [5, 0, 0, 0, 3, 4, 2, 0x6e, 0x6f])
    }

    @Test(arguments: Samples.frames)
    func `a body cut at any byte is an error or a smaller legal frame, never a trap`(frame: Frame) throws {
        let body = Array(try frame.encoded().dropFirst(WireLimits.headerBytes))
        for length in 0..<body.count {
            let result = Result { () throws(ByteError) in try Frame.decode(frame.kind, body: body.prefix(length)) }
            switch (frame, result) {
            case (.data(let whole), .success(.data(let cut))):
                #expect(cut.payload == Array(whole.payload.prefix(length - 3)))
            case (.message(_, let whole), .success(.message(_, let cut))):
                #expect(cut == Array(whole.prefix(length - 8)))
            case (_, .success(let other)): Issue.record("\(length) bytes of \(frame) gave \(other)")
            case (_, .failure(let error)): #expect(error.offset <= length)
            }
        }
    }

    @Test(arguments: Samples.frames)
    func `bytes after the end are an error where a frame may not grow`(frame: Frame) throws {
        let body = Array(try frame.encoded().dropFirst(WireLimits.headerBytes)) + [0]
        switch frame.kind {
        case .data, .message: break
        case .hello, .refuse: #expect(try Frame.decode(frame.kind, body: body[...]) == frame)
        default:
            #expect(throws: ByteError(field: "end", offset: body.count - 1, problem: .trailingBytes(1))) {
                try Frame.decode(frame.kind, body: body[...])
            }
        }
    }

    @Test func `hello of a later version can still be read`() throws {
        var later = Samples.hello
        later.version = 77
        let body = try Frame.hello(later).encoded().dropFirst(WireLimits.headerBytes) + [1, 2, 3, 4]
        #expect(try Frame.decode(.hello, body: ArraySlice(body)) == .hello(later))
    }

    @Test func `a refusal code of a later version is kept as unspecified`() throws {
        let body: [UInt8] = [200, 1, 0x78]
        #expect(try Frame.decode(.refuse, body: body[...]) == .refuse(Refusal(.unspecified, "x")))
    }

    @Test(
        arguments: [
            (Frame.data(Samples.data(.logs, 1)), 0, 4, "class"),
            (.data(Samples.data(.logs, 1)), 2, 0, "sequence"),
            (.data(DataFrame(class: .logs, sequence: 1 << 62, codec: 1, payload: [])), 10, 0x80, "sequence"),
            (.acknowledgement(.logs, sequence: 5), 0, 9, "class"),
            (.acknowledgement(.logs, sequence: 5), 1, 0, "sequence"),
            (.hello(Samples.hello), 3, 0x2f, "host id"),
            (.hello(Samples.hello), 2, 0, "host id"),
            (.hello(Samples.hello), 30, 7, "has next sequences"),
            (.welcome(Samples.welcome), 10, 1, "heartbeat interval"),
            (.welcome(Samples.welcome), 12, 3, "class count"),
            (.welcome(Samples.welcome), 13, 1, "class"),
            (.welcome(Samples.welcome), 22, 0, "window frames"),
            (.welcome(Samples.welcome), 26, 0, "window bytes"),
            (.welcome(Samples.welcome), 21, 0xff, "durable sequence"),
            (.refuse(Refusal(.revoked, "é")), 2, 0x20, "message"),
        ] as [(Frame, Int, UInt8, String)])
    func `a value that is not allowed names its field`(frame: Frame, at: Int, value: UInt8, field: String) throws {
        var body = Array(try frame.encoded().dropFirst(WireLimits.headerBytes))
        body[at] = value
        let error = #expect(throws: ByteError.self) { try Frame.decode(frame.kind, body: body[...]) }
        #expect(error?.field == field)
        #expect(error?.description.isEmpty == false)
    }

    @Test func `the largest payloads fit a frame exactly and one byte more does not`() throws {
        let data = Frame.data(Samples.data(.logs, 1, bytes: WireLimits.dataPayloadBytes))
        // The sequence of this one is short.
        #expect(try data.encoded().count == Limits.frameBytes - 8)
        let longest = DataFrame(
            class: .logs, sequence: WireLimits.sequenceCeiling, codec: 1,
            payload: [UInt8](repeating: 0, count: WireLimits.dataPayloadBytes))
        #expect(try Frame.data(longest).encoded().count == Limits.frameBytes)
        let message = Frame.message(id: 1, payload: [UInt8](repeating: 0, count: WireLimits.messagePayloadBytes))
        #expect(try message.encoded().count == Limits.frameBytes)

        let tooLarge = Frame.data(
            DataFrame(
                class: .logs, sequence: WireLimits.sequenceCeiling, codec: 1, payload: longest.payload + [0]))
        var writer = ByteWriter([1, 2])
        let expected = WireError.frameTooLarge(
            bytes: UInt64(Limits.frameBytes) + 1, limit: Limits.frameBytes, offset: 0)
        #expect(throws: expected) { try tooLarge.encode(into: &writer) }
        #expect(writer.bytes == [1, 2], "a frame that is not sent leaves nothing behind")
    }

    @Test func `long texts are cut to their limits`() throws {
        let refusal = Refusal(.overloaded, String(repeating: "é", count: 400))
        #expect(refusal.message.utf8.count == WireLimits.refusalMessageBytes)
        #expect(Decoded(try Frame.refuse(refusal).encoded()).frames == [.refuse(refusal)])

        let hello = Hello(host: Samples.host, boot: Samples.boot, agentVersion: String(repeating: "v", count: 9_999))
        guard case .hello(let back) = Decoded(try Frame.hello(hello).encoded()).frames.first else {
            Issue.record("no hello")
            return
        }
        #expect(back.agentVersion.utf8.count == WireLimits.agentVersionBytes)
    }

    @Test func `the largest hello fits what is read before a welcome`() throws {
        let hello = Hello(
            host: Samples.hostID(String(repeating: "h", count: Limits.nameBytes)), boot: Samples.boot,
            agentVersion: String(repeating: "v", count: WireLimits.agentVersionBytes),
            nextSequences: PerClass(repeating: 1))
        #expect(try Frame.hello(hello).encoded().count <= WireLimits.helloFrameBytes)
    }
}
