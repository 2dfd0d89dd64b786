import MusterModel
import MusterWire
import Testing

struct SimulatedAgent {
    /// Metric frames build on each other; reading can begin at every sixteenth, which is where a process begins too.
    static func canBegin(_ sequence: UInt64) -> Bool { sequence % 16 == 1 }

    private static let canBegin = PerClass<(@Sendable (DataFrame) -> Bool)?>(
        control: nil, health: nil, metrics: { canBegin($0.sequence) }, logs: nil)
    private static let settings = PerClass { name in
        LaneSettings(memoryBytes: 600, overflow: name == .metrics ? .spill : .refuse)
    }

    // On the disk.
    private var ceilings = PerClass<UInt64>(repeating: 0)
    private var spool: [DataFrame] = []
    /// Control and logs can be made again: the journal knows which sequence is what.
    private var journal = PerClass<[DataFrame]>(repeating: [])

    // What the test looks at.
    private(set) var made = PerClass<[UInt64]>(repeating: [])
    private(set) var lostInCrash: Set<UInt64> = []

    // In memory.
    private var numbers: PerClass<SequenceReservation>
    var outbound: Outbound
    var session: AgentSession?
    private var decoder = FrameDecoder()
    private var pending: [Frame] = []
    /// Metrics that are neither acknowledged nor in the spool.
    private var inMemoryOnly: Set<UInt64> = []
    private var enqueued = PerClass<UInt64>(repeating: 0)

    init(now: Instant) {
        outbound = Outbound(settings: Self.settings, handedOut: ceilings, canBegin: Self.canBegin, now: now)
        numbers = PerClass(repeating: Self.reservation(0))
    }

