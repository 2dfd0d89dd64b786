import MusterModel
import MusterQuery
import Synchronization
import Testing

@Suite struct SelectorEvaluation {
    /// A sample at 600 s only.
    static let single = ListView([
        SeriesSamples(labels: ["__name__": "m"], samples: [Sample(milliseconds: 600_000, value: 7)])
    ])

    @Test(
        arguments: [
            (599.999, nil), (600.0, 7.0), (899.999, 7), (900, nil), (900.001, nil),
        ] as [(Double, Double?)])
    func `an instant sees the newest sample of the last five minutes, not one exactly as old`(
        at: Double, value: Double?
    ) throws {
        #expect(try only("m", Self.single, at: at) == value)
    }

    @Test(
        arguments: [
            ("m offset 1m", 660.0, 7.0), ("m offset 1m", 659.999, nil), ("m offset -1m", 540, 7), ("m @ 600", 0, 7),
            ("m @ 600 offset 1m", 600, nil), ("m @ 660 offset 1m", 0, 7), ("m @ 899.999", 0, 7), ("m @ 900", 600, nil),
            ("m @ start()", 700, 7), ("m @ end()", 100, nil),
        ] as [(String, Double, Double?)])
    func `offset and @ move the look`(text: String, at: Double, value: Double?) throws {
        #expect(try only(text, Self.single, at: at) == value)
    }

    /// The window is (at - range, at].
    @Test(
        arguments: [
            (600.0, 1.0), (600.001, 1), (659.999, 1), (660, nil), (599.999, nil),
        ] as [(Double, Double?)])
    func `a range leaves its first moment out`(at: Double, count: Double?) throws {
        #expect(try only("count_over_time(m[1m])", Self.single, at: at) == count)
    }

