import MusterModel
import MusterQuery
import Testing

@Suite struct WindowFunctions {
    /// One minute apart; the window of `[5m]` at 240 s holds them all.
    static let plain: [Double?] = [1, 4, 2, 2, 6]

    @Test(
        arguments: [
            ("avg_over_time(m[5m])", 3.0), ("sum_over_time(m[5m])", 15), ("count_over_time(m[5m])", 5),
            ("min_over_time(m[5m])", 1), ("max_over_time(m[5m])", 6), ("last_over_time(m[5m])", 6),
            ("present_over_time(m[5m])", 1), ("stdvar_over_time(m[5m])", 3.2),
            ("stddev_over_time(m[5m])", 1.788_854_381_999_831_7), ("changes(m[5m])", 3), ("resets(m[5m])", 1),
            ("quantile_over_time(0.5, m[5m])", 2), ("quantile_over_time(0.9, m[5m])", 5.2),
            ("quantile_over_time(0, m[5m])", 1), ("quantile_over_time(1, m[5m])", 6),
            ("quantile_over_time(-1, m[5m])", -.infinity), ("quantile_over_time(2, m[5m])", .infinity),
            ("quantile_over_time(NaN, m[5m])", .nan), ("idelta(m[5m])", 4), ("irate(m[5m])", 4.0 / 60),
            // Least squares through (0,1) (1,4) (2,2) (3,2) (4,6) minutes: covariance 8, variance 10.
            ("deriv(m[5m])", 0.8 / 60), ("predict_linear(m[5m], 60)", 3 + 2 * 0.8 + 0.8),
            ("predict_linear(m[5m], 0)", 4.6),
            // Two samples: in the window (120, 240].
            ("changes(m[2m])", 1), ("sum_over_time(m[2m])", 8), ("resets(m[1m])", 0),
        ] as [(String, Double)])
    func `functions of a window`(text: String, value: Double) throws {
        #expect(isClose(try only(text, metric(Self.plain), at: 240), value))
    }

    /// Three minutes with samples at 0, 60 and 120 s, so the sum of increases times 1.5. What falls was reset to zero,
    /// also by the wrap of 32 bits and below zero; a counter below zero is not held to begin at zero.
    @Test(
        arguments: [
            ([4_294_967_290, 5, 10], 15, 1, 5.0 / 60), ([4_294_967_285, 4_294_967_290, 5], 15, 1, 5.0 / 60),
            ([-10, -5, 5], 22.5, 0, 10.0 / 60), ([5, -3, -1], -1.5, 1, 2.0 / 60), ([10, 20, 3], 19.5, 1, 3.0 / 60),
            ([20, 3, 9], 13.5, 1, 6.0 / 60), ([0, 0, 0], 0, 0, 0),
        ] as [([Double], Double, Double, Double)])
    func `counters that fall`(values: [Double], increase: Double, resets: Double, slope: Double) throws {
        let counter = metric(values)
        #expect(isClose(try only("increase(m[3m])", counter, at: 120), increase))
        #expect(isClose(try only("rate(m[3m])", counter, at: 120), increase / 180))
        #expect(try only("resets(m[3m])", counter, at: 120) == resets)
        #expect(isClose(try only("irate(m[3m])", counter, at: 120), slope))
    }

    @Test(arguments: ["rate", "increase", "delta", "irate", "idelta", "deriv"])
    func `one sample is not enough for a difference, none gives nothing`(function: String) throws {
        #expect(try only("\(function)(m[1m])", metric(Self.plain), at: 240) == nil)
        #expect(try only("\(function)(m[1m])", metric(Self.plain), at: 1_000) == nil)
        #expect(try only("\(function)(nothing[5m])", metric(Self.plain), at: 240) == nil)
        #expect(try only("predict_linear(m[1m], 5)", metric(Self.plain), at: 240) == nil)
    }

    /// 600, 700, ... every minute, 20 s after the full minute.
    static let counter = ListView([
        SeriesSamples(
            labels: ["__name__": "c_total"],
            samples: (0..<10).map { Sample(milliseconds: Int64($0) * 60_000 + 20_000, value: 600 + Double($0) * 100) })
    ])

