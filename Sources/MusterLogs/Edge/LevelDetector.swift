package import MusterModel

/// Finds how grave a line says it is, from how loggers write it. The first that is found counts:
///
/// - A line that begins with `{"` is JSON: the value of a key `level`, `severity`, `lvl`, `loglevel`, `log_level`,
///   `log.level`, `levelname`, `severity_text`, `severityText`, `priority`, `@level`, `@l` of the outer object, or of
///   `level` in an object `log`, within the first `jsonBytes`. Words in messages do not count.
/// - Other lines, within the first `plainBytes`: at the head syslog's `<N>` and glog's `E0102 15:04:05`; such a key of
///   JSON or `key=value`; a level in capitals that stands alone (` ERROR `, `[ERROR]`, `ERROR:`, `ERR!`, `INFO/Main`);
///   in any case within `[ ]`, `| |` or tabs, `[module:error]`; in any case before a colon where only a timestamp, a
///   bracket or a name with a colon stands before it (`error: x`, `app[1]: warning: x`); `daemon.err`;
///   `panic:`, `fatal error:`, `Traceback (most recent call last)`.
///
/// Not believed: words in lower case in a sentence, parts of words (`errors`, `ErrorHandler`, `INFORMATION`), values of
/// other keys (`mode=DEBUG`), what stands in double quotes, and a word behind `no`, `not`, `without`, `zero` or `0`.
///
/// Numbers as levels: 0 to 7 are syslog's, from 10 those of bunyan and pino.
package struct LevelDetector: Sendable {
    /// How far into a line that is not JSON a level is looked for.
    package static let plainBytes = 256
    /// How far into a JSON line.
    package static let jsonBytes = 2_048

    private typealias Places = LevelWords.Places
    private let words = LevelWords.shared.table
    private static let tracebackRest = Array(" (most recent call last)".utf8)
    private static let fatalError = Array("fatal error:".utf8)

    package init() {}

    package func level(of line: Span<UInt8>) -> LogLevel {
        let start = line.skippingBlanks(from: 0)
        guard start < line.count else { return .unknown }
        switch line[start] {
        case 0x7b:
            let next = line.skippingBlanks(from: start &+ 1)
            if line.byte(at: next) == 0x22 || line.byte(at: next) == 0x7d { return jsonLevel(of: line, from: start) }
        case 0x3c:
            if let level = prioritized(line, at: start) { return level }
        case 0x44...0x57:
            if let level = glogLevel(of: line, at: start) { return level }
        case 0x66:
            if line.has(Self.fatalError, at: start) { return .fatal }
        default: break
        }
        return plainLevel(of: line, from: start)
    }

    /// `<N>` of syslog and of systemd: the severity is in the lowest three bits.
    private func prioritized(_ line: Span<UInt8>, at start: Int) -> LogLevel? {
        var index = start &+ 1
        var number = 0
        while index < line.count, index < start &+ 4, ASCIIByte.isDigit(line[index]) {
            number = number &* 10 &+ Int(line[index] &- 0x30)
            index &+= 1
        }
        guard index > start &+ 1, line.byte(at: index) == 0x3e, number <= 191 else { return nil }
        return Self.syslogLevel(number & 7)
    }

    /// `Lmmdd hh:`, with L of D, I, W, E, F.
    private func glogLevel(of line: Span<UInt8>, at start: Int) -> LogLevel? {
        guard line.count >= start &+ 8, line[start &+ 5] == 0x20 else { return nil }
        for offset in 1...4 where !ASCIIByte.isDigit(line[start &+ offset]) { return nil }
        guard ASCIIByte.isDigit(line[start &+ 6]), ASCIIByte.isDigit(line[start &+ 7]) else { return nil }
        switch line[start] {
        case 0x44: return .debug
        case 0x49: return .info
        case 0x57: return .warn
        case 0x45: return .error
        case 0x46: return .fatal
        default: return nil
        }
    }

    static func syslogLevel(_ severity: Int) -> LogLevel {
        switch severity {
        case 0...2: .fatal
        case 3: .error
        case 4: .warn
        case 5, 6: .info
        default: .debug
        }
    }
}

// MARK: - Keys and their values

extension LevelDetector {
    private func jsonLevel(of line: Span<UInt8>, from start: Int) -> LogLevel {
        let end = min(line.count, start &+ Self.jsonBytes)
        var depth = 0
        var isInLog = false
        var index = start
        while index < end {
            switch line[index] {
            case 0x7b, 0x5b: depth &+= 1
            case 0x7d, 0x5d:
                depth &-= 1
                if depth <= 1 { isInLog = false }
            case 0x22:
                let close = stringEnd(line, from: index &+ 1)
                let colon = close &+ 1
                if depth == 1 || (depth == 2 && isInLog), line.byte(at: colon) == 0x3a {
                    let name = pack(line, from: index &+ 1, to: close)
                    if case .key? = words[name, close &- index &- 1] {
                        let level = value(line, at: colon &+ 1)
                        if level != .unknown { return level }
                    } else if depth == 1, name == 0x67_6f6c, close &- index == 4 {
                        isInLog = line.byte(at: line.skippingBlanks(from: colon &+ 1)) == 0x7b
                    }
                }
                index = close
            default: break
            }
            index &+= 1
        }
        return .unknown
    }

