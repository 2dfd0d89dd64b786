import Foundation
import MusterModel
import MusterRollouts
import Testing

/// Kills of the coordinator at every stored point and at random, links that lose messages, hosts that come and go: the
/// outcome is the one of the calm run, and no host executes a step twice.
@Suite struct RolloutSimulationTests {
    private func invariants(_ world: RolloutWorld, _ seed: Int) {
        for host in world.hosts {
            #expect(Set(host.executed).count == host.executed.count, "seed \(seed): \(host.id) did a step twice")
            #expect(host.worstOverlap <= 1, "seed \(seed): \(host.id) worked on two steps at one time")
        }
        #expect(world.mostInFlight <= world.rollout.plan.maxInFlight, "seed \(seed)")
        let touched = world.hosts.filter { host in host.executed.contains { $0.step.hasPrefix("replace") } }
        if world.rollout.state == .rolledBack {
            #expect(world.images.allSatisfy { $0 == "web:1" }, "seed \(seed): \(world.images)")
        }
        #expect(touched.filter { $0.behaviour == .bad }.count <= world.rollout.plan.blastBound, "seed \(seed)")
    }

    @Test(arguments: [
        [RolloutWorld.Behaviour.good, .good, .good, .good], [.good, .bad, .good], [.bad], [.good, .badAndStuck, .good],
        [.refusesOnce, .good],
    ])
    func aKillAtAnyMomentChangesNothing(_ behaviours: [RolloutWorld.Behaviour]) throws {
        var calm = try RolloutWorld(behaviours)
        try calm.begin()
        try calm.runToEnd()
        for away: Int64 in [0, 30, 3_600] {
            for second in 0..<60 {
                var world = try RolloutWorld(behaviours)
                try world.begin()
                try world.run(seconds: second)
                try world.crash(awayFor: away)
                try world.runToEnd()
                #expect(world.rollout.state == calm.rollout.state, "killed at \(second) s for \(away) s")
                #expect(world.images == calm.images, "killed at \(second) s for \(away) s")
                invariants(world, second)
            }
        }
    }

    /// The state is stored and the process dies before anything is sent.
    @Test func aKillBetweenStoringAndSendingChangesNothing() throws {
        for lostEffect in 0..<12 {
            for away: Int64 in [0, 600] {
                var world = try RolloutWorld([.good, .bad, .good])
                var effects = 0
                func perform(_ effect: Rollout.Effect) throws {
                    effects += effect.send.isEmpty ? 0 : 1
                    guard effects == lostEffect, !effect.send.isEmpty else { return try world.perform(effect) }
                    world.store = try JSONEncoder().encode(world.rollout)
                    try world.crash(awayFor: away)
                }
                try perform(world.rollout.started(now: world.now))
                for _ in 0..<4_000 {
                    if world.rollout.isSettled { break }
                    try world.step()
                    try perform(world.rollout.tick(now: world.now))
                }
                #expect(world.rollout.state == .rolledBack, "effect \(lostEffect) was lost for \(away) s")
                #expect(world.images == ["web:1", "web:1", "web:1"])
            }
        }
    }

    private func play(_ seed: Int) throws -> RolloutWorld {
        var generator = SplitMix(seed: UInt64(seed))
        let count = Int.random(in: 1...8, using: &generator)
        let badShare = Int.random(in: 0...2, using: &generator)
        let behaviours = (0..<count).map { _ -> RolloutWorld.Behaviour in
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<badShare: .bad
            case 9: .refusesOnce
            default: .good
            }
        }
        var world = try RolloutWorld(behaviours, seed: UInt64(seed)) { spec in
            spec.failureBudget = Int.random(in: 0...1, using: &generator)
            spec.maxInFlight = .hosts(Int.random(in: 1...3, using: &generator))
            spec.waves = [
                RolloutSpec.Wave(.hosts(1), bake: .seconds(Int64.random(in: 0...20, using: &generator))),
                RolloutSpec.Wave(.percent(Int.random(in: 20...100, using: &generator))),
            ]
        }
        world.lossPercent = 20
        try world.begin()
        for _ in 0..<400 {
            if world.rollout.isSettled { break }
            try world.step()
            let index = Int.random(in: 0..<count, using: &generator)
            switch Int.random(in: 0..<60, using: &generator) {
            case 0: try world.crash(awayFor: Int64.random(in: 0...90, using: &generator))
            case 1 where world.hosts[index].isConnected: try world.disconnect(index)
            case 2...12 where !world.hosts[index].isConnected: try world.connect(index)
            default: break
            }
        }
        world.lossPercent = 0
        for index in 0..<count where !world.hosts[index].isConnected { try world.connect(index) }
        try world.runToEnd()
        return world
    }

    @Test(arguments: 0..<300)
    func lossesKillsAndAbsencesNeverBreakAPromise(_ seed: Int) throws {
        let world = try play(seed)
        #expect(world.rollout.isSettled, "seed \(seed)")
        #expect(world.rollout.state == .succeeded || world.rollout.state == .rolledBack, "seed \(seed)")
        let good = world.hosts.allSatisfy { $0.behaviour != .bad }
        if world.rollout.state == .succeeded {
            for host in world.hosts where host.behaviour != .bad && world.rollout.hostState(of: host.id) == .succeeded {
                #expect(host.image == "web:2", "seed \(seed)")
                #expect(host.parked == nil, "seed \(seed)")
            }
        }
        if good, world.rollout.state == .rolledBack {
            #expect(world.rollout.reason.contains("in time"), "seed \(seed): \(world.rollout.reason)")
        }
        invariants(world, seed)
    }

    @Test(arguments: 0..<30)
    func theSameSeedGivesTheSameTrace(_ seed: Int) throws {
        let (first, second) = (try play(seed), try play(seed))
        #expect(first.sent == second.sent)
        #expect(first.rollout == second.rollout)
    }
}
