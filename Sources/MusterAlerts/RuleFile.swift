package import MusterModel

/// A Prometheus rule file:
///
///     groups:
///       - name: web
///         interval: 15s
///         rules:
///           - alert: WebDown
///             expr: up{job="web"} == 0
///             for: 1m
///             keep_firing_for: 5m
///             labels: {severity: page}
///             annotations: {summary: "{{ $labels.instance }} is down ({{ $value }})"}
///
/// Also read: `limit`, `query_offset` and `labels` of a group. Refused with a reason: recording rules and templates
/// other than `AlertTemplate.supported`.
package enum RuleFile {
    package static let defaultInterval = Duration.seconds(15)

    /// The rules in the order of the file. An empty file has none.
    package static func decode(_ document: ConfigNode) throws(ConfigError) -> [AlertRule] {
        var root = try ConfigReader(document)
        var names: Set<String> = []
        let groups = try root.list("groups") { node, path throws(ConfigError) in
            try group(node, path, &names)
        }
        try root.finish()
        let rules = (groups ?? []).flatMap { $0 }
        guard rules.count <= AlertLimits.rulesMax else {
            throw root.error("groups", "has \(rules.count) rules", allowed: "at most \(AlertLimits.rulesMax)")
        }
        return rules
    }

    private struct GroupFields {
        var name: String
        var interval: Duration
        var queryOffset: Duration
        var limit: Int
        var labels: [String: AlertTemplate]
    }

    private static func group(
        _ node: ConfigNode, _ path: String, _ names: inout Set<String>
    ) throws(ConfigError) -> [AlertRule] {
        var reader = try ConfigReader(node, path: path)
        let fields = try groupFields(&reader)
        guard names.insert(fields.name).inserted else {
            throw reader.error("name", "is \"\(fields.name)\" a second time", allowed: "one group of each name")
        }
        var counts: [String: Int] = [:]
        let rules = try reader.list("rules") { node, path throws(ConfigError) in
            try rule(node, path, in: fields, &counts)
        }
        try reader.finish()
        return rules ?? []
    }

    private static func groupFields(_ reader: inout ConfigReader) throws(ConfigError) -> GroupFields {
        guard let name = try reader.string("name"), !name.isEmpty else {
            throw reader.error("name", "is missing", allowed: "the group's name")
        }
        let day = Duration.hours(24)
        let limit = try reader.integer("limit", in: 0...AlertLimits.alertsPerRule) ?? 0
        return GroupFields(
            name: name,
            interval: try reader.duration("interval", in: .milliseconds(100)...day) ?? defaultInterval,
            queryOffset: try reader.duration("query_offset", in: .zero...day) ?? .zero,
            // As in Prometheus 0 means none, which here means the limit every rule has.
            limit: limit == 0 ? AlertLimits.alertsPerRule : limit,
            labels: try templates(&reader, "labels"))
    }

    private static func rule(
        _ node: ConfigNode, _ path: String, in group: GroupFields, _ counts: inout [String: Int]
    ) throws(ConfigError) -> AlertRule {
        var reader = try ConfigReader(node, path: path)
        if try reader.string("record") != nil {
            throw reader.error(
                "record", "makes this a recording rule, which is not supported yet",
                allowed: "alerting rules: alert, expr, for, keep_firing_for, labels, annotations")
        }
        guard let name = try reader.string("alert"), !name.isEmpty else {
            throw reader.error("alert", "is missing", allowed: "the alert's name")
        }
        guard let expression = try reader.string("expr"), expression.contains(where: { !$0.isWhitespace }) else {
            throw reader.error("expr", "is missing", allowed: "a PromQL expression")
        }
        let longest = Duration.hours(24 * 365)
        let holdFor = try reader.duration("for", in: .zero...longest) ?? .zero
        let keep = try reader.duration("keep_firing_for", in: .zero...longest) ?? .zero
        let labels = try templates(&reader, "labels")
        guard labels["alertname"] == nil else {
            throw reader.error("labels", "sets alertname", allowed: "any label but alertname, which is the rule's name")
        }
        let annotations = try templates(&reader, "annotations")
        try reader.finish()
        counts[name, default: 0] += 1
        let count = counts[name, default: 1]
        return AlertRule(
            id: "\(node.position.file);\(group.name)/\(name)" + (count > 1 ? "#\(count)" : ""), group: group.name,
            name: name, expression: expression, expressionPosition: reader.position("expr"), interval: group.interval,
            queryOffset: group.queryOffset, holdFor: holdFor, keepFiringFor: keep, limit: group.limit,
            labels: group.labels.merging(labels) { $1 }, annotations: annotations)
    }

    private static func templates(
        _ reader: inout ConfigReader, _ key: String
    ) throws(ConfigError) -> [String: AlertTemplate] {
        guard let texts = try reader.labels(key) else { return [:] }
        var templates: [String: AlertTemplate] = [:]
        for pair in texts.pairs {
            do throws(AlertTemplateError) {
                templates[pair.name] = try AlertTemplate(pair.value)
            } catch {
                throw ConfigError(
                    position: reader.position(key), key: "\(reader.path(key)).\(pair.name)",
                    problem: "has a template that cannot be used: \(error)", allowed: AlertTemplate.supported)
            }
        }
        return templates
    }
}
