package import MusterModel

/// What the results of one check say of an instance, after rise and fall.
///
/// Transitions (`passed` and `warned` are good results, `failed` is a bad one):
///
///     starting --first result of all is good-----------> passing or warning
///     starting --`rise` good results in a row----------> passing or warning
///     starting --`fall` bad results in a row-----------> critical
///     passing <--the last good result decides----------> warning
///     passing, warning --`fall` bad results in a row---> critical
///     critical --`rise` good results in a row----------> passing or warning
///     any --`stopped`----------------------------------> critical, at once
///     any --`started`----------------------------------> starting
///
/// The first good result counts alone because nothing is known that it could contradict: after a restart of the agent
/// an instance is back in its route after one check, not after `rise` of them. The first bad result does not: what has
/// just started may fail its check for a while and is `starting` meanwhile, which gets no traffic either.
package struct CheckHealth: Equatable, Sendable {
    package let policy: CheckPolicy
    package private(set) var state = CheckState.starting
    /// Why the state is what it is, for people: the text of the result that led to it. While the state is critical it
    /// follows the latest failure.
    package private(set) var reason = "no check has finished yet"
    /// When the state was entered.
    package private(set) var since: Instant
    private var goodInARow = 0
    private var badInARow = 0
    private var hasResult = false

    package init(policy: CheckPolicy, now: Instant) {
        self.policy = policy
        since = now
    }

    /// A run of the check ended. True when state or reason changed, so that somebody has to be told.
    package mutating func resulted(_ result: CheckResult, now: Instant) -> Bool {
        defer { hasResult = true }
        switch result {
        case .passed(let detail): return good(.passing, detail, now)
        case .warned(let detail): return good(.warning, detail, now)
        case .failed(let detail): return bad(detail, now)
        }
    }

    /// What is checked is known to be gone (its container exited): critical without waiting for `fall` results.
    package mutating func stopped(_ reason: String, now: Instant) -> Bool {
        goodInARow = 0
        badInARow = max(1, policy.fall)
        hasResult = true
        return enter(.critical, reason, now)
    }

    /// What is checked was started anew: earlier results say nothing of it.
    package mutating func started(now: Instant) -> Bool {
        let fresh = CheckHealth(policy: policy, now: now)
        let isChange = state != .starting
        self = fresh
        return isChange
    }

    private mutating func good(_ target: CheckState, _ detail: String, _ now: Instant) -> Bool {
        badInARow = 0
        goodInARow = min(goodInARow + 1, max(1, policy.rise))
        switch state {
        case .passing, .warning:
            return target == state ? false : enter(target, detail, now)
        case .starting where !hasResult:
            return enter(target, detail, now)
        case .starting, .critical:
            return goodInARow >= policy.rise ? enter(target, detail, now) : false
        }
    }

    private mutating func bad(_ detail: String, _ now: Instant) -> Bool {
        goodInARow = 0
        badInARow = min(badInARow + 1, max(1, policy.fall))
        switch state {
        case .critical:
            return enter(.critical, detail, now)
        case .starting, .passing, .warning:
            guard badInARow >= policy.fall else { return false }
            return enter(.critical, policy.fall > 1 ? "\(detail) (\(policy.fall) times in a row)" : detail, now)
        }
    }

    private mutating func enter(_ target: CheckState, _ detail: String, _ now: Instant) -> Bool {
        guard target != state else {
            // The count in the reason belongs to the moment of the fall: the same failure again is no news.
            guard !reason.hasPrefix(detail) else { return false }
            reason = detail
            return true
        }
        state = target
        reason = detail
        since = now
        return true
    }
}
