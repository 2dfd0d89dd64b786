import MusterLogs
import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

/// One process of the agent: the machines it is made of and the order in which their effects are done. Everything it
/// knows at first comes from its disk.
final class AgentProcess {
    static let directory = "/agent"
    static let numbersPerReservation: UInt64 = 16
    static let logBlockBytes = 96

    unowned let machine: AgentMachine
    // Names of frames.
    let slots: TwoSlotState
    var boot: BootRecord
    var reservations: PerClass<SequenceReservation>
    // The way out.
    var outbound: Outbound
    let spool: Spool
    var session: AgentSession?
    var decoder = FrameDecoder()
    var link: Link?
    var reconnect = Reconnect(addresses: 1)
    var dialAt: Instant?
    // Logs.
    var ledger: TailLedger
    let tailJournal: Journal
    var tailSource: TailedSource.ID?
    var unjournalled: [[UInt8]] = []
    var batch: [(frame: DataFrame, block: Truth.Block)] = []
    var resends: [TailedRange]
    var isWelcomed = false
    var tailRetryAt: Instant?
    // Rollout steps.
    var steps: StepJournal
    let stepJournal: Journal
    var unfinished: [RolloutStep]
    /// Decided and not on the disk yet: what follows from each when it is.
    var unpersisted: [StepFollowUp] = []
    var stepRetryAt: Instant?
    var working: Set<StepKey> = []

    /// Opens everything on the disk. Throws when the disk does not let it: then the process is started again later.
    init(_ machine: AgentMachine) throws {
        self.machine = machine
        let io = machine.io
        try io.makeDirectories(Self.directory)
        let (slots, found) = try TwoSlotState.open(path: Self.directory + "/boot", io: io)
        self.slots = slots
        if let known = found.value.flatMap({ BootRecord($0) }) {
            boot = known
        } else {
            boot = BootRecord(id: BootID(using: &machine.world.generator))
            try slots.write(boot.bytes)
        }
        let ceilings = boot.ceilings
        reservations = try PerClass { (name: TrafficClass) throws(WireError) in
            try SequenceReservation(persistedCeiling: ceilings[name], batch: Self.numbersPerReservation)
        }
        let plan = machine.world.plan
        (spool, _) = try Spool.open(
            directory: Self.directory + "/spool", io: io, settings: Spool.Settings(maxBytes: plan.spoolBytes))
        let (tailJournal, tailFound) = try Journal.open(path: Self.directory + "/logs.journal", io: io)
        self.tailJournal = tailJournal
        let recovery = TailLedger.recovered(from: tailFound.records)
        ledger = recovery.ledger
        resends = recovery.unacknowledged
        tailSource = recovery.ledger.sources.keys.sorted().first
        let (stepJournal, stepsFound) = try Journal.open(path: Self.directory + "/steps.journal", io: io)
        self.stepJournal = stepJournal
        var steps = StepJournal(host: machine.host)
        unfinished = try steps.recovered(stepsFound.records)
        self.steps = steps
        var handedOut = boot.ceilings
        handedOut[.logs] = recovery.ledger.nextSequence - 1
        let memory = plan.memoryBytes
        outbound = Outbound(
            settings: PerClass { LaneSettings(memoryBytes: memory, overflow: LaneSettings.standard[$0].overflow) },
            handedOut: handedOut, now: machine.now)
        for name in TrafficClass.allCases {
            if let newest = spool.newestSequence(name) { outbound.spooled(name, through: newest) }
        }
        if tailFound.trimmedBytes + stepsFound.trimmedBytes > 0 { machine.world.mark(.tornTail) }
    }

    var world: World { machine.world }
    var agent: Int { machine.index }
    var now: Instant { machine.now }

    func started() {
        guard !machine.isGone else { return }
        world.truth.agentStarted(agent, boot.id)
        if machine.diedInOperation { lookForRoomMade() }
        machine.diedInOperation = false
        for step in unfinished {
            world.mark(.stepResumed)
            begin(step)
        }
        unfinished = []
        dialAt = reconnect.started(now: now).at
        turnTail()
    }

