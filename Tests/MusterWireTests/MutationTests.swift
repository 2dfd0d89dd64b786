import MusterModel
import MusterWire
import Testing

/// What a hostile or broken peer may send. The first claim of each test is that the process is still there.
struct MutationTests {
    /// Flips, overwrites, inserts, deletes, copies, cuts: 1 to 4 times.
    private func mutated(_ original: [UInt8], using chance: inout SeededGenerator) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...4, using: &chance) {
            guard !bytes.isEmpty else { return bytes }
            let at = Int.random(in: 0..<bytes.count, using: &chance)
            let interesting: [UInt8] = [0, 1, 0x7f, 0x80, 0xff]
            switch Int.random(in: 0..<7, using: &chance) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
            case 1: bytes[at] = UInt8.random(in: 0...255, using: &chance)
            case 2: bytes[at] = interesting.randomElement(using: &chance) ?? 0
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &chance), at: at)
            case 4: bytes.remove(at: at)
            case 5: bytes.append(contentsOf: bytes[at...].prefix(16))
            default: bytes.removeSubrange(at...)
            }
        }
        return bytes
    }

    @Test(arguments: 0..<8)
    func `mutated streams never trap and read the same whole and in pieces`(seed: UInt64) throws {
        var chance = SeededGenerator(seed: seed)
        let encoded = try Samples.frames.map { frame throws(WireError) in try frame.encoded() }
        var errors = 0
        for _ in 0..<15_000 {
            let first = encoded.randomElement(using: &chance) ?? []
            let second = encoded.randomElement(using: &chance) ?? []
            let bytes = mutated(first, using: &chance) + second
            let whole = Decoded(bytes)
            let cut = Int.random(in: 0...bytes.count, using: &chance)
            let pieces = Decoded([bytes[..<cut], bytes[cut...]])
            try #require(whole == pieces, "\(bytes) cut at \(cut)")
            if let error = whole.error {
                errors += 1
                try #require(!error.description.isEmpty && error.refusal.code == .badFrame)
            }
        }
        #expect(errors > 3_000, "mutations that hurt nobody test nothing")
    }

    @Test(arguments: 0..<4)
    func `mutated bodies that are read can be written and read again`(seed: UInt64) throws {
        var chance = SeededGenerator(seed: seed &+ 1_000)
        var readable = 0
        for _ in 0..<10_000 {
            guard let frame = Samples.frames.randomElement(using: &chance) else { continue }
            let body = mutated(Array(try frame.encoded().dropFirst(WireLimits.headerBytes)), using: &chance)
            guard let read = try? Frame.decode(frame.kind, body: body[...]) else { continue }
            readable += 1
            try #require(Decoded(try read.encoded()).frames == [read])
        }
        #expect(readable > 500)
    }

    @Test func `noise is refused or waits for more`() {
        var chance = SeededGenerator(seed: 7)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...64, using: &chance)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &chance) }
            let decoded = Decoded(bytes)
            #expect(decoded.error != nil || decoded.frames.count <= count / 5)
        }
    }
}
