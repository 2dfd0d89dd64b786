extension [UInt8] {
    mutating func append<Word: FixedWidthInteger & UnsignedInteger>(littleEndian word: Word) {
        for shift in stride(from: 0, to: Word.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    /// The caller has checked that the word lies within the array.
    func littleEndian<Word: FixedWidthInteger & UnsignedInteger>(_ type: Word.Type, at offset: Int) -> Word {
        var word: Word = 0
        for index in 0..<(Word.bitWidth / 8) { word |= Word(truncatingIfNeeded: self[offset + index]) << (8 * index) }
        return word
    }

    mutating func set<Word: FixedWidthInteger & UnsignedInteger>(littleEndian word: Word, at offset: Int) {
        for index in 0..<(Word.bitWidth / 8) { self[offset + index] = UInt8(truncatingIfNeeded: word >> (8 * index)) }
    }
}
