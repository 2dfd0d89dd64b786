import Foundation
import MusterModel
import MusterRollouts
import Testing

@Suite struct RolloutTests {
    @Test func aGoodImageGoesThroughEveryWaveAndIsCommitted() throws {
        var world = try RolloutWorld([.good, .good, .good, .good, .good]) {
            $0.waves = [RolloutSpec.Wave(.hosts(1), bake: .seconds(60)), RolloutSpec.Wave(.percent(100))]
        }
        #expect(world.rollout.status(now: world.now).reason == "planned: 5 hosts in 2 waves")
        #expect(world.rollout.status(now: world.now).wave == 0)
        try world.begin()
        try world.run(seconds: 8)
        #expect(world.states == [.succeeded, .pending, .pending, .pending, .pending])
        #expect(world.rollout.status(now: world.now).reason.hasPrefix("wave 1 of 2: baking, 5"))
        try world.run(seconds: 60)
        #expect(world.rollout.status(now: world.now).reason == "wave 2 of 2: 0 of 4 hosts done, 2 in flight")
        try world.runToEnd()
        #expect(world.rollout.state == .succeeded)
        #expect(world.rollout.state.exitCode == 0)
        #expect(world.images == Array(repeating: "web:2", count: 5))
        #expect(world.hosts.allSatisfy { $0.parked == nil })
        #expect(world.mostInFlight == 2)
        #expect(world.rollout.status(now: world.now).reason == "5 of 5 hosts run web:2")
    }

