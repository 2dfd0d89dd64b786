/// A set of small numbers as bits.
package struct NumberSet: Sendable {
    private var words: [UInt64]

    /// For numbers below `limit`.
    package init(limit: Int) { words = [UInt64](repeating: 0, count: (limit + 63) >> 6) }

    @inline(__always)
    package func contains(_ number: UInt32) -> Bool {
        let index = Int(number >> 6)
        return index < words.count && words[index] >> UInt64(number & 63) & 1 == 1
    }

    /// The number is below the limit.
    @inline(__always)
    package mutating func insert(_ number: UInt32) { words[Int(number >> 6)] |= 1 << UInt64(number & 63) }

    /// True when it was not there before.
    @inline(__always)
    package mutating func inserting(_ number: UInt32) -> Bool {
        guard !contains(number) else { return false }
        insert(number)
        return true
    }

    /// Ascending.
    package var numbers: [UInt32] {
        var found: [UInt32] = []
        for (index, word) in words.enumerated() {
            var left = word
            while left != 0 {
                found.append(UInt32(index << 6 + left.trailingZeroBitCount))
                left &= left - 1
            }
        }
        return found
    }
}
