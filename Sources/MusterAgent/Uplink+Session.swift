import Logging
import MusterModel
import MusterStore
package import MusterTransport
import MusterWire
import Synchronization

extension Uplink {
    /// How a connection ended, and what the agent has to do beyond dialling again.
    enum Ending: Equatable, Sendable {
        case reconnect(Reconnect.Ending, reason: String)
        /// The coordinator knows more of this lineage than this agent: it has to begin a new one.
        case staleLineage(String)
    }

    /// Dials and serves connections until the task is cancelled or the lineage is over; then says why. `context` is
    /// asked before each dial, because certificates are renewed.
    package func run(
        addresses: [LinkAddress], dialer: @Sendable () throws -> LinkDialer
    ) async -> String {
        var reconnect = Reconnect(addresses: addresses.count)
        var generator = SystemRandomNumberGenerator()
        var attempt = reconnect.started(now: clock.now)
        while !Task.isCancelled {
            let wait = attempt.at - clock.now
            if wait > .zero { try? await Task.sleep(for: wait) }
            guard !Task.isCancelled else { break }
            let address = addresses[attempt.address]
            let ending: Ending
            do {
                let connection = try await dialer().dial(address)
                ending = await serve(connection) { reconnect.welcomed(now: $0) }
            } catch {
                ending = .reconnect(.lost, reason: "\(error)")
            }
            guard case .reconnect(let how, let reason) = ending else {
                guard case .staleLineage(let reason) = ending else { break }
                return reason
            }
            attempt = reconnect.ended(how, now: clock.now, using: &generator)
            guard !Task.isCancelled else { break }
            note(how, reason, address, wait: attempt.at - clock.now)
        }
        return "the agent stops"
    }

    private func note(_ how: Reconnect.Ending, _ reason: String, _ address: LinkAddress, wait: Duration) {
        state.withLock { $0.counters.lastFailure = reason }
        let metadata: Logger.Metadata = [
            "coordinator": "\(address)", "reason": "\(reason)", "again": "\(wait.shortText)",
        ]
        if how == .planned {
            logger.info("reconnecting with the new certificate", metadata: metadata)
        } else {
            logger.warning("not connected to the coordinator", metadata: metadata)
        }
    }

    /// Ends the connection so that the next one uses the new certificate.
    func reconnectNow() {
        let connection = state.withLock { state in
            state.isReplanned = state.connection != nil
            return state.connection
        }
        connection?.close("the certificate was renewed")
    }

    // MARK: One connection

    /// `welcomed` hears when the coordinator welcomed the agent, if it did.
    private func serve(_ connection: LinkConnection, welcomed: (Instant) -> Void) async -> Ending {
        // Before the session: from its welcome on the writer reads the spool, which then stands at its beginning.
        for name in TrafficClass.allCases { spool.rewind(name) }
        let hello = state.withLock { state in
            Hello(
                host: host, boot: state.boot.id, agentVersion: Agent.version,
                nextSequences: PerClass { name in
                    name == .logs ? state.logNumbersUsed + 1 : state.reservations[name].nextUnused
                })
        }
        let effect = state.withLock { state in
            var session = AgentSession(hello: hello)
            let effect = session.connected(now: clock.now)
            state.session = session
            state.connection = connection
            state.localAddress = connection.localAddress ?? state.localAddress
            return effect
        }
        let ending = await withTaskGroup(of: Ending?.self) { group in
            guard await send(effect.send, over: connection) else {
                return Ending.reconnect(.lost, reason: "\(connection.end?.description ?? "the connection was lost")")
            }
            group.addTask { await self.read(connection) }
            group.addTask { await self.write(connection) }
            group.addTask { await self.beat(connection) }
            let first = await group.next() ?? nil
            group.cancelAll()
            connection.close("the session ended")
            return first ?? .reconnect(.lost, reason: "\(connection.end?.description ?? "the connection was lost")")
        }
        let (welcomedAt, isPlanned) = state.withLock { state in
            let welcomedAt = state.welcomedAt
            state.session?.linkClosed(outbound: &state.outbound, now: clock.now)
            state.session = nil
            state.connection = nil
            state.welcomedAt = nil
            defer { state.isReplanned = false }
            return (welcomedAt, state.isReplanned)
        }
        if let welcomedAt { welcomed(welcomedAt) }
        if isPlanned { return .reconnect(.planned, reason: "the certificate was renewed") }
        return ending
    }

