import Foundation
import MusterAlerts
import MusterModel

/// A world for one `AlertGroups`: a clock, a store that keeps what was persisted, and webhooks whose answers are set.
struct AlertWorld {
    enum Answer { case ok, busy, gone, silent }

    struct Sent: Equatable {
        let second: Int64
        let url: String
        let status: String
        let reason: String
        let firing: [String]
        let resolved: [String]
        let id: String
        /// `12 a firing x,y; resolved z (reason)`.
        var line: String {
            let ends = resolved.isEmpty ? "" : "; resolved \(resolved.joined(separator: ","))"
            return "\(second) \(url) \(status) \(firing.joined(separator: ","))\(ends) (\(reason))"
        }
    }

    static let start = Instant(seconds: 1_000_000)
    var config: AlertingConfig
    var groups: AlertGroups
    var store: [String: Data] = [:]
    var now = AlertWorld.start
    var answers: [String: Answer] = [:]
    var sent: [Sent] = []
    var delivered: [Sent] = []
    var deadLetters: [AlertGroups.DeadLetter] = []
    var refused = 0

    init(_ config: AlertingConfig) {
        self.config = config
        groups = AlertGroups(config)
    }

    var second: Int64 { (now - Self.start).nanoseconds / 1_000_000_000 }

    mutating func perform(_ effect: AlertGroups.Effect) throws {
        for change in effect.persist {
            switch change {
            case .put(let group): store[group.key] = try JSONEncoder().encode(group)
            case .remove(let key): store[key] = nil
            }
        }
        deadLetters += effect.deadLetters
        refused += effect.refusedAlerts
        for notification in effect.send { try send(notification) }
    }

    private mutating func send(_ notification: AlertGroups.Notification) throws {
        func names(_ status: WebhookMessage.Status) -> [String] {
            notification.message.alerts.filter { $0.status == status }.map { $0.labels["n"] ?? "?" }.sorted()
        }
        let record = Sent(
            second: second, url: notification.url, status: notification.message.status.rawValue,
            reason: notification.message.notificationReason, firing: names(.firing), resolved: names(.resolved),
            id: notification.id)
        sent.append(record)
        switch answers[notification.url] ?? .ok {
        case .ok:
            delivered.append(record)
            try perform(groups.delivered(notification.id, now: now))
        case .busy: try perform(groups.failed(notification.id, reason: "HTTP 503", now: now))
        case .gone: try perform(groups.failed(notification.id, reason: "HTTP 404", isPermanent: true, now: now))
        case .silent: break
        }
    }

    /// Moves the clock, waking the machine when it asks for it.
    mutating func run(to second: Int64) throws {
        let end = Self.start + .seconds(second)
        while let wake = groups.wakeAt, wake <= end {
            now = max(now, wake)
            try perform(groups.tick(now: now))
        }
        now = end
    }

    func alert(_ name: String, _ state: Alert.State, _ labels: Labels = [:]) -> Alert {
        Alert(
            rule: "r", labels: (["alertname": "Down", "n": name] as Labels).merging(labels),
            annotations: ["summary": name],
            value: 1, state: state, activeAt: now, startsAt: now, endsAt: state == .resolved ? now : nil)
    }

    mutating func fire(_ names: String...) throws {
        try perform(groups.alertsChanged(names.map { alert($0, .firing) }, now: now))
    }

    mutating func resolve(_ names: String...) throws {
        try perform(groups.alertsChanged(names.map { alert($0, .resolved) }, now: now))
    }

    /// kill -9 and a new process: all that is left is what was stored.
    mutating func crash() throws {
        let records = try store.values.map { try JSONDecoder().decode(AlertGroup.self, from: $0) }
        groups = AlertGroups(config, restoring: records.sorted { $0.key < $1.key })
        try perform(groups.tick(now: now))
    }

    var key: String { groups.allGroups.first?.key ?? "" }
    var lines: [String] { sent.map(\.line) }

    static func config(
        _ levels: [AlertReceiver.Level] = [AlertReceiver.Level(webhooks: ["a"])], repeats: Int = 0,
        wait: Int64 = 10, interval: Int64 = 60, again: Int64 = 600
    ) -> AlertingConfig {
        AlertingConfig(
            route: AlertRoute(
                receiver: "team", groupBy: .labels(["alertname"]), groupWait: .seconds(wait),
                groupInterval: .seconds(interval), repeatInterval: .seconds(again)),
            receivers: [
                AlertReceiver(name: "team", levels: levels, repeatTimes: repeats, repeatAfter: .seconds(100))
            ])
    }

    static let twoLevels = config([
        AlertReceiver.Level(webhooks: ["a"]), AlertReceiver.Level(webhooks: ["b"], after: .seconds(300)),
    ])
}
