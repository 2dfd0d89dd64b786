/// One series that is not taken: which rule it breaks and how it is called.
package struct SeriesRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// The rule. Raw values are label values of the metric that counts refusals.
    package enum Reason: String, Sendable, CaseIterable {
        case noName = "no_metric_name"
        case emptyLabelName = "empty_label_name"
        case emptyLabelValue = "empty_label_value"
        case duplicateLabel = "duplicate_label"
        case unsortedLabels = "unsorted_labels"
        case tooManyLabels = "too_many_labels"
        case labelNameTooLong = "label_name_too_long"
        case labelValueTooLong = "label_value_too_long"
        case notUTF8 = "not_utf8"
        case malformedLabels = "malformed_labels"
        case oddReferences = "odd_references"
        case referenceOutOfRange = "reference_out_of_range"
        case samplesAndHistograms = "samples_and_histograms"
        case exponentialHistogram = "exponential_histogram"
        case noTemporality = "no_temporality"
        case noValue = "no_value"
        case malformedHistogram = "malformed_histogram"
        case deltaOutOfOrder = "delta_out_of_order"
        case deltaOverLimit = "delta_over_limit"
    }

    package var reason: Reason
    /// The rule in words, with the values that break it.
    package var detail: String
    /// The beginning of the series as far as it could be read, at most `InterchangeLimits.seriesNameBytes`.
    package var series: String

    package init(_ reason: Reason, _ detail: String, series: String) {
        self.reason = reason
        self.detail = detail
        self.series = Self.shortened(series)
    }

    package var description: String { "series \(series.isEmpty ? "without labels" : series): \(detail)" }

    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > InterchangeLimits.seriesNameBytes else { return text }
        return String(decoding: text.utf8.prefix(InterchangeLimits.seriesNameBytes - 3), as: UTF8.self) + "..."
    }
}

/// What one request was refused of: every count, and the first refusals in words.
package struct RefusalTally: Equatable, Sendable {
    /// Series (or data points, where a format counts those) by rule.
    package private(set) var counts: [SeriesRefusal.Reason: Int] = [:]
    /// The first `InterchangeLimits.refusalExamples`.
    package private(set) var examples: [SeriesRefusal] = []
    package private(set) var total = 0

    package init() {}

    package mutating func add(_ refusal: SeriesRefusal, count: Int = 1) {
        counts[refusal.reason, default: 0] += count
        total += count
        if examples.count < InterchangeLimits.refusalExamples { examples.append(refusal) }
    }

    /// Takes in what was refused elsewhere of the same request.
    package mutating func add(_ other: RefusalTally) {
        counts.merge(other.counts, uniquingKeysWith: +)
        total += other.total
        examples += other.examples.prefix(max(0, InterchangeLimits.refusalExamples - examples.count))
    }

    /// One sentence for the sender, empty when nothing was refused.
    package func text(_ things: String) -> String {
        guard total > 0 else { return "" }
        let shown = examples.map(\.description).joined(separator: "; ")
        return "\(total) \(things) refused: \(shown)" + (total > examples.count ? "; ..." : "")
    }
}
