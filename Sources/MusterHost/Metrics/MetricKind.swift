/// What a host metric is, as node_exporter and cAdvisor declare it in their `# TYPE` lines.
package enum MetricKind: String, Sendable {
    case counter, gauge, untyped

    /// The kind of a metric this module measures, told by its name.
    package init(ofMetric name: String) {
        if name.hasPrefix("node_netstat_") || name.hasPrefix("node_vmstat_") {
            self = .untyped
        } else {
            self = name.hasSuffix("_total") ? .counter : .gauge
        }
    }
}
