/// Which column holds which slot of which template. A template of many rows has columns of its own; the slots of all
/// others share columns with those that stand at the same place behind the same byte. Writer and reader come to the
/// same plan, from the templates and the rows of each alone.
struct SlotPlan {
    /// Rows from which on a template has columns of its own.
    static let ownColumnsFloor = 8
    /// Slots behind this one share their place.
    private static let sharedPlaces = 12

    /// The columns of all slots, template by template.
    private var slotColumns: [Int32] = []
    /// Where the slots of each template begin; one more than templates.
    private var starts: [Int32] = [0]
    private(set) var isNumber: [Bool] = []
    /// Rows in each column.
    private(set) var rows: [Int] = []
    /// The shared column of a slot by its place, kind and the byte before it, plus one.
    private var shared = [Int32](repeating: 0, count: (SlotPlan.sharedPlaces + 1) * 512)

    /// The columns of a template's slots.
    func columns(_ template: Int) -> ArraySlice<Int32> {
        slotColumns[Int(starts[template])..<Int(starts[template + 1])]
    }

    init(_ templates: [Piece], of texts: [UInt8], rowCounts: [Int]) {
        starts.reserveCapacity(templates.count + 1)
        for (template, rowCount) in zip(templates, rowCounts) {
            var place = 0
            var before: UInt8 = 0
            var index = template.lower
            while index < template.upper {
                let byte = texts[index]
                index += 1
                if byte == TemplateMark.number || byte == TemplateMark.word {
                    add(isNumber: byte == TemplateMark.number, before: before, place: place, rowCount: rowCount)
                    place += 1
                    before = 0
                } else if byte == TemplateMark.escape, index < template.upper {
                    before = texts[index]
                    index += 1
                } else {
                    before = byte
                }
            }
            starts.append(Int32(truncatingIfNeeded: slotColumns.count))
        }
    }

    private mutating func add(isNumber: Bool, before: UInt8, place: Int, rowCount: Int) {
        var column = rows.count
        if rowCount < Self.ownColumnsFloor {
            let key = min(place, Self.sharedPlaces) << 9 | (isNumber ? 256 : 0) | Int(before)
            if shared[key] > 0 { column = Int(shared[key]) - 1 } else { shared[key] = Int32(column + 1) }
        }
        if column == rows.count {
            self.isNumber.append(isNumber)
            rows.append(0)
        }
        rows[column] += rowCount
        slotColumns.append(Int32(truncatingIfNeeded: column))
    }
}
