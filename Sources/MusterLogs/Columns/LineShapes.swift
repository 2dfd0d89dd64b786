/// Lines that are made of names and values: JSON objects and logfmt. Their shape is the text around the values, which
/// most lines of a source share.
@safe struct LineShapes {
    /// More shapes in a block than this are no shapes; further lines are text.
    static let shapesLimit = 255
    /// Values in a line.
    static let slotsLimit = 64
    /// Bytes around the values of a line.
    static let literalBytes = 8_192

    struct Shape {
        /// What stands before each value, and behind the last.
        var literals: [Piece]
        /// Where each value goes.
        var columns: [Int]
    }

    private(set) var shapes: [Shape] = []
    /// The bytes of all literals.
    private(set) var texts: [UInt8] = []
    /// The values of a column, in the order of the rows.
    private(set) var columns: [[Piece]] = []
    private var columnOf: [ArraySlice<UInt8>: Int] = [:]
    private var last = 0
    private var slots: [Piece] = []

    /// The number of the line's shape, counted from 1, its values appended to their columns; 0 for a line without one.
    mutating func take(_ line: Piece, _ base: UnsafeRawPointer) -> Int {
        guard line.length > 1 else { return 0 }
        if !shapes.isEmpty, unsafe matches(shapes[last], line, base) { return store(last) }
        slots.removeAll(keepingCapacity: true)
        let isObject = unsafe base.load(fromByteOffset: line.lower, as: UInt8.self) == 0x7b
        guard unsafe isObject ? scanObject(line, base) : scanPairs(line, base) else { return 0 }
        guard let shape = unsafe shapeOfSlots(line, base) else { return 0 }
        return store(shape)
    }

    private mutating func store(_ shape: Int) -> Int {
        last = shape
        for (slot, column) in zip(slots, shapes[shape].columns) { columns[column].append(slot) }
        return shape + 1
    }

    /// Whether the line is of this shape; then `slots` are its values. Each value is taken to end at the first byte
    /// that can begin what follows it, which is always true to the line, if not always the best cut.
    private mutating func matches(_ shape: Shape, _ line: Piece, _ base: UnsafeRawPointer) -> Bool {
        slots.removeAll(keepingCapacity: true)
        let bytes = unsafe UnsafeRawBufferPointer(start: base, count: line.upper)
        var position = line.lower
        return unsafe texts.withUnsafeBytes { texts in
            guard let text = texts.baseAddress else { return false }
            for (number, literal) in shape.literals.enumerated() {
                if number > 0 {
                    var end = line.upper
                    if literal.length > 0 {
                        let stop = unsafe text.load(fromByteOffset: literal.lower, as: UInt8.self)
                        guard let found = unsafe Self.valueEnd(stop, bytes, position) else { return false }
                        end = found
                    }
                    slots.append(Piece(position, end &- position))
                    position = end
                }
                guard line.upper &- position >= literal.length,
                    unsafe PieceBytes.areEqual(base + position, text + literal.lower, literal.length)
                else { return false }
                position &+= literal.length
            }
            return position == line.upper
        }
    }

    @inline(__always)
    private static func valueEnd(_ stop: UInt8, _ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        guard stop == 0x22 else { return unsafe ByteScan.first(stop, in: bytes, from: start) }
        return unsafe closingQuote(bytes, start)
    }

    /// The first quote that no backslash takes away.
    @inline(__always)
    private static func closingQuote(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
        var position = start
        while let found = unsafe ByteScan.first(0x22, or: 0x5c, in: bytes, from: position) {
            if unsafe bytes[found] == 0x22 { return found }
            position = found &+ 2
            if position > bytes.count { return nil }
        }
        return nil
    }

