import MusterModel
import MusterWire
import Testing

/// Both sessions talk through bytes; what crosses the link is written down and read as a whole.
struct ConversationTests {
    private struct Talk {
        var agent = AgentSession(hello: Samples.hello)
        var outbound = Outbound(handedOut: PerClass(repeating: 0), now: Samples.seconds(0))
        var coordinator = CoordinatorSession(certificateHost: Samples.host, now: Samples.seconds(0))
        var marks = ReceiveMarks()
        var fromAgent = FrameDecoder.awaitingHello()
        var fromCoordinator = FrameDecoder()
        var now = Samples.seconds(0)
        var transcript: [String] = []
        var stored: [DataFrame] = []
        var delivered: [[UInt8]] = []

        /// The agent's frames cross the link; answers go back at once.
        mutating func up(_ frames: [Frame]) throws {
            for frame in frames {
                transcript.append("-> \(Self.line(frame))")
                fromAgent.append(try frame.encoded())
                while let frame = try fromAgent.next() {
                    let effect = try coordinator.received(frame, marks: &marks, now: now)
                    if let data = effect.store { stored.append(data) }
                    try down(effect.send)
                    guard effect.identify != nil else { continue }
                    let admitted = coordinator.admit(marks: marks, now: now)
                    fromAgent.admitted()
                    try down(admitted.send)
                }
            }
        }

        mutating func down(_ frames: [Frame]) throws {
            for frame in frames {
                transcript.append("<- \(Self.line(frame))")
                fromCoordinator.append(try frame.encoded())
                while let frame = try fromCoordinator.next() {
                    let effect = try agent.received(frame, outbound: &outbound, now: now)
                    for released in effect.released {
                        transcript.append("   released \(released.class) \(released.highest)")
                    }
                    if let message = effect.message {
                        delivered.append(message.payload)
                        try up(agent.messageHandled(message.id).send)
                    }
                    if let close = effect.close { transcript.append("   agent closes: \(close)") }
                }
            }
        }

        mutating func sendAll() throws {
            while let frame = outbound.nextFrame() { try up([frame]) }
        }

        mutating func sync() throws {
            for frame in stored { _ = marks.becameDurable(frame.class, through: frame.sequence) }
            try down(coordinator.acknowledgements(marks: marks))
        }

        static func line(_ frame: Frame) -> String {
            switch frame {
            case .data(let data): "data \(data.class) \(data.sequence)"
            case .acknowledgement(let name, let sequence): "acknowledgement \(name) \(sequence)"
            case .heartbeat(let heartbeat): "heartbeat \(heartbeat.counter)"
            case .heartbeatEcho(let counter): "heartbeat echo \(counter)"
            case .message(let id, _): "message \(id)"
            case .messageReceipt(let id): "message receipt \(id)"
            case .refuse(let refusal): "refuse \(refusal.code)"
            case .hello, .welcome: "\(frame.kind)"
            }
        }
    }

    @Test func `an ordinary connection from hello to superseded`() throws {
        var talk = Talk()
        let facts = HeartbeatFacts(monotonicMilliseconds: 1, snapshotSequence: 1, snapshotHash: 1)
        for (name, sequence) in [(TrafficClass.logs, UInt64(1)), (.metrics, 1), (.logs, 4)] {
            #expect(talk.outbound.enqueue(Samples.data(name, sequence), now: talk.now) == .queued)
        }
        try talk.up(talk.agent.connected(now: talk.now).send)
        try talk.sendAll()
        try talk.up(talk.agent.woke(facts: facts, outbound: &talk.outbound, now: talk.now).send)
        try talk.sync()
        guard case .send(let message) = talk.coordinator.send([42]) else {
            Issue.record("the message was not sent")
            return
        }
        try talk.down([message])
        try talk.down(talk.coordinator.refuse(Refusal(.superseded, "a newer connection took over")).send)
        #expect(
            talk.transcript == [
                "-> hello", "<- welcome",
                "-> data metrics 1", "-> data logs 1", "-> data logs 4",
                "-> heartbeat 1", "<- heartbeat echo 1",
                "<- acknowledgement metrics 1", "   released metrics 1",
                "<- acknowledgement logs 4", "   released logs 4",
                "<- message 1", "-> message receipt 1",
                "<- refuse superseded",
                "   agent closes: the peer refused: superseded: a newer connection took over",
            ])
        #expect(talk.delivered == [[42]])
        #expect(talk.coordinator.messagesOutstanding == 0)
        #expect(talk.agent.isClosed && talk.coordinator.isClosed && !talk.outbound.isUp)
    }

    @Test func `an agent whose state was put back learns it from either side`() throws {
        var talk = Talk()
        talk.marks = ReceiveMarks(durable: PerClass(control: 0, health: 0, metrics: 50, logs: 0))
        // This hello says nothing of its sequences, so the agent finds out by the welcome.
        #expect(throws: WireError.durableBeyondHandedOut(.metrics, durable: 50, handedOut: 0)) {
            try talk.up(talk.agent.connected(now: talk.now).send)
        }
        #expect(talk.agent.isClosed)

        var hello = Samples.hello
        hello.nextSequences = PerClass(repeating: 1)
        talk = Talk(agent: AgentSession(hello: hello))
        talk.marks = ReceiveMarks(durable: PerClass(control: 0, health: 0, metrics: 50, logs: 0))
        try talk.up(talk.agent.connected(now: talk.now).send)
        #expect(talk.transcript.prefix(2) == ["-> hello", "<- refuse stale state"])
        #expect(talk.agent.isClosed && talk.coordinator.isClosed)
    }

    @Test(arguments: 0..<20)
    func `frames of any content come back as they were`(seed: UInt64) throws {
        var chance = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let frame = Frame.data(
                DataFrame(
                    class: TrafficClass.allCases.randomElement(using: &chance) ?? .logs,
                    sequence: UInt64.random(in: 1...WireLimits.sequenceCeiling, using: &chance),
                    codec: UInt8.random(in: 0...255, using: &chance),
                    payload: (0..<Int.random(in: 0...300, using: &chance)).map { _ in
                        UInt8.random(in: 0...255, using: &chance)
                    }))
            let heartbeat = Frame.heartbeat(
                Heartbeat(
                    counter: chance.next(), monotonicMilliseconds: chance.next(), snapshotSequence: chance.next(),
                    snapshotHash: chance.next()))
            let welcome = Frame.welcome(
                Welcome(
                    serverTimeMilliseconds: Int64(truncatingIfNeeded: chance.next()),
                    durable: PerClass<UInt64> { _ in chance.next() / 2 },
                    windows: PerClass<Window> { _ in Window(frames: 1 + UInt32(chance.next() >> 33), bytes: 9) }))
            try #require(
                Decoded(try frame.encoded() + heartbeat.encoded() + welcome.encoded()).frames
                    == [frame, heartbeat, welcome])
        }
    }
}
