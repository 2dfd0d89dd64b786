package import MusterModel

/// Rules that are evaluated together and in order: what one records, the next may ask for.
package struct RuleGroup: Equatable, Sendable {
    package let file: String
    package let name: String
    package let interval: Duration
    /// Evaluated at this much before now.
    package let queryOffset: Duration
    /// Results of one rule; more make its evaluation fail.
    package let limit: Int
    package let rules: [Rule]

    /// Tells it apart from every other: `<file>;<group>`.
    package var id: String { "\(file);\(name)" }

    package init(
        file: String, name: String, interval: Duration = RuleFile.defaultInterval, queryOffset: Duration = .zero,
        limit: Int = AlertLimits.alertsPerRule, rules: [Rule]
    ) {
        self.file = file
        self.name = name
        self.interval = interval
        self.queryOffset = queryOffset
        self.limit = limit
        self.rules = rules
    }
}

/// One rule of a group.
package enum Rule: Equatable, Sendable {
    case alert(AlertRule)
    case recording(RecordingRule)

    /// `<file>;<group>/<name>`, with `#2` and so on for the second rule of one name in a group.
    package var id: String {
        switch self {
        case .alert(let rule): rule.id
        case .recording(let rule): rule.id
        }
    }

    /// PromQL, as written, and where it stands.
    package var expression: (text: String, position: SourcePosition) {
        switch self {
        case .alert(let rule): (rule.expression, rule.expressionPosition)
        case .recording(let rule): (rule.expression, rule.expressionPosition)
        }
    }

    package var name: String {
        switch self {
        case .alert(let rule): rule.name
        case .recording(let rule): rule.name
        }
    }
}

/// A rule whose results are stored as samples of a metric of their own.
package struct RecordingRule: Equatable, Sendable {
    package let id: String
    /// The metric's name.
    package let name: String
    package let expression: String
    package let expressionPosition: SourcePosition
    /// Set on every result; an empty value removes the label.
    package let labels: Labels

    package init(
        id: String, name: String, expression: String, expressionPosition: SourcePosition, labels: Labels = Labels()
    ) {
        self.id = id
        self.name = name
        self.expression = expression
        self.expressionPosition = expressionPosition
        self.labels = labels
    }

    /// The series a result is stored as. Throws when two results would become one series: nothing is stored then.
    package func series(of results: [(Labels, Double)], limit: Int) throws(AlertRuleProblem) -> [(Labels, Double)] {
        guard results.count <= limit else { throw .tooMany(count: results.count, limit: limit) }
        var seen: Set<Labels> = []
        var recorded: [(Labels, Double)] = []
        for (labels, value) in results {
            var all = labels
            all["__name__"] = name
            for label in self.labels.pairs { all[label.name] = label.value.isEmpty ? nil : label.value }
            guard seen.insert(all).inserted else { throw .repeated(all) }
            recorded.append((all, value))
        }
        return recorded
    }
}

/// When groups are evaluated: on the grid of their interval, each shifted by a share of it that follows from its id, so
/// that not all work falls into one moment. A late loop skips evaluations instead of bunching them, and counts them.
package struct RuleSchedule: Sendable {
    private struct Entry: Sendable {
        var interval: Int64
        var shift: Int64
        var next: Int64
    }

    private var entries: [Entry]
    /// By group: evaluations that were left out because the one before took too long or the loop was held up.
    package private(set) var missed: [UInt64]

    /// A new group is due at once.
    package init(_ groups: [RuleGroup]) {
        entries = groups.map { group in
            let interval = max(1, group.interval.nanoseconds)
            return Entry(interval: interval, shift: Self.shift(of: group.id, within: interval), next: .min)
        }
        missed = Array(repeating: 0, count: groups.count)
    }

    /// When `due` has something to give; nil without groups.
    package var wakeAt: Instant? { entries.map(\.next).min().map { Instant(nanoseconds: $0) } }

    /// The groups (by index) whose evaluation is due, once each, with the grid time it counts for.
    package mutating func due(now: Instant) -> [(group: Int, at: Instant)] {
        var due: [(Int, Instant)] = []
        for index in entries.indices where entries[index].next <= now.nanoseconds {
            let entry = entries[index]
            let since = now.nanoseconds - entry.shift
            let slot = entry.shift + since / entry.interval * entry.interval
            if entry.next != .min { missed[index] += UInt64(max(0, (slot - entry.next) / entry.interval)) }
            entries[index].next = slot + entry.interval
            due.append((index, Instant(nanoseconds: slot)))
        }
        return due
    }

    /// The group was due and still busy with its last evaluation.
    package mutating func skipped(_ group: Int) { missed[group] += 1 }

    /// FNV-1a of the id, as a share of the interval.
    private static func shift(of id: String, within interval: Int64) -> Int64 {
        let hash = id.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
        return Int64(hash % UInt64(interval))
    }
}
