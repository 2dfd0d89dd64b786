import Foundation
import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

// The loop that owns the rollout: an event changes the machine, what it decided is stored, and only then sent.

extension CoordinatorProcess {
    private static let rolloutID = "r1"

    func operatorRuns() { desk.append(.run) }

    func workDesk() {
        while unstored == nil, !desk.isEmpty, !machine.isGone {
            switch desk.removeFirst() {
            case .run: run()
            case .hostBack(let agent):
                let host = world.agents[agent].host
                change({ $0.hostBack(host, now: now) }, then: {})
            case .hostLost(let agent):
                let host = world.agents[agent].host
                change({ $0.hostLost(host, reason: "not connected", now: now) }, then: {})
            case .report(let message, let peer, let frame): reported(message, peer, frame)
            }
        }
    }

    private func run() {
        guard rollout == nil, let id = RolloutID(Self.rolloutID) else { return }
        do {
            let spec = RolloutSpec(
                name: "web", select: ["app": "web"], image: Containers.new, maxInFlight: .hosts(world.plan.maxInFlight),
                health: HealthGate(healthyFor: .seconds(1), deadline: .seconds(20)))
            var rollout = Rollout(id: id, plan: try RolloutPlan.make(spec, inventory), epoch: epoch, now: now)
            let effect = try rollout.started(now: now)
            self.rollout = rollout
            perform(effect) {}
        } catch {
            world.truth.violated("the rollout cannot be started: \(error)")
        }
    }

    private var inventory: RolloutInventory {
        RolloutInventory(
            hosts: world.agents.map { machine in
                let container = Container(
                    id: "c\(machine.index)", name: "web", image: machine.containers.image, labels: ["app": "web"],
                    state: .running)
                return RolloutInventory.Host(host: machine.host, state: .alive, containers: [container])
            })
    }

    private func reported(_ message: StepMessage, _ peer: Peer, _ frame: DataFrame) {
        guard let key = peer.key else { return }
        func taken() {
            tookOver(frame, key)
            if case .finished(let step, _) = message { sendMessage(.stored(step), to: peer) }
            goOn(peer)
        }
        guard rollout != nil else { return taken() }
        switch message {
        case .accepted(let step): change({ $0.stepAccepted(step, now: now) }, then: taken)
        case .finished(let step, let outcome): change({ $0.stepFinished(step, outcome, now: now) }, then: taken)
        case .step, .stored: world.truth.violated("agent \(key.agent) sent what only a coordinator says")
        }
    }

    func change(_ event: (inout Rollout) -> Rollout.Effect, then: @escaping () -> Void) {
        guard var changed = rollout, !changed.isSettled else { return then() }
        let before = changed.state
        let effect = event(&changed)
        rollout = changed
        if changed.state != before { world.note("rollout changed", -1, UInt64(changed.state.rawValue.utf8.count)) }
        perform(effect, then: then)
    }

    /// Stores, then sends, then lets whoever told it go on.
    func perform(_ effect: Rollout.Effect, then: @escaping () -> Void) {
        if effect.isToBeStored, !store() {
            unstored = (effect, then)
            storeRetryAt = now + .seconds(1)
            return
        }
        guard !machine.isGone else { return }
        for step in effect.send {
            world.sentSteps.append(step)
            guard let agent = world.agents.firstIndex(where: { $0.host == step.host }),
                let peer = current[agent].flatMap({ peers[$0] })
            else { continue }
            sendMessage(.step(step), to: peer)
        }
        then()
    }

    func retryStore() {
        guard let (effect, then) = unstored else { return }
        world.mark(.rolloutStoreRetried)
        unstored = nil
        perform(effect, then: then)
    }

    private func store() -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        do {
            guard let rollout else { return true }
            try slots.write(Array(try encoder.encode(rollout)))
            return true
        } catch {
            return false
        }
    }

    private func sendMessage(_ message: StepMessage, to peer: Peer) {
        guard case .send(let frame) = peer.session.send(message.payload) else { return }
        send([frame], to: peer)
    }
}
