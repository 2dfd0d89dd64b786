package import MusterModel

/// A question: the series of a selector, and of those the ones whose value passes the comparison.
package struct Query: Sendable, CustomStringConvertible {
    package enum Comparison: String, Sendable, CaseIterable {
        case equal = "=="
        case notEqual = "!="
        case greater = ">"
        case less = "<"
        case greaterOrEqual = ">="
        case lessOrEqual = "<="

        /// IEEE 754: NaN is unequal to everything and neither greater nor less.
        package func holds(_ left: Double, _ right: Double) -> Bool {
            switch self {
            case .equal: left == right
            case .notEqual: left != right
            case .greater: left > right
            case .less: left < right
            case .greaterOrEqual: left >= right
            case .lessOrEqual: left <= right
            }
        }
    }

    package struct Filter: Equatable, Sendable {
        package var comparison: Comparison
        package var threshold: Double
    }

    /// At least one of them excludes the empty value.
    package let matchers: [LabelMatcher]
    package let filter: Filter?

    init(matchers: [LabelMatcher], filter: Filter?) {
        self.matchers = matchers
        self.filter = filter
    }

    /// `compiler` compiles the expressions of `=~` and `!~`.
    package init(
        _ text: String, compiler: some PatternCompiler, limits: QueryLimits = QueryLimits()
    ) throws(QueryError) {
        var parser = try QueryParser(text, limits: limits)
        self = try parser.query(compiler: compiler)
    }

    package var description: String {
        let selector = "{" + matchers.map(\.description).joined(separator: ",") + "}"
        guard let filter else { return selector }
        return "\(selector) \(filter.comparison.rawValue) \(GoFloat.general(filter.threshold))"
    }
}

/// What one query may cost.
package struct QueryLimits: Sendable {
    /// The text, in UTF-8 bytes.
    package var expressionBytes = 16 << 10
    package var matchers = 64
    /// Series a selector finds.
    package var series = 50_000
    /// Samples read for one query, all series together.
    package var samples = 10_000_000
    /// Steps of a range, as in Prometheus.
    package var steps = 11_000
    /// How far back an instant looks for the newest sample.
    package var lookback = Duration.minutes(5)

    package init() {}
}

/// Why there is no answer.
package enum QueryError: Error, Equatable, CustomStringConvertible {
    /// The text is no query. `offset` counts characters from 0; `excerpt` is the line it stands in, with a caret below.
    case syntax(line: Int, column: Int, message: String, excerpt: String)
    /// Sound, but beyond a limit or with a range that makes no sense.
    case refused(String)

    package var description: String {
        switch self {
        case .syntax(let line, let column, let message, let excerpt): "\(line):\(column): \(message)\n\(excerpt)"
        case .refused(let reason): reason
        }
    }
}
