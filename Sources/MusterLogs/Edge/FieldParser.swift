package import MusterModel

/// How fields are taken from a line.
package enum FieldFormat: Sendable {
    case json
    case logfmt
    /// Groups with a name become fields, in the order of their names; those that took no part are left out.
    case pattern(any SearchPattern)
}

/// Takes fields from lines. Keeps its storage between calls.
package struct FieldParser: Sendable {
    package let format: FieldFormat
    private var json = JSONFields()
    private let groups: [(name: [UInt8], number: Int)]
    /// Lines without valid fields: no JSON object, a quote in logfmt without its other half, no match.
    package private(set) var failures: UInt64 = 0

    package init(_ format: FieldFormat) {
        self.format = format
        if case .pattern(let pattern) = format {
            groups = pattern.groupNames.sorted { $0.key < $1.key }.map { (Array($0.key.utf8), $0.value) }
        } else {
            groups = []
        }
    }

    /// Appends what the line holds. False, and nothing appended, when it has not the format.
    @discardableResult
    package mutating func parse(_ line: Span<UInt8>, into fields: inout FieldList) -> Bool {
        let isParsed: Bool
        switch format {
        case .json: isParsed = json.parse(line, into: &fields)
        case .logfmt: isParsed = LogfmtFields.parse(line, into: &fields)
        case .pattern(let pattern): isParsed = match(pattern, line, into: &fields)
        }
        if !isParsed { failures &+= 1 }
        return isParsed
    }

    private func match(_ pattern: any SearchPattern, _ line: Span<UInt8>, into fields: inout FieldList) -> Bool {
        guard let ranges = pattern.firstMatch(in: line, from: 0) else { return false }
        for group in groups {
            guard ranges.indices.contains(group.number), let range = ranges[group.number],
                range.lowerBound >= 0, range.upperBound <= line.count
            else { continue }
            fields.append(name: group.name.span, value: line.extracting(range))
        }
        return true
    }
}

/// logfmt as Go kit writes it: `key=value key="quoted \"value\"" key= key`. Bytes up to the blank separate. A bare key
/// and `key=` have an empty value. More than Go kit's reader takes: `=` inside a value without quotes, as URLs have it.
/// A double quote in a key or inside a value without quotes, a value without its key, an unknown escape and a quote
/// that is not closed are errors.
enum LogfmtFields {
    /// False when the line has an error; the fields are then as they were.
    static func parse(_ line: Span<UInt8>, into fields: inout FieldList) -> Bool {
        let mark = fields.mark
        var index = 0
        while true {
            while index < line.count, line[index] <= 0x20 { index &+= 1 }
            guard index < line.count else { return true }
            guard pair(line, at: &index, into: &fields) else {
                fields.rewind(to: mark)
                return false
            }
        }
    }

    private static func pair(_ line: Span<UInt8>, at index: inout Int, into fields: inout FieldList) -> Bool {
        let start = index
        while index < line.count, line[index] > 0x20, line[index] != 0x3d {
            guard line[index] != 0x22 else { return false }
            index &+= 1
        }
        guard index > start else { return false }
        fields.begin(name: line.extracting(start..<index))
        if index < line.count, line[index] == 0x3d {
            index &+= 1
            let isValid =
                line.byte(at: index) == 0x22 ? quoted(line, at: &index, &fields) : bare(line, at: &index, &fields)
            guard isValid else { return false }
        }
        fields.commit()
        return true
    }

    private static func bare(_ line: Span<UInt8>, at index: inout Int, _ fields: inout FieldList) -> Bool {
        let start = index
        while index < line.count, line[index] > 0x20 {
            guard line[index] != 0x22 else { return false }
            index &+= 1
        }
        fields.write(line, start..<index)
        return true
    }

    private static func quoted(_ line: Span<UInt8>, at index: inout Int, _ fields: inout FieldList) -> Bool {
        var isPlain = true
        let start = index &+ 1
        guard let end = JSONStrings.end(of: line, from: start, isPlain: &isPlain) else { return false }
        if isPlain {
            fields.write(line, start..<end &- 1)
        } else {
            JSONStrings.decode(line, start..<end &- 1) { fields.write($0) }
        }
        index = end
        return true
    }
}
