import MusterModel

/// How `rate`, `increase` and `delta` extend the difference of a window's outer samples to the whole window: to its
/// edges when these are near, else by half the samples' distance; a counter never below zero.
/// Source: Prometheus, promql/functions.go, extrapolatedRate.
struct Extrapolation {
    var isCounter: Bool
    /// Divided by the window's length.
    var perSecond: Bool

    /// `difference` is between the outer samples, corrected for resets. Times are milliseconds.
    @inline(__always)
    func value(
        _ difference: Double, firstValue: Double, first: Int64, last: Int64, count: Int, end: Int64, range: Int64
    ) -> Double {
        let sampled = Double(last - first) / 1_000
        let spacing = sampled / Double(count - 1)
        let near = spacing * 1.1
        var toStart = Double(first - (end - range)) / 1_000
        if toStart >= near { toStart = spacing / 2 }
        if isCounter, difference > 0, firstValue >= 0 {
            let toZero = sampled * (firstValue / difference)
            if toZero < toStart { toStart = toZero }
        }
        var toEnd = Double(end - last) / 1_000
        if toEnd >= near { toEnd = spacing / 2 }
        var factor = sampled == 0 ? 1 : (sampled + toStart + toEnd) / sampled
        if perSecond { factor /= Double(range) / 1_000 }
        return difference * factor
    }
}

extension Evaluator {
    /// `rate` and `increase`, with a word about names that do not look like a counter's.
    mutating func counterRate(
        _ source: RangeVector, perSecond: Bool, at position: TextRange
    ) throws(QueryError) -> SeriesTable {
        let table = try rate(source, Extrapolation(isCounter: true, perSecond: perSecond))
        guard let metricName else { return table }
        var last: Symbol?
        for row in table.rows.indices {
            guard let name = table.label(metricName, of: row), name != last else { continue }
            last = name
            let text = symbols.text(name)
            if !["_total", "_sum", "_count", "_bucket"].contains(where: text.hasSuffix) {
                annotations.add(.possibleNonCounter(metric: text, at: position))
            }
        }
        return table
    }

    mutating func rate(_ source: RangeVector, _ extrapolation: Extrapolation) throws(QueryError) -> SeriesTable {
        let times = source.series.times.span
        let bits = source.series.bits.span
        let range = source.window.range
        var resets: [Int] = []
        return try rangeTable(source) { entry, cells, row, _ in
            if extrapolation.isCounter { findResets(bits, entry.samples, &resets) }
            // The first reset that a window may hold: it moves forward with the windows.
            var nextReset = 0
            var hasValue = false
            source.window.forEach(times, entry.samples) { step, end, window in
                let (first, last) = (window.lowerBound, window.upperBound - 1)
                guard first < last else { return }
                let firstValue = Double(bitPattern: bits[first])
                var difference = Double(bitPattern: bits[last]) - firstValue
                while nextReset < resets.count, resets[nextReset] <= first { nextReset += 1 }
                var reset = nextReset
                while reset < resets.count, resets[reset] <= last {
                    difference += Double(bitPattern: bits[resets[reset] - 1])
                    reset += 1
                }
                cells[row + step] = extrapolation.value(
                    difference, firstValue: firstValue, first: times[first], last: times[last], count: window.count,
                    end: end, range: range)
                hasValue = true
            }
            return hasValue
        }
    }

    /// `irate` and `idelta`: between the last two samples of each window.
    mutating func lastDifference(_ source: RangeVector, isCounter: Bool) throws(QueryError) -> SeriesTable {
        let times = source.series.times.span
        return try perWindow(source) { bits, _, window in
            guard window.count > 1 else { return SeriesTable.absent }
            let last = window.upperBound - 1
            let (earlier, later) = (Double(bitPattern: bits[last - 1]), Double(bitPattern: bits[last]))
            let difference = isCounter && later < earlier ? later : later - earlier
            return isCounter ? difference / (Double(times[last] - times[last - 1]) / 1_000) : difference
        }
    }
}

/// Where a counter fell: the samples that are smaller than the one before.
@inline(__always)
private func findResets(_ bits: Span<UInt64>, _ samples: Range<Int>, _ resets: inout [Int]) {
    resets.removeAll(keepingCapacity: true)
    guard var earlier = samples.first.map({ Double(bitPattern: bits[$0]) }) else { return }
    for index in samples.dropFirst() {
        let later = Double(bitPattern: bits[index])
        if later < earlier { resets.append(index) }
        earlier = later
    }
}
