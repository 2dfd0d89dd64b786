import HeapModule
package import MusterModel

/// Groups alerts by route, decides when whom to tell what, escalates what nobody acknowledges, and keeps every message
/// until it is delivered.
///
/// Transitions of a group:
///
///     (none) --alert fires--------------------------------> waiting for group_wait
///     waiting, open --flush, something is new-------------> open; message to every level told so far, or the first
///     open --flush, repeat_interval has passed------------> open; the same message again, unless acknowledged
///     open --escalateAt, something fires, not acknowledged-> open, next level told (after the last: the first again)
///     open --acknowledged---------------------------------> open; no escalation, no repeats; new alerts are still told
///     open --flush, nothing fires any more----------------> delivering; every level that was told hears "resolved"
///     waiting --flush, nothing fires any more-------------> (none); nobody was told, nobody is
///     delivering --last message delivered or given up-----> (none)
///     delivering --alert fires----------------------------> waiting for group_wait, a new incident
///
/// and of the messages of one webhook:
///
///     waiting --tick--> in flight --delivered--> (gone, or the next one is waiting)
///     in flight --failed--> waiting, later --failed for good, or for 24 hours--> (gone), reported
///     waiting --newer message--> replaced; in flight --newer message--> the newer one follows
package struct AlertGroups: Sendable {
    /// One message to be sent now.
    package struct Notification: Equatable, Sendable {
        /// Stable over crashes, unique in the life of the fleet. Also in the message as `notificationId`.
        package let id: String
        package let groupKey: String
        package let receiver: String
        package let url: String
        /// From 1.
        package let level: Int
        /// From 1.
        package let attempt: Int
        package let message: WebhookMessage
    }

    package enum GroupChange: Equatable, Sendable {
        case put(AlertGroup)
        /// The group is over; its record may be deleted.
        case remove(key: String)

        package var key: String {
            switch self {
            case .put(let group): group.key
            case .remove(let key): key
            }
        }
    }

    /// A message that was given up.
    package struct DeadLetter: Equatable, Sendable {
        package let id: String
        package let groupKey: String
        package let receiver: String
        package let url: String
        package let reason: String
    }

    /// What follows from an event, in the order in which it has to be done: `persist` in one transaction, then `send`.
    package struct Effect: Equatable, Sendable {
        package var persist: [GroupChange] = []
        package var send: [Notification] = []
        package var deadLetters: [DeadLetter] = []
        /// Alerts that found no room. They are offered again by the next `reconciled`.
        package var refusedAlerts = 0

        package init() {}
    }

    package enum AcknowledgeError: Error, Equatable, CustomStringConvertible {
        case unknownGroup(String)
        case alreadyAcknowledged(by: String)

        package var description: String {
            switch self {
            case .unknownGroup(let key): "no alert group \"\(key)\" is firing; muster alerts lists the groups"
            case .alreadyAcknowledged(let by): "the group is already acknowledged by \(by)"
            }
        }
    }

    private struct Wake: Comparable {
        let at: Instant
        let key: String
        static func < (a: Wake, b: Wake) -> Bool { (a.at, a.key) < (b.at, b.key) }
    }

    var config: AlertingConfig
    private var groups: [String: AlertGroup] = [:]
    private var membership: [Fingerprint: Set<String>] = [:]
    /// Stale entries are harmless: a group that is woken early looks at its own deadlines.
    private var wakes = Heap<Wake>()
    /// Not stored: after a crash nothing is in flight, and what was is sent again under its id.
    var inFlight: Set<String> = []
    private var slotOwners: [String: String] = [:]

    /// `restoring` are the records of an earlier process. Its deadlines stand; call `tick` at once.
    package init(_ config: AlertingConfig, restoring records: [AlertGroup] = []) {
        self.config = config
        for group in records {
            groups[group.key] = group
            index(group)
            schedule(group)
        }
    }

    // MARK: Events

    /// What `AlertRules` gave out: alerts that fire, or are resolved.
    package mutating func alertsChanged(_ alerts: [Alert], now: Instant) -> Effect {
        var effect = Effect()
        var touched: Set<String> = []
        for alert in alerts {
            switch alert.state {
            case .firing: fired(alert, now, &touched, &effect)
            case .resolved: resolved(alert, &touched)
            case .pending: break
            }
        }
        return finish(touched, now, effect)
    }

    /// Every alert that fires, whole: what is missing is added and what fires no more is resolved. For the time after a
    /// restart, and now and then, so that nothing that was lost stays lost.
    package mutating func reconciled(firing: [Alert], now: Instant) -> Effect {
        let present = Set(firing.map(\.fingerprint))
        var gone: [Alert] = []
        for (fingerprint, keys) in membership where !present.contains(fingerprint) {
            guard let key = keys.first, let group = groups[key] else { continue }
            let place = group.index(of: fingerprint)
            guard place.isPresent, group.alerts[place.index].state == .firing else { continue }
            var alert = group.alerts[place.index]
            alert.state = .resolved
            alert.endsAt = now
            gone.append(alert)
        }
        return alertsChanged(firing + gone.sorted { $0.fingerprint < $1.fingerprint }, now: now)
    }

    /// The configuration changed. Incidents that run keep what they began with.
    package mutating func configured(_ config: AlertingConfig) { self.config = config }

    /// Time passed.
    package mutating func tick(now: Instant) -> Effect {
        var effect = Effect()
        var due: Set<String> = []
        while let wake = wakes.min, wake.at <= now {
            due.insert(wakes.removeMin().key)
        }
        var touched: Set<String> = []
        for key in due.sorted() {
            guard var group = groups[key] else { continue }
            let before = group
            if let flushAt = group.flushAt, flushAt <= now { flush(&group, flushAt, now) }
            // An alert that ended and was not told yet may fire again: until the flush the climb only waits.
            if let escalateAt = group.escalateAt, escalateAt <= now, group.isFiring { escalate(&group, now) }
            expire(&group, now, &effect)
            groups[key] = group
            if group != before { touched.insert(key) }
            reindex(before, group)
        }
        return finish(touched.union(due), persisting: touched, now, effect)
    }

    /// A webhook answered 2xx.
    package mutating func delivered(_ id: String, now: Instant) -> Effect {
        settle(id, now) { group, index, _ in
            let slot = group.slots[index]
            // A message of the incident before says nothing of who hears this one.
            if slot.level < group.logs.count, slot.current.createdAt >= group.startedAt {
                group.logs[slot.level]?.isHeard = true
            }
            AlertGroups.advance(&group, index, isDelivered: true, now)
        }
    }

    /// A webhook did not take a message. `isPermanent`: it never will (4xx other than 408 and 429, a URL that cannot
    /// be used). `retryAfter` is what the receiver asked for.
    package mutating func failed(
        _ id: String, reason: String, isPermanent: Bool = false, retryAfter: Duration? = nil, now: Instant
    ) -> Effect {
        settle(id, now) { group, index, effect in
            let slot = group.slots[index]
            if isPermanent {
                effect.deadLetters.append(AlertGroups.deadLetter(group, slot, reason))
                AlertGroups.advance(&group, index, isDelivered: false, now)
                AlertGroups.escalateIfDeaf(&group, slot.level, now)
            } else if slot.next != nil {
                AlertGroups.advance(&group, index, isDelivered: false, now)
            } else {
                let attempts = slot.current.attempts + 1
                let wait = max(AlertGroups.backoff(attempts), retryAfter ?? .zero)
                group.slots[index].current.attempts = attempts
                group.slots[index].current.tryAt = now + min(wait, AlertLimits.deliveryLifetime)
            }
        }
    }

    /// Somebody takes care of a group: it is not escalated or repeated any further.
    package mutating func acknowledged(
        _ key: String, by person: String, now: Instant
    ) throws(AcknowledgeError) -> Effect {
        guard var group = groups[key], group.hasIncident, group.isFiring else { throw .unknownGroup(key) }
        if let known = group.acknowledgement { throw .alreadyAcknowledged(by: known.by) }
        group.acknowledgement = AlertGroup.Acknowledgement(by: person, at: now)
        group.escalateAt = nil
        groups[key] = group
        return finish([key], now, Effect())
    }

    /// Nobody takes care of the group any more: escalation goes on from the level it stood at.
    package mutating func acknowledgementWithdrawn(_ key: String, now: Instant) throws(AcknowledgeError) -> Effect {
        guard var group = groups[key], group.hasIncident else { throw .unknownGroup(key) }
        guard group.acknowledgement != nil else { return Effect() }
        group.acknowledgement = nil
        if group.logs.contains(where: { $0 != nil }) {
            group.escalateAt = AlertGroups.nextEscalation(of: group, from: now)
        }
        groups[key] = group
        return finish([key], now, Effect())
    }

    // MARK: Reading

    /// When `tick` has something to do; nil when nothing waits.
    package var wakeAt: Instant? { wakes.min?.at }

    /// In order of their keys.
    package var allGroups: [AlertGroup] { groups.values.sorted { $0.key < $1.key } }

    package func group(_ key: String) -> AlertGroup? { groups[key] }

    /// The groups a fingerprint belongs to, in order: what `muster alerts ack FINGERPRINT` means.
    package func groupKeys(of fingerprint: Fingerprint) -> [String] { (membership[fingerprint] ?? []).sorted() }

    // MARK: Alerts in and out

    private mutating func fired(_ alert: Alert, _ now: Instant, _ touched: inout Set<String>, _ effect: inout Effect) {
        if let keys = membership[alert.fingerprint] {
            for key in keys { update(alert, in: key, &touched) }
            return
        }
        for route in config.route.matches(alert.labels) {
            guard let receiver = config.receivers[route.receiver] else { continue }
            let labels = route.groupBy.groupLabels(of: alert.labels)
            let key = "\(route.path):\(labels)"
            guard groups[key] != nil || groups.count < AlertLimits.groupsMax else {
                effect.refusedAlerts += 1
                continue
            }
            guard (groups[key]?.alerts.count ?? 0) < AlertLimits.alertsPerGroup else {
                effect.refusedAlerts += 1
                continue
            }
            // Taken out while it changes, so that its alerts are not copied for each one that joins.
            var group =
                groups.removeValue(forKey: key)
                ?? AlertGroup(key: key, route: route, receiver: receiver, groupLabels: labels, now: now)
            if !group.hasIncident { Self.begin(&group, route, receiver, now) }
            group.alerts.insert(alert, at: group.index(of: alert.fingerprint).index)
            groups[key] = group
            membership[alert.fingerprint, default: []].insert(key)
            touched.insert(key)
        }
    }

    /// Values and annotations change with every evaluation and are stored with whatever is stored next; only an alert
    /// that fires again before its end was told is worth a write of its own.
    private mutating func update(_ alert: Alert, in key: String, _ touched: inout Set<String>) {
        guard let place = groups[key]?.index(of: alert.fingerprint), place.isPresent else { return }
        if groups[key]?.alerts[place.index].state != .firing { touched.insert(key) }
        groups[key]?.alerts[place.index] = alert
    }

    private mutating func resolved(_ alert: Alert, _ touched: inout Set<String>) {
        for key in membership[alert.fingerprint] ?? [] {
            guard let place = groups[key]?.index(of: alert.fingerprint), place.isPresent,
                groups[key]?.alerts[place.index].state == .firing
            else { continue }
            groups[key]?.alerts[place.index] = alert
            touched.insert(key)
        }
    }

    /// The record of the incident before waits only for deliveries; what follows is a new one.
    private static func begin(_ group: inout AlertGroup, _ route: AlertRoute, _ receiver: AlertReceiver, _ now: Instant)
    {
        let slots = group.slots
        let labels = group.groupLabels
        let notifications = group.notifications
        group = AlertGroup(key: group.key, route: route, receiver: receiver, groupLabels: labels, now: now)
        group.slots = slots
        group.notifications = notifications
    }

    // MARK: Bookkeeping

    /// Sends what is due in the groups that were touched, then lists every one of them that has to be stored.
    private mutating func finish(
        _ touched: Set<String>, persisting: Set<String>? = nil, _ now: Instant, _ effect: Effect
    ) -> Effect {
        var effect = effect
        for key in touched.sorted() {
            guard let group = groups[key] else { continue }
            if persisting?.contains(key) ?? true {
                effect.persist.append(group.isOver ? .remove(key: key) : .put(group))
            }
            if group.isOver {
                groups[key] = nil
                continue
            }
            for slot in group.slots where slot.current.tryAt <= now && !inFlight.contains(slot.current.id) {
                inFlight.insert(slot.current.id)
                slotOwners[slot.current.id] = key
                effect.send.append(
                    Notification(
                        id: slot.current.id, groupKey: key, receiver: slot.current.message.receiver, url: slot.url,
                        level: slot.level + 1, attempt: slot.current.attempts + 1, message: slot.current.message))
            }
            schedule(group)
        }
        return effect
    }

    private mutating func settle(
        _ id: String, _ now: Instant, _ change: (inout AlertGroup, Int, inout Effect) -> Void
    ) -> Effect {
        var effect = Effect()
        guard inFlight.remove(id) != nil, let key = slotOwners.removeValue(forKey: id), var group = groups[key],
            let index = group.slots.firstIndex(where: { $0.current.id == id })
        else { return effect }
        change(&group, index, &effect)
        groups[key] = group
        return finish([key], now, effect)
    }

    private mutating func index(_ group: AlertGroup) {
        for alert in group.alerts { membership[alert.fingerprint, default: []].insert(group.key) }
    }

    private mutating func reindex(_ before: AlertGroup, _ after: AlertGroup) {
        guard before.alerts.count != after.alerts.count else { return }
        for alert in before.alerts where !after.index(of: alert.fingerprint).isPresent {
            membership[alert.fingerprint]?.remove(before.key)
            if membership[alert.fingerprint]?.isEmpty == true { membership[alert.fingerprint] = nil }
        }
    }

    private mutating func schedule(_ group: AlertGroup) {
        guard let at = group.wakeAt(inFlight: inFlight) else { return }
        wakes.insert(Wake(at: at, key: group.key))
        // Stale wakes pile up when groups are touched often; the heap is then made anew from the groups.
        guard wakes.count > 4 * groups.count + 1_024 else { return }
        wakes = Heap(
            groups.values.compactMap { group in
                group.wakeAt(inFlight: inFlight).map { Wake(at: $0, key: group.key) }
            })
    }
}