    /// Index of the quote that ends the string, or the count.
    private func stringEnd(_ line: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while true {
            index = line.firstNotPlain(from: index)
            guard index < line.count else { return line.count }
            switch line[index] {
            case 0x22: return index
            case 0x5c: index &+= 2
            default: index &+= 1
            }
            if index >= line.count { return line.count }
        }
    }

    /// The first eight bytes in lower case.
    @inline(__always)
    private func pack(_ line: Span<UInt8>, from start: Int, to end: Int) -> UInt64 {
        var packed: UInt64 = 0
        var index = start
        var shift: UInt64 = 0
        while index < end, shift < 64 {
            packed |= UInt64(ASCIIByte.lower(line[index])) &<< shift
            shift &+= 8
            index &+= 1
        }
        return packed
    }

    /// The level that a value names: a word or a number, quoted or not.
    private func value(_ line: Span<UInt8>, at start: Int) -> LogLevel {
        var index = line.skippingBlanks(from: start)
        if line.byte(at: index) == 0x22 || line.byte(at: index) == 0x27 { index &+= 1 }
        let first = index
        if ASCIIByte.isDigit(line.byte(at: first)) { return number(line, at: first) }
        while index < line.count, index < first &+ 16, ASCIIByte.isLetter(line[index]) { index &+= 1 }
        let isWhole = !ASCIIByte.isAlphanumeric(line.byte(at: index)) && line.byte(at: index) != 0x5f
        guard index > first, isWhole,
            case .level(let level, let places)? = words[pack(line, from: first, to: index), index &- first],
            places.contains(.value)
        else { return .unknown }
        return level
    }

    private func number(_ line: Span<UInt8>, at start: Int) -> LogLevel {
        var index = start
        var number = 0
        while index < line.count, index < start &+ 3, ASCIIByte.isDigit(line[index]) {
            number = number &* 10 &+ Int(line[index] &- 0x30)
            index &+= 1
        }
        let after = line.byte(at: index)
        guard !ASCIIByte.isAlphanumeric(after), after != 0x2e, after != 0x5f else { return .unknown }
        switch number {
        case 0...7: return Self.syslogLevel(number)
        case 10..<20: return .trace
        case 20..<30: return .debug
        case 30..<40: return .info
        case 40..<50: return .warn
        case 50..<60: return .error
        case 60...100: return .fatal
        default: return .unknown
        }
    }
}

// MARK: - Plain text

extension LevelDetector {
    /// What a scan of plain text remembers of the words before.
    private struct Scan {
        var isDenied = false
        /// Where a facility of syslog ended.
        var facilityEnd = -1
        /// Where a terminal's escape sequence ended.
        var escapeEnd = -1
    }

    /// What a byte means to the scan: 0 separates, 1 belongs to a word (letters, digits, `_`, `@`, beyond ASCII), 2 is
    /// a
    /// quote, 3 begins a terminal's escape sequence.
    private static let kinds: [UInt8] = (0...255).map { (byte: UInt8) in
        switch byte {
        case 0x22: 2
        case 0x1b: 3
        case 0x40, 0x5f, 0x80...0xff: 1
        default: ASCIIByte.isAlphanumeric(byte) ? 1 : 0
        }
    }

    private func plainLevel(of line: Span<UInt8>, from start: Int) -> LogLevel {
        let kinds = Self.kinds.span
        guard kinds.count == 256 else { return .unknown }
        let end = min(line.count, Self.plainBytes)
        var scan = Scan()
        var index = start
        while index < end {
            switch kinds[Int(line[index])] {
            case 0: index &+= 1
            case 1:
                let first = index
                index &+= 1
                while index < end, kinds[Int(line[index])] == 1 { index &+= 1 }
                let isPossible = words.mayHold(first: line[first], length: index &- first)
                guard isPossible, index < end || kinds[Int(line.byte(at: index))] != 1 else {
                    scan.isDenied = index &- first == 1 && line[first] == 0x30
                    continue
                }
                let level = word(line, first..<index, &scan)
                if level != .unknown { return level }
            case 2:
                let level = quoted(line, at: &index, &scan)
                if level != .unknown { return level }
            default: skipEscape(line, at: &index, &scan)
            }
        }
        return .unknown
    }

    /// Skips what stands in quotes, unless it is the name of a key.
    private func quoted(_ line: Span<UInt8>, at index: inout Int, _ scan: inout Scan) -> LogLevel {
        let start = index &+ 1
        let close = line.first(0x22, from: start, to: line.count)
        index = close &+ 1
        scan.isDenied = false
        guard line.byte(at: index) == 0x3a, close &- start <= 14,
            case .key? = words[pack(line, from: start, to: close), close &- start]
        else { return .unknown }
        return value(line, at: index &+ 1)
    }