    private func read(_ connection: LinkConnection) async -> Ending? {
        var decoder = FrameDecoder()
        do {
            for try await bytes in connection.inbound {
                state.withLock { $0.session?.bytesReceived(now: clock.now) }
                decoder.append(bytes)
                while let frame = try decoder.next() {
                    if let ending = try await received(frame, connection) { return ending }
                }
                wake.yield()
            }
            return .reconnect(.lost, reason: "the coordinator closed the connection")
        } catch let error as WireError {
            await send([.refuse(error.refusal)], over: connection)
            if case .durableBeyondHandedOut = error { return .staleLineage("\(error)") }
            return .reconnect(.lost, reason: "the coordinator sent what makes no sense: \(error)")
        } catch {
            return .reconnect(.lost, reason: "\(error)")
        }
    }

    /// Nil while the session goes on.
    private func received(_ frame: Frame, _ connection: LinkConnection) async throws(WireError) -> Ending? {
        let effect = try state.withLock { state throws(WireError) -> AgentEffect in
            guard var session = state.session else { return AgentEffect() }
            defer { state.session = session }
            return try session.received(frame, outbound: &state.outbound, now: clock.now)
        }
        if let welcome = effect.welcome { established(welcome) }
        for released in effect.released { self.released(released) }
        if let roundTrip = effect.roundTrip { state.withLock { $0.counters.roundTrip = roundTrip } }
        if let message = effect.message {
            await listened?.messageReceived(message.payload)
            let receipt = state.withLock { $0.session?.messageHandled(message.id) }
            if let receipt { _ = await send(receipt.send, over: connection) }
        }
        _ = await send(effect.send, over: connection)
        guard let close = effect.close else { return nil }
        guard case .refusedByPeer(let refusal) = close else { return .reconnect(.lost, reason: "\(close)") }
        if refusal.code == .staleState { return .staleLineage(refusal.message) }
        return .reconnect(.refused(refusal.code), reason: "the coordinator refused: \(refusal)")
    }

    private func established(_ welcome: Welcome) {
        state.withLock { state in
            state.counters.connects += 1
            state.welcomedAt = clock.now
        }
        logger.info("connected to the coordinator", metadata: ["durableLogs": "\(welcome.durable[.logs])"])
        listened?.welcomed(welcome)
        wake.yield()
    }

    private func write(_ connection: LinkConnection) async -> Ending? {
        for await _ in wake.stream() {
            guard connection.end == nil else { return nil }
            while true {
                readSpool()
                let (bytes, frames) = gather()
                guard !bytes.isEmpty else { break }
                do throws(LinkError) {
                    try await connection.send(bytes)
                } catch {
                    return .reconnect(.lost, reason: "\(error)")
                }
                state.withLock { state in
                    state.counters.bytesSent += UInt64(bytes.count)
                    for name in frames { state.counters.framesSent[name] += 1 }
                }
            }
        }
        return nil
    }

    /// The next frames, most urgent first, as bytes to be written together.
    private func gather() -> (bytes: [UInt8], frames: [TrafficClass]) {
        state.withLock { state in
            var bytes: [UInt8] = []
            var frames: [TrafficClass] = []
            while bytes.count < Self.writeBytes, let frame = state.outbound.nextFrame() {
                // A frame that was taken over is within its limits, so it can be encoded.
                bytes += (try? frame.encoded()) ?? []
                if case .data(let data) = frame { frames.append(data.class) }
            }
            return (bytes, frames)
        }
    }

    /// Heartbeats and deadlines.
    private func beat(_ connection: LinkConnection) async -> Ending? {
        while !Task.isCancelled {
            let facts =
                listened?.heartbeatFacts()
                ?? HeartbeatFacts(monotonicMilliseconds: 0, snapshotSequence: 0, snapshotHash: 0)
            let (effect, wakeAt) = state.withLock { state -> (AgentEffect, Instant?) in
                guard var session = state.session else { return (AgentEffect(), nil) }
                let effect = session.woke(facts: facts, outbound: &state.outbound, now: clock.now)
                state.session = session
                return (effect, session.wakeAt)
            }
            guard await send(effect.send, over: connection) else { return nil }
            if let close = effect.close { return .reconnect(.lost, reason: "\(close)") }
            guard let wakeAt else { return nil }
            let wait = min(wakeAt - clock.now, .milliseconds(250))
            if wait > .zero { try? await Task.sleep(for: wait) }
        }
        return nil
    }

    @discardableResult
    private func send(_ frames: [Frame], over connection: LinkConnection) async -> Bool {
        guard !frames.isEmpty else { return true }
        do {
            try await connection.send(try frames.flatMap { try $0.encoded() })
            return true
        } catch {
            return false
        }
    }
}
