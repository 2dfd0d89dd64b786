package import MusterModel

/// One connection as the agent sees it, from the finished handshake to the close.
///
///     state             event                        -> state, effect
///     idle              connected                    -> awaitingWelcome: send hello
///     awaitingWelcome   welcome                      -> established: release what is durable, heartbeat due
///                       refuse                       -> closed
///                       welcomeDeadline passed       -> closed
///     established       acknowledgement              -> release
///                       heartbeat interval passed    -> send heartbeat
///                       heartbeatEcho                -> round trip
///                       message                      -> deliver it; messageHandled sends the receipt
///                       refuse                       -> closed
///                       silenceDeadline passed       -> closed
///     any               linkClosed                   -> closed
///
/// Every other frame is a `WireError` and closes the session; a closed session ignores everything. Whatever closes it,
/// the outbound queues are told, so nothing more is sent and everything unacknowledged waits for the next connection.
package struct AgentSession: Sendable {
    private enum State {
        case idle
        case awaitingWelcome(deadline: Instant)
        case established(Established)
        case closed
    }

    private struct Established {
        let interval: Duration
        var nextHeartbeat: Instant
        var lastHeard: Instant
        var heartbeats: UInt64 = 0
        var heartbeatSentAt: Instant
        var lastMessage: UInt64 = 0
        var unhandled: Set<UInt64> = []
    }

    private let hello: Hello
    private var state = State.idle

    package init(hello: Hello) { self.hello = hello }

    package var isEstablished: Bool {
        if case .established = state { true } else { false }
    }
    package var isClosed: Bool {
        if case .closed = state { true } else { false }
    }

    /// When to call `woke` at the latest; nil when nothing is waited for.
    package var wakeAt: Instant? {
        switch state {
        case .idle, .closed: nil
        case .awaitingWelcome(let deadline): deadline
        case .established(let link): min(link.nextHeartbeat, link.lastHeard + Limits.silenceDeadline)
        }
    }

    // MARK: Events

    /// The TLS handshake is finished.
    package mutating func connected(now: Instant) -> AgentEffect {
        guard case .idle = state else { return AgentEffect() }
        state = .awaitingWelcome(deadline: now + Limits.welcomeDeadline)
        return AgentEffect(send: [.hello(hello)])
    }

    /// Some bytes came, whether they complete a frame or not.
    package mutating func bytesReceived(now: Instant) {
        guard case .established(var link) = state else { return }
        link.lastHeard = max(link.lastHeard, now)
        state = .established(link)
    }

    /// A frame came. After a throw the session is closed: send `error.refusal` and close the connection.
    package mutating func received(
        _ frame: Frame, outbound: inout Outbound, now: Instant
    ) throws(WireError) -> AgentEffect {
        bytesReceived(now: now)
        do throws(WireError) {
            switch state {
            case .closed: return AgentEffect()
            case .idle: throw .unexpectedFrame(frame.kind, state: "nothing was sent yet")
            case .awaitingWelcome: return try awaitingWelcome(frame, outbound: &outbound, now: now)
            case .established(let link): return try established(link, frame, outbound: &outbound, now: now)
            }
        } catch {
            close(&outbound, now: now)
            throw error
        }
    }

    /// The clock reached `wakeAt`, or anything else happened that makes it worth a look. Early calls are harmless.
    package mutating func woke(facts: HeartbeatFacts, outbound: inout Outbound, now: Instant) -> AgentEffect {
        switch state {
        case .idle, .closed: return AgentEffect()
        case .awaitingWelcome(let deadline):
            guard now >= deadline else { return AgentEffect() }
            close(&outbound, now: now)
            return AgentEffect(close: .welcomeTimedOut)
        case .established(let link):
            guard now < link.lastHeard + Limits.silenceDeadline else {
                close(&outbound, now: now)
                return AgentEffect(close: .silence)
            }
            return heartbeat(link, facts, now: now)
        }
    }

    /// The wiring took a delivered message over; answers the receipt to send.
    package mutating func messageHandled(_ id: UInt64) -> AgentEffect {
        guard case .established(var link) = state, link.unhandled.remove(id) != nil else { return AgentEffect() }
        state = .established(link)
        return AgentEffect(send: [.messageReceipt(id: id)])
    }

    /// The connection is gone, or is about to be closed from this side.
    package mutating func linkClosed(outbound: inout Outbound, now: Instant) { close(&outbound, now: now) }

    // MARK: Steps

    private mutating func close(_ outbound: inout Outbound, now: Instant) {
        if case .closed = state { return }
        state = .closed
        outbound.disconnected(now: now)
    }

    private mutating func awaitingWelcome(
        _ frame: Frame, outbound: inout Outbound, now: Instant
    ) throws(WireError) -> AgentEffect {
        switch frame {
        case .welcome(let welcome):
            guard welcome.version == wireVersion else {
                throw .protocolVersion(theirs: welcome.version, ours: wireVersion)
            }
            let released = try outbound.welcomed(durable: welcome.durable, windows: welcome.windows)
            let interval = Duration.milliseconds(Int64(welcome.heartbeatIntervalMilliseconds))
            state = .established(
                Established(interval: interval, nextHeartbeat: now, lastHeard: now, heartbeatSentAt: now))
            return AgentEffect(welcome: welcome, released: released)
        case .refuse(let refusal):
            close(&outbound, now: now)
            return AgentEffect(close: .refusedByPeer(refusal))
        default: throw .unexpectedFrame(frame.kind, state: "awaiting the welcome")
        }
    }

    private mutating func established(
        _ link: Established, _ frame: Frame, outbound: inout Outbound, now: Instant
    ) throws(WireError) -> AgentEffect {
        switch frame {
        case .acknowledgement(let name, let sequence):
            return AgentEffect(released: try outbound.acknowledged(name, sequence: sequence).map { [$0] } ?? [])
        case .heartbeatEcho(let counter):
            guard counter <= link.heartbeats else { throw .echoNotSent(counter: counter, sent: link.heartbeats) }
            return AgentEffect(roundTrip: counter == link.heartbeats ? now - link.heartbeatSentAt : nil)
        case .message(let id, let payload):
            var link = link
            let expected = link.lastMessage &+ 1
            guard id == expected else { throw .messageOutOfOrder(id: id, expected: expected) }
            guard link.unhandled.count < WireLimits.messagesOutstanding else {
                throw .tooManyMessages(limit: WireLimits.messagesOutstanding)
            }
            link.lastMessage = id
            link.unhandled.insert(id)
            state = .established(link)
            return AgentEffect(message: AgentEffect.Message(id: id, payload: payload))
        case .refuse(let refusal):
            close(&outbound, now: now)
            return AgentEffect(close: .refusedByPeer(refusal))
        default: throw .unexpectedFrame(frame.kind, state: "the link is established")
        }
    }

    private mutating func heartbeat(_ link: Established, _ facts: HeartbeatFacts, now: Instant) -> AgentEffect {
        guard now >= link.nextHeartbeat else { return AgentEffect() }
        var link = link
        link.heartbeats &+= 1
        link.heartbeatSentAt = now
        // On the grid while we keep up; after a pause one heartbeat, not a burst.
        let next = link.nextHeartbeat + link.interval
        link.nextHeartbeat = next > now ? next : now + link.interval
        state = .established(link)
        return AgentEffect(send: [.heartbeat(facts.heartbeat(counter: link.heartbeats))])
    }
}
