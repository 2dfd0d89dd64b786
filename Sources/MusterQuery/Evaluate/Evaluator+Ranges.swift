extension Evaluator {
    /// A function over windows of samples.
    mutating func rangeCall(
        _ function: Function, _ arguments: [QueryPlan.Node], _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let samples = try argument(arguments, function == .quantileOverTime ? 1 : 0)
        let source = try rangeVector(samples)
        switch function {
        case .rate: return try counterRate(source, perSecond: true, at: samples.position)
        case .increase: return try counterRate(source, perSecond: false, at: samples.position)
        case .delta: return try rate(source, Extrapolation(isCounter: false, perSecond: false))
        case .irate: return try lastDifference(source, isCounter: true)
        case .idelta: return try lastDifference(source, isCounter: false)
        case .changes: return try countPairs(source) { $0 != $1 && !($0.isNaN && $1.isNaN) }
        case .resets: return try countPairs(source) { $1 < $0 }
        case .deriv: return try derivative(source)
        case .predictLinear:
            return try prediction(source, ahead: scalar(argument(arguments, 1), grid), grid)
        case .quantileOverTime:
            return try quantileOverTime(source, argument(arguments, 0), grid)
        case .absentOverTime: return try absentOverTime(source, samples, grid)
        case .averageOverTime: return try averageOverTime(source)
        case .countOverTime: return try perWindow(source) { _, _, window in Double(window.count) }
        case .lastOverTime:
            return try perWindow(source, dropsNames: false) { values, _, window in
                Double(bitPattern: values[window.upperBound - 1])
            }
        case .maxOverTime: return try reduce(source, MaxReducer.self)
        case .minOverTime: return try reduce(source, MinReducer.self)
        case .presentOverTime: return try perWindow(source) { _, _, _ in 1 }
        case .stddevOverTime: return try reduce(source, WindowDeviationReducer.self)
        case .stdvarOverTime: return try reduce(source, WindowVarianceReducer.self)
        case .sumOverTime: return try reduce(source, KahanSum.self)
        default: throw .execution("\(function.rawValue) is no function of a range vector")
        }
    }

    /// A row for each series, with what `body` makes of each window that holds samples. `body` gets the bit patterns of
    /// all values, the step, and where in them its window lies; the absent value gives none.
    @inline(__always)
    mutating func perWindow(
        _ source: RangeVector, dropsNames: Bool = true,
        _ body: (_ bits: Span<UInt64>, _ step: Int, _ window: Range<Int>) -> Double
    ) throws(QueryError) -> SeriesTable {
        let times = source.series.times.span
        let bits = source.series.bits.span
        return try rangeTable(source, dropsNames: dropsNames) { entry, cells, row, patience throws(QueryError) in
            var hasValue = false
            try source.window.forEach(times, entry.samples) { step, _, window throws(QueryError) in
                try patience.worked(window.count)
                let value = body(bits, step, window)
                cells[row + step] = value
                hasValue = hasValue || !value.isAbsent
            }
            return hasValue
        }
    }

    /// Names survive only where the function keeps them and the subquery had not dropped them already.
    @inline(__always)
    mutating func rangeTable(
        _ source: RangeVector, dropsNames: Bool = true,
        _ fill: RowFill
    ) throws(QueryError) -> SeriesTable {
        var index = 0
        var dropped: [Bool] = []
        var table = try self.table(of: source.series.entries, source.series.pairs, steps: source.window.ends.count) {
            entry, cells, row, patience throws(QueryError) in
            let hasValue = try fill(entry, &cells, row, &patience)
            if hasValue, !source.dropsName.isEmpty { dropped.append(source.dropsName[index]) }
            index += 1
            return hasValue
        }
        if dropsNames {
            table.dropNames()
        } else {
            for (row, drops) in dropped.enumerated() { table.rows[row].dropsName = drops }
        }
        return table
    }

    private mutating func reduce<R: Reducer>(_ source: RangeVector, _: R.Type) throws(QueryError) -> SeriesTable {
        try perWindow(source) { bits, _, window in
            var reducer = R(Double(bitPattern: bits[window.lowerBound]))
            for index in window.dropFirst() { reducer.add(Double(bitPattern: bits[index])) }
            return reducer.value
        }
    }

    /// As `KahanMean` has it; as long as the sum is a number, that is the sum by the count.
    private mutating func averageOverTime(_ source: RangeVector) throws(QueryError) -> SeriesTable {
        try perWindow(source) { bits, _, window in
            var sum = KahanSum(Double(bitPattern: bits[window.lowerBound]))
            for index in window.dropFirst() { sum.add(Double(bitPattern: bits[index])) }
            if sum.sum.isFinite {
                return sum.sum / Double(window.count) + sum.correction / Double(window.count)
            }
            var mean = KahanMean(Double(bitPattern: bits[window.lowerBound]))
            for index in window.dropFirst() { mean.add(Double(bitPattern: bits[index])) }
            return mean.value
        }
    }

    /// How many neighbours in each window satisfy a condition. Counted from the series' first sample on, so that a
    /// window is one subtraction.
    private mutating func countPairs(
        _ source: RangeVector, _ condition: (_ earlier: Double, _ later: Double) -> Bool
    ) throws(QueryError) -> SeriesTable {
        let times = source.series.times.span
        let bits = source.series.bits.span
        var counts: [Int] = []
        return try rangeTable(source) { entry, cells, row, _ in
            counts.removeAll(keepingCapacity: true)
            for index in entry.samples {
                let isFirst = index == entry.samples.lowerBound
                let counted =
                    !isFirst && condition(Double(bitPattern: bits[index - 1]), Double(bitPattern: bits[index]))
                counts.append((counts.last ?? 0) + (counted ? 1 : 0))
            }
            let base = entry.samples.lowerBound
            var hasValue = false
            source.window.forEach(times, entry.samples) { step, _, window in
                cells[row + step] = Double(counts[window.upperBound - 1 - base] - counts[window.lowerBound - base])
                hasValue = true
            }
            return hasValue
        }
    }

    private mutating func quantileOverTime(
        _ source: RangeVector, _ parameter: QueryPlan.Node, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let quantiles = try scalar(parameter, grid)
        var scratch: [Double] = []
        let table = try perWindow(source) { bits, step, window in
            scratch.removeAll(keepingCapacity: true)
            for index in window { scratch.append(Double(bitPattern: bits[index])) }
            return quantile(quantiles[step], of: &scratch)
        }
        warnOfQuantiles(quantiles, in: table, at: parameter.position)
        return table
    }

    /// Each invalid quantile once, if it was asked of anything.
    mutating func warnOfQuantiles(_ quantiles: [Double], in table: SeriesTable, at position: TextRange) {
        for (step, quantile) in quantiles.enumerated() where !(quantile >= 0 && quantile <= 1) {
            guard table.rows.indices.contains(where: { !table.value($0, step).isAbsent }) else { continue }
            annotations.add(.invalidQuantile(quantile, at: position))
        }
    }
}
