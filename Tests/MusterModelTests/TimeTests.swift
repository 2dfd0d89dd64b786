import Foundation
import MusterModel
import Testing

@Suite struct Instants {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (1_772_357_400_250, "2026-03-01T09:30:00.250Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (-86_400_001, "1969-12-30T23:59:59.999Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func `instants print as RFC 3339 in UTC`(milliseconds: Int64, text: String) {
        #expect(Instant(milliseconds: milliseconds).description == text)
    }

    @Test func `the calendar agrees with Foundation's`() {
        let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for day in stride(from: Int64(-30_000), through: 90_000, by: 17) {
            let instant = Instant(seconds: day * 86_400 + 45_296)
            let date = Date(timeIntervalSince1970: Double(instant.seconds))
            #expect(instant.description == date.formatted(format))
        }
    }

    @Test func `seconds and milliseconds round down`() {
        #expect(Instant(nanoseconds: 1_999_999_999).seconds == 1 && Instant(nanoseconds: -1).seconds == -1)
        #expect(Instant(nanoseconds: 1_999_999).milliseconds == 1 && Instant(nanoseconds: -1).milliseconds == -1)
        #expect(Instant(nanoseconds: -1_000_000).milliseconds == -1)
    }

    @Test func `arithmetic saturates at the ends`() {
        let now = Instant(seconds: 100)
        #expect(now + .seconds(5) == Instant(seconds: 105) && now - .seconds(5) == Instant(seconds: 95))
        #expect(now - Instant(seconds: 90) == .seconds(10) && Instant(seconds: 90) - now == .seconds(-10))
        #expect(
            Instant.distantFuture + .seconds(1) == .distantFuture && Instant.distantPast - .seconds(1) == .distantPast)
        #expect(Instant(seconds: .max) == .distantFuture && Instant(milliseconds: .min) == .distantPast)
        #expect((Instant.distantFuture - Instant.distantPast).nanoseconds == .max)
        #expect((Instant.distantPast - Instant.distantFuture).nanoseconds == .min)
        #expect(Instant.distantPast < now && now < .distantFuture)
    }

    @Test func `the ends of the range have seconds and milliseconds, rounded down`() {
        #expect(Instant.distantPast.seconds == -9_223_372_037 && Instant.distantPast.milliseconds == -9_223_372_036_855)
        #expect(
            Instant.distantFuture.seconds == 9_223_372_036 && Instant.distantFuture.milliseconds == 9_223_372_036_854)
    }

    @Test func `the ends of the range print`() {
        #expect(Instant.distantPast.description == "1677-09-21T00:12:43.145Z")
        #expect(Instant.distantFuture.description == "2262-04-11T23:47:16.854Z")
    }
}

@Suite struct Durations {
    @Test(
        arguments: [
            ("0", 0, "0s"), ("0s", 0, "0s"), ("5s", 5_000, "5s"), ("250ms", 250, "250ms"), ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("1h", 3_600_000, "1h"), ("1d12h", 129_600_000, "1d12h"), ("1w", 604_800_000, "7d"),
            ("1y", 31_536_000_000, "365d"),
            ("1s500ms", 1_500, "1s500ms"), ("1000ms", 1_000, "1s"), ("100y", 3_153_600_000_000, "36500d"),
        ] as [(String, Int64, String)])
    func `durations are read and printed`(text: String, milliseconds: Int64, printed: String) {
        #expect(Duration(shortText: text) == .milliseconds(milliseconds))
        #expect(Duration.milliseconds(milliseconds).shortText == printed)
        #expect(Duration(shortText: printed) == .milliseconds(milliseconds))
    }

    @Test(arguments: [
        "", "5", "s", "-5s", "5S", "1.5s", "5 s", "1s1m", "1s1s", "5x", "1ms1s", "300y", "99999999999999999999s",
        "9223372036854775807y", "٥s",
        "00", " 1s", "1s ", "+1s",
    ])
    func `anything else is refused`(text: String) {
        #expect(Duration(shortText: text) == nil)
    }

    @Test func `nanoseconds saturate and negative durations print`() {
        #expect(Duration.seconds(2).nanoseconds == 2_000_000_000 && Duration.seconds(-2).nanoseconds == -2_000_000_000)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max && Duration.seconds(Int64.min).nanoseconds == .min)
        #expect(Duration.seconds(-90).shortText == "-1m30s" && Duration.microseconds(10).shortText == "0s")
        #expect(Duration.minutes(2) == .seconds(120) && Duration.hours(2) == .seconds(7_200))
    }
}