    @Test(
        arguments: [
            // Samples at 80 to 320, 400 between them in 240 s; 20 s to the start and 40 s to the end are near.
            ("increase(c_total[5m])", 360.0, 500.0), ("rate(c_total[5m])", 360, 500.0 / 300),
            ("delta(c_total[5m])", 360, 500),
            // Samples at 20 and 80 in (-210, 90]: 230 s to the start are far, so half a spacing; 10 s to the end near.
            ("delta(c_total[5m])", 90, 100.0 * (60 + 30 + 10) / 60),
            ("rate(c_total[5m])", 90, 100.0 * (60 + 30 + 10) / 60 / 300),
            // The last sample at 560; 100 s to the end are far.
            ("increase(c_total[5m])", 660, 300.0 * (180 + 20 + 30) / 180),
            // Exactly 1.1 spacings are far: the end at 560 + 66.
            ("increase(c_total[4m7s])", 626, 300.0 * (180 + 1 + 30) / 180),
            ("increase(c_total[4m7s])", 625.999, 300.0 * (180 + 1.001 + 65.999) / 180),
        ] as [(String, Double, Double)])
    func `differences are extended to the window's edges`(text: String, at: Double, value: Double) throws {
        #expect(isClose(try only(text, Self.counter, at: at), value))
    }

    @Test(
        arguments: [
            // From 1 at 0 s, 6 a minute, a counter was zero 10 s earlier: not extended by the 30 s of half a spacing.
            ("increase", [1, 7, 13], 12.0 * (120 + 10 + 30) / 120),
            ("delta", [1, 7, 13], 12.0 * (120 + 30 + 30) / 120),
            // From 0 there is nothing before.
            ("increase", [0, 6, 12], 12.0 * (120 + 0 + 30) / 120),
            // Resets add what was reached: 2 + 5 = 7 from 3 to 2 over 5.
            ("increase", [3, 5, 2], (2.0 - 3 + 5) * (120 + 30 + 30) / 120),
            ("increase", [5, 1, 4, 2], (2.0 - 5 + 5 + 4) * (180 + 30 + 30) / 180),
            ("increase", [3, 3, 3], 0), ("delta", [5, 1, 4, 2], -3.0 * (180 + 30 + 30) / 180),
            ("rate", [0, .nan, 6], 6.0 * (120 + 0 + 30) / 120),
        ] as [(String, [Double?], Double)])
    func `counters reset and do not begin below zero`(function: String, values: [Double?], value: Double) throws {
        // From 300 s on, in a window that begins and ends far away.
        let view = view([(["__name__": "c_total"], [Double?](repeating: nil, count: 5) + values)])
        let at = 300.0 + 60 * Double(values.count - 1) + 600
        let seconds = function == "rate" ? 1_200.0 : 1
        #expect(isClose(try only("\(function)(c_total[20m])", view, at: at).map { $0 * seconds }, value))
    }

    @Test func `a reset counts in the windows that hold both its samples`() throws {
        // Falls between 120 s and 180 s.
        let view = view([(["__name__": "c_total"], [10, 20, 30, 5, 15, 25])])
        let found = try matrix("resets(c_total[2m])", view, from: 60, to: 300, step: 60)
        #expect(found == [[:]: [0, 0, 1, 0, 0]])
        let deltas = try matrix("increase(c_total[2m])", view, from: 60, to: 300, step: 60)
        // Of two samples 60 s apart whose window begins 60 s before the first: near, up to where the counter was zero.
        // At 180 s: 5 - 30 + 30 = 5 in 60 s, zero would be 360 s back. At 240 s: 10 in 60 s, zero 30 s back.
        #expect(deltas == [[:]: [20, 20, 10, 15, 20]])
    }

    @Test(
        arguments: [
            ("irate(c_total[5m])", [10, 20, 5], 5.0 / 60), ("idelta(c_total[5m])", [10, 20, 5], -15.0),
            ("irate(c_total[5m])", [10, nil, 25], 15.0 / 120), ("irate(c_total[5m])", [.nan, .nan, 5], .nan),
        ] as [(String, [Double?], Double)])
    func `the last two samples`(text: String, values: [Double?], value: Double) throws {
        #expect(isClose(try only(text, view([(["__name__": "c_total"], values)]), at: 120), value))
    }

