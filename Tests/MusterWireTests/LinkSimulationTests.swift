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
        #expect(world.sawWork, "seed \(seed) tests nothing")
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

    var sawWork: Bool { links > 3 && !coordinator.disk[.logs].isEmpty && !coordinator.disk[.metrics].isEmpty }

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
        case 95: crashCoordinator()
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
