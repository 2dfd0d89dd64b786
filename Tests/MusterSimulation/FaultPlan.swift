import MusterModel
import MusterStore

/// One kind of thing that goes wrong.
enum FaultKind: Int, CaseIterable {
    case killAgent
    case agentLosesPower
    case agentDiesAtOperation
    case killCoordinator
    case coordinatorLosesPower
    case coordinatorDiesAtOperation
    case cutLink
    case halfOpenLink
    case partition
    case agentDiskFails
    case coordinatorDiskFails
    case agentDiskFills
    case coordinatorDiskFills
    case agentPauses
    case coordinatorPauses
    case stepComesTwice
    case stepOfOlderTerm
}

/// What one seed is made of. Each seed draws a subset of the faults and a rate for each (swarm testing): a run in which
/// everything fails all the time gets nowhere near the states that only one fault leads to.
struct FaultPlan {
    enum Image { case good, badEverywhere, badOnOneHost }

    let agents: Int
    /// Enabled faults and the mean time between two of a kind.
    let faults: [(kind: FaultKind, mean: Duration)]
    /// How long things go wrong.
    let faultsLast: Duration
    let image: Image
    /// The longest way of a message.
    let latency: Duration
    /// The longest fdatasync of the coordinator.
    let syncTime: Duration
    let spoolBytes: Int
    let memoryBytes: Int
    let windowFrames: UInt32
    /// How far an agent's clock may be off.
    let skew: Duration
    let maxInFlight: Int

    init(using generator: inout SplitMix64) {
        agents = [1, 1, 2, 2, 3, 4].randomElement(using: &generator) ?? 1
        let share = Int.random(in: 1...6, using: &generator)
        faults = FaultKind.allCases.compactMap { kind in
            guard Int.random(in: 0..<10, using: &generator) < share else { return nil }
            return (kind, .milliseconds(Int64.random(in: 2_000...12_000, using: &generator)))
        }
        faultsLast = .seconds(Int64.random(in: 8...24, using: &generator))
        let images: [Image] = [.good, .good, .badEverywhere, .badOnOneHost]
        image = images.randomElement(using: &generator) ?? .good
        latency = .milliseconds([2, 2, 40, 400].randomElement(using: &generator) ?? 2)
        syncTime = .milliseconds([3, 3, 60, 900].randomElement(using: &generator) ?? 3)
        spoolBytes = [2_500, 6_000, 64_000].randomElement(using: &generator) ?? 64_000
        memoryBytes = [500, 1_500, 6_000].randomElement(using: &generator) ?? 6_000
        windowFrames = [1, 4, 64].randomElement(using: &generator) ?? 64
        skew = .seconds([0, 0, 4].randomElement(using: &generator) ?? 0)
        maxInFlight = Int.random(in: 1...3, using: &generator)
    }
}

/// Something rare that a thousand seeds together have to reach, or they prove less than they seem to.
enum Mark: Int, CaseIterable {
    case framesSpilled
    case spoolReadBack
    case spoolDropped
    case spoolFailed
    case duplicateArrived
    case storeFailed
    case resentLogBlock
    case tailJournalRepaired
    case stepJournalRepaired
    case numberNotReserved
    case stepResumed
    case stepAnsweredFromMemory
    case olderTermRefused
    case coordinatorRestored
    case rolloutStoreRetried
    case linkSuperseded
    case silenceNoticed
    case agentStartFailed
    case coordinatorStartFailed
    case tornTail
    case rolledBack
    case succeeded
    case lostInMemory
}
