import MusterModel

/// What the attributes of a resource are for its series: `job` and `instance` on all of them, everything else on one
/// `target_info`.
struct OTLPLabels {
    /// Labels of every series.
    let common: [String: String]
    /// Nil when it would say nothing, or could not be joined with anything.
    let targetInfo: Labels?

    init(resource: OTLPMetrics.Resource, promoted: Set<String>) {
        var identity: [String: String] = [:]
        var name = ""
        var namespace = ""
        for attribute in resource.attributes {
            switch attribute.key {
            case "service.name": name = attribute.value.text
            case "service.namespace": namespace = attribute.value.text
            case "service.instance.id": identity["instance"] = attribute.value.text
            default: continue
            }
        }
        if !name.isEmpty { identity["job"] = namespace.isEmpty ? name : "\(namespace)/\(name)" }
        identity = identity.filter { !$0.value.isEmpty }
        let identifying: Set<String> = ["service.name", "service.namespace", "service.instance.id"]
        let rest = resource.attributes.filter { !identifying.contains($0.key) }
        let (promotedLabels, _) = Self.translated(rest.filter { promoted.contains($0.key) })
        common = promotedLabels.merging(identity) { _, job in job }
        var (info, _) = Self.translated(rest)
        info = info.filter { !$0.value.isEmpty && $0.value.utf8.count <= Limits.labelValueBytes }
        guard !info.isEmpty, !identity.isEmpty, info.count + identity.count < Limits.labelsPerSet else {
            targetInfo = nil
            return
        }
        info.merge(identity) { _, job in job }
        info["__name__"] = "target_info"
        targetInfo = Labels(info)
    }

    static func add(_ scope: OTLPMetrics.Scope, to labels: inout [String: String]) {
        guard !scope.name.isEmpty else { return }
        for (name, value) in translated(scope.attributes).labels { labels["otel_scope_" + name] = value }
        labels["otel_scope_name"] = scope.name
        labels["otel_scope_version"] = scope.version
        labels["otel_scope_schema_url"] = scope.schemaURL
    }

    /// Label names and values of attributes; values of attributes that become one label are joined by `;`, in the order
    /// of the attributes' own names. An attribute whose name keeps no character is left out.
    static func translated(_ attributes: [OTLPAttribute]) -> (labels: [String: String], hasCollision: Bool) {
        var labels: [String: String] = [:]
        var hasCollision = false
        for attribute in attributes.sorted(by: { $0.key < $1.key }) {
            guard let name = OTLPNames.label(attribute.key) else { continue }
            let value = attribute.value.text
            if let present = labels[name] {
                hasCollision = true
                labels[name] = present + ";" + value
            } else {
                labels[name] = value
            }
        }
        return (labels, hasCollision)
    }
}
