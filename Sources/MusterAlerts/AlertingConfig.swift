package import MusterModel

/// Where alerts go. The keys are Alertmanager's, in its spelling; `escalation` is ours:
///
///     alerting:
///       external_url: https://muster.example.com
///       route:
///         receiver: team
///         group_by: [alertname, service]      # ['...'] puts every alert into a group of its own
///         group_wait: 30s
///         group_interval: 5m
///         repeat_interval: 4h
///         routes:
///           - matchers: ['severity="page"', 'zone=~"eu-.*"']
///             receiver: on-call
///             continue: true
///       receivers:
///         - name: team
///           escalation:
///             - webhooks: ['http://chat.example.com/hook']
///         - name: on-call
///           escalation:
///             - webhooks: ['https://page.example.com/first']
///             - webhooks: ['https://page.example.com/second']
///               after: 5m                     # this long without an acknowledgement of the level before
///           repeat: {times: 2, after: 10m}    # then from the first level again
package struct AlertingConfig: Sendable {
    package let route: AlertRoute
    package let receivers: [String: AlertReceiver]
    /// Put into messages as `externalURL`; empty when there is none.
    package let externalURL: String

    package init(route: AlertRoute, receivers: [AlertReceiver], externalURL: String = "") {
        self.route = route
        self.receivers = Dictionary(receivers.map { ($0.name, $0) }) { first, _ in first }
        self.externalURL = externalURL
    }
}

/// Whom to tell, level by level.
package struct AlertReceiver: Codable, Equatable, Sendable {
    package struct Level: Codable, Equatable, Sendable {
        /// `http` or `https` URLs; each gets the same message by POST.
        package let webhooks: [String]
        /// How long the level before may stay unacknowledged until this one is told. Zero for the first level.
        package let after: Duration

        package init(webhooks: [String], after: Duration = .zero) {
            self.webhooks = webhooks
            self.after = after
        }
    }

    package let name: String
    /// At least one.
    package let levels: [Level]
    /// How often the levels are gone through again while nobody acknowledges.
    package let repeatTimes: Int
    /// How long the last level may stay unacknowledged until the first is told again.
    package let repeatAfter: Duration

    package init(name: String, levels: [Level], repeatTimes: Int = 0, repeatAfter: Duration = .minutes(5)) {
        self.name = name
        self.levels = levels
        self.repeatTimes = repeatTimes
        self.repeatAfter = repeatAfter
    }
}

/// What of an alert's labels makes its group.
package enum AlertGrouping: Equatable, Sendable {
    case labels([String])
    /// `'...'`: every alert alone.
    case each

    func groupLabels(of labels: Labels) -> Labels {
        switch self {
        case .each: return labels
        case .labels(let names):
            // A label that an alert lacks counts as empty, which is the same as absent.
            return labels.filtered { names.contains($0) }
        }
    }
}

/// One node of the routing tree, with what it inherits already filled in.
package struct AlertRoute: Sendable {
    /// Unique in the tree: the matchers from the root to here, `{}/{severity="page"}`.
    package let path: String
    package let matchers: [LabelMatcher]
    package let receiver: String
    package let groupBy: AlertGrouping
    package let groupWait: Duration
    package let groupInterval: Duration
    package let repeatInterval: Duration
    /// Whether siblings after this one are tried although it matched.
    package let isContinued: Bool
    package let routes: [AlertRoute]

    package init(
        path: String = "{}", matchers: [LabelMatcher] = [], receiver: String, groupBy: AlertGrouping = .labels([]),
        groupWait: Duration = .seconds(30), groupInterval: Duration = .minutes(5),
        repeatInterval: Duration = .hours(4), isContinued: Bool = false, routes: [AlertRoute] = []
    ) {
        self.path = path
        self.matchers = matchers
        self.receiver = receiver
        self.groupBy = groupBy
        self.groupWait = groupWait
        self.groupInterval = groupInterval
        self.repeatInterval = repeatInterval
        self.isContinued = isContinued
        self.routes = routes
    }

    /// Where an alert goes: depth first; the first child that matches unless it is continued; this node only when no
    /// child matched. Empty when this node itself does not match.
    package func matches(_ labels: Labels) -> [AlertRoute] {
        guard matchers.allSatisfy({ $0.isMatch(labels) }) else { return [] }
        var found: [AlertRoute] = []
        for route in routes {
            let below = route.matches(labels)
            found += below
            if !below.isEmpty, !route.isContinued { break }
        }
        return found.isEmpty ? [self] : found
    }
}
