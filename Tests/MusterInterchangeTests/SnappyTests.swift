import MusterSnappy
import Testing

@Suite struct SnappyBlocks {
    @Test func `what was compressed comes back, whatever it is`() throws {
        var generator = SplitMix(seed: 31)
        for size in [0, 1, 59, 60, 61, 1_000, 65_536, 300_000] {
            let noise = (0..<size).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let text = (0..<size).map { UInt8(truncatingIfNeeded: $0 % 37) }
            for bytes in [noise, text] {
                #expect(try Snappy.uncompress(Snappy.compress(bytes), limit: size) == bytes)
            }
        }
    }

    /// Written by hand from the format: length, a literal of three bytes, a copy of seven from three back.
    @Test func `a block written by hand is read`() throws {
        #expect(try Snappy.uncompress(hex("0a 08 616263 0d03"), limit: 10) == Array("abcabcabca".utf8))
        #expect(Snappy.compress([]) == [0])
    }

    @Test(
        arguments: [
            ("ffffffff0f", UInt(UInt32.max), 32 << 20), ("0a08616263 0d03", 10, 9), ("80808001 00", 1 << 21, 100),
        ] as [(String, UInt, Int)])
    func `a declared length over the limit is refused before memory is taken`(
        digits: String, declared: UInt, limit: Int
    ) {
        #expect(throws: SnappyError.tooLarge(declared: declared, limit: limit)) {
            try Snappy.uncompress(hex(digits), limit: limit)
        }
    }

    @Test func `a bomb is bounded by the limit`() {
        let bomb = Snappy.compress([UInt8](repeating: 0, count: 16 << 20))
        #expect(bomb.count < 1 << 20)
        #expect(throws: SnappyError.tooLarge(declared: 16 << 20, limit: 1 << 20)) {
            try Snappy.uncompress(bomb, limit: 1 << 20)
        }
    }

    @Test(arguments: [
        "", "80", "ffffffffff7f", "0a", "0a08616263", "0a086162630d04", "03 08 616263 00", "ff060000734e61507059",
    ])
    func `what is no block is damaged`(digits: String) {
        let bytes = hex(digits)
        #expect(throws: SnappyError.damaged(bytes: bytes.count)) { try Snappy.uncompress(bytes, limit: 1 << 30) }
    }

    @Test func `no bytes make it trap`() {
        var generator = SplitMix(seed: 32)
        var outcomes = [0, 0]
        for _ in 0..<100_000 {
            let bytes = mutated(Fixtures.capturedSamples, &generator)
            outcomes[(try? Snappy.uncompress(bytes, limit: 64 << 10)) == nil ? 0 : 1] += 1
        }
        #expect(outcomes.allSatisfy { $0 > 1_000 })
    }
}
