import MusterModel
import MusterWire
import Testing

struct FrameDecoderTests {
    private func stream() throws -> [UInt8] {
        var writer = ByteWriter()
        for frame in Samples.frames { try frame.encode(into: &writer) }
        return writer.bytes
    }

    @Test func `a stream split at any byte gives the same frames`() throws {
        let bytes = try stream()
        for cut in 0...bytes.count {
            #expect(Decoded([bytes[..<cut], bytes[cut...]]).frames == Samples.frames, "cut at \(cut)")
        }
    }

    @Test func `a stream in single bytes gives the same frames`() throws {
        let bytes = try stream()
        #expect(Decoded(bytes.indices.map { bytes[$0...$0] }).frames == Samples.frames)
    }

    @Test(arguments: 0..<50)
    func `a stream in random pieces gives the same frames`(seed: UInt64) throws {
        let bytes = try stream()
        var chance = SeededGenerator(seed: seed)
        var pieces: [ArraySlice<UInt8>] = []
        var position = 0
        while position < bytes.count {
            let end = min(bytes.count, position + Int.random(in: 0...40, using: &chance))
            pieces.append(bytes[position..<end])
            position = end
        }
        #expect(Decoded(pieces).frames == Samples.frames)
    }

    @Test func `pieces may be appended before the frames are taken`() throws {
        let bytes = try stream()
        var decoder = FrameDecoder()
        for byte in bytes { decoder.append([byte]) }
        var frames: [Frame] = []
        while let frame = try decoder.next() { frames.append(frame) }
        #expect(frames == Samples.frames)
        #expect(decoder.bufferedBytes == 0)
    }

    @Test func `a stream cut at any byte gives the whole frames before the cut and no error`() throws {
        let bytes = try stream()
        var ends: [Int] = []
        for frame in Samples.frames { ends.append((ends.last ?? 0) + (try frame.encoded().count)) }
        for cut in 0..<bytes.count {
            let decoded = Decoded([bytes[..<cut]])
            #expect(decoded.error == nil)
            #expect(decoded.frames.count == ends.count { $0 <= cut })
        }
    }

    @Test(
        arguments: [
            ([0, 0, 0, 0], .emptyFrame(offset: 11)),
            ([1, 0, 0, 0, 0], .unknownKind(0, offset: 11)),
            ([1, 0, 0, 0, 200], .unknownKind(200, offset: 11)),
            ([0xfd, 0xff, 0x0f, 0], .frameTooLarge(bytes: (1 << 20) + 1, limit: 1 << 20, offset: 11)),
            ([0xff, 0xff, 0xff, 0xff], .frameTooLarge(bytes: 0x1_0000_0003, limit: 1 << 20, offset: 11)),
            (
                [2, 0, 0, 0, 7, 0x80],
                .malformed(
                    .heartbeatEcho, field: "counter", offset: 17, problem: .truncated(needed: 1, available: 0))
            ),
        ] as [([UInt8], WireError)])
    func `an error comes after the frames before it, names its place and lasts`(
        bytes: [UInt8], error: WireError
    ) throws {
        let short = try Frame.refuse(Refusal(.revoked, "no!!")).encoded()
        #expect(short.count == 11)
        let stream = short + bytes
        for cut in 0...stream.count {
            let decoded = Decoded([stream[..<cut], stream[cut...]])
            #expect(decoded.frames == [.refuse(Refusal(.revoked, "no!!"))])
            #expect(decoded.error == error)
        }
        var decoder = FrameDecoder()
        decoder.append(stream)
        _ = try decoder.next()
        for _ in 0..<3 {
            #expect(throws: error) { try decoder.next() }
            decoder.append(short)
            #expect(decoder.bufferedBytes == 0, "a poisoned decoder keeps nothing")
        }
        #expect(error.description.contains("11") || error.description.contains("17"))
    }

    @Test func `the largest frame is read and one byte more is refused by its header`() throws {
        let bytes = try Frame.data(Samples.data(.logs, 1, bytes: WireLimits.dataPayloadBytes)).encoded()
        #expect(Decoded(bytes).frames.count == 1)
        var small = FrameDecoder(maxFrameBytes: bytes.count - 1)
        small.append(bytes.prefix(5))
        #expect(
            throws: WireError.frameTooLarge(bytes: UInt64(bytes.count), limit: bytes.count - 1, offset: 0)
        ) { try small.next() }
    }

    @Test func `a length field alone allocates nothing and at most one frame is held`() throws {
        var decoder = FrameDecoder()
        decoder.append([0xfc, 0xff, 0x0f, 0, 4])
        #expect(try decoder.next() == nil)
        #expect(decoder.bufferedBytes == 5)
        let bytes = try Frame.data(Samples.data(.logs, 1, bytes: WireLimits.dataPayloadBytes)).encoded()
        let many = bytes + bytes + bytes
        let pieces = stride(from: 0, to: many.count, by: 60_001).map { many[$0..<min(many.count, $0 + 60_001)] }
        let decoded = Decoded(pieces)
        #expect(decoded.frames.count == 3)
        #expect(decoded.peakBuffered < Limits.frameBytes)
    }

    @Test func `before the welcome only hello is read`() throws {
        for frame in Samples.frames where frame.kind != .hello {
            var decoder = FrameDecoder.awaitingHello()
            decoder.append(try frame.encoded().prefix(5))
            #expect(throws: WireError.kindNotAllowed(frame.kind, offset: 0)) { try decoder.next() }
        }
        var decoder = FrameDecoder.awaitingHello()
        let size = UInt32(WireLimits.helloFrameBytes - 4 + 1)
        var writer = ByteWriter()
        writer.fixed(size)
        decoder.append(writer.bytes)
        #expect(
            throws: WireError.frameTooLarge(
                bytes: UInt64(WireLimits.helloFrameBytes) + 1, limit: WireLimits.helloFrameBytes, offset: 0)
        ) { try decoder.next() }
    }

    @Test func `what came in one piece with hello is read under the rules after the welcome`() throws {
        let data = Frame.data(Samples.data(.logs, 1, bytes: 5_000))
        var decoder = FrameDecoder.awaitingHello()
        decoder.append(try Frame.hello(Samples.hello).encoded() + data.encoded())
        #expect(try decoder.next() == .hello(Samples.hello))
        decoder.admitted()
        #expect(try decoder.next() == data)
        #expect(try decoder.next() == nil)
    }
}
