import Foundation
import MusterModel
import MusterRollouts
import MusterStore
import MusterWire

/// One process of the coordinator: what it received, what is on its disk, and the rollout it is at work on.
final class CoordinatorProcess {
    /// One connection.
    final class Peer {
        let link: Link
        var session: CoordinatorSession
        var decoder = FrameDecoder.awaitingHello()
        var key: StreamKey?
        /// A report is being stored; what came behind it waits.
        var waitsForDesk = false
        var waiting: [Link.Item] = []

        init(_ link: Link, _ session: CoordinatorSession) {
            self.link = link
            self.session = session
        }
    }

    struct StreamKey: Hashable {
        let agent: Int
        let boot: BootID
    }

    /// What waits for the disk, one for metrics and one for logs.
    struct CommitQueue {
        struct Item {
            let record: SegmentRecord
            let key: StreamKey
            let link: Int
        }

        let log: SegmentLog
        var waiting: [Item] = []
        var inFlight: [Item] = []
        var isScheduled = false
    }

    /// What the loop that owns the rollout is told.
    enum DeskEvent {
        case run
        case report(StepMessage, Peer, DataFrame)
        case hostBack(Int)
        case hostLost(Int)
    }

    static let directory = "/coordinator"

    unowned let machine: CoordinatorMachine
    var marks: [StreamKey: ReceiveMarks] = [:]
    var commits: [CommitQueue] = []
    var peers: [Int: Peer] = [:]
    /// The link of each agent that counts.
    var current: [Int: Int] = [:]
    // Rollouts.
    let slots: TwoSlotState
    let epoch: UInt64
    var rollout: Rollout?
    var desk: [DeskEvent] = []
    /// Decided and not stored yet: nothing else is decided before it is.
    var unstored: (effect: Rollout.Effect, then: () -> Void)?
    var storeRetryAt: Instant?

    var world: World { machine.world }
    var now: Instant { machine.world.now }

    init(_ machine: CoordinatorMachine) throws {
        self.machine = machine
        let io = machine.io
        try io.makeDirectories(Self.directory)
        let (epochSlots, epochFound) = try TwoSlotState.open(path: Self.directory + "/epoch", io: io)
        epoch = (epochFound.value.flatMap { UInt64(String(decoding: $0, as: UTF8.self)) } ?? 0) + 1
        try epochSlots.write(Array("\(epoch)".utf8))
        let (slots, found) = try TwoSlotState.open(path: Self.directory + "/rollout", io: io)
        self.slots = slots
        if let value = found.value { rollout = try JSONDecoder().decode(Rollout.self, from: Data(value)) }
        for index in 0..<2 {
            let (log, recovery) = try SegmentLog.open(
                directory: Self.directory + (index == 0 ? "/metrics" : "/logs"), io: io,
                settings: .init(segmentBytes: 2_000, maxBytes: 16 << 20))
            if recovery.trimmedBytes > 0 { machine.world.mark(.tornTail) }
            try restore(log, index)
            commits.append(CommitQueue(log: log))
        }
    }

    private func restore(_ log: SegmentLog, _ index: Int) throws(StoreError) {
        var found: [(agent: Int, name: TrafficClass, sequence: UInt64, payload: [UInt8])] = []
        _ = try log.scan(.records) { record in
            guard let agent = machine.world.agents.firstIndex(where: { $0.host == record.id.host }) else {
                return .next
            }
            let key = StreamKey(agent: agent, boot: record.id.boot)
            var durable = marks[key]?.durable ?? PerClass(repeating: 0)
            guard record.id.sequence > durable[record.id.class] else { return .next }
            durable[record.id.class] = record.id.sequence
            marks[key] = ReceiveMarks(durable: durable)
            found.append((agent, record.id.class, record.id.sequence, record.payload))
            return .next
        }
        if !machine.isGone { machine.world.truth.found(found, in: index) }
    }

    func started() {
        guard !machine.isGone, var rollout, !rollout.isSettled else { return }
        world.mark(.coordinatorRestored)
        let effect = rollout.restored(epoch: epoch, now: now)
        self.rollout = rollout
        perform(effect) {}
    }

    var wakeAt: Instant? {
        var earliest = [storeRetryAt, unstored == nil ? rollout?.wakeAt : nil].compactMap { $0 }.min()
        for id in peers.keys {
            guard let at = peers[id]?.session.wakeAt else { continue }
            earliest = min(earliest ?? at, at)
        }
        return earliest
    }

    func woke() {
        if let storeRetryAt, storeRetryAt <= now {
            self.storeRetryAt = nil
            retryStore()
        }
        if unstored == nil, let wakeAt = rollout?.wakeAt, wakeAt <= now {
            change({ $0.tick(now: now) }, then: {})
        }
        for id in peers.keys.sorted() {
            guard let peer = peers[id] else { continue }
            let effect = peer.session.woke(now: now)
            if effect.close != nil {
                world.mark(.silenceNoticed)
                end(peer)
            }
        }
    }

