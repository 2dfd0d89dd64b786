/// RFC 3339 times as container runtimes write them: `2026-03-01T09:30:00.123456789Z`, zero to nine decimals, `Z` or an
/// offset.
enum TimestampText {
    /// Nanoseconds since 1970, nil when the text is something else or outside of 1678 to 2261.
    static func nanoseconds(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count >= 20, unsafe text[4] == 0x2d, unsafe text[7] == 0x2d, unsafe text[10] | 0x20 == 0x74,
            unsafe text[13] == 0x3a, unsafe text[16] == 0x3a,
            let year = unsafe number(text, 0, 4), let month = unsafe number(text, 5, 2),
            let day = unsafe number(text, 8, 2),
            let hour = unsafe number(text, 11, 2), let minute = unsafe number(text, 14, 2),
            let second = unsafe number(text, 17, 2),
            (1_678...2_261).contains(year), (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60,
            second <= 60
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if unsafe text[index] == 0x2e {
            index += 1
            let start = index
            var scale: Int64 = 100_000_000
            while index < text.count, index - start < 9, unsafe text[index] &- 0x30 < 10 {
                fraction += unsafe Int64(text[index] - 0x30) * scale
                scale /= 10
                index += 1
            }
            guard index > start else { return nil }
        }
        guard let offset = unsafe offsetSeconds(text, from: index) else { return nil }
        let seconds =
            daysSinceEpoch(year: year, month: month, day: day) * 86_400 + hour * 3_600 + minute * 60 + second - offset
        return seconds * 1_000_000_000 + fraction
    }

    private static func offsetSeconds(_ text: UnsafeRawBufferPointer, from index: Int) -> Int64? {
        guard index < text.count else { return nil }
        let sign = unsafe text[index]
        if sign | 0x20 == 0x7a { return index + 1 == text.count ? 0 : nil }
        guard sign == 0x2b || sign == 0x2d, index + 6 == text.count, unsafe text[index + 3] == 0x3a,
            let hours = unsafe number(text, index + 1, 2), let minutes = unsafe number(text, index + 4, 2),
            hours < 24, minutes < 60
        else { return nil }
        let seconds = hours * 3_600 + minutes * 60
        return sign == 0x2b ? seconds : -seconds
    }

    @inline(__always)
    private static func number(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for index in start..<start + count {
            let digit = unsafe text[index] &- 0x30
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        return value
    }

    /// Days since 1970-01-01 of a proleptic Gregorian date, counted in eras of 400 years that begin in March.
    private static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
