import MusterModel
import MusterWire
import Testing

struct AgentSessionTests {
    enum Stage: CaseIterable { case idle, awaitingWelcome, established, closed }

    private static let facts = HeartbeatFacts(monotonicMilliseconds: 7, snapshotSequence: 8, snapshotHash: 9)
    private static let welcome = Welcome(serverTimeMilliseconds: 0, durable: PerClass(repeating: 0))
    private let t0 = Samples.seconds(0)

    /// A session in a stage, its outbound with one log frame sent when established.
    private func made(_ stage: Stage) throws -> (AgentSession, Outbound) {
        var outbound = Outbound(handedOut: PerClass(repeating: 0), now: t0)
        var session = AgentSession(hello: Samples.hello)
        _ = outbound.enqueue(Samples.data(.logs, 1), now: t0)
        guard stage != .idle else { return (session, outbound) }
        _ = session.connected(now: t0)
        guard stage != .awaitingWelcome else { return (session, outbound) }
        _ = try session.received(.welcome(Self.welcome), outbound: &outbound, now: t0)
        _ = outbound.nextFrame()
        _ = session.woke(facts: Self.facts, outbound: &outbound, now: t0)
        if stage == .closed { session.linkClosed(outbound: &outbound, now: t0) }
        return (session, outbound)
    }

    private static let refusal = Refusal(.revoked, "no")

    /// What a frame does in each stage: an effect, or nil for a typed error.
    private static func expected(_ stage: Stage, _ frame: Frame) -> AgentEffect? {
        switch (stage, frame) {
        case (.closed, _): AgentEffect()
        case (.awaitingWelcome, .welcome(let welcome)): AgentEffect(welcome: welcome)
        case (.awaitingWelcome, .refuse(let refusal)), (.established, .refuse(let refusal)):
            AgentEffect(close: .refusedByPeer(refusal))
        case (.established, .acknowledgement):
            AgentEffect(released: [Released(class: .logs, frames: 1, bytes: 10, highest: 1)])
        case (.established, .heartbeatEcho): AgentEffect(roundTrip: .milliseconds(100))
        case (.established, .message(let id, let payload)):
            AgentEffect(message: AgentEffect.Message(id: id, payload: payload))
        default: nil
        }
    }

    static let inputs: [Frame] = [
        .hello(Samples.hello), .welcome(welcome), .refuse(refusal), .data(Samples.data(.logs, 1)),
        .acknowledgement(.logs, sequence: 1), .heartbeat(Samples.heartbeat), .heartbeatEcho(counter: 1),
        .message(id: 1, payload: [5]), .messageReceipt(id: 1),
    ]

