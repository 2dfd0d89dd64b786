import MusterModel
import MusterWire
import Testing

/// An agent and a coordinator with crashes on both sides, a link that breaks anywhere, and disks that are arrays.
struct LinkSimulationTests {
    @Test(arguments: 0..<200)
    func `whatever crashes, what can be kept arrives once and in order`(seed: UInt64) throws {
        var world = LinkWorld(seed: seed)
        for _ in 0..<1_500 { try world.step() }
        try world.heal()
        for name in [TrafficClass.control, .logs] {
            #expect(world.coordinator.disk[name] == world.agent.made[name], "seed \(seed) \(name)")
        }
        // Metrics that were in memory only when the agent crashed are the only ones that may be missing.
        let arrived = Set(world.coordinator.disk[.metrics])
        let missing = world.agent.made[.metrics].filter { !arrived.contains($0) }
        #expect(missing.allSatisfy(world.agent.lostInCrash.contains), "seed \(seed)")
        #expect(world.unreadable.isEmpty, "seed \(seed)")
        #expect(world.sawWork, "seed \(seed) tests nothing")
    }

    @Test(arguments: 1_000..<1_300)
    func `what a coordinator that lost its state had not acknowledged arrives once and can be read`(
        seed: UInt64
    ) throws {
        var world = LinkWorld(seed: seed)
        world.losesState = true
        for _ in 0..<1_500 { try world.step() }
        try world.heal()
        let disk = world.coordinator.disk[.metrics]
        #expect(Set(disk).count == disk.count, "seed \(seed)")
        let missing = world.agent.made[.metrics].filter { !disk.contains($0) }
        let excused = world.agent.lostInCrash.union(world.lostByCoordinator)
        #expect(missing.allSatisfy(excused.contains), "seed \(seed) \(missing.filter { !excused.contains($0) })")
        #expect(world.unreadable.isEmpty, "seed \(seed)")
        #expect(world.sawWork, "seed \(seed) tests nothing")
    }

    /// Without this the test above would hold for an agent that never sends anything again.
    @Test func `lost frames do come again`() throws {
        var restored = 0
        for seed in UInt64(1_000)..<1_040 {
            var world = LinkWorld(seed: seed)
            world.losesState = true
            for _ in 0..<1_500 { try world.step() }
            try world.heal()
            restored += world.lostByCoordinator.intersection(world.coordinator.disk[.metrics]).count
        }
        #expect(restored > 100)
    }

    @Test func `the same seed gives the same run`() throws {
        func trace(_ seed: UInt64) throws -> [UInt64] {
            var world = LinkWorld(seed: seed)
            for _ in 0..<800 { try world.step() }
            return world.coordinator.disk[.logs] + world.coordinator.disk[.metrics] + [UInt64(world.links)]
        }
        #expect(try trace(5) == trace(5))
        #expect(try trace(5) != trace(6))
    }
}

struct LinkWorld {
    var chance: SeededGenerator
    var now = Samples.seconds(0)
    var agent: SimulatedAgent
    var coordinator = SimulatedCoordinator()
    /// Bytes on their way; nil while there is no connection.
    var toCoordinator: [UInt8]?
    var toAgent: [UInt8] = []
    var links = 0
    /// Whether the coordinator may lose metrics that it has acknowledged.
    var losesState = false
    var lostByCoordinator: Set<UInt64> = []

    var sawWork: Bool { links > 3 && !coordinator.disk[.logs].isEmpty && !coordinator.disk[.metrics].isEmpty }

    /// Metric frames on the coordinator's disk that build on one that is not there.
    var unreadable: [UInt64] {
        let made = agent.made[.metrics]
        let before = Dictionary(uniqueKeysWithValues: zip(made.dropFirst(), made))
        var read: Set<UInt64> = []
        return coordinator.disk[.metrics].filter { sequence in
            let isReadable = SimulatedAgent.canBegin(sequence) || before[sequence].map(read.contains) == true
            if isReadable { read.insert(sequence) }
            return !isReadable
        }
    }

    init(seed: UInt64) {
        chance = SeededGenerator(seed: seed)
        agent = SimulatedAgent(now: now)
    }

    mutating func step() throws {
        now = now + .milliseconds(Int64.random(in: 0...400, using: &chance))
        switch Int.random(in: 0..<100, using: &chance) {
        case 0..<30:
            try agent.make([.control, .metrics, .metrics, .logs, .logs].randomElement(using: &chance), now: now)
        case 30..<65: try deliver()
        case 65..<75: coordinator.sync(part: Double.random(in: 0...1, using: &chance))
        case 75..<90: agent.readSpool(Int.random(in: 1...4, using: &chance))
        case 90..<94: cut()
        case 94: crashAgent()
        case 95: losesState && Bool.random(using: &chance) ? loseMetrics() : crashCoordinator()
        default: connect()
        }
        try exchange()
    }

    /// Everything works again until nothing is left to do.
    mutating func heal() throws {
        for _ in 0..<5_000 {
            now = now + .milliseconds(100)
            if toCoordinator == nil { connect() }
            try exchange()
            try deliver(all: true)
            coordinator.sync(part: 1)
            agent.readSpool(10)
            agent.enqueueWaiting(now: now)
            if agent.isDone { break }
        }
        try #require(agent.isDone, "the backlog does not drain")
    }

    private mutating func connect() {
        guard toCoordinator == nil else { return }
        links += 1
        toCoordinator = []
        toAgent = []
        agent.connect(now: now)
        coordinator.connect(now: now)
    }

    private mutating func cut() {
        toCoordinator = nil
        toAgent = []
        agent.session?.linkClosed(outbound: &agent.outbound, now: now)
        agent.session = nil
        coordinator.session = nil
    }

    private mutating func crashAgent() {
        cut()
        agent.crash(now: now)
    }

    private mutating func crashCoordinator() {
        cut()
        coordinator.crash(keeping: Double.random(in: 0...1, using: &chance))
    }

    private mutating func loseMetrics() {
        cut()
        // Sometimes everything, mostly the newest few.
        let part = Int.random(in: 0..<4, using: &chance) == 0 ? 0 : Double.random(in: 0.9...1, using: &chance)
        lostByCoordinator.formUnion(coordinator.losesMetrics(keeping: part))
    }

    /// What both ends want to write goes on its way.
    private mutating func exchange() throws {
        guard toCoordinator != nil else { return }
        toCoordinator?.append(contentsOf: try agent.output(now: now))
        toAgent += try coordinator.output()
        if agent.session?.isClosed == true || coordinator.session?.isClosed == true { cut() }
    }

    /// Some of the bytes on their way arrive.
    private mutating func deliver(all: Bool = false) throws {
        guard let bytes = toCoordinator else { return }
        let first = all ? bytes.count : Int.random(in: 0...bytes.count, using: &chance)
        toCoordinator = Array(bytes.dropFirst(first))
        try coordinator.input(bytes.prefix(first), now: now)
        let second = all ? toAgent.count : Int.random(in: 0...toAgent.count, using: &chance)
        try agent.input(toAgent.prefix(second), now: now)
        toAgent.removeFirst(second)
    }
}
