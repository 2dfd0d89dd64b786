/// What the values of a metric mean.
package enum MetricKind: UInt8, CaseIterable, Sendable {
    case untyped = 0
    case counter = 1
    case gauge = 2
    case histogram = 3
    case summary = 4
}

/// What all series of one metric name have in common. An empty name stands for series that have none.
package struct MetricFamily: Hashable, Sendable {
    package var name: String
    package var kind: MetricKind
    /// As in OpenMetrics, such as `seconds`; empty when none is given.
    package var unit: String
    package var help: String

    package init(_ name: String, _ kind: MetricKind, unit: String = "", help: String = "") {
        self.name = name
        self.kind = kind
        self.unit = unit
        self.help = help
    }
}
