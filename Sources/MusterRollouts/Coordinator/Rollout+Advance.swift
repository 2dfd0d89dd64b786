import MusterModel

// What follows from where the rollout stands. Looks at the whole state and not at the event that led to it, so that a
// restart between any two events changes nothing.

extension Rollout {
    /// Takes one step of the decision; false when there is nothing more to decide now.
    mutating func advance(_ now: Instant) -> Bool {
        switch state {
        case .running: advanceRunning(now)
        case .paused: advancePaused(now)
        case .rollingBack: advanceRollback(now)
        case .succeeded: sendCommits(now)
        case .planned, .rolledBack, .rollbackFailed, .aborted, .failed: false
        }
    }

    mutating func enter(_ target: RolloutState, _ reason: String, _ now: Instant) {
        state = target
        self.reason = reason
        if target != .running {
            bakeUntil = nil
            if target != .paused { bakeLeft = nil }
        }
        finishedAt = target.isFinished ? now : nil
    }

    mutating func pause(_ reason: String, _ now: Instant) {
        let left = bakeUntil.map { max(.zero, $0 - now) }
        enter(.paused, reason, now)
        bakeLeft = left
    }

    // MARK: Running

    private mutating func advanceRunning(_ now: Instant) -> Bool {
        if let complaint { return fail(complaint, now) }
        guard wave < plan.waves.count else {
            enter(.succeeded, successText, now)
            return true
        }
        let indexes = plan.waves[wave].hosts
        if offer(indexes, now) { return true }
        guard indexes.allSatisfy({ isDone($0) }) else { return false }
        if bakeUntil == nil, plan.waves[wave].bake > .zero {
            bakeUntil = now + plan.waves[wave].bake
            return true
        }
        guard bakeUntil.map({ $0 <= now }) ?? true else { return false }
        bakeUntil = nil
        wave += 1
        return true
    }

    /// Fills the window with the next hosts of the wave. Hosts that are away wait for the others to have their turn.
    private mutating func offer(_ indexes: [Int], _ now: Instant) -> Bool {
        let room = plan.maxInFlight - hosts.lazy.filter { $0.state.isInFlight }.count
        guard room > 0 else { return false }
        let pending = indexes.filter { hosts[$0].state == .pending }
        let next = pending.filter { hosts[$0].lost == nil } + pending.filter { hosts[$0].lost != nil }
        for index in next.prefix(room) {
            hosts[index].state = .offered
            hosts[index].reason = "asked to replace the container"
            hosts[index].isTouched = true
            send(.replace, to: index, now)
        }
        return !next.isEmpty
    }

    private func isDone(_ index: Int) -> Bool {
        hosts[index].state == .succeeded || hosts[index].state == .failed
    }

    private var failures: [Int] { hosts.indices.filter { hosts[$0].state == .failed && !forgiven.contains($0) } }

    /// What is bad enough to end or hold the rollout; nil when nothing is.
    private var complaint: String? {
        let failures = failures
        guard let first = failures.first else { return nil }
        let example = "\(hosts[first].host): \(hosts[first].reason)"
        if failures.count > plan.spec.failureBudget {
            return
                "\(failures.count) of \(hosts.count) hosts failed, the budget is \(plan.spec.failureBudget); \(example)"
        }
        guard wave < plan.waves.count else { return nil }
        let indexes = plan.waves[wave].hosts
        guard indexes.allSatisfy({ hosts[$0].state == .failed }), indexes.contains(where: { failures.contains($0) })
        else { return nil }
        return "no host of wave \(wave + 1) succeeded; \(example)"
    }

    private mutating func fail(_ complaint: String, _ now: Instant) -> Bool {
        switch plan.spec.onFailure {
        case .rollback: enter(.rollingBack, complaint, now)
        case .pause: pause(complaint, now)
        case .stop: enter(.failed, complaint, now)
        }
        return true
    }

    /// A person who pauses stops what is new, not what goes wrong.
    private mutating func advancePaused(_ now: Instant) -> Bool {
        guard plan.spec.onFailure == .rollback, let complaint else { return false }
        return fail(complaint, now)
    }

    private var successText: String {
        guard !hosts.isEmpty else { return "nothing to do: every selected host runs the image already" }
        let good = hosts.filter { $0.state == .succeeded }.count
        let bad = hosts.filter { $0.state == .failed }
        guard let first = bad.first else { return "\(good) of \(hosts.count) hosts run \(plan.hosts[0].targetImage)" }
        return "\(good) of \(hosts.count) hosts succeeded, \(bad.count) failed and were let pass; "
            + "\(first.host): \(first.reason)"
    }

    // MARK: Rolling back

    private mutating func advanceRollback(_ now: Instant) -> Bool {
        let waiting = hosts.indices.filter { hosts[$0].isTouched && hosts[$0].state != .rollbackFailed }
        let free = waiting.filter { !hosts[$0].state.isInFlight }
        let room = rollbackWindow - hosts.lazy.filter { $0.state == .restoring }.count
        if room > 0, !free.isEmpty {
            for index in free.prefix(room) {
                hosts[index].state = .restoring
                hosts[index].reason = "asked to put the old container back"
                send(.restore, to: index, now)
            }
            return true
        }
        guard waiting.isEmpty, !hosts.contains(where: { $0.state.isInFlight }) else { return false }
        let left = hosts.filter { $0.state == .rollbackFailed }
        if let first = left.first {
            enter(
                .rollbackFailed,
                "\(reason); \(left.count) hosts could not be put back, \(first.host): \(first.reason)", now)
        } else {
            enter(.rolledBack, reason, now)
        }
        return true
    }

    /// The way back skips canaries and bakes, and is wider: what is there now is known to be bad.
    private var rollbackWindow: Int { max(plan.maxInFlight, (hosts.count * 30 + 99) / 100) }

    // MARK: Succeeded

    private mutating func sendCommits(_ now: Instant) -> Bool {
        let open = hosts.indices.filter { hosts[$0].state == .succeeded && !hosts[$0].isCommitted }
        for index in open {
            hosts[index].isCommitted = true
            send(.commit, to: index, now)
        }
        return false
    }
}
