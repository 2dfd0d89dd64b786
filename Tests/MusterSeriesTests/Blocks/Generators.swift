import MusterModel
import MusterSeries

/// Rows for the tests of the formats at rest; the same seed gives the same rows.
enum SampleRows {
    /// What a quiet host's files under `/proc` give: of 64 series 51 stand still, the others are counters, gauges with
    /// decimals, memory in whole pages and one value with all its digits.
    static func quietHost(rows: Int, step: Int64 = 1_000, seed: UInt64 = 7) -> BlockRows {
        var generator = Seeded(state: seed)
        var level = (0..<64).map { _ in Double(Int.random(in: 0...5_000_000, using: &generator)) }
        var result = BlockRows()
        for row in 0..<rows {
            for slot in 51..<64 {
                switch slot {
                case 51..<56: level[slot] += Double(Int.random(in: 0...40, using: &generator))
                case 56..<58: level[slot] += Double(Int.random(in: 0...1_500, using: &generator))
                case 58..<60:
                    level[slot] =
                        ((level[slot] * 100).rounded() + Double.random(in: 0...9, using: &generator).rounded())
                        / 100
                case 60..<62: level[slot] += Double(Int.random(in: -3...3, using: &generator) * 4_096)
                case 62: level[slot] = Double(Int.random(in: 0...400, using: &generator)) / 100
                default: level[slot] = 20 + Double.random(in: 0..<1, using: &generator) / 3
                }
            }
            result.append(
                time: 1_700_000_000_000 + Int64(row) * step, mask: .max, values: level.map(\.bitPattern))
        }
        return result
    }

    /// Anything that is allowed: irregular times, changing masks, awkward values between ordinary ones.
    static func wild(_ generator: inout Seeded, maxRows: Int = 40) -> BlockRows {
        var result = BlockRows()
        var time = Int64.random(in: -1_000_000...1_700_000_000_000, using: &generator)
        let usual = UInt64.random(in: 1 ... .max, using: &generator)
        let kinds = (0..<64).map { _ in Int.random(in: 0..<6, using: &generator) }
        var last = [Double](repeating: 0, count: 64)
        for _ in 0..<Int.random(in: 1...maxRows, using: &generator) {
            time += Bool.random(using: &generator) ? 1_000 : Int64.random(in: 1...9_999, using: &generator)
            let mask =
                Int.random(in: 0..<4, using: &generator) > 0 ? usual : UInt64.random(in: 1 ... .max, using: &generator)
            var values: [UInt64] = []
            for slot in 0..<64 where mask >> UInt64(slot) & 1 == 1 {
                values.append(value(kinds[slot], &last[slot], &generator))
            }
            result.append(time: time, mask: mask, values: values)
        }
        return result
    }

    private static func value(_ kind: Int, _ last: inout Double, _ generator: inout Seeded) -> UInt64 {
        if Int.random(in: 0..<30, using: &generator) == 0 {
            return awkwardBits[Int.random(in: 0..<awkwardBits.count, using: &generator)]
        }
        switch kind {
        case 0: return 42.0.bitPattern
        case 1: last += Double(Int.random(in: 0...1_000, using: &generator))
        case 2: last = Double(Int.random(in: -99_999...99_999, using: &generator)) / 1_000
        case 3: last += 15
        case 4: last = Double.random(in: -1e9...1e9, using: &generator)
        default: return UInt64.random(in: 0 ... .max, using: &generator)
        }
        return last.bitPattern
    }

    /// One slot with these values, a second apart.
    static func column(_ bits: [UInt64], slot: Int = 3) -> BlockRows {
        var rows = BlockRows()
        for (row, value) in bits.enumerated() {
            rows.append(time: Int64(row) * 1_000, mask: 1 << UInt64(slot), values: [value])
        }
        return rows
    }
}

extension BlockRows {
    /// Row by row: what a selection of slots leaves.
    func selecting(_ slots: UInt64) -> BlockRows {
        var result = BlockRows()
        var next = 0
        for row in times.indices {
            var kept: [UInt64] = []
            for slot in 0..<64 where masks[row] >> UInt64(slot) & 1 == 1 {
                if slots >> UInt64(slot) & 1 == 1 { kept.append(values[next]) }
                next += 1
            }
            if !kept.isEmpty { result.append(time: times[row], mask: masks[row] & slots, values: kept) }
        }
        return result
    }
}

/// Changes bytes as a disk or a bad memory would: flipped bits, other bytes, cuts, doubled and swapped pieces.
func mutated(_ bytes: [UInt8], _ generator: inout Seeded) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        case 1: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 2: bytes[place] = [0, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
        case 3: bytes.removeLast(bytes.count - place)
        case 4: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
        default: bytes.swapAt(place, Int.random(in: 0..<bytes.count, using: &generator))
        }
    }
    return bytes
}
