/// Templates as they stand in a block: their lengths and bytes, or, when they are many, words by number.
///
/// Bytes: 0, lengths (`NumberColumn`), bytes. Or 1, the number of different words, their lengths and bytes, then the
/// codes of every template, each ended by a 0. A word is a run of letters (`_` is one) or a run of other bytes; a
/// single space between two runs of letters is left out. Code n is word n - 1, the most frequent first: one byte below
/// `shortCodes`, then two and three bytes.
enum TemplateList {
    /// Bytes of templates from which on words get numbers.
    private static let codedFloor = 4_096
    private static let shortCodes = 192
    private static let mediumCodes = shortCodes + 63 * 256
    private static let codes = mediumCodes + 65_536

    /// Gives pieces of `texts` that have every word in them at least once.
    static func append(_ texts: [UInt8], _ templates: [Piece], to out: inout [UInt8]) -> [Piece] {
        if texts.count >= codedFloor, let words = appendCoded(texts, templates, to: &out) { return words }
        out.append(0)
        NumberColumn.append(templates.map { Int64($0.count) }, to: &out)
        out += texts
        return templates
    }

    /// What `ByteClass` calls a letter, so that a run of them is a whole word.
    @inline(__always)
    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 &- 0x61 < 26 || byte >= 0x80 || byte == 0x5f
    }

    /// The different words; nil, and nothing appended, when they are more than there are codes.
    private static func appendCoded(
        _ texts: [UInt8], _ templates: [Piece], to out: inout [UInt8]
    ) -> [Piece]? {
        var table = WordNumbers()
        var numbers: [UInt32] = []
        numbers.reserveCapacity(texts.count / 5)
        let end = UInt32.max
        unsafe texts.withUnsafeBytes { bytes in
            for template in templates {
                var index = template.lower
                while index < template.upper {
                    let start = index
                    let isWord = unsafe isLetter(bytes[index])
                    index &+= 1
                    while index < template.upper, unsafe isLetter(bytes[index]) == isWord { index &+= 1 }
                    let isGap =
                        unsafe !isWord && index &- start == 1 && bytes[start] == 0x20
                        && start > template.lower && index < template.upper
                    if isGap { continue }
                    numbers.append(unsafe table.number(of: Piece(start, index &- start), bytes))
                }
                numbers.append(end)
            }
        }
        let counts = table.counts
        guard table.count < codes else { return nil }
        let order = counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
        var codeOf = [Int](repeating: 0, count: order.count)
        for (position, number) in order.enumerated() { codeOf[number] = position + 1 }
        out.append(1)
        out.appendVarint(UInt64(order.count))
        NumberColumn.append(order.map { Int64(table.pieces[$0].count) }, to: &out)
        for number in order { out += texts[table.pieces[number].lower..<table.pieces[number].upper] }
        for number in numbers {
            if number == end { out.append(0) } else { append(code: codeOf[Int(number)], to: &out) }
        }
        return table.pieces
    }

    private static func append(code: Int, to out: inout [UInt8]) {
        if code < shortCodes { return out.append(UInt8(code)) }
        if code < mediumCodes {
            let rest = code - shortCodes
            out.append(UInt8(shortCodes + rest >> 8))
            return out.append(UInt8(truncatingIfNeeded: rest))
        }
        let rest = code - mediumCodes
        out.append(255)
        out.append(UInt8(truncatingIfNeeded: rest >> 8))
        out.append(UInt8(truncatingIfNeeded: rest))
    }

    /// The templates one behind the other, and each one's piece of them.
    static func read(
        _ cursor: inout ByteCursor, count: Int, maxBytes: Int
    ) throws(ByteCursor.Malformed) -> (texts: [UInt8], templates: [Piece]) {
        switch try cursor.byte("template list") {
        case 0:
            let (texts, templates) = try cursor.strings(count: count, maxBytes: maxBytes)
            return (texts, templates)
        case 1:
            return try readCoded(&cursor, count: count, maxBytes: maxBytes)
        default: throw ByteCursor.Malformed(what: "template list")
        }
    }

    private static func readCoded(
        _ cursor: inout ByteCursor, count: Int, maxBytes: Int
    ) throws(ByteCursor.Malformed) -> (texts: [UInt8], templates: [Piece]) {
        let wordCount = try cursor.count("words", limit: codes)
        let (wordBytes, words) = try cursor.strings(count: wordCount, maxBytes: maxBytes)
        var texts: [UInt8] = []
        var templates: [Piece] = []
        while templates.count < count {
            let start = texts.count
            var wasWord = false
            while let code = try code(&cursor) {
                guard code <= words.count else { throw ByteCursor.Malformed(what: "word code") }
                let word = wordBytes[words[code - 1].lower..<words[code - 1].upper]
                let isWord = word.first.map(isLetter) ?? false
                if isWord, wasWord { texts.append(0x20) }
                texts += word
                wasWord = isWord
                guard texts.count <= maxBytes else { throw ByteCursor.Malformed(what: "template size") }
            }
            templates.append(Piece(start, texts.count - start))
        }
        return (texts, templates)
    }

    /// Nil at the end of a template.
    private static func code(_ cursor: inout ByteCursor) throws(ByteCursor.Malformed) -> Int? {
        let first = Int(try cursor.byte("word code"))
        if first == 0 { return nil }
        if first < shortCodes { return first }
        let second = Int(try cursor.byte("word code"))
        if first < 255 { return shortCodes + (first - shortCodes) << 8 + second }
        return mediumCodes + second << 8 + Int(try cursor.byte("word code"))
    }
}

