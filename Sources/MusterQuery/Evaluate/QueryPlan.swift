import MusterModel

/// A query bound to its times: what each node evaluates at which steps, and everything the selectors ask of a view, so
/// that it can be asked at once.
struct QueryPlan {
    /// One node. `grid` of the evaluation is handed down; subqueries bring their own.
    struct Node {
        indirect enum Kind {
            case number(Double)
            case string(String)
            case selector(Selection)
            case range(Selection)
            case subquery(Node, grid: StepGrid, window: Window)
            case call(Function, [Node])
            case aggregate(AggregationPlan)
            case binary(BinaryPlan)
            case negate(Node)
            /// The same at every step: evaluated at the first only.
            case invariant(Node)
        }

        var kind: Kind
        var type: ValueType
        var position: TextRange
    }

    /// What an instant selector or a range selector reads.
    struct Selection {
        /// Index of its request.
        var request: Int
        var matchers: [LabelMatcher]
        var window: Window
    }

    /// The half-open times (end - range, end] of each step.
    struct Window {
        /// Ends, one for each step of the evaluation; with `@` all the same.
        var ends: StepGrid
        var range: Int64
    }

    struct AggregationPlan {
        var op: Aggregation.Operator
        var parameter: Node?
        var operand: Node
        var labels: [String]
        var isWithout: Bool
    }

    struct BinaryPlan {
        var op: BinaryOperation.Operator
        var left: Node
        var right: Node
        var returnsBool: Bool
        var matching: BinaryOperation.Matching?
    }

    var root: Node
    var requests: [SelectRequest]

    /// `grid` is checked by the caller; `end` is the question's, which need not lie on it. Throws when a time is out of
    /// range or a subquery has too many steps.
    init(_ expression: Expression, grid: StepGrid, end: Int64, limits: QueryLimits) throws(QueryError) {
        var planner = QueryPlanner(start: grid.start, end: end, step: grid.step, limits: limits)
        root = try planner.node(expression, grid)
        requests = planner.requests
    }
}

/// Walks down an expression with the grid it is evaluated on.
private struct QueryPlanner {
    /// What `start()` and `end()` stand for.
    let start: Int64
    let end: Int64
    /// 0 for an instant.
    let step: Int64
    let limits: QueryLimits
    let lookback: Int64
    var requests: [SelectRequest] = []

    init(start: Int64, end: Int64, step: Int64, limits: QueryLimits) {
        self.start = start
        self.end = end
        self.step = step
        self.limits = limits
        lookback = limits.lookback.nanoseconds / 1_000_000
    }

    mutating func node(_ expression: Expression, _ grid: StepGrid) throws(QueryError) -> QueryPlan.Node {
        guard grid.count > 1, expression.isInvariant, !expression.isLiteral, !expression.isMatrix else {
            return try variant(expression, grid)
        }
        let inner = try variant(expression, grid.first)
        return QueryPlan.Node(kind: .invariant(inner), type: inner.type, position: inner.position)
    }

    private mutating func variant(_ expression: Expression, _ grid: StepGrid) throws(QueryError) -> QueryPlan.Node {
        QueryPlan.Node(kind: try kind(expression, grid), type: expression.type, position: expression.position)
    }

    private mutating func kind(_ expression: Expression, _ grid: StepGrid) throws(QueryError) -> QueryPlan.Node.Kind {
        switch expression {
        case .number(let number, _): return .number(number)
        case .string(let text, _): return .string(text)
        case .parentheses(let inner, _): return try kind(inner, grid)
        case .negate(let operand, _): return .negate(try node(operand, grid))
        case .selector(let selector): return .selector(try instant(selector, grid))
        case .range(let selector, let milliseconds, _):
            return .range(try range(selector, milliseconds, grid))
        case .subquery(let subquery): return try self.subquery(subquery, grid)
        case .call(let call):
            if let milliseconds = time(call.function) { return .number(Double(milliseconds) / 1_000) }
            var arguments: [QueryPlan.Node] = []
            for argument in call.arguments { arguments.append(try node(argument.withoutParentheses, grid)) }
            return .call(call.function, arguments)
        case .aggregate(let aggregation):
            return .aggregate(
                QueryPlan.AggregationPlan(
                    op: aggregation.op,
                    parameter: try parameter(aggregation, grid),
                    operand: try node(aggregation.operand.withoutParentheses, grid),
                    labels: aggregation.labels, isWithout: aggregation.isWithout))
        case .binary(let operation):
            return .binary(
                QueryPlan.BinaryPlan(
                    op: operation.op, left: try node(operation.left, grid), right: try node(operation.right, grid),
                    returnsBool: operation.returnsBool, matching: operation.matching))
        }
    }

    /// What a function tells of the question; the same at every step and in every subquery.
    private func time(_ function: Function) -> Int64? {
        switch function {
        case .start: start
        case .end: end
        case .step: start == end ? 0 : step
        case .range: end - start
        default: nil
        }
    }

    private mutating func parameter(
        _ aggregation: Aggregation, _ grid: StepGrid
    ) throws(QueryError) -> QueryPlan.Node? {
        guard let parameter = aggregation.parameter else { return nil }
        return try node(parameter.withoutParentheses, grid)
    }

