/// Templates as they stand in a block: their lengths and bytes, or, when they are many, words by number.
///
/// Bytes: 0, lengths (`NumberColumn`), bytes. Or 1, the number of different words, their lengths and bytes, then the
/// codes of every template, each ended by a 0. A word is a run of letters or a run of other bytes; a single space
/// between two runs of letters is left out. Code n is word n - 1, the most frequent first: one byte below
/// `shortCodes`, then two and three bytes.
enum TemplateList {
    /// Bytes of templates from which on words get numbers.
    private static let codedFloor = 4_096
    private static let shortCodes = 192
    private static let mediumCodes = shortCodes + 63 * 256
    private static let codes = mediumCodes + 65_536

    static func append(_ texts: [UInt8], _ templates: [Piece], to out: inout [UInt8]) {
        if texts.count >= codedFloor, appendCoded(texts, templates, to: &out) { return }
        out.append(0)
        NumberColumn.append(templates.map { Int64($0.count) }, to: &out)
        out += texts
    }

    private static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 &- 0x61 < 26 || byte >= 0x80 }

    /// False when there are more different words than codes.
    private static func appendCoded(_ texts: [UInt8], _ templates: [Piece], to out: inout [UInt8]) -> Bool {
        var table = PieceTable(expected: 1_024)
        var numbers: [UInt32] = []
        var counts: [UInt32] = []
        let end = UInt32.max
        unsafe texts.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            for template in templates {
                var index = template.lower
                while index < template.upper {
                    let start = index
                    let isWord = unsafe isLetter(bytes[index])
                    while index < template.upper, unsafe isLetter(bytes[index]) == isWord { index &+= 1 }
                    let isGap =
                        unsafe !isWord && index &- start == 1 && bytes[start] == 0x20
                        && start > template.lower && index < template.upper
                    if isGap { continue }
                    let word = Piece(start, index &- start)
                    let number = unsafe table.number(
                        of: base + start, count: word.length, in: base,
                        hash: PieceBytes.hash(base + start, word.length), new: word
                    ).number
                    if number == counts.count { counts.append(0) }
                    counts[number] += 1
                    numbers.append(UInt32(number))
                }
                numbers.append(end)
            }
        }
        guard table.count < codes else { return false }
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
        return true
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
