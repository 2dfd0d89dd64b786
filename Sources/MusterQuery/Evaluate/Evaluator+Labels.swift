import MusterModel

extension Evaluator {
    /// `label_replace(v, dst, replacement, src, regex)`: looks at labels only, once for each value of `src`.
    mutating func labelReplace(_ arguments: [QueryPlan.Node], _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        let destination = try labelName(argument(arguments, 1), "label_replace")
        let template = try ReplacementTemplate(text(argument(arguments, 2)))
        let source = try text(argument(arguments, 3))
        let expression = try text(argument(arguments, 4))
        let pattern = try compiled(expression)
        let table = try vector(argument(arguments, 0), grid)
        let (sourceName, empty) = (symbols.find(source), symbols.intern(""))
        // The new value by the old one; nil where the expression does not match.
        var replaced: [Symbol: Symbol?] = [:]
        return try relabeled(table, destination) { evaluator, row in
            let old = sourceName.flatMap { table.label($0, of: row) } ?? empty
            if let known = replaced[old] { return known }
            let captures = pattern.captures(evaluator.symbols.text(old))
            let new = captures.map { evaluator.symbols.intern(template.expanded($0, names: pattern.groupNames)) }
            replaced[old] = .some(new)
            return new
        }
    }

    /// `label_join(v, dst, separator, src...)`
    mutating func labelJoin(_ arguments: [QueryPlan.Node], _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        let destination = try labelName(argument(arguments, 1), "label_join")
        let separator = try text(argument(arguments, 2))
        var sources: [Symbol?] = []
        for argument in arguments.dropFirst(3) {
            sources.append(symbols.find(try labelName(argument, "label_join")))
        }
        let table = try vector(argument(arguments, 0), grid)
        return try relabeled(table, destination) { evaluator, row in
            let values = sources.map { name in
                name.flatMap { table.label($0, of: row) }.map { evaluator.symbols.text($0) } ?? ""
            }
            return evaluator.symbols.intern(values.joined(separator: separator))
        }
    }

    private func compiled(_ expression: String) throws(QueryError) -> any Pattern {
        do throws(PatternError) {
            return try patterns.compile(expression)
        } catch {
            throw .execution("invalid regular expression in label_replace(): \(expression): \(error.reason)")
        }
    }

    private func labelName(_ node: QueryPlan.Node, _ function: String) throws(QueryError) -> String {
        let name = try text(node)
        guard !name.isEmpty else { throw .execution("invalid label name in \(function)(): \(name.quotedAsInGo)") }
        return name
    }

    /// Sets a label of each row to what `value` says; an empty text removes it, nil leaves it as it is. Who sets the
    /// metric's name wants to see it.
    private mutating func relabeled(
        _ table: SeriesTable, _ destination: String, _ value: (inout Evaluator, Int) -> Symbol?
    ) throws(QueryError) -> SeriesTable {
        let (name, empty) = (symbols.intern(destination), symbols.intern(""))
        var result = SeriesTable(steps: table.steps, values: table.values)
        result.rows.reserveCapacity(table.rows.count)
        var scratch: [LabelPair] = []
        for row in table.rows.indices {
            scratch.removeAll(keepingCapacity: true)
            scratch.append(contentsOf: table.labels(of: row))
            var dropsName = table.rows[row].dropsName
            if let value = value(&self, row) {
                scratch.set(name, value == empty ? nil : value)
                if name == metricName { dropsName = false }
            }
            let first = result.pairs.count
            result.pairs += scratch
            result.rows.append(SeriesTable.Row(labels: first..<result.pairs.count, dropsName: dropsName))
        }
        try result.mergeRowsWithEqualLabels()
        return result
    }

    // MARK: - Absence

    /// 1 at each step at which the operand has nothing.
    mutating func absent(_ operand: QueryPlan.Node, _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        absence(of: try vector(operand, grid), operand)
    }

    mutating func absentOverTime(
        _ source: RangeVector, _ operand: QueryPlan.Node, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        absence(of: try perWindow(source) { _, _, _ in 1 }, operand)
    }

    /// With the labels that the operand's matchers say literally.
    private mutating func absence(of table: SeriesTable, _ operand: QueryPlan.Node) -> SeriesTable {
        var values = [Double](repeating: 1, count: table.steps)
        for row in table.rows.indices {
            for step in 0..<table.steps where !table.value(row, step).isAbsent { values[step] = SeriesTable.absent }
        }
        guard values.contains(where: { !$0.isAbsent }) else { return SeriesTable(steps: table.steps) }
        let labels = absentLabels(operand)
        return SeriesTable(
            steps: table.steps, rows: [SeriesTable.Row(labels: labels.indices, dropsName: false)], pairs: labels,
            values: values)
    }

    /// The first `=` of a label says its value; any other matcher of it takes that back.
    private mutating func absentLabels(_ operand: QueryPlan.Node) -> [LabelPair] {
        let matchers: [LabelMatcher]
        switch operand.kind {
        case .selector(let selection), .range(let selection): matchers = selection.matchers
        default: return []
        }
        var labels: [LabelPair] = []
        var said: Set<String> = []
        for matcher in matchers where matcher.name != "__name__" {
            let isSaid = matcher.operator == .equal && said.insert(matcher.name).inserted && !matcher.value.isEmpty
            labels.set(symbols.intern(matcher.name), isSaid ? symbols.intern(matcher.value) : nil)
        }
        return labels
    }
}
