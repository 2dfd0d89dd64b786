package import MusterModel

/// One rollout, from its plan to its end.
///
/// Transitions:
///
///     planned --started--> running; nothing to do: succeeded
///     running --paused by an operator, or too many failed with onFailure: pause--> paused
///     running, paused --too many failed with onFailure: rollback, or undone--> rollingBack
///     running --too many failed with onFailure: stop--> failed
///     running --every wave is done--> succeeded, commit steps go out
///     paused --resumed--> running, the failures so far are forgiven
///     rollingBack --every touched host is put back--> rolledBack
///     rollingBack --as above, but some could not be--> rollbackFailed
///     planned, running, paused, rollingBack --aborted--> aborted
///     aborted, failed, rollbackFailed --undone--> rollingBack
///
/// Every other wish is refused with a reason. What hosts report is recorded in every state. "Too many failed" means
/// more than the failure budget, or a wave in which no host succeeded.
///
/// Transitions of a host:
///
///     pending --its turn--> offered --accepted--> running --outcome--> succeeded or failed
///     offered --not taken in time--> failed; running --no outcome in time--> failed (touched: its end is unknown)
///     failed --late success is reported--> succeeded
///     succeeded --degraded--> failed (touched)
///     touched, rolling back --its turn--> restoring --outcome--> rolledBack or rollbackFailed
///     pending, rolling back--> stays pending, never touched
package struct Rollout: Codable, Equatable, Sendable {
    /// What follows from an event, in the order in which it has to be done.
    package struct Effect: Equatable, Sendable {
        /// The rollout has changed: store it before anything is sent.
        package var isToBeStored = false
        package var send: [RolloutStep] = []

        package init() {}
    }

    package enum Timing {
        /// An offer that is not taken for so long is withdrawn.
        package static let offer = Duration.minutes(2)
        /// How long a host may prepare (pull an image) before gates begin to count.
        package static let preparation = Duration.minutes(15)
        package static let restorePerContainer = Duration.minutes(5)
        /// An offer that nobody confirms is sent again.
        package static let offerResend = Duration.seconds(5)
        /// An accepted step is asked about again.
        package static let acceptedResend = Duration.seconds(30)
        /// Clocks of hosts may differ by this much: an offer counts as withdrawn only so long after it expired.
        package static let clockSkew = Duration.seconds(10)
        /// Agents come back to a coordinator that restarted within this time.
        package static let restoreGrace = Limits.reconnectCeiling * 2
        /// Hosts that stay away are not waited for to remove what they parked.
        package static let commit = Duration.hours(1)
        /// A step that was refused is tried again this often.
        package static let attemptsMax = 5
    }

    @Stored package private(set) var id: RolloutID
    package let plan: RolloutPlan
    package internal(set) var state = RolloutState.planned
    /// Why the rollout is in its state.
    package internal(set) var reason: String
    var wave = 0
    var hosts: [RolloutHost]
    /// While the present wave bakes: until when.
    @Stored var bakeUntil: Instant?
    /// While paused: how much of the bake is left.
    var bakeLeft: Duration?
    /// Failures that an operator has forgiven by resuming.
    var forgiven: [Int] = []
    /// Of the coordinator's term; agents refuse steps of an older one.
    package internal(set) var epoch: UInt64
    @Stored package private(set) var createdAt: Instant
    @Stored package internal(set) var finishedAt: Instant?

    /// `id` has to be new for every plan that is stored.
    package init(id: RolloutID, plan: RolloutPlan, epoch: UInt64, now: Instant) {
        self.plan = plan
        self.epoch = epoch
        hosts = plan.hosts.map { planned in
            var host = RolloutHost(host: planned.host)
            host.previousImage = planned.images.first ?? ""
            return host
        }
        reason = "planned: \(plan.hosts.count) hosts in \(plan.waves.count) waves"
        self.id = id
        bakeUntil = nil
        createdAt = now
        finishedAt = nil
    }

    // MARK: Wishes of operators

    package mutating func started(now: Instant) throws(RolloutRefusal) -> Effect {
        try require([.planned], "started", "make a new plan")
        return event(now) { rollout in
            rollout.enter(.running, "started", now)
        }
    }

    /// Nothing new is sent; what is in flight goes on under its own deadlines.
    package mutating func paused(by person: String, now: Instant) throws(RolloutRefusal) -> Effect {
        try require([.running], "paused", "only a running rollout can")
        return event(now) { $0.pause("paused by \(person)", now) }
    }

    /// Goes on; what has failed so far counts no more.
    package mutating func resumed(by person: String, now: Instant) throws(RolloutRefusal) -> Effect {
        try require([.paused], "resumed", "only a paused rollout can")
        return event(now) { rollout in
            rollout.forgiven = rollout.hosts.indices.filter { rollout.hosts[$0].state == .failed }
            rollout.bakeUntil = rollout.bakeLeft.map { now + $0 }
            rollout.bakeLeft = nil
            rollout.enter(.running, "resumed by \(person)", now)
        }
    }

    /// Ends the rollout at once and leaves everything as it is. What is in flight ends on its host.
    package mutating func aborted(by person: String, now: Instant) throws(RolloutRefusal) -> Effect {
        try require([.planned, .running, .paused, .rollingBack], "aborted", "it has ended already")
        return event(now) { $0.enter(.aborted, "aborted by \(person)", now) }
    }

    /// Puts back every host that was touched. A rollout that succeeded has given up what it parked: see `undoPlan`.
    package mutating func undone(by person: String, now: Instant) throws(RolloutRefusal) -> Effect {
        let wayOut = state == .succeeded ? "plan the way back as a rollout of its own" : "nothing was changed by it"
        try require([.running, .paused, .aborted, .failed, .rollbackFailed], "undone in place", wayOut)
        return event(now) { rollout in
            for index in rollout.hosts.indices where rollout.hosts[index].state == .rollbackFailed {
                rollout.hosts[index].state = .failed
                rollout.hosts[index].isTouched = true
            }
            rollout.enter(.rollingBack, "undone by \(person)", now)
        }
    }

    // MARK: What hosts report

    /// A host journalled a step.
    package mutating func stepAccepted(_ key: StepKey, now: Instant) -> Effect {
        event(now) { rollout in
            guard let index = rollout.index(of: key) else { return }
            rollout.hosts[index].outstanding?.isAccepted = true
            rollout.hosts[index].outstanding?.resendAt = now + Timing.acceptedResend
            guard rollout.hosts[index].state == .offered else { return }
            rollout.hosts[index].state = .running
            rollout.hosts[index].reason = "replacing the container, then watching its health"
        }
    }

    /// A step ended. Reports of older attempts, and copies, change nothing.
    package mutating func stepFinished(_ key: StepKey, _ outcome: StepOutcome, now: Instant) -> Effect {
        event(now) { rollout in
            if let index = rollout.index(of: key) {
                rollout.hosts[index].outstanding = nil
                rollout.finish(index, key, outcome, now)
            } else if let index = rollout.lateIndex(of: key) {
                rollout.finishLate(index, outcome)
            }
        }
    }

    /// A host that had succeeded is no longer good: health counts until the rollout ends.
    package mutating func hostDegraded(_ host: HostID, reason: String, now: Instant) -> Effect {
        event(now) { rollout in
            guard rollout.state == .running || rollout.state == .paused,
                let index = rollout.index(of: host), rollout.hosts[index].state == .succeeded
            else { return }
            rollout.hosts[index].state = .failed
            rollout.hosts[index].reason = "was good, then: \(reason)"
        }
    }

    /// The coordinator does not hear from a host. Its deadlines go on.
    package mutating func hostLost(_ host: HostID, reason: String, now: Instant) -> Effect {
        event(now) { rollout in
            guard let index = rollout.index(of: host) else { return }
            rollout.hosts[index].lost = reason
        }
    }

    /// A host is connected again: what is outstanding is sent again, in case it was lost with the connection.
    package mutating func hostBack(_ host: HostID, now: Instant) -> Effect {
        event(now) { rollout in
            guard let index = rollout.index(of: host) else { return }
            rollout.hosts[index].lost = nil
            rollout.hosts[index].outstanding?.resendAt = now
        }
    }

    /// The coordinator has restarted and read this from storage. Every outstanding step is sent again, in the new
    /// epoch; a host that did it while nobody listened has `Timing.restoreGrace` to say so.
    package mutating func restored(epoch: UInt64, now: Instant) -> Effect {
        event(now) { rollout in
            rollout.epoch = max(epoch, rollout.epoch)
            let grace = now + Timing.restoreGrace
            for index in rollout.hosts.indices {
                guard var outstanding = rollout.hosts[index].outstanding else { continue }
                outstanding.step.epoch = rollout.epoch
                outstanding.resendAt = now
                outstanding.withdrawAt = max(outstanding.withdrawAt, grace)
                outstanding.deadline = max(outstanding.deadline, grace)
                rollout.hosts[index].outstanding = outstanding
            }
        }
    }

    /// Time passed.
    package mutating func tick(now: Instant) -> Effect { event(now) { _ in } }

    // MARK: Reading

    /// When `tick` has something to do; nil when only an event can move the rollout.
    package var wakeAt: Instant? {
        var earliest = state == .running ? bakeUntil : nil
        for host in hosts {
            guard let outstanding = host.outstanding else { continue }
            let next = isToBeResent(outstanding) ? min(outstanding.resendAt, outstanding.endsAt) : outstanding.endsAt
            earliest = min(earliest ?? next, next)
        }
        return earliest
    }

    /// Nothing is left to do or to wait for: the rollout is history.
    package var isSettled: Bool { state.isFinished && hosts.allSatisfy { $0.outstanding == nil } }

    // MARK: The one way in

    /// Applies an event, then lets everything follow that now can, until nothing changes any more.
    private mutating func event(_ now: Instant, _ change: (inout Rollout) -> Void) -> Effect {
        let before = self
        change(&self)
        var effect = Effect()
        expireSteps(now)
        while advance(now) {}
        resend(now, &effect)
        effect.isToBeStored = stored != before.stored
        return effect
    }

    /// Without what a restart finds out by itself: who is away, and when to ask again.
    private var stored: Rollout {
        var copy = self
        for index in copy.hosts.indices {
            copy.hosts[index].lost = nil
            copy.hosts[index].outstanding?.resendAt = .distantPast
        }
        return copy
    }

    private func require(
        _ states: [RolloutState], _ wish: String, _ wayOut: String
    ) throws(RolloutRefusal) {
        guard states.contains(state) else { throw .notInState(id, state, wish: wish, wayOut: wayOut) }
    }
}
