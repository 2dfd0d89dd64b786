import MusterModel

extension Evaluator {
    /// `topk` and `bottomk`: at each step the k first of each group, NaN after every number. An instant answer lists a
    /// group's series in that order.
    mutating func selectK(_ plan: QueryPlan.AggregationPlan, _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        let counts = try scalar(parameter(plan), grid)
        var table = try vector(plan.operand, grid)
        guard counts.contains(where: { !($0 < 1) }) else { return SeriesTable(steps: table.steps) }
        for count in counts {
            guard !count.isNaN else { throw .execution("Parameter value is NaN") }
            let text = GoFloat.general(count)
            guard count > -0x1p63 else { throw .execution("Scalar value \(text) underflows int64") }
            guard count < 0x1p63 else { throw .execution("Scalar value \(text) overflows int64") }
        }
        let grouping = Grouping(table, projection(plan))
        var order: [Int] = []
        var isChosen = [Bool](repeating: false, count: table.rows.count)
        var best = BestK(isLargest: plan.op == .topk)
        for step in 0..<table.steps {
            let k = max(0, min(Int(counts[step]), table.rows.count))
            order.removeAll(keepingCapacity: true)
            for group in 0..<grouping.labels.count {
                best.reset(k)
                for row in grouping.rows[group] where !table.value(row, step).isAbsent {
                    best.offer(table.value(row, step), row)
                }
                order += best.rowsInOrder()
            }
            if table.steps == 1 {
                return SeriesTable(
                    steps: 1, rows: order.map { table.rows[$0] }, pairs: table.pairs,
                    values: order.map { table.values[$0] })
            }
            for row in order { isChosen[row] = true }
            for row in table.rows.indices where !isChosen[row] {
                table.values[row * table.steps + step] = SeriesTable.absent
            }
            for row in order { isChosen[row] = false }
            try patience.worked(2 * table.rows.count)
        }
        table.removeEmptyRows()
        return table
    }
}

/// The k first of what it is offered: a binary heap whose root is the one to go next.
private struct BestK {
    private struct Item {
        var value: Double
        var row: Int
    }

    let isLargest: Bool
    private var k = 0
    private var heap: [Item] = []

    init(isLargest: Bool) { self.isLargest = isLargest }

    mutating func reset(_ k: Int) {
        self.k = k
        heap.removeAll(keepingCapacity: true)
    }

    mutating func offer(_ value: Double, _ row: Int) {
        let item = Item(value: value, row: row)
        if heap.count < k {
            heap.append(item)
            rise()
        } else if let worst = heap.first, precedes(item, worst) {
            heap[0] = item
            sink()
        }
    }

    func rowsInOrder() -> [Int] { heap.sorted(by: precedes).map(\.row) }

    /// Better first; of equal values the earlier row, NaN last.
    private func precedes(_ a: Item, _ b: Item) -> Bool {
        if a.value.isNaN || b.value.isNaN { return a.value.isNaN ? b.value.isNaN && a.row < b.row : true }
        if a.value == b.value { return a.row < b.row }
        return isLargest ? a.value > b.value : a.value < b.value
    }

    private mutating func rise() {
        var child = heap.count - 1
        while child > 0, precedes(heap[(child - 1) / 2], heap[child]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var worst = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(heap[worst], heap[child])
            {
                worst = child
            }
            if worst == parent { return }
            heap.swapAt(parent, worst)
            parent = worst
        }
    }
}
