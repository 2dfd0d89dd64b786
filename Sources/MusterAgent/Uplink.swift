package import Logging
import MusterHost
package import MusterModel
import MusterSeries
package import MusterStore
package import MusterTransport
package import MusterWire
import Synchronization

/// What the rest of the agent is told of the link. Called on the link's tasks; must not block.
package protocol UplinkListener: Sendable {
    func welcomed(_ welcome: Welcome)
    func released(_ released: Released)
    func messageReceived(_ payload: [UInt8]) async
    /// Frames of the class were lost: what depends on an unbroken stream begins anew.
    func dropped(_ name: TrafficClass)
    func heartbeatFacts() -> HeartbeatFacts
}

/// Everything on its way to the coordinator: what waits in memory and in the spool, and the connection it goes over.
package final class Uplink: Sendable {
    /// Frames written together at most; more only delays what is more urgent.
    static let writeBytes = 64 << 10

    package struct Counters: Sendable {
        package var connects = 0
        package var framesSent = PerClass<UInt64>(repeating: 0)
        package var bytesSent: UInt64 = 0
        package var dropped: [DropKey: UInt64] = [:]
        package var roundTrip: Duration?
        package var lastFailure = ""
    }

    package struct DropKey: Hashable, Sendable {
        package let name: TrafficClass
        package let reason: DropReason

        package init(name: TrafficClass, reason: DropReason) {
            self.name = name
            self.reason = reason
        }
    }

    struct State {
        var boot: AgentState.Boot
        var reservations: PerClass<SequenceReservation>
        /// The highest sequence the log ledger may have used.
        var logNumbersUsed: UInt64
        var outbound: Outbound
        var session: AgentSession?
        var connection: LinkConnection?
        /// Ours on the way to the coordinator; kept when the connection ends.
        var localAddress: String?
        /// When this connection was welcomed.
        var welcomedAt: Instant?
        var isReplanned = false
        var counters = Counters()
    }

    package let host: HostID
    let state: Mutex<State>
    let store: AgentState
    package let spool: Spool
    let clock: MachineClock
    let logger: Logger
    private let listener = Mutex<(any UplinkListener)?>(nil)
    let wake = Wake()

    /// `logNumbersUsed`: the highest sequence the log ledger may have used.
    package init(
        _ host: HostID, _ boot: AgentState.Boot, store: AgentState, spool: Spool, logNumbersUsed: UInt64,
        clock: MachineClock, logger: Logger
    ) throws {
        self.host = host
        self.store = store
        self.spool = spool
        self.clock = clock
        self.logger = logger
        // A new boot finds what an older one left in the spool. It is sent under its own numbers, so ours are above
        // them.
        var handedOut: PerClass<UInt64> = PerClass { name in max(boot.ceilings[name], spool.newestSequence(name) ?? 0) }
        let reservations: PerClass<SequenceReservation> = try PerClass { (name: TrafficClass) throws(WireError) in
            try SequenceReservation(persistedCeiling: handedOut[name])
        }
        // Logs are numbered by their ledger, which reserves on its own.
        handedOut[.logs] = logNumbersUsed
        var outbound = Outbound(
            handedOut: handedOut,
            canBegin: PerClass(
                control: nil, health: nil, metrics: { MetricFrame.isKeyframe($0.payload) }, logs: nil),
            now: clock.now)
        for name in TrafficClass.allCases {
            if let newest = spool.newestSequence(name) { outbound.spooled(name, through: newest) }
        }
        state = Mutex(
            State(boot: boot, reservations: reservations, logNumbersUsed: logNumbersUsed, outbound: outbound))
    }

    package func listens(_ listener: some UplinkListener) { self.listener.withLock { $0 = listener } }
    package func listensNoMore() { listener.withLock { $0 = nil } }
    var listened: (any UplinkListener)? { listener.withLock { $0 } }

    package var counters: Counters { state.withLock { $0.counters } }
    package var bootID: BootID { state.withLock { $0.boot.id } }
    /// Our address on the way to the coordinator, nil before the first connection.
    package var localAddress: String? { state.withLock { $0.localAddress } }
    package var isUp: Bool { state.withLock { $0.outbound.isUp } }
    /// The sequence the next frame of a class gets, if nothing goes wrong.
    package func nextUnused(_ name: TrafficClass) -> UInt64 { state.withLock { $0.reservations[name].nextUnused } }
    package func lane(_ name: TrafficClass) -> LaneState { state.withLock { $0.outbound.state(name) } }

    // MARK: In

    /// Numbers a frame and takes it over. False when it was dropped; that is counted and the listener knows.
    @discardableResult
    package func enqueue(_ name: TrafficClass, codec: UInt8, payload: [UInt8]) -> Bool {
        let effect: EnqueueEffect
        do throws(StoreError) {
            // Numbered and queued in one step: of two callers the one with the higher number must not be first.
            effect = try state.withLock { state throws(StoreError) in
                let sequence = try nextSequence(name, &state)
                return state.outbound.enqueue(
                    DataFrame(class: name, sequence: sequence, codec: codec, payload: payload), now: clock.now)
            }
        } catch {
            logger.error("frame dropped: its number could not be reserved on disk", metadata: ["reason": "\(error)"])
            count(name, .spoolFailed, 1)
            return false
        }
        return follow(effect, name)
    }

    /// Takes over a frame that is numbered already.
    @discardableResult
    package func enqueue(_ frame: DataFrame) -> Bool {
        let effect = state.withLock { state in
            if frame.class == .logs { state.logNumbersUsed = max(state.logNumbersUsed, frame.sequence) }
            return state.outbound.enqueue(frame, now: clock.now)
        }
        return follow(effect, frame.class)
    }

    private func follow(_ effect: EnqueueEffect, _ name: TrafficClass) -> Bool {
        defer { wake.yield() }
        switch effect {
        case .queued, .alreadyDurable: return true
        case .spill(let frames):
            spill(name, frames)
            return true
        case .dropped(let reason):
            count(name, reason, 1)
            return false
        }
    }

    package func hasRoom(_ name: TrafficClass, payloadBytes: Int) -> Bool {
        state.withLock { $0.outbound.hasRoom(name, payloadBytes: payloadBytes) }
    }

    /// Changes nothing when the disk does not take the ceiling: a number is used only below one that is stored.
    private func nextSequence(_ name: TrafficClass, _ state: inout State) throws(StoreError) -> UInt64 {
        var reservation = state.reservations[name]
        let next = reservation.next()
        if let ceiling = next.persistCeiling {
            var boot = state.boot
            boot.ceilings[name] = ceiling
            try store.persist(boot)
            state.boot = boot
        }
        state.reservations[name] = reservation
        return next.sequence
    }

    // MARK: The spool

    func spill(_ name: TrafficClass, _ frames: [DataFrame]) {
        let now = clock.now
        let boot = state.withLock { $0.boot.id }
        var stored: [DataFrame] = []
        var failed: [DataFrame] = []
        for frame in frames {
            let id = FrameID(host: host, boot: boot, class: frame.class, sequence: frame.sequence)
            let outcome = spool.append(
                SegmentRecord(id: id, codec: frame.codec, received: now, payload: frame.payload))
            if outcome.isStored { stored.append(frame) } else { failed.append(frame) }
            report(outcome.drops)
        }
        report(spool.sync())
        if let last = stored.last {
            state.withLock { $0.outbound.spooled(name, through: last.sequence) }
        }
        guard !failed.isEmpty else { return }
        let lost = state.withLock { $0.outbound.spoolFailed(name, failed) }
        count(name, .spoolFailed, lost)
    }

    private func report(_ drops: [Spool.Drop]) {
        for drop in drops {
            guard let sequences = drop.sequences else { continue }
            // Numbers that were never given out may lie between those of the records.
            switch drop.reason {
            case .budget:
                let lost = state.withLock { $0.outbound.spoolDropped(drop.class, sequences) }
                count(drop.class, .spoolFull, min(lost, drop.records))
            case .disk:
                let lost = state.withLock { $0.outbound.spoolLost(drop.class, sequences) }
                count(drop.class, .spoolFailed, min(lost, drop.records))
            }
        }
    }

    /// Reads back from the spool what the coordinator has room for.
    func readSpool() {
        while let read = state.withLock({ $0.outbound.wantsFromSpool() }) {
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
                logger.error("the spool cannot be read", metadata: ["class": "\(read.class)", "reason": "\(error)"])
                end = .interrupted
            }
            let skipped = spool.skipped(read.class)
            if skipped != before { end = .damaged(toTheEnd: isExhausted) }
            let lost = state.withLock { $0.outbound.unspooled(read.class, frames, end) }
            if lost > 0 {
                logger.error(
                    "a part of the spool cannot be read and is lost",
                    metadata: [
                        "class": "\(read.class)", "framesAtMost": "\(lost)", "damagedPlaces": "\(skipped.regions)",
                        "unreadableSegments": "\(skipped.unreadable)",
                        "reason": "\(skipped.segments.last.map { "\($0)" } ?? "checksums differ")",
                    ])
                count(read.class, .spoolDamaged, lost)
            }
            if frames.isEmpty { return }
        }
    }

    func released(_ released: Released) {
        do throws(StoreError) {
            try spool.release(released.class, through: released.spoolThrough)
        } catch {
            logger.error("the spool cannot be trimmed", metadata: ["class": "\(released.class)", "reason": "\(error)"])
        }
        listened?.released(released)
    }

    private func count(_ name: TrafficClass, _ reason: DropReason, _ lost: Int) {
        guard lost > 0 else { return }
        state.withLock { $0.counters.dropped[DropKey(name: name, reason: reason), default: 0] += UInt64(lost) }
        listened?.dropped(name)
    }
}

extension Uplink {
    /// The agent stops: what is in memory only and cannot be made again goes to the spool.
    package func spillAll() {
        let frames = state.withLock { $0.outbound.stopping() }
        for name in TrafficClass.allCases {
            let own = frames.filter { $0.class == name }
            if !own.isEmpty { spill(name, own) }
        }
    }
}

/// Tells the writer of the present connection that there is something to look at. A stream ends with the task that
/// reads it, so each connection gets one of its own.
final class Wake: Sendable {
    private let continuation = Mutex<AsyncStream<Void>.Continuation?>(nil)

    /// The wakes of a new connection; the first comes at once. An older stream hears nothing more.
    func stream() -> AsyncStream<Void> {
        let (stream, new) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        continuation.withLock { $0 = new }
        new.yield()
        return stream
    }

    func yield() { _ = continuation.withLock { $0 }?.yield() }
}
