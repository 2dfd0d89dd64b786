import MusterModel

/// Reads what `StringColumnWriter` wrote. Every string is a piece of one buffer that grows; strings that are equal may
/// be one piece.
struct StringColumnReader {
    /// All parts that lines are put together from take at most this many times the bytes of the lines: values, what
    /// templates are filled with, and the dictionaries of both.
    private static let partsFactor = 4
    /// A dictionary of texts with dictionaries of identifiers is the deepest that is written.
    private static let depthLimit = 4

    var texts: TextArena
    /// The most bytes of the lines together.
    let maxBytes: Int
    private var depth = 0

    init(maxBytes: Int) {
        self.maxBytes = maxBytes
        texts = TextArena(maxBytes: (maxBytes + LineShapes.literalBytes) * Self.partsFactor)
    }

    mutating func readLines(
        _ cursor: inout ByteCursor, count: Int
    ) throws(ByteCursor.Malformed) -> (texts: [UInt8], lines: [Piece]) {
        let shapeCount = try cursor.count("shapes", limit: LineShapes.shapesLimit)
        guard shapeCount > 0 else {
            let lines = try read(&cursor, count: count)
            guard lines.reduce(0, { $0 + $1.length }) <= maxBytes else { throw ByteCursor.Malformed(what: "text size") }
            return (texts.finished(), lines)
        }
        var shapes: [LineShapes.Shape] = []
        var columnOf: [ArraySlice<UInt8>: Int] = [:]
        for _ in 0..<shapeCount {
            shapes.append(try readShape(&cursor, &columnOf))
        }
        let numbers = try NumberColumn.read(&cursor, count: count)
        var rows = [Int](repeating: 0, count: columnOf.count)
        var textRows = 0
        for number in numbers {
            guard number >= 0, number <= shapeCount else { throw ByteCursor.Malformed(what: "shape of a line") }
            guard number > 0 else {
                textRows += 1
                continue
            }
            for column in shapes[Int(number) - 1].columns { rows[column] += 1 }
        }
        // A value has at least a byte of literal around it.
        guard rows.reduce(0, +) <= maxBytes else { throw ByteCursor.Malformed(what: "values") }
        var columns: [[Piece]] = []
        for count in rows { columns.append(try read(&cursor, count: count)) }
        let plain = try read(&cursor, count: textRows)
        return try assemble(numbers, shapes, columns, plain)
    }

    private mutating func readShape(
        _ cursor: inout ByteCursor, _ columnOf: inout [ArraySlice<UInt8>: Int]
    ) throws(ByteCursor.Malformed) -> LineShapes.Shape {
        let count = try cursor.count("literals", limit: LineShapes.slotsLimit + 2)
        let (bytes, pieces) = try cursor.strings(count: count, maxBytes: LineShapes.literalBytes)
        var shape = LineShapes.Shape(literals: [], columns: [])
        for (number, piece) in pieces.enumerated() {
            let literal = bytes[piece.lower..<piece.upper]
            shape.literals.append(try texts.append(literal))
            guard number + 1 < count else { continue }
            let column = columnOf[literal] ?? columnOf.count
            columnOf[literal] = column
            shape.columns.append(column)
        }
        guard count > 1 else { throw ByteCursor.Malformed(what: "literals") }
        return shape
    }

    private mutating func assemble(
        _ numbers: [Int64], _ shapes: [LineShapes.Shape], _ columns: [[Piece]], _ plain: [Piece]
    ) throws(ByteCursor.Malformed) -> (texts: [UInt8], lines: [Piece]) {
        var next = [Int](repeating: 0, count: columns.count)
        var nextPlain = 0
        var lines: [Piece] = []
        lines.reserveCapacity(numbers.count)
        var total = 0
        for number in numbers {
            guard number > 0 else {
                lines.append(plain[nextPlain])
                nextPlain += 1
                continue
            }
            let start = texts.count
            let shape = shapes[Int(number) - 1]
            for (place, column) in shape.columns.enumerated() {
                try texts.append(shape.literals[place])
                try texts.append(columns[column][next[column]])
                next[column] += 1
            }
            try texts.append(shape.literals[shape.columns.count])
            lines.append(Piece(start, texts.count - start))
            total += texts.count - start
        }
        guard total <= maxBytes else { throw ByteCursor.Malformed(what: "text size") }
        return (texts.finished(), lines)
    }

    // MARK: Columns

    mutating func read(_ cursor: inout ByteCursor, count: Int) throws(ByteCursor.Malformed) -> [Piece] {
        guard count > 0 else { return [] }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Self.depthLimit else { throw ByteCursor.Malformed(what: "columns in columns") }
        guard let kind = StringColumnKind(rawValue: try cursor.byte("string column")) else {
            throw ByteCursor.Malformed(what: "string column")
        }
        switch kind {
        case .constant:
            let length = try cursor.count("constant", limit: maxBytes)
            let piece = try texts.append(try cursor.slice(length, "constant"))
            return [Piece](repeating: piece, count: count)
        case .dictionary: return try readDictionary(&cursor, count: count)
        case .hexadecimal: return try readHexadecimal(&cursor, count: count)
        case .identifiers: return try readIdentifiers(&cursor, count: count)
        case .raw:
            let (bytes, pieces) = try cursor.strings(count: count, maxBytes: maxBytes)
            let start = try texts.append(bytes[...]).lower
            return pieces.map { Piece(start + $0.lower, $0.length) }
        case .text: return try readText(&cursor, count: count)
        }
    }

    private mutating func readDictionary(
        _ cursor: inout ByteCursor, count: Int
    ) throws(ByteCursor.Malformed) -> [Piece] {
        let different = try cursor.count("dictionary", limit: count)
        guard different > 1 else { throw ByteCursor.Malformed(what: "dictionary") }
        let strings = try read(&cursor, count: different)
        var pieces: [Piece] = []
        pieces.reserveCapacity(count)
        for number in try NumberColumn.read(&cursor, count: count) {
            guard number >= 0, number < different else { throw ByteCursor.Malformed(what: "dictionary number") }
            pieces.append(strings[Int(number)])
        }
        return pieces
    }

    private mutating func readHexadecimal(
        _ cursor: inout ByteCursor, count: Int
    ) throws(ByteCursor.Malformed) -> [Piece] {
        var pieces: [Piece] = []
        pieces.reserveCapacity(count)
        for length in try NumberColumn.read(&cursor, count: count) {
            guard length >= 0, length <= maxBytes else { throw ByteCursor.Malformed(what: "hexadecimal length") }
            let packed = try cursor.slice((Int(length) + 1) / 2, "hexadecimal")
            pieces.append(Piece(texts.count, Int(length)))
            try texts.append(digitsOf: packed, isOdd: length % 2 == 1)
        }
        return pieces
    }

    private mutating func readIdentifiers(
        _ cursor: inout ByteCursor, count: Int
    ) throws(ByteCursor.Malformed) -> [Piece] {
        var pieces: [Piece] = []
        for _ in 0..<count {
            let bytes = try cursor.slice(16, "identifier")
            pieces.append(Piece(texts.count, StringColumnWriter.identifierBytes))
            var at = bytes.startIndex
            for (number, length) in [4, 2, 2, 2, 6].enumerated() {
                if number > 0 { _ = try texts.append([0x2d]) }
                try texts.append(digitsOf: bytes[at..<at + length], isOdd: false)
                at += length
            }
        }
        return pieces
    }
}
