package import MusterModel

/// Evaluates PromQL, with the meaning it has in Prometheus 3, over floats.
///
/// A query runs in three steps. `QueryPlan` walks the expression, gives every node its steps and collects what the
/// selectors read. The view is asked once, so that all selectors see the same samples. `Evaluator` computes each node
/// for all steps together; text of labels is made only for the answer.
package struct QueryEngine: Sendable {
    package let limits: QueryLimits
    /// Compiles the expressions of `label_replace`.
    package let patterns: any PatternCompiler

    package init(limits: QueryLimits = QueryLimits(), patterns: any PatternCompiler) {
        self.limits = limits
        self.patterns = patterns
    }

    /// `shouldStop` is asked about every millisecond of work; what it returns ends the evaluation with that error.
    package func evaluate(
        _ expression: Expression, over view: any SampleView, at time: QueryTime,
        shouldStop: @escaping () -> QueryStop? = { nil }
    ) throws(QueryError) -> QueryAnswer {
        let (grid, end) = try steps(time)
        if case .range = time, expression.type == .string || expression.type == .matrix {
            throw .invalid(
                "invalid expression type \"\(expression.type.rawValue)\" for range query, must be scalar or instant "
                    + "vector")
        }
        let plan = try QueryPlan(expression, grid: grid, end: end, limits: limits)
        let selected = plan.requests.isEmpty ? [] : try view.select(plan.requests)
        guard selected.count == plan.requests.count else {
            throw .execution("\(plan.requests.count) selectors got \(selected.count) answers")
        }
        var evaluator = try Evaluator(
            selected: selected, view: view, patterns: patterns, limits: limits, shouldStop: shouldStop)
        let value = try evaluator.answer(plan.root, grid, time, limits)
        return QueryAnswer(
            value: value, annotations: evaluator.annotations,
            statistics: QueryAnswer.Statistics(
                samplesRead: selected.reduce(0) { $0 + $1.times.count }, peakSamples: evaluator.budget.peak))
    }

    private func steps(_ time: QueryTime) throws(QueryError) -> (StepGrid, end: Int64) {
        switch time {
        case .instant(let at):
            try QueryTime.check(at)
            return (StepGrid(instant: at), at)
        case .range(let start, let end, let step):
            try QueryTime.check(start)
            try QueryTime.check(end)
            guard step > 0 else { throw .invalid("the step must be at least 1ms, it is \(step)ms") }
            guard start <= end else { throw .invalid("the range ends before it begins") }
            guard (end - start) / step <= Int64(limits.steps) else {
                throw .invalid(
                    "the range has more than \(limits.steps) steps; use a longer step or a shorter range")
            }
            return (StepGrid(from: start, to: end, step: step), end)
        }
    }
}
