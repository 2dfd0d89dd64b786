/// Numbers as expositions write them, the way Go's `ParseFloat` reads them with hexadecimal left out: `1`, `-0.5`,
/// `.5e-3`, `NaN`, `+Inf`, `infinity` in any case.
enum DecimalNumber {
    /// The NaN that stands for every written one; it is no stale marker.
    static let nanBits: UInt64 = 0x7ff8_0000_0000_0001

    private static let powers: [Double] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22,
    ]

    /// Nil when the bytes are no number, or a finite one beyond the largest double.
    ///
    /// Up to 2^53 and powers of ten up to 22 both are exact, so one multiplication or division rounds correctly
    /// (Clinger 1990); what is longer goes through the standard library.
    @inline(__always)
    static func double(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        var index = range.lowerBound
        let end = range.upperBound
        guard index < end else { return nil }
        let isNegative = bytes[index] == 0x2d
        if isNegative || bytes[index] == 0x2b { index &+= 1 }
        var mantissa: UInt64 = 0
        let digitsStart = index
        scanDigits(bytes, &index, end, &mantissa)
        var digits = index &- digitsStart
        var fraction = 0
        if index < end, bytes[index] == 0x2e {
            index &+= 1
            let start = index
            scanDigits(bytes, &index, end, &mantissa)
            fraction = index &- start
            digits &+= fraction
        }
        guard digits > 0 else { return special(bytes, range) }
        var exponent = 0
        if index < end {
            guard let written = Self.exponent(bytes, &index, end) else { return nil }
            exponent = written
        }
        exponent &-= fraction
        guard digits <= 18, mantissa <= 1 << 53, exponent >= -22, exponent <= 22 else { return long(bytes, range) }
        let magnitude =
            exponent < 0
            ? Double(mantissa) / powers[0 &- exponent]
            : exponent == 0 ? Double(mantissa) : Double(mantissa) * powers[exponent]
        return isNegative ? -magnitude : magnitude
    }

    /// The mantissa wraps beyond 19 digits; the caller counts them.
    @inline(__always)
    private static func scanDigits(_ bytes: Span<UInt8>, _ index: inout Int, _ end: Int, _ mantissa: inout UInt64) {
        while index < end {
            let digit = bytes[index] &- 0x30
            guard digit <= 9 else { return }
            mantissa = mantissa &* 10 &+ UInt64(digit)
            index &+= 1
        }
    }

    /// `e` with a sign or without, to the end. Beyond 9,999 the size of the number is settled.
    private static func exponent(_ bytes: Span<UInt8>, _ index: inout Int, _ end: Int) -> Int? {
        guard bytes[index] | 0x20 == 0x65 else { return nil }
        index &+= 1
        guard index < end else { return nil }
        let isNegative = bytes[index] == 0x2d
        if isNegative || bytes[index] == 0x2b { index &+= 1 }
        let start = index
        var value = 0
        while index < end {
            let digit = bytes[index] &- 0x30
            guard digit <= 9 else { return nil }
            value = min(9_999, value &* 10 &+ Int(digit))
            index &+= 1
        }
        return index == start ? nil : isNegative ? 0 &- value : value
    }

    private static func long(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        guard let value = Double(String(decoding: Array(bytes, range), as: UTF8.self)), value.isFinite else {
            return nil
        }
        return value
    }

    private static func special(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Double? {
        guard range.count <= 9 else { return nil }
        switch String(decoding: Array(bytes, range), as: UTF8.self).lowercased() {
        case "nan": return Double(bitPattern: nanBits)
        case "inf", "+inf", "infinity", "+infinity": return .infinity
        case "-inf", "-infinity": return -.infinity
        default: return nil
        }
    }

    /// The whole number a double is; nil when it is none or has more than 63 bits.
    static func whole(_ value: Double) -> Int64? {
        guard value.magnitude < 9_223_372_036_854_775_808 else { return nil }
        let whole = Int64(value)
        return Double(whole) == value ? whole : nil
    }

    /// A whole number with or without a minus; nil beyond 64 bits.
    @inline(__always)
    static func integer(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Int64? {
        var index = range.lowerBound
        guard index < range.upperBound else { return nil }
        let isNegative = bytes[index] == 0x2d
        if isNegative { index &+= 1 }
        guard index < range.upperBound else { return nil }
        var value: Int64 = 0
        while index < range.upperBound {
            let digit = bytes[index] &- 0x30
            guard digit <= 9 else { return nil }
            let (tenfold, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflow) = tenfold.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !sumOverflow else { return nil }
            value = sum
            index &+= 1
        }
        guard isNegative || value != .min else { return nil }
        return isNegative ? value : 0 &- value
    }
}
