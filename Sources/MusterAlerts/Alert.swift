package import MusterModel

/// One thing that is wrong, as one rule sees it.
package struct Alert: Codable, Equatable, Sendable {
    package enum State: String, Codable, Sendable {
        /// The rule's expression holds, not yet for long enough.
        case pending
        case firing
        case resolved
    }

    package let fingerprint: Fingerprint
    /// The id of the rule, `AlertRule.id`.
    package let rule: String
    /// What identifies the alert, `alertname` among them.
    @Stored package private(set) var labels: Labels
    /// Texts for people.
    @Stored package var annotations: Labels
    /// What the expression gave when it last held.
    @Stored package var value: Double
    package var state: State
    /// When the expression began to hold.
    @Stored package var activeAt: Instant
    /// When the alert began to fire; nil while it is pending.
    @Stored package var startsAt: Instant?
    /// When it was resolved; nil before.
    @Stored package var endsAt: Instant?

    package init(
        rule: String, labels: Labels, annotations: Labels = Labels(), value: Double, state: State, activeAt: Instant,
        startsAt: Instant? = nil, endsAt: Instant? = nil
    ) {
        fingerprint = Fingerprint(labels)
        self.rule = rule
        self.labels = labels
        self.annotations = annotations
        self.value = value
        self.state = state
        self.activeAt = activeAt
        self.startsAt = startsAt
        self.endsAt = endsAt
    }
}
