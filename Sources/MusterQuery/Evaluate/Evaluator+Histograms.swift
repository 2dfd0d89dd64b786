import MusterModel

extension Evaluator {
    /// `histogram_quantile(q, buckets)` of classic histograms.
    mutating func histogramQuantile(
        _ arguments: [QueryPlan.Node], _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let quantileNode = try argument(arguments, 0)
        let buckets = try argument(arguments, 1)
        let quantiles = try scalar(quantileNode, grid)
        for quantile in quantiles where !(quantile >= 0 && quantile <= 1) {
            annotations.add(.invalidQuantile(quantile, at: quantileNode.position))
        }
        var repairs: [(row: SeriesTable.Row, repair: BucketRepairs)] = []
        let table = try histograms(buckets, grid) { histogram, row, step in
            let (value, repair) = histogram.quantile(quantiles[step])
            if let repair {
                let time = Instant(milliseconds: grid.time(step))
                repairs.append((row, BucketRepairs(repair, at: time)))
            }
            return value
        }
        for (row, repair) in repairs {
            let metric = metricName.flatMap { name in row.labels.first { table.pairs[$0].name == name } }
            annotations.add(
                .repaired(
                    repair, metric: metric.map { symbols.text(table.pairs[$0].value) } ?? "", at: buckets.position))
        }
        return table
    }

    /// `histogram_fraction(lower, upper, buckets)` of classic histograms.
    mutating func histogramFraction(
        _ arguments: [QueryPlan.Node], _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let lower = try scalar(argument(arguments, 0), grid)
        let upper = try scalar(argument(arguments, 1), grid)
        return try histograms(argument(arguments, 2), grid) { histogram, _, step in
            histogram.fraction(lower[step], upper[step])
        }
    }

    /// Groups the rows by all labels but `le`, and asks `body` for a value of each group at each step at which it has
    /// a bucket.
    private mutating func histograms(
        _ node: QueryPlan.Node, _ grid: StepGrid,
        _ body: (inout ClassicHistogram, SeriesTable.Row, Int) -> Double
    ) throws(QueryError) -> SeriesTable {
        let table = try vector(node, grid)
        let le = symbols.find("le")
        let bounds = upperBounds(table, le, at: node.position)
        let kept = table.rows.indices.filter { bounds[$0] != nil }
        var labels = LabelSets()
        var scratch: [LabelPair] = []
        let projection = LabelProjection.without([le].compactMap(\.self))
        let groups = kept.map { row in
            projection.apply(table.rows[row].labels, of: table.pairs, into: &scratch)
            return labels.number(of: scratch)
        }
        let members = RowsByNumber(groups, count: labels.count)
        try budget.take(labels.count * table.steps)
        var result = SeriesTable(steps: table.steps, labels: labels)
        var histogram = ClassicHistogram()
        for group in 0..<labels.count {
            let rows = members[group].compactMap { member in bounds[kept[member]].map { (kept[member], $0) } }
                .sorted { $0.1 < $1.1 }
            for step in 0..<table.steps {
                histogram.removeAll()
                for (row, bound) in rows where !table.value(row, step).isAbsent {
                    histogram.append(upperBound: bound, count: table.value(row, step))
                }
                if histogram.isEmpty { continue }
                result.values[group * table.steps + step] = body(&histogram, result.rows[group], step)
            }
            try patience.worked(4 * rows.count * table.steps)
        }
        result.dropNames()
        result.removeEmptyRows()
        return result
    }

    /// What `le` says of each row; nil, with a warning, where it is no number.
    private mutating func upperBounds(_ table: SeriesTable, _ le: Symbol?, at position: TextRange) -> [Double?] {
        var known: [Symbol: Double?] = [:]
        return table.rows.indices.map { row in
            let label = le.flatMap { table.label($0, of: row) }
            if let label, let bound = known[label], let bound { return bound }
            let text = label.map(symbols.text) ?? ""
            let bound = Double(text)
            if let label { known[label] = .some(bound) }
            if bound == nil {
                let metric = metricName.flatMap { table.label($0, of: row) }.map(symbols.text) ?? ""
                annotations.add(.badBucket(text, metric: metric, at: position))
            }
            return bound
        }
    }
}

extension BucketRepairs {
    fileprivate init(_ repair: ClassicHistogram.Repair, at time: Instant) {
        self.init(
            lowestBound: repair.lowestBound, highestBound: repair.highestBound, largestGap: repair.largestGap,
            from: time, to: time)
    }
}
