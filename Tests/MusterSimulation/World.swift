import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

/// A promise was broken: which, in which run, and what happened just before.
struct BrokenPromise: Error, CustomStringConvertible {
    let seed: UInt64
    let at: Instant
    let what: String
    let trace: String

    var description: String {
        "MUSTER_SIMULATION_SEED=\(seed) at \(Double(at.milliseconds) / 1_000) s: \(what)\n\(trace)"
    }
}

/// One coordinator and a few agents under a virtual clock. A run is a function of its seed: the order of events, the
/// network, the disks and the faults come from one generator.
///
/// First things go wrong for a while, as the plan of the seed says. Then everything is healed, and within
/// `convergenceBound` all that was made has to be stored or accounted for and the rollout has to have ended.
final class World {
    static let convergenceBound = Duration.minutes(40)
    let seed: UInt64
    let plan: FaultPlan
    var generator: SplitMix64
    var now = Instant(nanoseconds: 0)
    var queue = EventQueue()
    var trace = Trace()
    var truth: Truth
    var marks = Set<Mark>()
    var isHealed = false
    var agents: [AgentMachine] = []
    private(set) var coordinatorMachine: CoordinatorMachine?
    var links: [Int: Link] = [:]
    var lastLink = 0
    /// Steps that were sent in any term, for those that come late.
    var sentSteps: [RolloutStep] = []

    init(seed: UInt64) {
        self.seed = seed
        var generator = SplitMix64(seed &* 0x9E37_79B9_7F4A_7C15 ^ 0x5EED)
        plan = FaultPlan(using: &generator)
        truth = Truth(agents: plan.agents)
        let odd = Int.random(in: 0..<plan.agents, using: &generator)
        self.generator = generator
        for index in 0..<plan.agents {
            let isBad = plan.image == .badEverywhere || plan.image == .badOnOneHost && index == odd
            agents.append(
                AgentMachine(
                    self, index: index, host: HostID.numbered(index),
                    skew: .nanoseconds(
                        Int64.random(in: -plan.skew.nanoseconds...plan.skew.nanoseconds, using: &self.generator)),
                    refusesImage: isBad, seed: self.generator.next()))
        }
        coordinatorMachine = CoordinatorMachine(self, seed: self.generator.next())
    }

    var coordinator: CoordinatorMachine {
        guard let coordinatorMachine else { preconditionFailure("the world has a coordinator from its first moment") }
        return coordinatorMachine
    }

    /// The coordinator's when nil.
    private func machine(_ agent: Int?) -> Machine {
        if let agent { return agents[agent] }
        return coordinator
    }

