import MusterModel

/// What one series has seen, for each step. Counts and bytes are kept as differences between neighbouring steps, so
/// that a line costs the same whatever its range; all else is kept as running values.
struct RangeSeries: Sendable {
    /// Differences: lines that came into the window at this step less those that left.
    private var counts: [Int]
    /// By operator: differences of bytes, sums, means, extremes, or the value at `times`.
    private var values: [Double] = []
    /// Sums of squared distances from the mean.
    private var squares: [Double] = []
    /// Of the first or last line.
    private var times: [Instant] = []
    /// Only of quantiles.
    private var held: [(time: Instant, value: Double)] = []
    private let kind: Kind

    private enum Kind { case count, bytes, sum, mean, variance, least, greatest, first, last, quantile }

    init(_ aggregation: RangeAggregation, steps: Int) {
        kind = Self.kind(aggregation)
        counts = [Int](repeating: 0, count: steps + 1)
        if kind != .count, kind != .quantile { values = [Double](repeating: 0, count: steps + 1) }
        if kind == .variance { squares = values }
        if kind == .first || kind == .last { times = [Instant](repeating: .distantPast, count: steps + 1) }
    }

    private static func kind(_ aggregation: RangeAggregation) -> Kind {
        switch aggregation.op {
        case .rate: aggregation.unwrapped == nil ? .count : .sum
        case .countOverTime, .absentOverTime: .count
        case .bytesRate, .bytesOverTime: .bytes
        case .sumOverTime: .sum
        case .avgOverTime: .mean
        case .stddevOverTime, .stdvarOverTime: .variance
        case .minOverTime: .least
        case .maxOverTime: .greatest
        case .firstOverTime: .first
        case .lastOverTime: .last
        case .quantileOverTime: .quantile
        }
    }

    mutating func add(_ value: Double, at time: Instant, _ steps: Range<Int>) {
        switch kind {
        case .count, .bytes:
            counts[steps.lowerBound] += 1
            counts[steps.upperBound] -= 1
            guard kind == .bytes else { return }
            values[steps.lowerBound] += value
            values[steps.upperBound] -= value
        case .quantile: held.append((time, value))
        default: for step in steps { add(value, at: time, step) }
        }
    }

    private mutating func add(_ value: Double, at time: Instant, _ step: Int) {
        counts[step] += 1
        let isFirst = counts[step] == 1
        switch kind {
        case .sum, .mean: values[step] += value
        case .least: values[step] = isFirst || value < values[step] || values[step].isNaN ? value : values[step]
        case .greatest: values[step] = isFirst || value > values[step] || values[step].isNaN ? value : values[step]
        case .variance:
            // Welford's method.
            let distance = value - values[step]
            values[step] += distance / Double(counts[step])
            squares[step] += distance * (value - values[step])
        case .first where isFirst || time < times[step], .last where isFirst || time >= times[step]:
            values[step] = value
            times[step] = time
        default: break
        }
    }

    /// Lines in the window of each step.
    func counts(_ aggregation: RangeAggregation, _ grid: MetricGrid) -> [Int] {
        guard kind == .count || kind == .bytes else { return counts }
        var sum = 0
        return counts.dropLast().map { difference in
            sum += difference
            return sum
        }
    }

    /// For each step; a stale marker where no line is.
    func values(_ aggregation: RangeAggregation, _ grid: MetricGrid) -> [Double] {
        if kind == .quantile { return quantiles(aggregation, grid) }
        let seconds = Double(aggregation.range) / 1e9
        let isRate = aggregation.op == .rate || aggregation.op == .bytesRate
        let totals = kind == .count ? [] : kind == .bytes ? bytes : values
        let counts = counts(aggregation, grid)
        return (0..<grid.count).map { step in
            let count = Double(counts[step])
            guard count > 0 else { return StaleMarker.value }
            let value: Double =
                switch kind {
                case .count: count
                case .mean: totals[step] / count
                case .variance:
                    aggregation.op == .stdvarOverTime
                        ? squares[step] / count : (squares[step] / count).squareRoot()
                default: totals[step]
                }
            return isRate ? value / seconds : value
        }
    }

    private var bytes: [Double] {
        var sum = 0.0
        return values.map { difference in
            sum += difference
            return sum
        }
    }

    private func quantiles(_ aggregation: RangeAggregation, _ grid: MetricGrid) -> [Double] {
        let ordered = held.sorted { $0.time < $1.time }
        let wanted = aggregation.parameter ?? 0.5
        var (lower, upper) = (0, 0)
        return (0..<grid.count).map { step in
            let end = grid.time(step)
            let start = end - .nanoseconds(aggregation.range)
            while upper < ordered.count, ordered[upper].time <= end { upper += 1 }
            while lower < upper, ordered[lower].time <= start { lower += 1 }
            guard lower < upper else { return StaleMarker.value }
            return Self.quantile(wanted, of: ordered[lower..<upper].map(\.value).sorted(by: Self.isBefore))
        }
    }

    /// NaN first.
    private static func isBefore(_ a: Double, _ b: Double) -> Bool { a < b || (a.isNaN && !b.isNaN) }

    /// Between the two nearest ranks, as Prometheus does. `sorted` is not empty, `quantile` from 0 to 1.
    private static func quantile(_ quantile: Double, of sorted: [Double]) -> Double {
        let rank = quantile * Double(sorted.count - 1)
        let lower = max(0, min(Int(rank), sorted.count - 1))
        let upper = min(lower + 1, sorted.count - 1)
        let weight = rank - Double(lower)
        return sorted[lower] * (1 - weight) + sorted[upper] * weight
    }
}
