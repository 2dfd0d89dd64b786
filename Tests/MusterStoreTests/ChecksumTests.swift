import MusterStore
import Testing

struct ChecksumTests {
    static let known: [(bytes: [UInt8], checksum: UInt32)] = [
        ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
        ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
        ([UInt8](0..<32), 0x46DD_794E),
        ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
        (Array("123456789".utf8), 0xE306_9283),
        ([], 0),
    ]

    @Test(arguments: known)
    func knownAnswersOfRFC3720Hold(bytes: [UInt8], expected: UInt32) {
        #expect(CRC32C.checksum(bytes) == expected)
    }

    @Test func aChecksumContinuesWhereAnotherEndedAtEverySplitAndAlignment() {
        let bytes = Sample.payload(3, 67)
        for start in 0..<9 {
            let whole = CRC32C.checksum(bytes, in: start..<67)
            for split in start...67 {
                let first = CRC32C.checksum(bytes, in: start..<split)
                #expect(CRC32C.checksum(bytes, in: split..<67, seed: first) == whole)
            }
        }
    }

    @Test func everySingleBitCounts() {
        let bytes = Sample.payload(4, 40)
        let expected = CRC32C.checksum(bytes, seed: 99)
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(CRC32C.checksum(damaged, seed: 99) != expected)
        }
    }
}