    /// A process may have died between making room in the spool and counting what that cost.
    private func lookForRoomMade() {
        for name in TrafficClass.allCases {
            guard let oldest = try? spool.next(name) else { continue }
            spool.rewind(name)
            world.truth.roomWasMade(agent, name, before: oldest.id.sequence)
        }
    }

    /// By this host's clock.
    var wakeAt: Instant? { [session?.wakeAt, dialAt, tailRetryAt, stepRetryAt].compactMap { $0 }.min() }

    func woke() {
        if let dialAt, dialAt <= now {
            self.dialAt = nil
            world.dial(agent)
        }
        if let tailRetryAt, tailRetryAt <= now { turnTail() }
        if let stepRetryAt, stepRetryAt <= now { persistSteps() }
        let facts = HeartbeatFacts(monotonicMilliseconds: 0, snapshotSequence: 0, snapshotHash: 0)
        guard let effect = session?.woke(facts: facts, outbound: &outbound, now: now) else { return }
        send(effect.send)
        if let reason = effect.close {
            if reason == .silence { world.mark(.silenceNoticed) }
            linkLost(.lost)
        }
    }

    // MARK: Numbers and frames

    /// A metric or snapshot frame with a content that no other has.
    func makeFrame(_ name: TrafficClass) {
        machine.made += 1
        let filling = Int.random(in: 0...60, using: &world.generator)
        enqueue(name, Array("\(name) \(machine.made) ".utf8) + [UInt8](repeating: 46, count: filling))
    }

    func enqueue(_ name: TrafficClass, _ payload: [UInt8]) {
        guard let sequence = nextSequence(name) else { return world.mark(.numberNotReserved) }
        let frame = DataFrame(class: name, sequence: sequence, codec: 0, payload: payload)
        world.truth.produced(agent, frame)
        enqueue(frame)
    }

    /// The ceiling is on the disk before a number below it is used; when the disk refuses, no number was taken.
    private func nextSequence(_ name: TrafficClass) -> UInt64? {
        var reservation = reservations[name]
        let next = reservation.next()
        if let ceiling = next.persistCeiling {
            var raised = boot
            raised.ceilings[name] = ceiling
            do throws(StoreError) {
                try slots.write(raised.bytes)
            } catch {
                return nil
            }
            boot = raised
        }
        reservations[name] = reservation
        return next.sequence
    }

    func enqueue(_ frame: DataFrame) {
        switch outbound.enqueue(frame, now: now) {
        case .queued: break
        case .alreadyDurable:
            if frame.class != .logs { world.truth.violated("a new \(frame.class) frame counts as durable") }
        case .spill(let frames): spill(frame.class, frames)
        case .dropped(let reason):
            if frame.class == .logs {
                world.truth.violated("agent \(agent): a log block was dropped although there was room: \(reason)")
            }
            world.truth.dropped(agent, frame.class, frame.sequence...frame.sequence, counted: 1)
        }
    }

    // MARK: The spool

    private func spill(_ name: TrafficClass, _ frames: [DataFrame]) {
        world.mark(.framesSpilled)
        var last: UInt64?
        var failed: [DataFrame] = []
        for frame in frames {
            let id = FrameID(host: machine.host, boot: boot.id, class: name, sequence: frame.sequence)
            let outcome = spool.append(SegmentRecord(id: id, codec: frame.codec, received: now, payload: frame.payload))
            if outcome.isStored { last = frame.sequence } else { failed.append(frame) }
            note(outcome.isStored ? "spilled" : "not spilled", name, frame.sequence)
            report(outcome.drops)
            if outcome.isStored, !machine.isGone { world.truth.spooled(agent, name, frame.sequence) }
        }
        report(spool.sync())
        if !machine.isGone { world.truth.spoolSynced(agent) }
        if let last { outbound.spooled(name, through: last) }
        guard let newest = failed.last?.sequence else { return }
        world.mark(.spoolFailed)
        let lost = outbound.spoolFailed(name, failed)
        // Only the newest frame of a spill can be lost: the others are in memory still.
        if lost > 1 { world.truth.violated("agent \(agent): \(lost) \(name) frames were lost by one spill") }
        if lost > 0 { world.truth.dropped(agent, name, newest...newest, counted: lost) }
    }

