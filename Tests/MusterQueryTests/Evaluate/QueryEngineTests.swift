import MusterModel
import MusterPattern
import MusterQuery
import Synchronization
import Testing

@Suite struct EngineAnswers {
    @Test func `shapes of answers`() throws {
        let view = metric([1, 2])
        #expect(try answer("1 + 1", view, at: .instant(5)).value == .scalar(Sample(milliseconds: 5, value: 2)))
        #expect(try answer(#""text""#, view, at: .instant(5)).value == .string("text", milliseconds: 5))
        #expect(
            try answer("m", view, at: .instant(60_000)).value
                == .vector([.init(labels: ["__name__": "m"], sample: Sample(milliseconds: 60_000, value: 2))]))
        let samples = [Sample(milliseconds: 0, value: 3), Sample(milliseconds: 10, value: 3)]
        #expect(
            try answer("3", view, at: .range(start: 0, end: 10, step: 10)).value
                == .matrix([SeriesSamples(labels: [:], samples: samples)]))
        let one = QueryTime.range(start: 60_000, end: 60_000, step: 1)
        #expect(
            try answer("m", view, at: one).value
                == .matrix([
                    SeriesSamples(labels: ["__name__": "m"], samples: [Sample(milliseconds: 60_000, value: 2)])
                ]))
        #expect(try answer("nothing", view, at: .instant(0)).value == .vector([]))
        #expect(try answer("nothing", view, at: one).value == .matrix([]))
        #expect(
            try ["1", #""x""#, "m", "m[5m]"].map { try answer($0, view, at: .instant(0)).typeName }
                == ["scalar", "string", "vector", "matrix"])
    }

    @Test(
        arguments: [
            ("start()", 60.0), ("end()", 130), ("step()", 30), ("range()", 70), ("time()", 60), ("max_of(1, 2)", 2),
            ("min_of(1, time())", 1), ("sum_over_time(vector(end())[1m:1m])", 130),
        ] as [(String, Double)])
    func `what a query knows of its question`(text: String, first: Double) throws {
        let found = try matrix(text, ListView(), from: 60, to: 130, step: 30)
        #expect(found[[:]]?.first == first && found[[:]]?.count == 3)
    }

    @Test func `a query counts what it read and what it held`() throws {
        let view = metric([1, 2, 3, 4])
        let statistics = try answer("sum_over_time(m[5m])", view, at: .instant(180_000)).statistics
        #expect(statistics.samplesRead == 4)
        #expect((5...10).contains(statistics.peakSamples))
        #expect(try answer("1", view, at: .instant(0)).statistics.samplesRead == 0)
    }

    @Test func `a warning points at its place, also on a later line`() throws {
        let text = "vector(1) or\n  quantile_over_time(2,\n    m[5m])"
        #expect(
            try annotations(text, metric([1]))
                == ["PromQL warning: quantile value should be between 0 and 1, got 2 (2:22)"])
        #expect(
            try annotations("quantile(1.5, m) + quantile(-1, m)", metric([1])) == [
                "PromQL warning: quantile value should be between 0 and 1, got 1.5 (1:10)",
                "PromQL warning: quantile value should be between 0 and 1, got -1 (1:29)",
            ])
        #expect(try annotations("quantile_over_time(2, nothing[5m])", metric([1])) == [])
    }

    @Test(arguments: ["x_total", "x_sum", "x_count", "x_bucket", "x"])
    func `a name that is not a counter's is mentioned`(name: String) throws {
        let view = view([(["__name__": name, "a": "1"], [1, 2]), (["__name__": name, "a": "2"], [1, 2])])
        for function in ["rate", "increase"] {
            let column = function.count + 2
            let expected =
                name == "x"
                ? [
                    "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                        + "\"x\" (1:\(column))"
                ] : []
            #expect(try annotations("\(function)(\(name)[5m])", view, at: .instant(60_000)) == expected)
        }
        #expect(try annotations("delta(\(name)[5m]) + irate(\(name)[5m])", view, at: .instant(60_000)) == [])
    }

    @Test func `of many annotations a hundred are told`() throws {
        let view = view((0..<150).map { (["__name__": "gauge\($0)", "x": "\($0)"], [1, 2]) })
        #expect(try annotations(#"rate({x=~".+"}[5m])"#, view, at: .instant(60_000)).count == 100)
    }
}

@Suite struct EngineLimits {
    private func refusal(
        _ text: String, _ view: ListView, at time: QueryTime = .instant(0),
        _ set: (inout QueryLimits) -> Void = { _ in }
    ) -> String? {
        var limits = QueryLimits()
        set(&limits)
        do throws(QueryError) {
            _ = try answer(text, view, at: time, limits: limits)
            return nil
        } catch {
            switch error {
            case .refused(let reason), .invalid(let reason): return reason
            default: return "\(error)"
            }
        }
    }

    @Test func `a range has 11,001 points at most`() throws {
        let view = metric([1])
        let longest = QueryTime.range(start: 0, end: 11_000, step: 1)
        guard case .matrix(let series) = try answer("m", view, at: longest).value else { return #expect(Bool(false)) }
        #expect(series[0].samples.count == 11_001)
        #expect(
            refusal("m", view, at: .range(start: 0, end: 11_001, step: 1))
                == "the range has more than 11000 steps; use a longer step or a shorter range")
    }

