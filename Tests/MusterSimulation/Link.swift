import MusterModel
import MusterStore

/// One connection between an agent and the coordinator: two streams of bytes that arrive late, in order, or not at all.
final class Link {
    enum Item {
        case bytes([UInt8])
        /// The peer closed its end.
        case end
    }

    let id: Int
    let agent: Int
    /// The processes at its two ends.
    let agentLife: Int
    let coordinatorLife: Int
    /// Nothing arrives any more, and nobody is told.
    var isSilent = false
    /// What is on its way, and when the last of it arrives.
    var toAgent: [Item] = []
    var toCoordinator: [Item] = []
    var agentHearsAt = Instant.distantPast
    var coordinatorHearsAt = Instant.distantPast

    init(id: Int, agent: Int, agentLife: Int, coordinatorLife: Int) {
        self.id = id
        self.agent = agent
        self.agentLife = agentLife
        self.coordinatorLife = coordinatorLife
    }
}

/// A machine with a disk on which one process runs, dies and is started again.
class Machine {
    unowned let world: World
    let io: MemoryFileIO
    /// Counts its processes.
    var life = 0
    /// The file operation behind which the process dies.
    var deathAt: Int?
    /// A process died in the middle of a file operation, and none has started since.
    var diedInOperation = false
    var pausedUntil = Instant.distantPast
    var scheduledWake: Instant?

    init(_ world: World, seed: UInt64) {
        self.world = world
        io = MemoryFileIO(seed: seed)
    }

    /// The process has died in the middle of the event that is being handled: nothing it does now has any effect.
    var isGone: Bool { deathAt.map { io.operationCount >= $0 } ?? false }

    /// The disk after a kill (the page cache lives on) or after a loss of power.
    func died(losingPower: Bool, using generator: inout SplitMix64) {
        life += 1
        diedInOperation = diedInOperation || isGone
        deathAt = nil
        scheduledWake = nil
        pausedUntil = .distantPast
        io.clearFaults()
        if losingPower { io.crash(using: &generator) } else { io.kill() }
    }
}

/// A host: its disk, its containers, a log file that some program writes, and the agent.
final class AgentMachine: Machine {
    let index: Int
    let host: HostID
    /// The clock here minus the true time.
    let skew: Duration
    let refusesImage: Bool
    var log: [UInt8] = []
    var lines = 0
    var containers = Containers()
    var process: AgentProcess?
    var isPartitioned = false
    /// Which metrics and snapshots were made, so that each has a content of its own.
    var made: UInt64 = 0

    init(_ world: World, index: Int, host: HostID, skew: Duration, refusesImage: Bool, seed: UInt64) {
        self.index = index
        self.host = host
        self.skew = skew
        self.refusesImage = refusesImage
        super.init(world, seed: seed)
    }

    var now: Instant { world.now + skew }

    func writeLines(_ count: Int) {
        for _ in 0..<count {
            lines += 1
            log += Array("\(lines) of \(index)\n".utf8)
        }
    }
}

/// What runs on a host, as its container engine shows it. It outlives the agent.
struct Containers {
    static let old = "web:1"
    static let new = "web:2"

    var image = Containers.old
    /// What `image` replaced, kept for the way back.
    var parked: String?
    var replacedBy: StepName?

    /// Labels on the new container say which step made it.
    typealias StepName = String
}

final class CoordinatorMachine: Machine {
    var process: CoordinatorProcess?
}
