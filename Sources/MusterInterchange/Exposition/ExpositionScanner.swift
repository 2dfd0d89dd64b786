/// A place in one line. The bytes are an argument, as with `ProtobufReader`.
struct ExpositionScanner {
    private(set) var offset: Int
    let start: Int
    let end: Int
    let line: Int
    let format: ExpositionFormat

    init(_ range: Range<Int>, line: Int, format: ExpositionFormat) {
        offset = range.lowerBound
        start = range.lowerBound
        end = range.upperBound
        self.line = line
        self.format = format
    }

    /// `place` is within the line.
    mutating func move(to place: Int) { offset = place }

    func error(_ problem: String, at place: Int? = nil) -> ExpositionError {
        ExpositionError(problem, line: line, column: (place ?? offset) - start + 1)
    }

    func isAtEnd(_ bytes: Span<UInt8>) -> Bool {
        guard format == .prometheus else { return offset >= end }
        var index = offset
        while index < end, Self.isBlank(bytes[index]) { index &+= 1 }
        return index >= end
    }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    @inline(__always)
    mutating func skipBlanks(_ bytes: Span<UInt8>) {
        while offset < end, Self.isBlank(bytes[offset]) { offset &+= 1 }
    }

    /// Between two parts of a line: blanks in the Prometheus format, exactly one space in OpenMetrics.
    @inline(__always)
    mutating func skipGap(_ bytes: Span<UInt8>, _ what: String, isOptional: Bool) throws(ExpositionError) {
        let before = offset
        guard offset < end else { throw error("the line ends where \(what) should be") }
        if format == .prometheus {
            skipBlanks(bytes)
            guard offset > before || isOptional else { throw error("no space before \(what)") }
        } else {
            guard offset < end, bytes[offset] == 0x20 else { throw error("no space before \(what)") }
            offset &+= 1
        }
        guard offset < end else { throw error("the line ends where \(what) should be") }
    }

    /// Up to the next blank.
    @inline(__always)
    mutating func token(_ bytes: Span<UInt8>) -> Range<Int> {
        let begin = offset
        while offset < end, !Self.isBlank(bytes[offset]) { offset &+= 1 }
        return begin..<offset
    }

    // MARK: Series

    /// Name and labels. What is between the braces is not read here, only where they end.
    @inline(__always)
    mutating func series(_ bytes: Span<UInt8>) throws(ExpositionError) -> Range<Int> {
        let begin = offset
        if bytes[begin] != 0x7b { _ = try name(bytes, "a metric name") }
        let nameEnd = offset
        if format == .prometheus { skipBlanks(bytes) }
        guard offset < end, bytes[offset] == 0x7b else {
            offset = nameEnd
            return begin..<nameEnd
        }
        try skipBraces(bytes)
        return begin..<offset
    }

    /// Letters, digits, `_` and `:`, no digit first.
    @inline(__always)
    mutating func name(_ bytes: Span<UInt8>, _ what: String) throws(ExpositionError) -> Range<Int> {
        let begin = offset
        guard offset < end, Self.isNameByte(bytes[offset]), bytes[offset] &- 0x30 > 9 else {
            throw error("no \(what.dropFirst(2))")
        }
        offset &+= 1
        while offset < end, Self.isNameByte(bytes[offset]) { offset &+= 1 }
        return begin..<offset
    }

    @inline(__always)
    static func isNameByte(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 <= 10 || byte == 0x5f
    }

    @inline(__always)
    private mutating func skipBraces(_ bytes: Span<UInt8>) throws(ExpositionError) {
        let open = offset
        offset &+= 1
        while let hit = ExpositionParser.find(0x22, or: 0x7d, bytes, from: offset, to: end) {
            offset = hit &+ 1
            if bytes[hit] == 0x7d { return }
            try skipQuoted(bytes)
        }
        throw error("labels that do not end", at: open)
    }

    /// To behind the closing quote; the opening one was read.
    @inline(__always)
    mutating func skipQuoted(_ bytes: Span<UInt8>) throws(ExpositionError) {
        let open = offset &- 1
        while let hit = ExpositionParser.find(0x22, or: 0x5c, bytes, from: offset, to: end) {
            if bytes[hit] == 0x22 {
                offset = hit &+ 1
                return
            }
            offset = min(end, hit &+ 2)
        }
        throw error("a quoted text that does not end", at: open)
    }

    // MARK: Time and exemplar