    @Test(arguments: Stage.allCases, inputs)
    func `every frame in every state has its effect or its error`(stage: Stage, frame: Frame) throws {
        var (session, outbound) = try made(stage)
        let now = Samples.seconds(0.1)
        guard let expected = Self.expected(stage, frame) else {
            let error = #expect(throws: WireError.self) {
                try session.received(frame, outbound: &outbound, now: now)
            }
            guard case .unexpectedFrame(frame.kind, _) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(session.isClosed)
            #expect(!outbound.isUp)
            #expect(error?.refusal.code == .badFrame)
            return
        }
        #expect(try session.received(frame, outbound: &outbound, now: now) == expected)
        #expect(session.isClosed == (stage == .closed || expected.close != nil))
        #expect(outbound.isUp == session.isEstablished)
    }

    @Test func `the frames of the table are every kind`() {
        #expect(Self.inputs.map(\.kind) == FrameKind.allCases)
    }

    @Test(arguments: Stage.allCases)
    func `connected sends hello once`(stage: Stage) throws {
        var (session, _) = try made(stage)
        let effect = session.connected(now: t0)
        #expect(effect == (stage == .idle ? AgentEffect(send: [.hello(Samples.hello)]) : AgentEffect()))
    }

    @Test(arguments: Stage.allCases)
    func `the link's end closes whatever the state`(stage: Stage) throws {
        var (session, outbound) = try made(stage)
        session.linkClosed(outbound: &outbound, now: t0)
        #expect(session.isClosed)
        #expect(session.wakeAt == nil)
        #expect(!outbound.isUp)
        #expect(outbound.state(.logs).framesInFlight == 0)
        #expect(outbound.state(.logs).memoryFrames == 1)
    }

    @Test func `a welcome that does not come in time closes`() throws {
        var (session, outbound) = try made(.awaitingWelcome)
        let deadline = t0 + Limits.welcomeDeadline
        #expect(session.wakeAt == deadline)
        let early = Instant(nanoseconds: deadline.nanoseconds - 1)
        // Bytes that never become a welcome do not help.
        session.bytesReceived(now: early)
        #expect(session.woke(facts: Self.facts, outbound: &outbound, now: early) == AgentEffect())
        #expect(
            session.woke(facts: Self.facts, outbound: &outbound, now: deadline) == AgentEffect(close: .welcomeTimedOut))
        #expect(session.isClosed)
    }

    @Test func `heartbeats keep to the grid and a pause brings one, not a burst`() throws {
        var (session, outbound) = try made(.awaitingWelcome)
        _ = try session.received(.welcome(Self.welcome), outbound: &outbound, now: t0)
        var counters: [UInt64] = []
        var wakes: [Instant?] = []
        for seconds in [0, 0.2, 0.51, 1.0, 5.3, 5.31, 5.9] {
            let effect = session.woke(facts: Self.facts, outbound: &outbound, now: Samples.seconds(seconds))
            for case .heartbeat(let heartbeat) in effect.send {
                counters.append(heartbeat.counter)
                #expect(heartbeat.snapshotSequence == 8)
            }
            wakes.append(session.wakeAt)
        }
        #expect(counters == [1, 2, 3, 4, 5])
        #expect(wakes == [0.5, 0.5, 1.0, 1.5, 5.8, 5.8, 6.3].map(Samples.seconds))
    }

    @Test func `silence closes a half open connection, any byte keeps it`() throws {
        var (session, outbound) = try made(.established)
        session.bytesReceived(now: Samples.seconds(10))
        let silence = Samples.seconds(10) + Limits.silenceDeadline
        let early = Instant(nanoseconds: silence.nanoseconds - 1)
        #expect(session.woke(facts: Self.facts, outbound: &outbound, now: early).close == nil)
        #expect(session.wakeAt == silence)
        #expect(session.woke(facts: Self.facts, outbound: &outbound, now: silence) == AgentEffect(close: .silence))
        #expect(!outbound.isUp)
    }

    @Test func `a coordinator of another version is told so`() throws {
        var (session, outbound) = try made(.awaitingWelcome)
        var welcome = Self.welcome
        welcome.version = wireVersion + 1
        let error = WireError.protocolVersion(theirs: wireVersion + 1, ours: wireVersion)
        #expect(throws: error) { try session.received(.welcome(welcome), outbound: &outbound, now: t0) }
        #expect(error.refusal.code == .protocolVersion)
        #expect(!outbound.isUp)
    }

    @Test func `an echo of a heartbeat that was not sent is an error, an old echo is no round trip`() throws {
        var (session, outbound) = try made(.established)
        _ = session.woke(facts: Self.facts, outbound: &outbound, now: Samples.seconds(0.5))
        #expect(try session.received(.heartbeatEcho(counter: 1), outbound: &outbound, now: t0) == AgentEffect())
        let now = Samples.seconds(0.52)
        #expect(
            try session.received(.heartbeatEcho(counter: 2), outbound: &outbound, now: now).roundTrip
                == .milliseconds(20))
        #expect(throws: WireError.echoNotSent(counter: 3, sent: 2)) {
            try session.received(.heartbeatEcho(counter: 3), outbound: &outbound, now: t0)
        }
    }

    @Test func `messages come in order, are receipted once and bounded`() throws {
        var (session, outbound) = try made(.established)
        #expect(session.messageHandled(1) == AgentEffect(), "nothing was delivered")
        for id in 1...UInt64(WireLimits.messagesOutstanding) {
            _ = try session.received(.message(id: id, payload: []), outbound: &outbound, now: t0)
        }
        #expect(session.messageHandled(2) == AgentEffect(send: [.messageReceipt(id: 2)]))
        #expect(session.messageHandled(2) == AgentEffect())
        let next = UInt64(WireLimits.messagesOutstanding) + 1
        _ = try session.received(.message(id: next, payload: []), outbound: &outbound, now: t0)
        #expect(throws: WireError.tooManyMessages(limit: WireLimits.messagesOutstanding)) {
            try session.received(.message(id: next + 1, payload: []), outbound: &outbound, now: t0)
        }
        #expect(session.isClosed)
    }

    @Test(arguments: [0, 2, UInt64.max])
    func `a message out of order is an error`(id: UInt64) throws {
        var (session, outbound) = try made(.established)
        #expect(throws: WireError.messageOutOfOrder(id: id, expected: 1)) {
            try session.received(.message(id: id, payload: []), outbound: &outbound, now: t0)
        }
    }

    @Test func `what the queues refuse closes the session`() throws {
        var (session, outbound) = try made(.established)
        #expect(throws: WireError.acknowledgedBeyondSent(.logs, sequence: 2, sent: 1)) {
            try session.received(.acknowledgement(.logs, sequence: 2), outbound: &outbound, now: t0)
        }
        #expect(session.isClosed)
        #expect(outbound.state(.logs).memoryFrames == 1, "nothing is forgotten for it")
    }
}
