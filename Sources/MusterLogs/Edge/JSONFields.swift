/// Takes the fields of a JSON object. The whole text has to be valid (RFC 8259); names of nested objects are joined
/// with
/// `_`; arrays are checked and skipped; null is an empty value; a name that comes twice gives two fields.
struct JSONFields: Sendable {
    /// Objects and arrays within each other; a deeper text counts as not valid.
    static let maxDepth = 16
    /// Names beyond are cut here; `FieldList` then leaves the field out.
    private static let pathBytes = FieldList.nameBytes + 1

    private var index = 0
    private var path: [UInt8] = []

    /// False when the text is no valid object; the fields are then as they were.
    mutating func parse(_ line: Span<UInt8>, into fields: inout FieldList) -> Bool {
        index = 0
        path.removeAll(keepingCapacity: true)
        let mark = fields.mark
        skipSpace(line)
        var isValid = line.byte(at: index) == 0x7b && object(line, depth: 1, into: &fields)
        skipSpace(line)
        if index != line.count { isValid = false }
        if !isValid { fields.rewind(to: mark) }
        return isValid
    }

    private mutating func object(_ line: Span<UInt8>, depth: Int, into fields: inout FieldList) -> Bool {
        guard depth <= Self.maxDepth else { return false }
        index &+= 1
        skipSpace(line)
        if take(0x7d, line) { return true }
        let outer = path.count
        while true {
            guard take(0x22, line) else { return false }
            var isPlain = true
            let start = index
            guard let end = JSONStrings.end(of: line, from: start, isPlain: &isPlain) else { return false }
            appendName(line, start..<end &- 1, isPlain: isPlain)
            index = end
            skipSpace(line)
            guard take(0x3a, line), value(line, depth: depth, into: &fields) else { return false }
            path.removeLast(path.count &- outer)
            skipSpace(line)
            if take(0x2c, line) {
                skipSpace(line)
                continue
            }
            return take(0x7d, line)
        }
    }

    private mutating func appendName(_ line: Span<UInt8>, _ range: Range<Int>, isPlain: Bool) {
        if !path.isEmpty { path.append(0x5f) }
        if isPlain {
            for position in range.prefix(max(0, Self.pathBytes - path.count)) { path.append(line[position]) }
        } else {
            JSONStrings.decode(line, range) { byte in
                if path.count < Self.pathBytes { path.append(byte) }
            }
        }
    }

    private mutating func value(_ line: Span<UInt8>, depth: Int, into fields: inout FieldList) -> Bool {
        skipSpace(line)
        switch line.byte(at: index) {
        case 0x7b: return object(line, depth: depth &+ 1, into: &fields)
        case 0x5b: return skipArray(line, depth: depth &+ 1)
        case 0x22:
            var isPlain = true
            let start = index &+ 1
            guard let end = JSONStrings.end(of: line, from: start, isPlain: &isPlain) else { return false }
            fields.begin(name: path.span)
            if isPlain {
                fields.write(line, start..<end &- 1)
            } else {
                JSONStrings.decode(line, start..<end &- 1) { fields.write($0) }
            }
            fields.commit()
            index = end
            return true
        default:
            let start = index
            guard skipLiteral(line) else { return false }
            fields.begin(name: path.span)
            if line[start] != 0x6e { fields.write(line, start..<index) }
            fields.commit()
            return true
        }
    }

    // MARK: What is only checked

    private mutating func skipArray(_ line: Span<UInt8>, depth: Int) -> Bool {
        guard depth <= Self.maxDepth else { return false }
        index &+= 1
        skipSpace(line)
        if take(0x5d, line) { return true }
        while true {
            guard skipValue(line, depth: depth) else { return false }
            skipSpace(line)
            if take(0x2c, line) { continue }
            return take(0x5d, line)
        }
    }

    private mutating func skipObject(_ line: Span<UInt8>, depth: Int) -> Bool {
        guard depth <= Self.maxDepth else { return false }
        index &+= 1
        skipSpace(line)
        if take(0x7d, line) { return true }
        while true {
            skipSpace(line)
            guard take(0x22, line), skipString(line) else { return false }
            skipSpace(line)
            guard take(0x3a, line), skipValue(line, depth: depth) else { return false }
            skipSpace(line)
            if take(0x2c, line) { continue }
            return take(0x7d, line)
        }
    }

    private mutating func skipValue(_ line: Span<UInt8>, depth: Int) -> Bool {
        skipSpace(line)
        switch line.byte(at: index) {
        case 0x7b: return skipObject(line, depth: depth &+ 1)
        case 0x5b: return skipArray(line, depth: depth &+ 1)
        case 0x22:
            index &+= 1
            return skipString(line)
        default: return skipLiteral(line)
        }
    }

    private mutating func skipString(_ line: Span<UInt8>) -> Bool {
        var isPlain = true
        guard let end = JSONStrings.end(of: line, from: index, isPlain: &isPlain) else { return false }
        index = end
        return true
    }

    private static let literals = ["true", "false", "null"].map { Array($0.utf8) }

    /// A number, `true`, `false` or `null`.
    private mutating func skipLiteral(_ line: Span<UInt8>) -> Bool {
        let first = line.byte(at: index)
        if ASCIIByte.isDigit(first) || first == 0x2d { return skipNumber(line) }
        for literal in Self.literals where line.has(literal, at: index) {
            index &+= literal.count
            return true
        }
        return false
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
    private mutating func skipNumber(_ line: Span<UInt8>) -> Bool {
        _ = take(0x2d, line)
        if !take(0x30, line) {
            guard skipDigits(line) else { return false }
        }
        if take(0x2e, line) {
            guard skipDigits(line) else { return false }
        }
        if take(0x65, line) || take(0x45, line) {
            if !take(0x2b, line) { _ = take(0x2d, line) }
            guard skipDigits(line) else { return false }
        }
        return true
    }

    private mutating func skipDigits(_ line: Span<UInt8>) -> Bool {
        let start = index
        while index < line.count, ASCIIByte.isDigit(line[index]) { index &+= 1 }
        return index > start
    }

    @inline(__always)
    private mutating func skipSpace(_ line: Span<UInt8>) {
        while index < line.count {
            let byte = line[index]
            guard byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d else { return }
            index &+= 1
        }
    }

    @inline(__always)
    private mutating func take(_ byte: UInt8, _ line: Span<UInt8>) -> Bool {
        guard index < line.count, line[index] == byte else { return false }
        index &+= 1
        return true
    }
}
