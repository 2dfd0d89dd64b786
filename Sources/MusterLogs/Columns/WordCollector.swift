/// Which words a block holds, on their way into its filter: each different word once, and how long words are.
struct WordCollector {
    /// Different words that are counted; with more no filter would be small enough.
    static let limit = LogLimits.wordFilterBytes * 8 / 4

    private(set) var hashes: [UInt64] = []
    private(set) var lengths = WordLengths()
    /// The place in `hashes` plus one.
    private var places = [UInt32](repeating: 0, count: 1 << 13)
    private(set) var isFull = false

    mutating func reset() {
        hashes.removeAll(keepingCapacity: true)
        lengths = WordLengths()
        for place in places.indices { places[place] = 0 }
        isFull = false
    }

    /// A whole word, `kinds` the classes of its bytes.
    @inline(__always)
    mutating func insert(_ word: UnsafeRawPointer, _ count: Int, kinds: UInt8) {
        lengths.insert(count, hasDigits: kinds & ByteClass.digit != 0)
        guard unsafe WordRule.isIndexed(word, count, kinds: kinds), !isFull else { return }
        insert(hash: unsafe WordRule.hash(word, count))
    }

    private mutating func insert(hash: UInt64) {
        let mask = places.count &- 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while places[place] != 0 {
            if hashes[Int(places[place]) &- 1] == hash { return }
            place = (place &+ 1) & mask
        }
        hashes.append(hash)
        places[place] = UInt32(truncatingIfNeeded: hashes.count)
        isFull = hashes.count >= Self.limit
        if hashes.count &* 2 > places.count { grow() }
    }

    private mutating func grow() {
        places = [UInt32](repeating: 0, count: places.count * 2)
        let mask = places.count &- 1
        for (index, hash) in hashes.enumerated() {
            var place = Int(truncatingIfNeeded: hash) & mask
            while places[place] != 0 { place = (place &+ 1) & mask }
            places[place] = UInt32(truncatingIfNeeded: index &+ 1)
        }
    }

    /// Every word of some text.
    mutating func insert(wordsOf text: UnsafeRawBufferPointer, classes: UnsafePointer<UInt8>) {
        guard let base = text.baseAddress else { return }
        var index = 0
        while index < text.count {
            var kinds: UInt8 = 0
            let start = index
            while index < text.count {
                let kind = unsafe classes[Int(text[index])]
                guard kind & ByteClass.word != 0 else { break }
                kinds |= kind
                index &+= 1
            }
            if index > start { unsafe insert(base + start, index &- start, kinds: kinds) }
            index &+= 1
        }
    }
}

/// Which words a filter knows, and by which hash. Both sides, the filter's maker and the search, go by this.
enum WordRule {
    /// Letters alone.
    private static let letterFloor = 3
    /// With digits: shorter ones are counts, hours, parts of addresses and identifiers.
    private static let digitFloor = 5
    /// Digits and a `Z` up to this length are fractions of a second.
    private static let fractionCeiling = 10

    @inline(__always)
    static func isIndexed(_ word: UnsafeRawPointer, _ count: Int, kinds: UInt8) -> Bool {
        guard kinds & ByteClass.digit != 0 else { return count >= letterFloor }
        guard count >= digitFloor else { return false }
        guard kinds == ByteClass.digit | ByteClass.otherLetter, count <= fractionCeiling else { return true }
        return unsafe !isFraction(word, count)
    }

    private static func isFraction(_ word: UnsafeRawPointer, _ count: Int) -> Bool {
        guard unsafe word.load(fromByteOffset: count &- 1, as: UInt8.self) == 0x5a else { return false }
        for index in 0..<(count &- 1) {
            let byte = unsafe word.load(fromByteOffset: index, as: UInt8.self)
            if byte &- 0x30 >= 10 { return false }
        }
        return true
    }

    /// Bit 5 set in every byte makes ASCII letters lower case and costs others nothing but a rare false "perhaps".
    @inline(__always)
    static func hash(_ word: UnsafeRawPointer, _ count: Int) -> UInt64 {
        let fold: UInt64 = 0x2020_2020_2020_2020
        var hash: UInt64 = 0x51_7c_c1_b7_27_22_0a_95 ^ UInt64(truncatingIfNeeded: count)
        var index = 0
        while index &+ 8 <= count {
            let bytes = unsafe word.loadUnaligned(fromByteOffset: index, as: UInt64.self) | fold
            hash = (hash ^ bytes) &* 0x9e37_79b9_7f4a_7c15
            hash ^= hash >> 32
            index &+= 8
        }
        var rest: UInt64 = 0
        while index < count {
            rest = unsafe rest << 8 | UInt64(word.load(fromByteOffset: index, as: UInt8.self) | 0x20)
            index &+= 1
        }
        hash = (hash ^ rest) &* 0x9e37_79b9_7f4a_7c15
        return hash ^ hash >> 29
    }
}

/// The lengths that the words of a block have: a needle that is part of a word only fits into a longer one.
package struct WordLengths: Hashable, Sendable {
    /// Bit n: a word of n bytes; bit 63: of 63 or more.
    var letters: UInt64 = 0
    var withDigits: UInt64 = 0

    @inline(__always)
    mutating func insert(_ count: Int, hasDigits: Bool) {
        let bit = UInt64(1) << UInt64(min(count, 63))
        if hasDigits { withDigits |= bit } else { letters |= bit }
    }

    /// True when a word can hold a needle of this length without being it.
    func mayContain(longerThan count: Int, hasDigits: Bool) -> Bool {
        guard count < 63 else { return true }
        let longer = ~UInt64(0) << UInt64(count + 1)
        return (hasDigits ? withDigits : withDigits | letters) & longer != 0
    }
}
