import MusterModel
import MusterSeries
import Testing

/// Every value arrives to the bit, and the usual ones in few of them.
@Suite struct MetricValues {
    /// A series of values, each under its own seed.
    enum Shape: CaseIterable {
        case constant, counter, counterWithResets, sloped, wholes, negative, pages, kibibytes, sectors
        case decimals1, decimals2, decimals3, decimals4, decimals5, decimals6, decimals9
        case doubles, anyBits, nans, denormals, nearIntegerLimit, awkward, switching

        func values(_ count: Int, _ chance: inout Seeded) -> [UInt64] {
            var values: [UInt64] = []
            var sum = 0.0
            for index in 0..<count { values.append(next(index, &sum, &chance)) }
            return values
        }

        private func next(_ index: Int, _ sum: inout Double, _ chance: inout Seeded) -> UInt64 {
            let small = Double(Int.random(in: -9...9, using: &chance))
            switch self {
            case .constant: return 17.25.bitPattern
            case .counter: sum += Double(Int.random(in: 0...100, using: &chance))
            case .counterWithResets:
                sum = index % 37 == 36 ? 0 : sum + Double(Int.random(in: 0...1_000, using: &chance))
            case .sloped: sum += 100
            case .wholes: sum += small
            case .negative: sum -= 3 + small
            case .pages: sum += small * 4_096
            case .kibibytes: sum += small * 1_024
            case .sectors: sum += small * 512
            case .decimals1: return decimal(&sum, small, 10)
            case .decimals2: return decimal(&sum, small, 100)
            case .decimals3: return decimal(&sum, small, 1_000)
            case .decimals4: return decimal(&sum, small, 1e4)
            case .decimals5: return decimal(&sum, small, 1e5)
            case .decimals6: return decimal(&sum, small, 1e6)
            case .decimals9: return decimal(&sum, small, 1e9)
            case .doubles: return Double.random(in: -1...1, using: &chance).bitPattern
            case .anyBits: return chance.next()
            case .nans: return 0x7ff0_0000_0000_0000 | chance.next() & 0x800f_ffff_ffff_ffff
            case .denormals: return chance.next() & 0x800f_ffff_ffff_ffff
            case .nearIntegerLimit: return (0x1p53 + small).bitPattern
            case .awkward: return awkwardBits.randomElement(using: &chance) ?? 0
            case .switching:
                let shape = Shape.allCases.dropLast().randomElement(using: &chance) ?? .constant
                return shape.next(index, &sum, &chance)
            }
            return sum.bitPattern
        }

        private func decimal(_ sum: inout Double, _ step: Double, _ scale: Double) -> UInt64 {
            sum += step
            return (sum / scale).bitPattern
        }
    }

    private func send(_ columns: [[UInt64]]) throws -> (bytes: Int, isExact: Bool) {
        var stream = Stream()
        var bytes = 0
        var isExact = true
        for tick in 0..<(columns.first?.count ?? 0) {
            let expected = columns.map { $0[tick] }
            let ticks = try stream.tick(expected.enumerated().map { ($0.offset, Double(bitPattern: $0.element)) })
            isExact = isExact && ticks.count == 1 && ticks[0].bits == expected
            // The beginning is paid once.
            if tick >= 8 { bytes += stream.frames[0].count }
        }
        return (bytes, isExact)
    }

    @Test(arguments: Shape.allCases)
    func `values of every shape arrive to the bit`(shape: Shape) throws {
        var chance = Seeded(state: 5)
        #expect(try send((0..<40).map { _ in shape.values(300, &chance) }).isExact)
    }

    @Test func `every bit pattern survives behind every other`() throws {
        let pairs = awkwardBits.flatMap { first in awkwardBits.map { [first, $0, first, $0, $0] } }
        #expect(try send(pairs).isExact)
        var chance = Seeded(state: 1)
        #expect(try send((0..<60).map { _ in awkwardBits.shuffled(using: &chance) }).isExact)
    }

    /// Upper bounds of the bytes of a sample, header and flags included, over 100 ticks of 500 series.
    @Test(arguments: [
        (Shape.constant, 0.011), (.sloped, 0.02), (.counter, 1.05), (.counterWithResets, 1.55), (.wholes, 0.72),
        (.pages, 0.72), (.kibibytes, 0.72), (.sectors, 0.72), (.decimals1, 0.72), (.decimals3, 0.72),
        (.decimals6, 0.72), (.doubles, 8.2), (.anyBits, 8.75),
    ])
    func `a sample takes few bytes`(shape: Shape, most: Double) throws {
        var chance = Seeded(state: 3)
        let bytes = try send((0..<500).map { _ in shape.values(108, &chance) }).bytes
        #expect(Double(bytes) / 50_000 <= most)
    }

    /// A host: most series stand still, some count, and a few are read every tenth tick only.
    @Test func `a tick of a quiet host is small`() throws {
        var chance = Seeded(state: 9)
        var stream = Stream()
        var values = (0..<900).map { Double($0) * 1.5 }
        var bytes = 0
        var samples = 0
        for tick in 0..<200 {
            for moving in 0..<90 { values[moving * 10] += Double(Int.random(in: 0...20, using: &chance)) }
            let read = (0..<900).filter { $0 < 500 || ($0 / 50 + tick) % 10 == 0 }
            try stream.tick(read.map { ($0, values[$0]) })
            guard tick >= 40 else { continue }
            bytes += stream.frames[0].count
            samples += read.count
        }
        #expect(Double(bytes) / Double(samples) < 0.10)
    }

    @Test func `a tick in which nothing changes is a few bytes`() throws {
        var stream = Stream()
        let values = (0..<900).map { ($0, Double($0) * 1.5) }
        for _ in 0..<4 { try stream.tick(values) }
        #expect(stream.frames[0].count <= 4)
    }
}
