/// What the slots of some templates are: numbers or words, and the byte of text before each (0 at the beginning of a
/// template and behind another slot).
struct SlotShapes {
    /// Bit 8: a number; below it the byte before.
    private(set) var slots: [UInt16] = []
    /// Where the slots of each template begin; one more than templates.
    private(set) var starts: [Int32] = [0]

    init() {}

    var count: Int { starts.count - 1 }

    @inline(__always)
    mutating func append(isNumber: Bool, before: UInt8) { slots.append(UInt16(before) | (isNumber ? 256 : 0)) }

    mutating func endTemplate() { starts.append(Int32(truncatingIfNeeded: slots.count)) }

    /// Takes back the slots behind the last template.
    mutating func dropOpen() { slots.removeLast(slots.count - Int(starts[starts.count - 1])) }

    /// From the templates themselves.
    init(_ templates: [Piece], of texts: [UInt8]) {
        starts.reserveCapacity(templates.count + 1)
        unsafe texts.withUnsafeBytes { texts in
            for template in templates {
                unsafe add(UnsafeRawBufferPointer(rebasing: texts[template.lower..<template.upper]))
                endTemplate()
            }
        }
    }

    private mutating func add(_ template: UnsafeRawBufferPointer) {
        var before: UInt8 = 0
        var index = 0
        while index < template.count {
            let byte = unsafe template[index]
            index &+= 1
            if byte > TemplateMark.escape {
                before = byte
            } else if byte < TemplateMark.escape {
                append(isNumber: byte == TemplateMark.number, before: before)
                before = 0
            } else if index < template.count {
                before = unsafe template[index]
                index &+= 1
            }
        }
    }
}

/// Which column holds which slot of which template. A template of many rows has columns of its own; the slots of all
/// others share columns with those that stand at the same place behind the same byte. Writer and reader come to the
/// same plan, from the templates and the rows of each alone.
struct SlotPlan {
    /// Rows from which on a template has columns of its own.
    static let ownColumnsFloor = 8
    /// Slots behind this one share their place.
    private static let sharedPlaces = 12

    private let shapes: SlotShapes
    /// The columns of all slots, template by template.
    private var slotColumns: [Int32] = []
    private(set) var isNumber: [Bool] = []
    /// Rows in each column.
    private(set) var rows: [Int] = []

    /// The columns of a template's slots.
    func columns(_ template: Int) -> ArraySlice<Int32> {
        slotColumns[Int(shapes.starts[template])..<Int(shapes.starts[template + 1])]
    }

    init(_ shapes: SlotShapes, rowCounts: [Int]) {
        self.shapes = shapes
        slotColumns.reserveCapacity(shapes.slots.count)
        // The shared column of a slot by its place, kind and the byte before it, plus one.
        var shared = [Int32](repeating: 0, count: (Self.sharedPlaces + 1) * 512)
        for (template, rowCount) in rowCounts.enumerated() {
            let (start, end) = (Int(shapes.starts[template]), Int(shapes.starts[template + 1]))
            for index in start..<end {
                let shape = Int(shapes.slots[index])
                var column = rows.count
                if rowCount < Self.ownColumnsFloor {
                    let key = min(index - start, Self.sharedPlaces) << 9 | shape
                    if shared[key] > 0 { column = Int(shared[key]) - 1 } else { shared[key] = Int32(column + 1) }
                }
                if column == rows.count {
                    isNumber.append(shape & 256 != 0)
                    rows.append(0)
                }
                rows[column] += rowCount
                slotColumns.append(Int32(truncatingIfNeeded: column))
            }
        }
    }
}
