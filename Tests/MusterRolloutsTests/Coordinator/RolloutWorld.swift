import Foundation
import MusterModel
import MusterRollouts

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// A fleet for one `Rollout`: hosts with a journal that do what their script says, a link that may lose what is sent,
/// a store that keeps only what was persisted, and a clock.
struct RolloutWorld {
    /// How a host takes the new image.
    enum Behaviour: Equatable { case good, bad, badAndStuck, silent, refusesOnce }

    final class Host {
        let id: HostID
        var behaviour: Behaviour
        /// What its container runs; `parked` is what it ran before, while that is kept.
        var image = "web:1"
        var parked: String?
        var isConnected = true
        var hasRefused = false
        /// Everything it ever executed, in order: a key must not be here twice.
        var executed: [StepKey] = []
        var outcomes: [StepKey: StepOutcome] = [:]
        var working: [(key: StepKey, doneAt: Instant, outcome: StepOutcome)] = []
        var worstOverlap = 0

        init(_ id: HostID, _ behaviour: Behaviour) {
            self.id = id
            self.behaviour = behaviour
        }
    }

    static let start = Instant(seconds: 2_000_000)
    static let id = valid(RolloutID("r1"))
    var hosts: [Host]
    var rollout: Rollout
    var store: Data
    var now = RolloutWorld.start
    var epoch: UInt64 = 1
    var lossPercent = 0
    var generator: SplitMix
    var sent: [RolloutStep] = []
    var mostInFlight = 0

    init(_ behaviours: [Behaviour], seed: UInt64 = 1, _ change: (inout RolloutSpec) -> Void = { _ in }) throws {
        var spec = RolloutSpec(
            name: "web-2", select: ["app": "web"], image: "web:2", maxInFlight: .hosts(2),
            health: HealthGate(healthyFor: .seconds(5), deadline: .seconds(30)))
        change(&spec)
        hosts = behaviours.enumerated().map { Host(valid(HostID("h\($0 + 1)")), $1) }
        generator = SplitMix(seed: seed)
        let plan = try RolloutPlan.make(spec, Self.inventory(hosts))
        rollout = Rollout(id: Self.id, plan: plan, epoch: 1, now: Self.start)
        store = try JSONEncoder().encode(rollout)
    }

    static func inventory(_ hosts: [Host], _ states: [HostID: HostState] = [:]) -> RolloutInventory {
        RolloutInventory(
            hosts: hosts.map { host in
                RolloutInventory.Host(
                    host: host.id, state: states[host.id] ?? .alive, reason: "no heartbeat",
                    containers: [
                        Container(id: "c", name: "web", image: host.image, labels: ["app": "web"], state: .running)
                    ])
            })
    }

    var inventory: RolloutInventory { Self.inventory(hosts) }
    var states: [RolloutHostState?] { hosts.map { rollout.hostState(of: $0.id) } }
    var images: [String] { hosts.map(\.image) }

    /// Persist, then send, as the effect says.
    mutating func perform(_ effect: Rollout.Effect) throws {
        if effect.isToBeStored { store = try JSONEncoder().encode(rollout) }
        for step in effect.send {
            sent.append(step)
            try deliver(step)
        }
        let inFlight = states.filter { $0 == .offered || $0 == .running }.count
        mostInFlight = max(mostInFlight, inFlight)
    }

    private mutating func deliver(_ step: RolloutStep) throws {
        guard let host = hosts.first(where: { $0.id == step.host }), host.isConnected,
            Int.random(in: 0..<100, using: &generator) >= lossPercent, host.behaviour != .silent
        else { return }
        if let known = host.outcomes[step.key] { return try perform(rollout.stepFinished(step.key, known, now: now)) }
        if host.working.contains(where: { $0.key == step.key }) {
            return try perform(rollout.stepAccepted(step.key, now: now))
        }
        if step.expiresAt <= now {
            return try perform(rollout.stepFinished(step.key, .refused(reason: "expired"), now: now))
        }
        if host.behaviour == .refusesOnce, !host.hasRefused {
            host.hasRefused = true
            return try perform(rollout.stepFinished(step.key, .refused(reason: "busy"), now: now))
        }
        host.executed.append(step.key)
        host.working.append((step.key, now + .seconds(7), outcome(host, step)))
        host.worstOverlap = max(host.worstOverlap, host.working.count)
        try perform(rollout.stepAccepted(step.key, now: now))
    }

    private func outcome(_ host: Host, _ step: RolloutStep) -> StepOutcome {
        switch (step.action, host.behaviour) {
        case (.replace, .bad): .failed(reason: "check failed: HTTP 500", rolledBack: true)
        case (.replace, .badAndStuck): .failed(reason: "old container is gone", rolledBack: false)
        case (.restore, .badAndStuck): .failed(reason: "old container is gone", rolledBack: false)
        case (.replace, _): .succeeded(StepDetail(previousImage: host.image, note: "replaced"))
        default: .succeeded(StepDetail(note: "done"))
        }
    }

    /// Ends the work that is due; what a host cannot tell now it tells when it is connected.
    private mutating func work() throws {
        for host in hosts {
            for (key, doneAt, outcome) in host.working where doneAt <= now {
                host.working.removeAll { $0.key == key }
                host.outcomes[key] = outcome
                if case .succeeded = outcome {
                    if key.step.hasPrefix("replace") { (host.parked, host.image) = (host.image, "web:2") }
                    if key.step.hasPrefix("restore"), let parked = host.parked {
                        (host.image, host.parked) = (parked, nil)
                    }
                    if key.step.hasPrefix("commit") { host.parked = nil }
                } else if host.behaviour == .badAndStuck {
                    host.image = "broken"
                }
                if host.isConnected, Int.random(in: 0..<100, using: &generator) >= lossPercent {
                    try perform(rollout.stepFinished(key, outcome, now: now))
                }
            }
        }
    }

    /// One second.
    mutating func step() throws {
        now = now + .seconds(1)
        try work()
        if let wake = rollout.wakeAt, wake <= now { try perform(rollout.tick(now: now)) }
    }

    mutating func run(seconds: Int) throws {
        for _ in 0..<seconds { try step() }
    }

    /// Until nothing is left to do, at most a day.
    mutating func runToEnd() throws {
        for _ in 0..<86_400 {
            if rollout.isSettled { return }
            // Nothing happens before the next of these, so the clock may jump there.
            let next = (hosts.flatMap { $0.working.map(\.doneAt) } + [rollout.wakeAt].compactMap { $0 }).min() ?? now
            now = max(now, next - .seconds(1))
            try step()
        }
    }

    /// kill -9 of the coordinator, gone for a while; hosts go on meanwhile.
    mutating func crash(awayFor seconds: Int64 = 0) throws {
        now = now + .seconds(seconds)
        epoch += 1
        rollout = try JSONDecoder().decode(Rollout.self, from: store)
        if rollout.state != .planned { try perform(rollout.restored(epoch: epoch, now: now)) }
    }

    mutating func disconnect(_ index: Int) throws {
        hosts[index].isConnected = false
        try perform(rollout.hostLost(hosts[index].id, reason: "no heartbeat", now: now))
    }

    mutating func connect(_ index: Int) throws {
        hosts[index].isConnected = true
        for (key, outcome) in hosts[index].outcomes.sorted(by: { $0.key < $1.key }) {
            try perform(rollout.stepFinished(key, outcome, now: now))
        }
        try perform(rollout.hostBack(hosts[index].id, now: now))
    }

    mutating func begin() throws { try perform(rollout.started(now: now)) }
}
