import MusterModel

/// An instant vector at every step of a grid: a row for each series, a column for each step, all values in one array.
struct SeriesTable {
    struct Row {
        /// Within `pairs`; sorted by `name.id`.
        var labels: Range<Int>
        /// The metric's name is gone from the answer, but until then grouping and `label_replace` still see it.
        var dropsName: Bool
    }

    var rows: [Row]
    var pairs: [LabelPair]
    /// Row after row, `steps` each.
    var values: [Double]
    let steps: Int

    /// What stands where a series has no value. Arithmetic never gives this bit pattern: it is a signalling NaN.
    static let absent = StaleMarker.value

    init(steps: Int, rows: [Row] = [], pairs: [LabelPair] = [], values: [Double] = []) {
        self.steps = steps
        self.rows = rows
        self.pairs = pairs
        self.values = values
    }

    /// `count` rows without a value, for the sets of `labels`.
    init(steps: Int, labels: LabelSets) {
        self.init(
            steps: steps, rows: labels.sets.map { Row(labels: $0, dropsName: false) }, pairs: labels.pairs,
            values: [Double](repeating: Self.absent, count: labels.count * steps))
    }

    var cells: Int { values.count }

    func value(_ row: Int, _ step: Int) -> Double { values[row * steps + step] }

    /// The value of a label; nil when the row has none.
    func label(_ name: Symbol, of row: Int) -> Symbol? {
        rows[row].labels.first { pairs[$0].name == name }.map { pairs[$0].value }
    }

    func labels(of row: Int) -> ArraySlice<LabelPair> { pairs[rows[row].labels] }

    /// Each value that is there becomes another; no name survives a function.
    mutating func map(_ function: (Double) -> Double) {
        for index in values.indices where !values[index].isAbsent { values[index] = function(values[index]) }
        dropNames()
    }

    mutating func dropNames() {
        for row in rows.indices { rows[row].dropsName = true }
    }

    /// Leaves out rows that have no value at any step.
    mutating func removeEmptyRows() {
        guard steps > 0 else { return rows.removeAll() }
        var kept = 0
        for row in rows.indices {
            let cells = row * steps..<(row + 1) * steps
            guard values[cells].contains(where: { !$0.isAbsent }) else { continue }
            if kept != row {
                rows[kept] = rows[row]
                for step in 0..<steps { values[kept * steps + step] = values[cells.lowerBound + step] }
            }
            kept += 1
        }
        rows.removeLast(rows.count - kept)
        values.removeLast(values.count - kept * steps)
    }

    /// One row for each label set. Series that came to have the same labels may not have a value at the same step.
    mutating func mergeRowsWithEqualLabels() throws(QueryError) {
        guard rows.count > 1 else { return }
        var sets = LabelSets(expected: rows.count)
        var scratch: [LabelPair] = []
        let numbers = rows.map { row in
            scratch.removeAll(keepingCapacity: true)
            scratch.append(contentsOf: pairs[row.labels])
            return sets.number(of: scratch)
        }
        guard sets.count < rows.count else { return }
        var merged = SeriesTable(steps: steps, labels: sets)
        for (row, number) in numbers.enumerated() {
            var hasValue = false
            for step in 0..<steps where !value(row, step).isAbsent {
                guard merged.value(number, step).isAbsent else {
                    throw .execution("vector cannot contain metrics with the same labelset")
                }
                merged.values[number * steps + step] = value(row, step)
                hasValue = true
            }
            if hasValue, rows[row].dropsName { merged.rows[number].dropsName = true }
        }
        self = merged
    }
}

extension Double {
    var isAbsent: Bool { bitPattern == StaleMarker.bitPattern }
}
