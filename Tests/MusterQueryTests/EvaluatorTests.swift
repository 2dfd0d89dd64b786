import MusterModel
import MusterQuery
import Testing

private let up: Labels = ["__name__": "up", "job": "a"]

private func instant(_ text: String, at seconds: Int64, _ series: [SeriesSamples]) throws -> [Double] {
    let result = try QueryEvaluator(source: ListSource(series: series)).instant(
        query(text), at: Instant(seconds: seconds))
    guard case .vector(let elements) = result else { return [] }
    #expect(elements.allSatisfy { $0.sample.milliseconds == seconds * 1_000 })
    return elements.map(\.sample.value)
}

private func range(
    _ text: String, _ seconds: (Int64, Int64), step: Duration, _ series: [SeriesSamples]
) throws -> [[Sample]] {
    let evaluator = QueryEvaluator(source: ListSource(series: series))
    let result = try evaluator.range(
        query(text), from: Instant(seconds: seconds.0), to: Instant(seconds: seconds.1), step: step)
    guard case .matrix(let matrix) = result else { return [] }
    return matrix.map(\.samples)
}

@Suite struct InstantQueries {
    @Test(
        arguments: [
            (-1, []), (0, [0.0]), (9, [0]), (10, [1]), (25, [2]), (310, [2]), (319, [2]), (320, []), (1_000, []),
        ] as [(Int64, [Double])])
    func `the newest sample of the last five minutes counts`(at: Int64, expected: [Double]) throws {
        #expect(try instant("up", at: at, [series(up, every: 10, [0, 1, 2])]) == expected)
    }

    @Test func `a stale marker ends a series at once`() throws {
        let list = [series(up, every: 10, [1, StaleMarker.value, nil, 4])]
        #expect(try instant("up", at: 9, list) == [1])
        #expect(try instant("up", at: 10, list) == [])
        #expect(try instant("up", at: 29, list) == [])
        #expect(try instant("up", at: 30, list) == [4])
    }

    @Test func `a NaN that is no stale marker is a value`() throws {
        let values = try instant("up", at: 0, [series(up, every: 10, [.nan])])
        #expect(values.count == 1 && values[0].isNaN)
    }

    @Test(
        arguments: [
            ("==", [2.0]), ("!=", [1, 3, .nan]), (">", [3]), ("<", [1]), (">=", [2, 3]), ("<=", [1, 2]),
        ] as [(String, [Double])])
    func `a comparison keeps what passes, with its own value`(op: String, expected: [Double]) throws {
        let list = ([1, 2, 3, .nan] as [Double]).enumerated().map { index, value in
            series(["__name__": "up", "n": "\(index)"], every: 1, [value])
        }
        #expect(try instant("up \(op) 2", at: 0, list).map(GoFloat.general) == expected.map(GoFloat.general))
        #expect(try instant("up \(op) NaN", at: 0, list).count == (op == "!=" ? 4 : 0))
    }

    @Test func `matchers choose and answers are sorted by labels`() throws {
        let list = [
            series(["__name__": "up", "job": "b"], every: 1, [2]), series(["__name__": "up"], every: 1, [0]),
            series(["__name__": "down", "job": "a"], every: 1, [9]), series(up, every: 1, [1]),
        ]
        #expect(try instant("up", at: 0, list) == [0, 1, 2])
        #expect(try instant(#"up{job="b"}"#, at: 0, list) == [2])
        #expect(try instant(#"up{job!="b"}"#, at: 0, list) == [0, 1])
        #expect(try instant(#"{job=~"a|b"}"#, at: 0, list) == [9, 1, 2])
        #expect(try instant(#"up{job=""}"#, at: 0, list) == [0])
        #expect(try instant("nothing", at: 0, list) == [])
    }
}

@Suite struct RangeQueries {
    @Test func `each step has its own newest sample`() throws {
        let list = [series(up, every: 10, [0, 1, nil, 3])]
        let found = try range("up", (0, 40), step: .seconds(5), list)
        #expect(found.count == 1)
        #expect(found[0].map(\.value) == [0, 0, 1, 1, 1, 1, 3, 3, 3])
        #expect(found[0].map(\.milliseconds) == (0...8).map { $0 * 5_000 })
    }

