/// The functions of PromQL over floats. The raw value is the name people write.
package enum Function: String, Sendable, CaseIterable {
    case abs, absent, acos, acosh, asin, asinh, atan, atanh, ceil, changes, clamp, cos, cosh, deg, delta, deriv, end
    case exp, floor, hour, idelta, increase, irate, ln, log10, log2, minute, month, pi, rad, range, rate, resets, round
    case scalar, sgn, sin, sinh, sort, sqrt, start, step, tan, tanh, time, timestamp, vector, year
    case absentOverTime = "absent_over_time"
    case averageOverTime = "avg_over_time"
    case clampMax = "clamp_max"
    case clampMin = "clamp_min"
    case countOverTime = "count_over_time"
    case dayOfMonth = "day_of_month"
    case dayOfWeek = "day_of_week"
    case dayOfYear = "day_of_year"
    case daysInMonth = "days_in_month"
    case histogramFraction = "histogram_fraction"
    case histogramQuantile = "histogram_quantile"
    case labelJoin = "label_join"
    case labelReplace = "label_replace"
    case lastOverTime = "last_over_time"
    case maxOf = "max_of"
    case maxOverTime = "max_over_time"
    case minOf = "min_of"
    case minOverTime = "min_over_time"
    case predictLinear = "predict_linear"
    case presentOverTime = "present_over_time"
    case quantileOverTime = "quantile_over_time"
    case sortDescending = "sort_desc"
    case stddevOverTime = "stddev_over_time"
    case stdvarOverTime = "stdvar_over_time"
    case sumOverTime = "sum_over_time"

    package var result: ValueType {
        switch self {
        case .end, .maxOf, .minOf, .pi, .range, .scalar, .start, .step, .time: .scalar
        default: .vector
        }
    }

    /// Types of the arguments, in order; the last `optional` of them may be left out. `isVariadic` repeats the last.
    package var signature: Signature {
        switch self {
        case .end, .pi, .range, .start, .step, .time: Signature([])
        case .maxOf, .minOf: Signature([.scalar, .scalar])
        case .absent, .abs, .acos, .acosh, .asin, .asinh, .atan, .atanh, .ceil, .cos, .cosh, .deg, .exp, .floor, .ln,
            .log10, .log2, .rad, .scalar, .sgn, .sin, .sinh, .sort, .sortDescending, .sqrt, .tan, .tanh, .timestamp:
            Signature([.vector])
        case .absentOverTime, .averageOverTime, .changes, .countOverTime, .delta, .deriv, .idelta, .increase, .irate,
            .lastOverTime, .maxOverTime, .minOverTime, .presentOverTime, .rate, .resets, .stddevOverTime,
            .stdvarOverTime, .sumOverTime:
            Signature([.matrix])
        case .dayOfMonth, .dayOfWeek, .dayOfYear, .daysInMonth, .hour, .minute, .month, .year:
            Signature([.vector], optional: 1)
        case .clamp: Signature([.vector, .scalar, .scalar])
        case .clampMax, .clampMin: Signature([.vector, .scalar])
        case .histogramFraction: Signature([.scalar, .scalar, .vector])
        case .histogramQuantile: Signature([.scalar, .vector])
        case .labelJoin: Signature([.vector, .string, .string, .string], optional: 1, isVariadic: true)
        case .labelReplace: Signature([.vector, .string, .string, .string, .string])
        case .predictLinear: Signature([.matrix, .scalar])
        case .quantileOverTime: Signature([.scalar, .matrix])
        case .round: Signature([.vector, .scalar], optional: 1)
        case .vector: Signature([.scalar])
        }
    }

    package struct Signature: Sendable {
        package var arguments: [ValueType]
        package var optional: Int
        package var isVariadic: Bool

        init(_ arguments: [ValueType], optional: Int = 0, isVariadic: Bool = false) {
            self.arguments = arguments
            self.optional = optional
            self.isVariadic = isVariadic
        }
    }
}
