/// The body of a webhook call: version 4 of Alertmanager's, field for field, and what escalation adds. Receivers that
/// know only Alertmanager's fields ignore the rest.
package struct WebhookMessage: Codable, Equatable, Sendable {
    package enum Status: String, Codable, Sendable {
        case firing, resolved
    }

    package struct Alert: Codable, Equatable, Sendable {
        package var status: Status
        package var labels: [String: String]
        package var annotations: [String: String]
        /// RFC 3339.
        package var startsAt: String
        /// RFC 3339; `0001-01-01T00:00:00Z` while the alert fires.
        package var endsAt: String
        package var generatorURL: String
        package var fingerprint: String
    }

    package struct Escalation: Codable, Equatable, Sendable {
        /// From 1.
        package var level: Int
        package var levels: Int
        /// From 1; higher when the levels are gone through again.
        package var round: Int
        /// Null while nobody has acknowledged.
        package var acknowledgedBy: String?

        package init(level: Int, levels: Int, round: Int, acknowledgedBy: String?) {
            self.level = level
            self.levels = levels
            self.round = round
            self.acknowledgedBy = acknowledgedBy
        }
    }

    package var version = "4"
    package var groupKey: String
    /// Alerts that are not listed because the message would be too large.
    package var truncatedAlerts: Int
    package var status: Status
    package var receiver: String
    package var groupLabels: [String: String]
    package var commonLabels: [String: String]
    package var commonAnnotations: [String: String]
    package var routeLabels: [String: String]
    package var externalURL: String
    package var alerts: [Alert]
    package var notificationReason: String
    /// The same for every copy of one notification: what a receiver compares to tell a second copy from a second
    /// incident.
    package var notificationID: String
    package var escalation: Escalation

    package enum CodingKeys: String, CodingKey {
        case version, groupKey, truncatedAlerts, status, receiver, groupLabels, commonLabels, commonAnnotations
        case routeLabels, externalURL, alerts, escalation
        case notificationReason = "notification_reason"
        case notificationID = "notificationId"
    }
}

/// Why a notification is sent; Alertmanager's words where it has one.
package enum NotificationReason: String, Codable, Sendable {
    case firstNotification = "first notification"
    case newAlerts = "new alerts added"
    case someResolved = "some alerts resolved"
    case allResolved = "all alerts resolved"
    case repeated = "repeat interval elapsed"
    case escalated = "escalated"
}