    @Test func `holes by lookback, by stale markers and by comparison`() throws {
        let list = [series(up, every: 100, [1, 2, nil, nil, nil, nil, 7, StaleMarker.value, 9])]
        #expect(try range("up", (0, 900), step: .seconds(100), list)[0].map(\.value) == [1, 2, 2, 2, 7, 9, 9])
        #expect(
            try range("up > 1", (0, 900), step: .seconds(100), list)[0].map(\.milliseconds)
                == [100_000, 200_000, 300_000, 600_000, 800_000, 900_000])
        #expect(try range("up > 100", (0, 900), step: .seconds(100), list).isEmpty)
    }

    @Test func `a range agrees with the instants along it`() throws {
        let list = (0..<5).map { n -> SeriesSamples in
            let values = (0..<40).map { index -> Double? in
                if (index + n) % 11 == 0 { return nil }
                return (index * n) % 7 == 3 ? StaleMarker.value : Double(index)
            }
            return series(["__name__": "up", "n": "\(n)"], every: 7 + Int64(n) * 60, values)
        }
        let evaluator = QueryEvaluator(source: ListSource(series: list))
        guard
            case .matrix(let matrix) = try evaluator.range(
                query("up < 30"), from: Instant(seconds: 3), to: Instant(seconds: 2_000), step: .seconds(13))
        else { return }
        var expected: [Labels: [Sample]] = [:]
        for at in stride(from: Int64(3), through: 2_000, by: 13) {
            guard case .vector(let elements) = try evaluator.instant(query("up < 30"), at: Instant(seconds: at)) else {
                return
            }
            for element in elements { expected[element.labels, default: []].append(element.sample) }
        }
        #expect(Dictionary(uniqueKeysWithValues: matrix.map { ($0.labels, $0.samples) }) == expected)
        #expect(expected.count == 5)
    }

    @Test func `a range of one step is an instant`() throws {
        #expect(try range("up", (10, 10), step: .seconds(1), [series(up, every: 10, [0, 1])])[0].map(\.value) == [1])
    }

    @Test func `the cost of a query has limits`() throws {
        let list = (0..<4).map { series(["__name__": "up", "n": "\($0)"], every: 1, [1, 2, 3]) }
        var limits = QueryLimits()
        limits.steps = 10
        limits.series = 4
        limits.samples = 12
        func run(_ to: Int64, step: Duration = .seconds(1), _ limits: QueryLimits) throws(QueryError) -> QueryResult {
            try QueryEvaluator(source: ListSource(series: list), limits: limits)
                .range(query("up"), from: Instant(seconds: 0), to: Instant(seconds: to), step: step)
        }
        #expect(throws: Never.self) { try run(9, limits) }
        #expect(throws: QueryError.self) { try run(10, limits) }
        #expect(throws: QueryError.self) { try run(-1, limits) }
        #expect(throws: QueryError.self) { try run(9, step: .zero, limits) }
        #expect(throws: QueryError.self) { try run(9, step: .seconds(-1), limits) }
        limits.series = 3
        #expect(throws: QueryError.refused("the query finds more than 3 series; add matchers")) { try run(9, limits) }
        limits.series = 4
        limits.samples = 11
        #expect(throws: QueryError.self) { try run(9, limits) }
        #expect(QueryLimits().steps == 11_000)
    }

    @Test func `times at the ends of the range do not trap`() throws {
        let evaluator = QueryEvaluator(source: ListSource(series: [series(up, every: 1, [1])]))
        _ = try evaluator.instant(query("up"), at: .distantPast)
        _ = try evaluator.instant(query("up"), at: .distantFuture)
        #expect(throws: QueryError.self) {
            try evaluator.range(query("up"), from: .distantPast, to: .distantFuture, step: .milliseconds(1))
        }
    }

    @Test func `results name their type`() {
        #expect(QueryResult.vector([]).typeName == "vector" && QueryResult.matrix([]).typeName == "matrix")
    }
}

@Suite struct GoFloats {
    @Test(
        arguments: [
            (0, "0", "0"), (-0.0, "-0", "-0"), (1, "1", "1"), (-1.5, "-1.5", "-1.5"), (0.5, "0.5", "0.5"),
            (0.1, "0.1", "0.1"),
            (100, "100", "100"), (123_456, "123456", "123456"), (1e6, "1000000", "1e+06"),
            (1_234_567, "1234567", "1.234567e+06"),
            (123_456_789, "123456789", "1.23456789e+08"), (0.0001, "0.0001", "0.0001"), (0.00001, "0.00001", "1e-05"),
            (0.000012345, "0.000012345", "1.2345e-05"), (1e20, "100000000000000000000", "1e+20"),
            (1e21, "1e+21", "1e+21"),
            (1e-6, "0.000001", "1e-06"), (1e-7, "1e-07", "1e-07"), (1.5e300, "1.5e+300", "1.5e+300"),
            (.leastNonzeroMagnitude, "5e-324", "5e-324"),
            (.infinity, "+Inf", "+Inf"), (-.infinity, "-Inf", "-Inf"), (.nan, "NaN", "NaN"),
            (1_700_000_000.25, "1700000000.25", "1.70000000025e+09"),
            (9_007_199_254_740_992, "9007199254740992", "9.007199254740992e+15"),
            (12_345.678, "12345.678", "12345.678"),
        ] as [(Double, String, String)])
    func `numbers are spelled as Go spells them`(value: Double, json: String, general: String) {
        #expect(GoFloat.json(value) == json)
        #expect(GoFloat.general(value) == general)
    }

    @Test func `the fixed form never has an exponent`() {
        #expect(GoFloat.fixed(1e22) == "10000000000000000000000")
        #expect(GoFloat.fixed(1.25e-8) == "0.0000000125")
        #expect(GoFloat.fixed(.nan) == "NaN")
    }

    @Test func `every spelling reads back to the same bits`() {
        var state: UInt64 = 1
        for _ in 0..<20_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let value = Double(bitPattern: state ^ (state >> 29))
            guard value.isFinite else { continue }
            for text in [GoFloat.json(value), GoFloat.general(value), GoFloat.fixed(value)] {
                #expect(Double(text)?.bitPattern == value.bitPattern, "\(text)")
            }
        }
    }
}
