import MusterModel

/// Evaluates a plan over what the selectors found. Each node is evaluated once, for all its steps together: label sets
/// are grouped and matched once for each series, and values lie in flat columns.
struct Evaluator {
    /// By request.
    let selected: [SelectedSeries]
    let patterns: any PatternCompiler
    var symbols: SymbolTable
    var budget: SampleBudget
    var patience: QueryPatience
    var annotations: [QueryAnnotation] = []

    init(
        selected: [SelectedSeries], view: any SampleView, patterns: any PatternCompiler, limits: QueryLimits,
        shouldStop: @escaping () -> QueryStop?
    ) throws(QueryError) {
        self.selected = selected
        self.patterns = patterns
        patience = QueryPatience(shouldStop: shouldStop)
        symbols = SymbolTable(view: view)
        budget = SampleBudget(limit: limits.samples)
        for series in selected {
            guard series.entries.count <= limits.series else {
                throw .refused("a selector finds more than \(limits.series) series; add matchers")
            }
            try budget.take(series.times.count)
        }
    }

    /// The label `__name__`; nil when no series has it.
    var metricName: Symbol? { symbols.find("__name__") }

    // MARK: - Nodes

    /// An instant vector at each step of `grid`.
    mutating func vector(_ node: QueryPlan.Node, _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        try patience.ask()
        let before = budget.live
        let table = try evaluatedVector(node, grid)
        try budget.settle(at: before + table.cells)
        return table
    }

    private mutating func evaluatedVector(_ node: QueryPlan.Node, _ grid: StepGrid) throws(QueryError) -> SeriesTable {
        guard grid.count > 0 else { return SeriesTable(steps: 0) }
        switch node.kind {
        case .selector(let selection): return try instantValues(of: selection)
        case .call(let function, let arguments):
            return try call(function, arguments, at: node.position, grid)
        case .aggregate(let plan): return try aggregate(plan, at: node.position, grid)
        case .binary(let plan): return try binary(plan, grid)
        case .negate(let operand):
            var table = try vector(operand, grid)
            table.map { -$0 }
            return table
        case .invariant(let inner): return try repeated(try vector(inner, grid.first), grid.count)
        case .number, .string, .range, .subquery: throw .execution("an instant vector is expected, not a \(node.type)")
        }
    }

    /// A scalar at each step of `grid`.
    mutating func scalar(_ node: QueryPlan.Node, _ grid: StepGrid) throws(QueryError) -> [Double] {
        try patience.ask()
        let before = budget.live
        try budget.take(grid.count)
        let values = try evaluatedScalar(node, grid)
        try budget.settle(at: before + values.count)
        return values
    }

    private mutating func evaluatedScalar(_ node: QueryPlan.Node, _ grid: StepGrid) throws(QueryError) -> [Double] {
        switch node.kind {
        case .number(let number): return [Double](repeating: number, count: grid.count)
        case .call(.pi, _): return [Double](repeating: .pi, count: grid.count)
        case .call(.time, _): return (0..<grid.count).map { Double(grid.time($0)) / 1_000 }
        case .call(.minOf, let arguments):
            return zip(try scalar(argument(arguments, 0), grid), try scalar(argument(arguments, 1), grid)).map(smaller)
        case .call(.maxOf, let arguments):
            return zip(try scalar(argument(arguments, 0), grid), try scalar(argument(arguments, 1), grid)).map(larger)
        case .call(.scalar, let arguments):
            return try vector(argument(arguments, 0), grid).onlyValues
        case .binary(let plan):
            let left = try scalar(plan.left, grid)
            let right = try scalar(plan.right, grid)
            return zip(left, right).map { plan.op.scalarValue($0, $1) }
        case .negate(let operand): return try scalar(operand, grid).map { -$0 }
        case .invariant(let inner):
            return [Double](repeating: try scalar(inner, grid.first)[0], count: grid.count)
        case .string, .selector, .range, .subquery, .call, .aggregate:
            throw .execution("a scalar is expected, not a \(node.type)")
        }
    }

    func text(_ node: QueryPlan.Node) throws(QueryError) -> String {
        guard case .string(let text) = node.kind else { throw .execution("a string is expected, not a \(node.type)") }
        return text
    }

    func argument(_ arguments: [QueryPlan.Node], _ index: Int) throws(QueryError) -> QueryPlan.Node {
        guard index < arguments.count else { throw .execution("an argument is missing") }
        return arguments[index]
    }

    /// A table of one step at `count` steps.
    private mutating func repeated(_ table: SeriesTable, _ count: Int) throws(QueryError) -> SeriesTable {
        try budget.take(table.rows.count * count)
        var values: [Double] = []
        values.reserveCapacity(table.rows.count * count)
        for value in table.values { values.append(contentsOf: repeatElement(value, count: count)) }
        return SeriesTable(steps: count, rows: table.rows, pairs: table.pairs, values: values)
    }
}

/// Asks from time to time whether to go on.
struct QueryPatience {
    private let shouldStop: () -> QueryStop?
    /// Samples looked at since it was asked.
    private var work = 0

    /// About a millisecond.
    private static let workBetweenQuestions = 500_000

    init(shouldStop: @escaping () -> QueryStop?) { self.shouldStop = shouldStop }

    mutating func ask() throws(QueryError) {
        work = 0
        switch shouldStop() {
        case nil: return
        case .canceled: throw .canceled
        case .timedOut: throw .timedOut
        }
    }

    @inline(__always)
    mutating func worked(_ samples: Int) throws(QueryError) {
        work += samples
        if work >= Self.workBetweenQuestions { try ask() }
    }
}

/// Samples in memory, against the limit.
struct SampleBudget {
    let limit: Int
    private(set) var live = 0
    private(set) var peak = 0

    init(limit: Int) { self.limit = limit }

    /// Before they are allocated.
    mutating func take(_ samples: Int) throws(QueryError) {
        let (sum, overflow) = live.addingReportingOverflow(samples)
        guard !overflow, sum <= limit else {
            throw .refused(
                "the query needs more than \(limit) samples in memory; add matchers, shorten the range or use a "
                    + "longer step")
        }
        live = sum
        peak = max(peak, sum)
    }

    /// When what was needed on the way is gone.
    mutating func settle(at samples: Int) throws(QueryError) {
        let missing = samples - live
        if missing > 0 { try take(missing) } else { live = samples }
    }
}
