/// The reading side of `StringColumnWriter.appendText`.
extension StringColumnReader {
    /// What templates are made of: pieces of text, and the columns of slots.
    private struct Parts {
        /// A piece of text, or a column where `column` is not negative.
        struct Part {
            var text: Piece
            var column: Int
        }

        var parts: [Part] = []
        /// Where the parts of each template begin; one more than templates.
        var starts: [Int] = [0]
    }

    mutating func readText(_ cursor: inout ByteCursor, count: Int) throws(ByteCursor.Malformed) -> [Piece] {
        let templateCount = try cursor.count("templates", limit: count)
        let (bytes, templates) = try TemplateList.read(&cursor, count: templateCount, maxBytes: maxBytes * 2)
        var rowCounts = [Int](repeating: 0, count: templateCount)
        let rows = try NumberColumn.read(&cursor, count: count)
        for template in rows {
            guard template >= 0, template < templateCount else { throw ByteCursor.Malformed(what: "template") }
            rowCounts[Int(template)] += 1
        }
        let plan = SlotPlan(SlotShapes(templates, of: bytes), rowCounts: rowCounts)
        // A slot is filled with at least a byte.
        guard plan.rows.reduce(0, +) <= maxBytes else { throw ByteCursor.Malformed(what: "slots") }
        var columns: [[Piece]] = []
        columns.reserveCapacity(plan.rows.count)
        for (rows, isNumber) in zip(plan.rows, plan.isNumber) {
            columns.append(try isNumber ? readNumbers(&cursor, count: rows) : read(&cursor, count: rows))
        }
        var parts = Parts()
        for (number, template) in templates.enumerated() {
            try append(bytes[template.lower..<template.upper], plan.columns(number), to: &parts)
        }
        return try fill(rows, parts, columns)
    }

    /// Takes the marks out of a template; its text goes into `texts`.
    private mutating func append(
        _ template: ArraySlice<UInt8>, _ columns: ArraySlice<Int32>, to parts: inout Parts
    ) throws(ByteCursor.Malformed) {
        var next = columns.startIndex
        var index = template.startIndex
        var start = index
        func text(_ end: Int, _ texts: inout TextArena) throws(ByteCursor.Malformed) {
            guard end > start else { return }
            parts.parts.append(.init(text: try texts.append(template[start..<end]), column: -1))
        }
        while index < template.endIndex {
            let byte = template[index]
            if byte == TemplateMark.escape {
                // The escaped byte begins the next piece of text.
                try text(index, &texts)
                guard index + 1 < template.endIndex else { throw ByteCursor.Malformed(what: "template") }
                start = index + 1
                index += 2
            } else if byte == TemplateMark.number || byte == TemplateMark.word {
                try text(index, &texts)
                guard next < columns.endIndex else { throw ByteCursor.Malformed(what: "template") }
                parts.parts.append(.init(text: Piece(0, 0), column: Int(columns[next])))
                next += 1
                index += 1
                start = index
            } else {
                index += 1
            }
        }
        try text(template.endIndex, &texts)
        parts.starts.append(parts.parts.count)
    }

    private mutating func fill(
        _ rows: [Int64], _ parts: Parts, _ columns: [[Piece]]
    ) throws(ByteCursor.Malformed) -> [Piece] {
        var next = [Int](repeating: 0, count: columns.count)
        var pieces: [Piece] = []
        pieces.reserveCapacity(rows.count)
        for template in rows {
            let (first, end) = (parts.starts[Int(template)], parts.starts[Int(template) + 1])
            // A text without slots is the same for every row.
            if end - first == 1, parts.parts[first].column < 0 {
                pieces.append(parts.parts[first].text)
                continue
            }
            let start = texts.count
            for index in first..<end {
                let part = parts.parts[index]
                if part.column < 0 {
                    try texts.append(part.text)
                } else {
                    try texts.append(columns[part.column][next[part.column]])
                    next[part.column] += 1
                }
            }
            pieces.append(Piece(start, texts.count - start))
        }
        return pieces
    }

    private mutating func readNumbers(
        _ cursor: inout ByteCursor, count: Int
    ) throws(ByteCursor.Malformed) -> [Piece] {
        guard count > 0 else { return [] }
        let shape = try cursor.byte("numbers")
        if shape == StringColumnWriter.asStrings { return try read(&cursor, count: count) }
        guard shape <= TextTemplater.numberDigits else { throw ByteCursor.Malformed(what: "numbers") }
        var pieces: [Piece] = []
        pieces.reserveCapacity(count)
        for value in try NumberColumn.read(&cursor, count: count) {
            guard value >= 0 else { throw ByteCursor.Malformed(what: "number") }
            pieces.append(try texts.append(number: value, digits: Int(shape)))
        }
        return pieces
    }
}
