import MusterInterchange
import Testing

/// Reads every field of a message, and of the messages in field 1, as far as it goes.
private func readAll(_ bytes: [UInt8]) throws(ProtobufError) {
    func read(_ span: Span<UInt8>, _ message: ProtobufReader) throws(ProtobufError) {
        var reader = message
        while let key = try reader.key(span) {
            if key == 0x0a {
                try read(span, reader.message(span))
            } else {
                try reader.skip(key, span)
            }
        }
    }
    try read(bytes.span, ProtobufReader(0..<bytes.count))
}

private func nested(_ depth: Int) -> [UInt8] {
    (0..<depth).reduce([]) { inner, _ in Wire.bytes(1, inner) }
}

@Suite struct ProtobufReading {
    @Test(
        arguments: [
            ("08", .truncated, 1), ("0880", .truncated, 1), ("09000000", .truncated, 1), ("0d0000", .truncated, 1),
            ("1205aabb", .truncated, 2), ("12ffffffffffffffffff01", .truncated, 11),
            ("00", .fieldNumberZero, 0), ("02", .fieldNumberZero, 0), ("808080808000", .fieldNumberZero, 0),
            ("13", .wireType(3), 1), ("14", .wireType(4), 1), ("16", .wireType(6), 1), ("17", .wireType(7), 1),
            ("08ffffffffffffffffff02", .numberTooLong, 1), ("0880808080808080808080808001", .numberTooLong, 1),
            ("88808080808001", .numberTooLong, 0),
        ] as [(String, ProtobufError.Problem, Int)])
    func `what is no message is refused at its byte`(digits: String, problem: ProtobufError.Problem, offset: Int) {
        let error = #expect(throws: ProtobufError.self) { try readAll(hex(digits)) }
        #expect(error == ProtobufError(problem, at: offset))
    }

    @Test(
        arguments: [
            ("00", 0), ("01", 1), ("7f", 127), ("8001", 128), ("ac02", 300), ("ffffffffffffffff7f", UInt64(Int64.max)),
            ("ffffffffffffffffff01", .max), ("80808080808000", 0), ("80808080808080808001", 1 << 63),
        ] as [(String, UInt64)])
    func `a varint has up to ten bytes`(digits: String, expected: UInt64) throws {
        let bytes = hex(digits)
        var reader = ProtobufReader(0..<bytes.count)
        #expect(try reader.varint(bytes.span) == expected)
        #expect(reader.offset == bytes.count)
    }

    @Test func `a message may be nested as deep as the limit and no deeper`() throws {
        try readAll(nested(InterchangeLimits.protobufDepth))
        let error = #expect(throws: ProtobufError.self) { try readAll(nested(InterchangeLimits.protobufDepth + 1)) }
        #expect(error?.problem == .tooDeep(limit: InterchangeLimits.protobufDepth))
    }

    @Test func `a known field in another wire type is an error, an unknown one is not`() throws {
        let bytes = Wire.number(3, 1)
        var reader = ProtobufReader(0..<bytes.count)
        let key = try #require(try reader.key(bytes.span))
        #expect(throws: ProtobufError(.wrongWireType(field: 3), at: 1)) {
            try reader.skip(key, bytes.span, known: 1...3)
        }
        try reader.skip(key, bytes.span, known: 1...2)
        #expect(reader.offset == bytes.count)
    }

    @Test func `a message ends where its length says, whatever follows`() throws {
        let bytes = hex("0a0209ff09ff00000000000000")
        #expect(throws: ProtobufError(.truncated, at: 3)) { try readAll(bytes) }
    }

    @Test func `a text has to be UTF-8`() throws {
        let bytes = hex("02c3a9 02c328")
        var reader = ProtobufReader(0..<bytes.count)
        #expect(try reader.string(bytes.span) == "é")
        #expect(throws: ProtobufError(.notUTF8, at: 4)) { try reader.string(bytes.span) }
    }

    @Test func `no bytes make it trap`() {
        var generator = SplitMix(seed: 11)
        var refused = 0
        for round in 0..<100_000 {
            let fixture = [Fixtures.remoteWrite1, Fixtures.remoteWrite2, Fixtures.otlp][round % 3]
            do throws(ProtobufError) { try readAll(mutated(fixture, &generator)) } catch { refused += 1 }
        }
        #expect((10_000..<100_000).contains(refused))
    }
}

@Suite struct ProtobufWriting {
    @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, UInt64(UInt32.max), 1 << 63, .max] as [UInt64])
    func `a number takes the bytes it was foretold to take`(value: UInt64) {
        var writer = ProtobufWriter()
        writer.rawVarint(value)
        #expect(writer.bytes == Wire.varint(value))
        #expect(ProtobufWriter.varintBytes(value) == writer.bytes.count)
    }

    @Test func `zeros and empty texts are left out, negative zero is not`() {
        var writer = ProtobufWriter()
        writer.varint(1, 0)
        writer.double(2, 0)
        writer.string(3, "")
        #expect(writer.bytes == [])
        writer.double(2, -0.0)
        #expect(writer.bytes == hex("110000000000000080"))
    }
}
