import Foundation
import MusterModel
import Synchronization
import Testing

// MusterSimulation: one coordinator and one to four agents, made of the product's own machines, stores and journals, in a
// world in which everything that happens comes from a seed. `World` is that world, `Truth` knows what must be, `FaultPlan`
// is what goes wrong in one run. The order in which effects are done is the one the agent and the coordinator keep.
//
//     MUSTER_SIMULATION_SEEDS=20000   more runs, for a night
//     MUSTER_SIMULATION_SEED=4711     one run, to look at a failure

@Suite struct SimulationTests {
    static let environment = ProcessInfo.processInfo.environment
    static let seeds: ClosedRange<UInt64> = {
        if let one = environment["MUSTER_SIMULATION_SEED"].flatMap({ UInt64($0) }) { return one...one }
        return 1...max(1, environment["MUSTER_SIMULATION_SEEDS"].flatMap { UInt64($0) } ?? 1_000)
    }()
    /// A failure of each of so many seeds is shown; more would only be longer.
    static let shownFailures = 5
    /// Frames that a run stores on average at least.
    static let leastFrames = 30

    @Test func `every promise holds whatever goes wrong`() async {
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for shard in 0..<4 {
                group.addTask {
                    for seed in Self.seeds where seed % 4 == shard { tally.run(seed) }
                }
            }
        }
        for failure in tally.failures.prefix(Self.shownFailures) { Issue.record("\(failure)") }
        #expect(tally.failures.count == 0, "of \(Self.seeds.count) seeds")
        guard Self.seeds.count >= 1_000 else { return }
        #expect(tally.storedFrames >= Self.seeds.count * Self.leastFrames, "the seeds prove less than they seem to")
        for mark in Mark.allCases {
            #expect(tally.count(of: mark) > 0, "no run reached \(mark): the seeds prove less than they seem to")
        }
    }

    @Test(arguments: [3, 17, 42, 99, 256] as [UInt64])
    func `the same seed gives the same trace`(seed: UInt64) throws {
        func trace(_ seed: UInt64) throws -> (hash: UInt64, count: Int) {
            let world = World(seed: seed)
            try world.run()
            return (world.trace.hash, world.trace.count)
        }
        let first = try trace(seed)
        #expect(try trace(seed) == first)
        #expect(try trace(seed + 1_000_000).hash != first.hash)
        #expect(first.count > 50)
    }
}

/// Outcomes of runs on several threads.
final class Tally: Sendable {
    private struct State {
        var failures: [BrokenPromise] = []
        var marks: [Mark: Int] = [:]
        var storedFrames = 0
    }

    private let state = Mutex(State())

    var failures: [BrokenPromise] { state.withLock { $0.failures }.sorted { $0.seed < $1.seed } }

    var storedFrames: Int { state.withLock { $0.storedFrames } }

    func count(of mark: Mark) -> Int { state.withLock { $0.marks[mark] ?? 0 } }

    func run(_ seed: UInt64) {
        let world = World(seed: seed)
        do throws(BrokenPromise) {
            try world.run()
        } catch {
            state.withLock { $0.failures.append(error) }
        }
        state.withLock { state in
            for mark in world.marks { state.marks[mark, default: 0] += 1 }
            state.storedFrames += world.truth.storedFrames
        }
    }
}
