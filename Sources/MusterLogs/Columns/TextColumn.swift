/// Text as templates and what fills them.
///
/// Bytes: number of templates, the templates (`TemplateList`), each row's template (`NumberColumn`), then the columns
/// of `SlotPlan` in their order: for numbers a shape (0: lengths differ and no number begins with 0; else the digits of
/// every number, counted from 1) and a `NumberColumn`; or 255 and a string column when neither fits; for words a string
/// column.
extension StringColumnWriter {
    static let digitsVary: UInt8 = 0
    static let asStrings: UInt8 = 255

    mutating func appendText(_ pieces: [Piece], collectsWords: Bool, to out: inout [UInt8]) {
        var templater = TextTemplater()
        var table = PieceTable()
        var rowTemplates: [Int64] = []
        rowTemplates.reserveCapacity(pieces.count)
        for piece in pieces {
            let start = templater.texts.count
            templater.take(piece, &self, collectsWords: collectsWords)
            let (number, isNew) = number(of: Piece(start, templater.texts.count - start), of: templater.texts, &table)
            if isNew { templater.keepTemplate() } else { templater.dropTemplate(from: start) }
            rowTemplates.append(Int64(number))
        }
        out.appendVarint(UInt64(table.count))
        let words = TemplateList.append(templater.texts, table.pieces, to: &out)
        if collectsWords { collect(words, of: templater.texts) }
        NumberColumn.append(rowTemplates, to: &out)
        appendSlots(templater.slots, templater.shapes, rowTemplates: rowTemplates, to: &out)
    }

    private func number(of template: Piece, of texts: [UInt8], _ table: inout PieceTable) -> (Int, isNew: Bool) {
        unsafe texts.withUnsafeBytes { texts in
            // Without a byte there is no address; any will do where no byte is read.
            let buffer = unsafe texts.baseAddress ?? base
            let start = unsafe buffer + template.lower
            return unsafe table.number(
                of: start, count: template.length, in: buffer, hash: PieceBytes.hash(start, template.length),
                new: template)
        }
    }

    private mutating func collect(_ pieces: [Piece], of texts: [UInt8]) {
        unsafe texts.withUnsafeBytes { texts in
            for piece in pieces {
                let text = unsafe UnsafeRawBufferPointer(rebasing: texts[piece.lower..<piece.upper])
                unsafe words.insert(wordsOf: text, classes: classes)
            }
        }
    }

    private mutating func appendSlots(
        _ slots: [TextTemplater.Slot], _ shapes: SlotShapes, rowTemplates: [Int64], to out: inout [UInt8]
    ) {
        var rowCounts = [Int](repeating: 0, count: shapes.count)
        for template in rowTemplates { rowCounts[Int(template)] += 1 }
        let plan = SlotPlan(shapes, rowCounts: rowCounts)
        // All columns in one array, each from its start on.
        var next: [Int] = []
        next.reserveCapacity(plan.rows.count)
        var total = 0
        for rows in plan.rows {
            next.append(total)
            total += rows
        }
        var sorted = [Piece](repeating: Piece(0, 0), count: total)
        var slot = 0
        for template in rowTemplates {
            for column in plan.columns(Int(template)) {
                let column = Int(column)
                sorted[next[column]] = slots[slot].piece
                next[column] += 1
                slot += 1
            }
        }
        var start = 0
        for (column, rows) in plan.rows.enumerated() {
            let pieces = Array(sorted[start..<(start + rows)])
            start += rows
            if plan.isNumber[column] {
                appendNumbers(pieces, to: &out)
            } else {
                append(pieces, .dictionary, to: &out)
            }
        }
    }

    private mutating func appendNumbers(_ pieces: [Piece], to out: inout [UInt8]) {
        guard let first = pieces.first else { return }
        let areSameLength = pieces.allSatisfy { $0.count == first.count }
        let haveNoZeros = pieces.allSatisfy { piece in
            let first = unsafe base.load(fromByteOffset: piece.lower, as: UInt8.self)
            return piece.count == 1 || first != 0x30
        }
        guard areSameLength || haveNoZeros else {
            out.append(Self.asStrings)
            return append(pieces, .dictionary, to: &out)
        }
        out.append(areSameLength ? UInt8(first.count) : Self.digitsVary)
        NumberColumn.append(pieces.map(number(in:)), to: &out)
    }

    private func number(in piece: Piece) -> Int64 {
        var value: Int64 = 0
        for index in piece.lower..<piece.upper {
            value = unsafe value &* 10 &+ Int64(base.load(fromByteOffset: index, as: UInt8.self) &- 0x30)
        }
        return value
    }
}
