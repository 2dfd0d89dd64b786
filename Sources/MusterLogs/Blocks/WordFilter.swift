import MusterModel

/// Which words a block may hold: a Bloom filter of some ten bits a word, probed at six places, and the lengths of all
/// words. It says "certainly not" or "perhaps"; the coordinator uses it only to skip blocks.
///
/// Bytes: lengths of words of letters and of words with digits (varints, a bit for each length), length of the filter,
/// its bytes. No bytes: the block knows nothing of its words (none of them is indexed, or they were too many).
package struct WordFilter: Hashable, Sendable {
    private static let bitsPerWord = 10
    private static let probes = 6

    package var lengths: WordLengths
    /// Empty when there is no word to find, or too many to tell.
    package var bits: [UInt8]
    /// False when there were too many words: then an empty filter says "perhaps".
    private(set) var isKnown: Bool

    /// A filter that says "perhaps" to everything.
    package static let unknown = WordFilter(lengths: WordLengths(letters: .max, withDigits: .max), bits: [], false)

    private init(lengths: WordLengths, bits: [UInt8], _ isKnown: Bool) {
        self.lengths = lengths
        self.bits = bits
        self.isKnown = isKnown
    }

    init(_ words: WordCollector) {
        guard !words.isFull else {
            self.init(lengths: words.lengths, bits: [], false)
            return
        }
        let size = min(LogLimits.wordFilterBytes, (words.hashes.count * Self.bitsPerWord + 7) / 8)
        var bits = [UInt8](repeating: 0, count: size)
        for hash in words.hashes {
            Self.forEachPlace(hash, bits: size * 8) { place in bits[place >> 3] |= 1 << UInt8(place & 7) }
        }
        self.init(lengths: words.lengths, bits: bits, true)
    }

    @inline(__always)
    private static func forEachPlace(_ hash: UInt64, bits: Int, _ body: (Int) -> Void) {
        var low = UInt32(truncatingIfNeeded: hash)
        let step = UInt32(truncatingIfNeeded: hash >> 32) | 1
        for _ in 0..<probes {
            body(Int(truncatingIfNeeded: (UInt64(low) &* UInt64(bits)) >> 32))
            low = low &+ step
        }
    }

    /// False when no line of the block can hold the word.
    package func mayContain(_ word: NeedleWord) -> Bool {
        Self.mayContain(word, lengths: lengths, isKnown, bits[...])
    }

    /// The same for a filter whose parts are kept apart.
    @inline(__always)
    static func mayContain(
        _ word: NeedleWord, lengths: WordLengths, _ isKnown: Bool, _ bits: ArraySlice<UInt8>
    ) -> Bool {
        if !word.isWhole, lengths.mayContain(longerThan: word.length, hasDigits: word.hasDigits) { return true }
        guard isKnown else { return true }
        let start = bits.startIndex
        var isHere = !bits.isEmpty
        forEachPlace(word.hash, bits: bits.count * 8) { place in
            if isHere, bits[start &+ (place >> 3)] & 1 << UInt8(place & 7) == 0 { isHere = false }
        }
        return isHere
    }

    init(reading cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        let lengths = WordLengths(
            letters: try cursor.varint("word lengths"), withDigits: try cursor.varint("word lengths"))
        let shape = try cursor.count("word filter", limit: LogLimits.wordFilterBytes + 1)
        self.init(
            lengths: lengths, bits: shape > 0 ? Array(try cursor.slice(shape - 1, "word filter")) : [], shape > 0)
    }

    func append(to bytes: inout [UInt8]) {
        bytes.appendVarint(lengths.letters)
        bytes.appendVarint(lengths.withDigits)
        bytes.appendVarint(isKnown ? UInt64(bits.count + 1) : 0)
        bytes += bits
    }
}

/// A word of a needle that a filter can be asked for.
package struct NeedleWord: Hashable, Sendable {
    let hash: UInt64
    let length: Int
    let hasDigits: Bool
    /// The needle says that the word begins and ends here. Otherwise it may be a part of a longer word.
    let isWhole: Bool

    /// The words of a needle that filters know. `startsAtBoundary`, `endsAtBoundary`: whatever stands before or behind
    /// the needle is no part of a word.
    package static func words(
        in needle: [UInt8], startsAtBoundary: Bool = false, endsAtBoundary: Bool = false
    ) -> [NeedleWord] {
        var words: [NeedleWord] = []
        unsafe needle.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            var index = 0
            while index < bytes.count {
                let start = index
                var kinds: UInt8 = 0
                while index < bytes.count {
                    let kind = unsafe ByteClass.table[Int(bytes[index])]
                    guard kind & ByteClass.word != 0 else { break }
                    kinds |= kind
                    index += 1
                }
                if index > start, unsafe WordRule.isIndexed(base + start, index - start, kinds: kinds) {
                    let isWhole =
                        (start > 0 || startsAtBoundary) && (index < bytes.count || endsAtBoundary)
                    words.append(
                        NeedleWord(
                            hash: unsafe WordRule.hash(base + start, index - start), length: index - start,
                            hasDigits: kinds & ByteClass.digit != 0, isWhole: isWhole))
                }
                index += 1
            }
        }
        return words
    }
}
