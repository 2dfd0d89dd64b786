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
        var texts: [UInt8] = []
        var table = PieceTable()
        var rowTemplates: [Int64] = []
        rowTemplates.reserveCapacity(pieces.count)
        for piece in pieces {
            let template = templater.take(piece, &self, collectsWords: collectsWords)
            rowTemplates.append(Int64(number(of: template, in: &texts, &table, collectsWords: collectsWords)))
        }
        out.appendVarint(UInt64(table.count))
        TemplateList.append(texts, table.pieces, to: &out)
        NumberColumn.append(rowTemplates, to: &out)
        appendSlots(templater.slots, texts: texts, templates: table.pieces, rowTemplates: rowTemplates, to: &out)
    }

    private mutating func number(
        of template: [UInt8], in texts: inout [UInt8], _ table: inout PieceTable, collectsWords: Bool
    ) -> Int {
        let piece = Piece(texts.count, template.count)
        let (number, isNew) = unsafe template.withUnsafeBytes { bytes in
            unsafe texts.withUnsafeBytes { texts in
                // Empty buffers have no address; any will do where no byte is read.
                let start = unsafe bytes.baseAddress ?? base
                return unsafe table.number(
                    of: start, count: bytes.count, in: texts.baseAddress ?? base,
                    hash: PieceBytes.hash(start, bytes.count), new: piece)
            }
        }
        guard isNew else { return number }
        texts += template
        if collectsWords {
            unsafe template.withUnsafeBytes { unsafe words.insert(wordsOf: $0, classes: classes) }
        }
        return number
    }

    private mutating func appendSlots(
        _ slots: [TextTemplater.Slot], texts: [UInt8], templates: [Piece], rowTemplates: [Int64], to out: inout [UInt8]
    ) {
        var rowCounts = [Int](repeating: 0, count: templates.count)
        for template in rowTemplates { rowCounts[Int(template)] += 1 }
        let plan = SlotPlan(templates, of: texts, rowCounts: rowCounts)
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
