extension Evaluator {
    /// A part of the date, in UTC, that each value names in seconds since 1970; of the step's time without an argument.
    mutating func date(
        _ function: Function, _ arguments: [QueryPlan.Node], _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let part = { (seconds: Double) in CivilTime(seconds: seconds)?.part(function) ?? .nan }
        guard let operand = arguments.first else {
            return SeriesTable(scalars: (0..<grid.count).map { part(Double(grid.time($0)) / 1_000) })
        }
        var table = try vector(operand, grid)
        table.map(part)
        return table
    }
}

/// A date and a time of day in UTC, of the proleptic Gregorian calendar.
private struct CivilTime {
    /// Since 1970-01-01.
    var days: Int64
    var secondOfDay: Int64
    var year: Int64
    /// 1 is January.
    var month: Int64
    var day: Int64

    /// Fractions are cut off. Nil beyond some million years.
    init?(seconds: Double) {
        guard seconds.magnitude < 1e14 else { return nil }
        let whole = Int64(seconds)
        secondOfDay = (whole % 86_400 + 86_400) % 86_400
        days = (whole - secondOfDay) / 86_400
        // Years begin in March here, so that a leap day is a year's last; 400 years have 146,097 days.
        let shifted = days + 719_468
        let dayOfEra = (shifted % 146_097 + 146_097) % 146_097
        let era = (shifted - dayOfEra) / 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    private var isLeapYear: Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private var daysInMonth: Int64 {
        switch month {
        case 2: isLeapYear ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private var dayOfYear: Int64 {
        let before: [Int64] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
        return before[Int(month - 1)] + day + (isLeapYear && month > 2 ? 1 : 0)
    }

    func part(_ function: Function) -> Double {
        switch function {
        case .year: Double(year)
        case .month: Double(month)
        case .dayOfMonth: Double(day)
        // 1970-01-01 was a Thursday; 0 is Sunday.
        case .dayOfWeek: Double(((days + 4) % 7 + 7) % 7)
        case .dayOfYear: Double(dayOfYear)
        case .daysInMonth: Double(daysInMonth)
        case .hour: Double(secondOfDay / 3_600)
        case .minute: Double(secondOfDay / 60 % 60)
        default: .nan
        }
    }
}