    /// `ESC [ parameters letter`.
    private func skipEscape(_ line: Span<UInt8>, at index: inout Int, _ scan: inout Scan) {
        index &+= 1
        guard line.byte(at: index) == 0x5b else { return }
        index &+= 1
        while index < line.count, line[index] &- 0x40 > 0x3e { index &+= 1 }
        index &+= 1
        scan.escapeEnd = index
    }

    /// Says which level a word gives the line.
    private func word(_ line: Span<UInt8>, _ range: Range<Int>, _ scan: inout Scan) -> LogLevel {
        let isDenied = scan.isDenied
        scan.isDenied = range.count == 1 && line[range.lowerBound] == 0x30
        guard let meaning = words[pack(line, from: range.lowerBound, to: range.upperBound), range.count] else {
            return .unknown
        }
        switch meaning {
        case .denial: scan.isDenied = true
        case .facility: scan.facilityEnd = range.upperBound
        case .key:
            if line.byte(at: range.upperBound) == 0x3d, isKeyHead(line.byte(at: range.lowerBound &- 1)) {
                return value(line, at: range.upperBound &+ 1)
            }
        case .traceback:
            if line.has(Self.tracebackRest, at: range.upperBound) { return .error }
        case .level(let level, let places):
            // 0x20 is set in small letters and not in capitals.
            var small: UInt8 = 0
            for index in range { small |= line[index] & 0x20 }
            let word = Word(
                start: range.lowerBound, end: range.upperBound, isCapital: small == 0, isDenied: isDenied)
            if isBelieved(word, places, line, scan) { return level }
        }
        return .unknown
    }

    private struct Word {
        let start: Int
        let end: Int
        let isCapital: Bool
        let isDenied: Bool
    }

    private func isKeyHead(_ byte: UInt8) -> Bool {
        switch byte {
        case 0, 0x09, 0x0a, 0x20, 0x28, 0x2c, 0x5b, 0x7b: true
        default: false
        }
    }

    private func isBelieved(_ word: Word, _ places: Places, _ line: Span<UInt8>, _ scan: Scan) -> Bool {
        let before: UInt8 = scan.escapeEnd == word.start ? 0x20 : line.byte(at: word.start &- 1)
        let after = line.byte(at: word.end)
        if word.isCapital, !word.isDenied, places.contains(.capitals), isOpening(before), isClosing(after) {
            return true
        }
        if after == 0x3a {
            let isAllowed = places.contains(.label) || (word.isCapital && places.contains(.capitalLabel))
            return isAllowed && isHead(line, word.start, scan)
                && isLabelEnd(line.byte(at: word.end &+ 1), word.isCapital)
        }
        if before == 0x2e, scan.facilityEnd == word.start &- 1 { return places.contains(.priority) && isClosing(after) }
        switch (before, after) {
        case (0x5b, 0x5d): return places.contains(.label) || (word.isCapital && places.contains(.letter))
        case (0x3a, 0x5d), (0x7c, 0x7c), (0x09, 0x09): return places.contains(.label)
        default: return false
        }
    }

    /// In small letters a blank has to follow the colon, or nothing.
    private func isLabelEnd(_ byte: UInt8, _ isCapital: Bool) -> Bool {
        isCapital || byte == 0 || byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x1b
    }

    /// What may stand before a word in capitals: nothing, a blank, `[ ( < | : , * {`.
    private func isOpening(_ byte: UInt8) -> Bool {
        switch byte {
        case 0, 0x09, 0x0a, 0x20, 0x28, 0x2a, 0x2c, 0x3a, 0x3c, 0x5b, 0x7b, 0x7c: true
        default: false
        }
    }

    /// What may stand behind it: nothing, a blank, `] ) > | : , ; ! / }`, a terminal's escape.
    private func isClosing(_ byte: UInt8) -> Bool {
        switch byte {
        case 0, 0x09, 0x0a, 0x0d, 0x1b, 0x20, 0x21, 0x29, 0x2c, 0x2f, 0x3a, 0x3b, 0x3e, 0x5d, 0x7c, 0x7d: true
        default: false
        }
    }

    /// Whether before `index` a line begins, or a bracket, a colon, a dash or a timestamp ends.
    private func isHead(_ line: Span<UInt8>, _ index: Int, _ scan: Scan) -> Bool {
        guard scan.escapeEnd != index else { return true }
        var before = index &- 1
        while before >= 0, line[before] == 0x20 || line[before] == 0x09 { before &-= 1 }
        guard before >= 0 else { return true }
        switch line[before] {
        case 0x0a, 0x29, 0x2d, 0x3a, 0x3e, 0x5d, 0x7c, 0x30...0x39: return true
        case 0x5a: return ASCIIByte.isDigit(line.byte(at: before &- 1))
        default: return false
        }
    }
}
