import MusterHealth
package import MusterModel

/// Which checks run when, and what they say, as a value.
///
/// An instance's check:
///
///     waiting(due) --takeDue--> running --resulted--> waiting(due + interval)
///
/// A target that is replaced by one that is not the same run begins anew; a result of its former run is ignored. An
/// instance whose container does not run is critical at once and is not checked.
package struct CheckTable: Sendable {
    /// Ask for this run, and answer with `resulted` under the same id and generation.
    package struct Run: Equatable, Sendable {
        package var id: String
        package var generation: UInt64
        package var target: CheckTarget
    }

    private struct Entry {
        var target: CheckTarget
        var health: CheckHealth
        var generation: UInt64
        /// Nil: nothing to ask (Docker's own health, no check, or not running).
        var due: Instant?
        var isRunning = false
    }

    /// Checks that run at one time.
    package static let concurrencyLimit = 128
    /// The first run of a check comes within this time, at a random moment, so that a host full of containers does not
    /// check all of them in the same instant.
    package static let startSpread = Duration.milliseconds(200)

    private var entries: [String: Entry] = [:]
    private var generations: UInt64 = 0
    private var running = 0

    package init() {}

    /// The whole set of targets, at most `Limits.instancesPerHost`. Returns whether any instance's state or reason is
    /// news.
    package mutating func targetsReplaced(
        _ targets: [CheckTarget], now: Instant, using random: inout some RandomNumberGenerator
    ) -> Bool {
        var isChanged = false
        let former = entries
        entries = [:]
        for target in targets.prefix(Limits.instancesPerHost) {
            let id = target.instance.id
            var entry: Entry
            if let known = former[id], known.target.isSameRun(as: target) {
                entry = known
                entry.target = target
            } else {
                isChanged = true
                generations += 1
                let wait = Double.random(in: 0..<1, using: &random)
                entry = Entry(
                    target: target, health: CheckHealth(policy: target.policy, now: now), generation: generations,
                    due: target.policy.kind.asksNetwork
                        ? now + min(target.policy.interval, Self.startSpread) * wait : nil)
            }
            if lifeObserved(&entry, now: now) { isChanged = true }
            if former[id]?.target.instance != target.instance { isChanged = true }
            entries[id] = entry
        }
        return isChanged || former.keys.contains { entries[$0] == nil }
    }

    private func lifeObserved(_ entry: inout Entry, now: Instant) -> Bool {
        if let obstacle = entry.target.life?.obstacle {
            entry.due = nil
            return entry.health.stopped(obstacle, now: now)
        }
        switch entry.target.policy.kind {
        case .http, .tcp:
            // It was paused and runs again, the same run.
            guard entry.due == nil, !entry.isRunning else { return false }
            entry.due = now
            return entry.health.started(now: now)
        case .docker:
            guard let result = entry.target.life?.dockerResult else { return entry.health.started(now: now) }
            return entry.health.resulted(result, now: now)
        case .none:
            return entry.health.resulted(
                .passed(entry.target.life == nil ? "no check" : "the container runs"), now: now)
        }
    }

    /// The checks that are due, the longest overdue first, no more than may run at one time.
    package mutating func takeDue(now: Instant) -> [Run] {
        let overdue = entries.compactMap { id, entry -> (Instant, String)? in
            guard let due = entry.due, !entry.isRunning, due <= now else { return nil }
            return (due, id)
        }
        let taken = overdue.sorted { $0 < $1 }.prefix(max(0, Self.concurrencyLimit - running))
        var runs: [Run] = []
        for (_, id) in taken {
            guard var entry = entries[id] else { continue }
            entry.isRunning = true
            runs.append(Run(id: id, generation: entry.generation, target: entry.target))
            entries[id] = entry
        }
        running += runs.count
        return runs
    }

    /// A run ended. `jitter`, from -0.1 to 0.1, spreads the next one. Returns whether state or reason is news.
    package mutating func resulted(_ run: Run, _ result: CheckResult, now: Instant, jitter: Double) -> Bool {
        running -= 1
        guard var entry = entries[run.id], entry.generation == run.generation else { return false }
        defer { entries[run.id] = entry }
        entry.isRunning = false
        guard entry.target.life?.obstacle == nil else { return false }
        entry.due = now + entry.target.policy.interval * (1 + jitter)
        return entry.health.resulted(result, now: now)
    }

    /// When `takeDue` has something to give; nil while nothing is due or as many run as may.
    package var wakeAt: Instant? {
        guard running < Self.concurrencyLimit else { return nil }
        return entries.values.lazy.compactMap { $0.isRunning ? nil : $0.due }.min()
    }

    /// The instances with what their checks say, by id.
    package var instances: [Instance] {
        entries.values.map { entry in
            var instance = entry.target.instance
            instance.health = entry.health.state
            instance.reason = entry.health.reason
            return instance
        }.sorted { $0.id < $1.id }
    }
}
