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
///           - record: job:up:sum
///             expr: sum by (job) (up)
///
/// Also read: `limit`, `query_offset` and `labels` of a group. Refused with a reason: templates other than
/// `AlertTemplate.supported`.
package enum RuleFile {
    package static let defaultInterval = Duration.seconds(15)

    /// The groups in the order of the file. An empty file has none.
    package static func decode(_ document: ConfigNode) throws(ConfigError) -> [RuleGroup] {
        var root = try ConfigReader(document)
        var names: Set<String> = []
        let groups = try root.list("groups") { node, path throws(ConfigError) in
            try group(node, path, &names)
        }
        try root.finish()
        let count = (groups ?? []).reduce(0) { $0 + $1.rules.count }
        guard count <= AlertLimits.rulesMax else {
            throw root.error("groups", "has \(count) rules", allowed: "at most \(AlertLimits.rulesMax)")
        }
        return groups ?? []
    }

    private struct GroupFields {
        var name: String
        var interval: Duration
        var queryOffset: Duration
        var limit: Int
        var labels: Labels
        /// The same, for alerts.
        var templates: [String: AlertTemplate]
    }

    private static func group(
        _ node: ConfigNode, _ path: String, _ names: inout Set<String>
    ) throws(ConfigError) -> RuleGroup {
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
        return RuleGroup(
            file: node.position.file, name: fields.name, interval: fields.interval, queryOffset: fields.queryOffset,
            limit: fields.limit, rules: rules ?? [])
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
            labels: try reader.labels("labels") ?? Labels(), templates: try templates(&reader, "labels"))
    }

    private static func rule(
        _ node: ConfigNode, _ path: String, in group: GroupFields, _ counts: inout [String: Int]
    ) throws(ConfigError) -> Rule {
        var reader = try ConfigReader(node, path: path)
        let record = try reader.string("record")
        let alert = try reader.string("alert")
        guard record == nil || alert == nil else {
            throw reader.error("record", "stands beside 'alert'", allowed: "one of them")
        }
        guard let name = record ?? alert, !name.isEmpty else {
            throw reader.error("alert", "is missing", allowed: "the alert's name, or 'record' with a metric's name")
        }
        guard let text = try reader.string("expr"), text.contains(where: { !$0.isWhitespace }) else {
            throw reader.error("expr", "is missing", allowed: "a PromQL expression")
        }
        counts[name, default: 0] += 1
        let count = counts[name, default: 1]
        let id = "\(node.position.file);\(group.name)/\(name)" + (count > 1 ? "#\(count)" : "")
        let rule: Rule =
            record == nil
            ? .alert(try alertRule(&reader, id, name, text, in: group))
            : .recording(try recordingRule(&reader, id, name, text, in: group))
        try reader.finish()
        return rule
    }

    private static func alertRule(
        _ reader: inout ConfigReader, _ id: String, _ name: String, _ text: String, in group: GroupFields
    ) throws(ConfigError) -> AlertRule {
        let longest = Duration.hours(24 * 365)
        let holdFor = try reader.duration("for", in: .zero...longest) ?? .zero
        let keep = try reader.duration("keep_firing_for", in: .zero...longest) ?? .zero
        let labels = try templates(&reader, "labels")
        guard labels["alertname"] == nil else {
            throw reader.error("labels", "sets alertname", allowed: "any label but alertname, which is the rule's name")
        }
        return AlertRule(
            id: id, group: group.name, name: name, expression: text, expressionPosition: reader.position("expr"),
            holdFor: holdFor, keepFiringFor: keep, limit: group.limit, labels: group.templates.merging(labels) { $1 },
            annotations: try templates(&reader, "annotations"))
    }

    private static func recordingRule(
        _ reader: inout ConfigReader, _ id: String, _ name: String, _ text: String, in group: GroupFields
    ) throws(ConfigError) -> RecordingRule {
        guard name.utf8.count <= Limits.labelValueBytes, !name.contains(where: { "{}".contains($0) }) else {
            throw reader.error("record", "is \"\(name.prefix(64))\"", allowed: "a metric's name")
        }
        var labels = group.labels
        for label in try reader.labels("labels")?.pairs ?? [] { labels[label.name] = label.value }
        guard labels["__name__"] == nil else {
            throw reader.error("labels", "sets __name__", allowed: "any label but __name__, which 'record' gives")
        }
        return RecordingRule(
            id: id, name: name, expression: text, expressionPosition: reader.position("expr"), labels: labels)
    }

    private static func templates(
        _ reader: inout ConfigReader, _ key: String
    ) throws(ConfigError) -> [String: AlertTemplate] {
        var templates: [String: AlertTemplate] = [:]
        for pair in try reader.labels(key)?.pairs ?? [] {
            templates[pair.name] = try template(pair.value, &reader, "\(key).\(pair.name)")
        }
        return templates
    }

    private static func template(
        _ text: String, _ reader: inout ConfigReader, _ key: String
    ) throws(ConfigError) -> AlertTemplate {
        do throws(AlertTemplateError) {
            return try AlertTemplate(text)
        } catch {
            throw ConfigError(
                position: reader.position(key), key: reader.path(key),
                problem: "has a template that cannot be used: \(error)", allowed: AlertTemplate.supported)
        }
    }
}