    /// Values of an object: strings that are no names, and bare words and numbers. What stands between them is only
    /// kept, so it need not be valid.
    private mutating func scanObject(_ line: Piece, _ base: UnsafeRawPointer) -> Bool {
        let bytes = unsafe UnsafeRawBufferPointer(start: base, count: line.upper)
        var position = line.lower &+ 1
        while position < line.upper {
            let byte = unsafe bytes[position]
            if byte == 0x22 {
                guard let end = unsafe Self.closingQuote(bytes, position &+ 1) else { return false }
                var next = end &+ 1
                while next < line.upper, unsafe bytes[next] == 0x20 { next &+= 1 }
                if next < line.upper, unsafe bytes[next] == 0x3a {
                    position = next &+ 1
                    continue
                }
                slots.append(Piece(position &+ 1, end &- position &- 1))
                position = end &+ 1
            } else if byte &- 0x30 < 10 || byte == 0x2d || byte | 0x20 &- 0x61 < 26 {
                let start = position
                while position < line.upper, unsafe !Self.endsBareValue(bytes[position]) { position &+= 1 }
                slots.append(Piece(start, position &- start))
            } else {
                position &+= 1
            }
            if slots.count > Self.slotsLimit { return false }
        }
        return !slots.isEmpty
    }

    private static func endsBareValue(_ byte: UInt8) -> Bool {
        byte == 0x2c || byte == 0x7d || byte == 0x5d || byte == 0x20 || byte == 0x22
    }

    /// `name=value name="value"` from the first byte to the last, at least two.
    private mutating func scanPairs(_ line: Piece, _ base: UnsafeRawPointer) -> Bool {
        let bytes = unsafe UnsafeRawBufferPointer(start: base, count: line.upper)
        var position = line.lower
        while position < line.upper {
            let start = position
            while position < line.upper, unsafe Self.isNameByte(bytes[position]) { position &+= 1 }
            guard position > start, position < line.upper, unsafe bytes[position] == 0x3d else { return false }
            position &+= 1
            if position < line.upper, unsafe bytes[position] == 0x22 {
                guard let end = unsafe Self.closingQuote(bytes, position &+ 1) else { return false }
                slots.append(Piece(position &+ 1, end &- position &- 1))
                position = end &+ 1
            } else {
                let end = unsafe ByteScan.first(0x20, in: bytes, from: position) ?? line.upper
                slots.append(Piece(position, end &- position))
                position = end
            }
            while position < line.upper, unsafe bytes[position] == 0x20 { position &+= 1 }
            if slots.count > Self.slotsLimit { return false }
        }
        return slots.count > 1
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte | 0x20 &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x5f || byte == 0x2e || byte == 0x2d || byte == 0x2f
    }

    /// The shape with these `slots`, new or known; nil when there are too many.
    private mutating func shapeOfSlots(_ line: Piece, _ base: UnsafeRawPointer) -> Int? {
        var literals: [ArraySlice<UInt8>] = []
        var position = line.lower
        func literal(to end: Int) -> ArraySlice<UInt8> {
            unsafe ArraySlice(UnsafeRawBufferPointer(start: base + position, count: end &- position))
        }
        for slot in slots {
            literals.append(literal(to: slot.lower))
            position = slot.upper
        }
        literals.append(literal(to: line.upper))
        if let known = shapes.firstIndex(where: { areSame($0.literals, literals) }) { return known }
        guard shapes.count < Self.shapesLimit, literals.reduce(0, { $0 + $1.count }) <= Self.literalBytes else {
            return nil
        }
        var shape = Shape(literals: [], columns: [])
        for literal in literals {
            shape.literals.append(Piece(texts.count, literal.count))
            texts += literal
        }
        for literal in literals.dropLast() { shape.columns.append(column(behind: literal)) }
        shapes.append(shape)
        return shapes.count - 1
    }

    private func areSame(_ known: [Piece], _ literals: [ArraySlice<UInt8>]) -> Bool {
        known.count == literals.count
            && zip(known, literals).allSatisfy { piece, literal in
                piece.length == literal.count && texts[piece.lower..<piece.upper].elementsEqual(literal)
            }
    }

    private mutating func column(behind literal: ArraySlice<UInt8>) -> Int {
        if let known = columnOf[literal] { return known }
        columnOf[literal] = columns.count
        columns.append([])
        return columns.count - 1
    }
}
