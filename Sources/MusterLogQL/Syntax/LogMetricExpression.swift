/// A query that makes numbers of lines.
package indirect enum LogMetricExpression: Equatable, Sendable {
    case number(Double)
    /// `vector(1)`: one series without labels.
    case vector(Double)
    case range(RangeAggregation)
    case aggregate(VectorAggregation)
    case binary(MetricOperation)
    case labelReplace(LabelReplacement)
}

/// Labels that tell groups apart.
package struct LogGrouping: Equatable, Sendable {
    package var labels: [String]
    package var isWithout: Bool
}

/// `rate({job="api"} |= "error" [5m] offset 1h)`
package struct RangeAggregation: Equatable, Sendable {
    package enum Operator: String, CaseIterable, Sendable {
        case rate
        case countOverTime = "count_over_time"
        case bytesRate = "bytes_rate"
        case bytesOverTime = "bytes_over_time"
        case absentOverTime = "absent_over_time"
        case sumOverTime = "sum_over_time"
        case avgOverTime = "avg_over_time"
        case minOverTime = "min_over_time"
        case maxOverTime = "max_over_time"
        case stddevOverTime = "stddev_over_time"
        case stdvarOverTime = "stdvar_over_time"
        case firstOverTime = "first_over_time"
        case lastOverTime = "last_over_time"
        case quantileOverTime = "quantile_over_time"

        /// Works on what `unwrap` gives.
        var takesUnwrap: Bool {
            switch self {
            case .countOverTime, .bytesRate, .bytesOverTime: false
            default: true
            }
        }

        var needsUnwrap: Bool { takesUnwrap && self != .rate && self != .absentOverTime }

        var takesGrouping: Bool { needsUnwrap && self != .sumOverTime }
    }

    package var op: Operator
    /// Of `quantile_over_time`.
    package var parameter: Double?
    package var query: LogStreamQuery
    /// Nanoseconds, above 0.
    package var range: Int64
    /// Nanoseconds; positive looks into the past.
    package var offset: Int64 = 0
    package var grouping: LogGrouping?

    /// What `unwrap` reads.
    var unwrapped: String? {
        for case .unwrap(let label, _) in query.stages { return label }
        return nil
    }
}

/// `sum by (level) (...)`
package struct VectorAggregation: Equatable, Sendable {
    package enum Operator: String, CaseIterable, Sendable {
        case sum, avg, min, max, count, stddev, stdvar, topk, bottomk, sort
        case sortDescending = "sort_desc"

        var takesParameter: Bool { self == .topk || self == .bottomk }
        var sorts: Bool { self == .sort || self == .sortDescending }
    }

    package var op: Operator
    /// How many series `topk` and `bottomk` keep, at least 1.
    package var parameter: Int?
    package var operand: LogMetricExpression
    /// Nil puts all series into one group.
    package var grouping: LogGrouping?
}

/// `a / on (b) c`
package struct MetricOperation: Equatable, Sendable {
    package enum Operator: String, CaseIterable, Sendable {
        case or, and, unless
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case modulo = "%"
        case power = "^"

        /// Loki's; larger binds tighter.
        var precedence: Int {
            switch self {
            case .or: 1
            case .and, .unless: 2
            case .add, .subtract: 4
            case .multiply, .divide, .modulo: 5
            case .power: 6
            default: 3
            }
        }

        var isSet: Bool { precedence <= 2 }
        var isComparison: Bool { precedence == 3 }
    }

    package struct Matching: Equatable, Sendable {
        package var isOn: Bool
        package var labels: [String]
    }

    package var op: Operator
    package var left: LogMetricExpression
    package var right: LogMetricExpression
    package var returnsBool = false
    /// Nil compares all labels.
    package var matching: Matching?

    package init(
        op: Operator, left: LogMetricExpression, right: LogMetricExpression, returnsBool: Bool = false,
        matching: Matching? = nil
    ) {
        self.op = op
        self.left = left
        self.right = right
        self.returnsBool = returnsBool
        self.matching = matching
    }
}

/// `label_replace(v, "to", "$1", "from", "(.*)")`
package struct LabelReplacement: Equatable, Sendable {
    package var operand: LogMetricExpression
    package var label: String
    package var replacement: String
    package var source: String
    /// Has to match the whole value.
    package var expression: String
}
