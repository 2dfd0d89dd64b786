/// Takes the series of a line apart, once for each that is new.
package enum ExpositionLabels {
    /// Label bytes in the order written, `__name__` first; the caller adds labels of its own, then holds them to the
    /// rules with `LabelBytes.decode`. A label without a value is left out: it says the same as no label.
    package static func labelBytes(
        of sample: ExpositionSample, in parser: ExpositionParser
    ) throws(ExpositionError) -> [UInt8] {
        let bytes = parser.bytes.span
        var reader = LabelListReader(
            scanner: ExpositionScanner(
                sample.lineStart..<sample.series.upperBound, line: sample.line, format: parser.format))
        return try reader.read(bytes, from: sample.series.lowerBound)
    }
}

/// `name{label="value",...}`, `{"name",label="value",...}`, names in quotes where they have other characters.
private struct LabelListReader {
    var scanner: ExpositionScanner
    private var output: [UInt8] = []
    private var hasName = false

    init(scanner: ExpositionScanner) { self.scanner = scanner }

    mutating func read(_ bytes: Span<UInt8>, from start: Int) throws(ExpositionError) -> [UInt8] {
        scanner.move(to: start)
        if bytes[start] != 0x7b { add("__name__", Array(bytes, try scanner.name(bytes, "a metric name"))) }
        skipBlanks(bytes)
        guard scanner.offset < scanner.end else { return output }
        scanner.move(to: scanner.offset + 1)
        skipBlanks(bytes)
        while bytes[scanner.offset] != 0x7d {
            try readLabel(bytes)
            skipBlanks(bytes)
            guard scanner.offset < scanner.end else { throw scanner.error("labels that do not end") }
            if bytes[scanner.offset] == 0x2c {
                scanner.move(to: scanner.offset + 1)
                skipBlanks(bytes)
                guard scanner.offset < scanner.end else { throw scanner.error("labels that do not end") }
            } else if bytes[scanner.offset] != 0x7d {
                throw scanner.error("no comma between two labels")
            }
        }
        guard scanner.offset == scanner.end - 1 else { throw scanner.error("a brace within the labels") }
        guard hasName else { throw scanner.error("a series without a metric name") }
        return output
    }

    private mutating func readLabel(_ bytes: Span<UInt8>) throws(ExpositionError) {
        let begin = scanner.offset
        let isQuoted = bytes[begin] == 0x22
        let name = isQuoted ? try quoted(bytes) : Array(bytes, try labelName(bytes))
        skipBlanks(bytes)
        guard scanner.offset < scanner.end, bytes[scanner.offset] == 0x3d else {
            guard isQuoted, !hasName else { throw scanner.error("no = after a label name") }
            return add("__name__", name)
        }
        scanner.move(to: scanner.offset + 1)
        skipBlanks(bytes)
        guard scanner.offset < scanner.end, bytes[scanner.offset] == 0x22 else {
            throw scanner.error("no quoted label value")
        }
        let value = try quoted(bytes)
        guard !name.isEmpty else { throw scanner.error("a label without a name", at: begin) }
        if !value.isEmpty { LabelBytes.append(name, value, to: &output) }
    }

    private mutating func labelName(_ bytes: Span<UInt8>) throws(ExpositionError) -> Range<Int> {
        let range = try scanner.name(bytes, "a label name")
        if let colon = range.first(where: { bytes[$0] == 0x3a }) {
            throw scanner.error("a colon in a label name", at: colon)
        }
        return range
    }

    private mutating func quoted(_ bytes: Span<UInt8>) throws(ExpositionError) -> [UInt8] {
        let begin = scanner.offset + 1
        scanner.move(to: begin)
        try scanner.skipQuoted(bytes)
        return ExpositionText.unescaped(bytes, begin..<scanner.offset - 1, hasQuotes: true)
    }

    private mutating func add(_ name: String, _ value: [UInt8]) {
        hasName = true
        LabelBytes.append(Array(name.utf8), value, to: &output)
    }

    private mutating func skipBlanks(_ bytes: Span<UInt8>) {
        if scanner.format == .prometheus { scanner.skipBlanks(bytes) }
    }
}

/// Escapes of the text formats.
package enum ExpositionText {
    /// `\\` and `\n` everywhere, `\"` where the text stands in quotes; a backslash before anything else stays one.
    package static func unescaped(_ bytes: Span<UInt8>, _ range: Range<Int>, hasQuotes: Bool) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            let following = index + 1 < range.upperBound ? bytes[index + 1] : 0
            index += 2
            switch (byte, following) {
            case (0x5c, 0x5c): text.append(0x5c)
            case (0x5c, 0x6e): text.append(0x0a)
            case (0x5c, 0x22) where hasQuotes: text.append(0x22)
            default:
                text.append(byte)
                index -= 1
            }
        }
        return text
    }
}
