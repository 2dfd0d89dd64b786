import MusterModel
import MusterQuery
import Testing

@Suite struct BinaryOperators {
    @Test(
        arguments: [
            ("1 + 2", 3.0), ("1 - 2", -1), ("3 * 4", 12), ("1 / 0", .infinity), ("-1 / 0", -.infinity), ("0 / 0", .nan),
            ("7 % 3", 1), ("-7 % 3", -1), ("7.5 % -2", 1.5), ("1 % 0", .nan), ("2 ^ 10", 1024), ("4 ^ 0.5", 2),
            ("1 atan2 1", .pi / 4), ("0 atan2 -1", .pi), ("1 == bool 1", 1), ("1 != bool 1", 0), ("1 < bool 2", 1),
            ("1 > bool 2", 0), ("2 <= bool 2", 1), ("1 >= bool 2", 0), ("NaN == bool NaN", 0), ("NaN != bool NaN", 1),
            ("Inf >= bool Inf", 1),
        ] as [(String, Double)])
    func `between scalars`(text: String, value: Double) throws {
        #expect(isClose(try only(text, ListView()), value))
        let left = text.prefix { $0 != " " }
        let vector = "vector(\(left))" + text.dropFirst(left.count)
        #expect(isClose(try only(vector, ListView()), value), "\(vector)")
    }

    /// C99, appendix F.
    @Test(
        arguments: [
            (0.0, 0.0, 1.0), (.nan, 0, 1), (1, .nan, 1), (.nan, 1, .nan), (2, .nan, .nan), (-2, 3, -8), (-2, 2, 4),
            (-2, -3, -0.125), (-2, 0.5, .nan), (0, -1, .infinity), (-0.0, -3, -.infinity), (-0.0, -2, .infinity),
            (-0.0, 3, -0.0), (-0.0, 2, 0), (0, 0.5, 0), (-0.0, -0.5, .infinity), (-1, .infinity, 1),
            (-1, -.infinity, 1),
            (2, .infinity, .infinity), (0.5, .infinity, 0), (-2, .infinity, .infinity), (-0.5, -.infinity, .infinity),
            (.infinity, 2, .infinity), (.infinity, -1, 0), (-.infinity, 3, -.infinity), (-.infinity, 2, .infinity),
            (-.infinity, -3, -0.0), (-.infinity, 0.5, .infinity), (-.infinity, -0.5, 0), (-3, 1e300, .infinity),
        ] as [(Double, Double, Double)])
    func `powers of every kind of number`(base: Double, exponent: Double, power: Double) throws {
        let view = view([(["__name__": "b"], [base]), (["__name__": "e"], [exponent])])
        let found = try #require(try only("b ^ e", view))
        #expect(found == power || (found.isNaN && power.isNaN))
        #expect(found.isNaN || found.sign == power.sign)
    }

    static let numbers = numbered([2, 3, 4])

    @Test(
        arguments: [
            ("m > 2", [3.0, 4.0]), ("2 < m", [3, 4]), ("m == 3", [3]), ("3 == m", [3]), ("m != 3", [2, 4]),
            ("m <= 2", [2]),
            ("3 >= m", [2, 3]), ("m > bool 2", [0, 1, 1]), ("2 > bool m", [0, 0, 0]), ("m - 1", [1, 2, 3]),
            ("1 - m", [-1, -2, -3]), ("10 / m", [5, 10.0 / 3, 2.5]), ("2 ^ m", [4, 8, 16]), ("m > NaN", []),
        ] as [(String, [Double])])
    func `a filter gives the vector's value on whichever side it stands`(text: String, values: [Double]) throws {
        #expect(try ordered(text, Self.numbers) == values)
    }

    private static func duplicates(side: String) -> String {
        "found duplicate series for the match group {b=\"x\"} on the \(side) hand-side of the operation: "
            + "[{__name__=\"l\", a=\"1\", b=\"x\"}, {__name__=\"l\", a=\"2\", b=\"x\"}];many-to-many matching "
            + "not allowed: matching labels must be unique on one side"
    }

    static let two = view([
        (["__name__": "l", "a": "1", "b": "x"], [1]), (["__name__": "l", "a": "2", "b": "x"], [2]),
        (["__name__": "r", "a": "1", "b": "y"], [10]), (["__name__": "r", "a": "2", "b": "y"], [20]),
        (["__name__": "one", "b": "x", "c": "new"], [100]),
    ])

