extension Evaluator {
    /// An operator with a vector on at least one side.
    mutating func binary(_ plan: QueryPlan.BinaryPlan, _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        switch (plan.left.type, plan.right.type) {
        case (.vector, .vector):
            let left = try vector(plan.left, grid)
            let right = try vector(plan.right, grid)
            let matching =
                plan.matching ?? BinaryOperation.Matching(cardinality: plan.op.isSet ? .manyToMany : .oneToOne)
            if plan.op.isSet { return try setOperation(plan.op, left, right, matching) }
            return try match(plan, left, right, matching)
        case (.vector, .scalar):
            let left = try vector(plan.left, grid)
            return apply(plan, to: left, try scalar(plan.right, grid), scalarIsLeft: false)
        case (.scalar, .vector):
            let scalars = try scalar(plan.left, grid)
            return apply(plan, to: try vector(plan.right, grid), scalars, scalarIsLeft: true)
        default:
            throw .execution("\(plan.op.rawValue) is not defined between \(plan.left.type) and \(plan.right.type)")
        }
    }

    /// A filter gives the vector's values, whichever side it is on.
    private func apply(
        _ plan: QueryPlan.BinaryPlan, to vector: consuming SeriesTable, _ scalars: [Double], scalarIsLeft: Bool
    ) -> SeriesTable {
        var table = vector
        let op = plan.op
        let returnsBool = plan.returnsBool
        let steps = table.steps
        for row in table.rows.indices {
            for step in 0..<steps {
                let index = row * steps + step
                let value = table.values[index]
                if value.isAbsent { continue }
                let scalar = scalars[step]
                table.values[index] =
                    scalarIsLeft
                    ? op.result(scalar, value, kept: value, returnsBool: returnsBool)
                    : op.result(value, scalar, kept: value, returnsBool: returnsBool)
            }
        }
        if !op.isComparison || returnsBool { table.dropNames() }
        if op.isComparison, !returnsBool { table.removeEmptyRows() }
        return table
    }
}
