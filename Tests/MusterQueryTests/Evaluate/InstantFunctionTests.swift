import MusterModel
import MusterQuery
import Testing

@Suite struct InstantFunctions {
    @Test(
        arguments: [
            ("abs(vector(-2))", 2.0), ("ceil(vector(1.2))", 2), ("floor(vector(-1.2))", -2), ("sqrt(vector(9))", 3),
            ("sqrt(vector(-1))", .nan), ("sgn(vector(-3))", -1), ("sgn(vector(0))", 0), ("sgn(vector(NaN))", .nan),
            ("exp(vector(0))", 1), ("ln(vector(1))", 0), ("ln(vector(0))", -.infinity), ("ln(vector(-1))", .nan),
            ("log2(vector(8))", 3), ("log10(vector(1000))", 3), ("deg(vector(pi()))", 180), ("rad(vector(180))", .pi),
            ("sin(vector(0))", 0), ("cos(vector(0))", 1), ("tan(vector(0))", 0), ("asin(vector(1))", .pi / 2),
            ("acos(vector(1))", 0), ("atan(vector(Inf))", .pi / 2), ("sinh(vector(0))", 0), ("cosh(vector(0))", 1),
            ("tanh(vector(Inf))", 1), ("asinh(vector(0))", 0), ("acosh(vector(1))", 0), ("atanh(vector(0))", 0),
            ("atanh(vector(1))", .infinity), ("round(vector(2.5))", 3), ("round(vector(-2.5))", -2),
            ("round(vector(5.25), 0.5)", 5.5), ("round(vector(37), 10)", 40), ("round(vector(1), 0)", .nan),
            ("clamp(vector(5), 1, 3)", 3), ("clamp(vector(0), 1, 3)", 1), ("clamp_max(vector(5), 3)", 3),
            ("clamp_min(vector(5), 7)", 7), ("clamp_min(vector(NaN), 7)", .nan), ("clamp(vector(2), NaN, 3)", .nan),
            ("clamp_max(vector(NaN), -Inf)", -.infinity), ("scalar(vector(4))", 4), ("vector(1)", 1), ("pi()", .pi),
            ("time()", 100), ("-vector(1)", -1), ("scalar(nothing)", .nan), ("-(1)", -1),
        ] as [(String, Double)])
    func `functions of a number`(text: String, value: Double) throws {
        #expect(isClose(try only(text, ListView(), at: 100), value))
    }

    @Test func `clamp with its bounds crossed gives nothing`() throws {
        #expect(try only("clamp(vector(1), 5, 4)", ListView()) == nil)
    }

    @Test func `scalar of two series is not a number`() throws {
        let two = view([(["__name__": "m", "a": "1"], [1, 2]), (["__name__": "m", "a": "2"], [nil, 3])])
        #expect(try only("scalar(m)", two, at: 0) == 1)
        #expect(isClose(try only("scalar(m)", two, at: 60), .nan))
    }

    /// 2024-02-29T23:59:58Z was a Thursday, the 60th day of a leap year. 1969-12-31 was a Wednesday.
    @Test(
        arguments: [
            ("year", 1_709_251_198.0, 2024.0), ("month", 1_709_251_198, 2), ("day_of_month", 1_709_251_198, 29),
            ("day_of_week", 1_709_251_198, 4), ("day_of_year", 1_709_251_198, 60), ("days_in_month", 1_709_251_198, 29),
            ("hour", 1_709_251_198, 23), ("minute", 1_709_251_198, 59), ("year", -1, 1969), ("month", -1, 12),
            ("day_of_month", -1, 31), ("day_of_week", -1, 3), ("hour", -1, 23), ("day_of_year", -1, 365),
            // 2000 was a leap year, 1900 and 2100 were not.
            ("day_of_year", 978_220_800, 366), ("days_in_month", -2_203_977_600, 28),
            ("days_in_month", 4_107_456_000, 28),
            ("year", .nan, .nan), ("hour", .infinity, .nan), ("month", 1e300, .nan), ("minute", 59.9, 0),
        ] as [(String, Double, Double)])
    func `parts of a date`(function: String, seconds: Double, value: Double) throws {
        let view = metric([seconds])
        #expect(isClose(try only("\(function)(m)", view), value))
        if seconds.magnitude < 1e12, seconds == seconds.rounded() {
            #expect(isClose(try only("\(function)()", ListView(), at: seconds), value))
        }
    }

