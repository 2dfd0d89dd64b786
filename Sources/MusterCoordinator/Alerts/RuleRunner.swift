package import Logging
package import MusterAlerts
package import MusterModel
package import MusterQuery
package import MusterTransport
import Synchronization

/// Takes what recording rules made. Returns when it is durable and readable.
package protocol SampleRecorder: Sendable {
    func record(_ series: [SeriesSamples]) async throws
}

/// A rule group with its expressions parsed.
package struct LoadedGroup: Sendable {
    package let group: RuleGroup
    /// By rule of the group.
    package let expressions: [Expression]

    package init(group: RuleGroup, expressions: [Expression]) {
        self.group = group
        self.expressions = expressions
    }
}

/// The loop that evaluates rule groups when they are due: the rules of a group one after the other, groups beside each
/// other. What alerting rules give goes to the alert desk, what recording rules give to the store.
package final class RuleRunner: Sendable {
    private static let pulse = Duration.milliseconds(50)

    /// How the last evaluation of a rule went.
    package struct RuleStatus: Sendable {
        /// Nil before the first.
        package var evaluatedAt: Instant?
        package var duration = Duration.zero
        /// Nil when it went well.
        package var problem: String?
        package var warnings: [String] = []
    }

    package struct GroupStatus: Sendable {
        package var group: RuleGroup
        package var evaluatedAt: Instant?
        package var duration = Duration.zero
        /// Evaluations that were left out, because the one before still ran or the loop was held up.
        package var missed: UInt64 = 0
        package var rules: [RuleStatus]

        init(_ group: RuleGroup) {
            self.group = group
            rules = Array(repeating: RuleStatus(), count: group.rules.count)
        }
    }

    private struct State {
        var groups: [GroupStatus]
        var running: Set<Int> = []
        /// By rule id: the series a recording rule made last, which end when it makes them no more.
        var recorded: [String: Set<Labels>] = [:]
        var complainedAt: [String: Instant] = [:]
    }

    /// What one rule gave.
    private typealias Results = [(Labels, Double)]

    private let loaded: [LoadedGroup]
    private let queries: QueryDesk
    private let desk: AlertDesk
    private let recorder: any SampleRecorder
    private let clock: MachineClock
    private let logger: Logger
    private let state: Mutex<State>

    package init(
        _ loaded: [LoadedGroup], queries: QueryDesk, desk: AlertDesk, recorder: any SampleRecorder, clock: MachineClock,
        logger: Logger
    ) {
        self.loaded = loaded
        self.queries = queries
        self.desk = desk
        self.recorder = recorder
        self.clock = clock
        self.logger = logger
        state = Mutex(State(groups: loaded.map { GroupStatus($0.group) }))
    }

    /// As of the last evaluation of each.
    package var groups: [GroupStatus] { state.withLock { $0.groups } }

    package func run() async {
        var schedule = RuleSchedule(loaded.map(\.group))
        await withDiscardingTaskGroup { tasks in
            while !Task.isCancelled {
                for due in schedule.due(now: clock.now) {
                    let isFree = state.withLock { state in
                        state.groups[due.group].missed = schedule.missed[due.group]
                        return state.running.insert(due.group).inserted
                    }
                    guard isFree else {
                        schedule.skipped(due.group)
                        continue
                    }
                    tasks.addTask { await self.evaluate(due.group, at: due.at) }
                }
                try? await Task.sleep(for: Self.pulse)
            }
            tasks.cancelAll()
        }
    }

    private func evaluate(_ index: Int, at: Instant) async {
        let begin = clock.now
        let loaded = loaded[index]
        // Samples have the times of the wall clock; the schedule and what alerts wait for do not follow its steps.
        let sampled = at + clock.wallStep
        for (number, rule) in loaded.group.rules.enumerated() where !Task.isCancelled {
            let ruleBegin = clock.now
            var status = RuleStatus(evaluatedAt: at)
            do {
                let answer = try await queries.evaluate(
                    loaded.expressions[number], at: (sampled - loaded.group.queryOffset).milliseconds)
                status.warnings = answer.annotations.map { $0.text(in: rule.expression.text) }
                try await took(Self.results(answer.value), of: rule, in: loaded.group, at: at, sampled)
            } catch {
                guard !Task.isCancelled else { break }
                status.problem = "\(error)"
                failed(rule, "\(error)")
            }
            status.duration = clock.now - ruleBegin
            state.withLock { $0.groups[index].rules[number] = status }
        }
        state.withLock { state in
            state.groups[index].evaluatedAt = at
            state.groups[index].duration = clock.now - begin
            state.running.remove(index)
        }
    }

    private static func results(_ value: QueryAnswer.Value) throws(QueryError) -> Results {
        switch value {
        case .vector(let elements): return elements.map { ($0.labels, $0.sample.value) }
        case .scalar(let sample): return [(Labels(), sample.value)]
        case .matrix, .string: throw .execution("the expression gives neither an instant vector nor a scalar")
        }
    }

    private func took(_ results: Results, of rule: Rule, in group: RuleGroup, at: Instant, _ sampled: Instant)
        async throws
    {
        switch rule {
        case .alert(let alert): await desk.evaluated(alert.id, results, at: at)
        case .recording(let recording):
            let series = try recording.series(of: results, limit: group.limit)
            let now = Set(series.map(\.0))
            let ended = state.withLock { $0.recorded[recording.id] ?? [] }.subtracting(now)
            let samples =
                series.map { Self.sample($0.0, $0.1, sampled) }
                + ended.map { Self.sample($0, StaleMarker.value, sampled) }
            if !samples.isEmpty { try await recorder.record(samples) }
            state.withLock { $0.recorded[recording.id] = now }
        }
    }

    private static func sample(_ labels: Labels, _ value: Double, _ at: Instant) -> SeriesSamples {
        SeriesSamples(labels: labels, samples: [Sample(milliseconds: at.milliseconds, value: value)])
    }

    private func failed(_ rule: Rule, _ reason: String) {
        if case .alert(let alert) = rule { desk.evaluationFailed(alert.id, reason: reason) }
        // The same failure comes again every few seconds: the log is told now and then, the API always.
        let now = clock.now
        let isDue = state.withLock { state in
            if let last = state.complainedAt[rule.id], now - last < AlertDesk.complaintInterval { return false }
            state.complainedAt[rule.id] = now
            return true
        }
        guard isDue else { return }
        logger.warning("rule not evaluated", metadata: ["rule": "\(rule.id)", "reason": "\(reason)"])
    }
}
