import MusterModel

/// A metric expression with its log ranges numbered and its patterns compiled.
indirect enum MetricPlan: Sendable {
    case number(Double)
    case vector(Double)
    /// Number of the table.
    case range(Int)
    case aggregate(VectorAggregation.Operator, parameter: Int?, LogGrouping?, MetricPlan)
    case binary(MetricOperation.Operator, returnsBool: Bool, MetricOperation.Matching?, MetricPlan, MetricPlan)
    case labelReplace(MetricPlan, LabelReplacement, any Pattern)

    /// The order of the series is part of the answer.
    var isSorted: Bool {
        if case .aggregate(let op, _, _, _) = self { op.sorts || op.takesParameter } else { false }
    }
}

struct MetricPlanner<Compiler: PatternCompiler> {
    struct Range {
        var aggregation: RangeAggregation
        var pipeline: LogPipeline
        /// The grouping of an aggregation around it, when the two come to the same.
        var folded: Folded?
    }

    let compiler: Compiler
    private(set) var ranges: [Range] = []

    init(compiler: Compiler) { self.compiler = compiler }

    mutating func plan(_ expression: LogMetricExpression) throws(LogQLError) -> MetricPlan {
        switch expression {
        case .number(let value): return .number(value)
        case .vector(let value): return .vector(value)
        case .range(let aggregation): return try plan(aggregation, folded: nil)
        case .aggregate(let aggregation): return try plan(aggregation)
        case .binary(let operation):
            let left = try plan(operation.left)
            return .binary(
                operation.op, returnsBool: operation.returnsBool, operation.matching, left, try plan(operation.right))
        case .labelReplace(let replacement):
            let operand = try plan(replacement.operand)
            do throws(PatternError) {
                return .labelReplace(operand, replacement, try compiler.compile(replacement.expression))
            } catch {
                throw LogQLError(.syntax, error.description)
            }
        }
    }

    /// The sum of counts of lines is the count of all their lines, so the lines are put into the outer groups at once:
    /// far fewer series are kept than there are sets of labels.
    private mutating func plan(_ aggregation: VectorAggregation) throws(LogQLError) -> MetricPlan {
        if case .range(let range) = aggregation.operand, range.grouping == nil,
            Self.isFoldable(aggregation.op, range.op)
        {
            return try plan(range, folded: Folded(grouping: aggregation.grouping))
        }
        return .aggregate(
            aggregation.op, parameter: aggregation.parameter, aggregation.grouping, try plan(aggregation.operand))
    }

    private static func isFoldable(_ op: VectorAggregation.Operator, _ range: RangeAggregation.Operator) -> Bool {
        switch (op, range) {
        case (.sum, .rate), (.sum, .countOverTime), (.sum, .bytesRate), (.sum, .bytesOverTime), (.sum, .sumOverTime),
            (.min, .minOverTime), (.max, .maxOverTime):
            true
        default: false
        }
    }

    private mutating func plan(_ range: RangeAggregation, folded: Folded?) throws(LogQLError) -> MetricPlan {
        let pipeline = try LogPipeline(range.query, compiler: compiler)
        ranges.append(Range(aggregation: range, pipeline: pipeline, folded: folded))
        return .range(ranges.count - 1)
    }
}

/// Groups that lines are put into right away; no grouping means one group.
struct Folded: Sendable {
    var grouping: LogGrouping?
}
