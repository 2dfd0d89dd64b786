/// What Prometheus knows and this module does not, by the name people write: native histograms, and what is
/// experimental in Prometheus too.
enum Unsupported {
    static let functions: Set<String> = [
        "double_exponential_smoothing", "first_over_time", "histogram_avg", "histogram_count",
        "histogram_quantiles", "histogram_stddev", "histogram_stdvar", "histogram_sum", "info", "mad_over_time",
        "sort_by_label", "sort_by_label_desc", "start_timestamp",
        "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
    ]
    static let aggregations: Set<Keyword> = [.limitk, .limitRatio]
    /// Behind a selector.
    static let rangeModifiers: Set<Keyword> = [.anchored, .smoothed]
    /// Behind a binary operator.
    static let fillModifiers: Set<Keyword> = [.fill, .fillLeft, .fillRight]
    /// Between two operands; they cut native histograms.
    static let operators: Set<Token.Kind> = [.trimUpper, .trimLower]
}
