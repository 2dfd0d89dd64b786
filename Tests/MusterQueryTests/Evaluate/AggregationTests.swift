import MusterModel
import MusterQuery
import Testing

@Suite struct Aggregations {
    /// Values 1, 2, 4, 8 of `m` by job and host.
    static let plain = view([
        (["__name__": "m", "job": "a", "host": "x"], [1]), (["__name__": "m", "job": "a", "host": "y"], [2]),
        (["__name__": "m", "job": "b", "host": "x"], [4]), (["__name__": "m", "job": "b", "host": "y"], [8]),
    ])

    @Test(
        arguments: [
            ("sum", 3.0, 12.0), ("avg", 1.5, 6), ("count", 2, 2), ("min", 1, 4), ("max", 2, 8), ("group", 1, 1),
            ("stdvar", 0.25, 4), ("stddev", 0.5, 2),
        ] as [(String, Double, Double)])
    func `of groups`(op: String, a: Double, b: Double) throws {
        let byJob: [Labels: Double] = [["job": "a"]: a, ["job": "b"]: b]
        #expect(try vector("\(op) by (job) (m)", Self.plain) == byJob)
        #expect(try vector("\(op) without (host) (m)", Self.plain) == byJob)
        #expect(try vector("\(op) by (job, nothing) (m)", Self.plain) == byJob)
        #expect(try vector("\(op) by () (nothing)", Self.plain) == [:])
    }

    @Test(
        arguments: [
            ("sum(m)", [:], 15.0), ("sum by (__name__) (m)", ["__name__": "m"], 15), ("quantile(0.5, m)", [:], 3),
            ("quantile(0.25, m)", [:], 1.75), ("quantile(-0.1, m)", [:], -.infinity),
            ("quantile(1.1, m)", [:], .infinity),
            ("quantile(NaN, m)", [:], .nan), ("sum without (job, host) (m)", [:], 15), ("max by (nothing) (m)", [:], 8),
            ("sum(sum by (job) (m))", [:], 15), ("count(m > 2)", [:], 2),
        ] as [(String, Labels, Double)])
    func `of everything`(text: String, labels: Labels, value: Double) throws {
        let found = try vector(text, Self.plain)
        #expect(Array(found.keys) == [labels] && isClose(found[labels], value))
    }

    @Test func `quantiles of groups`() throws {
        #expect(try vector("quantile by (job) (0.75, m)", Self.plain) == [["job": "a"]: 1.75, ["job": "b"]: 7])
    }

    @Test(
        arguments: [
            ("sum", [1, .nan], .nan), ("sum", [.infinity, -.infinity], .nan), ("sum", [.infinity, 1], .infinity),
            ("sum", [1e308, 1e308], .infinity), ("sum", [1, 1e100, 1, -1e100], 2), ("avg", [1, 1e100, 1, -1e100], 0.5),
            ("avg", [1e308, 1e308, 1e308, 1e308], 1e308), ("avg", [.infinity, 1], .infinity), ("avg", [1, .nan], .nan),
            ("avg", [.infinity, -.infinity], .nan), ("min", [.nan, 2, 1, .nan], 1), ("max", [.nan, 1, 2, .nan], 2),
            ("min", [.nan, .nan], .nan), ("max", [-.infinity], -.infinity), ("count", [.nan, 1], 2),
            ("group", [.nan], 1),
            ("stddev", [.infinity, 1], .nan), ("stdvar", [1, .infinity], .nan), ("stdvar", [.nan, 1], .nan),
            ("stdvar", [.infinity], .nan), ("stddev", [5], 0), ("stdvar", [1e9, 1e9 + 2], 1),
        ] as [(String, [Double], Double)])
    func `of extreme values`(op: String, values: [Double], result: Double) throws {
        let view = numbered(values)
        #expect(isClose(try only("\(op)(m)", view), result))
    }

    @Test(arguments: [(0.8, 0.6), (0.2, .nan), (1, 1)] as [(Double, Double)])
    func `to a quantile NaN is the smallest value`(q: Double, value: Double) throws {
        let view = numbered([0, 1, .nan])
        #expect(isClose(try only("quantile(\(q), m)", view), value))
    }

    @Test(
        arguments: [
            ("topk(2, m)", [8.0, 4.0]), ("bottomk(2, m)", [1, 2]), ("topk(0, m)", []), ("topk(-Inf, m)", []),
            ("topk(100, m)", [8, 4, 2, 1]), ("topk(1.9, m)", [8]), ("topk by (job) (1, m)", [2, 8]),
            ("bottomk by (host) (1, m)", [1, 2]), ("topk(scalar(m{job=\"a\",host=\"y\"}), m)", [8, 4]),
        ] as [(String, [Double])])
    func `the first k in their order`(text: String, values: [Double]) throws {
        #expect(try ordered(text, Self.plain) == values)
    }

