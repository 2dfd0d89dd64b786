package import MusterModel

extension OTLPLogs {
    /// As a store takes it: one stream for each scope of a resource.
    ///
    /// Labels are what tells who speaks (`OTLPLogLabels`); all other attributes of the resource, those of the scope,
    /// `scope_name` and `scope_version` are fields of the stream. Attributes of a record are fields of its entry, and
    /// behind them what else a record says, where it says it: `event_name`, `severity_text`, `trace_id`, `span_id`,
    /// `flags`, `dropped_attributes_count`, and `observed_timestamp` (nanoseconds) when it differs from the time.
    /// Values that are no texts become JSON.
    ///
    /// The time is that of the event, else that of its observation, else `now`. A severity that is said only in words
    /// is looked up (`OTLPSeverity`).
    package func pushed(now: Instant) -> PushedLogs {
        var logs = PushedLogs()
        for resource in resources {
            let isLabel = resource.attributes.map { OTLPLogLabels.isLabel($0.key) }
            let named = zip(resource.attributes, isLabel)
            let labels = OTLPLogLabels.labels(of: named.filter { $0.1 }.map(\.0))
            let rest = named.filter { !$0.1 }.map { PushedLogs.Field($0.0.key, $0.0.value.text) }
            for scope in resource.scopes {
                var stream = LogStreamReading()
                for record in scope.records { record.add(to: &stream, now: now) }
                stream.finish(labels, fields: rest + scope.fields, into: &logs)
            }
        }
        return logs
    }
}

extension OTLPLogs.Scope {
    fileprivate var fields: [PushedLogs.Field] {
        var fields = attributes.map { PushedLogs.Field($0.key, $0.value.text) }
        if !name.isEmpty { fields.append(PushedLogs.Field(OTLPLogFields.scopeName, name)) }
        if !version.isEmpty { fields.append(PushedLogs.Field(OTLPLogFields.scopeVersion, version)) }
        return fields
    }
}

extension OTLPLogs.Record {
    fileprivate func add(to stream: inout LogStreamReading, now: Instant) {
        let said = time != 0 ? time : observed
        guard let nanoseconds = said == 0 ? now.nanoseconds : Int64(exactly: said) else {
            return stream.refuse(.timeOutOfRange, "a record of \(said) nanoseconds since 1970; times are up to 2262")
        }
        let number = severity != 0 ? severity : OTLPSeverity.number(severityText)
        stream.add(
            PushedLogs.Entry(
                time: Instant(nanoseconds: nanoseconds), severity: number, line: body,
                fields: attributes.map { PushedLogs.Field($0.key, $0.value.text) } + furtherFields))
    }

    private var furtherFields: [PushedLogs.Field] {
        var fields: [PushedLogs.Field] = []
        let add = { (name: String, value: String) in
            if !value.isEmpty { fields.append(PushedLogs.Field(name, value)) }
        }
        add(OTLPLogFields.eventName, eventName)
        add(OTLPLogFields.severityText, severityText)
        add(OTLPLogFields.traceID, OTLPTraceID.text(traceID))
        add(OTLPLogFields.spanID, OTLPTraceID.text(spanID))
        add(OTLPLogFields.flags, flags == 0 ? "" : "\(flags)")
        add(OTLPLogFields.droppedAttributes, droppedAttributes == 0 ? "" : "\(droppedAttributes)")
        let isObservedLater = time != 0 && observed != 0 && observed != time
        add(OTLPLogFields.observed, isObservedLater ? "\(observed)" : "")
        return fields
    }
}

/// Fields with a place of their own in a record or a scope.
enum OTLPLogFields {
    static let scopeName = "scope_name"
    static let scopeVersion = "scope_version"
    static let eventName = "event_name"
    static let severityText = "severity_text"
    static let traceID = "trace_id"
    static let spanID = "span_id"
    static let flags = "flags"
    static let droppedAttributes = "dropped_attributes_count"
    static let observed = "observed_timestamp"
}

/// Which attributes of a resource become labels of its streams, dots to underscores: `service.name`,
/// `service.namespace`, `service.instance.id`, `deployment.environment` in its old and its new name, `host.name` and
/// every `k8s.<kind>.name`.
package enum OTLPLogLabels {
    private static let attributes = [
        "service.name", "service.namespace", "service.instance.id", "deployment.environment",
        "deployment.environment.name", "host.name",
    ]
    private static let attributesByLabel = Dictionary(
        uniqueKeysWithValues: attributes.map { (OTLPNames.label($0) ?? $0, $0) })

    /// What a service without a name is called, by OpenTelemetry's semantic conventions; a stream has a label.
    package static let unknownService = "unknown_service"

    package static func isLabel(_ attribute: String) -> Bool {
        attributes.contains(attribute) || kind(attribute, separator: ".") != nil
    }

    /// The attribute that became a label, for the way back; nil for a label that came from elsewhere.
    package static func attribute(label: String) -> String? {
        attributesByLabel[label] ?? kind(label, separator: "_").map { "k8s.\($0).name" }
    }

    /// `attributes` are those that become labels; of two with one name the later counts.
    static func labels(of attributes: [OTLPAttribute]) -> Result<Labels, LogRefusal> {
        var labels = Labels(attributes.map { (OTLPNames.label($0.key) ?? $0.key, $0.value.text) })
        if labels.pairs.allSatisfy({ $0.value.isEmpty }) { labels = ["service_name": unknownService] }
        do throws(LogRefusal) {
            return .success(try LogStreamLabels.checked(labels.pairs.map { ($0.name, $0.value) }))
        } catch {
            return .failure(error)
        }
    }

    /// `pod` of `k8s.pod.name`: letters and digits.
    private static func kind(_ name: String, separator: String) -> String? {
        let prefix = "k8s" + separator
        let suffix = separator + "name"
        guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.utf8.count > prefix.utf8.count + suffix.utf8.count
        else { return nil }
        let kind = name.dropFirst(prefix.count).dropLast(suffix.count)
        return kind.utf8.allSatisfy { ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 } ? String(kind) : nil
    }
}
