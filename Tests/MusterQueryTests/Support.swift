import MusterModel
import MusterQuery

/// Expressions are alternatives of literal texts; `(` is invalid.
struct LiteralCompiler: PatternCompiler {
    struct Alternatives: Pattern {
        let texts: [String]
        func isFullMatch(_ text: String) -> Bool { texts.contains(text) || texts.contains(".*") }
    }

    func compile(_ expression: String) throws(PatternError) -> any Pattern {
        guard expression != "(" else { throw PatternError(expression: expression, reason: "missing )") }
        return Alternatives(texts: expression.split(separator: "|", omittingEmptySubsequences: false).map(String.init))
    }
}

/// Series in a list, read the slow and certain way.
struct ListSource: SeriesSource {
    var series: [SeriesSamples]

    func select(
        _ matchers: [LabelMatcher], from: Int64, to: Int64, maxSeries: Int, maxSamples: Int
    ) -> [SeriesSamples] {
        series.compactMap { one in
            guard matchers.allSatisfy({ $0.isMatch(one.labels) }) else { return nil }
            let samples = one.samples.filter { $0.milliseconds >= from && $0.milliseconds <= to }
            return samples.isEmpty ? nil : SeriesSamples(labels: one.labels, samples: samples)
        }
    }
}

func query(_ text: String, limits: QueryLimits = QueryLimits()) throws(QueryError) -> Query {
    try Query(text, compiler: LiteralCompiler(), limits: limits)
}

/// Samples every `step` seconds from 0; nil is a hole.
func series(_ labels: Labels, every step: Int64, _ values: [Double?]) -> SeriesSamples {
    let samples = values.enumerated().compactMap { index, value in
        value.map { Sample(milliseconds: Int64(index) * step * 1_000, value: $0) }
    }
    return SeriesSamples(labels: labels, samples: samples)
}