    @Test func `the first k keep their labels, and NaN comes after every number`() throws {
        let view = numbered([.nan, 3, .nan, 1])
        #expect(try ordered("topk(3, m)", view).prefix(2) == [3, 1])
        #expect(try ordered("bottomk(3, m)", view).prefix(2) == [1, 3])
        #expect(try ordered("topk(3, m)", view)[2].isNaN && ordered("bottomk(3, m)", view)[2].isNaN)
        #expect(try Array(vector("topk(1, m)", view).keys) == [["__name__": "m", "a": "1"]])
    }

    @Test func `at each step its own k of those that are there`() throws {
        let view = view([
            (["__name__": "m", "a": "1"], [1, 5, 3]), (["__name__": "m", "a": "2"], [2, 4, 3]),
            (["__name__": "k"], [1, 2, 0]),
        ])
        #expect(
            try matrix("topk(scalar(k), m)", view, from: 0, to: 120, step: 60) == [
                ["__name__": "m", "a": "1"]: [nil, 5, nil], ["__name__": "m", "a": "2"]: [2, 4, nil],
            ])
    }

    /// A heap against sorting everything.
    @Test func `the first k are those of a sorted list`() throws {
        var random = SplitMix(seed: 7)
        for count in [1, 2, 7, 40, 200] {
            let values = (0..<count).map { _ in Double(random.next() % 50) }
            let view = numbered(values)
            for k in [1, 2, 5, count / 2, count] {
                #expect(try ordered("topk(\(k), m)", view) == Array(values.sorted(by: >).prefix(k)))
                #expect(try ordered("bottomk(\(k), m)", view) == Array(values.sorted().prefix(k)))
            }
        }
    }

    @Test(
        arguments: [
            ("topk(NaN, m)", "Parameter value is NaN"), ("bottomk(NaN, nothing)", "Parameter value is NaN"),
            ("topk(Inf, m)", "Scalar value +Inf overflows int64"),
        ] as [(String, String)])
    func `no k`(text: String, message: String) {
        #expect(failure(text, Self.plain) == .execution(message))
    }

    @Test func `values are counted by their text`() throws {
        let values: [Double] = [6, 6, 0.5, 1e21, .infinity, .nan, -0.0]
        let view = view(values.enumerated().map { (["__name__": "m", "a": "\($0 % 2)", "b": "\($0)"], [$1]) })
        #expect(
            try vector(#"count_values("v", m)"#, view) == [
                ["v": "6"]: 2, ["v": "0.5"]: 1, ["v": "1000000000000000000000"]: 1, ["v": "+Inf"]: 1, ["v": "NaN"]: 1,
                ["v": "-0"]: 1,
            ])
        #expect(
            try vector(#"count_values by (a) ("v", m == 6)"#, view) == [
                ["a": "0", "v": "6"]: 1, ["a": "1", "v": "6"]: 1,
            ])
        #expect(try vector(#"count_values without (b) ("a", m == 6)"#, view) == [["a": "6"]: 2])
        #expect(
            try matrix(#"count_values("v", x)"#, self.steps, from: 0, to: 120, step: 60)
                == [["v": "1"]: [2, 1, nil], ["v": "2"]: [nil, 1, 2]])
    }

    private let steps = view([(["__name__": "x", "a": "1"], [1, 1, 2]), (["__name__": "x", "a": "2"], [1, 2, 2])])

    @Test func `a group is there at the steps at which one of its series is`() throws {
        var limits = QueryLimits()
        limits.lookback = .seconds(60)
        let view = view([
            (["__name__": "m", "a": "1"], [1, nil, nil, 4]), (["__name__": "m", "a": "2"], [1, 2, nil, nil]),
        ])
        for (op, values) in [
            ("sum", [2.0, 2, 4]), ("count", [2, 1, 1]), ("stddev", [0, 0, 0]), ("quantile", [1, 2, 4]),
        ] {
            let text = op == "quantile" ? "quantile(1, m)" : "\(op)(m)"
            let time = QueryTime.range(start: 0, end: 180_000, step: 60_000)
            let samples = zip([0, 60_000, 180_000], values).map { Sample(milliseconds: $0, value: $1) }
            #expect(
                try answer(text, view, at: time, limits: limits).value
                    == .matrix([SeriesSamples(labels: [:], samples: samples)]), "\(text)")
        }
    }

    @Test func `grouping sees a name that a function drops later`() throws {
        let view = view([
            (["__name__": "m_total", "a": "1"], [0, 60]), (["__name__": "n_total", "a": "1"], [0, 120]),
        ])
        #expect(try vector(#"sum by (a) (rate({a="1"}[2m]))"#, view, at: 60) == [["a": "1"]: 1.5])
        #expect(try vector("sum by (__name__) (rate(m_total[2m]))", view, at: 60) == [[:]: 0.5])
        #expect(
            failure(#"sum by (__name__) (rate({a="1"}[2m]))"#, view, at: 60)
                == .execution("vector cannot contain metrics with the same labelset"))
    }
}