    @Test func `ranges and times that make no sense`() {
        let view = metric([1])
        #expect(refusal("m", view, at: .range(start: 1, end: 0, step: 1)) == "the range ends before it begins")
        #expect(
            refusal("m", view, at: .range(start: 0, end: 1, step: 0)) == "the step must be at least 1ms, it is 0ms")
        #expect(
            refusal("m", view, at: .range(start: 0, end: 1, step: -1)) == "the step must be at least 1ms, it is -1ms")
        for time in [Int64.max, .min, (1 << 50) + 1] {
            let reason = "a time or duration of \(time)ms is out of range"
            #expect(refusal("m", view, at: .instant(time)) == reason)
            #expect(refusal("m", view, at: .range(start: min(time, 0), end: max(time, 0), step: .max)) == reason)
        }
        #expect(refusal("m @ 1e15", view)?.hasSuffix("out of range") == true)
        #expect(refusal("m[5m]", view, at: .range(start: 0, end: 1, step: 1))?.contains("\"range vector\"") == true)
        #expect(refusal(#""x""#, view, at: .range(start: 0, end: 1, step: 1))?.contains("\"string\"") == true)
    }

    @Test func `series that a selector finds`() {
        let view = view((0..<4).map { (["__name__": "m", "a": "\($0)"], [1]) })
        #expect(refusal("m", view) { $0.series = 4 } == nil)
        #expect(refusal("m", view) { $0.series = 3 } == "a selector finds more than 3 series; add matchers")
    }

    @Test func `samples in memory, read or made on the way`() {
        let view = metric([Double?](repeating: 1, count: 100))
        let message =
            "the query needs more than 150 samples in memory; add matchers, shorten the range or use a longer step"
        let at = QueryTime.instant(99 * 60_000)
        #expect(refusal("sum_over_time(m[100m])", view, at: at) { $0.samples = 150 } == nil)
        #expect(refusal("sum_over_time(m[100m])", view, at: at) { $0.samples = 99 } != nil)
        #expect(refusal("sum_over_time(m[100m:1m])", view, at: at) { $0.samples = 150 } == message)
        #expect(
            refusal("time() + time()", view, at: .range(start: 0, end: 99, step: 1)) { $0.samples = 150 } == message)
        #expect(refusal("vector(1)", view) { $0.samples = 2 } == nil)
    }

    @Test func `steps of a subquery`() {
        let view = metric([1])
        #expect(
            refusal("sum_over_time(m[1y:1ms])", view)
                == "a subquery has 31536000000 steps, more than 50000000; use a longer step or a shorter range")
        #expect(refusal("sum_over_time(vector(1)[1y:10s])", view) { $0.samples = 1_000_000 }?.contains("steps") == true)
    }

    @Test func `samples of an answer`() {
        let view = view([(["__name__": "m", "a": "1"], [1, 2, 3]), (["__name__": "m", "a": "2"], [1])])
        let time = QueryTime.range(start: 0, end: 120_000, step: 60_000)
        let message = "the answer has more than 5 samples; aggregate, use a longer step or a shorter range"
        #expect(refusal("m", view, at: time) { $0.resultSamples = 6 } == nil)
        #expect(refusal("m", view, at: time) { $0.resultSamples = 5 } == message)
        #expect(refusal("sum(m)", view, at: time) { $0.resultSamples = 5 } == nil)
        #expect(refusal("m[5m]", view, at: .instant(120_000)) { $0.resultSamples = 3 }?.contains("3 samples") == true)
    }

    @Test(arguments: [(QueryStop.canceled, QueryError.canceled), (.timedOut, .timedOut)])
    func `whoever asks can stop a query`(stop: QueryStop, error: QueryError) {
        #expect(throws: error) { try answer("m", metric([1]), at: .instant(0), shouldStop: { stop }) }
    }

    /// 20,000 samples in each of 5,000 windows are 100 million additions.
    @Test func `a query asks on the way, also within one series`() throws {
        let asked = Mutex(0)
        let view = metric(every: 1, [Double?](repeating: 1, count: 20_000))
        let time = QueryTime.range(start: 15_000_000, end: 20_000_000, step: 1_000)
        #expect(throws: QueryError.timedOut) {
            try answer("sum_over_time(m[20000s])", view, at: time) {
                asked.withLock { count in
                    count += 1
                    return count > 10 ? .timedOut : nil
                }
            }
        }
        #expect(asked.withLock { $0 } == 11)
    }

    @Test func `a source's error is the query's`() {
        struct Broken: SampleView {
            let symbolLimit: UInt32 = 0
            func text(of symbol: Symbol) -> String { "" }
            func symbol(for text: String) -> Symbol? { nil }
            func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries] {
                throw .refused("warming up")
            }
        }
        struct Mute: SampleView {
            let symbolLimit: UInt32 = 0
            func text(of symbol: Symbol) -> String { "" }
            func symbol(for text: String) -> Symbol? { nil }
            func select(_ requests: [SelectRequest]) throws(QueryError) -> [SelectedSeries] { [] }
        }
        #expect(throws: QueryError.refused("warming up")) { try answer("m", Broken(), at: .instant(0)) }
        #expect(throws: QueryError.execution("1 selectors got 0 answers")) { try answer("m", Mute(), at: .instant(0)) }
    }
}
