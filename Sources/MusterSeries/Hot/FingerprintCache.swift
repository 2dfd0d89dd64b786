/// From the bytes of a series' labels, as they stand in a message, to the series: a sender spells a series the same way
/// every time, so one hash and one look replace the reading of ten labels. The hash has 128 bits and a secret key,
/// hence nobody can make two spellings that are taken for one.
///
/// Entries of forgotten series are passed over and leave when the table is rebuilt.
package struct FingerprintCache: Sendable {
    /// Spellings for each series; more senders than these spell it differently only by mistake.
    package static let spellingsPerSeries = 2
    private static let leastBits = 8
    private static let entryWords = 3

    /// Three words for each place: low, high, series as `birth << 32 | number`; birth 0 is free.
    private var words: [UInt64]
    private var bits = leastBits
    package private(set) var count = 0

    package init() { words = Self.empty(bits: Self.leastBits) }

    private static func empty(bits: Int) -> [UInt64] { [UInt64](repeating: 0, count: entryWords << bits) }

    @inline(__always) private var mask: Int { 1 << bits - 1 }

    package func series(of key: Fingerprint) -> SeriesRef? {
        var slot = Int(truncatingIfNeeded: key.low) & mask
        while true {
            let at = slot * Self.entryWords
            let series = words[at + 2]
            guard series != 0 else { return nil }
            if words[at] == key.low, words[at + 1] == key.high {
                return SeriesRef(
                    number: UInt32(truncatingIfNeeded: series), birth: UInt32(truncatingIfNeeded: series >> 32))
            }
            slot = (slot + 1) & mask
        }
    }

    /// `series(of:)` for many. A table of this size is seldom in the processor's cache, so the places are touched
    /// first, for the waits to overlap.
    package func series(of keys: Span<Fingerprint>, _ body: (SeriesRef?) -> Void) {
        var start = 0
        while start < keys.count {
            let end = min(start + 16, keys.count)
            var touched: UInt64 = 0
            for index in start..<end {
                let at = (Int(truncatingIfNeeded: keys[index].low) & mask) * Self.entryWords
                // Both ends: an entry may lie across two lines of the cache.
                touched |= words[at] | words[at + 2]
            }
            // 0 only when none of the places is taken.
            for index in start..<end { body(touched == 0 ? nil : series(of: keys[index])) }
            start = end
        }
    }

    /// Notes a series under a spelling. `table` says which entries are worth keeping when room is needed.
    package mutating func insert(_ key: Fingerprint, _ ref: SeriesRef, table: SeriesTable) {
        guard table.record(of: ref) != nil else { return }
        if count >= (1 << bits) / 10 * 7 { rebuild(table) }
        place(key.low, key.high, UInt64(ref.birth) << 32 | UInt64(ref.number))
    }

    private mutating func place(_ low: UInt64, _ high: UInt64, _ series: UInt64) {
        var slot = Int(truncatingIfNeeded: low) & mask
        while words[slot * Self.entryWords + 2] != 0 {
            let at = slot * Self.entryWords
            if words[at] == low, words[at + 1] == high {
                words[at + 2] = series
                return
            }
            slot = (slot + 1) & mask
        }
        words[slot * Self.entryWords] = low
        words[slot * Self.entryWords + 1] = high
        words[slot * Self.entryWords + 2] = series
        count += 1
    }

    /// Leaves out what was forgotten and takes the size that fits; starts afresh when there are too many spellings.
    package mutating func rebuild(_ table: SeriesTable) {
        let old = words
        let live = stride(from: 0, to: old.count, by: Self.entryWords).filter { Self.isLive(old[$0 + 2], table) }
        let isOver = live.count > table.count * Self.spellingsPerSeries + 1 << Self.leastBits
        let kept = isOver ? [] : live
        bits = Self.leastBits
        while kept.count >= (1 << bits) / 10 * 5 { bits += 1 }
        words = Self.empty(bits: bits)
        count = 0
        for at in kept { place(old[at], old[at + 1], old[at + 2]) }
    }

    private static func isLive(_ series: UInt64, _ table: SeriesTable) -> Bool {
        series != 0
            && table.record(
                of: SeriesRef(
                    number: UInt32(truncatingIfNeeded: series), birth: UInt32(truncatingIfNeeded: series >> 32))) != nil
    }

    /// Gives back storage after many series were forgotten.
    package mutating func trim(_ table: SeriesTable) {
        if bits > Self.leastBits, count > 4 * table.count + 1 << Self.leastBits { rebuild(table) }
    }

    package var bytes: Int { words.capacity * 8 }
}
