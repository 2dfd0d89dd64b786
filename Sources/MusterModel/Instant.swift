/// A point in time: nanoseconds since 1970-01-01T00:00:00Z. Range: years 1677 to 2262.
///
/// Cores receive it as an argument. The wiring's clock starts from the wall clock and then advances with the monotonic
/// one, so within a process an `Instant` never steps back, and across restarts deadlines that were stored stay true.
package struct Instant: Hashable, Comparable, Sendable, CustomStringConvertible {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    package init(milliseconds: Int64) {
        self.nanoseconds = saturatingProduct(milliseconds, 1_000_000)
    }
    package init(seconds: Int64) {
        self.nanoseconds = saturatingProduct(seconds, 1_000_000_000)
    }

    package static let distantPast = Instant(nanoseconds: .min)
    package static let distantFuture = Instant(nanoseconds: .max)

    /// Whole milliseconds, rounded down.
    package var milliseconds: Int64 { Self.floorDivide(nanoseconds, 1_000_000) }
    /// Whole seconds, rounded down.
    package var seconds: Int64 { Self.floorDivide(nanoseconds, 1_000_000_000) }

    package static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at the ends of the range instead of trapping.
    package static func + (a: Instant, b: Duration) -> Instant {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return Instant(nanoseconds: overflow ? (b.nanoseconds > 0 ? .max : .min) : sum)
    }
    package static func - (a: Instant, b: Duration) -> Instant { a + (.zero - b) }
    package static func - (a: Instant, b: Instant) -> Duration {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        return .nanoseconds(overflow ? (a > b ? Int64.max : Int64.min) : difference)
    }

    /// RFC 3339 in UTC with milliseconds, for example `2026-03-01T09:30:00.250Z`.
    package var description: String {
        let (year, month, day) = Self.civil(days: Self.floorDivide(seconds, 86_400))
        let second = seconds - Self.floorDivide(seconds, 86_400) * 86_400
        let millisecond = milliseconds - seconds * 1_000
        return "\(Self.pad(year, 4))-\(Self.pad(month, 2))-\(Self.pad(day, 2))T"
            + "\(Self.pad(second / 3_600, 2)):\(Self.pad(second / 60 % 60, 2)):\(Self.pad(second % 60, 2))"
            + ".\(Self.pad(millisecond, 3))Z"
    }

    /// `b` is positive. Never overflows, also at the ends of the range.
    private static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
        return remainder < 0 ? quotient - 1 : quotient
    }

    private static func pad(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Days since 1970-01-01 to the proleptic Gregorian date (the usual era arithmetic: 400 years have 146,097 days).
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at the ends of Int64 (292 years).
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds > 0 ? .max : .min }
        let (sum, sumOverflow) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return sumOverflow ? (seconds > 0 ? .max : .min) : sum
    }

    package static func minutes(_ minutes: Int64) -> Duration { .seconds(minutes * 60) }
    package static func hours(_ hours: Int64) -> Duration { .seconds(hours * 3_600) }

    /// Prometheus spelling with whole units, largest first: `1h30m`, `250ms`, `0s`.
    package var shortText: String {
        var left = nanoseconds / 1_000_000
        guard left != 0 else { return "0s" }
        var text = left < 0 ? "-" : ""
        left = abs(left)
        for (unit, size) in [("d", Int64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
        where left >= size {
            text += "\(left / size)\(unit)"
            left %= size
        }
        return text
    }

    /// Reads the Prometheus spelling: one or more of `<integer>(ms|s|m|h|d|w|y)`, largest unit first, or `0`.
    /// Nil for anything else, and for what does not fit 292 years.
    package init?(shortText text: some StringProtocol) {
        if text == "0" {
            self = .zero
            return
        }
        let units: [(String, Int64)] = [
            ("y", 31_536_000_000), ("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000),
            ("s", 1_000), ("ms", 1),
        ]
        var milliseconds: Int64 = 0
        var nextUnit = 0
        var rest = Substring(text)
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let letters = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
            guard let count = Int64(digits), let unit = units.firstIndex(where: { $0.0 == letters }), unit >= nextUnit
            else { return nil }
            let (part, partOverflow) = count.multipliedReportingOverflow(by: units[unit].1)
            let (sum, sumOverflow) = milliseconds.addingReportingOverflow(part)
            guard !partOverflow, !sumOverflow, sum <= Int64.max / 1_000_000 else { return nil }
            milliseconds = sum
            nextUnit = unit + 1
            rest = rest.dropFirst(digits.count + letters.count)
        }
        self = .milliseconds(milliseconds)
    }
}

/// `value * scale`, or the end of the range it overflowed towards.
private func saturatingProduct(_ value: Int64, _ scale: Int64) -> Int64 {
    let (product, overflow) = value.multipliedReportingOverflow(by: scale)
    return overflow ? (value > 0 ? .max : .min) : product
}
