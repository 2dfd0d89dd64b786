/// What values are counted in, coarse to fine: pages, KiB and sectors of bytes, wholes, and decimals down to 10^-9. A
/// value is in a unit when the arithmetic of the reader, one division, gives its very bits.
enum ValueUnit {
    /// For values that are in none; they travel bit by bit.
    static let raw: UInt8 = 15
    static let count: UInt8 = 13
    private static let divisors: [Double] = [
        0x1p-12, 0x1p-10, 0x1p-9, 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
    ]
    /// How many of each unit make one of the unit before.
    private static let steps: [Int64] = [1, 4, 2, 512, 10, 10, 10, 10, 10, 10, 10, 10, 10]

    /// The numbers of units stay below it: there a double holds every whole number.
    static let bound: Int64 = 1 << 53

    @inline(__always)
    static func isInRange(_ number: Int64) -> Bool { number > -bound && number < bound }

    /// `unit` below `count`, `number` in range.
    @inline(__always)
    static func bits(_ number: Int64, _ unit: UInt8) -> UInt64 {
        (Double(number) / divisors[Int(unit)]).bitPattern
    }

    /// How many of `unit` (below `count`) the value is, nil when it is not in that unit.
    @inline(__always)
    static func number(_ bits: UInt64, _ unit: UInt8) -> Int64? {
        let scaled = (Double(bitPattern: bits) * divisors[Int(unit)]).rounded()
        guard scaled.magnitude < 0x1p53 else { return nil }
        let number = Int64(scaled)
        return Self.bits(number, unit) == bits ? number : nil
    }

    /// The coarsest unit finer than `unit` that the value is in; `raw` when it is in none.
    static func finer(than unit: UInt8, _ bits: UInt64) -> UInt8 {
        var next = unit + 1
        while next < count {
            if number(bits, next) != nil { return next }
            next += 1
        }
        return raw
    }

    static func coarsest(_ bits: UInt64) -> UInt8 { number(bits, 0) != nil ? 0 : finer(than: 0, bits) }

    /// A number of `unit` in a finer one; 0 when it leaves the range.
    static func refined(_ number: Int64, from unit: UInt8, to finer: UInt8) -> Int64 {
        var refined = number
        for step in steps[Int(unit) + 1...Int(finer)] {
            let (product, overflow) = refined.multipliedReportingOverflow(by: step)
            guard !overflow, isInRange(product) else { return 0 }
            refined = product
        }
        return refined
    }
}
