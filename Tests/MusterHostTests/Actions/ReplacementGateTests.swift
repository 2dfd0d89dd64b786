import MusterHost
import MusterModel
import MusterRollouts
import Testing

@Suite struct ReplacementGateTests {
    let now = Instant(seconds: 1_000)
    let gate = HealthGate(healthyFor: .seconds(2), deadline: .seconds(10))

    private func observed(
        _ state: Container.State = .running, health: Container.Health = .none, restarts: Int = 0,
        startedAt: Int64 = 5, exitCode: Int? = nil
    ) -> ObservedContainer {
        ObservedContainer(
            container: Container(
                id: "c", name: "web", image: "i", state: state, health: health, startedAt: Instant(seconds: startedAt),
                restarts: restarts, exitCode: exitCode), healthOutput: "no database")
    }

    private let target = CheckTableTests.target("i", .http(path: "/health"))

    @Test func withoutChecksItIsGoodOnceItRanLongEnough() {
        var judge = ReplacementGate(gate, now: now)
        judge.observed(observed(), targets: [], now: now)
        judge.observed(observed(), targets: [], now: now + .milliseconds(1_999))
        #expect(judge.verdict == .waiting)
        judge.observed(observed(), targets: [], now: now + .seconds(2))
        #expect(judge.verdict == .good)
        judge.observed(observed(.exited), targets: [], now: now + .seconds(3))
        #expect(judge.verdict == .good, "verdicts are final")
    }

    @Test(arguments: [Container.State.exited, .dead, .restarting, .paused, .removing, .created])
    func oneThatDoesNotRunIsBadAtOnce(_ state: Container.State) {
        var judge = ReplacementGate(gate, now: now)
        judge.observed(observed(state, exitCode: 3), targets: [], now: now)
        guard case .bad(let reason) = judge.verdict else {
            Issue.record("\(judge.verdict)")
            return
        }
        #expect(reason.hasPrefix("the container "))
    }

    @Test func oneThatWasRestartedIsBadAtOnce() {
        for later in [observed(restarts: 4), observed(restarts: 3, startedAt: 6)] {
            var judge = ReplacementGate(gate, now: now)
            judge.observed(observed(restarts: 3), targets: [], now: now)
            #expect(judge.verdict == .waiting)
            judge.observed(later, targets: [], now: now + .seconds(1))
            #expect(judge.verdict == .bad("the container stopped and was restarted"))
        }
    }

    @Test func checksAreAskedAtTheirIntervalAndHaveToPass() {
        var judge = ReplacementGate(gate, now: now)
        judge.observed(observed(), targets: [target], now: now)
        #expect(judge.takeDue(now: now) == [target])
        #expect(judge.takeDue(now: now + .milliseconds(999)).isEmpty)
        #expect(judge.takeDue(now: now + .seconds(1)) == [target])
        judge.observed(observed(), targets: [target], now: now + .seconds(5))
        #expect(judge.verdict == .waiting, "no check has finished")
        judge.checked("i", .passed(""), now: now + .seconds(5))
        judge.checked("i", .warned(""), now: now + .seconds(7))
        #expect(judge.verdict == .good)
        #expect(judge.takeDue(now: now + .seconds(9)).isEmpty)
    }

    @Test func aFailureInBetweenBeginsAnew() {
        var judge = ReplacementGate(gate, now: now)
        judge.observed(observed(), targets: [target], now: now)
        judge.checked("i", .passed(""), now: now + .seconds(1))
        judge.checked("i", .failed("x"), now: now + .seconds(2))
        judge.checked("i", .passed(""), now: now + .milliseconds(2_500))
        judge.checked("i", .passed(""), now: now + .seconds(4))
        #expect(judge.verdict == .waiting)
        judge.checked("i", .passed(""), now: now + .milliseconds(4_500))
        #expect(judge.verdict == .good)
    }

    @Test func theDeadlineNamesWhatStoodInTheWay() {
        var failing = ReplacementGate(gate, now: now)
        failing.observed(observed(), targets: [target], now: now)
        for second in 1...3 {
            failing.checked(
                "i", .failed("check http :8080/health failed: connection refused"), now: now + .seconds(second))
        }
        failing.observed(observed(), targets: [target], now: now + .seconds(10))
        #expect(
            failing.verdict
                == .bad(
                    "it was not healthy for 2s within 10s: check http :8080/health failed: connection refused; 3 of 3 tries"
                ))

        var silent = ReplacementGate(gate, now: now)
        silent.observed(observed(), targets: [target], now: now)
        silent.observed(observed(), targets: [target], now: now + .seconds(10))
        #expect(silent.verdict == .bad("it was not healthy for 2s within 10s: no check has finished"))

        for (health, words) in [(Container.Health.starting, "has not passed yet"), (.unhealthy, "fails: no database")] {
            var docker = ReplacementGate(gate, now: now)
            docker.observed(observed(health: health), targets: [], now: now)
            docker.observed(observed(health: health), targets: [], now: now + .seconds(10))
            #expect(docker.verdict == .bad("it was not healthy for 2s within 10s: Docker's health check \(words)"))
        }

        var late = ReplacementGate(gate, now: now)
        late.observed(observed(), targets: [target], now: now)
        late.checked("i", .passed(""), now: now + .seconds(9))
        late.observed(observed(), targets: [target], now: now + .seconds(10))
        #expect(late.verdict == .bad("it was not healthy for 2s within 10s: it has been healthy for only 1s"))
    }

    @Test func dockersHealthHasToBeHealthyWhereThereIsOne() {
        var judge = ReplacementGate(gate, now: now)
        judge.observed(observed(health: .starting), targets: [], now: now)
        judge.observed(observed(health: .healthy), targets: [], now: now + .seconds(3))
        judge.observed(observed(health: .healthy), targets: [], now: now + .milliseconds(4_900))
        #expect(judge.verdict == .waiting)
        judge.observed(observed(health: .healthy), targets: [], now: now + .seconds(5))
        #expect(judge.verdict == .good)
    }
}