    private func note(_ what: StaticString, _ name: TrafficClass, _ sequence: UInt64) {
        if !machine.isGone { world.note(what, agent, name, sequence) }
    }

    private func report(_ drops: [Spool.Drop]) {
        for drop in drops {
            guard let sequences = drop.sequences, !machine.isGone else { continue }
            world.mark(.spoolDropped)
            note(
                drop.reason == .budget ? "spool made room up to" : "spool lost up to", drop.class, sequences.upperBound)
            let lost =
                switch drop.reason {
                case .budget: outbound.spoolDropped(drop.class, sequences)
                case .disk: outbound.spoolLost(drop.class, sequences)
                }
            world.truth.dropped(agent, drop.class, sequences, counted: min(lost, drop.records))
        }
    }

    private func readSpool() {
        while let read = outbound.wantsFromSpool() {
            var frames: [DataFrame] = []
            var bytes = 0
            var isExhausted = false
            var end = SpoolReadEnd.whole
            let before = spool.skipped(read.class)
            do throws(StoreError) {
                while bytes < read.roomBytes {
                    guard let record = try spool.next(read.class) else {
                        isExhausted = true
                        break
                    }
                    guard record.id.sequence > read.after else { continue }
                    bytes += record.payload.count + WireLimits.queuedFrameOverheadBytes
                    frames.append(
                        DataFrame(
                            class: read.class, sequence: record.id.sequence, codec: record.codec,
                            payload: record.payload))
                }
            } catch {
                world.note("spool not read", agent, 0)
                end = .interrupted
            }
            if spool.skipped(read.class) != before { end = .damaged(toTheEnd: isExhausted) }
            if let last = frames.last?.sequence { note("spool read up to", read.class, last) }
            let lost = outbound.unspooled(read.class, frames, end)
            if lost > 0, !machine.isGone {
                let edges = [read.after] + frames.map(\.sequence) + (isExhausted ? [UInt64.max] : [])
                for (before, next) in zip(edges, edges.dropFirst()) where next - before > 1 {
                    world.truth.dropped(agent, read.class, before + 1...next - 1, counted: 0)
                }
                world.truth.dropped(agent, read.class, 0...0, counted: lost)
            }
            if frames.isEmpty { return }
            world.mark(.spoolReadBack)
        }
    }

    /// Everything that can go out goes out.
    func pump() {
        guard let link, session?.isEstablished == true else { return }
        var bytes: [UInt8] = []
        while true {
            readSpool()
            guard let frame = outbound.nextFrame() else { break }
            if case .data(let data) = frame {
                world.note("frame sent", agent, data.class, data.sequence)
            }
            bytes += encoded(frame)
        }
        if !machine.isGone { world.send(bytes, over: link, toAgent: false) }
    }

    func encoded(_ frame: Frame) -> [UInt8] {
        do throws(WireError) {
            return try frame.encoded()
        } catch {
            world.truth.violated("agent \(agent) cannot encode a frame: \(error)")
            return []
        }
    }
}

/// Boot id and the ceilings of the sequences that may have been used, as the agent keeps them.
struct BootRecord {
    var id: BootID
    var ceilings = PerClass<UInt64>(repeating: 0)

    init(id: BootID) { self.id = id }

    init?(_ bytes: [UInt8]) {
        guard bytes.count == 48 else { return nil }
        let words = stride(from: 0, to: 48, by: 8).map { start in
            bytes[start..<start + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        }
        id = BootID(high: words[0], low: words[1])
        ceilings = PerClass(control: words[2], health: words[3], metrics: words[4], logs: words[5])
    }

    var bytes: [UInt8] {
        ([id.high, id.low] + TrafficClass.allCases.map { ceilings[$0] }).flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
    }
}
