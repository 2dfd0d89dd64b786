import MusterModel

extension Evaluator {
    /// The value of the whole query, labels as text, names dropped that had to go.
    mutating func answer(
        _ root: QueryPlan.Node, _ grid: StepGrid, _ time: QueryTime, _ limits: QueryLimits
    ) throws(QueryError) -> QueryAnswer.Value {
        if case .instant(let at) = time {
            switch root.type {
            case .scalar:
                return .scalar(Sample(milliseconds: at, value: try scalar(root, grid)[0]))
            case .string: return .string(try text(root), milliseconds: at)
            case .matrix: return .matrix(try samples(of: root, limits))
            case .vector:
                let table = try named(vector(root, grid), limits)
                let labels = AnswerLabels(table, symbols)
                return .vector(
                    table.rows.indices.map { row in
                        QueryAnswer.Element(
                            labels: labels.labels(of: row),
                            sample: Sample(milliseconds: at, value: table.values[row]))
                    })
            }
        }
        let table =
            root.type == .scalar
            ? SeriesTable(scalars: try scalar(root, grid)) : try named(vector(root, grid), limits)
        let labels = AnswerLabels(table, symbols)
        return .matrix(
            labels.rowsInOrder().map { row in
                var samples: [Sample] = []
                samples.reserveCapacity(grid.count)
                for step in 0..<grid.count where !table.value(row, step).isAbsent {
                    samples.append(Sample(milliseconds: grid.time(step), value: table.value(row, step)))
                }
                return SeriesSamples(labels: labels.labels(of: row), samples: samples)
            })
    }

    /// `foo[5m]` as it is.
    private mutating func samples(
        of node: QueryPlan.Node, _ limits: QueryLimits
    ) throws(QueryError) -> [SeriesSamples] {
        let source = try rangeVector(node)
        let rows = source.series.entries.indices.map { index in
            SeriesTable.Row(
                labels: source.series.entries[index].labels,
                dropsName: !source.dropsName.isEmpty && source.dropsName[index])
        }
        // One cell a row: the sample's place, so that rows lose their names and are ordered as in any answer.
        var table = SeriesTable(
            steps: 1, rows: rows, pairs: source.series.pairs, values: rows.indices.map { Double($0) })
        table = try named(table, limits)
        let labels = AnswerLabels(table, symbols)
        try checkResult(source.series.times.count, limits)
        var matrix: [SeriesSamples] = []
        let times = source.series.times.span
        for row in labels.rowsInOrder() {
            var samples: [Sample] = []
            let entry = source.series.entries[Int(table.values[row])]
            source.window.forEach(times, entry.samples) { _, _, window in
                for index in window {
                    samples.append(
                        Sample(milliseconds: times[index], value: Double(bitPattern: source.series.bits[index])))
                }
            }
            if samples.isEmpty { continue }
            matrix.append(SeriesSamples(labels: labels.labels(of: row), samples: samples))
        }
        return matrix
    }

    private func checkResult(_ samples: Int, _ limits: QueryLimits) throws(QueryError) {
        guard samples <= limits.resultSamples else {
            throw .refused(
                "the answer has more than \(limits.resultSamples) samples; aggregate, use a longer step or a "
                    + "shorter range")
        }
    }

    /// Without the names that functions dropped, one row for each label set, no empty rows.
    private func named(_ table: SeriesTable, _ limits: QueryLimits) throws(QueryError) -> SeriesTable {
        var result = table
        result.removeEmptyRows()
        if let metricName, result.rows.contains(where: \.dropsName) {
            result.removeDroppedNames(metricName)
            try result.mergeRowsWithEqualLabels()
        }
        try checkResult(result.values.count { !$0.isAbsent }, limits)
        return result
    }
}

extension SeriesTable {
    fileprivate mutating func removeDroppedNames(_ name: Symbol) {
        var kept: [LabelPair] = []
        kept.reserveCapacity(pairs.count)
        for row in rows.indices {
            let first = kept.count
            for pair in labels(of: row) where !rows[row].dropsName || pair.name != name { kept.append(pair) }
            rows[row] = Row(labels: first..<kept.count, dropsName: false)
        }
        pairs = kept
    }
}
