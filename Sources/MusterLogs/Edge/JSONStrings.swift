/// Strings of JSON (RFC 8259): what is valid in one, and what it means.
enum JSONStrings {
    /// Index behind the closing quote of the string whose first character is at `start`, or nil when it is not valid:
    /// a control character, an unknown escape, bytes that are no UTF-8, no end.
    static func end(of line: Span<UInt8>, from start: Int, isPlain: inout Bool) -> Int? {
        isPlain = true
        var index = start
        while index < line.count {
            let byte = line[index]
            if byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5c {
                index = line.firstNotPlain(from: index &+ 1)
                continue
            }
            switch byte {
            case 0x22: return index &+ 1
            case 0x5c:
                isPlain = false
                guard let next = escapeEnd(line, at: index) else { return nil }
                index = next
            case 0..<0x20: return nil
            default:
                let length = sequenceLength(line, at: index)
                guard length > 0 else { return nil }
                index &+= length
            }
        }
        return nil
    }

    /// Index behind the escape whose backslash is at `index`; nil when there is no such escape.
    private static func escapeEnd(_ line: Span<UInt8>, at index: Int) -> Int? {
        switch line.byte(at: index &+ 1) {
        case 0x22, 0x2f, 0x5c, 0x62, 0x66, 0x6e, 0x72, 0x74: return index &+ 2
        case 0x75: return unit(line, at: index &+ 2) == nil ? nil : index &+ 6
        default: return nil
        }
    }

    /// Length of the well-formed UTF-8 sequence at `index` (Unicode 16, table 3-7), or 0.
    static func sequenceLength(_ line: Span<UInt8>, at index: Int) -> Int {
        let first = line[index]
        let second = line.byte(at: index &+ 1)
        switch first {
        case 0..<0x80: return 1
        case 0xc2...0xdf: return isTail(second) ? 2 : 0
        case 0xe0...0xef:
            let low: UInt8 = first == 0xe0 ? 0xa0 : 0x80
            let high: UInt8 = first == 0xed ? 0x9f : 0xbf
            return second >= low && second <= high && isTail(line.byte(at: index &+ 2)) ? 3 : 0
        case 0xf0...0xf4:
            let low: UInt8 = first == 0xf0 ? 0x90 : 0x80
            let high: UInt8 = first == 0xf4 ? 0x8f : 0xbf
            let isWhole = isTail(line.byte(at: index &+ 2)) && isTail(line.byte(at: index &+ 3))
            return second >= low && second <= high && isWhole ? 4 : 0
        default: return 0
        }
    }

    private static func isTail(_ byte: UInt8) -> Bool { byte & 0xc0 == 0x80 }

    /// Four hexadecimal digits.
    private static func unit(_ line: Span<UInt8>, at start: Int) -> UInt32? {
        guard start &+ 4 <= line.count else { return nil }
        var value: UInt32 = 0
        for index in start..<start &+ 4 {
            let byte = line[index]
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt32(byte &- 0x30)
            case 0x41...0x46: value = value << 4 | UInt32(byte &- 0x37)
            case 0x61...0x66: value = value << 4 | UInt32(byte &- 0x57)
            default: return nil
            }
        }
        return value
    }

    /// Gives the bytes that `range`, the inside of a valid string, stands for. Half of a surrogate pair becomes U+FFFD.
    static func decode(_ line: Span<UInt8>, _ range: Range<Int>, byte emit: (UInt8) -> Void) {
        var index = range.lowerBound
        while index < range.upperBound {
            guard line[index] == 0x5c else {
                emit(line[index])
                index &+= 1
                continue
            }
            let kind = line.byte(at: index &+ 1)
            index &+= 2
            switch kind {
            case 0x62: emit(0x08)
            case 0x66: emit(0x0c)
            case 0x6e: emit(0x0a)
            case 0x72: emit(0x0d)
            case 0x74: emit(0x09)
            case 0x75:
                let scalar = scalar(line, at: &index, end: range.upperBound)
                for byte in Unicode.UTF8.encode(scalar) ?? Unicode.UTF8.encodedReplacementCharacter { emit(byte) }
            default: emit(kind)
            }
        }
    }

    /// The scalar whose first digits are at `index`; moves behind it and behind the other half of its pair.
    private static func scalar(_ line: Span<UInt8>, at index: inout Int, end: Int) -> Unicode.Scalar {
        var value = unit(line, at: index) ?? 0xfffd
        index &+= 4
        if value & 0xfc00 == 0xd800, index &+ 6 <= end, line[index] == 0x5c, line[index &+ 1] == 0x75,
            let low = unit(line, at: index &+ 2), low & 0xfc00 == 0xdc00
        {
            value = 0x10000 &+ (value &- 0xd800) << 10 &+ (low &- 0xdc00)
            index &+= 6
        }
        return Unicode.Scalar(value) ?? "\u{fffd}"
    }
}
