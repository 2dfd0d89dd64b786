package import MusterLogs
package import MusterModel

/// One metric query at one time or at many: it names the log ranges it needs, takes their entries in any order of time
/// and gives the answer. Its memory is bounded by series times steps; lines are not kept.
package struct LogMetricQuery: Sendable {
    /// What to read for one part of the query.
    package struct LogRange: Sendable {
        /// Gives the question; the query runs it over the entries itself.
        package let pipeline: LogPipeline
        /// Both ends count.
        package let from: Instant
        package let through: Instant

        /// What to ask the logs. Every entry has to come: who gets `limit` entries asks on behind the last.
        package func question(
            limit: Int = LogLimits.searchEntries, direction: LogQuestion.Direction = .forward,
            streamLabels: Set<String>? = nil
        ) -> LogQuestion {
            pipeline.question(
                from: from, through: through, limit: limit, direction: direction, streamLabels: streamLabels)
        }
    }

    /// The log ranges, in the order in which they stand in the query; `add` takes their numbers.
    package var ranges: [LogRange] { tables.map(\.logRange) }

    private let grid: MetricGrid
    private let plan: MetricPlan
    private var tables: [RangeTable]
    private let isInstant: Bool

    /// At one time: the answer is `.vector` or `.scalar`.
    package init(
        _ expression: LogMetricExpression, at time: Instant, compiler: some PatternCompiler,
        maxSeries: Int = LogQLLimits.series
    ) throws(LogQLError) {
        try self.init(
            expression, MetricGrid(start: time, step: 1, count: 1), isInstant: true, compiler, maxSeries)
    }

    /// At `from`, `from` + `step` and so on up to `through`: the answer is `.matrix`. Throws `.limit` for more steps
    /// than `LogQLLimits.steps`, and `.syntax` for a step that is not positive or an end before the start.
    package init(
        _ expression: LogMetricExpression, from: Instant, through: Instant, step: Duration,
        compiler: some PatternCompiler, maxSeries: Int = LogQLLimits.series
    ) throws(LogQLError) {
        guard step > .zero, step.nanoseconds > 0, from <= through else {
            throw LogQLError(.syntax, "the step has to be above 0 and the end not before the start")
        }
        let count = (through - from).nanoseconds / step.nanoseconds
        guard count < LogQLLimits.steps else {
            throw LogQLError(
                .limit, "the time range has more than \(LogQLLimits.steps) steps; ask for a longer step or less time")
        }
        try self.init(
            expression, MetricGrid(start: from, step: step.nanoseconds, count: Int(count) + 1), isInstant: false,
            compiler, maxSeries)
    }

    private init(
        _ expression: LogMetricExpression, _ grid: MetricGrid, isInstant: Bool, _ compiler: some PatternCompiler,
        _ maxSeries: Int
    ) throws(LogQLError) {
        self.grid = grid
        self.isInstant = isInstant
        var planner = MetricPlanner(compiler: compiler)
        plan = try planner.plan(expression)
        guard planner.ranges.count <= LogQLLimits.ranges else {
            throw LogQLError(
                .limit, "it reads more than \(LogQLLimits.ranges) log ranges; split it in several queries")
        }
        let cells = LogQLLimits.cells / max(1, planner.ranges.count)
        tables = []
        for range in planner.ranges {
            tables.append(
                RangeTable(
                    range.aggregation, pipeline: range.pipeline, folded: range.folded, grid,
                    maxSeries: min(max(1, maxSeries), max(1, cells / grid.count))))
        }
    }

    /// Takes in one entry of a log range; entries that the pipeline drops or that no step looks at change nothing.
    ///
    /// Throws `.limit` when there are too many series or samples, `.pipeline` for a line that could not be processed
    /// (unless the query drops it with `| __error__=""`). After an error the query is of no use any more. A number that
    /// is none of `ranges` is ignored.
    package mutating func add(_ entry: LogEntry, to range: Int) throws(LogQLError) {
        guard tables.indices.contains(range) else { return }
        try tables[range].add(entry)
    }

    /// The answer. Throws `.matching` when an operator meets several series with the same labels.
    package func finish() throws(LogQLError) -> LogMetricAnswer {
        switch try MetricEvaluator(grid: grid, tables: tables).evaluate(plan) {
        case .scalar(let value):
            let samples = (0..<grid.count).map { Sample(milliseconds: grid.time($0).milliseconds, value: value) }
            guard isInstant else { return .matrix([SeriesSamples(labels: [:], samples: samples)]) }
            return .scalar(Sample(milliseconds: grid.time(0).milliseconds, value: value))
        case .series(let series):
            var all = series.compactMap { series -> SeriesSamples? in
                let samples = series.values.indices.compactMap { step -> Sample? in
                    let value = series.values[step]
                    guard !StaleMarker.isMarker(value) else { return nil }
                    return Sample(milliseconds: grid.time(step).milliseconds, value: value)
                }
                return samples.isEmpty ? nil : SeriesSamples(labels: series.labels, samples: samples)
            }
            if !isInstant || !plan.isSorted { all.sort { $0.labels.isBefore($1.labels) } }
            return isInstant ? .vector(all) : .matrix(all)
        }
    }
}

/// What a metric query gives.
package enum LogMetricAnswer: Equatable, Sendable {
    case scalar(Sample)
    /// One sample each; in the order of labels unless the query sorts.
    case vector([SeriesSamples])
    /// In the order of labels; steps without a value are left out.
    case matrix([SeriesSamples])
}

/// The times at which a query is answered.
struct MetricGrid: Sendable {
    var start: Instant
    /// Nanoseconds, above 0.
    var step: Int64
    /// At least 1.
    var count: Int

    func time(_ index: Int) -> Instant { start + .nanoseconds(saturated(Int64(index))) }

    var end: Instant { time(count - 1) }

    private func saturated(_ index: Int64) -> Int64 {
        let (product, overflow) = index.multipliedReportingOverflow(by: step)
        return overflow ? .max : product
    }

    /// The steps at times t with t - range < time <= t, for a time that has been moved by the offset.
    func steps(seeing time: Instant, range: Int64) -> Range<Int> {
        let (distance, isFar) = time.nanoseconds.subtractingReportingOverflow(start.nanoseconds)
        guard !isFar else { return 0..<0 }
        let first = distance <= 0 ? 0 : (distance - 1) / step + 1
        let (reach, overflow) = distance.addingReportingOverflow(range)
        // The last step lies before the time at which the window has left the line behind.
        let end = overflow ? Int64(count) : reach <= 0 ? 0 : (reach - 1) / step + 1
        guard first < min(end, Int64(count)) else { return 0..<0 }
        return Int(first)..<Int(min(end, Int64(count)))
    }
}

extension Labels {
    /// By names and values in turn.
    func isBefore(_ other: Labels) -> Bool {
        pairs.lexicographicallyPrecedes(other.pairs) { ($0.name, $0.value) < ($1.name, $1.value) }
    }

    func grouped(_ grouping: LogGrouping?) -> Labels {
        guard let grouping else { return Labels() }
        return filtered { grouping.labels.contains($0) != grouping.isWithout }
    }
}
