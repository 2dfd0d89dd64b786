import MusterAlerts
import MusterModel
import Testing

/// Random alerts, receivers that come and go, and a process that is killed: with and without the kills the receivers
/// have to end up with the same knowledge, and nobody may be left believing that something still fires.
@Suite struct AlertSimulationTests {
    private struct Step {
        var second: Int64
        var fire: [String] = []
        var resolve: [String] = []
        var answers: [String: AlertWorld.Answer] = [:]
    }

    private func script(_ generator: inout SplitMix) -> [Step] {
        var steps: [Step] = []
        var firing: Set<String> = []
        var second: Int64 = 0
        for _ in 0..<30 {
            second += Int64.random(in: 1...90, using: &generator)
            var step = Step(second: second)
            for name in ["u", "v", "w"] where Int.random(in: 0..<3, using: &generator) == 0 {
                if firing.contains(name) {
                    step.resolve.append(name)
                    firing.remove(name)
                } else {
                    step.fire.append(name)
                    firing.insert(name)
                }
            }
            if Int.random(in: 0..<4, using: &generator) == 0 {
                step.answers["a"] = Bool.random(using: &generator) ? .busy : .ok
            }
            steps.append(step)
        }
        steps.append(Step(second: second + 1, resolve: firing.sorted(), answers: ["a": .ok]))
        return steps
    }

    private func play(_ steps: [Step], crashes: Double, _ generator: inout SplitMix) throws -> AlertWorld {
        var world = AlertWorld(
            AlertWorld.config(
                [AlertReceiver.Level(webhooks: ["a"]), AlertReceiver.Level(webhooks: ["b"], after: .seconds(100))],
                repeats: 1, interval: 40, again: 400))
        for step in steps {
            while world.second < step.second {
                if Double.random(in: 0..<1, using: &generator) < crashes { try world.crash() }
                try world.run(to: min(step.second, world.second + 7))
            }
            for (url, answer) in step.answers { world.answers[url] = answer }
            for name in step.fire { try world.fire(name) }
            for name in step.resolve { try world.resolve(name) }
        }
        try world.run(to: (steps.last?.second ?? 0) + 4_000)
        return world
    }

    /// What a receiver believes to fire after everything it was told.
    private func belief(_ sent: [AlertWorld.Sent], _ url: String) -> Set<String> {
        var belief: Set<String> = []
        for message in sent where message.url == url {
            belief.formUnion(message.firing)
            belief.subtract(message.resolved)
        }
        return belief
    }

    @Test(arguments: 0..<200)
    func killsChangeNothingThatReceiversHear(_ seed: Int) throws {
        var generator = SplitMix(seed: UInt64(seed))
        let steps = script(&generator)
        let calm = try play(steps, crashes: 0, &generator)
        let rough = try play(steps, crashes: 0.5, &generator)
        for world in [calm, rough] {
            for url in ["a", "b"] {
                #expect(belief(world.delivered, url).isEmpty, "seed \(seed): \(url) still believes")
            }
            #expect(world.store.isEmpty, "seed \(seed)")
            #expect(world.groups.allGroups.isEmpty, "seed \(seed)")
            #expect(Set(world.delivered.map(\.id)).count == world.delivered.count, "seed \(seed): a copy was delivered")
        }
        #expect(calm.delivered.map(\.line) == rough.delivered.map(\.line), "seed \(seed)")
        #expect(calm.delivered.map(\.id) == rough.delivered.map(\.id), "seed \(seed)")
    }

    @Test(arguments: 0..<50)
    func theSameSeedGivesTheSameTrace(_ seed: Int) throws {
        func trace() throws -> [String] {
            var generator = SplitMix(seed: UInt64(seed))
            let steps = script(&generator)
            return try play(steps, crashes: 0.3, &generator).lines
        }
        #expect(try trace() == trace())
    }

    /// Killed after the message went out and before its delivery was stored: one copy, under the same id.
    @Test func aKillBetweenSendingAndStoringGivesOneCopyWithTheSameID() throws {
        var world = AlertWorld(AlertWorld.config())
        world.answers["a"] = .silent
        try world.fire("x")
        try world.run(to: 10)
        world.answers["a"] = .ok
        try world.crash()
        #expect(world.lines == Array(repeating: "10 a firing x (first notification)", count: 2))
        #expect(world.sent[0].id == world.sent[1].id)
        try world.run(to: 500)
        #expect(world.sent.count == 2)
    }

    /// Killed in group_wait, before the escalation and before the end: what was due meanwhile is done at once, once.
    @Test func deadlinesThatPassedWhileNobodyWasThereAreMetAtOnce() throws {
        var world = AlertWorld(AlertWorld.twoLevels)
        try world.fire("x")
        world.now = AlertWorld.start + .seconds(100)
        try world.crash()
        #expect(world.lines == ["100 a firing x (first notification)"])
        world.now = AlertWorld.start + .seconds(900)
        try world.crash()
        #expect(world.lines.filter { $0.contains(" b ") } == ["900 b firing x (escalated)"])
        try world.crash()
        try world.resolve("x")
        world.now = AlertWorld.start + .seconds(2_000)
        try world.crash()
        #expect(
            world.lines.suffix(2) == [
                "2000 a resolved ; resolved x (all alerts resolved)",
                "2000 b resolved ; resolved x (all alerts resolved)",
            ])
        #expect(world.store.isEmpty)
    }
}
