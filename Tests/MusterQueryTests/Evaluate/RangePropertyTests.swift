import MusterModel
import MusterQuery
import Testing

/// A range query is the instant query at every step, whatever the expression.
@Suite struct RangeIsInstantAtEveryStep {
    /// Counters with resets, gauges with holes, stale markers, NaN and infinities.
    static func data(_ random: inout SplitMix) -> ListView {
        var view = ListView()
        for name in ["a_total", "b", "c_bucket"] {
            for series in 0..<6 {
                var value = Double(random.next() % 10)
                var samples: [Sample] = []
                for index in 0..<60 where random.next() % 8 != 0 {
                    let time = Int64(index) * 15_000 + Int64(random.next() % 3_000)
                    switch random.next() % 24 {
                    case 0: samples.append(Sample(milliseconds: time, value: StaleMarker.value))
                    case 1 where name == "b":
                        samples.append(
                            Sample(milliseconds: time, value: [.nan, .infinity, -1][Int(random.next() % 3)]))
                    case 2:
                        value = 0
                        samples.append(Sample(milliseconds: time, value: value))
                    default:
                        value += Double(random.next() % 7)
                        samples.append(Sample(milliseconds: time, value: value))
                    }
                }
                var labels: Labels = ["__name__": name, "i": "\(series)", "g": "\(series % 2)"]
                if name == "c_bucket" { labels["le"] = ["1", "5", "+Inf"][series / 2]; labels["i"] = nil }
                view.append(SeriesSamples(labels: labels, samples: samples))
            }
        }
        return view
    }

    static let expressions = [
        "b", "b offset 37s", "b @ 300", "b @ end() + b", "rate(a_total[2m])", "increase(a_total[70s] offset 20s)",
        "delta(b[3m])", "irate(a_total[1m])", "idelta(b[1m])", "deriv(b[2m])", "predict_linear(b[2m], 30)",
        "predict_linear(b[2m] @ 400, 30)", "sum_over_time(b[90s])", "avg_over_time(b[90s])", "min_over_time(b[90s])",
        "max_over_time(b[90s])", "stddev_over_time(a_total[90s])", "stdvar_over_time(b[2m])", "count_over_time(b[47s])",
        "last_over_time(b[47s])", "present_over_time(b[30s])", "changes(b[2m])", "resets(a_total[2m])",
        "quantile_over_time(0.3, b[2m])", "absent_over_time(b{i=\"0\"}[20s])", "absent(b{i=\"1\"})", "-b", "abs(b)",
        "round(b, 5)", "clamp(b, 2, time() / 20)", "timestamp(b)", "timestamp(b * 2)", "b > 10", "10 > b",
        "b == bool 0",
        "b + on (i, g) a_total", "b > ignoring (le) a_total", "a_total / on (g) group_left () sum by (g) (b)",
        "sum by (g) (b) - on (g) group_right () a_total", "a_total and on (i) (b > 10)",
        "a_total unless on (i) (b > 10)",
        "(a_total > 20) or on (i) b", "-(a_total > 20) or -b", "sum(b)", "avg by (g) (a_total)", "min without (i) (b)",
        "max by (g) (b)", "count(b)", "group by (g) (b)", "stddev(a_total)", "stdvar by (g) (a_total)",
        "topk(2, a_total)", "bottomk by (g) (1, b)", "topk(scalar(count(b > 20) or vector(0)), b)",
        "quantile by (g) (0.4, a_total)",
        "count_values(\"v\", b)", "histogram_quantile(0.7, sum by (le, g) (rate(c_bucket[2m])))",
        "histogram_quantile(0.5, c_bucket)", "histogram_fraction(0, 3, c_bucket)", "scalar(sum(b))", "time() * 2",
        "vector(time())", "hour(b * 3600)", "sum_over_time(rate(a_total[1m])[3m:20s])",
        "max_over_time(b[2m:33s] offset 1m)",
        "avg_over_time((b > 3)[2m:15s] @ 500)", "sum(sum_over_time(b[1m:10s]))", "count(rate(a_total[1m:15s]))",
        "label_replace(b, \"n\", \"$1\", \"i\", \"(.*)\")", "sum by (n) (label_join(b, \"n\", \"-\", \"i\", \"g\"))",
        "sum(rate(a_total[2m])) by (g) / sum(b) by (g) > 0.001",
    ]

    @Test(arguments: expressions)
    func `of random series`(text: String) throws {
        var random = SplitMix(seed: 2_026)
        for (start, step) in [(0, 30), (61, 17), (400, 240)] as [(Int64, Int64)] {
            let view = Self.data(&random)
            let end = start + step * 20 + step / 2
            let time = QueryTime.range(start: start * 1_000, end: end * 1_000, step: step * 1_000)
            guard case .matrix(let series) = try answer(text, view, at: time).value else {
                return #expect(Bool(false))
            }
            var expected: [Labels: [Int64: Double]] = [:]
            for at in stride(from: start, through: end, by: Int(step)) {
                let instant = pinned(text, end: end)
                for (labels, value) in try values(instant, view, at: at * 1_000) {
                    expected[labels, default: [:]][at * 1_000] = value
                }
            }
            #expect(Set(series.map(\.labels)) == Set(expected.keys), "\(text) from \(start) by \(step)")
            for one in series {
                let values = expected[one.labels] ?? [:]
                #expect(one.samples.map(\.milliseconds) == values.keys.sorted(), "\(text) \(one.labels)")
                #expect(
                    one.samples.allSatisfy { isClose(values[$0.milliseconds], $0.value) },
                    "\(text) from \(start) by \(step): \(one) \(values)")
            }
        }
    }

    /// `end()` is another time in an instant query.
    private func pinned(_ text: String, end: Int64) -> String { text.replacing("end()", with: "\(end)") }

    private func values(_ text: String, _ view: ListView, at time: Int64) throws -> [Labels: Double] {
        switch try answer(text, view, at: .instant(time)).value {
        case .scalar(let sample): return [[:]: sample.value]
        case .vector(let elements):
            return Dictionary(uniqueKeysWithValues: elements.map { ($0.labels, $0.sample.value) })
        case .string, .matrix: return [:]
        }
    }
}
