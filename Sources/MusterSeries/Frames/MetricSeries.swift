package import MusterModel

/// A series as the agent that measures it knows it.
package struct MetricSeries: Equatable, Sendable {
    static let nameLabel = "__name__"

    /// The metric's name is the label `__name__`; labels of the host are not among them.
    package var labels: Labels
    package var kind: MetricKind
    /// As in `MetricFamily`.
    package var unit: String
    package var help: String
    /// When the counter began to count, in milliseconds.
    package var startMilliseconds: Int64?

    package init(
        _ labels: Labels, _ kind: MetricKind = .untyped, unit: String = "", help: String = "",
        startMilliseconds: Int64? = nil
    ) {
        self.labels = labels
        self.kind = kind
        self.unit = unit
        self.help = help
        self.startMilliseconds = startMilliseconds
    }

    var family: MetricFamily { MetricFamily(labels.metricName, kind, unit: unit, help: help) }

    /// The name of the first limit the series breaks, nil when it keeps all.
    var brokenLimit: String? {
        guard unit.utf8.count <= Limits.labelValueBytes, help.utf8.count <= Limits.labelValueBytes else {
            return "labelValueBytes (\(Limits.labelValueBytes))"
        }
        return LabelLimits.firstBroken(by: labels)
    }
}
