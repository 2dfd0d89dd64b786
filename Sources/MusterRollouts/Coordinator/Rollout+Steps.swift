import MusterModel

// Steps out and outcomes in.

extension Rollout {
    enum Kind: String {
        case replace, restore, commit
    }

    func index(of host: HostID) -> Int? { hosts.firstIndex { $0.host == host } }

    /// The host that a key is outstanding at.
    func index(of key: StepKey) -> Int? {
        hosts.firstIndex { $0.outstanding?.step.key == key }
    }

    /// The host whose latest replace a key names although nobody waits for it any more.
    func lateIndex(of key: StepKey) -> Int? {
        hosts.indices.first { index in
            key
                == StepKey(
                    rollout: id, step: Self.stepName(.replace, index),
                    attempt: hosts[index].attempts[Kind.replace.rawValue] ?? 0)
        }
    }

    /// Part of a container's name, so short: the host's place in the plan, not its id.
    static func stepName(_ kind: Kind, _ index: Int) -> String { "\(kind.rawValue)-\(index + 1)" }

    // MARK: Out

    mutating func send(_ kind: Kind, to index: Int, _ now: Instant) {
        let attempt = (hosts[index].attempts[kind.rawValue] ?? 0) + 1
        hosts[index].attempts[kind.rawValue] = attempt
        let containers = max(1, plan.hosts[index].containers.count)
        let gate = plan.spec.health
        let action: StepAction
        let expiresAt: Instant
        let deadline: Instant
        switch kind {
        case .replace:
            action = .replace(
                selector: plan.spec.select, image: plan.hosts[index].targetImage, gate: gate)
            expiresAt = now + Timing.offer
            deadline = expiresAt + Timing.preparation + gate.deadline * containers
        case .restore:
            action = .restore
            expiresAt = now + Timing.restorePerContainer * containers
            deadline = expiresAt + Timing.restorePerContainer * containers
        case .commit:
            action = .commit
            expiresAt = now + Timing.commit
            deadline = expiresAt
        }
        let step = RolloutStep(
            rollout: id, step: Self.stepName(kind, index), attempt: attempt, epoch: epoch, host: plan.hosts[index].host,
            action: action, expiresAt: expiresAt)
        hosts[index].outstanding = OutstandingStep(
            step: step, withdrawAt: min(deadline, expiresAt + Timing.clockSkew), deadline: deadline, resendAt: now)
    }

    /// Every step whose time to be sent, or sent again, has come. An expired offer too: a host that took it says so,
    /// and one that did not refuses it, which is the certainty that allows another attempt.
    mutating func resend(_ now: Instant, _ effect: inout Effect) {
        for index in hosts.indices {
            guard let outstanding = hosts[index].outstanding, outstanding.resendAt <= now, isToBeResent(outstanding)
            else { continue }
            effect.send.append(outstanding.step)
            hosts[index].outstanding?.resendAt =
                now + (outstanding.isAccepted ? Timing.acceptedResend : Timing.offerResend)
        }
    }

    /// What nobody has taken is not asked for any longer once the rollout wants something else.
    func isToBeResent(_ outstanding: OutstandingStep) -> Bool {
        if outstanding.isAccepted { return true }
        return switch outstanding.step.action {
        case .replace: state == .running || state == .paused
        case .restore: state == .rollingBack
        case .commit: state == .succeeded
        }
    }

    /// Ends steps whose time is over.
    mutating func expireSteps(_ now: Instant) {
        for index in hosts.indices {
            guard let outstanding = hosts[index].outstanding else { continue }
            guard now >= outstanding.endsAt else { continue }
            hosts[index].outstanding = nil
            let lost = hosts[index].lost.map { ": \($0)" } ?? ""
            let text =
                outstanding.isAccepted
                ? "did not report an end in time\(lost); its state is unknown"
                : "did not take the step in time\(lost)"
            switch hosts[index].state {
            case .offered, .running:
                hosts[index].state = .failed
                hosts[index].reason = text
            case .restoring:
                hosts[index].state = .rollbackFailed
                hosts[index].reason = text
            // A commit that never arrives leaves a parked container behind; that changes nothing about the outcome.
            default: break
            }
        }
    }

    // MARK: In

    mutating func finish(_ index: Int, _ key: StepKey, _ outcome: StepOutcome, _ now: Instant) {
        switch key.step {
        case Self.stepName(.replace, index): replaced(index, outcome, now)
        case Self.stepName(.restore, index): restored(index, outcome, now)
        default: committed(index, outcome, now)
        }
    }

    private mutating func replaced(_ index: Int, _ outcome: StepOutcome, _ now: Instant) {
        switch outcome {
        case .succeeded(let detail):
            hosts[index].state = .succeeded
            hosts[index].reason = detail.note
            if !detail.previousImage.isEmpty { hosts[index].previousImage = detail.previousImage }
        case .failed(let reason, let isRolledBack):
            hosts[index].state = .failed
            hosts[index].reason = isRolledBack ? "\(reason); put back" : "\(reason); could not be put back"
            hosts[index].isTouched = !isRolledBack
        case .refused(let reason):
            guard state == .running || state == .paused, attempts(.replace, index) < Timing.attemptsMax else {
                hosts[index].isTouched = false
                hosts[index].state = state == .running || state == .paused ? .failed : .pending
                hosts[index].reason = "refused: \(reason)"
                return
            }
            hosts[index].state = .offered
            hosts[index].reason = "refused, will be asked again: \(reason)"
            sendLater(.replace, to: index, now)
        }
    }

    private mutating func restored(_ index: Int, _ outcome: StepOutcome, _ now: Instant) {
        switch outcome {
        case .succeeded(let detail):
            hosts[index].state = .rolledBack
            hosts[index].reason = detail.note
            hosts[index].isTouched = false
        case .failed(let reason, _):
            hosts[index].state = .rollbackFailed
            hosts[index].reason = reason
        case .refused(let reason):
            guard state == .rollingBack, attempts(.restore, index) % Timing.attemptsMax != 0 else {
                hosts[index].state = .rollbackFailed
                hosts[index].reason = "refused: \(reason)"
                return
            }
            sendLater(.restore, to: index, now)
        }
    }

    private mutating func committed(_ index: Int, _ outcome: StepOutcome, _ now: Instant) {
        guard case .refused = outcome, attempts(.commit, index) < Timing.attemptsMax else { return }
        sendLater(.commit, to: index, now)
    }

    /// Another attempt after a refusal, not at once: what the host refuses now it may take in a moment.
    private mutating func sendLater(_ kind: Kind, to index: Int, _ now: Instant) {
        send(kind, to: index, now)
        hosts[index].outstanding?.resendAt = now + Timing.offerResend
    }

    /// The end of a replace that was given up is reported after all.
    mutating func finishLate(_ index: Int, _ outcome: StepOutcome) {
        guard hosts[index].state == .failed, hosts[index].isTouched else { return }
        switch outcome {
        case .succeeded(let detail) where state == .running || state == .paused || state == .succeeded:
            hosts[index].state = .succeeded
            hosts[index].reason = "late: \(detail.note)"
        case .failed(let reason, rolledBack: true):
            hosts[index].reason = "\(reason); put back"
            hosts[index].isTouched = false
        case .refused(let reason):
            hosts[index].reason = "refused: \(reason)"
            hosts[index].isTouched = false
        case .succeeded, .failed: break
        }
    }

    private func attempts(_ kind: Kind, _ index: Int) -> Int { hosts[index].attempts[kind.rawValue] ?? 0 }
}
