package import MusterModel

/// What a rule's alerts are, from one evaluation to the next.
///
/// Transitions of an alert, by whether the expression gives its labels:
///
///     (none) --present, `for` is zero------------------------> firing
///     (none) --present---------------------------------------> pending
///     pending --present, `for` has passed since activeAt-----> firing
///     pending --absent---------------------------------------> (none), silently: nobody was told
///     firing --present---------------------------------------> firing
///     firing --absent, `keep_firing_for` has passed----------> (none), resolved is told
///     firing --its rule is gone from the configuration-------> (none), resolved is told
///     any --evaluation failed--------------------------------> unchanged: not knowing is not being well
package struct AlertRules: Sendable {
    package struct Settings: Equatable, Sendable {
        /// For so long after a restart no alert ends for being absent: its series may still be on their way.
        package var restoreGrace = Duration.seconds(15)
        /// After a longer outage the time before it does not count towards `for`.
        package var outageTolerance = Duration.hours(1)

        package init() {}
    }

    /// What follows from an event, in the order in which it has to be done.
    package struct Effect: Equatable, Sendable {
        /// The records to store, whole; one with no alerts may be deleted.
        package var persist: [AlertRuleRecord] = []
        /// Alerts that fire, fire with a new value or new annotations, or are resolved: for `AlertGroups`.
        package var alerts: [Alert] = []

        package init() {}
    }

    package private(set) var rules: [AlertRule]
    private var byID: [String: AlertRule]
    package let settings: Settings
    private var records: [String: AlertRuleRecord] = [:]
    private var problems: [String: String] = [:]
    private var graceUntil = Instant.distantPast

    package init(_ rules: [AlertRule], settings: Settings = Settings()) {
        self.rules = rules
        byID = Self.indexed(rules)
        self.settings = settings
    }

    // MARK: Events

    /// Storage had these records. `outage` is how long nobody evaluated. Records of rules that are gone are kept until
    /// `reloaded` resolves their alerts.
    package mutating func restored(_ stored: [AlertRuleRecord], outage: Duration, now: Instant) {
        graceUntil = now + settings.restoreGrace
        for record in stored {
            var kept = record
            if outage > settings.outageTolerance { kept.active.removeAll { $0.alert.state == .pending } }
            records[record.rule] = kept
        }
    }

    /// The rule's expression was evaluated at `now`; each result is a label set with its value.
    package mutating func evaluated(_ id: String, results: [(Labels, Double)], now: Instant) -> Effect {
        guard let rule = byID[id] else { return Effect() }
        let present: [Fingerprint: Alert]
        do throws(AlertRuleProblem) {
            present = try Self.alerts(of: rule, results, now)
        } catch {
            problems[id] = error.description
            return Effect()
        }
        problems[id] = nil
        let before = records[id] ?? AlertRuleRecord(rule: id)
        var effect = Effect()
        var after = AlertRuleRecord(rule: id)
        for active in before.active {
            guard let kept = step(active, rule, present[active.alert.fingerprint], now, &effect) else { continue }
            after.active.append(kept)
        }
        let known = Set(before.active.map(\.alert.fingerprint))
        for alert in present.values.sorted(by: { $0.fingerprint < $1.fingerprint })
        where !known.contains(alert.fingerprint) {
            after.active.append(begin(alert, rule, now, &effect))
        }
        records[id] = after.active.isEmpty ? nil : after
        if before.shape != after.shape { effect.persist.append(after) }
        return effect
    }

    /// The expression could not be evaluated. States stay; the reason is shown beside the rule.
    package mutating func evaluationFailed(_ id: String, reason: String) { problems[id] = reason }

    /// The rule files changed. Alerts of rules that are gone are resolved.
    package mutating func reloaded(_ rules: [AlertRule], now: Instant) -> Effect {
        self.rules = rules
        byID = Self.indexed(rules)
        let ids = Set(rules.map(\.id))
        problems = problems.filter { ids.contains($0.key) }
        var effect = Effect()
        for id in records.keys.sorted() where !ids.contains(id) {
            for active in records[id]?.active ?? [] where active.alert.state == .firing {
                effect.alerts.append(Self.resolved(active.alert, now))
            }
            records[id] = nil
            effect.persist.append(AlertRuleRecord(rule: id))
        }
        return effect
    }

    // MARK: Reading

    /// Why the last evaluation of a rule failed; nil when it did not.
    package func problem(of id: String) -> String? { problems[id] }

    /// Pending and firing alerts of one rule, by fingerprint.
    package func alerts(of id: String) -> [Alert] {
        (records[id]?.active ?? []).map(\.alert).sorted { $0.fingerprint < $1.fingerprint }
    }

    /// Pending and firing alerts, in order of rule and fingerprint.
    package var alerts: [Alert] {
        records.keys.sorted().flatMap(alerts(of:))
    }

    /// What fires, for `AlertGroups.reconciled`.
    package var firing: [Alert] { alerts.filter { $0.state == .firing } }

    // MARK: Decisions

    private static func indexed(_ rules: [AlertRule]) -> [String: AlertRule] {
        Dictionary(rules.map { ($0.id, $0) }) { first, _ in first }
    }

    private static func alerts(
        of rule: AlertRule, _ results: [(Labels, Double)], _ now: Instant
    ) throws(AlertRuleProblem) -> [Fingerprint: Alert] {
        guard results.count <= min(rule.limit, AlertLimits.alertsPerRule) else {
            throw .tooMany(count: results.count, limit: min(rule.limit, AlertLimits.alertsPerRule))
        }
        var present: [Fingerprint: Alert] = [:]
        for (labels, value) in results {
            let alert = Alert(
                rule: rule.id, labels: rule.alertLabels(for: labels, value: value),
                annotations: rule.alertAnnotations(for: labels, value: value), value: value, state: .pending,
                activeAt: now)
            guard present.updateValue(alert, forKey: alert.fingerprint) == nil else {
                throw .repeated(alert.labels)
            }
        }
        return present
    }

    private func begin(_ alert: Alert, _ rule: AlertRule, _ now: Instant, _ effect: inout Effect) -> ActiveAlert {
        guard rule.holdFor == .zero else { return ActiveAlert(alert: alert) }
        var alert = alert
        alert.state = .firing
        alert.startsAt = now
        effect.alerts.append(alert)
        return ActiveAlert(alert: alert)
    }

    /// Nil when the alert has ended.
    private func step(
        _ active: ActiveAlert, _ rule: AlertRule, _ present: Alert?, _ now: Instant, _ effect: inout Effect
    ) -> ActiveAlert? {
        guard let present else { return absent(active, rule, now, &effect) }
        var active = active
        active.absentSince = nil
        active.alert.annotations = present.annotations
        active.alert.value = present.value
        if active.alert.state == .pending, now - active.alert.activeAt >= rule.holdFor {
            active.alert.state = .firing
            active.alert.startsAt = now
        }
        if active.alert.state == .firing { effect.alerts.append(active.alert) }
        return active
    }

    private func absent(
        _ active: ActiveAlert, _ rule: AlertRule, _ now: Instant, _ effect: inout Effect
    ) -> ActiveAlert? {
        guard now >= graceUntil else { return active }
        guard active.alert.state == .firing else { return nil }
        let absentSince = active.absentSince ?? now
        guard now - absentSince >= rule.keepFiringFor else {
            var kept = active
            kept.absentSince = absentSince
            return kept
        }
        effect.alerts.append(Self.resolved(active.alert, now))
        return nil
    }

    private static func resolved(_ alert: Alert, _ now: Instant) -> Alert {
        var alert = alert
        alert.state = .resolved
        alert.endsAt = now
        return alert
    }
}

