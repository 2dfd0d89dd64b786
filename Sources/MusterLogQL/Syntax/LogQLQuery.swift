package import MusterModel

/// A query of LogQL: log lines, or numbers made of them.
package enum LogQLQuery: Equatable, Sendable {
    case logs(LogStreamQuery)
    case metric(LogMetricExpression)
}

/// Streams and what their lines go through: `{job="api"} |= "error" | json`.
package struct LogStreamQuery: Equatable, Sendable {
    /// At least one of them matches no empty value.
    package var matchers: [LabelTest]
    package var stages: [LogStage]

    package init(matchers: [LabelTest], stages: [LogStage] = []) {
        self.matchers = matchers
        self.stages = stages
    }
}

/// A condition on a label as written.
package struct LabelTest: Equatable, Sendable {
    package var name: String
    package var `operator`: LabelMatcher.Operator
    package var value: String

    package init(_ name: String, _ op: LabelMatcher.Operator, _ value: String) {
        self.name = name
        self.operator = op
        self.value = value
    }
}

/// One step of a pipeline.
package enum LogStage: Equatable, Sendable {
    case line(LineTest)
    /// Nothing to extract means everything.
    case json([Extraction])
    case logfmt([Extraction], isStrict: Bool, keepsEmpty: Bool)
    case regexp(String)
    case pattern(String)
    case unpack
    case label(LabelCondition)
    case lineFormat(String)
    case labelFormat([LabelAssignment])
    case decolorize
    case drop([LabelChoice])
    case keep([LabelChoice])
    /// Only in metric queries, once.
    case unwrap(String, Conversion)

    /// How a label becomes a number.
    package enum Conversion: String, CaseIterable, Sendable {
        case number
        /// Seconds.
        case duration
        case durationSeconds = "duration_seconds"
        case bytes
    }

    /// `label="path"`
    package struct Extraction: Equatable, Sendable {
        package var label: String
        package var path: String
    }

    /// `to=from` or `to="template"`
    package struct LabelAssignment: Equatable, Sendable {
        package enum Source: Equatable, Sendable {
            case label(String)
            case template(String)
        }
        package var label: String
        package var source: Source
    }

    /// A label of `drop` and `keep`, whatever its value or with a condition.
    package enum LabelChoice: Equatable, Sendable {
        case name(String)
        case test(LabelTest)
    }
}

/// `|= "a" or "b"`: what has to stand in a line, or must not.
package struct LineTest: Equatable, Sendable {
    package enum Operator: String, CaseIterable, Sendable {
        case contains = "|="
        case excludes = "!="
        case matches = "|~"
        case mismatches = "!~"
    }

    package var `operator`: Operator
    /// At least one. The negative operators want none of them.
    package var alternatives: [String]
}

/// A condition on labels in a pipeline.
package indirect enum LabelCondition: Equatable, Sendable {
    package enum Comparison: String, CaseIterable, Sendable {
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="

        /// NaN is only different.
        func isTrue(_ a: Double, _ b: Double) -> Bool {
            switch self {
            case .equal: a == b
            case .notEqual: a != b
            case .less: a < b
            case .lessOrEqual: a <= b
            case .greater: a > b
            case .greaterOrEqual: a >= b
            }
        }
    }

    case string(LabelTest)
    case number(String, Comparison, Double)
    /// Nanoseconds.
    case duration(String, Comparison, Int64)
    case bytes(String, Comparison, Double)
    case and(LabelCondition, LabelCondition)
    case or(LabelCondition, LabelCondition)
}
