package import MusterModel

extension Rollout {
    /// For people and programs, true at `now`.
    package func status(now: Instant) -> RolloutStatus {
        let rows = hosts.map { host in
            let away = host.lost.map { host.reason.isEmpty ? "away: \($0)" : "\(host.reason) (away: \($0))" }
            return RolloutStatus.Host(
                host: host.host.text, state: host.state.rawValue, reason: away ?? host.reason)
        }
        let skipped = plan.skipped.map {
            RolloutStatus.Host(host: $0.host.text, state: RolloutHostState.skipped.rawValue, reason: $0.reason)
        }
        return RolloutStatus(
            id: id.text, name: plan.spec.name, state: state.rawValue, reason: progress(now),
            wave: state == .planned ? 0 : min(wave + 1, plan.waves.count),
            hosts: (rows + skipped).sorted { $0.host < $1.host })
    }

    /// The state of one host of the plan; nil for others.
    package func hostState(of host: HostID) -> RolloutHostState? { index(of: host).map { hosts[$0].state } }

    /// What the rollout waits for.
    private func progress(_ now: Instant) -> String {
        let counts = "wave \(min(wave + 1, plan.waves.count)) of \(plan.waves.count): "
        switch state {
        case .running:
            guard wave < plan.waves.count else { return reason }
            if let bakeUntil {
                let seconds = max(0, (bakeUntil - now).nanoseconds / 1_000_000_000)
                return counts + "baking, \(Duration.seconds(seconds).shortText) left"
            }
            let members = plan.waves[wave].hosts.map { hosts[$0].state }
            return counts + "\(members.filter { $0 == .succeeded }.count) of \(members.count) hosts done, "
                + "\(members.filter { $0.isInFlight }.count) in flight"
        case .rollingBack:
            let left = hosts.filter { $0.isTouched && $0.state != .rollbackFailed }.count
            return "\(reason); \(left) hosts left to put back"
        case .planned, .paused, .succeeded, .rolledBack, .rollbackFailed, .aborted, .failed:
            return reason
        }
    }

    /// The way back from a rollout that succeeded: a rollout of its own that gives every host the image it ran before.
    package func undoPlan(_ inventory: RolloutInventory) throws(RolloutPlanError) -> RolloutPlan {
        var previous: [HostID: String] = [:]
        for host in hosts where host.state == .succeeded && !host.previousImage.isEmpty {
            previous[host.host] = host.previousImage
        }
        guard !previous.isEmpty else { throw .nothingToUndo("rollout \(id) changed no host") }
        var spec = plan.spec
        // A name stays within its limit.
        spec.name = "undo-" + spec.name.prefix(Limits.nameBytes - 5)
        spec.waves = [RolloutSpec.Wave(.percent(100))]
        spec.expect = 1...RolloutSpec.hostsMax
        return try RolloutPlan.make(spec, inventory) { previous[$0] }
    }
}
