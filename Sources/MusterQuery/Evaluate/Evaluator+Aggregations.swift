import MusterModel

/// Which group each row of a table belongs to, and the labels of the groups.
struct Grouping {
    /// Group of each row.
    var groups: [Int]
    var labels: LabelSets
    var rows: RowsByNumber

    init(_ table: SeriesTable, _ projection: LabelProjection) {
        var labels = LabelSets()
        var scratch: [LabelPair] = []
        groups = table.rows.map { row in
            projection.apply(row.labels, of: table.pairs, into: &scratch)
            return labels.number(of: scratch)
        }
        self.labels = labels
        rows = RowsByNumber(groups, count: labels.count)
    }
}

extension Evaluator {
    mutating func aggregate(
        _ plan: QueryPlan.AggregationPlan, at position: TextRange, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        switch plan.op {
        case .sum: return try reduce(plan, grid, KahanSum.self)
        case .avg: return try reduce(plan, grid, KahanMean.self)
        case .count: return try reduce(plan, grid, CountReducer.self)
        case .min: return try reduce(plan, grid, MinReducer.self)
        case .max: return try reduce(plan, grid, MaxReducer.self)
        case .group: return try reduce(plan, grid, OneReducer.self)
        case .stddev: return try reduce(plan, grid, DeviationReducer.self)
        case .stdvar: return try reduce(plan, grid, VarianceReducer.self)
        case .quantile: return try quantiles(plan, grid)
        case .topk, .bottomk: return try selectK(plan, grid)
        case .countValues: return try countValues(plan, grid)
        }
    }

    /// `without` never keeps the metric's name; `by` only when it names it.
    func projection(_ plan: QueryPlan.AggregationPlan) -> LabelProjection {
        let names = plan.labels.compactMap(symbols.find)
        return plan.isWithout ? .without(names + [metricName].compactMap(\.self)) : .only(names)
    }

    func parameter(_ plan: QueryPlan.AggregationPlan) throws(QueryError) -> QueryPlan.Node {
        guard let parameter = plan.parameter else { throw .execution("\(plan.op.rawValue) needs a parameter") }
        return parameter
    }

    /// Group after group, so that the state of one group at all steps stays in the cache.
    private mutating func reduce<R: Reducer>(
        _ plan: QueryPlan.AggregationPlan, _ grid: StepGrid, _: R.Type
    ) throws(QueryError) -> SeriesTable {
        let table = try vector(plan.operand, grid)
        let grouping = Grouping(table, projection(plan))
        let steps = table.steps
        try budget.take(grouping.labels.count * steps)
        var result = SeriesTable(steps: steps, labels: grouping.labels)
        var dropsName = [Bool](repeating: false, count: grouping.labels.count)
        let values = table.values.span
        var cells = result.values.mutableSpan
        var reducers = [R](repeating: R(0), count: steps)
        var state = reducers.mutableSpan
        for group in 0..<grouping.labels.count {
            let out = group * steps
            for row in grouping.rows[group] {
                let base = row * steps
                var hasValue = false
                for step in 0..<steps {
                    let value = values[base + step]
                    if value.isAbsent { continue }
                    hasValue = true
                    // What stands in the cell is overwritten at the end; until then it says that there is a state.
                    if cells[out + step].isAbsent {
                        state[step] = R(value)
                        cells[out + step] = 0
                    } else {
                        state[step].add(value)
                    }
                }
                if hasValue, table.rows[row].dropsName { dropsName[group] = true }
                try patience.worked(steps)
            }
            for step in 0..<steps where !cells[out + step].isAbsent { cells[out + step] = state[step].value }
        }
        for group in dropsName.indices { result.rows[group].dropsName = dropsName[group] }
        result.removeEmptyRows()
        return result
    }

    private mutating func quantiles(
        _ plan: QueryPlan.AggregationPlan, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let parameter = try parameter(plan)
        let wanted = try scalar(parameter, grid)
        let table = try vector(plan.operand, grid)
        for extreme in [wanted.first(where: \.isNaN), wanted.max(), wanted.min()] {
            guard let extreme, !(extreme >= 0 && extreme <= 1) else { continue }
            annotations.add(.invalidQuantile(extreme, at: parameter.position))
        }
        let grouping = Grouping(table, projection(plan))
        try budget.take(grouping.labels.count * table.steps)
        var result = SeriesTable(steps: table.steps, labels: grouping.labels)
        var scratch: [Double] = []
        for group in 0..<grouping.labels.count {
            let rows = grouping.rows[group]
            for step in 0..<table.steps {
                scratch.removeAll(keepingCapacity: true)
                for row in rows where !table.value(row, step).isAbsent { scratch.append(table.value(row, step)) }
                if scratch.isEmpty { continue }
                result.values[group * table.steps + step] = quantile(wanted[step], of: &scratch)
                try patience.worked(2 * rows.count)
            }
            result.rows[group].dropsName = rows.contains { table.rows[$0].dropsName }
        }
        result.removeEmptyRows()
        return result
    }

    /// How many series of each group have each value: a label says the value, the number is their count.
    private mutating func countValues(
        _ plan: QueryPlan.AggregationPlan, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let label = try text(parameter(plan))
        guard !label.isEmpty else { throw .execution("invalid label name \(label.quotedAsInGo)") }
        let table = try vector(plan.operand, grid)
        let name = symbols.intern(label)
        var plan = plan
        if !plan.isWithout { plan.labels.append(label) }
        let projection = projection(plan)
        var labels = LabelSets()
        var counted: [Int: Double] = [:]
        var texts: [UInt64: Symbol] = [:]
        var (labeled, projected): ([LabelPair], [LabelPair]) = ([], [])
        for row in table.rows.indices {
            for step in 0..<table.steps where !table.value(row, step).isAbsent {
                let value = table.value(row, step)
                let text = texts[value.bitPattern] ?? symbols.intern(GoFloat.fixed(value))
                texts[value.bitPattern] = text
                labeled.removeAll(keepingCapacity: true)
                labeled.append(contentsOf: table.labels(of: row))
                labeled.set(name, text)
                projection.apply(labeled.indices, of: labeled, into: &projected)
                counted[labels.number(of: projected) * table.steps + step, default: 0] += 1
            }
            try patience.worked(8 * table.steps)
            try checkCounted(labels.count * table.steps)
        }
        try budget.take(labels.count * table.steps)
        var result = SeriesTable(steps: table.steps, labels: labels)
        for (cell, count) in counted { result.values[cell] = count }
        return result
    }

    /// Each value may make a series of its own, so the limit is looked at on the way.
    private func checkCounted(_ cells: Int) throws(QueryError) {
        var trial = budget
        try trial.take(cells)
    }
}
