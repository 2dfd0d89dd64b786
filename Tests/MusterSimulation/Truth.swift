import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

/// What an all-seeing observer knows of the run. Every event is told to it, and it says what must not be.
struct Truth {
    /// One class of one agent's lineage.
    struct Stream {
        var produced: [UInt64: [UInt8]] = [:]
        /// Produced and not released to the agent yet, ascending.
        var outstanding: [UInt64] = []
        /// On the coordinator's disk, or for what it does not keep: taken over by it.
        var durable: Set<UInt64> = []
        var lastDurable: UInt64 = 0
        /// In the agent's memory only when it died.
        var lostInMemory: Set<UInt64> = []
        /// Told by the agent to be lost.
        var dropped: Set<UInt64> = []
        /// In the spool's page cache, and in the spool for good.
        var appended: Set<UInt64> = []
        var synced: Set<UInt64> = []
    }

    struct Block { let start: Int, end: Int }

    private(set) var failure: String?
    private var streams: [[Stream]]
    private(set) var blocks: [[UInt64: Block]]
    /// Up to where each agent's log is stored without a gap.
    private(set) var storedLog: [Int]
    /// Frames each agent's counters say are lost.
    private var counted: [Int]
    private var boots: [BootID?]
    private var begins: [StepKey: Int] = [:]
    private var acceptedEpochs: [UInt64]
    private(set) var storedFrames = 0

    init(agents: Int) {
        streams = Array(repeating: Array(repeating: Stream(), count: TrafficClass.allCases.count), count: agents)
        blocks = Array(repeating: [:], count: agents)
        storedLog = Array(repeating: 0, count: agents)
        counted = Array(repeating: 0, count: agents)
        boots = Array(repeating: nil, count: agents)
        acceptedEpochs = Array(repeating: 0, count: agents)
    }

    /// The first broken promise is the one to look at.
    mutating func violated(_ what: String) { failure = failure ?? what }

    private subscript(agent: Int, name: TrafficClass) -> Stream {
        get { streams[agent][Int(name.rawValue)] }
        _modify { yield &streams[agent][Int(name.rawValue)] }
    }

    // MARK: The agent

    /// A process has read its disk: what it found there is durable now.
    mutating func agentStarted(_ agent: Int, _ boot: BootID) {
        if let known = boots[agent], known != boot, streams[agent].contains(where: { !$0.produced.isEmpty }) {
            violated("agent \(agent) began a new lineage although its disk is intact")
        }
        boots[agent] = boot
        spoolSynced(agent)
    }

    /// A frame got its name.
    mutating func produced(_ agent: Int, _ frame: DataFrame) {
        if self[agent, frame.class].produced[frame.sequence] != nil {
            return violated("agent \(agent) used \(frame.class) \(frame.sequence) twice")
        }
        self[agent, frame.class].produced[frame.sequence] = frame.payload
        self[agent, frame.class].outstanding.append(frame.sequence)
    }

    /// A block of log goes out, for the first time or again.
    mutating func blockSent(_ agent: Int, _ frame: DataFrame, _ block: Block) {
        guard let known = self[agent, .logs].produced[frame.sequence] else {
            blocks[agent][frame.sequence] = block
            return produced(agent, frame)
        }
        if known != frame.payload { violated("agent \(agent) gave log block \(frame.sequence) another content") }
    }

    mutating func spooled(_ agent: Int, _ name: TrafficClass, _ sequence: UInt64) {
        self[agent, name].appended.insert(sequence)
    }

    mutating func spoolSynced(_ agent: Int) {
        for name in TrafficClass.allCases { self[agent, name].synced = self[agent, name].appended }
    }

    /// Frames the agent says are lost, as its counters count them.
    mutating func dropped(_ agent: Int, _ name: TrafficClass, _ sequences: ClosedRange<UInt64>, counted count: Int) {
        counted[agent] += count
        for sequence in self[agent, name].outstanding where sequences.contains(sequence) {
            self[agent, name].dropped.insert(sequence)
            self[agent, name].appended.remove(sequence)
            self[agent, name].synced.remove(sequence)
        }
    }

    /// The agent was told that everything up to `highest` is safe and forgets it.
    mutating func released(_ agent: Int, _ name: TrafficClass, through highest: UInt64) {
        let stream = self[agent, name]
        for sequence in stream.outstanding where sequence <= highest {
            guard !stream.durable.contains(sequence), !stream.lostInMemory.contains(sequence),
                !stream.dropped.contains(sequence)
            else { continue }
            violated("agent \(agent) forgets \(name) \(sequence), which is not on the coordinator's disk")
        }
        self[agent, name].outstanding.removeAll { $0 <= highest }
        self[agent, name].appended = stream.appended.filter { $0 > highest }
        self[agent, name].synced = stream.synced.filter { $0 > highest }
    }

