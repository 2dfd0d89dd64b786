import Foundation
import MusterCLI
import MusterModel
import Testing

@Suite struct HumaneNumbers {
    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (1, "1"), (0.25, "0.25"), (-1.5, "-1.5"), (3.14159, "3.142"), (1234, "1234"),
            (9_999.4, "9999"), (9_999.6, "10k"), (12_345, "12.3k"), (999_499, "999k"), (999_600, "1M"),
            (-2_500_000, "-2.5M"), (8_342_163_456, "8.34G"), (1e12, "1T"), (1e15, "1P"), (0.001, "0.001"),
            (0.00123456, "0.001235"), (0.000123456, "0.000123"), (1.5e-9, "1.5e-09"), (2e20, "2e+20"),
            (99.996, "100"), (10, "10"), (100, "100"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
            (.greatestFiniteMagnitude, "1.8e+308"), (.leastNonzeroMagnitude, "4.94e-324"),
        ] as [(Double, String)])
    func `numbers have few digits and keep their size`(_ value: Double, _ text: String) {
        #expect(HumaneNumber.text(value) == text)
    }

    @Test(
        arguments: [
            (0, "0B"), (512, "512B"), (1_023, "1023B"), (1_024, "1KiB"), (1_536, "1.5KiB"), (-2_048, "-2KiB"),
            (1_048_576, "1MiB"), (123_456_789, "118MiB"), (1_047_552, "1023KiB"), (1.5e9, "1.4GiB"),
            (.nan, "NaN"), (.infinity, "+Inf"), (1e30, "1e+30B"),
        ] as [(Double, String)])
    func `bytes are counted in powers of 1,024`(_ value: Double, _ text: String) {
        #expect(HumaneNumber.bytes(value) == text)
    }

    @Test(
        arguments: [
            (0, "0.0%"), (12.34, "12.3%"), (99.9, "99.9%"), (99.96, "100%"), (412.4, "412%"), (-1, "-1.0%"),
            (.nan, "NaN"),
        ] as [(Double, String)])
    func `percent have one digit behind the point below 100`(_ value: Double, _ text: String) {
        #expect(HumaneNumber.percent(value) == text)
    }

    @Test(
        arguments: [
            (0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567"), (100_000, "100,000"),
            (Int.min, "-9,223,372,036,854,775,808"),
        ])
    func `counts keep all digits`(_ value: Int, _ text: String) {
        #expect(HumaneNumber.count(value) == text)
    }

    /// What is written is what was measured, within the digits that are shown.
    @Test func `no number is written as another one`() throws {
        var seed: UInt64 = 0x9E37_79B9_7F4A_7C15
        let sizes = ["k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15] as [Character: Double]
        for _ in 0..<2_000 {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = pow(10, Double(seed >> 40) / Double(1 << 24) * 30 - 9) * (seed & 1 == 0 ? 1 : -1)
            var text = HumaneNumber.text(value)
            let size = text.last.flatMap { sizes[$0] }
            if size != nil { text.removeLast() }
            let read = try #require(Double(text)) * (size ?? 1)
            #expect(abs(read - value) <= abs(value) * 0.00501, "\(value) as \(text)")
        }
    }
}

@Suite struct Sparklines {
    private func drawn(_ values: [Double?]) -> String { Sparkline.text(values, Sparkline.Scale(values)) }

    @Test func `each eighth has its block`() {
        #expect(drawn([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█")
        #expect(drawn([7, 0, 7]) == "█▁█")
        #expect(drawn([-7, -3.5, 0]) == "▁▅█")
    }

    @Test func `gaps and NaN are blank, infinities are outermost`() {
        #expect(drawn([0, nil, 7]) == "▁ █")
        #expect(drawn([0, .nan, 7]) == "▁ █")
        #expect(drawn([.infinity, 1, 2, -.infinity]) == "█▁█▁")
        #expect(drawn([nil, nil]) == "  ")
        #expect(drawn([.nan]) == " ")
        #expect(drawn([.infinity, -.infinity]) == "█▁")
        #expect(drawn([]) == "")
    }

    @Test func `what does not vary is drawn at half height`() {
        #expect(drawn([0, 0, 0]) == "▄▄▄")
        #expect(drawn([-5]) == "▄")
        #expect(drawn([3, nil, 3]) == "▄ ▄")
        #expect(drawn([3, .infinity]) == "▄█")
    }

    @Test func `the greatest of all numbers fit a scale`() {
        #expect(drawn([-.greatestFiniteMagnitude, 0, .greatestFiniteMagnitude]) == "▁▅█")
        #expect(drawn([0, .leastNonzeroMagnitude]).count == 2)
    }

    @Test func `a value outside a shared scale is drawn at its end`() throws {
        let scale = try #require(Sparkline.Scale([0, 8]))
        #expect(Sparkline.text([-1, 4, 9, 100], scale) == "▁▅██")
    }

    @Test func `a scale is of what is finite`() {
        #expect(Sparkline.Scale([nil, .nan, .infinity]) == nil)
        #expect(Sparkline.Scale([nil, 2, .infinity, -1])?.low == -1)
        #expect(Sparkline.Scale([nil, 2, .infinity, -1])?.high == 2)
    }

    @Test func `a column of several slots shows the greatest of them`() {
        #expect(Sparkline.fitted([1, 2, 3, 4, 5, 6], columns: 3) == [2, 4, 6])
        #expect(Sparkline.fitted([9, 2, nil, nil, .nan, 6], columns: 3) == [9, nil, 6])
        #expect(Sparkline.fitted([1, 2, 3, 4, 5], columns: 2) == [2, 5])
        #expect(Sparkline.fitted([1, nil], columns: 5) == [1, nil])
        #expect(Sparkline.fitted([1, 2], columns: 0) == [])
        #expect(Sparkline.fitted([], columns: 4) == [])
    }

    @Test func `no slot is lost however many columns there are`() {
        for columns in 1...40 {
            for peak in 0..<40 {
                var slots = [Double?](repeating: 0, count: 40)
                slots[peak] = 1
                let fitted = Sparkline.fitted(slots, columns: columns)
                #expect(fitted.count == columns && fitted.filter { $0 == 1 }.count == 1)
            }
        }
    }
}

@Suite struct SeriesNameTests {
    private func names(_ metrics: [String: String]...) -> SeriesNames { SeriesNames(metrics) }

    @Test func `what all have in common is said once`() {
        let found = names(
            ["__name__": "cpu", "host": "a", "cpu": "0", "mode": "idle"],
            ["__name__": "cpu", "host": "a", "cpu": "1", "mode": "user"])
        #expect(found.common == #"cpu{host="a"}"#)
        #expect(found.title == "SERIES")
        #expect(found.rows == [#"cpu="0",mode="idle""#, #"cpu="1",mode="user""#])
    }

    @Test func `one label that differs is a column of its own`() {
        let found = names(["__name__": "load", "host": "a"], ["__name__": "load", "host": "b"])
        #expect(found.common == "load" && found.title == "host" && found.rows == ["a", "b"])
    }

    @Test func `a label that some lack is written out`() {
        let found = names(["job": "a"], ["job": "a", "zone": "x"])
        #expect(found.common == #"{job="a"}"# && found.rows == ["{}", #"zone="x""#])
    }

    @Test func `metrics that differ are named`() {
        let found = names(["__name__": "a", "host": "h"], ["__name__": "b", "host": "h", "cpu": "0"])
        #expect(found.common == #"{host="h"}"# && found.rows == ["a", #"b{cpu="0"}"#])
        #expect(names(["__name__": "a"], ["__name__": "b"]).rows == ["a", "b"])
    }

    @Test func `a series that is alone needs no name in its row`() {
        let found = names(["__name__": "a", "host": "h"])
        #expect(found.common == #"a{host="h"}"# && found.rows == [""])
        #expect(names([:]) == SeriesNames([[:]]) && names([:]).common == "" && names([:]).rows == [""])
        #expect(SeriesNames([]).rows.isEmpty && SeriesNames([]).common == "")
    }

    @Test func `a value with marks of its own is escaped where it is quoted`() {
        let found = names(["a": "x\"y", "b": "1"], ["a": "z\\", "b": "2"])
        #expect(found.rows == [#"a="x\"y",b="1""#, #"a="z\\",b="2""#])
    }
}

@Suite struct QueryWindows {
    @Test(
        arguments: [
            (.minutes(5), 80, .seconds(5)), (.minutes(5), 200, .seconds(2)), (.minutes(5), 400, .seconds(1)),
            (.minutes(5), 10, .seconds(20)), (.hours(1), 80, .minutes(1)), (.hours(24), 80, .minutes(20)),
            (.hours(168), 80, .hours(3)), (.hours(720), 60, .hours(24)), (.seconds(1), 80, .seconds(1)),
            (.hours(24 * 365), 80, .hours(24 * 5)),
        ] as [(Duration, Int, Duration)])
    func `the step is the shortest round one that fits`(_ range: Duration, _ columns: Int, _ step: Duration) {
        #expect(QueryWindow.step(range: range, columns: columns) == step)
        #expect(QueryWindow(range: range, end: noon, step: nil, columns: columns).points <= max(columns, 20))
    }

    @Test func `the question is in seconds with three digits`() {
        let window = QueryWindow(
            range: .milliseconds(1_500), end: Instant(milliseconds: 1_772_366_400_250), step: .milliseconds(250),
            columns: 80)
        #expect(window.query.map(\.0) == ["start", "end", "step"])
        #expect(window.query.map(\.1) == ["1772366398.750", "1772366400.250", "250ms"])
        #expect(window.points == 7)
        #expect(Instant(milliseconds: -1_500).secondsText == "-1.500")
        #expect(Instant(milliseconds: 0).secondsText == "0.000")
    }

    @Test func `points are put where their time is`() throws {
        let window = QueryWindow(range: .seconds(60), end: noon + .seconds(60), step: .seconds(10), columns: 80)
        let series = try matrix([("", ["1", nil, "3", nil, nil, "-Inf", "NaN"])])
        let slots = window.slots(try #require(series.first?.values))
        #expect(slots.count == 7)
        #expect(slots[0] == 1 && slots[1] == nil && slots[2] == 3 && slots[5] == -.infinity)
        #expect(slots[6]?.isNaN == true)
    }

    @Test func `what lies outside or is no number is left out and traps nothing`() throws {
        let window = QueryWindow(range: .seconds(20), end: noon + .seconds(20), step: .seconds(10), columns: 80)
        let data = try queryData(
            #"{"resultType":"matrix","result":[{"metric":{},"values":[[0,"1"],[1e300,"2"],[-1e300,"3"],"#
                + #"[1772366400,"four"],[1772366410.4,"5"],[1772366431,"6"]]}]}"#)
        guard case .matrix(let series) = data else { return try #require(nil) }
        #expect(window.slots(try #require(series.first?.values)) == [nil, 5, nil])
    }

    @Test func `the longest window of the finest step is counted without a trap`() {
        let window = QueryWindow(
            range: .nanoseconds(Int64.max), end: .distantFuture, step: .milliseconds(1), columns: 80)
        #expect(window.slots([]).count == Int(QueryWindow.pointsMax))
    }
}
