import MusterModel

/// The stored state of one group: its alerts, its timers, what was sent to whom, and what still has to be. It is
/// written whole, under its key, whenever an effect says so.
///
/// The incident lives from the first alert to the flush that tells of the last one's end; the record outlives it only
/// while messages wait to be delivered. Route and receiver are copied in when the incident begins, so that a change of
/// the configuration never loses an end that somebody has to hear of.
package struct AlertGroup: Codable, Equatable, Sendable {
    /// What one level of the receiver was told last.
    struct LevelLog: Codable, Equatable, Sendable {
        /// In order.
        var firing: [Fingerprint]
        @Stored var sentAt: Instant
        /// Whether any webhook of the level took any message of this incident.
        var isHeard: Bool
    }

    /// The messages for one webhook of one level: the one that goes out, and the one that goes out after it. A newer
    /// message replaces a waiting one, so a receiver that comes back hears the present and not the history.
    struct Slot: Codable, Equatable, Sendable {
        var level: Int
        var url: String
        var current: Pending
        var next: Pending?
    }

    struct Pending: Codable, Equatable, Sendable {
        var id: String
        var message: WebhookMessage
        /// Tries that failed.
        var attempts: Int
        @Stored var createdAt: Instant
        @Stored var tryAt: Instant
    }

    struct Acknowledgement: Codable, Equatable, Sendable {
        var by: String
        @Stored var at: Instant
    }

    package let key: String
    package internal(set) var receiver: AlertReceiver
    @Stored var groupLabels: Labels
    var groupInterval: Duration
    var repeatInterval: Duration
    /// When the incident began; a part of the ids of its notifications.
    @Stored var startedAt: Instant
    /// In order of their fingerprints.
    var alerts: [Alert]
    /// Nil when there is no incident.
    @Stored var flushAt: Instant?
    /// By level; nil for levels that were not told of this incident.
    var logs: [LevelLog?]
    /// The level that was told last, in this round.
    var level = 0
    var round = 1
    /// When the next level is told unless somebody acknowledges; nil when there is none, or somebody did.
    @Stored var escalateAt: Instant?
    var acknowledgement: Acknowledgement?
    var slots: [Slot] = []
    var notifications = 0

    init(key: String, route: AlertRoute, receiver: AlertReceiver, groupLabels: Labels, now: Instant) {
        self.key = key
        self.receiver = receiver
        self.groupLabels = groupLabels
        groupInterval = route.groupInterval
        repeatInterval = route.repeatInterval
        startedAt = now
        alerts = []
        flushAt = now + route.groupWait
        logs = Array(repeating: nil, count: receiver.levels.count)
        escalateAt = nil
    }

    var isFiring: Bool { alerts.contains { $0.state == .firing } }
    var isOver: Bool { alerts.isEmpty && slots.isEmpty }
    var hasIncident: Bool { flushAt != nil }

    /// The earliest of everything the group waits for.
    func wakeAt(inFlight: Set<String>) -> Instant? {
        var earliest = flushAt
        if let escalateAt, isFiring { earliest = min(earliest ?? escalateAt, escalateAt) }
        for slot in slots where !inFlight.contains(slot.current.id) {
            earliest = min(earliest ?? slot.current.tryAt, slot.current.tryAt)
        }
        return earliest
    }

    func index(of fingerprint: Fingerprint) -> (index: Int, isPresent: Bool) {
        var low = 0
        var high = alerts.count
        while low < high {
            let middle = (low + high) / 2
            if alerts[middle].fingerprint < fingerprint { low = middle + 1 } else { high = middle }
        }
        return (low, low < alerts.count && alerts[low].fingerprint == fingerprint)
    }
}
