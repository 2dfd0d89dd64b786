import MusterModel

// What is sent when: the flush of a group, the climb to the next level, and the messages both make.

extension AlertGroups {
    /// The group's time has come: tell every level that was told before, or the first, if there is something to tell.
    func flush(_ group: inout AlertGroup, _ due: Instant, _ now: Instant) {
        // From the time it was due, so that the rhythm does not drift; but never twice for one wait.
        let next = due + group.groupInterval
        group.flushAt = next > now ? next : now + group.groupInterval
        for level in group.logs.indices where level == 0 || group.logs[level] != nil {
            guard let reason = Self.reason(group, level, now) else { continue }
            tell(&group, level, reason, now)
            if level == 0, reason == .firstNotification, group.acknowledgement == nil {
                group.escalateAt = Self.nextEscalation(of: group, from: now)
            }
        }
        group.alerts.removeAll { $0.state == .resolved }
        if group.alerts.isEmpty { Self.end(&group) }
    }

    /// Nobody acknowledged in time: the next level is told, or after the last one the first again.
    func escalate(_ group: inout AlertGroup, _ now: Instant) {
        group.escalateAt = nil
        guard group.isFiring, group.acknowledgement == nil, group.hasIncident else { return }
        if group.level + 1 < group.receiver.levels.count {
            group.level += 1
        } else if group.round <= group.receiver.repeatTimes {
            group.level = 0
            group.round += 1
        } else {
            return
        }
        tell(&group, group.level, .escalated, now)
        group.escalateAt = Self.nextEscalation(of: group, from: now)
    }

    /// Gives up messages that nobody took for too long.
    func expire(_ group: inout AlertGroup, _ now: Instant, _ effect: inout Effect) {
        for index in group.slots.indices.reversed() {
            let slot = group.slots[index]
            guard slot.current.attempts > 0, now - slot.current.createdAt >= AlertLimits.deliveryLifetime else {
                continue
            }
            let hours = AlertLimits.deliveryLifetime.shortText
            effect.deadLetters.append(Self.deadLetter(group, slot, "not delivered within \(hours)"))
            Self.advance(&group, index, isDelivered: false, now)
        }
    }

    /// Alertmanager's decision, against what this level was told last. Only ends of alerts the level was told of count:
    /// what fired and ended between two flushes is nobody's concern.
    private static func reason(_ group: AlertGroup, _ level: Int, _ now: Instant) -> NotificationReason? {
        let firing = group.alerts.filter { $0.state == .firing }.map(\.fingerprint)
        guard let log = group.logs[level] else { return firing.isEmpty ? nil : .firstNotification }
        let told = Set(log.firing)
        if !told.isSuperset(of: firing) { return told.isEmpty ? .firstNotification : .newAlerts }
        if firing.isEmpty { return told.isEmpty ? nil : .allResolved }
        if group.alerts.contains(where: { $0.state == .resolved && told.contains($0.fingerprint) }) {
            return .someResolved
        }
        let isRepeatDue = now - log.sentAt >= group.repeatInterval && group.acknowledgement == nil
        return isRepeatDue ? .repeated : nil
    }

    /// When the level after the present one is told; nil when there is none.
    static func nextEscalation(of group: AlertGroup, from now: Instant) -> Instant? {
        if group.level + 1 < group.receiver.levels.count {
            return now + group.receiver.levels[group.level + 1].after
        }
        return group.round <= group.receiver.repeatTimes ? now + group.receiver.repeatAfter : nil
    }

    private static func end(_ group: inout AlertGroup) {
        group.flushAt = nil
        group.escalateAt = nil
        group.acknowledgement = nil
        group.level = 0
        group.round = 1
        group.logs = Array(repeating: nil, count: group.receiver.levels.count)
    }

    /// Writes into the log what the level is told, and queues the message for each of its webhooks.
    private func tell(_ group: inout AlertGroup, _ level: Int, _ reason: NotificationReason, _ now: Instant) {
        let told = Set(group.logs[level]?.firing ?? [])
        let firing = group.alerts.filter { $0.state == .firing }
        let ended = group.alerts.filter { $0.state == .resolved && told.contains($0.fingerprint) }
        group.logs[level] = AlertGroup.LevelLog(
            firing: firing.map(\.fingerprint), sentAt: now, isHeard: group.logs[level]?.isHeard ?? false)
        for url in group.receiver.levels[level].webhooks {
            group.notifications += 1
            let id = Self.notificationID(group)
            let message = message(group, firing + ended, level, reason, id)
            enqueue(
                &group, level, url,
                AlertGroup.Pending(id: id, message: message, attempts: 0, createdAt: now, tryAt: now))
        }
    }

    /// `<hash of the key>-<start of the incident in ms>-<number>`: of a stored state, so it is the same after a crash.
    private static func notificationID(_ group: AlertGroup) -> String {
        var hash = FNV()
        hash.add(group.key.utf8)
        return "\(Fingerprint(number: hash.value))-\(group.startedAt.milliseconds)-\(group.notifications)"
    }

    private func message(
        _ group: AlertGroup, _ alerts: [Alert], _ level: Int, _ reason: NotificationReason, _ id: String
    ) -> WebhookMessage {
        WebhookMessage(
            groupKey: group.key, truncatedAlerts: max(0, alerts.count - AlertLimits.alertsPerMessage),
            status: alerts.contains { $0.state == .firing } ? .firing : .resolved, receiver: group.receiver.name,
            groupLabels: group.groupLabels.dictionary, commonLabels: Self.common(alerts.map(\.labels)),
            commonAnnotations: Self.common(alerts.map(\.annotations)), routeLabels: [:],
            externalURL: config.externalURL,
            alerts: alerts.prefix(AlertLimits.alertsPerMessage).map { WebhookMessage.Alert($0) },
            notificationReason: reason.rawValue, notificationID: id,
            escalation: WebhookMessage.Escalation(
                level: level + 1, levels: group.receiver.levels.count, round: group.round,
                acknowledgedBy: group.acknowledgement?.by))
    }

    private static func common(_ sets: [Labels]) -> [String: String] {
        guard var common = sets.first?.dictionary else { return [:] }
        for set in sets.dropFirst() where !common.isEmpty {
            common = common.filter { set[$0.key] == $0.value }
        }
        return common
    }
}

extension WebhookMessage.Alert {
    init(_ alert: Alert) {
        self.init(
            status: alert.state == .resolved ? .resolved : .firing, labels: alert.labels.dictionary,
            annotations: alert.annotations.dictionary, startsAt: (alert.startsAt ?? alert.activeAt).description,
            endsAt: alert.endsAt?.description ?? "0001-01-01T00:00:00Z", generatorURL: "",
            fingerprint: alert.fingerprint.description)
    }
}
