/// Which of the expected values did not come: one bit for each present series, 64 series to a word.
///
/// A series whose last two expectations held is likely to do so again, and one whose last two failed likely to fail. Of
/// either only the exceptions are named, as distances; of the others every bit is. A hot path: words, not series.
struct MissFlags: Sendable {
    /// Whether the last expectation failed, and the one before it.
    private var last: [UInt64] = []
    private var earlier: [UInt64] = []

    /// A new series has failed once.
    mutating func grow(words: Int, new: Range<Int>) {
        last.append(contentsOf: repeatElement(0, count: words - last.count))
        earlier.append(contentsOf: repeatElement(0, count: words - earlier.count))
        for ref in new { last[ref >> 6] |= 1 << UInt64(ref & 63) }
    }

    /// `misses` is a part of `present`.
    mutating func append(_ misses: [UInt64], present: [UInt64], to stream: inout BitWriter) {
        appendExceptions(to: &stream, present, misses) { last, earlier in ~(last | earlier) }
        appendExceptions(to: &stream, present, zip(present, misses).map { $0 & ~$1 }) { last, earlier in last & earlier
        }
        for word in present.indices {
            var open = present[word] & (last[word] ^ earlier[word])
            while open != 0 {
                let index = open.trailingZeroBitCount
                stream.append(misses[word] >> UInt64(index) & 1, 1)
                open &= open &- 1
            }
        }
        learn(misses, present)
    }

    /// Nil when the bits are no flags.
    mutating func read(present: [UInt64], from stream: inout BitReader) -> [UInt64]? {
        var misses = [UInt64](repeating: 0, count: present.count)
        guard readExceptions(from: &stream, present, &misses, { last, earlier in ~(last | earlier) }) else {
            return nil
        }
        var hits = [UInt64](repeating: 0, count: present.count)
        guard readExceptions(from: &stream, present, &hits, { last, earlier in last & earlier }) else { return nil }
        for word in present.indices {
            misses[word] |= present[word] & last[word] & earlier[word] & ~hits[word]
            var open = present[word] & (last[word] ^ earlier[word])
            guard open != 0 else { continue }
            let count = open.nonzeroBitCount
            var bits = stream.take(count)
            while open != 0 {
                misses[word] |= (bits & 1) << UInt64(open.trailingZeroBitCount)
                bits >>= 1
                open &= open &- 1
            }
        }
        learn(misses, present)
        return misses
    }

    private mutating func learn(_ misses: [UInt64], _ present: [UInt64]) {
        for word in present.indices {
            earlier[word] = earlier[word] & ~present[word] | last[word] & present[word]
            last[word] = last[word] & ~present[word] | misses[word]
        }
    }

    /// The order of the code for distances between `count` exceptions among `members`.
    private static func order(_ members: Int, _ count: Int) -> Int {
        let usual = members / (count + 1)
        return usual > 1 ? Int.bitWidth - 1 - usual.leadingZeroBitCount : 0
    }

    private func appendExceptions(
        to stream: inout BitWriter, _ present: [UInt64], _ marked: [UInt64], _ isMember: (UInt64, UInt64) -> UInt64
    ) {
        var members = 0
        var count = 0
        for word in present.indices {
            let own = present[word] & isMember(last[word], earlier[word])
            members += own.nonzeroBitCount
            count += (own & marked[word]).nonzeroBitCount
        }
        guard members > 0 else { return }
        stream.appendGolomb(UInt64(count), order: 1)
        let order = Self.order(members, count)
        var before = 0
        var next = 0
        for word in present.indices {
            let own = present[word] & isMember(last[word], earlier[word])
            var found = own & marked[word]
            while found != 0 {
                let rank = before + (own & (found & (0 &- found) &- 1)).nonzeroBitCount
                stream.appendGolomb(UInt64(rank - next), order: order)
                next = rank + 1
                found &= found &- 1
            }
            before += own.nonzeroBitCount
        }
    }

    private func readExceptions(
        from stream: inout BitReader, _ present: [UInt64], _ marked: inout [UInt64],
        _ isMember: (UInt64, UInt64) -> UInt64
    ) -> Bool {
        var members = 0
        for word in present.indices {
            members += (present[word] & isMember(last[word], earlier[word])).nonzeroBitCount
        }
        guard members > 0 else { return true }
        guard let coded = stream.takeGolomb(order: 1), coded <= UInt64(members) else { return false }
        let order = Self.order(members, Int(coded))
        var word = 0
        var own = present[0] & isMember(last[0], earlier[0])
        var left = members
        for _ in 0..<coded {
            guard let distance = stream.takeGolomb(order: order), distance < UInt64(left) else { return false }
            var skip = Int(distance)
            left -= skip + 1
            while skip >= own.nonzeroBitCount {
                skip -= own.nonzeroBitCount
                word += 1
                own = present[word] & isMember(last[word], earlier[word])
            }
            for _ in 0..<skip { own &= own &- 1 }
            marked[word] |= own & (0 &- own)
            own &= own &- 1
        }
        return true
    }
}
