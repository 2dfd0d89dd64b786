/// One record of Docker's json-file driver, `{"log":"…","stream":"stdout","time":"…"}`, taken apart without copying.
///
/// A reader for exactly this use: keys in any order, unknown keys skipped, anything that is no JSON object refused.
struct DockerRecord {
    /// Between the quotes of `log`, still escaped.
    var text = 0..<0
    var hasEscapes = false
    var isStderr = false
    /// Nanoseconds; nil when the record has no usable time.
    var timestamp: Int64?

    /// Nil when the bytes are no record.
    init?(_ bytes: UnsafeRawBufferPointer) {
        var reader = unsafe JSONReader(bytes: bytes)
        var hasText = false
        guard reader.take(0x7b) else { return nil }
        if reader.take(0x7d) { return nil }
        repeat {
            guard let key = reader.string(), reader.take(0x3a) else { return nil }
            switch unsafe Self.field(bytes, key.range) {
            case .log:
                guard let value = reader.string() else { return nil }
                text = value.range
                hasEscapes = value.hasEscapes
                hasText = true
            case .stream:
                guard let value = reader.string() else { return nil }
                isStderr = unsafe Self.equals(bytes, value.range, "stderr")
            case .time:
                guard let value = reader.string() else { return nil }
                timestamp = unsafe TimestampText.nanoseconds(UnsafeRawBufferPointer(rebasing: bytes[value.range]))
            case .other:
                guard reader.skipValue() else { return nil }
            }
        } while reader.take(0x2c)
        guard reader.take(0x7d), reader.isAtEnd, hasText else { return nil }
    }

    private enum Field { case log, stream, time, other }

    @inline(__always)
    private static func field(_ bytes: UnsafeRawBufferPointer, _ key: Range<Int>) -> Field {
        switch key.count {
        case 3: unsafe equals(bytes, key, "log") ? .log : .other
        case 4: unsafe equals(bytes, key, "time") ? .time : .other
        case 6: unsafe equals(bytes, key, "stream") ? .stream : .other
        default: .other
        }
    }

    @inline(__always)
    private static func equals(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        for index in 0..<range.count where unsafe bytes[range.lowerBound + index] != text.utf8Start[index] {
            return false
        }
        return true
    }
}

/// Steps over JSON in raw bytes.
@safe private struct JSONReader {
    static let depthLimit = 32

    let bytes: UnsafeRawBufferPointer
    var index = 0

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return unsafe index == bytes.count
        }
    }

    @inline(__always)
    mutating func skipSpace() {
        while unsafe index < bytes.count {
            let byte = unsafe bytes[index]
            guard byte == 0x20 || byte == 0x09 || byte == 0x0d else { return }
            index &+= 1
        }
    }

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        skipSpace()
        guard unsafe index < bytes.count, unsafe bytes[index] == byte else { return false }
        index &+= 1
        return true
    }

    @inline(__always)
    mutating func string() -> (range: Range<Int>, hasEscapes: Bool)? {
        guard take(0x22) else { return nil }
        let start = index
        var hasEscapes = false
        while let hit = unsafe ByteScan.first(0x22, or: 0x5c, in: bytes, from: index) {
            if unsafe bytes[hit] == 0x22 {
                index = hit &+ 1
                return (start..<hit, hasEscapes)
            }
            hasEscapes = true
            index = hit &+ 2
        }
        return nil
    }

    /// Steps over a string, a number, a word, an array or an object.
    mutating func skipValue() -> Bool {
        var depth = 0
        repeat {
            skipSpace()
            guard unsafe index < bytes.count else { return false }
            switch unsafe bytes[index] {
            case 0x22:
                guard string() != nil else { return false }
            case 0x7b, 0x5b:
                depth += 1
                index += 1
                guard depth <= Self.depthLimit else { return false }
            case 0x7d, 0x5d:
                depth -= 1
                index += 1
                guard depth >= 0 else { return false }
            case 0x2c, 0x3a:
                guard depth > 0 else { return false }
                index += 1
            default:
                guard skipWord() else { return false }
            }
        } while depth > 0
        return true
    }

    private mutating func skipWord() -> Bool {
        let start = index
        while unsafe index < bytes.count {
            let byte = unsafe bytes[index]
            let isWord =
                byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2b || byte == 0x2d || byte == 0x2e
            guard isWord else { break }
            index += 1
        }
        return index > start
    }
}

/// Undoes JSON's escapes.
enum JSONText {
    /// Appends the text between the quotes. A lone surrogate or an unknown escape becomes U+FFFD.
    static func append(_ escaped: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        var index = 0
        while let hit = unsafe ByteScan.first(0x5c, or: 0x5c, in: escaped, from: index) {
            unsafe text.append(contentsOf: UnsafeRawBufferPointer(rebasing: escaped[index..<hit]))
            guard hit + 1 < escaped.count else { return text.append(contentsOf: replacement) }
            index = hit + 2
            switch unsafe escaped[hit + 1] {
            case 0x6e: text.append(0x0a)
            case 0x74: text.append(0x09)
            case 0x72: text.append(0x0d)
            case 0x62: text.append(0x08)
            case 0x66: text.append(0x0c)
            case 0x22: text.append(0x22)
            case 0x5c: text.append(0x5c)
            case 0x2f: text.append(0x2f)
            case 0x75: unsafe appendScalar(escaped, &index, to: &text)
            default: text.append(contentsOf: replacement)
            }
        }
        unsafe text.append(contentsOf: UnsafeRawBufferPointer(rebasing: escaped[index...]))
    }

    private static let replacement: [UInt8] = [0xef, 0xbf, 0xbd]

    /// `index` stands behind `\u`.
    private static func appendScalar(_ escaped: UnsafeRawBufferPointer, _ index: inout Int, to text: inout [UInt8]) {
        guard let unit = unsafe hexadecimal(escaped, index) else { return text.append(contentsOf: replacement) }
        index += 4
        var value = unit
        if (0xd800..<0xdc00).contains(unit) {
            guard index + 1 < escaped.count, unsafe escaped[index] == 0x5c, unsafe escaped[index + 1] == 0x75,
                let low = unsafe hexadecimal(escaped, index + 2), (0xdc00..<0xe000).contains(low)
            else { return text.append(contentsOf: replacement) }
            index += 6
            value = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
        }
        guard let scalar = Unicode.Scalar(value) else { return text.append(contentsOf: replacement) }
        text.append(contentsOf: Unicode.UTF8.encode(scalar) ?? Unicode.UTF8.encodedReplacementCharacter)
    }

    private static func hexadecimal(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> UInt32? {
        guard start + 4 <= bytes.count else { return nil }
        var value: UInt32 = 0
        for index in start..<start + 4 {
            let byte = unsafe bytes[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x41...0x46: digit = byte - 0x37
            case 0x61...0x66: digit = byte - 0x57
            default: return nil
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