    private static func reservation(_ ceiling: UInt64) -> SequenceReservation {
        do {
            return try SequenceReservation(persistedCeiling: ceiling, batch: 16)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    var isDone: Bool {
        spool.isEmpty
            && TrafficClass.allCases.allSatisfy { journal[$0].isEmpty && outbound.state($0).memoryFrames == 0 }
    }

    mutating func make(_ name: TrafficClass?, now: Instant) throws {
        guard let name else { return }
        // The tailer's back pressure.
        if name == .logs, !outbound.hasRoom(.logs, payloadBytes: 10) { return }
        let next = numbers[name].next()
        if let ceiling = next.persistCeiling { ceilings[name] = ceiling }
        let frame = Samples.data(name, next.sequence)
        made[name].append(next.sequence)
        if name == .metrics {
            switch outbound.enqueue(frame, now: now) {
            case .queued: inMemoryOnly.insert(frame.sequence)
            case .spill(let frames):
                spool += frames
                inMemoryOnly.subtract(frames.map(\.sequence))
                outbound.spooled(.metrics, through: frame.sequence)
            case let other: Issue.record("\(other)")
            }
        } else {
            journal[name].append(frame)
            enqueueWaiting(now: now)
        }
    }

    /// What is in the journal and was not taken by the queues yet.
    mutating func enqueueWaiting(now: Instant) {
        for name in [TrafficClass.control, .logs] {
            for frame in journal[name] where frame.sequence > enqueued[name] {
                if case .dropped = outbound.enqueue(frame, now: now) { break }
                enqueued[name] = frame.sequence
            }
        }
    }

    mutating func connect(now: Instant) {
        let hello = Hello(
            host: Samples.host, boot: Samples.boot, agentVersion: "1",
            nextSequences: PerClass { numbers[$0].nextUnused })
        var session = AgentSession(hello: hello)
        pending = session.connected(now: now).send
        self.session = session
        decoder = FrameDecoder()
    }

    mutating func crash(now: Instant) {
        lostInCrash.formUnion(inMemoryOnly)
        inMemoryOnly = []
        numbers = PerClass { Self.reservation(ceilings[$0]) }
        outbound = Outbound(settings: Self.settings, handedOut: ceilings, canBegin: Self.canBegin, now: now)
        if let last = spool.last { outbound.spooled(.metrics, through: last.sequence) }
        enqueued = PerClass(repeating: 0)
        enqueueWaiting(now: now)
    }

    mutating func readSpool(_ count: Int) {
        guard let read = outbound.wantsFromSpool() else { return }
        outbound.unspooled(read.class, Array(spool.drop { $0.sequence <= read.after }.prefix(count)))
    }

    mutating func output(now: Instant) throws -> [UInt8] {
        guard session != nil else { return [] }
        let facts = HeartbeatFacts(monotonicMilliseconds: 0, snapshotSequence: 0, snapshotHash: 0)
        pending += session?.woke(facts: facts, outbound: &outbound, now: now).send ?? []
        enqueueWaiting(now: now)
        while let frame = outbound.nextFrame() { pending.append(frame) }
        defer { pending = [] }
        return try pending.flatMap { frame throws(WireError) in try frame.encoded() }
    }

    mutating func input(_ bytes: ArraySlice<UInt8>, now: Instant) throws {
        decoder.append(bytes)
        while let frame = try decoder.next() {
            guard let effect = try session?.received(frame, outbound: &outbound, now: now) else { return }
            for released in effect.released {
                journal[released.class].removeAll { $0.sequence <= released.highest }
                guard released.class == .metrics else { continue }
                spool.removeAll { $0.sequence <= released.spoolThrough }
                inMemoryOnly = inMemoryOnly.filter { $0 > released.highest }
            }
        }
    }
}

struct SimulatedCoordinator {
    private(set) var disk = PerClass<[UInt64]>(repeating: [])
    /// Appended, not synced.
    private var unsynced: [DataFrame] = []
    private var marks = ReceiveMarks()
    var session: CoordinatorSession?
    private var decoder = FrameDecoder.awaitingHello()
    private var pending: [Frame] = []

    mutating func connect(now: Instant) {
        session = CoordinatorSession(
            certificateHost: Samples.host, windows: PerClass(repeating: Window(frames: 4, bytes: 100)), now: now)
        decoder = .awaitingHello()
        pending = []
    }

    /// Of what was not synced a beginning may be on the disk all the same.
    mutating func crash(keeping part: Double) {
        write(Int(Double(unsynced.count) * part))
        unsynced = []
        marks = ReceiveMarks(durable: PerClass { disk[$0].last ?? 0 })
    }

    /// The metrics on its disk from some place on are gone. Answers them.
    mutating func losesMetrics(keeping part: Double) -> [UInt64] {
        crash(keeping: 1)
        let kept = Int(Double(disk[.metrics].count) * part)
        let lost = Array(disk[.metrics].dropFirst(kept))
        disk[.metrics].removeLast(lost.count)
        marks = ReceiveMarks(durable: PerClass { disk[$0].last ?? 0 })
        return lost
    }

    mutating func sync(part: Double) {
        for frame in write(Int((Double(unsynced.count) * part).rounded(.up))) {
            _ = marks.becameDurable(frame.class, through: frame.sequence)
        }
    }

    @discardableResult
    private mutating func write(_ count: Int) -> [DataFrame] {
        let written = Array(unsynced.prefix(count))
        unsynced.removeFirst(count)
        for frame in written { disk[frame.class].append(frame.sequence) }
        return written
    }

    mutating func output() throws -> [UInt8] {
        pending += session?.acknowledgements(marks: marks) ?? []
        defer { pending = [] }
        return try pending.flatMap { frame throws(WireError) in try frame.encoded() }
    }

    mutating func input(_ bytes: ArraySlice<UInt8>, now: Instant) throws {
        decoder.append(bytes)
        while let frame = try decoder.next() {
            guard let effect = try session?.received(frame, marks: &marks, now: now) else { return }
            pending += effect.send
            if effect.identify != nil, let admitted = session?.admit(marks: marks, now: now) {
                pending += admitted.send
                decoder.admitted()
                #expect(admitted.close == nil)
            }
            guard let frame = effect.store else { continue }
            let before = unsynced.last { $0.class == frame.class }?.sequence ?? disk[frame.class].last ?? 0
            #expect(frame.sequence > before, "stored twice or out of order")
            #expect(frame == Samples.data(frame.class, frame.sequence), "the same name, other bytes")
            unsynced.append(frame)
        }
    }
}
