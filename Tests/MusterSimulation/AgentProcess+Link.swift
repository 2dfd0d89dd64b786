import MusterLogs
import MusterModel
import MusterStore
import MusterWire

// The agent's end of a connection.

extension AgentProcess {
    func dialFailed() {
        dialAt = reconnect.ended(.lost, now: now, using: &world.generator).at
    }

    func connected(_ link: Link) {
        self.link = link
        decoder = FrameDecoder()
        let numbers = reservations
        let nextBlock = ledger.nextSequence
        let hello = Hello(
            host: machine.host, boot: boot.id, agentVersion: "1",
            nextSequences: PerClass { $0 == .logs ? nextBlock : numbers[$0].nextUnused })
        var session = AgentSession(hello: hello)
        let effect = session.connected(now: now)
        self.session = session
        send(effect.send)
    }

    func arrived(_ item: Link.Item, over link: Link) {
        guard link === self.link else { return }
        guard case .bytes(let bytes) = item else { return linkLost(.lost) }
        session?.bytesReceived(now: now)
        decoder.append(bytes)
        do throws(WireError) {
            while self.link === link, let frame = try decoder.next() { try received(frame) }
        } catch {
            world.truth.violated("agent \(agent) does not understand the coordinator: \(error)")
            linkLost(.lost)
        }
    }

    private func received(_ frame: Frame) throws(WireError) {
        guard var session else { return }
        let effect: AgentEffect
        do throws(WireError) {
            effect = try session.received(frame, outbound: &outbound, now: now)
            self.session = session
        } catch {
            self.session = session
            throw error
        }
        if let welcome = effect.welcome { welcomed(welcome) }
        for released in effect.released { self.released(released) }
        if let message = effect.message {
            messageReceived(message.payload)
            if let receipt = self.session?.messageHandled(message.id) { send(receipt.send) }
        }
        send(effect.send)
        guard let close = effect.close else { return }
        guard case .refusedByPeer(let refusal) = close else { return linkLost(.lost) }
        switch refusal.code {
        case .superseded, .storageFailed, .overloaded: break
        default: world.truth.violated("agent \(agent) was refused: \(refusal)")
        }
        linkLost(.refused(refusal.code))
    }

    private func welcomed(_ welcome: Welcome) {
        reconnect.welcomed(now: now)
        for name in TrafficClass.allCases { spool.rewind(name) }
        unjournalled += ledger.welcomed(durable: welcome.durable[.logs])
        isWelcomed = true
        stepsConnected()
        turnTail()
    }

    private func released(_ released: Released) {
        guard !machine.isGone else { return }
        world.note("released", agent, released.class, released.highest)
        world.truth.released(agent, released.class, through: released.highest)
        do throws(StoreError) {
            try spool.release(released.class, through: released.highest)
        } catch {
            // The space is given back with the next release.
            world.note("spool not trimmed", agent, released.highest)
        }
        guard released.class == .logs else { return }
        unjournalled += ledger.acknowledged(through: released.highest)
        turnTail()
    }

    func linkLost(_ ending: Reconnect.Ending) {
        guard let link else { return }
        session?.linkClosed(outbound: &outbound, now: now)
        session = nil
        self.link = nil
        world.close(link, byAgent: true)
        world.forgetLink(link)
        dialAt = reconnect.ended(ending, now: now, using: &world.generator).at
    }

    func send(_ frames: [Frame]) {
        guard let link, !frames.isEmpty, !machine.isGone else { return }
        world.send(frames.flatMap { encoded($0) }, over: link, toAgent: false)
    }
}
