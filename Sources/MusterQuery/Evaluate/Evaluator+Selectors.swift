extension Evaluator {
    /// Gives a row its values and says whether it got any. It is handed the entry, all cells, and where in them its row
    /// begins, which is without values.
    typealias RowFill = (
        _ entry: SelectedSeries.Entry, _ cells: inout MutableSpan<Double>, _ row: Int,
        _ patience: inout QueryPatience
    ) throws(QueryError) -> Bool

    /// At each step the newest sample of the last `lookback`, unless it says that the series has ended.
    mutating func instantValues(of selection: QueryPlan.Selection) throws(QueryError) -> SeriesTable {
        try newest(of: selection) { _, bits in Double(bitPattern: bits) }
    }

    /// The same, with the time of the sample, in seconds, as its value.
    mutating func timestamps(of selection: QueryPlan.Selection) throws(QueryError) -> SeriesTable {
        var table = try newest(of: selection) { time, _ in Double(time) / 1_000 }
        table.dropNames()
        return table
    }

    @inline(__always)
    private mutating func newest(
        of selection: QueryPlan.Selection, _ value: (Int64, UInt64) -> Double
    ) throws(QueryError) -> SeriesTable {
        let series = selected[selection.request]
        let times = series.times.span
        let bits = series.bits.span
        let stale = SeriesTable.absent.bitPattern
        return try table(of: series.entries, series.pairs, steps: selection.window.ends.count) { entry, cells, row, _ in
            var hasValue = false
            selection.window.forEachNewest(times, entry.samples) { step, newest in
                guard bits[newest] != stale else { return }
                cells[row + step] = value(times[newest], bits[newest])
                hasValue = true
            }
            return hasValue
        }
    }

    /// A table with a row for each entry that got a value.
    @inline(__always)
    mutating func table(
        of entries: [SelectedSeries.Entry], _ pairs: [LabelPair], steps: Int,
        _ fill: RowFill
    ) throws(QueryError) -> SeriesTable {
        try budget.take(entries.count * steps)
        var rows: [SeriesTable.Row] = []
        rows.reserveCapacity(entries.count)
        var values = [Double](repeating: SeriesTable.absent, count: entries.count * steps)
        var cells = values.mutableSpan
        for entry in entries {
            let base = rows.count * steps
            if try fill(entry, &cells, base, &patience) {
                rows.append(SeriesTable.Row(labels: entry.labels, dropsName: false))
            }
            try patience.worked(entry.samples.count + steps)
        }
        values.removeLast(values.count - rows.count * steps)
        return SeriesTable(steps: steps, rows: rows, pairs: pairs, values: values)
    }

    /// The samples that a range selector or a subquery gives to a function.
    mutating func rangeVector(_ node: QueryPlan.Node) throws(QueryError) -> RangeVector {
        switch node.kind {
        case .range(let selection):
            return RangeVector(selected[selection.request], window: selection.window)
        case .subquery(let inner, let grid, let window):
            let table =
                inner.type == .scalar
                ? SeriesTable(scalars: try scalar(inner, grid)) : try vector(inner, grid)
            try budget.take(table.cells)
            return RangeVector(table, grid: grid, window: window)
        default: throw .execution("a range vector is expected, not a \(node.type)")
        }
    }
}

extension QueryPlan.Window {
    /// Calls `body` with each step that has a sample in its window, and with the newest of these.
    @inline(__always)
    fileprivate func forEachNewest(
        _ times: Span<Int64>, _ samples: Range<Int>, _ body: (_ step: Int, _ newest: Int) -> Void
    ) {
        var next = samples.lowerBound
        var end = ends.start
        for step in 0..<ends.count {
            while next < samples.upperBound, times[next] <= end { next += 1 }
            if next > samples.lowerBound, times[next - 1] > end - range { body(step, next - 1) }
            end += ends.step
        }
    }
}

extension SeriesTable {
    /// One row without labels.
    init(scalars: [Double]) {
        self.init(
            steps: scalars.count, rows: [Row(labels: 0..<0, dropsName: false)], pairs: [], values: scalars)
    }

    /// The value of the only series at each step, NaN where there is none or more than one.
    var onlyValues: [Double] {
        var only = [Double](repeating: Self.absent, count: steps)
        var isTaken = [Bool](repeating: false, count: steps)
        for row in rows.indices {
            for step in 0..<steps where !value(row, step).isAbsent {
                only[step] = isTaken[step] ? .nan : value(row, step)
                isTaken[step] = true
            }
        }
        return only.map { $0.isAbsent ? .nan : $0 }
    }
}
