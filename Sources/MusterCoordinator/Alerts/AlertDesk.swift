import Foundation
package import Logging
package import MusterAlerts
package import MusterControlStore
package import MusterModel
package import MusterTransport
import Synchronization

/// The loop that owns the alert machines: it hears what rules gave (`RuleRunner`), stores what the machines decide, and
/// only then sends it.
package final class AlertDesk: Sendable {
    /// Events that may wait; beyond them whoever asks is told to come back.
    package static let inboxEvents = 4_096
    private static let pulse = Duration.milliseconds(100)
    /// How often the store learns that somebody evaluates; bounds what is known of an outage.
    private static let aliveInterval = Duration.seconds(15)
    private static let reconcileInterval = Duration.minutes(1)
    package static let webhookTimeout = Duration.seconds(10)
    /// How often the log says of the same key that it cannot be stored.
    static let complaintInterval = Duration.minutes(1)
    private static let complaintsMax = 1_000

    package enum Event: Sendable {
        case pulse
        case delivered(String)
        case failed(String, reason: String, isPermanent: Bool)
        case acknowledge(Fingerprint, by: String, reply: @Sendable (Result<Void, APIError>) -> Void)
        /// What the expression of a rule gave.
        case evaluated(String, [(Labels, Double)], at: Instant, taken: @Sendable () -> Void)
        case evaluationFailed(String, reason: String)
    }

    private let config: AlertingConfig
    private let rules: [AlertRule]
    private let store: any ControlStore
    private let webhooks: WebhookSender
    private let clock: MachineClock
    private let logger: Logger
    private let events: AsyncStream<Event>
    private let inbox: AsyncStream<Event>.Continuation
    /// At most one pulse waits: a desk that is held up must not fill its inbox with them.
    private let isPulseWaiting = Mutex(false)
    private let listing = Mutex<[AlertListing]>([])
    private let ruleStates = Mutex(AlertRules([]))
    /// When the log last said of a key that it cannot be stored.
    private let complaints = Mutex<[String: Instant]>([:])

    package init(
        config: AlertingConfig, rules: [AlertRule], store: any ControlStore, webhooks: WebhookSender,
        clock: MachineClock, logger: Logger
    ) {
        self.config = config
        self.rules = rules
        self.store = store
        self.webhooks = webhooks
        self.clock = clock
        self.logger = logger
        (events, inbox) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.inboxEvents))
    }

    /// Pending and firing alerts as of the last event.
    package var alerts: [AlertListing] { listing.withLock { $0 } }
    /// What each rule's alerts are as of the last event.
    package var states: AlertRules { ruleStates.withLock { $0 } }

    /// Returns when the results were taken over, so that a fast rule cannot fill the inbox.
    package func evaluated(_ rule: String, _ results: [(Labels, Double)], at: Instant) async {
        await withCheckedContinuation { continuation in
            let outcome = inbox.yield(.evaluated(rule, results, at: at) { continuation.resume() })
            guard case .enqueued = outcome else { return continuation.resume() }
        }
    }

    package func evaluationFailed(_ rule: String, reason: String) {
        inbox.yield(.evaluationFailed(rule, reason: reason))
    }

    package func acknowledge(_ fingerprint: Fingerprint, by person: String) async throws(APIError) {
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<Void, APIError>, Never>) in
            let outcome = inbox.yield(
                .acknowledge(fingerprint, by: person) { continuation.resume(returning: $0) })
            guard case .enqueued = outcome else {
                continuation.resume(returning: .failure(APIError(503, "overloaded", "too much waits to be decided")))
                return
            }
        }
        try result.get()
    }

    // MARK: The loop

    package func run() async throws {
        var machines = try await restore()
        await withDiscardingTaskGroup { group in
            group.addTask { [inbox] in
                while !Task.isCancelled {
                    self.beat()
                    try? await Task.sleep(for: Self.pulse)
                }
                inbox.finish()
            }
            for await event in events {
                if case .pulse = event { isPulseWaiting.withLock { $0 = false } }
                let notifications = await handle(event, &machines)
                for notification in notifications {
                    group.addTask { [inbox] in inbox.yield(await self.deliver(notification)) }
                }
                let alerts = AlertListing.all(rules: machines.rules, groups: machines.groups)
                listing.withLock { $0 = alerts }
                let states = machines.rules
                ruleStates.withLock { $0 = states }
            }
            group.cancelAll()
        }
    }

    private func beat() {
        isPulseWaiting.withLock { isWaiting in
            guard !isWaiting, case .enqueued = inbox.yield(.pulse) else { return }
            isWaiting = true
        }
    }

    private struct Machines {
        var rules: AlertRules
        var groups: AlertGroups
        var aliveAt = Instant.distantPast
        var reconcileAt: Instant
    }

    private func restore() async throws -> Machines {
        let now = clock.now
        var rules = AlertRules(self.rules.sorted { $0.id < $1.id })
        let decoder = JSONDecoder()
        let records = try await store.list(prefix: "alert-rule/").entries.compactMap {
            try? decoder.decode(AlertRuleRecord.self, from: Data($0.value))
        }
        let groups = try await store.list(prefix: "alert-group/").entries.compactMap {
            try? decoder.decode(AlertGroup.self, from: Data($0.value))
        }
        let alive = try await store.get("alert-alive").flatMap { Int64(String(decoding: $0.value, as: UTF8.self)) }
        let outage = alive.map { now - Instant(milliseconds: $0) } ?? .zero
        rules.restored(records, outage: max(.zero, outage), now: now)
        if !records.isEmpty || !groups.isEmpty {
            logger.info(
                "alerts restored",
                metadata: [
                    "rules": "\(records.count)", "groups": "\(groups.count)", "outage": "\(outage.shortText)",
                ])
        }
        return Machines(
            rules: rules, groups: AlertGroups(config, restoring: groups), reconcileAt: now + Self.reconcileInterval)
    }

    /// What is to be sent; everything before it is stored.
    private func handle(_ event: Event, _ machines: inout Machines) async -> [AlertGroups.Notification] {
        let now = clock.now
        switch event {
        case .pulse: return await pulsed(&machines, now)
        case .delivered(let id): return await perform(machines.groups.delivered(id, now: now)) ?? []
        case .failed(let id, let reason, let isPermanent):
            return await perform(
                machines.groups.failed(id, reason: reason, isPermanent: isPermanent, now: now)) ?? []
        case .acknowledge(let fingerprint, let person, let reply):
            return await acknowledged(fingerprint, person, &machines, now, reply)
        case .evaluated(let rule, let results, let at, let taken):
            defer { taken() }
            return await evaluated(machines.rules.evaluated(rule, results: results, now: at), &machines, now)
        case .evaluationFailed(let rule, let reason):
            machines.rules.evaluationFailed(rule, reason: reason)
            return []
        }
    }

    private func pulsed(_ machines: inout Machines, _ now: Instant) async -> [AlertGroups.Notification] {
        var notifications: [AlertGroups.Notification] = []
        if now >= machines.reconcileAt {
            machines.reconcileAt = now + Self.reconcileInterval
            notifications += await perform(machines.groups.reconciled(firing: machines.rules.firing, now: now)) ?? []
        }
        notifications += await perform(machines.groups.tick(now: now)) ?? []
        if now - machines.aliveAt >= Self.aliveInterval, !rules.isEmpty {
            machines.aliveAt = now
            _ = await persist([.put("alert-alive", Array("\(now.milliseconds)".utf8))])
        }
        return notifications
    }

    private func evaluated(
        _ effect: AlertRules.Effect, _ machines: inout Machines, _ now: Instant
    ) async -> [AlertGroups.Notification] {
        let changes: [ControlChange] = effect.persist.map { record in
            let key = Self.key("alert-rule", record.rule)
            return record.active.isEmpty ? .delete(key) : Self.put(key, record)
        }
        guard await persist(changes) != .stopping else { return [] }
        return await perform(machines.groups.alertsChanged(effect.alerts, now: now)) ?? []
    }

    private func acknowledged(
        _ fingerprint: Fingerprint, _ person: String, _ machines: inout Machines, _ now: Instant,
        _ reply: (Result<Void, APIError>) -> Void
    ) async -> [AlertGroups.Notification] {
        let keys = machines.groups.groupKeys(of: fingerprint)
        guard !keys.isEmpty else {
            reply(.failure(.notFound("a firing alert \(fingerprint)", hint: "muster alerts lists them")))
            return []
        }
        var notifications: [AlertGroups.Notification] = []
        for key in keys {
            do throws(AlertGroups.AcknowledgeError) {
                var groups = machines.groups
                let effect = try groups.acknowledged(key, by: person, now: now)
                switch await persist(Self.changes(effect)) {
                case .stored:
                    machines.groups = groups
                    notifications += told(effect)
                case .refused(let reason):
                    // Not in memory either: what is answered as an error has not happened.
                    reply(
                        .failure(
                            .conflict(
                                "the acknowledgement cannot be stored: \(reason)",
                                hint: "make its group smaller: more labels in route.group_by, or a narrower rule")))
                    return notifications
                case .stopping:
                    reply(.failure(.stopping))
                    return notifications
                }
            } catch {
                reply(.failure(.conflict("\(error)")))
                return notifications
            }
        }
        reply(.success(()))
        return notifications
    }

    // MARK: Acting

    /// What is to be sent; nil when the desk stops and the effect is not stored. What the store will never take is sent
    /// all the same: told again after a restart is better than never told.
    private func perform(_ effect: AlertGroups.Effect) async -> [AlertGroups.Notification]? {
        guard await persist(Self.changes(effect)) != .stopping else { return nil }
        return told(effect)
    }

    private static func changes(_ effect: AlertGroups.Effect) -> [ControlChange] {
        effect.persist.map { change in
            switch change {
            case .put(let group): put(key("alert-group", group.key), group)
            case .remove(let key): .delete(Self.key("alert-group", key))
            }
        }
    }

    private func told(_ effect: AlertGroups.Effect) -> [AlertGroups.Notification] {
        for letter in effect.deadLetters {
            logger.error(
                "notification given up",
                metadata: [
                    "notification": "\(letter.id)", "receiver": "\(letter.receiver)", "reason": "\(letter.reason)",
                ])
        }
        return effect.send
    }

    private enum Persisted: Equatable {
        case stored
        /// One change or more will never be stored, for this reason; the others are.
        case refused(String)
        /// The desk stops first.
        case stopping
    }

    /// Returns when it is stored. Nothing is sent before, so a store that does not answer holds everything up, says so,
    /// and is asked again. Only a change that it will never take is left out: one group that is too large must not
    /// silence all the others.
    private func persist(_ changes: [ControlChange]) async -> Persisted {
        var outcome = Persisted.stored
        var rest = changes[...]
        var count = ControlLimit.changes
        while !rest.isEmpty {
            guard !Task.isCancelled else { return .stopping }
            do throws(ControlStoreError) {
                _ = try await store.transaction([], Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            } catch {
                guard !Task.isCancelled else { return .stopping }
                if error.mayPass {
                    logger.error("alert state not stored; trying again", metadata: ["reason": "\(error)"])
                    try? await Task.sleep(for: .seconds(1))
                } else if count > 1, rest.count > 1 {
                    // One by one from here on, to find the one that is at fault.
                    count = 1
                } else {
                    outcome = .refused("\(error)")
                    complain(rest.first?.key ?? "", error)
                    rest = rest.dropFirst()
                }
            }
        }
        return outcome
    }

    /// Rules are evaluated every few seconds, and a record that is too large stays so: the log is told now and then.
    private func complain(_ key: String, _ error: ControlStoreError) {
        let now = clock.now
        let isDue = complaints.withLock { complaints in
            if let last = complaints[key], now - last < Self.complaintInterval { return false }
            if complaints.count >= Self.complaintsMax { complaints = [:] }
            complaints[key] = now
            return true
        }
        guard isDue else { return }
        logger.error(
            "alert state cannot be stored; it is told, but a restart will not know it",
            metadata: [
                "key": "\(key)", "reason": "\(error)",
                "wayOut": "make the group or the rule smaller: more labels in route.group_by, a narrower expression",
            ])
    }

    private func deliver(_ notification: AlertGroups.Notification) async -> Event {
        do throws(WebhookFailure) {
            try await webhooks.send(notification.message, to: notification.url)
            logger.info(
                "notification delivered",
                metadata: [
                    "notification": "\(notification.id)", "receiver": "\(notification.receiver)",
                    "level": "\(notification.level)", "status": "\(notification.message.status.rawValue)",
                ])
            return .delivered(notification.id)
        } catch {
            logger.warning(
                "notification not delivered",
                metadata: [
                    "notification": "\(notification.id)", "receiver": "\(notification.receiver)",
                    "attempt": "\(notification.attempt)", "reason": "\(error.reason)",
                ])
            return .failed(notification.id, reason: error.reason, isPermanent: error.isPermanent)
        }
    }

    // MARK: Keys

    /// Rule names and group keys may hold any text; keys of the store may not.
    private static func key(_ kind: String, _ name: String) -> String { "\(kind)/\(SHA256.hex(Array(name.utf8)))" }

    private static func put(_ key: String, _ value: some Encodable) -> ControlChange {
        // The machines' state is made of texts and numbers that JSON can hold: there is nothing to fail.
        .put(key, Array((try? JSONEncoder().encode(value)) ?? Data()))
    }
}
