import MusterModel
import MusterTransport
import Testing

@Suite struct ZlibCompressorTests {
    let zlib = ZlibCompressor()

    /// Text much like a log, of about this many bytes.
    static func text(_ bytes: Int) -> [UInt8] {
        var text: [UInt8] = []
        var line = 0
        while text.count < bytes {
            text += Array("2026-03-01T09:30:00Z level=info request=\(line &* 2_654_435_761 % 10_007) served\n".utf8)
            line += 1
        }
        return text
    }

    @Test(arguments: [1, 6, 9]) func `what was deflated inflates to itself`(_ level: Int) throws {
        for bytes in [[], [7], Self.text(100), Self.text(Limits.logBlockBytes), SecureRandom.bytes(100_000)] {
            let small = zlib.deflate(bytes, level: level)
            #expect(try zlib.inflate(small[...], maxBytes: max(1, bytes.count)) == bytes)
        }
    }

    @Test func `levels outside the range count as the nearest`() throws {
        let bytes = Self.text(10_000)
        #expect(zlib.deflate(bytes, level: 0) == zlib.deflate(bytes, level: 1))
        #expect(zlib.deflate(bytes, level: 99) == zlib.deflate(bytes, level: 9))
    }

    @Test func `a stream that is used again gives the same bytes as a new one`() {
        for size in [10, 100_000, 500, 0, 70_000] {
            let bytes = Self.text(size)
            #expect(zlib.deflate(bytes, level: 3) == ZlibCompressor().deflate(bytes, level: 3))
        }
    }

    @Test func `a slice is read from where it starts`() throws {
        let small = zlib.deflate(Self.text(1_000), level: 6)
        let padded = [9, 9, 9] + small + [9]
        #expect(try zlib.inflate(padded[3..<padded.count - 1], maxBytes: 10_000) == Self.text(1_000))
    }

    @Test func `the cap on inflated bytes is exact`() throws {
        let bytes = Self.text(50_000)
        let small = zlib.deflate(bytes, level: 6)
        #expect(try zlib.inflate(small[...], maxBytes: bytes.count).count == bytes.count)
        #expect(throws: CompressionError.tooLarge(maxBytes: bytes.count - 1)) {
            try zlib.inflate(small[...], maxBytes: bytes.count - 1)
        }
        #expect(throws: CompressionError.tooLarge(maxBytes: 0)) { try zlib.inflate(small[...], maxBytes: 0) }
    }

    @Test func `a bomb is given up at the ratio, far below its size`() {
        let bomb = zlib.deflate([UInt8](repeating: 0, count: 64 << 20), level: 9)
        #expect(bomb.count < 100_000)
        #expect(throws: CompressionError.suspiciousRatio(compressed: bomb.count)) {
            try zlib.inflate(bomb[...], maxBytes: 128 << 20)
        }
        #expect(throws: CompressionError.self) { try zlib.inflate(bomb[...], maxBytes: Limits.inflatedBytes) }
    }

    @Test func `below the floor the ratio does not matter`() throws {
        let zeros = [UInt8](repeating: 0, count: Limits.inflateRatioFloorBytes)
        let small = zlib.deflate(zeros, level: 9)
        #expect(zeros.count / small.count > Limits.inflateRatio)
        #expect(try zlib.inflate(small[...], maxBytes: Limits.inflatedBytes) == zeros)
    }

    @Test func `bytes after the end are refused and counted`() {
        let small = zlib.deflate(Self.text(1_000), level: 6) + [1, 2, 3]
        #expect(throws: CompressionError.trailingBytes(3)) { try zlib.inflate(small[...], maxBytes: 10_000) }
    }

    @Test func `every truncation is damage`() {
        let small = zlib.deflate(Self.text(2_000), level: 6)
        for count in 0..<small.count {
            #expect(throws: CompressionError.self) { try zlib.inflate(small[..<count], maxBytes: 10_000) }
        }
    }

    @Test func `every changed byte is noticed`() {
        let bytes = Self.text(2_000)
        let small = zlib.deflate(bytes, level: 6)
        for index in small.indices {
            var changed = small
            changed[index] ^= 0x10
            let read = try? zlib.inflate(changed[...], maxBytes: 10_000)
            #expect(read == nil || read == bytes)
        }
    }

    @Test func `many tasks may use one compressor`() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<16 {
                group.addTask {
                    let bytes = Self.text(20_000 + index)
                    let small = zlib.deflate(bytes, level: 1 + index % 9)
                    let read = try zlib.inflate(small[...], maxBytes: 100_000)
                    #expect(read == bytes)
                }
            }
            try await group.waitForAll()
        }
    }
}
