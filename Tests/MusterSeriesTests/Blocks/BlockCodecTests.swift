import MusterModel
import MusterSeries
import MusterTransport
import Testing

private let zlib = ZlibCompressor()
private let group = GroupID(number: 77)

private func roundTrip(_ rows: BlockRows, slots: UInt64 = .max) throws -> BlockRows {
    try BlockCodec.decode(
        try BlockCodec.encode(rows, group: group, compressor: zlib)[...], slots: slots, compressor: zlib)
}

private func bits(_ values: Double...) -> [UInt64] { values.map(\.bitPattern) }

struct BlockCodecTests {
    static let columns: [[UInt64]] = [
        bits(0), bits(-0.0), bits(.nan), bits(7, 7, 7, 7), bits(-0.0, -0.0), bits(0, -0.0, 0, -0.0),
        bits(1, 2, 3, 4, 5, 6), bits(10, 8, 6, 4), bits(1, 3, 6, 10, 15, 21), bits(1, 2, 4, 8, 16, 32, 64),
        bits(0.1, 0.2, 0.3, 0.4), bits(0.42, 0.39, 0.5, 1), bits(1.5, 2.25, 3.125, 4.0625), bits(1e-9, 2e-9, 4e-9),
        bits(0.1 + 0.2, 0.3, 0.1 + 0.2), bits(1.0 / 3, 2.0 / 3, 1.0 / 7), bits(1e300, 1e301),
        bits(.leastNonzeroMagnitude, .leastNormalMagnitude / 8, 0),
        bits(.infinity, -.infinity, .infinity), bits(9_007_199_254_740_992, 9_007_199_254_740_994, 4),
        bits(9_007_199_254_740_991, -9_007_199_254_740_991, 9_007_199_254_740_990),
        bits(1e15, 1e15 + 0.125, 1e15 + 0.25), bits(-1.25, -1.5, -99.75, 0, 12.5),
        [0x7ff0_0000_0000_0002, 0x7ff8_0000_0000_0001, 0xfff8_dead_beef_0001, 0x7ff4_0000_0000_0000],
        bits(1, 2, 3, 4, 5, 6, 7) + [0x7ff0_0000_0000_0002],
        [0x7ff0_0000_0000_0002] + bits(1, 2, 3, 4, 5, 6, 7), awkwardBits, [0, .max, 0, .max], [1, 2, 3, 0],
    ]

    @Test(arguments: columns) func everyBitPatternComesBack(column: [UInt64]) throws {
        let rows = SampleRows.column(column)
        #expect(try roundTrip(rows) == rows)
    }

    @Test func everyPairOfAwkwardValuesComesBack() throws {
        for a in awkwardBits {
            for b in awkwardBits {
                let rows = SampleRows.column([a, b, b, a, a, b])
                #expect(try roundTrip(rows) == rows, "\(a) \(b)")
            }
        }
    }

    @Test func everyScaleComesBack() throws {
        var generator = Seeded(state: 3)
        var power = 1.0
        for scale in 0...11 {
            let values = (0..<60).map { _ in Double(Int.random(in: -99_999...99_999, using: &generator)) / power }
            let rows = SampleRows.column(values.map(\.bitPattern))
            #expect(try roundTrip(rows) == rows, "10^-\(scale)")
            power *= 10
        }
    }

    @Test func anythingComesBackWholeAndInParts() throws {
        var generator = Seeded(state: 11)
        for _ in 0..<400 {
            let rows = SampleRows.wild(&generator)
            #expect(try roundTrip(rows) == rows)
            let slots =
                UInt64.random(in: 0 ... .max, using: &generator) & UInt64.random(in: 0 ... .max, using: &generator)
            #expect(try roundTrip(rows, slots: slots) == rows.selecting(slots))
            let one = UInt64(1) << UInt64.random(in: 0..<64, using: &generator)
            #expect(try roundTrip(rows, slots: one) == rows.selecting(one))
        }
    }

    @Test func timesOfAnyDistanceComeBack() throws {
        for times: [Int64] in [
            [0], [.min], [.max], [.min, .max], [.min, 0, .max], [-5, -4, -3], [1, 2, 4, 8, 16],
            [0, 1_000, 2_000, 3_001],
            [.min, .min + 1, .max - 1, .max], [0, .max / 2, .max / 2 * 2],
        ] {
            var rows = BlockRows()
            for time in times { rows.append(time: time, mask: 1, values: [UInt64(bitPattern: time)]) }
            #expect(try roundTrip(rows) == rows, "\(times)")
        }
    }

    @Test func theHeadSaysWhatIsInTheBlock() throws {
        let rows = SampleRows.quietHost(rows: 120)
        let bytes = try BlockCodec.encode(rows, group: GroupID(number: .max), compressor: zlib)
        let head = try BlockCodec.head(bytes[...])
        #expect(head.group.number == .max && head.rows == 120)
        #expect(head.from == rows.times.first && head.to == rows.times.last)
    }