    /// The agent's process died. What it had in memory alone may be missing from now on; answers how much that is.
    mutating func died(_ agent: Int, losingPower: Bool) -> Int {
        var lost = 0
        for name in TrafficClass.allCases where name != .logs {
            let safe = losingPower ? self[agent, name].synced : self[agent, name].appended
            let gone = self[agent, name].outstanding.filter { !safe.contains($0) }
            self[agent, name].lostInMemory.formUnion(gone)
            // What was appended and not synced outlives a kill, and becomes durable when the spool is opened again.
            self[agent, name].appended = safe
            self[agent, name].synced.formIntersection(safe)
            lost += gone.count
        }
        return lost
    }

    /// The spool begins at `first` after its process died in the middle of a file operation.
    mutating func roomWasMade(_ agent: Int, _ name: TrafficClass, before first: UInt64) {
        let gone = self[agent, name].appended.filter { $0 < first }
        self[agent, name].lostInMemory.formUnion(gone)
        self[agent, name].appended.subtract(gone)
        self[agent, name].synced.subtract(gone)
    }

    // MARK: The coordinator

    /// A record is on the disk, or a frame that is not kept was taken over.
    mutating func becameDurable(_ agent: Int, _ name: TrafficClass, _ sequence: UInt64, payload: [UInt8]?) {
        guard let produced = self[agent, name].produced[sequence] else {
            return violated("the coordinator stored \(name) \(sequence) of agent \(agent), which was never made")
        }
        if let payload, payload != produced {
            violated("\(name) \(sequence) of agent \(agent) was stored with another content")
        }
        // What is not kept may come again to a coordinator that has restarted.
        if !self[agent, name].durable.insert(sequence).inserted, payload != nil {
            violated("\(name) \(sequence) of agent \(agent) was stored twice")
        }
        guard payload != nil else { return }
        storedFrames += 1
        if sequence <= self[agent, name].lastDurable {
            violated("\(name) \(sequence) of agent \(agent) was stored behind \(self[agent, name].lastDurable)")
        }
        self[agent, name].lastDurable = max(self[agent, name].lastDurable, sequence)
        if name == .logs { logStored(agent, sequence) }
    }

    private mutating func logStored(_ agent: Int, _ sequence: UInt64) {
        guard let block = blocks[agent][sequence] else { return }
        if block.start != storedLog[agent] {
            violated(
                "log of agent \(agent): block \(sequence) begins at \(block.start), stored is up to \(storedLog[agent])"
            )
        }
        storedLog[agent] = block.end
    }

    /// What a restarted coordinator finds in one of its logs: all that was durable, nothing twice.
    mutating func found(_ records: [(agent: Int, name: TrafficClass, sequence: UInt64, payload: [UInt8])], in log: Int)
    {
        let names: [TrafficClass] = log == 0 ? [.metrics] : [.logs]
        for agent in streams.indices {
            for name in names {
                let before = self[agent, name].durable
                self[agent, name].durable = []
                self[agent, name].lastDurable = 0
                if name == .logs { storedLog[agent] = 0 }
                for record in records where record.agent == agent && record.name == name {
                    becameDurable(agent, name, record.sequence, payload: record.payload)
                }
                if let missing = before.subtracting(self[agent, name].durable).min() {
                    violated("\(name) \(missing) of agent \(agent) was durable and is gone after a restart")
                }
            }
        }
    }

    // MARK: Rollouts

    /// A host begins a step it has not begun before.
    mutating func stepBegan(_ agent: Int, _ step: RolloutStep) {
        begins[step.key, default: 0] += 1
        if begins[step.key] != 1 { violated("agent \(agent) began step \(step.key) a second time") }
        if step.epoch < acceptedEpochs[agent] {
            violated(
                "agent \(agent) began step \(step.key) of epoch \(step.epoch) after one of \(acceptedEpochs[agent])")
        }
        acceptedEpochs[agent] = max(acceptedEpochs[agent], step.epoch)
    }

    func acceptedEpoch(_ agent: Int) -> UInt64 { acceptedEpochs[agent] }

    // MARK: The end

    /// Everything is healed and quiet: all that was made is stored or accounted for.
    mutating func ended(logBytes: [Int]) {
        for agent in streams.indices {
            var uncounted = 0
            for name in TrafficClass.allCases where name != .logs {
                let stream = self[agent, name]
                for sequence in stream.produced.keys.sorted()
                where !stream.durable.contains(sequence) && !stream.lostInMemory.contains(sequence) {
                    uncounted += 1
                    if !stream.dropped.contains(sequence) {
                        violated("\(name) \(sequence) of agent \(agent) is missing and nobody said so")
                    }
                }
            }
            if uncounted > counted[agent] {
                violated("agent \(agent) lost \(uncounted) frames and counted \(counted[agent])")
            }
            if storedLog[agent] != logBytes[agent] {
                violated("of agent \(agent)'s log \(storedLog[agent]) of \(logBytes[agent]) bytes are stored")
            }
        }
    }
}
