import Glibc

/// A position in the bytes of a kernel file. The bytes are an argument of every step, so a scanner is two integers.
/// A field is a run of bytes without space or tab; a line ends at a newline or at the end of the bytes.
struct ByteScanner {
    var at: Int
    let end: Int

    var isAtEnd: Bool { at >= end }

    /// The next line as a scanner of its own, without the newline; nil after the last.
    mutating func line(_ bytes: Span<UInt8>) -> ByteScanner? {
        guard at < end else { return nil }
        let start = at
        let limit = end
        // memchr: the interrupt line of /proc/stat alone may be 100 KB.
        let newline: Int? = unsafe bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress, limit <= buffer.count else { return nil }
            guard let found = unsafe memchr(base + start, 0x0a, limit - start) else { return nil }
            return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
        }
        let stop = newline ?? end
        at = stop + 1
        return ByteScanner(at: start, end: stop)
    }

    /// The next field, or nil at the end of the line.
    mutating func field(_ bytes: Span<UInt8>) -> Range<Int>? {
        while at < end, isBlank(bytes[at]) { at += 1 }
        guard at < end else { return nil }
        let start = at
        while at < end, !isBlank(bytes[at]) { at += 1 }
        return start..<at
    }

    /// The next field as a decimal number, with sign and fraction; nil when it is not one. What stands behind the
    /// digits (a unit, a comma, a newline) is skipped.
    mutating func number(_ bytes: Span<UInt8>) -> Double? {
        guard let field = field(bytes) else { return nil }
        return Self.number(bytes, field)
    }

    /// A number within a known range of the bytes. Values past 64 bits lose precision, never trap.
    static func number(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        var position = range.lowerBound
        let isNegative = position < range.upperBound && bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let first = position
        var whole: UInt64 = 0
        var large: Double?
        while position < range.upperBound, let digit = digit(bytes[position]) {
            if let soFar = large {
                large = soFar * 10 + Double(digit)
            } else if whole > (UInt64.max - 9) / 10 {
                large = Double(whole) * 10 + Double(digit)
            } else {
                whole = whole * 10 + digit
            }
            position += 1
        }
        guard position > first else { return nil }
        var value = large ?? Double(whole)
        if large == nil, position < range.upperBound, bytes[position] == UInt8(ascii: ".") {
            value = fraction(bytes, position + 1..<range.upperBound, whole: whole)
        }
        return isNegative ? -value : value
    }

    /// The next field as a hexadecimal number of at most 16 digits, with or without `0x`.
    mutating func hexadecimal(_ bytes: Span<UInt8>) -> UInt64? {
        guard var field = field(bytes) else { return nil }
        if field.count > 2, bytes[field.lowerBound] == UInt8(ascii: "0"), bytes[field.lowerBound + 1] | 0x20 == 0x78 {
            field = field.lowerBound + 2..<field.upperBound
        }
        guard field.count <= 16 else { return nil }
        var value: UInt64 = 0
        for position in field {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt64(bytes[position] - 0x30)
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt64(bytes[position] - 0x57)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt64(bytes[position] - 0x37)
            default: return nil
            }
        }
        return value
    }

    /// `whole` and the digits of a range as one number: both are exact in a double, so the quotient is the nearest one.
    private static func fraction(_ bytes: Span<UInt8>, _ range: Range<Int>, whole: UInt64) -> Double {
        var scaled = whole
        var scale = 1.0
        for position in range.prefix(6) {
            guard let digit = digit(bytes[position]), scaled < UInt64.max / 16 else { break }
            scaled = scaled * 10 + digit
            scale *= 10
        }
        return Double(scaled) / scale
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        let value = byte &- 0x30
        return value < 10 ? UInt64(value) : nil
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension Span<UInt8> {
    /// True when a range of the bytes spells `key`.
    func spells(_ range: Range<Int>, _ key: [UInt8]) -> Bool {
        guard range.count == key.count else { return false }
        var position = range.lowerBound
        for byte in key {
            if self[position] != byte { return false }
            position += 1
        }
        return true
    }

    /// A range of the bytes as text; bytes that are no UTF-8 are replaced. Not for the steady path.
    func text(_ range: Range<Int>) -> String { String(decoding: copy(range), as: UTF8.self) }

    /// A range of the bytes on its own.
    func copy(_ range: Range<Int>) -> [UInt8] {
        var copied: [UInt8] = []
        copied.reserveCapacity(range.count)
        for position in range { copied.append(self[position]) }
        return copied
    }
}
