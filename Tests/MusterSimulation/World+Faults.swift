import MusterModel
import MusterRollouts
import MusterStore

// What goes wrong, and how it is healed.

extension World {
    func scheduleFault(_ kind: FaultKind) {
        guard let mean = plan.faults.first(where: { $0.kind == kind })?.mean else { return }
        after(.nanoseconds(Int64.random(in: 0...2 * mean.nanoseconds, using: &generator)), .fault(kind))
    }

    func faultHappens(_ kind: FaultKind) {
        guard !isHealed else { return }
        let agent = Int.random(in: agents.indices, using: &generator)
        note("fault", agent, UInt64(kind.rawValue))
        switch kind {
        case .killAgent: agentDies(agent, losingPower: false)
        case .agentLosesPower: agentDies(agent, losingPower: true)
        case .agentDiesAtOperation: dieSoon(agents[agent])
        case .killCoordinator: coordinatorDies(losingPower: false)
        case .coordinatorLosesPower: coordinatorDies(losingPower: true)
        case .coordinatorDiesAtOperation: dieSoon(coordinator)
        case .cutLink: cut(agent)
        case .halfOpenLink: silence(agent)
        case .partition:
            silence(agent)
            agents[agent].isPartitioned = true
            after(random(500...20_000), .partitionEnds(agent: agent))
        case .agentDiskFails: failSoon(agents[agent].io)
        case .coordinatorDiskFails: failSoon(coordinator.io)
        case .agentDiskFills: fill(agents[agent].io, .diskRefilled(agent: agent))
        case .coordinatorDiskFills: fill(coordinator.io, .diskRefilled(agent: nil))
        case .agentPauses where agents[agent].process != nil:
            agents[agent].pausedUntil = now + random(100...25_000)
        case .coordinatorPauses where coordinator.process != nil:
            coordinator.pausedUntil = now + random(100...25_000)
        case .agentPauses, .coordinatorPauses: break
        case .stepComesTwice: stepComesLate(agent, ofOlderTerm: false)
        case .stepOfOlderTerm: stepComesLate(agent, ofOlderTerm: true)
        }
        scheduleFault(kind)
    }

    private func dieSoon(_ machine: Machine) {
        guard machine.deathAt == nil else { return }
        let at = machine.io.operationCount + Int.random(in: 1...12, using: &generator)
        machine.deathAt = at
        machine.io.inject(MemoryFileIO.Fault(at: at, effect: .processDies))
    }

    /// Reads never fail: what a disk will not give back is lost, which no order of effects can help.
    private func failSoon(_ io: MemoryFileIO) {
        let operations: [MemoryFileIO.Operation] = [.sync, .sync, .write, .truncate, .syncDirectory, .unlink, .rename]
        let count = Int.random(in: 1...3, using: &generator)
        for _ in 0..<count {
            guard let operation = operations.randomElement(using: &generator) else { continue }
            // The nth call is of some kind; so a few chances for this kind.
            for at in 1...6 {
                io.inject(
                    MemoryFileIO.Fault(at: io.operationCount + at, operation: operation, effect: .fails(.inputOutput)))
            }
        }
    }

    private func fill(_ io: MemoryFileIO, _ refilled: Event) {
        io.setCapacity(bytes: io.usedBytes + Int.random(in: 0...400, using: &generator))
        after(random(200...6_000), refilled)
    }

    private func cut(_ agent: Int) {
        guard let link = agents[agent].process?.link else { return }
        if chance(50) {
            link.toAgent = []
            link.toCoordinator = []
        }
        close(link, byAgent: true)
        close(link, byAgent: false)
    }

    private func silence(_ agent: Int) {
        if let link = agents[agent].process?.link { link.isSilent = true }
    }

    /// A step arrives that was on its way for long: once more, or from a coordinator whose term is over.
    private func stepComesLate(_ agent: Int, ofOlderTerm: Bool) {
        let machine = agents[agent]
        let sent = sentSteps.filter { $0.host == machine.host }
        guard var step = sent.randomElement(using: &generator) else { return }
        if ofOlderTerm {
            guard step.epoch < truth.acceptedEpoch(agent) else { return }
            step.attempt += 1_000
        }
        withAgent(agent) { process in
            let refused = process.stepReceived(step)
            if ofOlderTerm {
                self.mark(.olderTermRefused)
                if !refused { self.truth.violated("agent \(agent) took step \(step.key) of an older term") }
            }
        }
    }

    // MARK: Death

    func agentDies(_ index: Int, losingPower: Bool) {
        let machine = agents[index]
        note(losingPower ? "agent loses power" : "agent killed", index, 0)
        if machine.process != nil {
            let lost = truth.died(index, losingPower: losingPower)
            if lost > 0 { mark(.lostInMemory) }
        } else if losingPower {
            _ = truth.died(index, losingPower: true)
        }
        let wasUp = machine.process != nil
        machine.process = nil
        endLinks(ofAgent: index, silently: losingPower)
        machine.died(losingPower: losingPower, using: &generator)
        if wasUp { after(random(100...4_000), .startAgent(index)) }
    }

    func coordinatorDies(losingPower: Bool) {
        let machine = coordinator
        note(losingPower ? "coordinator loses power" : "coordinator killed")
        let wasUp = machine.process != nil
        machine.process = nil
        endLinks(ofAgent: nil, silently: losingPower)
        machine.died(losingPower: losingPower, using: &generator)
        if wasUp { after(random(100...8_000), .startCoordinator) }
    }

    /// Processes that died in the middle of an event.
    func buryTheDead() {
        for machine in agents where machine.isGone && machine.process != nil {
            agentDies(machine.index, losingPower: chance(50))
        }
        if coordinator.isGone, coordinator.process != nil { coordinatorDies(losingPower: chance(50)) }
    }

    func startAgent(_ index: Int) {
        let machine = agents[index]
        guard machine.process == nil else { return }
        do {
            let process = try AgentProcess(machine)
            machine.process = process
            note("agent started", index, UInt64(machine.life))
            withAgent(index) { $0.started() }
        } catch {
            startFailed(machine, .agentStartFailed, .startAgent(index))
        }
    }

    func startCoordinator() {
        let machine = coordinator
        guard machine.process == nil else { return }
        do {
            let process = try CoordinatorProcess(machine)
            machine.process = process
            note("coordinator started", -1, UInt64(machine.life))
            withCoordinator { $0.started() }
        } catch {
            startFailed(machine, .coordinatorStartFailed, .startCoordinator)
        }
    }

    private func startFailed(_ machine: Machine, _ mark: Mark, _ again: Event) {
        note("start failed", -2, 0)
        self.mark(mark)
        if let agent = machine as? AgentMachine {
            let lost = truth.died(agent.index, losingPower: false)
            if lost > 0 { self.mark(.lostInMemory) }
        }
        machine.died(losingPower: false, using: &generator)
        after(random(500...2_000), again)
    }

    /// From now on nothing goes wrong.
    func heal() {
        isHealed = true
        note("healed")
        for machine in agents {
            machine.isPartitioned = false
            revive(machine)
        }
        revive(coordinator)
    }

    private func revive(_ machine: Machine) {
        machine.io.clearFaults()
        machine.io.setCapacity(bytes: nil)
        // A process whose death was due lives.
        machine.deathAt = nil
        machine.pausedUntil = min(machine.pausedUntil, now)
    }
}