    @Test func theLargestBlockComesBackAndALargerOneIsRefused() throws {
        var generator = Seeded(state: 5)
        var rows = BlockRows()
        for row in 0..<BlockCodec.maxRows {
            let values = (0..<64).map { _ in UInt64.random(in: 0 ... .max, using: &generator) }
            rows.append(time: Int64(row), mask: .max, values: values)
        }
        #expect(try roundTrip(rows) == rows)
        rows.append(time: 5_000, mask: 1, values: [1])
        #expect(throws: FormatError.self) { try BlockCodec.encode(rows, group: group, compressor: zlib) }
    }

    @Test func aBlockThatDeflatesLikeABombComesBack() throws {
        var rows = BlockRows()
        let values = [UInt64](repeating: 0, count: 63)
        for row in 0..<BlockCodec.maxRows {
            // Every second row all values change in all their bits: more than a megabyte before it is deflated.
            rows.append(
                time: Int64(row), mask: .max, values: values.map { $0 ^ (row % 2 == 0 ? .max : 1) } + [UInt64(row)])
        }
        #expect(try roundTrip(rows) == rows)
    }

    @Test func rowsThatAreNoneAreRefused() {
        let cases: [(inout BlockRows) -> Void] = [
            { $0 = BlockRows() }, { $0.times.removeLast() }, { $0.masks[1] = 0 }, { $0.values.append(1) },
            { $0.values.removeLast() }, { $0.times[1] = $0.times[0] }, { $0.times.swapAt(0, 1) }, { $0.masks[0] = 3 },
        ]
        for (index, change) in cases.enumerated() {
            var rows = SampleRows.column(bits(1, 2, 3))
            change(&rows)
            #expect(throws: FormatError.self, "case \(index)") {
                try BlockCodec.encode(rows, group: group, compressor: zlib)
            }
        }
    }

    @Test func aNewerBlockIsRefusedWithBothVersions() throws {
        var bytes = try BlockCodec.encode(SampleRows.column(bits(1)), group: group, compressor: zlib)
        bytes[1] = 2
        #expect(throws: FormatError.newerFormat(what: "a block", version: 2, known: 1)) {
            try BlockCodec.decode(bytes[...], compressor: zlib)
        }
        bytes[1] = 0
        #expect(throws: FormatError.self) { try BlockCodec.decode(bytes[...], compressor: zlib) }
    }

    @Test func aBlockCutOffAnywhereOrWithMoreBehindItIsRefused() throws {
        let bytes = try BlockCodec.encode(SampleRows.quietHost(rows: 8), group: group, compressor: zlib)
        for count in 0..<bytes.count {
            #expect(throws: FormatError.self) { try BlockCodec.decode(bytes.prefix(count), compressor: zlib) }
        }
        #expect(throws: FormatError.self) { try BlockCodec.decode((bytes + [0])[...], compressor: zlib) }
    }

    @Test func aQuietHostTakesAFractionOfAByteForASample() throws {
        for (rows, limit) in [(30, 0.6), (120, 0.4), (240, 0.4)] {
            let sample = SampleRows.quietHost(rows: rows)
            let bytes = try BlockCodec.encode(sample, group: group, compressor: zlib).count
            #expect(Double(bytes) / Double(sample.values.count) < limit, "\(rows) rows")
        }
        // What stands still costs next to nothing.
        var still = BlockRows()
        for row in 0..<240 { still.append(time: Int64(row), mask: .max, values: (0..<64).map { UInt64($0) }) }
        #expect(try BlockCodec.encode(still, group: group, compressor: zlib).count < 200)
    }

    /// Written down when the format was made: a change of these bytes is a change of the format and needs a version.
    @Test func theBytesOfFormatOneStayAsTheyAre() throws {
        var rows = BlockRows()
        rows.append(time: 1_000, mask: 0b1011, values: bits(5, 1, 0.5))
        rows.append(time: 2_000, mask: 0b1011, values: bits(5, 2, 0.25))
        rows.append(time: 3_500, mask: 0b0011, values: bits(5, 4))
        let bytes = try BlockCodec.encode(rows, group: GroupID(number: 300), compressor: zlib)
        let golden: [UInt8] = [
            0xb7, 1,  // magic, version
            0xac, 0x02, 3, 0xd0, 0x0f, 0xc4, 0x13, 0,  // group 300, 3 rows, from 1,000, 2,500 long, stored
            1, 0xd0, 0x0f, 0xe8, 0x07,  // differences: +1,000, then +500 more
            2, 0b1011, 0, 0, 0, 0, 0, 0, 0, 1, 0b0011, 0, 0, 0, 0, 0, 0, 0,  // two rows, one row
            0x10, 0x44, 0x32,  // integer of 1 byte, delta2 of 4, line of 3
            10,  // 5
            0, 2, 2, 2,  // scale 0, first 1, +1, then +1 more
            2, 100, 49,  // scale 2, first 50, -25
        ]
        #expect(bytes == golden)
        #expect(try BlockCodec.decode(golden[...], compressor: zlib) == rows)
    }
}
