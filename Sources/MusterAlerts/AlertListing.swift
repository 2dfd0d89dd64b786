import MusterModel

/// One line of `muster alerts`. The names of its fields are part of the public interface.
package struct AlertListing: Codable, Equatable, Sendable {
    package struct Escalation: Codable, Equatable, Sendable {
        /// From 1, the level that was told last; 0 when nobody was told yet.
        package var level: Int
        package var acknowledgedBy: String?

        package init(level: Int, acknowledgedBy: String?) {
            self.level = level
            self.acknowledgedBy = acknowledgedBy
        }

        package func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(level, forKey: .level)
            try fields.encode(acknowledgedBy, forKey: .acknowledgedBy)
        }
    }

    package var fingerprint: String
    package var labels: [String: String]
    package var annotations: [String: String]
    /// `pending`, `firing` or `resolved`.
    package var state: String
    /// RFC 3339.
    package var activeAt: String
    /// Null while the alert is pending.
    package var groupKey: String?
    package var receiver: String?
    package var escalation: Escalation

    /// Absent values are written as null: programs that read this see every field every time.
    package func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(fingerprint, forKey: .fingerprint)
        try fields.encode(labels, forKey: .labels)
        try fields.encode(annotations, forKey: .annotations)
        try fields.encode(state, forKey: .state)
        try fields.encode(activeAt, forKey: .activeAt)
        try fields.encode(groupKey, forKey: .groupKey)
        try fields.encode(receiver, forKey: .receiver)
        try fields.encode(escalation, forKey: .escalation)
    }

    init(_ alert: Alert, group: AlertGroup?) {
        fingerprint = alert.fingerprint.description
        labels = alert.labels.dictionary
        annotations = alert.annotations.dictionary
        state = alert.state.rawValue
        activeAt = alert.activeAt.description
        groupKey = group?.key
        receiver = group?.receiver.name
        let isTold = group?.logs.contains { $0 != nil } ?? false
        escalation = Escalation(level: isTold ? (group?.level ?? 0) + 1 : 0, acknowledgedBy: group?.acknowledgement?.by)
    }

    /// What is pending by the rules, then what is in the groups (an alert once for each group it is in).
    package static func all(rules: AlertRules, groups: AlertGroups) -> [AlertListing] {
        let pending = rules.alerts.filter { $0.state == .pending }.map { AlertListing($0, group: nil) }
        let grouped = groups.allGroups.flatMap { group in group.alerts.map { AlertListing($0, group: group) } }
        return pending + grouped
    }
}