    /// After each event: the acknowledgements that are owed.
    func settle() {
        workDesk()
        for id in peers.keys.sorted() {
            guard let peer = peers[id], let key = peer.key, let marks = marks[key] else { continue }
            send(peer.session.acknowledgements(marks: marks), to: peer)
        }
    }

    // MARK: Connections

    func serves(_ link: Link) -> Bool { peers[link.id] != nil }

    func accepted(_ link: Link) {
        let frames = world.plan.windowFrames
        peers[link.id] = Peer(
            link,
            CoordinatorSession(
                certificateHost: world.agents[link.agent].host, windows: PerClass(repeating: Window(frames: frames)),
                heartbeatInterval: .seconds(5), now: now))
    }

    func arrived(_ item: Link.Item, over link: Link) {
        guard let peer = peers[link.id] else { return }
        if peer.waitsForDesk { return peer.waiting.append(item) }
        guard case .bytes(let bytes) = item else { return end(peer) }
        peer.session.bytesReceived(now: now)
        peer.decoder.append(bytes)
        read(peer)
    }

    private func read(_ peer: Peer) {
        do throws(WireError) {
            while !peer.waitsForDesk, peers[peer.link.id] === peer, let frame = try peer.decoder.next() {
                try received(frame, from: peer)
            }
        } catch {
            world.truth.violated("the coordinator does not understand agent \(peer.link.agent): \(error)")
            end(peer)
        }
    }

    private func received(_ frame: Frame, from peer: Peer) throws(WireError) {
        var unused = ReceiveMarks()
        let effect: CoordinatorEffect
        if let key = peer.key {
            let before = marks[key]?.duplicates
            effect = try peer.session.received(frame, marks: &marks[key, default: ReceiveMarks()], now: now)
            if marks[key]?.duplicates != before { world.mark(.duplicateArrived) }
        } else {
            effect = try peer.session.received(frame, marks: &unused, now: now)
        }
        if let hello = effect.identify { return identified(peer, hello) }
        if let data = effect.store { store(data, from: peer) }
        send(effect.send, to: peer)
        if effect.close != nil { end(peer) }
    }

    private func identified(_ peer: Peer, _ hello: Hello) {
        let key = StreamKey(agent: peer.link.agent, boot: hello.boot)
        peer.key = key
        let effect = peer.session.admit(marks: marks[key, default: ReceiveMarks()], now: now)
        send(effect.send, to: peer)
        if effect.close != nil { return end(peer) }
        peer.decoder.admitted()
        let older = current.updateValue(peer.link.id, forKey: key.agent).flatMap { peers[$0] }
        if let older {
            world.mark(.linkSuperseded)
            send(older.session.refuse(Refusal(.superseded, "a newer connection took over")).send, to: older)
            end(older)
        }
        desk.append(.hostBack(key.agent))
    }

    func send(_ frames: [Frame], to peer: Peer) {
        guard !frames.isEmpty, !machine.isGone else { return }
        do {
            let bytes = try frames.flatMap { try $0.encoded() }
            world.send(bytes, over: peer.link, toAgent: true)
        } catch {
            world.truth.violated("the coordinator cannot encode a frame: \(error)")
        }
    }

    func end(_ peer: Peer) {
        guard peers.removeValue(forKey: peer.link.id) != nil else { return }
        peer.session.linkClosed()
        world.close(peer.link, byAgent: false)
        world.forgetLink(peer.link)
        guard current[peer.link.agent] == peer.link.id else { return }
        current[peer.link.agent] = nil
        desk.append(.hostLost(peer.link.agent))
    }

    // MARK: Frames

    private func store(_ frame: DataFrame, from peer: Peer) {
        guard let key = peer.key else { return }
        world.note("frame received", key.agent, frame.class, frame.sequence)
        switch frame.class {
        case .metrics, .logs: submit(frame, key, peer)
        case .health: tookOver(frame, key)
        case .control:
            guard let message = StepMessage(frame.payload) else {
                return world.truth.violated("agent \(key.agent) sent a report that makes no sense")
            }
            peer.waitsForDesk = true
            desk.append(.report(message, peer, frame))
        }
    }

    /// A frame that is not kept as such: what it says is known, and what of it must last is stored.
    func tookOver(_ frame: DataFrame, _ key: StreamKey) {
        guard !machine.isGone else { return }
        world.truth.becameDurable(key.agent, frame.class, frame.sequence, payload: nil)
        _ = marks[key]?.becameDurable(frame.class, through: frame.sequence)
    }

    /// The report is stored: the connection it came over goes on.
    func goOn(_ peer: Peer) {
        peer.waitsForDesk = false
        guard peers[peer.link.id] === peer else { return }
        read(peer)
        while !peer.waitsForDesk, !peer.waiting.isEmpty { arrived(peer.waiting.removeFirst(), over: peer.link) }
    }
}