    @inline(__always)
    mutating func timestamp(_ bytes: Span<UInt8>) throws(ExpositionError) -> Int64 {
        let range = token(bytes)
        if format == .prometheus {
            guard let milliseconds = DecimalNumber.integer(bytes, range) else {
                throw error("no whole number of milliseconds where the timestamp should be", at: range.lowerBound)
            }
            return milliseconds
        }
        guard let seconds = DecimalNumber.double(bytes, range),
            (seconds * 1_000).magnitude < 9_223_372_036_854_775_808
        else { throw error("no number of seconds where the timestamp should be", at: range.lowerBound) }
        // To the nearest millisecond: most decimal fractions are no exact doubles.
        return Int64(seconds * 1_000 + (seconds < 0 ? -0.5 : 0.5))
    }

    func isExemplar(_ bytes: Span<UInt8>) -> Bool { format == .openMetrics && bytes[offset] == 0x23 }

    /// `# {labels} value [timestamp]`, held to its form and let go.
    mutating func skipExemplar(_ bytes: Span<UInt8>) throws(ExpositionError) {
        offset &+= 1
        try skipGap(bytes, "the labels of an exemplar", isOptional: false)
        guard bytes[offset] == 0x7b else { throw error("no labels of an exemplar") }
        try skipBraces(bytes)
        try skipGap(bytes, "the value of an exemplar", isOptional: false)
        let value = token(bytes)
        guard DecimalNumber.double(bytes, value) != nil else {
            throw error("no number where the value of an exemplar should be", at: value.lowerBound)
        }
        if offset < end {
            try skipGap(bytes, "the timestamp of an exemplar", isOptional: false)
            _ = try timestamp(bytes)
        }
        guard offset >= end else { throw error("something follows the exemplar") }
    }

    // MARK: Comments

    /// `# HELP`, `# TYPE`, `# UNIT` and `# EOF`; nil for a comment that is just that.
    mutating func comment(_ bytes: Span<UInt8>) throws(ExpositionError) -> ExpositionEvent? {
        let begin = offset
        offset &+= 1
        if format == .prometheus {
            skipBlanks(bytes)
        } else {
            try skipGap(bytes, "HELP, TYPE, UNIT or EOF", isOptional: false)
        }
        switch word(bytes) {
        case "HELP":
            let name = try familyName(bytes)
            return .help(name: name, text: try rest(bytes))
        case "TYPE":
            let name = try familyName(bytes)
            return .type(name: name, try familyType(bytes))
        case "UNIT" where format == .openMetrics:
            let name = try familyName(bytes)
            return .unit(name: name, unit: try rest(bytes))
        case "EOF" where format == .openMetrics:
            guard offset == end else { throw error("something follows # EOF") }
            return .endOfFile
        default:
            guard format == .prometheus else { throw error("a comment that is no HELP, TYPE, UNIT or EOF", at: begin) }
            return nil
        }
    }

    private mutating func word(_ bytes: Span<UInt8>) -> String {
        let range = token(bytes)
        return range.count <= 4 ? String(decoding: Array(bytes, range), as: UTF8.self) : ""
    }

    /// A name, or one in quotes, given out without them.
    private mutating func familyName(_ bytes: Span<UInt8>) throws(ExpositionError) -> Range<Int> {
        try skipGap(bytes, "the name of a family", isOptional: false)
        guard bytes[offset] == 0x22 else { return try name(bytes, "a name of a family") }
        offset &+= 1
        let begin = offset
        try skipQuoted(bytes)
        return begin..<offset &- 1
    }

    private mutating func rest(_ bytes: Span<UInt8>) throws(ExpositionError) -> Range<Int> {
        guard offset < end else { return end..<end }
        guard Self.isBlank(bytes[offset]) else { throw error("no space after the name of a family") }
        offset &+= 1
        if format == .prometheus { skipBlanks(bytes) }
        defer { offset = end }
        return offset..<end
    }

    private mutating func familyType(_ bytes: Span<UInt8>) throws(ExpositionError) -> FamilyType {
        try skipGap(bytes, "the type of a family", isOptional: false)
        let range = token(bytes)
        let name = String(decoding: Array(bytes, range), as: UTF8.self)
        guard isAtEnd(bytes) else { throw error("something follows the type of a family") }
        if format == .prometheus {
            if name == "untyped" { return .unknown }
            let types: [FamilyType] = [.counter, .gauge, .histogram, .summary]
            if let type = types.first(where: { $0.name == name }) { return type }
        } else if let type = FamilyType(name: name) {
            return type
        }
        throw error("\"\(name.prefix(32))\" is no type of a family", at: range.lowerBound)
    }
}
