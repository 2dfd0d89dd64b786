import MusterModel
import MusterQuery
import Testing

@Suite struct ClassicHistograms {
    static func buckets(_ counts: [(String, Double)], _ labels: Labels = [:]) -> ListView {
        view(counts.map { bound, count in (labels.merging(["__name__": "h_bucket", "le": bound]), [count]) })
    }

    /// 10 up to 1, 20 more up to 2, 10 more up to 4, 10 above.
    static let plain = buckets([("1", 10), ("2", 30), ("4", 40), ("+Inf", 50)])

    @Test(
        arguments: [
            ("histogram_quantile(0.1, h_bucket)", 0.5), ("histogram_quantile(0.2, h_bucket)", 1),
            ("histogram_quantile(0.5, h_bucket)", 1.75), ("histogram_quantile(0.7, h_bucket)", 3),
            ("histogram_quantile(0.8, h_bucket)", 4), ("histogram_quantile(0.9, h_bucket)", 4),
            ("histogram_quantile(1, h_bucket)", 4), ("histogram_quantile(0, h_bucket)", 0),
            ("histogram_quantile(-1, h_bucket)", -.infinity), ("histogram_quantile(2, h_bucket)", .infinity),
            ("histogram_quantile(NaN, h_bucket)", .nan), ("histogram_fraction(0, 1, h_bucket)", 0.2),
            ("histogram_fraction(1, 2, h_bucket)", 0.4), ("histogram_fraction(1.5, 3, h_bucket)", (35.0 - 20) / 50),
            ("histogram_fraction(4, Inf, h_bucket)", 0.2), ("histogram_fraction(-Inf, Inf, h_bucket)", 1),
            ("histogram_fraction(-5, 0, h_bucket)", 0), ("histogram_fraction(2, 1, h_bucket)", 0),
            ("histogram_fraction(5, 6, h_bucket)", 0), ("histogram_fraction(NaN, 1, h_bucket)", .nan),
        ] as [(String, Double)])
    func `values within buckets are interpolated`(text: String, value: Double) throws {
        #expect(isClose(try only(text, Self.plain), value))
    }

    @Test(
        arguments: [
            ([("1", 5), ("2", 5)], .nan), ([("+Inf", 5)], .nan), ([("1", 0), ("+Inf", 0)], .nan),
            // The lowest bucket begins at zero only when it ends above.
            ([("-1", 10), ("1", 10), ("+Inf", 10)], -1), ([("0", 10), ("+Inf", 10)], 0),
            ([("-2", 5), ("-1", 15), ("+Inf", 15)], -2 + 0.25),
            // One bound, written in two ways.
            ([("1", 3), ("1.0", 3), ("+Inf", 12)], 1), ([("1e0", 6), ("2", 12), ("Inf", 12)], 1),
        ] as [([(String, Double)], Double)])
    func `medians at the edges`(counts: [(String, Double)], value: Double) throws {
        #expect(isClose(try only("histogram_quantile(0.5, h_bucket)", Self.buckets(counts)), value))
    }

    @Test func `fractions of negative observations`() throws {
        let view = Self.buckets([("-1", 10), ("1", 20), ("+Inf", 20)])
        #expect(try only("histogram_fraction(-Inf, -1, h_bucket)", view) == 0.5)
        #expect(try only("histogram_fraction(-5, -1, h_bucket)", view) == 0)
        #expect(try only("histogram_fraction(0, 1, h_bucket)", view) == 0.25)
    }

    @Test func `histograms are told apart by all labels but le`() throws {
        let view = view([
            (["__name__": "h_bucket", "job": "a", "le": "1"], [1]),
            (["__name__": "h_bucket", "job": "a", "le": "+Inf"], [1]),
            (["__name__": "h_bucket", "job": "b", "le": "2"], [1]),
            (["__name__": "h_bucket", "job": "b", "le": "+Inf"], [1]),
        ])
        #expect(try vector("histogram_quantile(1, h_bucket)", view) == [["job": "a"]: 1, ["job": "b"]: 2])
    }

    @Test func `counts that fall are raised, and the answer says so once for all steps`() throws {
        let view = view([
            (["__name__": "h", "le": "0.1"], [20, 20]), (["__name__": "h", "le": "1"], [10, 8]),
            (["__name__": "h", "le": "10"], [50, 50]), (["__name__": "h", "le": "+Inf"], [50, 50]),
        ])
        let text = "histogram_quantile(0.5, h)"
        // 20, 20, 50: the 25th lies 5 of 30 into (1, 10].
        #expect(isClose(try only(text, view), 1 + 9.0 * 5 / 30))
        #expect(
            try annotations(text, view, at: .range(start: 0, end: 60_000, step: 60_000)) == [
                "PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see "
                    + "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric "
                    + "name \"h\", from buckets 1 to 1, with a max diff of 12, over 2 samples from "
                    + "1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z (1:25)"
            ])
    }

    @Test func `a difference of one part in a million millions is rounding`() throws {
        let view = Self.buckets([("1", 1e9), ("2", 1e9 - 1e-5), ("+Inf", 1e9)])
        #expect(isClose(try only("histogram_quantile(0.5, h_bucket)", view), 0.5))
        #expect(try annotations("histogram_quantile(0.5, h_bucket)", view) == [])
    }

    @Test(
        arguments: [
            (["__name__": "h", "le": "abc"], #"malformed value of "abc" for metric name "h" (1:25)"#),
            (["__name__": "h"], #"malformed value of "" for metric name "h" (1:25)"#),
        ] as [(Labels, String)])
    func `a bound that is no number is named`(labels: Labels, text: String) throws {
        let view = view([(labels, [1])])
        #expect(try vector("histogram_quantile(0.5, h)", view) == [:])
        #expect(
            try annotations("histogram_quantile(0.5, h)", view)
                == ["PromQL warning: bucket label \"le\" is missing or has a \(text)"])
    }

    @Test func `two histograms with the same labels and other names are no answer`() {
        let view = view([
            (["__name__": "g", "le": "+Inf"], [1]), (["__name__": "h", "le": "+Inf"], [1]),
        ])
        #expect(
            failure(#"histogram_quantile(0.5, {__name__=~"g|h"})"#, view)
                == .execution("vector cannot contain metrics with the same labelset"))
    }
}
