import MusterModel

/// Which words a block may hold: a Bloom filter over lower-cased runs of letters, digits and bytes from 0x80, two bits
/// per word. It says "certainly not" or "perhaps"; the coordinator uses it only to skip blocks.
package struct TokenFilter: Equatable, Sendable {
    /// A power of two of bits, 512 to `LogLimits.tokenFilterBytes * 8`, little-endian words.
    let words: [UInt64]

    init(words: [UInt64]) { self.words = words }

    /// Nil when the size is no power of two or out of range.
    init?(bytes: ArraySlice<UInt8>) {
        guard (64...LogLimits.tokenFilterBytes).contains(bytes.count), bytes.count & (bytes.count - 1) == 0 else {
            return nil
        }
        var words: [UInt64] = []
        words.reserveCapacity(bytes.count / 8)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            var word: UInt64 = 0
            for byte in bytes[index..<index + 8].reversed() { word = word << 8 | UInt64(byte) }
            words.append(word)
            index += 8
        }
        self.words = words
    }

    var byteCount: Int { words.count * 8 }

    func append(to bytes: inout [UInt8]) {
        for word in words {
            for shift in stride(from: UInt64(0), to: 64, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
    }

    /// False when no line of the block holds a word with this hash.
    package func mayContain(_ token: TokenHash) -> Bool {
        let mask = words.count &* 64 &- 1
        let a = Int(truncatingIfNeeded: token.value) & mask
        let b = Int(truncatingIfNeeded: token.value >> 32) & mask
        return words[a >> 6] >> UInt64(a & 63) & 1 == 1 && words[b >> 6] >> UInt64(b & 63) & 1 == 1
    }
}

/// The hash of one word as the filter knows it.
package struct TokenHash: Hashable, Sendable {
    let value: UInt64

    private static let seed: UInt64 = 0xcbf2_9ce4_8422_2325
    private static let prime: UInt64 = 0x0000_0100_0000_01b3

    /// The words that every line containing `needle` must hold: those which the needle itself delimits on both sides.
    /// `"a timeout in"` gives `timeout`, because `a` and `in` may be parts of longer words.
    package static func words(inside needle: [UInt8]) -> [TokenHash] {
        var found: [TokenHash] = []
        var start: Int?
        for (index, byte) in needle.enumerated() {
            if folded(byte) != 0 {
                start = start ?? index
            } else {
                if let from = start, from > 0, index - from >= LogLimits.tokenFloorBytes {
                    found.append(TokenHash(needle[from..<index]))
                }
                start = nil
            }
        }
        return found
    }

    init(_ token: ArraySlice<UInt8>) {
        var hash = Self.seed
        for byte in token { hash = Self.step(hash, Self.folded(byte)) }
        value = Self.finished(hash)
    }

    fileprivate init(value: UInt64) { self.value = value }

    /// The lower-cased byte when it belongs to a word, else 0.
    @inline(__always)
    fileprivate static func folded(_ byte: UInt8) -> UInt8 {
        let lower = byte | 0x20
        if lower &- 0x61 < 26 { return byte < 0x80 ? lower : byte }
        if byte &- 0x30 < 10 || byte >= 0x80 { return byte }
        return 0
    }

    @inline(__always)
    fileprivate static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* prime }

    @inline(__always)
    fileprivate static func finished(_ hash: UInt64) -> UInt64 {
        let mixed = (hash ^ hash >> 32) &* 0x9e37_79b9_7f4a_7c15
        return mixed ^ mixed >> 29
    }

    fileprivate static var start: UInt64 { seed }
}

/// Collects the words of a block. Once half the bits are set the filter would say "perhaps" to everything: it stops
/// looking, which is also what bounds its cost on lines full of numbers.
struct TokenFilterBuilder {
    private static let wordCount = LogLimits.tokenFilterBytes / 8

    private var words = [UInt64](repeating: 0, count: TokenFilterBuilder.wordCount)
    private var setBits = 0
    private(set) var isSaturated = false

    mutating func reset() {
        for index in words.indices { words[index] = 0 }
        setBits = 0
        isSaturated = false
    }

    mutating func insert(wordsOf line: UnsafeRawBufferPointer) {
        guard !isSaturated else { return }
        var hash = TokenHash.start
        var length = 0
        for index in 0..<line.count {
            let byte = unsafe TokenHash.folded(line[index])
            if byte != 0 {
                hash = TokenHash.step(hash, byte)
                length &+= 1
            } else if length > 0 {
                if length >= LogLimits.tokenFloorBytes { insert(TokenHash.finished(hash)) }
                hash = TokenHash.start
                length = 0
            }
        }
        if length >= LogLimits.tokenFloorBytes { insert(TokenHash.finished(hash)) }
        isSaturated = setBits > LogLimits.tokenFilterBytes * 4
    }

    @inline(__always)
    private mutating func insert(_ hash: UInt64) {
        let mask = Self.wordCount &* 64 &- 1
        mark(Int(truncatingIfNeeded: hash) & mask)
        mark(Int(truncatingIfNeeded: hash >> 32) & mask)
    }

    @inline(__always)
    private mutating func mark(_ bit: Int) {
        let word = words[bit >> 6]
        let marked = word | 1 << UInt64(bit & 63)
        if marked != word {
            words[bit >> 6] = marked
            setBits &+= 1
        }
    }

    /// The filter, folded to the smallest size at which at most half of its bits are set; nil when it is saturated.
    func finished() -> TokenFilter? {
        guard !isSaturated else { return nil }
        var folded = words
        while folded.count > 8 {
            let half = folded.count / 2
            let next = (0..<half).map { folded[$0] | folded[$0 + half] }
            guard next.reduce(0, { $0 + $1.nonzeroBitCount }) * 2 <= half * 64 else { break }
            folded = next
        }
        return TokenFilter(words: folded)
    }
}
