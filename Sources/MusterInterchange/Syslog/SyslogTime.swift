import MusterModel

/// The times that stand in messages.
enum SyslogTime {
    /// What those need to be known that leave out half of what a time is.
    struct Frame {
        var now: Instant
        /// Of the sender's clock, east of Greenwich.
        var offsetSeconds: Int64
    }

    enum Reading: Equatable {
        case none
        /// Nil for one that names no moment of our range: the 29th of February when no such day is near.
        case time(Instant?)
    }

    private static let years: ClosedRange<Int64> = 1_678...2_261

    /// `2024-10-11T22:14:15.003Z`: RFC 3339 with any number of decimals; also with a space for the T, a comma for the
    /// point, `+0200` for the offset, and without one, which is then the sender's.
    static func iso(_ scanner: inout SyslogScanner, _ frame: Frame) -> Instant? {
        var ahead = scanner
        guard let year = ahead.number(digits: 4...4), ahead.take(0x2d), let month = ahead.number(digits: 2...2),
            ahead.take(0x2d), let day = ahead.number(digits: 2...2),
            ahead.take(0x54) || ahead.take(0x74) || ahead.take(0x20), let clock = clock(&ahead),
            let offset = isoOffset(&ahead, frame), isEnd(ahead.next),
            let moment = instant(year: year, month: month, day: day, clock: clock, offset: offset)
        else { return nil }
        scanner = ahead
        return moment
    }

    /// `Oct  1 22:14:15`, with the year in front, behind the day or not at all, with decimals, and with the name of a
    /// zone if a colon follows that, as Cisco writes it. A time without a year is the one of that name nearest to now.
    static func bsd(_ scanner: inout SyslogScanner, _ frame: Frame) -> Reading {
        var ahead = scanner
        var year = yearAndSpace(&ahead)
        guard let month = month(&ahead), ahead.take(0x20) else { return .none }
        ahead.skipSpaces()
        guard let day = ahead.number(digits: 1...2), ahead.take(0x20) else { return .none }
        if year == nil { year = yearAndSpace(&ahead) }
        guard let clock = clock(&ahead), isEnd(ahead.next), (1...31).contains(day) else { return .none }
        let offset = zone(&ahead) ?? frame.offsetSeconds
        scanner = ahead
        if let year { return .time(instant(year: year, month: month, day: day, clock: clock, offset: offset)) }
        return .time(nearest(month, day, clock, offset, to: frame.now))
    }

    private static func isEnd(_ byte: UInt8?) -> Bool { byte == nil || byte == 0x20 || byte == 0x3a }

    // MARK: Parts

    private struct Clock {
        var seconds: Int64
        var nanoseconds: Int64
    }

    private static func clock(_ scanner: inout SyslogScanner) -> Clock? {
        var ahead = scanner
        guard let hour = ahead.number(digits: 1...2), ahead.take(0x3a), let minute = ahead.number(digits: 2...2),
            ahead.take(0x3a), let second = ahead.number(digits: 2...2), hour < 24, minute < 60, second <= 60
        else { return nil }
        var fraction: Int64 = 0
        let whole = ahead
        if ahead.take(0x2e) || ahead.take(0x2c) {
            var scale: Int64 = 100_000_000
            let start = ahead.index
            while let digit = ahead.number(digits: 1...1) {
                fraction += digit * scale
                scale /= 10
            }
            // A point that ends a sentence is none of the time's.
            if ahead.index == start { ahead = whole }
        }
        scanner = ahead
        return Clock(seconds: hour * 3_600 + minute * 60 + second, nanoseconds: fraction)
    }

    private static func isoOffset(_ scanner: inout SyslogScanner, _ frame: Frame) -> Int64? {
        if scanner.take(0x5a) || scanner.take(0x7a) { return 0 }
        let sign: Int64
        switch scanner.next {
        case 0x2b: sign = 1
        case 0x2d: sign = -1
        default: return frame.offsetSeconds
        }
        scanner.skip(1)
        guard let hours = scanner.number(digits: 2...2) else { return nil }
        _ = scanner.take(0x3a)
        let minutes = scanner.number(digits: 2...2) ?? 0
        guard hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 3_600 + minutes * 60)
    }

    private static func yearAndSpace(_ scanner: inout SyslogScanner) -> Int64? {
        var ahead = scanner
        guard let year = ahead.number(digits: 4...4), years.contains(year), ahead.take(0x20) else { return nil }
        scanner = ahead
        return year
    }

    private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        .map { Array($0.utf8) }

    private static func month(_ scanner: inout SyslogScanner) -> Int64? {
        let word = scanner.rest.prefix(3).map { $0 | 0x20 }
        guard let place = months.firstIndex(of: word) else { return nil }
        scanner.skip(3)
        return Int64(place + 1)
    }

    /// Hours east of Greenwich. Names have no registry; these are what devices are set to by those who live there.
    private static let zones: [String: Int64] = [
        "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "WEST": 1, "CET": 1, "MET": 1, "CEST": 2, "MEST": 2, "EET": 2,
        "EEST": 3, "MSK": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
        "JST": 9, "AEST": 10, "AEDT": 11,
    ]

    /// The offset of ` CET` where a colon follows, which stays.
    private static func zone(_ scanner: inout SyslogScanner) -> Int64? {
        var ahead = scanner
        guard ahead.take(0x20), let name = ahead.run(limit: 4, while: { (0x41...0x5a).contains($0) }),
            ahead.next == 0x3a, let hours = zones[String(decoding: name, as: UTF8.self)]
        else { return nil }
        scanner = ahead
        return hours * 3_600
    }

    // MARK: The calendar

    /// The same day and time of this year, the last and the next: the one nearest to now, so that a message of the
    /// 31st of December that is read on the 1st of January is of last year, and the other way round when the sender's
    /// clock is ahead.
    private static func nearest(
        _ month: Int64, _ day: Int64, _ clock: Clock, _ offset: Int64, to now: Instant
    ) -> Instant? {
        let thisYear = year(of: now.seconds)
        var best: Instant?
        for year in [thisYear, thisYear - 1, thisYear + 1] {
            guard let moment = instant(year: year, month: month, day: day, clock: clock, offset: offset) else {
                continue
            }
            if let known = best, distance(known, now) <= distance(moment, now) { continue }
            best = moment
        }
        return best
    }

    private static func distance(_ a: Instant, _ b: Instant) -> Duration { a > b ? a - b : b - a }

    private static func instant(year: Int64, month: Int64, day: Int64, clock: Clock, offset: Int64) -> Instant? {
        guard years.contains(year), (1...12).contains(month), day >= 1, day <= days(in: month, of: year) else {
            return nil
        }
        let seconds = daysSinceEpoch(year: year, month: month, day: day) * 86_400 + clock.seconds - offset
        return Instant(nanoseconds: seconds * 1_000_000_000 + clock.nanoseconds)
    }

    private static func days(in month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01 of a proleptic Gregorian date, counted in eras of 400 years that begin in March.
    private static func daysSinceEpoch(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = shiftedYear / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The year of a moment: that of the mean length, set right by a day's comparison.
    private static func year(of seconds: Int64) -> Int64 {
        let day = seconds / 86_400 - (seconds % 86_400 < 0 ? 1 : 0)
        var year = 1_970 + day * 400 / 146_097
        while daysSinceEpoch(year: year, month: 1, day: 1) > day { year -= 1 }
        while daysSinceEpoch(year: year + 1, month: 1, day: 1) <= day { year += 1 }
        return year
    }
}
