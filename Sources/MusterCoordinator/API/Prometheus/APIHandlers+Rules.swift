import MusterAlerts
import MusterModel

/// `/api/v1/rules` and `/api/v1/alerts`.
extension APIHandlers {
    func ruleGroups(_ call: APICall) throws(APIError) -> [UInt8] {
        let type = call.query["type"] ?? ""
        guard ["", "alert", "record"].contains(type) else {
            throw .badRequest("not supported value \"\(type.prefix(50))\"", hint: "type=alert or type=record")
        }
        let filter = RuleFilter(call, type: type)
        let states = alerts.states
        var json = PrometheusJSON()
        json.raw("{\"groups\":")
        json.list(rules.groups.filter { filter.includes($0.group) }) { json, status in
            Self.group(status, filter, states, &json)
        }
        json.raw("}")
        return PrometheusJSON.success(json.bytes)
    }

    func prometheusAlerts() -> [UInt8] {
        let states = alerts.states
        var json = PrometheusJSON()
        json.raw("{\"alerts\":")
        json.list(states.alerts) { Self.alert($1, &$0) }
        json.raw("}")
        return PrometheusJSON.success(json.bytes)
    }

    /// Which rules the request is about.
    private struct RuleFilter {
        let type: String
        let groups: Set<String>
        let files: Set<String>
        let names: Set<String>

        init(_ call: APICall, type: String) {
            self.type = type
            func values(_ name: String) -> Set<String> {
                Set(call.parameters.filter { $0.name == name }.map(\.value))
            }
            groups = values("rule_group[]")
            files = values("file[]")
            names = values("rule_name[]")
        }

        func includes(_ group: RuleGroup) -> Bool {
            (groups.isEmpty || groups.contains(group.name)) && (files.isEmpty || files.contains(group.file))
                && (type.isEmpty && names.isEmpty || group.rules.contains(where: includes))
        }

        func includes(_ rule: Rule) -> Bool {
            guard names.isEmpty || names.contains(rule.name) else { return false }
            switch rule {
            case .alert: return type != "record"
            case .recording: return type != "alert"
            }
        }
    }

    private static func group(
        _ status: RuleRunner.GroupStatus, _ filter: RuleFilter, _ states: AlertRules, _ json: inout PrometheusJSON
    ) {
        json.raw("{\"name\":")
        json.string(status.group.name)
        json.raw(",\"file\":")
        json.string(status.group.file)
        json.raw(",\"rules\":")
        let rules = zip(status.group.rules, status.rules).filter { filter.includes($0.0) }
        json.list(rules) { json, pair in rule(pair.0, pair.1, states, &json) }
        json.raw(",\"interval\":\(status.group.interval.inSeconds),\"limit\":\(status.group.limit)")
        json.raw(",\"missedIterations\":\(status.missed)")
        evaluation(status.evaluatedAt, status.duration, &json)
        json.raw("}")
    }

    private static func rule(
        _ rule: Rule, _ status: RuleRunner.RuleStatus, _ states: AlertRules, _ json: inout PrometheusJSON
    ) {
        json.raw("{")
        switch rule {
        case .alert(let alert):
            let alerts = states.alerts(of: alert.id)
            let worst = alerts.contains { $0.state == .firing } ? "firing" : alerts.isEmpty ? "inactive" : "pending"
            json.raw("\"state\":\"\(worst)\",\"name\":")
            json.string(alert.name)
            json.raw(",\"query\":")
            json.string(alert.expression)
            json.raw(",\"duration\":\(alert.holdFor.inSeconds),\"keepFiringFor\":\(alert.keepFiringFor.inSeconds)")
            json.raw(",\"labels\":")
            json.labels(Labels(alert.labels.mapValues(\.source)))
            json.raw(",\"annotations\":")
            json.labels(Labels(alert.annotations.mapValues(\.source)))
            json.raw(",\"alerts\":")
            json.list(alerts) { Self.alert($1, &$0) }
        case .recording(let recording):
            json.raw("\"name\":")
            json.string(recording.name)
            json.raw(",\"query\":")
            json.string(recording.expression)
            if !recording.labels.isEmpty {
                json.raw(",\"labels\":")
                json.labels(recording.labels)
            }
        }
        let isAsked = status.evaluatedAt != nil
        json.raw(",\"health\":\"\(status.problem != nil ? "err" : isAsked ? "ok" : "unknown")\"")
        if let problem = status.problem {
            json.raw(",\"lastError\":")
            json.string(problem)
        }
        evaluation(status.evaluatedAt, status.duration, &json)
        if case .alert = rule { json.raw(",\"type\":\"alerting\"}") } else { json.raw(",\"type\":\"recording\"}") }
    }

    private static func evaluation(_ at: Instant?, _ duration: Duration, _ json: inout PrometheusJSON) {
        json.raw(",\"evaluationTime\":\(duration.inSeconds)")
        json.raw(",\"lastEvaluation\":\"\(at?.description ?? "0001-01-01T00:00:00Z")\"")
    }

    private static func alert(_ alert: Alert, _ json: inout PrometheusJSON) {
        json.raw("{\"labels\":")
        json.labels(alert.labels)
        json.raw(",\"annotations\":")
        json.labels(alert.annotations)
        json.raw(",\"state\":\"\(alert.state.rawValue)\",\"activeAt\":\"\(alert.activeAt)\",\"value\":")
        json.string(alert.value.exponential)
        json.raw("}")
    }
}

extension Duration {
    fileprivate var inSeconds: String { GoFloat.json(Double(nanoseconds) / 1e9) }
}

extension Double {
    /// Go's `%e` with the shortest digits: `1e+00`, `2.5e-01`; how Prometheus writes an alert's value.
    fileprivate var exponential: String { GoFloat.scientific(self) }
}
