import MusterModel
import MusterPattern
import MusterQuery

/// What requests of Prometheus's API carry, read as Prometheus reads it.
extension APICall {
    /// RFC 3339, or seconds since 1970 with an optional fraction. Milliseconds; nil when it is absent.
    func prometheusTime(_ name: String) throws(APIError) -> Int64? {
        guard let text = query[name], !text.isEmpty else { return nil }
        if let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e12 {
            return Int64((seconds * 1_000).rounded())
        }
        guard let milliseconds = TimeText.milliseconds(text) else {
            throw .badRequest(
                "invalid parameter \"\(name)\": cannot parse \"\(text.prefix(100))\" to a valid timestamp",
                hint: "seconds since 1970, or RFC 3339 such as 2026-03-01T09:30:00Z")
        }
        return milliseconds
    }

    /// Seconds with an optional fraction, or a duration such as `1m30s`. Milliseconds.
    func prometheusDuration(_ name: String) throws(APIError) -> Int64? {
        guard let text = query[name], !text.isEmpty else { return nil }
        if let seconds = Double(text), seconds.isFinite, abs(seconds) < 9e9 {
            return Int64((seconds * 1_000).rounded())
        }
        guard let duration = Duration(shortText: text) else {
            throw .badRequest(
                "invalid parameter \"\(name)\": cannot parse \"\(text.prefix(100))\" to a valid duration",
                hint: "seconds, or a duration such as 30s or 1h30m")
        }
        return duration.nanoseconds / 1_000_000
    }

    /// 0 or absent sets no limit.
    func prometheusLimit() throws(APIError) -> Int? {
        guard let text = query["limit"], !text.isEmpty else { return nil }
        guard let limit = Int(text), limit >= 0 else {
            throw .badRequest("invalid parameter \"limit\": \"\(text.prefix(100))\" is no number of 0 or more")
        }
        return limit == 0 ? nil : limit
    }

    /// The matchers of each `match[]`; the series of any of them are meant.
    func selectors() throws(APIError) -> [[LabelMatcher]] { try vectorSelectors().map(\.matchers) }

    func vectorSelectors() throws(APIError) -> [VectorSelector] {
        let texts = parameters.filter { $0.name == "match[]" }.map(\.value)
        guard texts.count <= Self.selectorsMax else {
            throw .badRequest("more than \(Self.selectorsMax) match[] parameters")
        }
        var selectors: [VectorSelector] = []
        for text in texts {
            do throws(QueryError) {
                guard case .selector(let selector) = try Expression(parsing: text, compiler: RE2Compiler()) else {
                    throw QueryError.invalid("\"\(text.prefix(100))\" is no plain series selector")
                }
                selectors.append(selector)
            } catch {
                throw .badRequest("invalid parameter \"match[]\": \(error)")
            }
        }
        return selectors
    }

    static let selectorsMax = 64
}

/// RFC 3339 to milliseconds.
package enum TimeText {
    /// `2026-03-01T09:30:00.25Z`, `2026-03-01T09:30:00+01:00`. Nil for anything else.
    package static func milliseconds(_ text: String) -> Int64? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes[4] == 0x2D, bytes[7] == 0x2D, bytes[10] == 0x54 || bytes[10] == 0x74,
            bytes[13] == 0x3A, bytes[16] == 0x3A, let year = number(bytes[0..<4]), let month = number(bytes[5..<7]),
            let day = number(bytes[8..<10]), let hour = number(bytes[11..<13]), let minute = number(bytes[14..<16]),
            let second = number(bytes[17..<19]), (1...12).contains(month), (1...31).contains(day), hour < 24,
            minute < 60, second <= 60
        else { return nil }
        var index = 19
        var fraction: Int64 = 0
        if bytes[index] == 0x2E {
            var scale: Int64 = 100
            index += 1
            while index < bytes.count, (0x30...0x39).contains(bytes[index]) {
                fraction += Int64(bytes[index] - 0x30) * scale
                scale /= 10
                index += 1
            }
        }
        guard let zone = zone(bytes[index...]) else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - zone
        return seconds * 1_000 + fraction
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        digits.allSatisfy { (0x30...0x39).contains($0) }
            ? digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) } : nil
    }

    /// Seconds east of Greenwich.
    private static func zone(_ bytes: ArraySlice<UInt8>) -> Int64? {
        let text = Array(bytes)
        if text == [0x5A] || text == [0x7A] { return 0 }
        guard text.count == 6, text[0] == 0x2B || text[0] == 0x2D, text[3] == 0x3A, let hours = number(text[1..<3]),
            let minutes = number(text[4..<6]), hours < 24, minutes < 60
        else { return nil }
        return (text[0] == 0x2B ? 1 : -1) * (hours * 3_600 + minutes * 60)
    }

    /// Days since 1970-01-01 of a proleptic Gregorian date (the usual era arithmetic: 400 years have 146,097 days).
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