    @Test func `timestamp is the sample's of a selector and the step's of anything else`() throws {
        let view = metric([5, 6])
        #expect(try vector("timestamp(m)", view, at: 100) == [[:]: 60])
        #expect(try vector("timestamp(((m)))", view, at: 100) == [[:]: 60])
        #expect(try vector("timestamp(m offset 1m)", view, at: 100) == [[:]: 0])
        #expect(try vector("timestamp(-m)", view, at: 100) == [[:]: 100])
        #expect(try matrix("timestamp(m @ 60)", view, from: 0, to: 120, step: 60) == [[:]: [60, 60, 60]])
        #expect(try matrix("timestamp(abs(m @ 60))", view, from: 0, to: 120, step: 60) == [[:]: [0, 60, 120]])
    }

    @Test func `sort orders an instant answer, numbers before NaN`() throws {
        let view = numbered([3, .nan, 1, 2, .infinity, -.infinity])
        #expect(try ordered("sort(m)", view).dropLast() == [-.infinity, 1, 2, 3, .infinity])
        #expect(try ordered("sort_desc(m)", view).dropLast() == [.infinity, 3, 2, 1, -.infinity])
        #expect(try ordered("sort(m)", view).last?.isNaN == true && ordered("sort_desc(m)", view).last?.isNaN == true)
        #expect(
            try annotations("sort(m)", view, at: .range(start: 0, end: 60_000, step: 60_000)) == [
                "PromQL warning: sort is ineffective for range queries since results are always ordered by labels "
                    + "(1:1)"
            ])
    }

    @Test func `a range answer is ordered by labels, name by name`() throws {
        let sets: [Labels] = [
            ["b": "1"], ["a": "2"], ["a": "10"], ["a": "2", "b": "1"], ["__name__": "z"], ["a": "ä"], ["B": "1"],
        ]
        let view = view(sets.map { ($0.merging(["x": "1"]), [1]) })
        let time = QueryTime.range(start: 0, end: 0, step: 1)
        guard case .matrix(let series) = try answer(#"{x="1"}"#, view, at: time).value else {
            return #expect(Bool(false))
        }
        #expect(
            series.map { $0.labels.filtered { $0 != "x" }.description } == [
                #"{B="1"}"#, "z", #"{a="10"}"#, #"{a="2",b="1"}"#, #"{a="2"}"#, #"{a="ä"}"#, #"{b="1"}"#,
            ])
    }

    @Test func `functions drop the metric's name`() throws {
        let view = view([(["__name__": "m", "a": "1"], [1, 2])])
        for text in ["abs(m)", "m * 2", "-m", "m > bool 0", "rate(m[5m])", "m + m", "clamp(m, 0, 1)", "hour(m)"] {
            #expect(try Array(vector(text, view, at: 60).keys) == [["a": "1"]], "\(text)")
        }
        for text in [
            "m", "m > 0", "last_over_time(m[5m])", "+m", "(m)", "sort(m)", "topk(1, m)", "m and m", "m > m * 0",
        ] {
            #expect(try Array(vector(text, view, at: 60).keys) == [["__name__": "m", "a": "1"]], "\(text)")
        }
    }

    /// What a function dropped does not come back through a filter.
    @Test func `a name stays dropped`() throws {
        let view = view([(["__name__": "m_total", "a": "1"], [1, 2]), (["__name__": "n", "a": "1"], [0, 0])])
        for text in ["rate(m_total[5m]) > n", "last_over_time(abs(m_total)[5m:1m])", "abs(m_total) and n"] {
            #expect(try Array(vector(text, view, at: 60).keys) == [["a": "1"]], "\(text)")
        }
    }

    @Test func `two series that become one answer a step at a time or not at all`() throws {
        let apart = view([(["__name__": "m"], [1, nil, nil]), (["__name__": "n"], [nil, nil, 3])])
        var limits = QueryLimits()
        limits.lookback = .seconds(60)
        let time = QueryTime.range(start: 0, end: 120_000, step: 60_000)
        #expect(
            try answer(#"-{__name__=~"m|n"}"#, apart, at: time, limits: limits).value
                == .matrix([
                    SeriesSamples(
                        labels: [:],
                        samples: [Sample(milliseconds: 0, value: -1), Sample(milliseconds: 120_000, value: -3)])
                ]))
        #expect(
            failure(#"-{__name__=~"m|n"}"#, apart, at: 120)
                == .execution("vector cannot contain metrics with the same labelset"))
    }
}
