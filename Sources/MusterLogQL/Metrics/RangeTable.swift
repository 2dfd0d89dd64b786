import MusterLogs
import MusterModel

/// One aggregation over time: its series so far, for each step what has been seen.
struct RangeTable: Sendable {
    let logRange: LogMetricQuery.LogRange
    private let aggregation: RangeAggregation
    private let folded: Folded?
    private let grid: MetricGrid
    private let maxSeries: Int
    private var series: [Labels: RangeSeries] = [:]
    private var heldSamples = 0

    init(
        _ aggregation: RangeAggregation, pipeline: LogPipeline, folded: Folded?, _ grid: MetricGrid, maxSeries: Int
    ) {
        self.aggregation = aggregation
        self.folded = folded
        self.grid = grid
        self.maxSeries = maxSeries
        let reach = Duration.nanoseconds(aggregation.range) - .nanoseconds(1)
        let offset = Duration.nanoseconds(aggregation.offset)
        logRange = LogMetricQuery.LogRange(
            pipeline: pipeline, from: grid.start - offset - reach, through: grid.end - offset)
    }

    mutating func add(_ entry: LogEntry) throws(LogQLError) {
        let time = entry.timestamp + .nanoseconds(aggregation.offset)
        let steps = grid.steps(seeing: time, range: aggregation.range)
        guard !steps.isEmpty, let line = logRange.pipeline.run(entry) else { return }
        if line.hasError { throw failure(of: line) }
        let key = key(line.labels)
        let value = line.value ?? Double(line.line.count)
        guard series[key] != nil || series.count < maxSeries else {
            throw LogQLError(
                .limit, "it finds more than \(maxSeries) series; choose fewer streams, or group with sum by (...)")
        }
        if aggregation.op == .quantileOverTime {
            heldSamples += 1
            guard heldSamples <= LogQLLimits.heldSamples else {
                throw LogQLError(
                    .limit,
                    "\(aggregation.op.rawValue) finds more than \(LogQLLimits.heldSamples) lines; "
                        + "ask for less time, or use avg_over_time or max_over_time")
            }
        }
        series[key, default: RangeSeries(aggregation, steps: grid.count)].add(value, at: time, steps)
    }

    private func failure(of line: PipelineLine) -> LogQLError {
        let error = line.labels[PipelineLine.errorLabel] ?? ""
        let details = line.labels[PipelineLine.detailsLabel] ?? ""
        return LogQLError(
            .pipeline,
            "a line gives \(error) (\(details)); leave such lines out with | __error__=\"\" "
                + "behind the stage, or fix the stage. Labels: \(line.labels)")
    }

    private func key(_ labels: Labels) -> Labels {
        if aggregation.op == .absentOverTime { return Labels() }
        var labels = labels
        if let unwrapped = aggregation.unwrapped { labels[unwrapped] = nil }
        if let folded { return labels.grouped(folded.grouping) }
        return aggregation.grouping.map { labels.grouped($0) } ?? labels
    }

    /// Values of all series, gaps as stale markers.
    var values: [MetricSeries] {
        guard aggregation.op != .absentOverTime else { return [absence] }
        return series.map { MetricSeries(labels: $0.key, values: $0.value.values(aggregation, grid)) }
    }

    /// 1 where no line is, with the labels that the streams were chosen by.
    private var absence: MetricSeries {
        let tests = aggregation.query.matchers
        let unique = tests.filter { test in
            test.operator == .equal && tests.count { $0.name == test.name } == 1
        }
        let seen = series[Labels()]?.counts(aggregation, grid)
        return MetricSeries(
            labels: Labels(unique.map { ($0.name, $0.value) }),
            values: (0..<grid.count).map { (seen?[$0] ?? 0) > 0 ? StaleMarker.value : 1 })
    }
}

/// A series of numbers, one for each step; a stale marker where there is none.
struct MetricSeries: Sendable {
    var labels: Labels
    var values: [Double]
}