    @Test(
        arguments: [
            ("sum_over_time", [1, 1e100, 1, -1e100], 2.0), ("avg_over_time", [1, 1e100, 1, -1e100], 0.5),
            ("sum_over_time", [1e308, 1e308], .infinity), ("avg_over_time", [1e308, 1e308, 1e308], 1e308),
            ("avg_over_time", [-1e308, -1e308, -1e308, -1e308], -1e308), ("sum_over_time", [.infinity, 1], .infinity),
            ("sum_over_time", [.infinity, -.infinity], .nan), ("avg_over_time", [.infinity, -.infinity], .nan),
            ("avg_over_time", [.infinity, 5], .infinity), ("sum_over_time", [1, .nan], .nan),
            ("max_over_time", [.nan, 1, .nan], 1), ("min_over_time", [.nan, 1, .nan], 1),
            ("max_over_time", [.nan], .nan),
            ("max_over_time", [-.infinity, 1, .infinity], .infinity), ("min_over_time", [-.infinity, 1], -.infinity),
            ("stddev_over_time", [1.5990505637277868, 1.5990505637277868, 1.5990505637277868], 0),
            ("stdvar_over_time", [.infinity, 1], .nan), ("count_over_time", [.nan, .infinity], 2),
            ("changes", [.nan, .nan, 1, .nan], 2), ("changes", [0, -0.0], 0), ("resets", [2, .nan, 1], 0),
            ("deriv", [.infinity, .infinity], .nan), ("deriv", [5, 5, 5], 0), ("deriv", [1, .nan], .nan),
        ] as [(String, [Double?], Double)])
    func `extreme values`(function: String, values: [Double?], value: Double) throws {
        let at = Double(60 * (values.count - 1))
        #expect(isClose(try only("\(function)(m[10m])", metric(values), at: at), value))
    }

    @Test func `a line is fitted as well far from 1970`() throws {
        let base: Int64 = 1_700_000_000_000
        let view = ListView([
            SeriesSamples(
                labels: ["__name__": "m"],
                samples: (0..<60).map { Sample(milliseconds: base + $0 * 1_000, value: 1e6 + Double($0) / 2) })
        ])
        let at = Double(base / 1_000 + 59)
        #expect(abs(try #require(try only("deriv(m[2m])", view, at: at)) - 0.5) < 1e-9)
        #expect(abs(try #require(try only("predict_linear(m[2m], 10)", view, at: at)) - (1e6 + 34.5)) < 1e-6)
    }

    @Test func `with @ every step has the same window, and prediction still starts at the step`() throws {
        let view = metric([0, 1, 2, 3, 4])
        let found = try matrix("predict_linear(m[5m] @ 240, 60)", view, from: 0, to: 120, step: 60)
        #expect(found[[:]]?.elementsEqual([1, 2, 3], by: isClose) == true)
        #expect(try matrix("sum_over_time(m[5m] @ 240)", view, from: 0, to: 120, step: 60) == [[:]: [10, 10, 10]])
    }

    @Test func `absent_over_time is there where nothing is, with the labels its matchers say`() throws {
        let view = metric([1, nil, nil, nil, 5])
        #expect(
            try matrix(#"absent_over_time(m{a="1",b=~"x|y",c!="z"}[1m])"#, view, from: 0, to: 60, step: 60)
                == [["a": "1"]: [1, 1]])
        #expect(try matrix("absent_over_time(m[1m])", view, from: 0, to: 240, step: 60) == [[:]: [nil, 1, 1, 1, nil]])
        #expect(try matrix("absent_over_time(m[5m])", view, from: 0, to: 240, step: 60) == [:])
        #expect(try vector(#"absent_over_time(rate(m{a="1"}[1m])[5m:1m])"#, view, at: 0) == [[:]: 1])
    }

    @Test(
        arguments: [
            (#"absent(x{job="a"})"#, ["job": "a"]), (#"absent(x{job="a",job="b",foo="bar"})"#, ["foo": "bar"]),
            (#"absent(x{job="a",job!="b"})"#, [:]), (#"absent(x{job!="b",job="a"})"#, ["job": "a"]),
            (#"absent({__name__="x",a=~"b"})"#, [:]), (#"absent(sum(x{job="a"}))"#, [:]), (#"absent(x{a=""})"#, [:]),
        ] as [(String, Labels)])
    func `labels of absence`(text: String, labels: Labels) throws {
        #expect(try vector(text, metric([1])) == [labels: 1])
        #expect(try vector("absent(m)", metric([1])) == [:])
    }
}
