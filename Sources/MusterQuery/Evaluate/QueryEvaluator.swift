package import MusterModel

/// Where a query reads. The wiring puts the hot store behind it.
package protocol SeriesSource {
    /// Series that match all matchers, with their samples from `from` to `to` (milliseconds, both included), oldest
    /// first, stale markers included. May stop as soon as it has found more than `maxSeries` series or `maxSamples`
    /// samples; the evaluator refuses the query then.
    func select(
        _ matchers: [LabelMatcher], from: Int64, to: Int64, maxSeries: Int, maxSamples: Int
    ) -> [SeriesSamples]
}

/// An answer in Prometheus's shapes.
package enum QueryResult: Equatable, Sendable {
    package struct Element: Equatable, Sendable {
        package var labels: Labels
        /// Its timestamp is that of the question.
        package var sample: Sample

        package init(labels: Labels, sample: Sample) {
            self.labels = labels
            self.sample = sample
        }
    }

    /// Sorted by labels.
    case vector([Element])
    /// Sorted by labels; series without a value at any step are left out.
    case matrix([SeriesSamples])

    /// Prometheus's `resultType`.
    package var typeName: String {
        switch self {
        case .vector: "vector"
        case .matrix: "matrix"
        }
    }
}

/// Answers queries from a source.
package struct QueryEvaluator<Source: SeriesSource> {
    package let source: Source
    package let limits: QueryLimits

    package init(source: Source, limits: QueryLimits = QueryLimits()) {
        self.source = source
        self.limits = limits
    }

    /// The value of each series at one time.
    package func instant(_ query: Query, at time: Instant) throws(QueryError) -> QueryResult {
        let at = time.flooredMilliseconds
        var elements: [QueryResult.Element] = []
        for series in try select(query, from: at, to: at) {
            var cursor = SampleCursor(samples: series.samples, lookback: lookback)
            guard let value = cursor.value(at: at), Self.passes(value, query.filter) else { continue }
            elements.append(
                QueryResult.Element(labels: series.labels, sample: Sample(milliseconds: at, value: value)))
        }
        return .vector(elements.sorted { $0.labels.precedes($1.labels) })
    }

    /// The value of each series at `from`, `from + step`, ... up to `to`.
    package func range(
        _ query: Query, from: Instant, to: Instant, step: Duration
    ) throws(QueryError) -> QueryResult {
        let stepMilliseconds = step.nanoseconds / 1_000_000
        guard stepMilliseconds > 0 else { throw .refused("the step must be at least 1ms, it is \(step.shortText)") }
        guard from <= to else { throw .refused("the range ends before it begins") }
        let first = from.flooredMilliseconds
        let last = to.flooredMilliseconds
        guard (last - first) / stepMilliseconds < Int64(limits.steps) else {
            throw .refused("the range has more than \(limits.steps) steps; use a longer step or a shorter range")
        }
        var matrix: [SeriesSamples] = []
        for series in try select(query, from: first, to: last) {
            var cursor = SampleCursor(samples: series.samples, lookback: lookback)
            var samples: [Sample] = []
            for at in stride(from: first, through: last, by: Int(stepMilliseconds)) {
                guard let value = cursor.value(at: at), Self.passes(value, query.filter) else { continue }
                samples.append(Sample(milliseconds: at, value: value))
            }
            if !samples.isEmpty { matrix.append(SeriesSamples(labels: series.labels, samples: samples)) }
        }
        return .matrix(matrix.sorted { $0.labels.precedes($1.labels) })
    }

    private var lookback: Int64 { limits.lookback.nanoseconds / 1_000_000 }

    private func select(_ query: Query, from: Int64, to: Int64) throws(QueryError) -> [SeriesSamples] {
        let found = source.select(
            query.matchers, from: from - lookback + 1, to: to, maxSeries: limits.series, maxSamples: limits.samples)
        guard found.count <= limits.series else {
            throw .refused("the query finds more than \(limits.series) series; add matchers")
        }
        guard found.reduce(0, { $0 + $1.samples.count }) <= limits.samples else {
            throw .refused("the query reads more than \(limits.samples) samples; add matchers or shorten the range")
        }
        return found
    }

    private static func passes(_ value: Double, _ filter: Query.Filter?) -> Bool {
        guard let filter else { return true }
        return filter.comparison.holds(value, filter.threshold)
    }
}

/// Walks along the samples of one series, for steps in ascending order.
struct SampleCursor {
    let samples: [Sample]
    /// Milliseconds.
    let lookback: Int64
    private var next = 0

    init(samples: [Sample], lookback: Int64) {
        self.samples = samples
        self.lookback = lookback
    }

    /// The newest value in (at - lookback, at]; nil when there is none or it is the stale marker.
    mutating func value(at: Int64) -> Double? {
        while next < samples.count, samples[next].milliseconds <= at { next += 1 }
        guard next > 0 else { return nil }
        let newest = samples[next - 1]
        guard newest.milliseconds > at - lookback, !StaleMarker.isMarker(newest.value) else { return nil }
        return newest.value
    }
}

extension Instant {
    /// Whole milliseconds, rounded down, over the whole range: the times of a question are what somebody typed.
    fileprivate var flooredMilliseconds: Int64 {
        let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

extension Labels {
    /// Order of answers: name by name, value by value.
    fileprivate func precedes(_ other: Labels) -> Bool {
        for (a, b) in zip(pairs, other.pairs) {
            if a.name != b.name { return a.name < b.name }
            if a.value != b.value { return a.value < b.value }
        }
        return pairs.count < other.pairs.count
    }
}
