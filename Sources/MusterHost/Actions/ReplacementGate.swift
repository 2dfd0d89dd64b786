import MusterHealth
package import MusterModel
package import MusterRollouts

/// Judges a new container: good when it has run without a restart and with all its checks passing for `healthyFor`, bad
/// when it stops, restarts, or the deadline passes before.
///
///     waiting --all checks pass, `healthyFor` long--> good
///     waiting --not running | restarted | deadline--> bad
///
/// A check that fails in between starts `healthyFor` anew. Verdicts are final.
package struct ReplacementGate {
    package enum Verdict: Equatable {
        case waiting, good
        case bad(String)
    }

    private struct Check {
        var target: CheckTarget
        var health: CheckHealth
        var due: Instant
        var tries = 0
        var failures = 0
        var lastFailure = ""
    }

    let gate: HealthGate
    let began: Instant
    package private(set) var verdict = Verdict.waiting
    private var firstRestarts: Int?
    private var firstStart: Instant?
    private var checks: [String: Check] = [:]
    private var healthySince: Instant?
    private var dockerHealth = Container.Health.none
    private var dockerOutput = ""

    package init(_ gate: HealthGate, now: Instant) {
        self.gate = gate
        began = now
    }

    /// The container as Docker shows it, and the checks its labels ask for.
    package mutating func observed(_ observed: ObservedContainer, targets: [CheckTarget], now: Instant) {
        guard verdict == .waiting else { return }
        let container = observed.container
        if let obstacle = ContainerLife(observed).obstacle {
            verdict = .bad(obstacle)
            return
        }
        let restarts = firstRestarts ?? container.restarts
        let start = firstStart ?? container.startedAt
        firstRestarts = restarts
        firstStart = start
        if container.restarts > restarts || container.startedAt != start {
            verdict = .bad("the container stopped and was restarted")
            return
        }
        dockerHealth = container.health
        dockerOutput = observed.healthOutput
        for target in targets where target.policy.kind.asksNetwork && checks[target.instance.id] == nil {
            checks[target.instance.id] = Check(
                target: target, health: CheckHealth(policy: target.policy, now: now), due: now)
        }
        judge(now: now)
    }

    /// Checks to run now; answer each with `checked`.
    package mutating func takeDue(now: Instant) -> [CheckTarget] {
        guard verdict == .waiting else { return [] }
        let due = checks.filter { $0.value.due <= now }
        for (id, check) in due { checks[id]?.due = now + check.target.policy.interval }
        return due.values.map(\.target).sorted { $0.instance.id < $1.instance.id }
    }

    package mutating func checked(_ id: String, _ result: CheckResult, now: Instant) {
        guard verdict == .waiting, var check = checks[id] else { return }
        check.tries += 1
        if case .failed(let reason) = result {
            check.failures += 1
            check.lastFailure = reason
        }
        _ = check.health.resulted(result, now: now)
        checks[id] = check
        judge(now: now)
    }

    private var isHealthy: Bool {
        (dockerHealth == .none || dockerHealth == .healthy)
            && checks.values.allSatisfy { $0.health.state == .passing || $0.health.state == .warning }
    }

    private mutating func judge(now: Instant) {
        if isHealthy {
            let since = healthySince ?? now
            healthySince = since
            if now - since >= gate.healthyFor {
                verdict = .good
                return
            }
        } else {
            healthySince = nil
        }
        guard now - began >= gate.deadline else { return }
        verdict = .bad(
            "it was not healthy for \(gate.healthyFor.shortText) within \(gate.deadline.shortText): "
                + obstacle(now: now)
        )
    }

    /// What stands in the way, for people.
    private func obstacle(now: Instant) -> String {
        let failing = checks.values.filter { $0.health.state != .passing && $0.health.state != .warning }
            .sorted { $0.target.instance.id < $1.target.instance.id }
        if let check = failing.first {
            guard check.tries > 0 else { return "no check has finished" }
            return "\(check.lastFailure); \(check.failures) of \(check.tries) tries"
        }
        switch dockerHealth {
        case .starting: return "Docker's health check has not passed yet"
        case .unhealthy: return "Docker's health check fails" + (dockerOutput.isEmpty ? "" : ": \(dockerOutput)")
        case .none, .healthy: break
        }
        let since = healthySince.map { (now - $0).shortText } ?? "0s"
        return "it has been healthy for only \(since)"
    }
}

extension CheckKind {
    /// Whether a probe has to be sent; otherwise Docker's word is enough.
    var asksNetwork: Bool {
        switch self {
        case .http, .tcp: true
        case .docker, .none: false
        }
    }
}
