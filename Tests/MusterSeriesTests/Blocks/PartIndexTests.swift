import MusterSeries
import Testing

struct PartIndexTests {
    private static func entries(_ list: [(group: UInt32, from: Int64, to: Int64, length: UInt32, rows: UInt32)])
        -> [PartEntry]
    {
        var offset: UInt32 = 80
        return list.map { one in
            defer { offset += one.length }
            return PartEntry(
                group: GroupID(number: one.group),
                block: BlockRef(
                    part: 9, offset: offset, length: one.length, rows: one.rows, from: one.from, to: one.to))
        }
    }

    private static let three = entries([
        (4, 1_000, 2_000, 100, 120), (4, 1_500, 9_000, 50, 1), (900, -5, .max, 7, 1_024),
    ])

    @Test func aDirectoryComesBack() throws {
        let bytes = try PartIndex.encode(Self.three)
        #expect(try PartIndex.decode(bytes[...], part: 9, start: 80, end: 237) == Self.three)
        let none = try PartIndex.encode([])
        #expect(try PartIndex.decode(none[...], part: 9, start: 80, end: 80).isEmpty)
    }

    @Test func extremeNumbersComeBack() throws {
        let entries = Self.entries([(0, .min, .max, 1, 1), (0, .min, .min, 1, 1), (.max, .max, .max, .max - 200, 1)])
        let bytes = try PartIndex.encode(entries)
        #expect(try PartIndex.decode(bytes[...], part: 9, start: 80, end: .max - 200 + 82) == entries)
    }

    @Test func seventeenThousandGroupsComeBack() throws {
        let many = Self.entries((0..<17_000).map { (UInt32($0 * 3), 1_000 + Int64($0 % 5), 9_000, 300, 120) })
        let bytes = try PartIndex.encode(many)
        #expect(bytes.count < 17_000 * 12)
        #expect(try PartIndex.decode(bytes[...], part: 9, start: 80, end: 80 + 17_000 * 300) == many)
    }

    @Test func whatIsOutOfOrderOrLeavesGapsIsRefused() {
        var swapped = Self.three
        swapped.swapAt(0, 2)
        var gap = Self.three
        gap[2].block.offset += 1
        var empty = Self.three
        empty[1].block.rows = 0
        var reversed = Self.three
        reversed[1].block.to = 0
        for wrong in [swapped, gap, empty, reversed] {
            #expect(throws: FormatError.self) { try PartIndex.encode(wrong) }
        }
    }

    @Test func aDirectoryThatDoesNotFitTheFileIsRefused() throws {
        let bytes = try PartIndex.encode(Self.three)
        for (start, end) in [(80, 236), (80, 238), (81, 237), (0, 10)] as [(UInt32, UInt32)] {
            #expect(throws: FormatError.self) { try PartIndex.decode(bytes[...], part: 9, start: start, end: end) }
        }
        for count in 0..<bytes.count {
            #expect(throws: FormatError.self) {
                try PartIndex.decode(bytes.prefix(count), part: 9, start: 80, end: 237)
            }
        }
        #expect(throws: FormatError.newerFormat(what: "a part's directory", version: 2, known: 1)) {
            try PartIndex.decode([2, 0], part: 9, start: 80, end: 80)
        }
    }

    /// Written down when the format was made: a change of these bytes is a change of the format and needs a version.
    @Test func theBytesOfFormatOneStayAsTheyAre() throws {
        let golden: [UInt8] = [
            1, 3,  // version, entries
            4, 0xd0, 0x0f, 0xe8, 0x07, 100, 120,  // group 4, from 1,000, 1,000 long, 100 bytes, 120 rows
            0, 0xe8, 0x07, 0xcc, 0x3a, 50, 1,  // the same group, 500 later, 7,500 long
            0x80, 0x07, 0xc1, 0x17, 0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 7, 0x80, 0x08,
        ]
        #expect(try PartIndex.encode(Self.three) == golden)
    }
}
