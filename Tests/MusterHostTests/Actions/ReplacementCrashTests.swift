import MusterHost
import MusterModel
import MusterRollouts
import MusterTestKit
import Synchronization
import Testing

/// The agent is killed before and after every single change a step makes; whoever resumes has to end it the same way.
@Suite(.serialized, .enabled(if: DockerDaemon.obstacle == nil, "needs dockerd, busybox-static and root"))
struct ReplacementCrashTests {
    typealias World = ContainerReplacementTests.World

    /// Executes with a client that breaks, as a task that is cancelled at that moment. Returns whether it broke.
    private func killed(_ world: World, _ step: RolloutStep, changes: Int, _ moment: BreakingClient.Moment) async throws
        -> Bool
    {
        let task = Mutex<Task<StepOutcome, any Error>?>(nil)
        let client = BreakingClient(world.daemon.client, changes: changes, moment: moment) {
            task.withLock { $0?.cancel() }
        }
        let executor = world.executor(client: client)
        let running = task.withLock { task in
            let running = Task { try await executor.execute(step) as StepOutcome }
            task = running
            return running
        }
        do {
            let outcome = try await running.value
            #expect(!client.hasBroken, "an outcome after the kill: \(outcome)")
        } catch {
            #expect(error is CancellationError)
            #expect(client.hasBroken)
        }
        return client.hasBroken
    }

    private func atEveryChange(
        _ step: (World) -> RolloutStep, prepare: (World) async throws -> Void = { _ in },
        _ check: (World, StepOutcome) async throws -> Void
    ) async throws {
        let daemon = try await DockerDaemon.shared()
        for moment in BreakingClient.Moment.allCases {
            var changes = 0
            var isBroken = true
            while isBroken {
                let world = World(daemon: daemon)
                try await daemon.run(world.name, "web:1", labels: world.labels, [ContainerReplacementTests.always])
                try await prepare(world)
                isBroken = try await killed(world, step(world), changes: changes, moment)
                let outcome = try await world.executor().execute(step(world))
                try await check(world, outcome)
                try await daemon.clear(LabelSelector("test", world.mark))
                changes += 1
                try #require(changes < 30)
            }
            #expect(changes > 2, "the step made too few changes to be killed at")
        }
    }

    @Test func aGoodReplacementEndsGoodWhereverItWasKilled() async throws {
        try await atEveryChange({ $0.step("web:2", healthyFor: .milliseconds(100)) }) { world, outcome in
            guard case .succeeded = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let containers = try await world.containers()
            #expect(containers == ContainerReplacementTests.replaced)
        }
    }

    @Test func aBadReplacementEndsUndoneWhereverItWasKilled() async throws {
        try await atEveryChange({ $0.step("web:dead", deadline: .milliseconds(500)) }) { world, outcome in
            guard case .failed(_, rolledBack: let isRolledBack) = outcome else {
                Issue.record("\(outcome)")
                return
            }
            #expect(isRolledBack, "\(outcome)")
            let containers = try await world.containers()
            #expect(containers == ContainerReplacementTests.before)
        }
    }

    @Test func aRestoreEndsRestoredWhereverItWasKilled() async throws {
        try await atEveryChange({ $0.step(.restore) }) { world in
            _ = try await world.executor().execute(world.step("web:2", healthyFor: .zero))
        } _: { world, outcome in
            guard case .succeeded = outcome else {
                Issue.record("\(outcome)")
                return
            }
            let containers = try await world.containers()
            #expect(containers == ContainerReplacementTests.before)
        }
    }

    /// A daemon that drops a connection now and then is asked again, and what it did meanwhile is seen.
    @Test(arguments: BreakingClient.Moment.allCases)
    func oneLostAnswerChangesNothing(_ moment: BreakingClient.Moment) async throws {
        let daemon = try await DockerDaemon.shared()
        for changes in 0..<7 {
            let world = World(daemon: daemon)
            try await daemon.run(world.name, "web:1", labels: world.labels, [ContainerReplacementTests.always])
            let client = BreakingClient(daemon.client, changes: changes, moment: moment, heals: true)
            let outcome = try await world.executor(client: client).execute(world.step("web:2", healthyFor: .zero))
            guard case .succeeded = outcome else {
                Issue.record("after \(changes) changes: \(outcome)")
                return
            }
            let containers = try await world.containers()
            #expect(containers == ContainerReplacementTests.replaced)
            try await daemon.clear(LabelSelector("test", world.mark))
        }
    }

    @Test func aLaterAttemptClearsWhatAnEarlierOneLeftBehind() async throws {
        let daemon = try await DockerDaemon.shared()
        let world = World(daemon: daemon)
        try await daemon.run(world.name, "web:1", labels: world.labels, [ContainerReplacementTests.always])
        #expect(try await killed(world, world.step("web:sick"), changes: 4, .after))
        let outcome = try await world.executor().execute(world.step("web:2", attempt: 2))
        guard case .succeeded(let detail) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(detail.previousImage == "web:1")
        let containers = try await world.containers()
        #expect(containers == ContainerReplacementTests.replaced)
        try await daemon.clear(LabelSelector("test", world.mark))
    }

    @Test func aCrashLoopingContainerCanBeReplaced() async throws {
        let daemon = try await DockerDaemon.shared()
        let world = World(daemon: daemon)
        try await daemon.run(world.name, "web:dead", labels: world.labels, [ContainerReplacementTests.always])
        try await eventually("it restarts") { try await world.inspect()["State"]?["Status"]?.string == "restarting" }
        let outcome = try await world.executor().execute(
            world.step("web:1"))
        // Its entry point came from its image, so the new image's is used.
        guard case .succeeded = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(
            try await world.containers() == [
                "web-T web:1 running always", "web-T.muster-old-r1.swap web:dead exited no",
            ])
        try await daemon.clear(LabelSelector("test", world.mark))
    }
}
