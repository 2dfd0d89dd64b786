import MusterSeries
import Testing

@Suite struct KeyedHashes {
    /// Of the bytes 0, 1, 2, ... under the key 0...15, by a straightforward implementation that gives the published
    /// vectors of SipHash-2-4 when told to do two and four rounds.
    private static let golden: [(count: Int, hash: UInt64, low: UInt64, high: UInt64)] = [
        (0, 0xabac_0158_050f_c4dc, 0xbea5_8827_b2bc_7ee7, 0x0130_30dd_6adb_62fd),
        (1, 0xc9f4_9bf3_7d57_ca93, 0xa8ed_d360_0437_6ffc, 0x63f0_2f2b_cc73_055e),
        (7, 0xd392_7d98_9bb1_1140, 0xc3e0_aaf2_23b9_8410, 0x77ab_4808_c82e_2fa6),
        (8, 0x3690_9511_8d29_9a8e, 0xb4da_e3d5_e1fe_12aa, 0x99c7_f935_ab16_4f72),
        (9, 0x25a4_8eb3_6c06_3de4, 0x9439_f32c_04b8_dd81, 0x427c_1394_000e_72f4),
        (15, 0xd320_d86d_2a51_9956, 0x6c52_bdb2_0555_7ec1, 0x0901_7e1e_eccd_2129),
        (16, 0xcc4f_dd1a_7d90_8b66, 0xeb8e_5115_57d9_a8d0, 0x9317_9e3d_f8b0_13b5),
        (63, 0x9d19_9062_b7bb_b3a8, 0x6f42_fe4e_e300_584c, 0xad60_52a7_0a6b_9f07),
        (64, 0xf179_97ec_4b4a_6065, 0x36a5_4a4b_f2de_5312, 0xc266_6aba_59a7_c84e),
        (161, 0xa189_f77b_eb6b_df40, 0x2541_74ac_ca8d_657b, 0x80bd_df20_fbba_b130),
    ]

    @Test func `hashes are those of the published function`() {
        for (count, hash, low, high) in Self.golden {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
            #expect(KeyedHash.hash(bytes.span, seed: testSeed) == hash)
            #expect(KeyedHash.fingerprint(bytes.span, seed: testSeed) == Fingerprint(low: low, high: high))
        }
        #expect(KeyedHash.hash(0x0706_0504_0302_0100, seed: testSeed) == Self.golden[3].hash)
    }

    @Test func `one changed bit, one byte more or another key give another hash`() {
        let bytes = (0..<40).map { UInt8($0 * 5) }
        let plain = KeyedHash.fingerprint(bytes.span, seed: testSeed)
        for bit in 0..<320 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(KeyedHash.fingerprint(changed.span, seed: testSeed) != plain)
            #expect(KeyedHash.hash(changed.span, seed: testSeed) != KeyedHash.hash(bytes.span, seed: testSeed))
        }
        let longer = bytes + [0]
        #expect(KeyedHash.fingerprint(longer.span, seed: testSeed) != plain)
        #expect(KeyedHash.fingerprint(bytes.span, seed: HashSeed(1, 2)) != plain)
    }

    @Test func `lists of numbers differ by order, length and content`() {
        let lists: [[UInt32]] = [
            [], [0], [0, 0], [1], [1, 0], [0, 1], [1, 2, 3], [1, 3, 2], [1, 2, 3, 0], [1, 2],
        ]
        let hashes = lists.map { KeyedHash.hash($0.span, seed: testSeed) }
        #expect(Set(hashes).count == lists.count)
    }
}
