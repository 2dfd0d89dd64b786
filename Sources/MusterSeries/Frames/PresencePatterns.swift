/// Which series have a value in a tick. Collectors run every so many seconds, so the same patterns come again: the last
/// ones are remembered, by both ends, and a frame names one.
///
///     base         twice the number of a pattern, 1 more when refs are toggled; pattern 0 is every live series
///     toggled      count, then ranges of refs: each the distance from the one before, and its length - 1
///
/// A pattern with toggles is remembered in the place of the oldest. A new series is in all patterns, one that has ended
/// in none.
struct PresencePatterns: Sendable {
    static let remembered = 15

    private var patterns: [[UInt64]] = []
    private var oldest = 0

    mutating func grow(words: Int, new: Range<Int>) {
        for index in patterns.indices {
            patterns[index].append(contentsOf: repeatElement(0, count: words - patterns[index].count))
            for ref in new { patterns[index][ref >> 6] |= 1 << UInt64(ref & 63) }
        }
    }

    /// `present` is a part of `live`.
    mutating func append(_ present: [UInt64], live: [UInt64], to bytes: inout [UInt8]) {
        var best = 0
        var least = Self.difference(present, live, live)
        for index in patterns.indices where least > 0 {
            let difference = Self.difference(present, patterns[index], live)
            if difference < least { (best, least) = (index + 1, difference) }
        }
        Varint.append(UInt64(2 * best + (least > 0 ? 1 : 0)), to: &bytes)
        guard least > 0 else { return }
        let base = best == 0 ? live : patterns[best - 1]
        let ranges = Self.ranges(live.indices.map { (base[$0] ^ present[$0]) & live[$0] })
        Varint.append(UInt64(ranges.count), to: &bytes)
        var end = 0
        for range in ranges {
            Varint.append(UInt64(range.lowerBound - end), to: &bytes)
            Varint.append(UInt64(range.count - 1), to: &bytes)
            end = range.upperBound
        }
        remember(present)
    }

    mutating func read(
        _ bytes: Span<UInt8>, at position: inout Int, live: [UInt64], refs: Int
    ) throws(MetricFrameError) -> [UInt64] {
        guard let base = Varint.read(bytes, at: &position) else { throw .truncated("the presence") }
        guard base / 2 <= UInt64(patterns.count) else { throw .malformed("a pattern of presence is unknown") }
        var present = live
        if base >= 2 {
            let pattern = patterns[Int(base / 2) - 1]
            for word in live.indices { present[word] = pattern[word] & live[word] }
        }
        guard base % 2 == 1 else { return present }
        guard let count = Varint.read(bytes, at: &position) else { throw .truncated("the presence") }
        var end = 0
        for _ in 0..<min(count, UInt64(refs) + 1) {
            guard let distance = Varint.read(bytes, at: &position), let more = Varint.read(bytes, at: &position) else {
                throw .truncated("the presence")
            }
            guard distance < UInt64(refs - end), more < UInt64(refs - end) - distance else {
                throw .malformed("a toggled series is unknown")
            }
            let start = end + Int(distance)
            end = start + Int(more) + 1
            for ref in start..<end { present[ref >> 6] ^= 1 << UInt64(ref & 63) & live[ref >> 6] }
        }
        remember(present)
        return present
    }

    private mutating func remember(_ present: [UInt64]) {
        if patterns.count < Self.remembered {
            patterns.append(present)
        } else {
            patterns[oldest] = present
            oldest = (oldest + 1) % Self.remembered
        }
    }

    private static func difference(_ a: [UInt64], _ b: [UInt64], _ live: [UInt64]) -> Int {
        var difference = 0
        for word in live.indices { difference += ((a[word] ^ b[word]) & live[word]).nonzeroBitCount }
        return difference
    }

    /// The runs of set bits.
    private static func ranges(_ words: [UInt64]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for (index, word) in words.enumerated() {
            var left = word
            while left != 0 {
                let start = left.trailingZeroBitCount
                let length = (~(left >> UInt64(start))).trailingZeroBitCount
                let range = (64 * index + start)..<(64 * index + start + min(length, 64 - start))
                if let last = ranges.last, last.upperBound == range.lowerBound {
                    ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
                } else {
                    ranges.append(range)
                }
                left = start + length >= 64 ? 0 : left & ~(1 << UInt64(start + length) &- 1)
            }
        }
        return ranges
    }
}
