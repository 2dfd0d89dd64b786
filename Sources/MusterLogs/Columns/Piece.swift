/// Some bytes of a buffer that is known from the context. Buffers here are far below 4 GiB.
struct Piece: Equatable {
    var start: UInt32
    var count: UInt32

    init(_ start: Int, _ count: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: count)
    }

    var lower: Int { Int(start) }
    var upper: Int { Int(start) &+ Int(count) }
    var length: Int { Int(count) }
}

/// What a byte is to a tokenizer. A word is a run of digits and letters; `_` and bytes from 0x80 count as letters.
enum ByteClass {
    static let digit: UInt8 = 1
    static let hexLower: UInt8 = 2
    static let hexUpper: UInt8 = 4
    static let otherLetter: UInt8 = 8
    /// Bytes that mean something else in a template.
    static let control: UInt8 = 16
    static let letter = hexLower | hexUpper | otherLetter
    static let word = digit | letter

    static let table: [UInt8] = (0..<256).map { value in
        switch UInt8(value) {
        case 0...TemplateMark.escape: control
        case 0x30...0x39: digit
        case 0x61...0x66: hexLower
        case 0x41...0x46: hexUpper
        case 0x67...0x7a, 0x47...0x5a, 0x5f, 0x80...0xff: otherLetter
        default: 0
        }
    }
}

/// Bytes in a template that are no text.
enum TemplateMark {
    /// Here stood a number.
    static let number: UInt8 = 0
    /// Here stood a word with digits that is no number.
    static let word: UInt8 = 1
    /// The next byte is text, whatever it is.
    static let escape: UInt8 = 2
}

/// Hashing and comparing pieces of raw memory.
enum PieceBytes {
    private static let multiplier: UInt64 = 0x9e37_79b9_7f4a_7c15
    private static let seed: UInt64 = 0x2545_f491_4f6c_dd1d

    @inline(__always)
    static func hash(_ base: UnsafeRawPointer, _ count: Int) -> UInt64 {
        var hash = seed ^ UInt64(truncatingIfNeeded: count)
        var index = 0
        while index &+ 8 <= count {
            let word = unsafe base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            hash = step(hash, word)
            index &+= 8
        }
        if index < count {
            var word: UInt64 = 0
            if count >= 8 {
                word = unsafe base.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
            } else {
                while index < count {
                    word = unsafe word << 8 | UInt64(base.load(fromByteOffset: index, as: UInt8.self))
                    index &+= 1
                }
            }
            hash = step(hash, word)
        }
        return hash ^ hash >> 29
    }

    @inline(__always)
    private static func step(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let mixed = (hash ^ word) &* multiplier
        return mixed ^ mixed >> 32
    }

    @inline(__always)
    static func areEqual(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Bool {
        var index = 0
        while index &+ 8 <= count {
            let x = unsafe a.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let y = unsafe b.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if x != y { return false }
            index &+= 8
        }
        while index < count {
            let x = unsafe a.load(fromByteOffset: index, as: UInt8.self)
            if unsafe x != b.load(fromByteOffset: index, as: UInt8.self) { return false }
            index &+= 1
        }
        return true
    }
}

/// Numbers for different byte strings, in the order in which they came: an open hash table over pieces of a buffer that
/// the caller holds.
struct PieceTable {
    private(set) var pieces: [Piece] = []
    private var hashes: [UInt32] = []
    /// Number plus one; 0 for a free place.
    private var places: [UInt32]

    init(expected: Int = 32) {
        var capacity = 64
        while capacity < expected * 2 { capacity *= 2 }
        places = [UInt32](repeating: 0, count: capacity)
    }

    var count: Int { pieces.count }

    /// The number of the bytes, or nil together with a new number for `piece` when they were not there.
    @inline(__always)
    mutating func number(
        of bytes: UnsafeRawPointer, count: Int, in buffer: UnsafeRawPointer, hash: UInt64, new piece: Piece
    ) -> (number: Int, isNew: Bool) {
        let mask = places.count &- 1
        let short = UInt32(truncatingIfNeeded: hash >> 32)
        var place = Int(truncatingIfNeeded: hash) & mask
        while true {
            let taken = places[place]
            if taken == 0 { break }
            let number = Int(taken) &- 1
            if hashes[number] == short, pieces[number].length == count,
                unsafe PieceBytes.areEqual(buffer + pieces[number].lower, bytes, count)
            {
                return (number, false)
            }
            place = (place &+ 1) & mask
        }
        pieces.append(piece)
        hashes.append(short)
        places[place] = UInt32(truncatingIfNeeded: pieces.count)
        if pieces.count &* 2 > places.count { unsafe grow(buffer) }
        return (pieces.count &- 1, true)
    }

    private mutating func grow(_ buffer: UnsafeRawPointer) {
        places = [UInt32](repeating: 0, count: places.count * 4)
        let mask = places.count &- 1
        for (number, piece) in pieces.enumerated() {
            let hash = unsafe PieceBytes.hash(buffer + piece.lower, piece.length)
            var place = Int(truncatingIfNeeded: hash) & mask
            while places[place] != 0 { place = (place &+ 1) & mask }
            places[place] = UInt32(truncatingIfNeeded: number &+ 1)
        }
    }
}
