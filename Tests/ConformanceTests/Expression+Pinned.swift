import MusterQuery

extension Expression {
    /// All selectors, those in subqueries included.
    var selectors: [VectorSelector] {
        switch self {
        case .number, .string: []
        case .selector(let selector), .range(let selector, _, _): [selector]
        case .subquery(let subquery): subquery.expression.selectors
        case .call(let call): call.arguments.flatMap(\.selectors)
        case .aggregate(let aggregation): (aggregation.parameter?.selectors ?? []) + aggregation.operand.selectors
        case .binary(let operation): operation.left.selectors + operation.right.selectors
        case .negate(let inner, _), .parentheses(let inner, _): inner.selectors
        }
    }

    /// All functions that are called.
    var functions: Set<Function> {
        switch self {
        case .number, .string, .selector, .range: []
        case .subquery(let subquery): subquery.expression.functions
        case .call(let call): call.arguments.reduce(into: [call.function]) { $0.formUnion($1.functions) }
        case .aggregate(let aggregation):
            aggregation.operand.functions.union(aggregation.parameter?.functions ?? [])
        case .binary(let operation): operation.left.functions.union(operation.right.functions)
        case .negate(let inner, _), .parentheses(let inner, _): inner.functions
        }
    }

    /// The names in all `on(...)`.
    var labelsOfMatches: Set<String> {
        switch self {
        case .number, .string, .selector, .range: []
        case .subquery(let subquery): subquery.expression.labelsOfMatches
        case .call(let call): call.arguments.reduce(into: []) { $0.formUnion($1.labelsOfMatches) }
        case .aggregate(let aggregation): aggregation.operand.labelsOfMatches
        case .binary(let operation):
            operation.left.labelsOfMatches.union(operation.right.labelsOfMatches)
                .union(operation.matching?.isOn == true ? operation.matching?.labels ?? [] : [])
        case .negate(let inner, _), .parentheses(let inner, _): inner.labelsOfMatches
        }
    }

    /// Whether its value depends on the step it is evaluated at, whatever the selectors read.
    var dependsOnStep: Bool {
        !functions.isDisjoint(with: [
            .dayOfMonth, .dayOfWeek, .dayOfYear, .daysInMonth, .hour, .minute, .month, .predictLinear, .time,
            .timestamp, .year,
        ])
    }

    /// Whether its value depends on where a question begins and ends.
    var dependsOnQuestion: Bool { !functions.isDisjoint(with: [.start, .end, .step, .range]) }

    /// With `@ milliseconds` on every selector and subquery that names no time; what is in a subquery follows it.
    func pinned(to milliseconds: Int64) -> Expression {
        func pinned(_ at: AtModifier?) -> AtModifier {
            if case .time = at, let at { return at }
            return .time(milliseconds: milliseconds)
        }
        switch self {
        case .number, .string:
            return self
        case .selector(var selector):
            selector.at = pinned(selector.at)
            return .selector(selector)
        case .range(var selector, let range, let position):
            selector.at = pinned(selector.at)
            return .range(selector, milliseconds: range, position)
        case .subquery(var subquery):
            subquery.at = pinned(subquery.at)
            return .subquery(subquery)
        case .call(var call):
            call.arguments = call.arguments.map { $0.pinned(to: milliseconds) }
            return .call(call)
        case .aggregate(var aggregation):
            aggregation.parameter = aggregation.parameter?.pinned(to: milliseconds)
            aggregation.operand = aggregation.operand.pinned(to: milliseconds)
            return .aggregate(aggregation)
        case .binary(var operation):
            operation.left = operation.left.pinned(to: milliseconds)
            operation.right = operation.right.pinned(to: milliseconds)
            return .binary(operation)
        case .negate(let inner, let position):
            return .negate(inner.pinned(to: milliseconds), position)
        case .parentheses(let inner, let position):
            return .parentheses(inner.pinned(to: milliseconds), position)
        }
    }
}
