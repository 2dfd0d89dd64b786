import MusterModel

/// The names of an answer's series, with what they have in common said once.
package struct SeriesNames: Equatable, Sendable {
    /// The labels that all series have with the same value, as Prometheus writes them; empty when there are none.
    package let common: String
    /// What stands above `rows`: the label whose values they are, or `SERIES`.
    package let title: String
    /// By series, what tells it from the others: the value of the only label that differs, else `a="b",c="d"`, or a
    /// whole name where the metrics differ. Empty for a series that is alone.
    package let rows: [String]

    package init(_ metrics: [[String: String]]) {
        var shared = metrics.first ?? [:]
        for metric in metrics.dropFirst() { shared = shared.filter { metric[$0.key] == $0.value } }
        common = shared.isEmpty ? "" : Labels(shared).description
        let own = metrics.map { metric in Labels(metric).filtered { shared[$0] == nil } }
        if let label = own.first?.pairs.first?.name, label != "__name__",
            own.allSatisfy({ $0.pairs.map(\.name) == [label] })
        {
            title = label
            rows = own.map { $0[label] ?? "" }
        } else {
            title = "SERIES"
            rows = own.map { labels in
                guard labels.metricName.isEmpty else { return labels.description }
                return labels.isEmpty && metrics.count > 1 ? "{}" : String(labels.description.dropFirst().dropLast())
            }
        }
    }
}
