/// Reads the parts of a message from its beginning. What cannot be read leaves the place where it is.
struct SyslogScanner {
    private let bytes: ArraySlice<UInt8>
    private(set) var index: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        index = bytes.startIndex
    }

    var isAtEnd: Bool { index >= bytes.endIndex }
    var next: UInt8? { isAtEnd ? nil : bytes[index] }
    /// What was not read yet.
    var rest: ArraySlice<UInt8> { bytes[index...] }

    mutating func skip(_ count: Int) { index = min(bytes.endIndex, index + max(0, count)) }

    mutating func skipSpaces() {
        while next == 0x20 { index += 1 }
    }

    /// True when the byte was next and is behind us.
    mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    /// True when both bytes were next and are behind us.
    mutating func take(_ first: UInt8, _ second: UInt8) -> Bool {
        guard bytes.endIndex - index >= 2, bytes[index] == first, bytes[index + 1] == second else { return false }
        index += 2
        return true
    }

    /// Decimal digits, as many as there are up to the range's upper end; nil when they are fewer than its lower one.
    mutating func number(digits: ClosedRange<Int>) -> Int64? {
        var value: Int64 = 0
        var end = index
        while end < bytes.endIndex, end - index < digits.upperBound, (0x30...0x39).contains(bytes[end]) {
            value = value &* 10 &+ Int64(bytes[end] &- 0x30)
            end += 1
        }
        guard end - index >= digits.lowerBound else { return nil }
        index = end
        return value
    }

    /// Bytes while `isPart` holds; nil when there are none or more than `limit`.
    mutating func run(limit: Int, while isPart: (UInt8) -> Bool) -> ArraySlice<UInt8>? {
        var end = index
        while end < bytes.endIndex, isPart(bytes[end]) { end += 1 }
        guard end > index, end - index <= limit else { return nil }
        defer { index = end }
        return bytes[index..<end]
    }

    /// Visible bytes up to a space or the end.
    mutating func token(limit: Int = SyslogLimits.fieldBytes) -> ArraySlice<UInt8>? {
        run(limit: limit) { $0 > 0x20 && $0 != 0x7f }
    }
}
