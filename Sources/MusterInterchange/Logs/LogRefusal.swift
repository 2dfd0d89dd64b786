/// One entry, or all entries of one stream, that are not taken: which rule they break and what the stream is called.
package struct LogRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// The rule. Raw values are label values of the metric that counts refusals.
    package enum Reason: String, Sendable, CaseIterable {
        case malformedLabels = "malformed_labels"
        case noLabels = "no_labels"
        case badLabelName = "bad_label_name"
        case duplicateLabel = "duplicate_label"
        case tooManyLabels = "too_many_labels"
        case labelNameTooLong = "label_name_too_long"
        case labelValueTooLong = "label_value_too_long"
        case noTime = "no_time"
        case timeOutOfRange = "time_out_of_range"
        case lineTooLong = "line_too_long"
        case tooManyFields = "too_many_fields"
        case fieldsTooLong = "fields_too_long"
    }

    package var reason: Reason
    /// The rule in words, with the values that break it.
    package var detail: String
    /// The beginning of the stream's labels, at most `InterchangeLimits.seriesNameBytes`.
    package private(set) var stream: String

    package init(_ reason: Reason, _ detail: String, stream: String = "") {
        self.reason = reason
        self.detail = detail
        self.stream = Self.shortened(stream)
    }

    package var description: String { "stream \(stream.isEmpty ? "without labels" : stream): \(detail)" }

    /// The same refusal of a stream whose labels are known only now.
    func named(_ stream: String) -> LogRefusal { LogRefusal(reason, detail, stream: stream) }

    private static func shortened(_ text: String) -> String {
        guard text.utf8.count > InterchangeLimits.seriesNameBytes else { return text }
        return text.prefix(utf8: InterchangeLimits.seriesNameBytes - 3) + "..."
    }
}

/// What one push was refused of: every count, and the first refusals in words.
package struct LogRefusalTally: Equatable, Sendable {
    /// Entries by rule.
    package private(set) var counts: [LogRefusal.Reason: Int] = [:]
    /// The first `InterchangeLimits.refusalExamples`.
    package private(set) var examples: [LogRefusal] = []
    /// Entries.
    package private(set) var total = 0

    package init() {}

    package mutating func add(_ refusal: LogRefusal, entries: Int = 1) {
        guard entries > 0 else { return }
        counts[refusal.reason, default: 0] += entries
        total += entries
        if examples.count < InterchangeLimits.refusalExamples { examples.append(refusal) }
    }

    /// Takes in what was refused elsewhere of the same push.
    package mutating func add(_ other: LogRefusalTally) {
        counts.merge(other.counts, uniquingKeysWith: +)
        total += other.total
        examples += other.examples.prefix(max(0, InterchangeLimits.refusalExamples - examples.count))
    }

    /// The same, of a stream whose labels are known only now.
    func named(_ stream: String) -> LogRefusalTally {
        var named = self
        named.examples = examples.map { $0.named(stream) }
        return named
    }

    /// One sentence for the sender, empty when nothing was refused.
    package var text: String {
        guard total > 0 else { return "" }
        let shown = examples.map(\.description).joined(separator: "; ")
        return "\(total) log entries refused: \(shown)" + (total > examples.count ? "; ..." : "")
    }
}
