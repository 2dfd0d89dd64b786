import MusterModel

/// Lines as columns, and back.
///
/// Bytes: number of shapes; when there are any, for each the number of its literals, their lengths and bytes, then each
/// line's shape (`NumberColumn`, 0 for none) and the columns of their values as string columns, in the order in which
/// the shapes name them: two literals that are the same lead to one column. Then the lines without a shape as a string
/// column.
package enum LineColumns {
    /// Columns that take this much more than the lines themselves are not worth it, and lines are kept as they are.
    private static let worthwhileSlack = 1_024

    /// Appends the lines. Words go into `words`.
    static func append(
        _ lines: [Piece], of buffer: UnsafeRawBufferPointer, _ words: inout WordCollector, to out: inout [UInt8]
    ) {
        guard !lines.isEmpty else { return }
        unsafe ByteClass.table.withUnsafeBufferPointer { table in
            guard let classes = table.baseAddress else { return }
            // Without a byte in all lines the buffer has no address; any will do where none is read.
            let base = unsafe buffer.baseAddress ?? UnsafeRawPointer(classes)
            var writer = unsafe StringColumnWriter(base: base, classes: classes, words: words)
            let start = out.count
            writer.append(lines: lines, to: &out)
            if out.count - start > buffer.count + worthwhileSlack {
                out.removeLast(out.count - start)
                writer.append(unshaped: lines, to: &out)
            }
            words = writer.words
        }
    }

    /// The texts of `count` lines, each one's piece of them. `maxBytes` bounds the texts.
    static func read(
        _ cursor: inout ByteCursor, count: Int, maxBytes: Int
    ) throws(ByteCursor.Malformed) -> (texts: [UInt8], lines: [Piece]) {
        guard count > 0 else { return ([], []) }
        var reader = StringColumnReader(maxBytes: maxBytes)
        return try reader.readLines(&cursor, count: count)
    }
}

extension StringColumnWriter {
    /// Words are in the collector already.
    fileprivate mutating func append(unshaped lines: [Piece], to out: inout [UInt8]) {
        out.appendVarint(0)
        append(lines, [], to: &out)
    }

    fileprivate mutating func append(lines: [Piece], to out: inout [UInt8]) {
        var shapes = LineShapes()
        var numbers: [Int64] = []
        numbers.reserveCapacity(lines.count)
        var texts: [Piece] = []
        for line in lines {
            let number = unsafe shapes.take(line, base)
            numbers.append(Int64(number))
            if number == 0 { texts.append(line) }
        }
        out.appendVarint(UInt64(shapes.shapes.count))
        if !shapes.shapes.isEmpty {
            for shape in shapes.shapes { append(shape, texts: shapes.texts, to: &out) }
            NumberColumn.append(numbers, to: &out)
            for column in shapes.columns { append(column, [.dictionary, .text, .collectsWords], to: &out) }
        }
        append(texts, [.text, .collectsWords], to: &out)
    }

    private mutating func append(_ shape: LineShapes.Shape, texts: [UInt8], to out: inout [UInt8]) {
        out.appendVarint(UInt64(shape.literals.count))
        NumberColumn.append(shape.literals.map { Int64($0.count) }, to: &out)
        for literal in shape.literals {
            out += texts[literal.lower..<literal.upper]
            unsafe texts.withUnsafeBytes { bytes in
                let text = unsafe UnsafeRawBufferPointer(rebasing: bytes[literal.lower..<literal.upper])
                unsafe words.insert(wordsOf: text, classes: classes)
            }
        }
    }
}
