extension Evaluator {
    /// `deriv`: the slope, per second, of the line through the samples of each window.
    mutating func derivative(_ source: RangeVector) throws(QueryError) -> SeriesTable {
        let times = source.series.times.span
        return try perWindow(source) { bits, _, window in
            guard window.count > 1 else { return SeriesTable.absent }
            // Times near zero keep their digits.
            return LinearFit(times, bits, window, origin: times[window.lowerBound]).slope
        }
    }

    /// `predict_linear`: where that line will be `ahead` seconds after the step.
    mutating func prediction(
        _ source: RangeVector, ahead: [Double], _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let times = source.series.times.span
        return try perWindow(source) { bits, step, window in
            guard window.count > 1 else { return SeriesTable.absent }
            let fit = LinearFit(times, bits, window, origin: grid.time(step))
            return fit.slope * ahead[step] + fit.intercept
        }
    }
}

/// Least squares, with corrected sums. Source: Prometheus, promql/functions.go, linearRegression.
private struct LinearFit {
    /// Per second.
    private(set) var slope: Double
    /// At the origin.
    private(set) var intercept: Double

    init(_ times: Span<Int64>, _ bits: Span<UInt64>, _ window: Range<Int>, origin: Int64) {
        let first = Double(bitPattern: bits[window.lowerBound])
        var isConstant = true
        var (sumX, sumY, sumXY, sumXX) = (KahanSum(0), KahanSum(0), KahanSum(0), KahanSum(0))
        for index in window {
            let y = Double(bitPattern: bits[index])
            let x = Double(times[index] - origin) / 1_000
            if y != first, index > window.lowerBound { isConstant = false }
            sumX.add(x)
            sumY.add(y)
            sumXY.add(x * y)
            sumXX.add(x * x)
        }
        guard !isConstant else {
            slope = first.isInfinite ? .nan : 0
            intercept = first.isInfinite ? .nan : first
            return
        }
        let count = Double(window.count)
        let covariance = sumXY.value - sumX.value * sumY.value / count
        let variance = sumXX.value - sumX.value * sumX.value / count
        slope = covariance / variance
        intercept = sumY.value / count - slope * sumX.value / count
    }
}