/// The stored state of one rule.
package struct AlertRuleRecord: Codable, Equatable, Sendable {
    package let rule: String
    package internal(set) var active: [ActiveAlert] = []

    init(rule: String) { self.rule = rule }

    /// What has to survive a crash. Values and annotations do not: the next evaluation gives them anew.
    var shape: [Shape] {
        active.map { Shape($0) }.sorted { $0.fingerprint < $1.fingerprint }
    }

    struct Shape: Equatable {
        let fingerprint: Fingerprint
        let state: Alert.State
        let activeAt: Instant
        let absentSince: Instant?

        init(_ active: ActiveAlert) {
            fingerprint = active.alert.fingerprint
            state = active.alert.state
            activeAt = active.alert.activeAt
            absentSince = active.absentSince
        }
    }
}

/// An alert of one rule that is pending or firing, as it is stored between evaluations.
package struct ActiveAlert: Codable, Equatable, Sendable {
    package internal(set) var alert: Alert
    /// Since when the expression has not given a firing alert that `keep_firing_for` keeps.
    @Stored package internal(set) var absentSince: Instant?

    init(alert: Alert) {
        self.alert = alert
        absentSince = nil
    }
}

/// Why the results of an evaluation cannot become alerts. What was active stays as it was.
package enum AlertRuleProblem: Error, Equatable, CustomStringConvertible {
    case tooMany(count: Int, limit: Int)
    case repeated(Labels)

    package var description: String {
        switch self {
        case .tooMany(let count, let limit):
            "the expression gives \(count) alerts, more than the limit of \(limit); aggregate it, or raise `limit`"
        case .repeated(let labels):
            "two results make the same alert \(labels); keep a label that tells them apart"
        }
    }
}
