import MusterModel

/// Strings side by side. Bytes: one kind, then
/// - constant: the one string (length, bytes);
/// - dictionary: how many different ones, these as a column, then for each row its number (`NumberColumn`);
/// - hexadecimal: lengths (`NumberColumn`), two digits a byte, each string begins with a new byte;
/// - identifiers: 16 bytes each, for UUIDs in lower case;
/// - raw: lengths (`NumberColumn`), bytes;
/// - text: see `TextColumn`.
enum StringColumnKind: UInt8 {
    case constant = 0
    case dictionary = 1
    case hexadecimal = 2
    case identifiers = 3
    case raw = 4
    case text = 5
}

/// Writes columns of strings that are pieces of one buffer.
@safe struct StringColumnWriter {
    /// A dictionary of fewer rows is not worth its numbers.
    private static let dictionaryFloor = 4
    /// Bytes of a UUID as text.
    static let identifierBytes = 36

    let base: UnsafeRawPointer
    let classes: UnsafePointer<UInt8>
    var words: WordCollector

    /// What may still be tried on the strings of a column.
    struct Options: OptionSet {
        let rawValue: UInt8
        static let dictionary = Options(rawValue: 1)
        static let text = Options(rawValue: 2)
        /// The strings' words are not in the filter yet.
        static let collectsWords = Options(rawValue: 4)
    }

    mutating func append(_ pieces: [Piece], _ options: Options, to out: inout [UInt8]) {
        guard let first = pieces.first else { return }
        if options.contains(.dictionary), pieces.count >= Self.dictionaryFloor,
            let (different, numbers) = dictionary(of: pieces)
        {
            if different.count == 1 {
                out.append(StringColumnKind.constant.rawValue)
                out.appendVarint(UInt64(first.length))
                unsafe out.append(contentsOf: bytes(of: first))
                collect([first], options)
            } else {
                out.append(StringColumnKind.dictionary.rawValue)
                out.appendVarint(UInt64(different.count))
                append(different, options.subtracting(.dictionary), to: &out)
                NumberColumn.append(numbers, to: &out)
            }
            return
        }
        if let kind = packedKind(pieces) {
            collect(pieces, options)
            out.append(kind.rawValue)
            appendPacked(pieces, kind, to: &out)
        } else if options.contains(.text) {
            out.append(StringColumnKind.text.rawValue)
            appendText(pieces, collectsWords: options.contains(.collectsWords), to: &out)
        } else {
            collect(pieces, options)
            out.append(StringColumnKind.raw.rawValue)
            appendRaw(pieces, to: &out)
        }
    }

    @inline(__always)
    func bytes(of piece: Piece) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: base + piece.lower, count: piece.length)
    }

    private mutating func collect(_ pieces: [Piece], _ options: Options) {
        guard options.contains(.collectsWords) else { return }
        for piece in pieces { unsafe words.insert(wordsOf: bytes(of: piece), classes: classes) }
    }

    /// The different strings and each row's number among them; nil when more than half are different.
    private func dictionary(of pieces: [Piece]) -> (different: [Piece], numbers: [Int64])? {
        var table = PieceTable()
        var numbers: [Int64] = []
        numbers.reserveCapacity(pieces.count)
        let ceiling = pieces.count / 2
        for piece in pieces {
            let start = unsafe base + piece.lower
            let hash = unsafe PieceBytes.hash(start, piece.length)
            let (number, isNew) = unsafe table.number(
                of: start, count: piece.length, in: base, hash: hash, new: piece)
            if isNew, table.count > ceiling { return nil }
            numbers.append(Int64(number))
        }
        return (table.pieces, numbers)
    }

    /// Hexadecimal or UUIDs when every string is one.
    private func packedKind(_ pieces: [Piece]) -> StringColumnKind? {
        let areIdentifiers = pieces.allSatisfy { piece in
            unsafe isIdentifier(base + piece.lower, piece.length)
        }
        if areIdentifiers { return .identifiers }
        let areHexadecimal = pieces.allSatisfy { piece in
            guard piece.length > 1 else { return false }
            for index in piece.lower..<piece.upper {
                let kind = unsafe classes[Int(base.load(fromByteOffset: index, as: UInt8.self))]
                if kind & (ByteClass.digit | ByteClass.hexLower) == 0 { return false }
            }
            return true
        }
        return areHexadecimal ? .hexadecimal : nil
    }

    /// A UUID in lower case.
    func isIdentifier(_ start: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count == Self.identifierBytes else { return false }
        for index in 0..<Self.identifierBytes {
            let byte = unsafe start.load(fromByteOffset: index, as: UInt8.self)
            if index == 8 || index == 13 || index == 18 || index == 23 {
                if byte != 0x2d { return false }
            } else if unsafe classes[Int(byte)] & (ByteClass.digit | ByteClass.hexLower) == 0 {
                return false
            }
        }
        return true
    }

    private func appendPacked(_ pieces: [Piece], _ kind: StringColumnKind, to out: inout [UInt8]) {
        if kind == .hexadecimal { NumberColumn.append(pieces.map { Int64($0.count) }, to: &out) }
        for piece in pieces {
            var held: UInt8 = 0
            var isHolding = false
            for index in piece.lower..<piece.upper {
                let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
                guard byte != 0x2d else { continue }
                let digit = byte <= 0x39 ? byte &- 0x30 : byte &- 0x57
                if isHolding { out.append(held << 4 | digit) } else { held = digit }
                isHolding.toggle()
            }
            if isHolding { out.append(held << 4) }
        }
    }

    private func appendRaw(_ pieces: [Piece], to out: inout [UInt8]) {
        NumberColumn.append(pieces.map { Int64($0.count) }, to: &out)
        for piece in pieces { unsafe out.append(contentsOf: bytes(of: piece)) }
    }
}
