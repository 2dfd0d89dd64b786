/// What both ends of a stream know of the values of an epoch, by ref. A hot path: one pass over flat arrays, 64 refs to
/// a word.
struct MetricColumn: Sendable {
    private(set) var refs = 0
    /// Refs without an end.
    private(set) var live: [UInt64] = []
    private(set) var liveCount = 0
    private var sloped: [UInt64] = []
    /// The bits that come next when nothing is said; at first those of 0.0.
    private var expected: [UInt64] = []
    private var models: [ValueModel] = []
    private var flags = MissFlags()
    private var patterns = PresencePatterns()

    /// The next `count` refs.
    mutating func define(_ count: Int) {
        guard count > 0 else { return }
        let new = refs..<(refs + count)
        refs += count
        liveCount += count
        let words = (refs + 63) / 64
        live.append(contentsOf: repeatElement(0, count: words - live.count))
        sloped.append(contentsOf: repeatElement(0, count: words - sloped.count))
        for ref in new { live[ref >> 6] |= 1 << UInt64(ref & 63) }
        expected.append(contentsOf: repeatElement(0, count: count))
        models.append(contentsOf: repeatElement(ValueModel(), count: count))
        flags.grow(words: words, new: new)
        patterns.grow(words: words, new: new)
    }

    func isLive(_ ref: Int) -> Bool { ref < refs && live[ref >> 6] >> UInt64(ref & 63) & 1 == 1 }

    /// False when the ref is not live.
    mutating func end(_ ref: Int) -> Bool {
        guard ref >= 0, isLive(ref) else { return false }
        live[ref >> 6] &= ~(1 << UInt64(ref & 63))
        liveCount -= 1
        return true
    }

    // MARK: Out

    /// Appends presence and column. `present`: live refs; `values`: bit patterns by ref.
    mutating func append(present: [UInt64], values: [UInt64], to bytes: inout [UInt8]) {
        patterns.append(present, live: live, to: &bytes)
        var misses = [UInt64](repeating: 0, count: present.count)
        for word in present.indices {
            var left = present[word]
            while left != 0 {
                let index = left.trailingZeroBitCount
                if expected[64 * word + index] != values[64 * word + index] { misses[word] |= 1 << UInt64(index) }
                left &= left &- 1
            }
        }
        var stream = BitWriter(bytes)
        flags.append(misses, present: present, to: &stream)
        for word in present.indices {
            var left = misses[word] | present[word] & sloped[word]
            while left != 0 {
                let index = left.trailingZeroBitCount
                let ref = 64 * word + index
                if misses[word] >> UInt64(index) & 1 == 0 {
                    models[ref].moved()
                } else {
                    models[ref].append(values[ref], expected: expected[ref], to: &stream)
                }
                expect(ref, after: values[ref])
                left &= left &- 1
            }
        }
        bytes = stream.finished()
    }

    // MARK: In

    /// Reads what `append` wrote, to the end of the bytes. After an error the column is of no more use.
    mutating func read(
        _ bytes: [UInt8], at start: Int
    ) throws(MetricFrameError) -> (refs: [UInt32], bits: [UInt64]) {
        var position = start
        let present = try patterns.read(bytes.span, at: &position, live: live, refs: refs)
        var stream = BitReader(bytes.span, at: position)
        guard let misses = flags.read(present: present, from: &stream) else {
            throw stream.isOverrun ? .truncated("the flags") : .malformed("the flags make no sense")
        }
        let count = present.reduce(0) { $0 + $1.nonzeroBitCount }
        var refs = [UInt32](repeating: 0, count: count)
        var bits = [UInt64](repeating: 0, count: count)
        var refSpan = refs.mutableSpan
        var bitSpan = bits.mutableSpan
        Self.list(present, expected.span, &refSpan, &bitSpan)
        guard readMisses(misses, present, &stream, &bitSpan) else {
            throw stream.isOverrun ? .truncated("the values") : .malformed("a value makes no sense")
        }
        guard !stream.isOverrun else { throw .truncated("the values") }
        guard stream.isAtEnd else { throw .malformed("bytes follow its end") }
        return (refs, bits)
    }

    /// Every present ref with what is expected of it.
    private static func list(
        _ present: [UInt64], _ expected: Span<UInt64>, _ refs: inout MutableSpan<UInt32>,
        _ bits: inout MutableSpan<UInt64>
    ) {
        var next = 0
        for word in present.indices {
            var left = present[word]
            while left != 0 {
                let ref = 64 * word + left.trailingZeroBitCount
                refs[next] = UInt32(truncatingIfNeeded: ref)
                bits[next] = expected[ref]
                next += 1
                left &= left &- 1
            }
        }
    }

    /// Puts right the values that did not come as expected, and what is expected next. False when a value makes no
    /// sense.
    private mutating func readMisses(
        _ misses: [UInt64], _ present: [UInt64], _ stream: inout BitReader, _ bits: inout MutableSpan<UInt64>
    ) -> Bool {
        var before = 0
        for word in present.indices {
            var left = misses[word] | present[word] & sloped[word]
            while left != 0 {
                let lowest = left & (0 &- left)
                let ref = 64 * word + left.trailingZeroBitCount
                if misses[word] & lowest == 0 {
                    models[ref].moved()
                    expect(ref, after: expected[ref])
                } else {
                    guard let read = models[ref].read(expected: expected[ref], from: &stream) else { return false }
                    bits[before + (present[word] & (lowest &- 1)).nonzeroBitCount] = read
                    expect(ref, after: read)
                }
                left &= left &- 1
            }
            before += present[word].nonzeroBitCount
        }
        return true
    }

    @inline(__always)
    private mutating func expect(_ ref: Int, after bits: UInt64) {
        let mask: UInt64 = 1 << UInt64(ref & 63)
        if models[ref].isSloped {
            sloped[ref >> 6] |= mask
            expected[ref] = models[ref].expectedBits(last: bits)
        } else {
            sloped[ref >> 6] &= ~mask
            expected[ref] = bits
        }
    }
}
