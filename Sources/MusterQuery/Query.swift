import MusterModel

/// What one query may cost.
package struct QueryLimits: Sendable {
    /// The text, in UTF-8 bytes.
    package var expressionBytes = 1 << 20
    package var matchers = 64
    /// Levels of an expression, counted in what was read and on the way there. What walks an expression recurses once
    /// or twice a level, on threads with 512 KiB of stack.
    package var depth = 100
    /// Numbers, strings, selectors, calls, operators of an expression, all together.
    package var nodes = 4_096
    /// Series a selector finds.
    package var series = 50_000
    /// Samples in memory at one time: what the selectors found and intermediate results.
    package var samples = 50_000_000
    /// Samples of an answer.
    package var resultSamples = 2_000_000
    /// Steps of a range, as in Prometheus: an answer has at most one point more.
    package var steps = 11_000
    /// The step of a subquery that names none.
    package var subqueryStep = Duration.minutes(1)
    /// How far back an instant looks for the newest sample.
    package var lookback = Duration.minutes(5)

    package init() {}
}

/// Why there is no answer.
package enum QueryError: Error, Equatable, CustomStringConvertible {
    /// The text is no query. `offset` counts characters from 0; `excerpt` is the line it stands in, with a caret below.
    case syntax(line: Int, column: Int, message: String, excerpt: String)
    /// Makes no sense or is beyond a limit whatever the data are: too long a text, a range that ends before it begins.
    case invalid(String)
    /// Sound, but there are more data than a limit allows.
    case refused(String)
    /// Sound in Prometheus, but this function, modifier or operator does not exist here.
    case unsupported(String)
    /// The data allows no answer: labels do not match one to one, two series of the answer would have the same labels.
    case execution(String)
    case timedOut
    case canceled
    /// Too much else is asked at the moment; the same question may be answered later.
    case overloaded(String)

    package var description: String {
        switch self {
        case .syntax(let line, let column, let message, let excerpt): "\(line):\(column): \(message)\n\(excerpt)"
        case .invalid(let reason): reason
        case .refused(let reason): reason
        case .unsupported(let construct): "\"\(construct)\" is not supported"
        case .execution(let reason): reason
        case .timedOut: "the query took too long; add matchers, shorten the range or use a longer step"
        case .canceled: "the query was canceled"
        case .overloaded(let reason): reason
        }
    }
}
