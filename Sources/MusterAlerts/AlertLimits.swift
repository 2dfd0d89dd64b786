import MusterModel

/// The limits of this module; each has a test that reaches it.
package enum AlertLimits {
    package static let rulesMax = 10_000
    /// Alerts of one rule, pending and firing. More make the evaluation fail; what fired before stays as it was.
    package static let alertsPerRule = 2_000
    package static let groupsMax = 10_000
    package static let alertsPerGroup = 2_000
    /// Alerts in one message; the rest is counted in `truncatedAlerts`.
    package static let alertsPerMessage = 200
    package static let escalationLevels = 10
    package static let webhooksPerLevel = 20
    /// How often a ladder of escalation may be climbed again.
    package static let escalationRepeats = 9
    package static let routesMax = 1_000
    /// The texts of labels and annotations after expansion; longer ones are cut.
    package static let expandedTextBytes = 16 << 10

    package static let firstRetry = Duration.seconds(1)
    package static let longestRetry = Duration.seconds(60)
    /// A message that could not be delivered for so long is given up.
    package static let deliveryLifetime = Duration.hours(24)
}