    private mutating func instant(
        _ selector: VectorSelector, _ grid: StepGrid
    ) throws(QueryError) -> QueryPlan.Selection {
        let ends = try ends(at: selector.at, offset: selector.offset, grid)
        let window = QueryPlan.Window(ends: ends, range: lookback)
        return try selection(selector, window, isInstant: true)
    }

    private mutating func range(
        _ selector: VectorSelector, _ milliseconds: Int64, _ grid: StepGrid
    ) throws(QueryError) -> QueryPlan.Selection {
        let ends = try ends(at: selector.at, offset: selector.offset, grid)
        try QueryTime.check(milliseconds)
        return try selection(selector, QueryPlan.Window(ends: ends, range: milliseconds), isInstant: false)
    }

    private mutating func subquery(
        _ subquery: Subquery, _ grid: StepGrid
    ) throws(QueryError) -> QueryPlan.Node.Kind {
        let ends = try ends(at: subquery.at, offset: subquery.offset, grid)
        try QueryTime.check(subquery.range)
        let step = subquery.step ?? limits.subqueryStep.nanoseconds / 1_000_000
        guard step > 0 else { throw .invalid("the step of a subquery must be at least 1ms") }
        let inner = StepGrid.aligned(after: ends.start - subquery.range, to: ends.end, step: step)
        guard inner.count <= limits.samples else {
            throw .invalid(
                "a subquery has \(inner.count) steps, more than \(limits.samples); use a longer step or a shorter range"
            )
        }
        return .subquery(
            try node(subquery.expression.withoutParentheses, inner), grid: inner,
            window: QueryPlan.Window(ends: ends, range: subquery.range))
    }

    /// Where each step's view ends after `@` and `offset`.
    private func ends(at: AtModifier?, offset: Int64, _ grid: StepGrid) throws(QueryError) -> StepGrid {
        try QueryTime.check(offset)
        let fixed: Int64
        switch at {
        case nil: return grid.shifted(by: -offset)
        case .time(let milliseconds):
            try QueryTime.check(milliseconds)
            fixed = milliseconds
        case .start: fixed = start
        case .end: fixed = end
        }
        return StepGrid(start: fixed - offset, step: 0, count: grid.count)
    }

    private mutating func selection(
        _ selector: VectorSelector, _ window: QueryPlan.Window, isInstant: Bool
    ) throws(QueryError) -> QueryPlan.Selection {
        let request = SelectRequest(
            matchers: selector.matchers, from: window.ends.start - window.range + 1, to: window.ends.end,
            instants: isInstant ? window.ends : nil, lookback: isInstant ? window.range : 0,
            maxSeries: limits.series, maxSamples: limits.samples)
        // `a / (a + b)` reads `a` once.
        let index = requests.firstIndex { $0.asksTheSame(as: request) } ?? requests.count
        if index == requests.count { requests.append(request) }
        return QueryPlan.Selection(request: index, matchers: selector.matchers, window: window)
    }
}

extension SelectRequest {
    fileprivate func asksTheSame(as other: SelectRequest) -> Bool {
        from == other.from && to == other.to && instants == other.instants && lookback == other.lookback
            && matchers.elementsEqual(other.matchers) {
                $0.name == $1.name && $0.operator == $1.operator && $0.value == $1.value
            }
    }
}

extension QueryTime {
    /// Times and durations beyond it are refused, so that a sum of some cannot overflow: 35,000 years.
    static let bound: Int64 = 1 << 50

    static func check(_ milliseconds: Int64) throws(QueryError) {
        guard milliseconds.magnitude <= UInt64(bound) else {
            throw .invalid("a time or duration of \(milliseconds)ms is out of range")
        }
    }
}

extension Expression {
    /// The same value at every step, because all it reads is fixed by `@`.
    fileprivate var isInvariant: Bool {
        switch self {
        case .number, .string: true
        case .selector(let selector), .range(let selector, _, _): selector.at != nil
        case .subquery(let subquery): subquery.at != nil
        case .call(let call):
            if call.function == .timestamp, case .selector(let selector)? = call.arguments.first?.withoutParentheses {
                selector.at != nil
            } else {
                !call.function.readsEvaluationTime && call.arguments.allSatisfy(\.isInvariant)
            }
        case .aggregate(let aggregation):
            aggregation.operand.isInvariant && aggregation.parameter?.isInvariant ?? true
        case .binary(let operation): operation.left.isInvariant && operation.right.isInvariant
        case .negate(let inner, _), .parentheses(let inner, _): inner.isInvariant
        }
    }

    fileprivate var isLiteral: Bool {
        switch withoutParentheses {
        case .number, .string: true
        default: false
        }
    }

    fileprivate var isMatrix: Bool { type == .matrix }

    /// Annotations point at what stands in the parentheses around an argument.
    var withoutParentheses: Expression {
        if case .parentheses(let inner, _) = self { inner.withoutParentheses } else { self }
    }
}

extension Function {
    /// Its value depends on when it is evaluated, even when its arguments do not.
    fileprivate var readsEvaluationTime: Bool {
        switch self {
        case .time, .timestamp, .predictLinear, .dayOfMonth, .dayOfWeek, .dayOfYear, .daysInMonth, .hour, .minute,
            .month, .year:
            true
        default: false
        }
    }
}