    @Test func `the lookback is a limit of the query`() throws {
        var limits = QueryLimits()
        limits.lookback = .seconds(10)
        func value(_ seconds: Int64) throws -> QueryAnswer.Value {
            try answer("m", Self.single, at: .instant(seconds * 1_000), limits: limits).value
        }
        #expect(try value(610) == .vector([]))
        #expect(
            try value(609)
                == .vector([.init(labels: ["__name__": "m"], sample: Sample(milliseconds: 609_000, value: 7))]))
    }

    @Test func `a stale marker ends a series until its next sample`() throws {
        let view = metric([1, 2, StaleMarker.value, nil, nil, 6])
        let all = try matrix("m", view, from: 0, to: 360, step: 60)
        #expect(all == [["__name__": "m"]: [1, 2, nil, nil, nil, 6, 6]])
        #expect(try matrix("count_over_time(m[10m])", view, from: 0, to: 300, step: 60) == [[:]: [1, 2, 2, 2, 2, 3]])
        #expect(try only("last_over_time(m[4m])", view, at: 240) == 2)
    }

    @Test func `steps off the samples' grid and an end off the steps' grid`() throws {
        let view = metric([0, 1, 2, 3, 4, 5])
        #expect(try matrix("m", view, from: 30, to: 209, step: 60) == [["__name__": "m"]: [0, 1, 2]])
        let time = QueryTime.range(start: 30_000, end: 209_000, step: 60_000)
        guard case .matrix(let series) = try answer("m", view, at: time).value else { return #expect(Bool(false)) }
        #expect(series[0].samples.map(\.milliseconds) == [30_000, 90_000, 150_000])
    }

    @Test func `a step longer than the range of a window skips samples`() throws {
        let view = metric([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(try matrix("sum_over_time(m[2m])", view, from: 60, to: 540, step: 240) == [[:]: [1, 9, 17]])
    }

    @Test func `a range vector is answered as it is`() throws {
        let view = metric([0, StaleMarker.value, 2, 3])
        #expect(
            try answer("m[3m]", view, at: .instant(180_000)).value
                == .matrix([
                    SeriesSamples(
                        labels: ["__name__": "m"],
                        samples: [Sample(milliseconds: 120_000, value: 2), Sample(milliseconds: 180_000, value: 3)])
                ]))
        #expect(try answer("m[1m]", view, at: .instant(1_000_000)).value == .matrix([]))
    }

    @Test(
        arguments: [
            // Multiples of the step in (at - range, at].
            ("sum_over_time(m[2m:1m])", 300.0, 9.0), ("count_over_time(m[2m:1m])", 330, 2),
            ("sum_over_time(m[2m:1m])", 330, 9), ("count_over_time(m[2m:30s])", 300, 4),
            ("sum_over_time(m[2m:1m] offset 1m)", 300, 7), ("sum_over_time(m[2m:1m] @ 120)", 300, 3),
            ("max_over_time((m * 2)[3m:1m])", 300, 10), ("sum_over_time(vector(time())[2m:1m])", 300, 540),
            ("sum_over_time((m @ 60)[3m:1m])", 300, 3), ("avg_over_time(sum_over_time(m[2m])[2m:1m])", 300, 8),
            ("count_over_time(m[3m:])", 300, 3), ("count_over_time(m[7s:2s])", 9, 3),
        ] as [(String, Double, Double?)])
    func `a subquery looks at multiples of its step`(text: String, at: Double, value: Double?) throws {
        #expect(try only(text, metric([0, 1, 2, 3, 4, 5]), at: at) == value)
    }

    @Test func `before 1970 a subquery is aligned as after`() throws {
        let view = ListView([
            SeriesSamples(labels: ["__name__": "m"], samples: [Sample(milliseconds: -100_000, value: 1)])
        ])
        guard case .matrix(let series) = try answer("m[25s:10s]", view, at: .instant(-77_000)).value else {
            return #expect(Bool(false))
        }
        #expect(series.map { $0.samples.map(\.milliseconds) } == [[-100_000, -90_000, -80_000]])
    }

    @Test func `one picture: all selectors are asked at once, equal ones once`() throws {
        let asked = Recorder(metric([1]))
        _ = try answer("m / (m + n) > rate(m[5m]) - m offset 1m", asked, at: .instant(0))
        let requests = try #require(asked.requests.count == 1 ? asked.requests.first : nil)
        #expect(
            requests.map { "\($0.matchers[0].value) \($0.from) \($0.to)" } == [
                "m -299999 0", "n -299999 0", "m -299999 0", "m -359999 -60000",
            ])
        #expect(requests.map { $0.instants != nil } == [true, true, false, true])
    }

    @Test(
        arguments: [
            ("m", -299_999, 600_000), ("m offset 1m", -359_999, 540_000), ("m @ 100", -199_999, 100_000),
            ("m @ end() offset -1m", 390_001, 690_000), ("rate(m[1m])", -59_999, 600_000),
            ("sum_over_time(m[10m:1m])", -839_999, 600_000),
            ("max_over_time(rate(m[1m])[10m:1m] offset 1m)", -659_999, 540_000),
            ("sum_over_time((m @ 0)[1h:1m])", -299_999, 0),
        ] as [(String, Int64, Int64)])
    func `a request covers what the steps look at and no more`(text: String, from: Int64, to: Int64) throws {
        let asked = Recorder(metric([1]))
        _ = try answer(text, asked, at: .range(start: 0, end: 630_000, step: 100_000))
        #expect(asked.requests.first?.map { [$0.from, $0.to] } == [[from, to]])
    }
}

/// Writes down what is asked.
private final class Recorder: SampleView {
    private let view: ListView
    private let asked = Mutex<[[SelectRequest]]>([])

    init(_ view: ListView) { self.view = view }

    var requests: [[SelectRequest]] { asked.withLock { $0 } }
    var symbolLimit: UInt32 { view.symbolLimit }
    func text(of symbol: Symbol) -> String { view.text(of: symbol) }
    func symbol(for text: String) -> Symbol? { view.symbol(for: text) }

    func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries] {
        asked.withLock { $0.append(requests) }
        return try view.select(requests)
    }
}