    func random(_ range: ClosedRange<Int64>) -> Duration { .milliseconds(Int64.random(in: range, using: &generator)) }
    func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &generator) < percent }
    func after(_ wait: Duration, _ event: Event) { queue.push(event, at: now + wait) }
    func note(_ what: StaticString, _ actor: Int = -1, _ number: UInt64 = 0) { trace.note(now, what, actor, number) }
    func note(_ what: StaticString, _ agent: Int, _ name: TrafficClass, _ sequence: UInt64) {
        trace.note(now, what, agent, name, sequence)
    }
    func mark(_ mark: Mark) { marks.insert(mark) }

    // MARK: The run

    func run() throws(BrokenPromise) {
        begin()
        let end = now + plan.faultsLast
        while let (at, event) = queue.pop() {
            now = at
            if !isHealed, now >= end { heal() }
            handle(event)
            buryTheDead()
            check()
            if let failure = truth.failure { throw broken(failure) }
            if isHealed, case .look = event {
                if isQuiet { return try conclude() }
                if now > end + Self.convergenceBound { throw broken("no end within the bound: \(unrest)") }
            }
        }
        throw broken("nothing is left to happen")
    }

    private func broken(_ what: String) -> BrokenPromise {
        BrokenPromise(seed: seed, at: now, what: what, trace: trace.text)
    }

    private func begin() {
        after(.zero, .startCoordinator)
        for index in agents.indices {
            after(random(0...200), .startAgent(index))
            after(random(100...1_000), .metricTick(agent: index))
            after(random(100...1_000), .healthTick(agent: index))
            after(random(100...1_000), .logLines(agent: index))
        }
        after(random(1_000...5_000), .operatorRuns)
        for fault in plan.faults { scheduleFault(fault.kind) }
        after(.seconds(1), .look)
    }

    private func conclude() throws(BrokenPromise) {
        truth.ended(logBytes: agents.map(\.log.count))
        checkRollout()
        if let failure = truth.failure { throw broken(failure) }
    }

    // MARK: Events

    private func handle(_ event: Event) {
        switch event {
        case .metricTick(let agent): makeMetric(agent)
        case .healthTick(let agent): makeHealth(agent)
        case .logLines(let agent): writeLog(agent)
        case .operatorRuns: operatorRuns()
        case .fault(let kind): faultHappens(kind)
        case .startAgent(let agent): startAgent(agent)
        case .startCoordinator: startCoordinator()
        case .diskRefilled(let agent): machine(agent).io.setCapacity(bytes: nil)
        case .partitionEnds(let agent): agents[agent].isPartitioned = false
        case .look: after(.seconds(isHealed ? 1 : 5), .look)
        case .dialled(let agent, let life): connect(agent, life)
        case .arrival(let link, let toAgent): arrived(link, toAgent, event)
        case .agentWake(let agent, let life): inAgent(agent, life, event) { $0.woke() }
        case .step(let agent, let life, let step, let stage): inAgent(agent, life, event) { $0.worked(step, stage) }
        case .coordinatorWake(let life): inCoordinator(life, event) { $0.woke() }
        case .commitBegins(let log, let life): inCoordinator(life, event) { $0.commitBegins(log) }
        case .commitSyncs(let log, let life): inCoordinator(life, event) { $0.commitSyncs(log) }
        case .storeFailureCloses(let link, let life): inCoordinator(life, event) { $0.storeFailureCloses(link) }
        }
    }

    /// An event of a process that may be dead by now, or stopped: then it happens when the process goes on.
    func inAgent(_ index: Int, _ life: Int, _ event: Event, _ body: (AgentProcess) -> Void) {
        let machine = agents[index]
        guard machine.life == life, machine.process != nil else { return }
        if machine.pausedUntil > now { return queue.push(event, at: machine.pausedUntil) }
        if case .agentWake = event { machine.scheduledWake = nil }
        withAgent(index, body)
    }

    func inCoordinator(_ life: Int, _ event: Event, _ body: (CoordinatorProcess) -> Void) {
        let machine = coordinator
        guard machine.life == life, machine.process != nil else { return }
        if machine.pausedUntil > now { return queue.push(event, at: machine.pausedUntil) }
        if case .coordinatorWake = event { machine.scheduledWake = nil }
        withCoordinator(body)
    }

    /// The process as it is now, if there is one that is not stopped.
    func withAgent(_ index: Int, _ body: (AgentProcess) -> Void) {
        let machine = agents[index]
        guard machine.pausedUntil <= now, let process = machine.process else { return }
        body(process)
        process.pump()
        scheduleWake(machine, process.wakeAt.map { $0 - machine.skew }, .agentWake(index, life: machine.life))
    }

    func withCoordinator(_ body: (CoordinatorProcess) -> Void) {
        let machine = coordinator
        guard machine.pausedUntil <= now, let process = machine.process else { return }
        body(process)
        process.settle()
        scheduleWake(machine, process.wakeAt, .coordinatorWake(life: machine.life))
    }

    private func scheduleWake(_ machine: Machine, _ at: Instant?, _ event: Event) {
        guard let at, machine.scheduledWake.map({ at < $0 }) ?? true else { return }
        machine.scheduledWake = max(at, now)
        queue.push(event, at: max(at, now))
    }

    // MARK: Work

    private func makeMetric(_ index: Int) {
        withAgent(index) { $0.makeFrame(.metrics) }
        if !isHealed { after(random(300...1_300), .metricTick(agent: index)) }
    }

    private func makeHealth(_ index: Int) {
        withAgent(index) { $0.makeFrame(.health) }
        if !isHealed { after(random(1_000...6_000), .healthTick(agent: index)) }
    }

    private func writeLog(_ index: Int) {
        agents[index].writeLines(Int.random(in: 1...6, using: &generator))
        withAgent(index) { $0.turnTail() }
        if !isHealed { after(random(200...1_500), .logLines(agent: index)) }
    }

    /// An operator asks for the rollout until there is one.
    private func operatorRuns() {
        if let process = coordinator.process, process.rollout != nil, process.unstored == nil { return }
        withCoordinator { $0.operatorRuns() }
        after(.seconds(2), .operatorRuns)
    }
}

extension HostID {
    static func numbered(_ index: Int) -> HostID {
        guard let host = HostID("h\(index + 1)") else { preconditionFailure("a letter and digits are a name") }
        return host
    }
}