    @Test func aBadImageStopsAtTheFirstHostAndSaysWhy() throws {
        var world = try RolloutWorld([.bad, .bad, .bad])
        try world.begin()
        try world.runToEnd()
        #expect(world.rollout.state == .rolledBack)
        #expect(world.rollout.state.exitCode == 3)
        #expect(world.states == [.failed, .pending, .pending])
        #expect(world.images == ["web:1", "web:1", "web:1"])
        #expect(
            world.rollout.reason
                == "1 of 3 hosts failed, the budget is 0; h1: check failed: HTTP 500; put back")
    }

    @Test func everyTouchedHostIsPutBack() throws {
        var world = try RolloutWorld([.good, .good, .bad, .good]) { $0.maxInFlight = .hosts(1) }
        try world.begin()
        try world.runToEnd()
        #expect(world.rollout.state == .rolledBack)
        #expect(world.states == [.rolledBack, .rolledBack, .failed, .pending])
        #expect(world.images == Array(repeating: "web:1", count: 4))
    }

    @Test func whatCannotBePutBackNeedsAPerson() throws {
        var world = try RolloutWorld([.good, .badAndStuck, .good])
        try world.begin()
        try world.runToEnd()
        #expect(world.rollout.state == .rollbackFailed)
        #expect(world.rollout.state.exitCode == 4)
        #expect(world.states == [.rolledBack, .rollbackFailed, .rolledBack])
        #expect(world.rollout.reason.contains("1 hosts could not be put back, h2: old container is gone"))
        world.hosts[1].behaviour = .good
        world.hosts[1].parked = "web:1"
        try world.perform(world.rollout.undone(by: "ann", now: world.now))
        try world.runToEnd()
        #expect(world.rollout.state == .rolledBack)
        #expect(world.images == ["web:1", "web:1", "web:1"])
    }

    @Test func theBudgetLetsSomeFailButNeverAWholeWave() throws {
        var world = try RolloutWorld([.good, .bad, .good, .good]) { $0.failureBudget = 1 }
        try world.begin()
        try world.runToEnd()
        #expect(world.rollout.state == .succeeded)
        #expect(world.images == ["web:2", "web:1", "web:2", "web:2"])
        #expect(world.rollout.reason.contains("1 failed and were let pass; h2: check failed"))
        var canary = try RolloutWorld([.bad, .good, .good, .good]) { $0.failureBudget = 3 }
        try canary.begin()
        try canary.runToEnd()
        #expect(canary.rollout.state == .rolledBack)
        #expect(canary.rollout.reason.hasPrefix("no host of wave 1 succeeded"))
    }

    @Test func aFailureCanPauseOrStopInstead() throws {
        var paused = try RolloutWorld([.good, .bad, .good]) {
            $0.onFailure = .pause
            $0.maxInFlight = .hosts(1)
        }
        try paused.begin()
        try paused.run(seconds: 100)
        #expect(paused.rollout.state == .paused)
        #expect(paused.rollout.state.exitCode == 5)
        try paused.perform(paused.rollout.resumed(by: "ann", now: paused.now))
        try paused.runToEnd()
        #expect(paused.rollout.state == .succeeded)
        #expect(paused.images == ["web:2", "web:1", "web:2"])
        var stopped = try RolloutWorld([.good, .bad, .good]) {
            $0.onFailure = .stop
            $0.maxInFlight = .hosts(1)
        }
        try stopped.begin()
        try stopped.runToEnd()
        #expect(stopped.rollout.state == .failed)
        #expect(stopped.images == ["web:2", "web:1", "web:1"])
        try stopped.perform(stopped.rollout.undone(by: "ann", now: stopped.now))
        try stopped.runToEnd()
        #expect(stopped.rollout.state == .rolledBack)
        #expect(stopped.images == ["web:1", "web:1", "web:1"])
    }

    @Test func healthCountsUntilTheEnd() throws {
        var world = try RolloutWorld([.good, .good]) {
            $0.waves = [RolloutSpec.Wave(.hosts(1), bake: .seconds(600)), RolloutSpec.Wave(.percent(100))]
        }
        try world.begin()
        try world.run(seconds: 100)
        try world.perform(world.rollout.hostDegraded(valid(HostID("h2")), reason: "x", now: world.now))
        #expect(world.rollout.state == .running)
        try world.perform(world.rollout.hostDegraded(valid(HostID("h1")), reason: "HTTP 500", now: world.now))
        try world.runToEnd()
        #expect(world.rollout.state == .rolledBack)
        #expect(world.rollout.reason.contains("was good, then: HTTP 500"))
        #expect(world.images == ["web:1", "web:1"])
    }

    @Test func pausingStopsTheBakeAndNothingNewIsSent() throws {
        var world = try RolloutWorld([.good, .good]) {
            $0.waves = [RolloutSpec.Wave(.hosts(1), bake: .seconds(100)), RolloutSpec.Wave(.percent(100))]
        }
        try world.begin()
        try world.run(seconds: 57)
        try world.perform(world.rollout.paused(by: "ann", now: world.now))
        try world.run(seconds: 1_000)
        try world.crash(awayFor: 1_000)
        #expect(world.rollout.state == .paused)
        #expect(world.sent.allSatisfy { $0.host.text == "h1" })
        try world.perform(world.rollout.resumed(by: "bob", now: world.now))
        try world.run(seconds: 45)
        #expect(world.states == [.succeeded, .pending])
        try world.runToEnd()
        #expect(world.rollout.state == .succeeded)
    }

    @Test func abortLeavesEverythingAsItIs() throws {
        var world = try RolloutWorld([.good, .good, .good, .good])
        try world.begin()
        try world.run(seconds: 10)
        try world.perform(world.rollout.aborted(by: "ann", now: world.now))
        try world.runToEnd()
        #expect(world.rollout.state == .aborted)
        #expect(world.rollout.state.exitCode == 4)
        #expect(world.states == [.succeeded, .succeeded, .succeeded, .pending])
        #expect(world.rollout.reason == "aborted by ann")
    }

    @Test func aHostThatStaysAwayFailsAfterItsTimeAndAHostThatComesBackGoesOn() throws {
        var world = try RolloutWorld([.good, .good, .good])
        try world.begin()
        try world.run(seconds: 2)
        try world.disconnect(0)
        try world.run(seconds: 60)
        #expect(world.rollout.state == .running)
        #expect(world.rollout.status(now: world.now).hosts[0].reason.contains("away: no heartbeat"))
        try world.connect(0)
        try world.runToEnd()
        #expect(world.rollout.state == .succeeded)
        var dead = try RolloutWorld([.silent, .good])
        try dead.begin()
        try dead.disconnect(0)
        try dead.run(seconds: 129)
        #expect(dead.rollout.state == .running)
        try dead.run(seconds: 2)
        #expect(dead.rollout.state == .rollingBack)
        try dead.runToEnd()
        #expect(dead.rollout.state == .rollbackFailed)
        #expect(dead.rollout.reason.contains("did not take the step in time: no heartbeat"))
    }

    @Test func refusedStepsAreTriedAgainUnderANewAttempt() throws {
        var world = try RolloutWorld([.refusesOnce, .good])
        try world.begin()
        try world.runToEnd()
        #expect(world.rollout.state == .succeeded)
        #expect(world.hosts[0].executed.first?.attempt == 2)
        #expect(Rollout.Timing.attemptsMax > 2)
    }

    @Test func aHostThatAlwaysRefusesFailsAfterAllItsAttempts() throws {
        var world = try RolloutWorld([.good])
        world.hosts[0].isConnected = false
        try world.begin()
        for attempt in 1...Rollout.Timing.attemptsMax {
            #expect(world.rollout.state == .running)
            let key = StepKey(rollout: RolloutWorld.id, step: "replace-1", attempt: attempt)
            try world.perform(world.rollout.stepFinished(key, .refused(reason: "older epoch"), now: world.now))
        }
        #expect(world.rollout.state == .rolledBack)
        #expect(world.rollout.reason.contains("refused: older epoch"))
    }

    @Test func aLateSuccessIsRecorded() throws {
        var world = try RolloutWorld([.good, .silent]) {
            $0.failureBudget = 1
            $0.waves = [RolloutSpec.Wave(.percent(100), bake: .hours(1))]
        }
        try world.begin()
        try world.run(seconds: 200)
        #expect(world.states == [.succeeded, .failed])
        let key = StepKey(rollout: RolloutWorld.id, step: "replace-2", attempt: 1)
        try world.perform(world.rollout.stepFinished(key, .succeeded(StepDetail(note: "ok")), now: world.now))
        #expect(world.states == [.succeeded, .succeeded])
        // Copies and strangers change nothing.
        let before = world.rollout
        for stranger in [key, StepKey(rollout: RolloutWorld.id, step: "replace-9", attempt: 1)] {
            try world.perform(
                world.rollout.stepFinished(stranger, .failed(reason: "x", rolledBack: false), now: world.now))
            try world.perform(world.rollout.stepAccepted(stranger, now: world.now))
        }
        #expect(world.rollout == before)
    }

    @Test func undoOfAFinishedRolloutIsAPlanToWhatRanBefore() throws {
        var world = try RolloutWorld([.good, .good])
        try world.begin()
        try world.runToEnd()
        let refusal = #expect(throws: RolloutRefusal.self) { try world.rollout.undone(by: "ann", now: world.now) }
        #expect(refusal?.description.contains("plan the way back") == true)
        let plan = try world.rollout.undoPlan(world.inventory)
        #expect(plan.hosts.map(\.targetImage) == ["web:1", "web:1"])
        #expect(plan.waves.count == 1)
        #expect(plan.spec.name == "undo-web-2")
        let untouched = try RolloutWorld([.good])
        #expect(throws: RolloutPlanError.self) { try untouched.rollout.undoPlan(untouched.inventory) }
    }

    @Test func nothingToDoIsDoneAtOnce() throws {
        var world = try RolloutWorld([.good]) { $0.image = "web:1" }
        #expect(!world.rollout.plan.hasChanges)
        try world.begin()
        #expect(world.rollout.state == .succeeded)
        #expect(world.rollout.status(now: world.now).hosts.map(\.state) == ["skipped"])
    }

    // MARK: The table

    private enum Wish: String, CaseIterable { case started, paused, resumed, aborted, undone }

    private func reach(_ state: RolloutState) throws -> RolloutWorld {
        var world: RolloutWorld
        switch state {
        case .planned: return try RolloutWorld([.good, .good])
        case .running, .paused, .aborted, .succeeded: world = try RolloutWorld([.good, .good])
        case .rollingBack, .rolledBack: world = try RolloutWorld([.good, .bad])
        case .rollbackFailed: world = try RolloutWorld([.badAndStuck])
        case .failed: world = try RolloutWorld([.bad]) { $0.onFailure = .stop }
        }
        try world.begin()
        if state == .running { return world }
        try world.run(seconds: 3)
        if state == .paused { try world.perform(world.rollout.paused(by: "a", now: world.now)) }
        if state == .aborted { try world.perform(world.rollout.aborted(by: "a", now: world.now)) }
        if state == .paused || state == .aborted { return world }
        if state == .rollingBack {
            for _ in 0..<100 where world.rollout.state != .rollingBack { try world.step() }
        } else {
            try world.runToEnd()
        }
        return world
    }

    @Test func everyWishInEveryState() throws {
        let legal: [RolloutState: [Wish: RolloutState]] = [
            .planned: [.started: .running, .aborted: .aborted],
            .running: [.paused: .paused, .aborted: .aborted, .undone: .rollingBack],
            .paused: [.resumed: .running, .aborted: .aborted, .undone: .rollingBack],
            .rollingBack: [.aborted: .aborted],
            .aborted: [.undone: .rollingBack],
            .failed: [.undone: .rolledBack],
            .rollbackFailed: [.undone: .rollingBack],
            .succeeded: [:], .rolledBack: [:],
        ]
        for state in RolloutState.allCases {
            for wish in Wish.allCases {
                var world = try reach(state)
                #expect(world.rollout.state == state)
                let before = world.rollout
                do {
                    let effect =
                        switch wish {
                        case .started: try world.rollout.started(now: world.now)
                        case .paused: try world.rollout.paused(by: "p", now: world.now)
                        case .resumed: try world.rollout.resumed(by: "p", now: world.now)
                        case .aborted: try world.rollout.aborted(by: "p", now: world.now)
                        case .undone: try world.rollout.undone(by: "p", now: world.now)
                        }
                    #expect(legal[state]?[wish] == world.rollout.state, "\(wish) while \(state)")
                    #expect(effect.isToBeStored, "\(wish) while \(state)")
                } catch {
                    #expect(legal[state]?[wish] == nil, "\(wish) while \(state): \(error)")
                    #expect(world.rollout == before)
                }
            }
        }
    }

    @Test func reportsAndTimeInEveryStateNeverUndoAnEnd() throws {
        for state in RolloutState.allCases where state.isFinished {
            var world = try reach(state)
            for host in world.hosts {
                for (key, outcome) in host.outcomes {
                    try world.perform(world.rollout.stepAccepted(key, now: world.now))
                    try world.perform(world.rollout.stepFinished(key, outcome, now: world.now))
                }
                try world.perform(world.rollout.hostLost(host.id, reason: "x", now: world.now))
                try world.perform(world.rollout.hostBack(host.id, now: world.now))
                try world.perform(world.rollout.hostDegraded(host.id, reason: "x", now: world.now))
            }
            try world.perform(world.rollout.tick(now: world.now + .hours(100)))
            #expect(world.rollout.state == state)
        }
    }

    @Test func exitCodesTellProgramsWhatHappened() {
        let codes: [RolloutState: Int32] = [
            .succeeded: 0, .rolledBack: 3, .rollbackFailed: 4, .aborted: 4, .failed: 4, .paused: 5,
        ]
        for state in RolloutState.allCases { #expect(state.exitCode == codes[state]) }
    }
}
