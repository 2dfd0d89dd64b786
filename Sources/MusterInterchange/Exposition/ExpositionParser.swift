/// Reads an exposition line by line, as its bytes arrive.
///
///     parser.feed(chunk)
///     while let event = try parser.next() { ... }
///     parser.finish()
///     while let event = try parser.next() { ... }
///
/// Known series cost no string and no look into their labels: between the braces only quotes are followed. A series
/// that is new is taken apart by `ExpositionLabels`. After an error the parser stands at the next line, so the caller
/// may go on or give the whole exposition up, as Prometheus does.
package struct ExpositionParser: Sendable {
    package private(set) var bytes: [UInt8] = []
    package let format: ExpositionFormat
    private let lineLimit: Int
    /// Where the next line begins.
    private var position = 0
    /// No end of a line is before this.
    private var scanned = 0
    private var line = 0
    private var isFinished = false
    private var isSkippingLine = false
    private var hasEnded = false

    package init(format: ExpositionFormat, lineBytes: Int = InterchangeLimits.expositionLineBytes) {
        self.format = format
        lineLimit = lineBytes
    }

    /// Takes the next bytes. Places given out before are no longer good.
    package mutating func feed(_ chunk: [UInt8]) {
        if position > 0 {
            bytes.removeFirst(position)
            scanned -= position
            position = 0
        }
        bytes += chunk
    }

    /// No more bytes come: a last line without its end is one, and OpenMetrics must have ended.
    package mutating func finish() { isFinished = true }

    /// Nil when more bytes are needed, or when everything was read.
    package mutating func next() throws(ExpositionError) -> ExpositionEvent? {
        while let range = try nextLine() {
            line &+= 1
            if let event = try event(in: range) { return event }
        }
        guard !isFinished || hasEnded || format == .prometheus else {
            hasEnded = true
            throw ExpositionError("the exposition does not end with # EOF", line: line + 1, column: 1)
        }
        return nil
    }

    private mutating func nextLine() throws(ExpositionError) -> Range<Int>? {
        while true {
            let found = Self.find(0x0a, bytes.span, from: scanned, to: bytes.count)
            let end = found ?? bytes.count
            guard found != nil || (isFinished && end > position) || isOverlong(end) else {
                scanned = end
                return nil
            }
            let start = position
            position = found.map { $0 &+ 1 } ?? end
            scanned = position
            if isSkippingLine {
                isSkippingLine = found == nil
                continue
            }
            guard end &- start <= lineLimit else {
                line += 1
                isSkippingLine = found == nil
                throw ExpositionError("a line of more than \(lineLimit) bytes", line: line, column: lineLimit + 1)
            }
            return start..<end
        }
    }

    private func isOverlong(_ end: Int) -> Bool { end &- position > (isSkippingLine ? 0 : lineLimit) }

    private mutating func event(in range: Range<Int>) throws(ExpositionError) -> ExpositionEvent? {
        var scanner = ExpositionScanner(range, line: line, format: format)
        guard !hasEnded else { throw scanner.error("something follows # EOF") }
        let event = try Self.event(bytes.span, &scanner)
        if event == .endOfFile { hasEnded = true }
        return event
    }

    @inline(__always)
    private static func event(
        _ bytes: Span<UInt8>, _ scanner: inout ExpositionScanner
    ) throws(ExpositionError) -> ExpositionEvent? {
        if scanner.format == .prometheus { scanner.skipBlanks(bytes) }
        guard scanner.offset < scanner.end else {
            guard scanner.format == .prometheus else { throw scanner.error("an empty line") }
            return nil
        }
        guard bytes[scanner.offset] != 0x23 else { return try scanner.comment(bytes) }
        return .sample(try sample(bytes, &scanner))
    }

    @inline(__always)
    private static func sample(
        _ bytes: Span<UInt8>, _ scanner: inout ExpositionScanner
    ) throws(ExpositionError) -> ExpositionSample {
        let series = try scanner.series(bytes)
        try scanner.skipGap(bytes, "a value", isOptional: bytes[series.upperBound &- 1] == 0x7d)
        let number = scanner.token(bytes)
        guard let value = DecimalNumber.double(bytes, number) else {
            throw scanner.error("no number where the value should be", at: number.lowerBound)
        }
        var sample = ExpositionSample(
            series: series, value: value, milliseconds: nil, line: scanner.line, lineStart: scanner.start)
        if scanner.isAtEnd(bytes) { return sample }
        try scanner.skipGap(bytes, "a timestamp or the end of the line", isOptional: false)
        if scanner.isExemplar(bytes) {
            try scanner.skipExemplar(bytes)
            return sample
        }
        sample.milliseconds = try scanner.timestamp(bytes)
        if scanner.isAtEnd(bytes) { return sample }
        if scanner.format == .openMetrics {
            try scanner.skipGap(bytes, "an exemplar or the end of the line", isOptional: false)
            if scanner.isExemplar(bytes) {
                try scanner.skipExemplar(bytes)
                return sample
            }
        }
        throw scanner.error("something follows the timestamp")
    }

    /// The first `byte` in a stretch, eight at a time.
    @inline(__always)
    static func find(_ byte: UInt8, _ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        find(byte, or: byte, bytes, from: start, to: end)
    }

    /// The first of two bytes in a stretch, eight at a time.
    @inline(__always)
    static func find(_ a: UInt8, or b: UInt8, _ bytes: Span<UInt8>, from start: Int, to end: Int) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let wantedA = ones &* UInt64(a)
        let wantedB = ones &* UInt64(b)
        var index = start
        while index &+ 8 <= end {
            let loaded = unsafe bytes.bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let word = UInt64(littleEndian: loaded)
            let wordA = word ^ wantedA
            let wordB = word ^ wantedB
            let hits = (((wordA &- ones) & ~wordA) | ((wordB &- ones) & ~wordB)) & (ones << 7)
            if hits != 0 { return index &+ hits.trailingZeroBitCount >> 3 }
            index &+= 8
        }
        while index < end {
            if bytes[index] == a || bytes[index] == b { return index }
            index &+= 1
        }
        return nil
    }
}
