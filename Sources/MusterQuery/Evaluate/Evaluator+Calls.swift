import RealModule

extension Evaluator {
    /// A function that gives an instant vector.
    mutating func call(
        _ function: Function, _ arguments: [QueryPlan.Node], at position: TextRange, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        switch function {
        case .end, .maxOf, .minOf, .pi, .range, .scalar, .start, .step, .time:
            throw .execution("an instant vector is expected, not a scalar")
        case .vector: return SeriesTable(scalars: try scalar(argument(arguments, 0), grid))
        case .timestamp: return try timestamp(argument(arguments, 0), grid)
        case .absent: return try absent(argument(arguments, 0), grid)
        case .sort, .sortDescending: return try sort(function, argument(arguments, 0), at: position, grid)
        case .clamp, .clampMin, .clampMax: return try clamp(function, arguments, grid)
        case .round: return try round(arguments, grid)
        case .labelReplace: return try labelReplace(arguments, grid)
        case .labelJoin: return try labelJoin(arguments, grid)
        case .histogramQuantile: return try histogramQuantile(arguments, grid)
        case .histogramFraction: return try histogramFraction(arguments, grid)
        case .dayOfMonth, .dayOfWeek, .dayOfYear, .daysInMonth, .hour, .minute, .month, .year:
            return try date(function, arguments, grid)
        case .abs, .acos, .acosh, .asin, .asinh, .atan, .atanh, .ceil, .cos, .cosh, .deg, .exp, .floor, .ln, .log10,
            .log2, .rad, .sgn, .sin, .sinh, .sqrt, .tan, .tanh:
            var table = try vector(argument(arguments, 0), grid)
            table.apply(function)
            return table
        case .absentOverTime, .averageOverTime, .changes, .countOverTime, .delta, .deriv, .idelta, .increase, .irate,
            .lastOverTime, .maxOverTime, .minOverTime, .predictLinear, .presentOverTime, .quantileOverTime, .rate,
            .resets, .stddevOverTime, .stdvarOverTime, .sumOverTime:
            return try rangeCall(function, arguments, grid)
        }
    }

    /// Of a selector the times of its samples, of anything else the time of the step.
    private mutating func timestamp(_ operand: QueryPlan.Node, _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        switch operand.kind {
        case .selector(let selection): return try timestamps(of: selection)
        default:
            var table = try vector(operand, grid)
            for row in table.rows.indices {
                for step in 0..<table.steps where !table.value(row, step).isAbsent {
                    table.values[row * table.steps + step] = Double(grid.time(step)) / 1_000
                }
            }
            table.dropNames()
            return table
        }
    }

    /// Orders the rows of an instant query; a range answer is ordered by labels anyway.
    private mutating func sort(
        _ function: Function, _ operand: QueryPlan.Node, at position: TextRange, _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let table = try vector(operand, grid)
        guard grid.count == 1 else {
            annotations.add(.sortInRange(at: position))
            return table
        }
        let isDescending = function == .sortDescending
        let order = table.rows.indices.sorted { a, b in
            let (x, y) = (table.values[a], table.values[b])
            if x.isNaN || y.isNaN { return !x.isNaN || (y.isNaN && a < b) }
            return x == y ? a < b : isDescending ? x > y : x < y
        }
        return SeriesTable(
            steps: 1, rows: order.map { table.rows[$0] }, pairs: table.pairs, values: order.map { table.values[$0] })
    }

    private mutating func clamp(
        _ function: Function, _ arguments: [QueryPlan.Node], _ grid: StepGrid
    ) throws(QueryError) -> SeriesTable {
        let table = try vector(argument(arguments, 0), grid)
        let low =
            function == .clampMax
            ? [Double](repeating: -.infinity, count: grid.count) : try scalar(argument(arguments, 1), grid)
        let high =
            function == .clampMin
            ? [Double](repeating: .infinity, count: grid.count)
            : try scalar(argument(arguments, function == .clamp ? 2 : 1), grid)
        return table.mapped { value, step in
            high[step] < low[step] ? SeriesTable.absent : larger(low[step], smaller(high[step], value))
        }
    }

    private mutating func round(_ arguments: [QueryPlan.Node], _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        let table = try vector(argument(arguments, 0), grid)
        let nearest =
            arguments.count > 1 ? try scalar(arguments[1], grid) : [Double](repeating: 1, count: grid.count)
        return table.mapped { value, step in
            // Multiplying by the inverse is a little more exact than dividing.
            let inverse = 1 / nearest[step]
            return (value * inverse + 0.5).rounded(.down) / inverse
        }
    }
}

/// Of two numbers the larger; infinity even beside NaN, else NaN beside NaN.
func larger(_ a: Double, _ b: Double) -> Double {
    if a == .infinity || b == .infinity { return .infinity }
    return a.isNaN || b.isNaN ? .nan : max(a, b)
}

/// Of two numbers the smaller; minus infinity even beside NaN, else NaN beside NaN.
func smaller(_ a: Double, _ b: Double) -> Double {
    if a == -.infinity || b == -.infinity { return -.infinity }
    return a.isNaN || b.isNaN ? .nan : min(a, b)
}

extension SeriesTable {
    /// Each value that is there becomes another, which may depend on its step; no name survives.
    @inline(__always)
    consuming func mapped(_ function: (_ value: Double, _ step: Int) -> Double) -> SeriesTable {
        var table = self
        for row in table.rows.indices {
            for step in 0..<table.steps where !table.value(row, step).isAbsent {
                let index = row * table.steps + step
                table.values[index] = function(table.values[index], step)
            }
        }
        table.dropNames()
        return table
    }

    /// A function of one number.
    mutating func apply(_ function: Function) {
        switch function {
        case .abs: map(\.magnitude)
        case .ceil: map { $0.rounded(.up) }
        case .floor: map { $0.rounded(.down) }
        case .sqrt: map { $0.squareRoot() }
        case .sgn: map { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 }
        case .deg: map { $0 * 180 / .pi }
        case .rad: map { $0 * .pi / 180 }
        case .exp: map(Double.exp)
        case .ln: map { Double.log($0) }
        case .log2: map(Double.log2)
        case .log10: map(Double.log10)
        case .sin: map(Double.sin)
        case .cos: map(Double.cos)
        case .tan: map(Double.tan)
        case .asin: map(Double.asin)
        case .acos: map(Double.acos)
        case .atan: map(Double.atan)
        case .sinh: map(Double.sinh)
        case .cosh: map(Double.cosh)
        case .tanh: map(Double.tanh)
        case .asinh: map(Double.asinh)
        case .acosh: map(Double.acosh)
        case .atanh: map(Double.atanh)
        default: assertionFailure("\(function) is no function of one number")
        }
    }
}
