import MusterModel
import MusterPattern
import MusterQuery
import Testing

/// Series with samples every `seconds` from 0; nil is a hole.
func view(every seconds: Int64 = 60, _ series: [(Labels, [Double?])]) -> ListView {
    ListView(
        series.map { labels, values in
            let samples = values.enumerated().compactMap { index, value in
                value.map { Sample(milliseconds: Int64(index) * seconds * 1_000, value: $0) }
            }
            return SeriesSamples(labels: labels, samples: samples)
        })
}

/// One series called `m`.
func metric(every seconds: Int64 = 60, _ values: [Double?]) -> ListView {
    view(every: seconds, [(["__name__": "m"], values)])
}

/// A series `m{a="0"}`, `m{a="1"}`, ... for each value, with that value at 0.
func numbered(_ values: [Double]) -> ListView {
    var series: [(Labels, [Double?])] = []
    for (index, value) in values.enumerated() { series.append((["__name__": "m", "a": "\(index)"], [value])) }
    return view(series)
}

func answer(
    _ text: String, _ view: any SampleView, at time: QueryTime, limits: QueryLimits = QueryLimits(),
    shouldStop: @escaping () -> QueryStop? = { nil }
) throws(QueryError) -> QueryAnswer {
    try QueryEngine(limits: limits, patterns: RE2Compiler()).evaluate(
        Expression(parsing: text, compiler: RE2Compiler()), over: view, at: time, shouldStop: shouldStop)
}

/// An instant vector by labels; labels that came twice are an issue.
func vector(_ text: String, _ view: any SampleView, at seconds: Double = 0) throws -> [Labels: Double] {
    let time = Int64(seconds * 1_000)
    guard case .vector(let elements) = try answer(text, view, at: .instant(time)).value else {
        Issue.record("\(text) is no vector")
        return [:]
    }
    #expect(Set(elements.map(\.labels)).count == elements.count, "\(text)")
    #expect(elements.allSatisfy { $0.sample.milliseconds == time }, "\(text)")
    return Dictionary(elements.map { ($0.labels, $0.sample.value) }) { first, _ in first }
}

/// The values of an instant vector in their order.
func ordered(_ text: String, _ view: any SampleView, at seconds: Double = 0) throws -> [Double] {
    guard case .vector(let elements) = try answer(text, view, at: .instant(Int64(seconds * 1_000))).value else {
        Issue.record("\(text) is no vector")
        return []
    }
    return elements.map(\.sample.value)
}

/// The only value of a scalar or of a vector of one series; nil of an empty vector.
func only(_ text: String, _ view: any SampleView, at seconds: Double = 0) throws -> Double? {
    switch try answer(text, view, at: .instant(Int64(seconds * 1_000))).value {
    case .scalar(let sample): return sample.value
    case .vector(let elements):
        #expect(elements.count <= 1, "\(text): \(elements)")
        return elements.first?.sample.value
    case .string, .matrix:
        Issue.record("\(text) is no number")
        return nil
    }
}

/// The values of a range query at each of its steps.
func matrix(
    _ text: String, _ view: any SampleView, from start: Int64, to end: Int64, step: Int64
) throws -> [Labels: [Double?]] {
    let time = QueryTime.range(start: start * 1_000, end: end * 1_000, step: step * 1_000)
    guard case .matrix(let series) = try answer(text, view, at: time).value else {
        Issue.record("\(text) is no matrix")
        return [:]
    }
    return Dictionary(
        uniqueKeysWithValues: series.map { one in
            let byTime = Dictionary(uniqueKeysWithValues: one.samples.map { ($0.milliseconds, $0.value) })
            return (one.labels, stride(from: start, through: end, by: Int(step)).map { byTime[$0 * 1_000] })
        })
}

func failure(_ text: String, _ view: any SampleView, at seconds: Double = 0) -> QueryError? {
    do throws(QueryError) {
        _ = try answer(text, view, at: .instant(Int64(seconds * 1_000)))
        return nil
    } catch {
        return error
    }
}

/// Texts of all annotations.
func annotations(_ text: String, _ view: any SampleView, at time: QueryTime = .instant(0)) throws -> [String] {
    try answer(text, view, at: time).annotations.map { $0.text(in: text) }
}

/// Equal up to rounding; NaN is NaN.
func isClose(_ a: Double?, _ b: Double?) -> Bool {
    switch (a, b) {
    case (nil, nil): true
    case (let a?, let b?):
        a == b || (a.isNaN && b.isNaN) || abs(a - b) <= 1e-12 * max(abs(a), abs(b))
    default: false
    }
}

/// SplitMix64.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}
