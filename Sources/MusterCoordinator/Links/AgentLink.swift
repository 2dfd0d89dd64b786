import Logging
import MusterModel
import MusterProtocol
import MusterStore
import MusterTransport
import MusterWire
import Synchronization

/// One connection of one agent: the session machine, and the only place that acts on its effects.
final class AgentLink: Sendable {
    /// Reading from the peer pauses while more than this waits for the disk.
    static let queuedBytesMax = 16 << 20
    private static let pauseStep = Duration.milliseconds(5)

    let host: HostID
    private let connection: LinkConnection
    private let hub: LinkHub

    private struct State {
        var session: CoordinatorSession
        var decoder = FrameDecoder.awaitingHello()
        var key: StreamKey?
    }

    private let state: Mutex<State>
    private let ackDue: AsyncStream<Void>
    private let ackSignal: AsyncStream<Void>.Continuation

    init(_ connection: LinkConnection, host: HostID, hub: LinkHub) {
        self.connection = connection
        self.host = host
        self.hub = hub
        state = Mutex(State(session: CoordinatorSession(certificateHost: host, now: hub.clock.now)))
        // One pending signal is enough: whoever takes it looks at everything.
        (ackDue, ackSignal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    var logger: Logger { hub.logger }
    /// Whether the session has ended, here or there.
    var isOver: Bool { state.withLock { $0.session.isClosed } }

    // MARK: The loop

    /// Serves the connection to its end.
    func run() async {
        await withTaskGroup(of: String?.self) { group in
            group.addTask { await self.read() }
            group.addTask { await self.acknowledge() }
            group.addTask { await self.watch() }
            let reason = await group.next() ?? nil
            group.cancelAll()
            state.withLock { $0.session.linkClosed() }
            connection.close(reason ?? "the session ended")
            hub.linkEnded(self, reason: reason ?? "the connection closed")
        }
    }

    private func read() async -> String? {
        do {
            for try await bytes in connection.inbound {
                state.withLock { $0.decoder.append(bytes) }
                while let frame = try state.withLock({ state throws(WireError) in try state.decoder.next() }) {
                    guard await handle(frame) else { return nil }
                }
                // Duplicates are acknowledged too, or the agent would send them for ever.
                ackSignal.yield()
                while hub.ingest.queuedBytes > Self.queuedBytesMax { try await Task.sleep(for: Self.pauseStep) }
            }
            return "the agent closed the connection"
        } catch let error as WireError {
            logger.warning(
                "link closed",
                metadata: ["host": "\(host)", "peer": "\(connection.remoteAddress)", "reason": "\(error)"])
            await send([.refuse(error.refusal)])
            return "\(error)"
        } catch {
            return "\(error)"
        }
    }

    private func acknowledge() async -> String? {
        for await _ in ackDue {
            guard let key = state.withLock({ $0.key }) else { continue }
            let frames = hub.ingest.marks.with(key) { marks in
                state.withLock { $0.session.acknowledgements(marks: marks) }
            }
            guard await send(frames) else { return "the connection was lost" }
        }
        return nil
    }

    /// The session's deadlines; the end of the certificate is watched by the connection itself.
    private func watch() async -> String? {
        while !Task.isCancelled {
            let now = hub.clock.now
            let effect = state.withLock { $0.session.woke(now: now) }
            if let reason = effect.close {
                logger.warning("link closed", metadata: ["host": "\(host)", "reason": "\(reason)"])
                return "\(reason)"
            }
            try? await Task.sleep(for: .milliseconds(250))
        }
        return nil
    }

    // MARK: Frames

    /// False when the session is over.
    private func handle(_ frame: Frame) async -> Bool {
        let now = hub.clock.now
        let effect: CoordinatorEffect
        let isQueued: Bool
        do throws(WireError) {
            (effect, isQueued) = try received(frame, now: now)
        } catch {
            logger.warning(
                "link closed",
                metadata: ["host": "\(host)", "peer": "\(connection.remoteAddress)", "reason": "\(error)"])
            await send([.refuse(error.refusal)])
            return false
        }
        if let hello = effect.identify { return await identified(hello, now: now) }
        guard isQueued else {
            await refuse(Refusal(.overloaded, "the coordinator's disk does not keep up; send again later"))
            return false
        }
        if let data = effect.store { guard await takeOver(data, now: now) else { return false } }
        if let heartbeat = effect.heartbeat { heard(heartbeat, now: now) }
        if let reason = effect.close {
            logger.warning(
                "agent refused",
                metadata: ["host": "\(host)", "peer": "\(connection.remoteAddress)", "reason": "\(reason)"])
        }
        guard await send(effect.send) else { return false }
        return effect.close == nil
    }

    /// What is to be stored is queued before the marks are let go: a frame that was received before a loss must not be
    /// queued after it. False when the queue is full; then it was not received.
    private func received(
        _ frame: Frame, now: Instant
    ) throws(WireError) -> (effect: CoordinatorEffect, isQueued: Bool) {
        guard let key = state.withLock({ $0.key }) else {
            var unused = ReceiveMarks()
            return try state.withLock { state throws(WireError) in
                (try state.session.received(frame, marks: &unused, now: now), true)
            }
        }
        return try hub.ingest.marks.with(key) { marks throws(WireError) in
            let effect = try state.withLock { state throws(WireError) in
                try state.session.received(frame, marks: &marks, now: now)
            }
            guard let data = effect.store, data.class == .metrics || data.class == .logs else { return (effect, true) }
            let admission = hub.ingest.frameReceived(data, of: key, now: MachineClock.wall) { [weak self] in
                self?.stored(data, $0)
            }
            if admission == .refused { marks.storeFailed(data.class) }
            return (effect, admission != .refused)
        }
    }

    private func identified(_ hello: Hello, now: Instant) async -> Bool {
        if let refusal = hub.refusal(of: host) {
            await refuse(refusal)
            return false
        }
        let key = StreamKey(host: host, boot: hello.boot)
        let effect = hub.ingest.marks.with(key) { marks in
            state.withLock { state in
                state.key = key
                let effect = state.session.admit(marks: marks, now: now)
                if effect.close == nil { state.decoder.admitted() }
                return effect
            }
        }
        if let reason = effect.close {
            logger.warning("agent refused", metadata: ["host": "\(host)", "reason": "\(reason)"])
        }
        // The welcome goes first: from the moment the hub knows this link, commands go over it.
        guard await send(effect.send), effect.close == nil else { return false }
        hub.linkEstablished(self, hello: hello, now: now)
        return true
    }

    /// What is not kept as a frame: what it says is taken over, and what of it must last is stored.
    private func takeOver(_ frame: DataFrame, now: Instant) async -> Bool {
        guard frame.class == .health || frame.class == .control else { return true }
        guard let key = state.withLock({ $0.key }) else { return false }
        guard await hub.agentSaid(frame, link: self, now: now) else {
            hub.ingest.marks.with(key) { $0.storeFailed(frame.class) }
            await refuse(Refusal(.storageFailed, "the coordinator could not store what was said; send it again"))
            return false
        }
        _ = hub.ingest.marks.with(key) { $0.becameDurable(frame.class, through: frame.sequence) }
        return true
    }

    /// On the commit thread.
    private func stored(_ frame: DataFrame, _ outcome: Ingest.Stored) {
        switch outcome {
        case .durable: break
        case .keyframeNeeded(let reason):
            logger.notice(
                "metric stream cannot be read further; asked for a keyframe",
                metadata: [
                    "host": "\(host)", "sequence": "\(frame.sequence)", "reason": "\(reason)",
                ])
            hub.requestKeyframe(self)
        case .failed(let error):
            logger.error(
                "a frame could not be stored",
                metadata: [
                    "host": "\(host)", "class": "\(frame.class)", "sequence": "\(frame.sequence)", "reason": "\(error)",
                ])
            connection.close("the coordinator could not store a frame: \(error)")
        }
        ackSignal.yield()
    }

    private func heard(_ heartbeat: Heartbeat, now: Instant) {
        guard let key = state.withLock({ $0.key }) else { return }
        hub.heartbeat(heartbeat, key: key, link: self, now: now)
    }

    // MARK: Sending

    /// False when the message could not be taken now: whoever sends it asks again later.
    @discardableResult
    func send(_ message: CoordinatorMessage) -> Bool {
        guard let payload = try? message.encoded() else { return false }
        // Under one lock: messages have to be written in the order of their numbers, and one that finds no room must
        // not use a number up, or the agent ends the session at the next one. `trySend` never waits or calls back.
        return state.withLock { state in
            guard case .send(let frame) = state.session.send(payload) else { return false }
            let isTaken = (try? connection.trySend(try frame.encoded())) ?? false
            if !isTaken { state.session.messageNotWritten(frame) }
            return isTaken
        }
    }

    /// Tells the peer why and ends the session.
    func refuse(_ refusal: Refusal) async {
        logger.warning("agent refused", metadata: ["host": "\(host)", "reason": "\(refusal)"])
        let effect = state.withLock { $0.session.refuse(refusal) }
        await send(effect.send)
        connection.close("\(refusal)")
    }

    /// `refuse` for a caller that cannot wait; the peer reads the reason as long as there is room in its queue.
    func end(_ refusal: Refusal) {
        let effect = state.withLock { $0.session.refuse(refusal) }
        for frame in effect.send { _ = try? connection.trySend(try frame.encoded()) }
        connection.close("\(refusal)")
    }

    @discardableResult
    private func send(_ frames: [Frame]) async -> Bool {
        guard !frames.isEmpty else { return true }
        do {
            try await connection.send(try frames.flatMap { try $0.encoded() })
            return true
        } catch {
            return false
        }
    }
}
