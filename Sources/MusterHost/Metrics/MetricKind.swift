package import MusterModel

extension MetricKind {
    /// The kind of a metric this module measures, told by its name, as node_exporter and cAdvisor declare it in their
    /// `# TYPE` lines.
    package init(ofMetric name: String) {
        if name.hasPrefix("node_netstat_") || name.hasPrefix("node_vmstat_") {
            self = .untyped
        } else {
            self = name.hasSuffix("_total") ? .counter : .gauge
        }
    }
}