/// Numbers for different words, with how often each came. A word of up to eight bytes is its own key.
private struct WordNumbers {
    private(set) var pieces: [Piece] = []
    private(set) var counts: [UInt32] = []
    /// The first eight bytes of each word.
    private var heads: [UInt64] = []
    /// Number plus one; 0 for a free place.
    private var places = [UInt32](repeating: 0, count: 2_048)

    var count: Int { pieces.count }

    @inline(__always)
    mutating func number(of word: Piece, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let head = unsafe Self.head(word, bytes)
        let mask = places.count &- 1
        var place = unsafe Self.place(word, head, bytes) & mask
        while places[place] != 0 {
            let number = Int(places[place]) &- 1
            let isSame = heads[number] == head && pieces[number].count == word.count
            if isSame, unsafe areEqual(pieces[number], word, bytes) {
                counts[number] &+= 1
                return UInt32(truncatingIfNeeded: number)
            }
            place = (place &+ 1) & mask
        }
        pieces.append(word)
        counts.append(1)
        heads.append(head)
        places[place] = UInt32(truncatingIfNeeded: pieces.count)
        if pieces.count &* 2 > places.count { unsafe grow(bytes) }
        return UInt32(truncatingIfNeeded: pieces.count &- 1)
    }

    @inline(__always)
    private static func head(_ word: Piece, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
        if word.lower &+ 8 <= bytes.count {
            let whole = unsafe bytes.loadUnaligned(fromByteOffset: word.lower, as: UInt64.self)
            return word.length >= 8 ? whole : whole & (1 << UInt64(8 &* word.length) &- 1)
        }
        var head: UInt64 = 0
        for index in 0..<min(8, word.length) { head |= unsafe UInt64(bytes[word.lower &+ index]) << UInt64(8 &* index) }
        return head
    }

    @inline(__always)
    private static func place(_ word: Piece, _ head: UInt64, _ bytes: UnsafeRawBufferPointer) -> Int {
        var key = head ^ UInt64(word.count) << 56
        if word.length > 8, let base = bytes.baseAddress {
            key = unsafe PieceBytes.hash(base + word.lower, word.length)
        }
        let mixed = key &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mixed >> 32)
    }

    /// Words of one length whose first eight bytes are alike.
    @inline(__always)
    private func areEqual(_ a: Piece, _ b: Piece, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard b.length > 8, let base = bytes.baseAddress else { return true }
        return unsafe PieceBytes.areEqual(base + a.lower, base + b.lower, b.length)
    }

    private mutating func grow(_ bytes: UnsafeRawBufferPointer) {
        places = [UInt32](repeating: 0, count: places.count * 4)
        let mask = places.count &- 1
        for (number, piece) in pieces.enumerated() {
            var place = unsafe Self.place(piece, heads[number], bytes) & mask
            while places[place] != 0 { place = (place &+ 1) & mask }
            places[place] = UInt32(truncatingIfNeeded: number &+ 1)
        }
    }
}

extension ByteCursor {
    /// Strings one behind the other: their lengths as a `NumberColumn`, then their bytes.
    mutating func strings(
        count: Int, maxBytes: Int
    ) throws(Malformed) -> (texts: [UInt8], pieces: [Piece]) {
        // A width of 0 lets a few bytes claim any count: the caller bounds it.
        let lengths = try NumberColumn.read(&self, count: count)
        var pieces: [Piece] = []
        pieces.reserveCapacity(count)
        var total = 0
        for length in lengths {
            guard length >= 0, length <= maxBytes else { throw Malformed(what: "string length") }
            pieces.append(Piece(total, Int(length)))
            total += Int(length)
            guard total <= maxBytes else { throw Malformed(what: "string bytes") }
        }
        return (Array(try slice(total, "strings")), pieces)
    }
}
