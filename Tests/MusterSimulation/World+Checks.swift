import MusterLogs
import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

// What is looked at after every event, and at the end.

extension World {
    /// Limits that hold at every moment. Names, contents and order of frames are checked by `Truth` as they happen, and
    /// windows by the sessions, which refuse a peer that goes beyond them.
    func check() {
        for machine in agents {
            guard let process = machine.process else { continue }
            if process.spool.bytesOnDisk > plan.spoolBytes {
                truth.violated("agent \(machine.index): the spool takes \(process.spool.bytesOnDisk) bytes")
            }
            for name in TrafficClass.allCases {
                let state = process.outbound.state(name)
                if state.memoryBytes > plan.memoryBytes + largestFrame {
                    truth.violated("agent \(machine.index): \(name) holds \(state.memoryBytes) bytes of memory")
                }
                if state.framesInFlight > Int(plan.windowFrames) {
                    truth.violated("agent \(machine.index): \(state.framesInFlight) \(name) frames are in flight")
                }
            }
        }
        checkRolloutLimits()
    }

    /// The first frame is always taken, however large.
    private var largestFrame: Int { 400 }

    private func checkRolloutLimits() {
        guard let rollout = coordinator.process?.rollout else { return }
        if plan.image != .good, rollout.state == .succeeded { truth.violated("a rollout of a bad image succeeded") }
        let inFlight = agents.count { machine in
            let state = rollout.hostState(of: machine.host)
            return state == .offered || state == .running
        }
        if inFlight > plan.maxInFlight { truth.violated("\(inFlight) hosts are in flight") }
    }

    /// Nothing is on its way any more.
    var isQuiet: Bool { unrest.isEmpty }

    /// What is still to be done, for people.
    var unrest: String {
        guard let process = coordinator.process else { return "the coordinator is down" }
        guard let rollout = process.rollout, rollout.isSettled else {
            return "the rollout is \(process.rollout?.state.rawValue ?? "not there")"
        }
        for machine in agents {
            guard let process = machine.process else { return "agent \(machine.index) is down" }
            if let what = unrest(of: process, machine) { return "agent \(machine.index): \(what)" }
        }
        return ""
    }

    private func unrest(of process: AgentProcess, _ machine: AgentMachine) -> String? {
        guard process.outbound.isUp else { return "not connected" }
        for name in TrafficClass.allCases {
            let state = process.outbound.state(name)
            if state.memoryFrames > 0 || state.isSpooling { return "\(name) waits: \(state)" }
        }
        if let source = process.tailSource.flatMap({ process.ledger.sources[$0] }) {
            if Int(source.acknowledged) < machine.log.count { return "log stored up to \(source.acknowledged)" }
        } else if !machine.log.isEmpty {
            return "the log was not found"
        }
        if !process.ledger.pending.isEmpty { return "\(process.ledger.pending.count) log blocks are pending" }
        if !process.steps.unreported.isEmpty || !process.steps.unfinished.isEmpty { return "a step is not reported" }
        return nil
    }

    /// The rollout ended one way or the other, and the hosts agree.
    func checkRollout() {
        guard let rollout = coordinator.process?.rollout else { return truth.violated("there is no rollout") }
        switch rollout.state {
        case .succeeded:
            mark(.succeeded)
            for machine in agents where rollout.hostState(of: machine.host) != nil {
                if machine.containers.image != Containers.new || machine.containers.parked != nil {
                    truth.violated("the rollout succeeded, agent \(machine.index) has \(machine.containers)")
                }
            }
        case .rolledBack:
            mark(.rolledBack)
            for machine in agents where machine.containers.image != Containers.old || machine.containers.parked != nil {
                truth.violated("the rollout was rolled back, agent \(machine.index) has \(machine.containers)")
            }
        default: truth.violated("the rollout ended as \(rollout.state.rawValue): \(rollout.reason)")
        }
    }
}