    @Test(
        arguments: [
            ("l + r", [:]), ("l + on (a) r", [["a": "1"]: 11, ["a": "2"]: 22]),
            ("l + ignoring (b) r", [["a": "1"]: 11, ["a": "2"]: 22]),
            ("r - on (a) l", [["a": "1"]: 9, ["a": "2"]: 18]),
            ("l < on (a) r", [["a": "1"]: 1, ["a": "2"]: 2]), ("l > on (a) r", [:]),
            ("l < bool ignoring (b) r", [["a": "1"]: 1, ["a": "2"]: 1]),
            ("l < ignoring (b) r", [["__name__": "l", "a": "1"]: 1, ["__name__": "l", "a": "2"]: 2]),
            ("l * on (b) group_left one", [["a": "1", "b": "x"]: 100, ["a": "2", "b": "x"]: 200]),
            (
                "l * on (b) group_left (c) one",
                [["a": "1", "b": "x", "c": "new"]: 100, ["a": "2", "b": "x", "c": "new"]: 200]
            ),
            (
                "one / on (b) group_right (c) l",
                [["a": "1", "b": "x", "c": "new"]: 100, ["a": "2", "b": "x", "c": "new"]: 50]
            ),
            (
                "one > on (b) group_right l",
                [
                    ["__name__": "l", "a": "1", "b": "x"]: 100, ["__name__": "l", "a": "2", "b": "x"]: 100,
                ]
            ),
            ("l + on (nothing) group_left one", [["a": "1", "b": "x"]: 101, ["a": "2", "b": "x"]: 102]),
            // A label that the one side lacks is taken away.
            ("l * on (b) group_left (a) (one * 2)", nil), ("l + on (a) nothing", [:]),
        ] as [(String, [Labels: Double]?)])
    func `vectors match by labels`(text: String, values: [Labels: Double]?) throws {
        guard let values else {
            #expect(
                failure(text, Self.two)
                    == .execution("multiple matches for labels: grouping labels must ensure unique matches"))
            return
        }
        #expect(try vector(text, Self.two) == values)
    }

    @Test(
        arguments: [
            (
                "one > on (b) l", Self.duplicates(side: "right")
            ),
            (
                "l > on (b) group_right one", Self.duplicates(side: "left")
            ),
            (
                "one + ignoring (a, c) l", Self.duplicates(side: "right")
            ),
            (
                "l > on (b) one",
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            ),
            // Also when the filter would keep none of them.
            (
                "l == on (b) one",
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            ),
        ] as [(String, String)])
    func `matches that are not allowed`(text: String, message: String?) {
        #expect(failure(text, Self.two) == message.map { .execution($0) })
    }

    @Test func `whether a match is allowed is asked at each step`() throws {
        var limits = QueryLimits()
        limits.lookback = .seconds(60)
        let view = view([
            (["__name__": "l"], [1, 2, nil]), (["__name__": "r", "a": "1"], [10, nil, 10]),
            (["__name__": "r", "a": "2"], [nil, 20, 20]),
        ])
        func range(_ end: Int64) throws(QueryError) -> QueryAnswer.Value {
            try answer("l + on () r", view, at: .range(start: 0, end: end, step: 60_000), limits: limits).value
        }
        let samples = [Sample(milliseconds: 0, value: 11), Sample(milliseconds: 60_000, value: 22)]
        #expect(try range(60_000) == .matrix([SeriesSamples(labels: [:], samples: samples)]))
        // Twice `r`, but nothing on the other side.
        #expect(try range(120_000) == .matrix([SeriesSamples(labels: [:], samples: samples)]))
    }

    @Test(
        arguments: [
            ("l and on (a) r", ["l1", "l2"]), ("l and r", []), ("l and on (b) one", ["l1", "l2"]),
            ("l and on (a) r{a=\"1\"}", ["l1"]), ("l unless on (a) r{a=\"1\"}", ["l2"]), ("l unless r", ["l1", "l2"]),
            ("l unless on () r", []), ("l or r", ["l1", "l2", "r1", "r2"]), ("l or on (a) r", ["l1", "l2"]),
            ("l{a=\"1\"} or on (a) r", ["l1", "r2"]), ("l or l", ["l1", "l2"]), ("nothing or l", ["l1", "l2"]),
            ("l or nothing", ["l1", "l2"]), ("nothing and l", []), ("l and nothing", []),
            ("l unless nothing", ["l1", "l2"]),
            ("l and ignoring (b) r", ["l1", "l2"]), ("l and on () vector(1)", ["l1", "l2"]),
            ("l{a=\"1\"} or l{a=\"2\"} unless on (a) r{a=\"2\"}", ["l1"]),
        ] as [(String, [String])])
    func `set operators`(text: String, series: [String]) throws {
        let found = try vector(text, Self.two).keys.map { $0.metricName + ($0["a"] ?? "") }
        #expect(found.sorted() == series)
    }

    @Test func `or takes at each step from the right what the left lacks, in one series`() throws {
        var limits = QueryLimits()
        limits.lookback = .seconds(60)
        let view = view([(["__name__": "m", "a": "1"], [1, nil, 3]), (["__name__": "n", "a": "1"], [10, 20, nil])])
        let time = QueryTime.range(start: 0, end: 120_000, step: 60_000)
        let samples = [1.0, 20, 3].enumerated().map { Sample(milliseconds: Int64($0) * 60_000, value: $1) }
        #expect(
            try answer("m * 1 or n * 1", view, at: time, limits: limits).value
                == .matrix([SeriesSamples(labels: ["a": "1"], samples: samples)]))
    }

    @Test func `two series that differ in their names only match nothing twice`() throws {
        let view = view([
            (["__name__": "m", "a": "1"], [1]), (["__name__": "n", "a": "1"], [2]), (["__name__": "o", "a": "1"], [3]),
        ])
        #expect(
            failure(#"{__name__=~"m|n"} * on (a) group_left o"#, view)
                == .execution("multiple matches for labels: grouping labels must ensure unique matches"))
        #expect(
            try vector(#"{__name__=~"m|n"} < on (a) group_left o"#, view)
                == [["__name__": "m", "a": "1"]: 1, ["__name__": "n", "a": "1"]: 2])
        #expect(
            failure(#"{__name__=~"m|n"} * on (a, __name__) {__name__=~"m|n"}"#, view)
                == .execution("vector cannot contain metrics with the same labelset"))
    }
}
