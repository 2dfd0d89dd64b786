/// The matching signatures of the rows of both sides: the labels by which samples find each other.
struct VectorSignatures {
    /// By row.
    private(set) var left: [Int] = []
    private(set) var right: [Int] = []
    private(set) var count = 0

    init(_ left: SeriesTable, _ right: SeriesTable, _ projection: LabelProjection) {
        var sets = LabelSets(expected: max(left.rows.count, right.rows.count))
        var scratch: [LabelPair] = []
        func numbers(_ table: SeriesTable) -> [Int] {
            table.rows.map { row in
                projection.apply(row.labels, of: table.pairs, into: &scratch)
                return sets.number(of: scratch)
            }
        }
        self.left = numbers(left)
        self.right = numbers(right)
        count = sets.count
    }
}

/// Rows by a number that each has: lists in one array.
struct RowsByNumber {
    private var starts: [Int]
    private var rows: [Int]

    init(_ numbers: [Int], count: Int) {
        starts = [Int](repeating: 0, count: count + 1)
        for number in numbers { starts[number + 1] += 1 }
        for number in 0..<count { starts[number + 1] += starts[number] }
        rows = [Int](repeating: 0, count: numbers.count)
        var next = starts
        for (row, number) in numbers.enumerated() {
            rows[next[number]] = row
            next[number] += 1
        }
    }

    /// In the order of the rows.
    subscript(_ number: Int) -> ArraySlice<Int> { rows[starts[number]..<starts[number + 1]] }
}

extension Evaluator {
    /// What `on` or `ignoring` compare; the metric's name only when `on` names it.
    func projection(_ matching: BinaryOperation.Matching) -> LabelProjection {
        let names = matching.labels.compactMap(symbols.find)
        return matching.isOn ? .only(names) : .without(names + [metricName].compactMap(\.self))
    }

    // MARK: - Set operators

    mutating func setOperation(
        _ op: BinaryOperation.Operator, _ left: SeriesTable, _ right: SeriesTable,
        _ matching: BinaryOperation.Matching
    ) throws(QueryError) -> SeriesTable {
        let signatures = VectorSignatures(left, right, projection(matching))
        try patience.worked(left.cells + right.cells)
        switch op {
        case .or:
            try budget.take(left.cells + right.cells)
            let kept = right.keeping(
                signatures.right, where: presence(left, signatures.left, signatures.count), is: false)
            var table = left
            let shift = left.pairs.count
            table.pairs += kept.pairs
            table.rows += kept.rows.map {
                SeriesTable.Row(
                    labels: $0.labels.lowerBound + shift..<$0.labels.upperBound + shift, dropsName: $0.dropsName)
            }
            table.values += kept.values
            try table.mergeRowsWithEqualLabels()
            return table
        default:
            return left.keeping(
                signatures.left, where: presence(right, signatures.right, signatures.count), is: op == .and)
        }
    }

    /// Whether any row with a signature has a value: signature after signature, all steps.
    private func presence(_ table: SeriesTable, _ signatures: [Int], _ count: Int) -> [Bool] {
        var isPresent = [Bool](repeating: false, count: count * table.steps)
        for (row, signature) in signatures.enumerated() {
            for step in 0..<table.steps where !table.value(row, step).isAbsent {
                isPresent[signature * table.steps + step] = true
            }
        }
        return isPresent
    }
}

extension SeriesTable {
    /// The values whose signature has, or has not, something on the other side at their step.
    fileprivate consuming func keeping(_ signatures: [Int], where isPresent: [Bool], is wanted: Bool) -> SeriesTable {
        var table = self
        for (row, signature) in signatures.enumerated() {
            for step in 0..<table.steps where isPresent[signature * table.steps + step] != wanted {
                table.values[row * table.steps + step] = Self.absent
            }
        }
        table.removeEmptyRows()
        return table
    }
}
