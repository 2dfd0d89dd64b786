// MusterLogQL: Loki's query language over our logs, so that Grafana's Loki data source and logcli work against the
// coordinator.
//
// `Syntax/`: a text becomes a `LogQLQuery`, which is either a `LogStreamQuery` (streams and the stages their lines go
// through) or a `LogMetricExpression` (numbers made of lines); `description` spells it so that it reads back alike.
// `Pipeline/`: a `LogPipeline` is a stream query ready to run; it gives the `LogQuestion` to ask the logs with and
// turns each entry of the answer into what is shown, or drops it. `Metrics/`: a `LogMetricQuery` says which log ranges
// it needs, is fed their entries in any order and gives series.
//
// A question may let through more than the pipeline keeps, never less.

import MusterModel

/// The limits of this module.
package enum LogQLLimits {
    /// Bytes of a query.
    package static let queryBytes = 64 << 10
    /// Levels of parentheses and operators.
    package static let depth = 64
    /// Operators, calls, stages and conditions of a query.
    package static let parts = 2_000
    /// Labels that all parsers of a pipeline add to one line.
    package static let parsedLabels = 256
    /// Values of one JSON document.
    package static let jsonValues = 4_096
    /// Levels of a JSON document.
    package static let jsonDepth = 64
    /// Bytes of a line or a label that a template makes; what is longer is cut.
    package static let templateBytes = 256 << 10
    /// Points in time of a range query.
    package static let steps = 11_000
    /// Series of one part of a metric query, when the asker does not say.
    package static let series = 500
    /// Samples that `quantile_over_time` holds until the end.
    package static let heldSamples = 500_000
    /// Log ranges of a metric query.
    package static let ranges = 32
    /// Places for numbers (series times steps) of all parts of a metric query together: 8 to 24 bytes each.
    package static let cells = 8_000_000
}
