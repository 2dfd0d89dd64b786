import MusterModel
import MusterWire
import Testing

struct CoordinatorSessionTests {
    enum Stage: CaseIterable { case awaitingHello, identified, established, closed }

    private let t0 = Samples.seconds(0)

    private func made(
        _ stage: Stage, window: Window = Window(), marks: ReceiveMarks = ReceiveMarks()
    ) throws -> CoordinatorSession {
        var marks = marks
        var session = CoordinatorSession(
            certificateHost: Samples.host, windows: PerClass(repeating: window), now: t0)
        guard stage != .awaitingHello else { return session }
        _ = try session.received(.hello(Samples.hello), marks: &marks, now: t0)
        guard stage != .identified else { return session }
        _ = session.admit(marks: marks, now: t0)
        if stage == .closed { session.linkClosed() }
        return session
    }

    private static func expected(_ stage: Stage, _ frame: Frame) -> CoordinatorEffect? {
        switch (stage, frame) {
        case (.closed, _): CoordinatorEffect()
        case (_, .refuse(let refusal)): CoordinatorEffect(close: .refusedByPeer(refusal))
        case (.awaitingHello, .hello(let hello)): CoordinatorEffect(identify: hello)
        case (.established, .data(let data)): CoordinatorEffect(store: data)
        case (.established, .heartbeat(let heartbeat)):
            CoordinatorEffect(heartbeat: heartbeat, send: [.heartbeatEcho(counter: heartbeat.counter)])
        default: nil
        }
    }

    @Test(arguments: Stage.allCases, AgentSessionTests.inputs)
    func `every frame in every state has its effect or its error`(stage: Stage, frame: Frame) throws {
        var session = try made(stage)
        var marks = ReceiveMarks()
        guard let expected = Self.expected(stage, frame) else {
            let error = #expect(throws: WireError.self) { try session.received(frame, marks: &marks, now: t0) }
            switch (stage, frame, error) {
            case (.established, .messageReceipt(1), .receiptNotExpected(id: 1)): break
            case (_, _, .unexpectedFrame(frame.kind, _)): break
            default: Issue.record("\(String(describing: error))")
            }
            #expect(session.isClosed)
            #expect(marks == ReceiveMarks())
            return
        }
        #expect(try session.received(frame, marks: &marks, now: t0) == expected)
        #expect(session.isClosed == (stage == .closed || expected.close != nil))
    }

    @Test(arguments: Stage.allCases)
    func `only an identified agent is admitted`(stage: Stage) throws {
        var session = try made(stage)
        var marks = ReceiveMarks(durable: PerClass(control: 1, health: 2, metrics: 3, logs: 4))
        _ = marks.received(.logs, sequence: 9)
        let effect = session.admit(marks: marks, now: t0)
        guard stage == .identified else {
            #expect(effect == CoordinatorEffect())
            return
        }
        let welcome = Welcome(
            serverTimeMilliseconds: t0.milliseconds,
            durable: PerClass(control: 1, health: 2, metrics: 3, logs: 4), heartbeatIntervalMilliseconds: 500)
        #expect(effect == CoordinatorEffect(send: [.welcome(welcome)]))
        #expect(session.isEstablished)
    }

    @Test(arguments: Stage.allCases, RefusalCode.allCases)
    func `a refusal is said once and closes`(stage: Stage, code: RefusalCode) throws {
        var session = try made(stage)
        let refusal = Refusal(code, "because")
        let effect = session.refuse(refusal)
        #expect(
            effect
                == (stage == .closed
                    ? CoordinatorEffect() : CoordinatorEffect(send: [.refuse(refusal)], close: .refused(refusal))))
        #expect(session.isClosed)
        #expect(session.refuse(refusal) == CoordinatorEffect())
        #expect(session.send([]) == .notEstablished)
        #expect(session.acknowledgements(marks: ReceiveMarks(durable: PerClass(repeating: 1))) == [])
    }

    @Test(arguments: Stage.allCases)
    func `deadlines close`(stage: Stage) throws {
        var session = try made(stage)
        let (deadline, reason): (Instant?, CloseReason?) =
            switch stage {
            case .awaitingHello, .identified: (t0 + Limits.welcomeDeadline, .helloTimedOut)
            case .established: (t0 + Limits.silenceDeadline, .silence)
            case .closed: (nil, nil)
            }
        #expect(session.wakeAt == deadline)
        #expect(session.woke(now: Samples.seconds(4.9)) == CoordinatorEffect())
        #expect(session.woke(now: Samples.seconds(15)) == CoordinatorEffect(close: reason))
        #expect(session.isClosed)
    }

    @Test func `bytes keep an established link and do not stretch the time for hello`() throws {
        var greeting = try made(.awaitingHello)
        greeting.bytesReceived(now: Samples.seconds(4))
        #expect(greeting.woke(now: Samples.seconds(5)).close == .helloTimedOut)
        var session = try made(.established)
        session.bytesReceived(now: Samples.seconds(10))
        #expect(session.woke(now: Samples.seconds(24)).close == nil)
        #expect(session.woke(now: Samples.seconds(25)).close == .silence)
    }

    @Test func `another host than the certificate's and another version are refused with the way out`() throws {
        var marks = ReceiveMarks()
        var session = try made(.awaitingHello)
        let other = Hello(host: Samples.hostID("db-1"), boot: Samples.boot, agentVersion: "0.1.0")
        let effect = try session.received(.hello(other), marks: &marks, now: t0)
        guard case .refused(let refusal)? = effect.close else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.code == .wrongHost)
        #expect(refusal.message.contains("web-1") && refusal.message.contains("db-1"))
        #expect(effect.send == [.refuse(refusal)])

        var second = try made(.awaitingHello)
        var later = Samples.hello
        later.version = wireVersion + 1
        #expect(
            try second.received(.hello(later), marks: &marks, now: t0).close
                == .refused(WireError.protocolVersion(theirs: wireVersion + 1, ours: wireVersion).refusal))
    }

    @Test func `an agent that would use sequences again is refused`() throws {
        var marks = ReceiveMarks(durable: PerClass(control: 0, health: 0, metrics: 9, logs: 0))
        var hello = Samples.hello
        hello.nextSequences = PerClass(control: 1, health: 1, metrics: 9, logs: 1)
        var session = try made(.awaitingHello)
        _ = try session.received(.hello(hello), marks: &marks, now: t0)
        guard case .refused(let refusal)? = session.admit(marks: marks, now: t0).close else {
            Issue.record("admitted")
            return
        }
        #expect(refusal.code == .staleState)
        hello.nextSequences = PerClass(control: 1, health: 1, metrics: 10, logs: 1)
        var good = try made(.awaitingHello)
        _ = try good.received(.hello(hello), marks: &marks, now: t0)
        #expect(good.admit(marks: marks, now: t0).close == nil)
    }

    @Test func `data is acknowledged once it is durable, once for each class`() throws {
        var session = try made(.established)
        var marks = ReceiveMarks()
        for sequence in 1...3 as ClosedRange<UInt64> {
            for name in [TrafficClass.logs, .metrics] {
                let frame = Samples.data(name, sequence)
                #expect(try session.received(.data(frame), marks: &marks, now: t0).store == frame)
            }
        }
        #expect(session.acknowledgements(marks: marks) == [], "nothing is on the disk")
        #expect(marks.becameDurable(.logs, through: 2) == true)
        #expect(marks.becameDurable(.metrics, through: 3) == true)
        #expect(
            session.acknowledgements(marks: marks)
                == [.acknowledgement(.metrics, sequence: 3), .acknowledgement(.logs, sequence: 2)])
        #expect(session.acknowledgements(marks: marks) == [])
        #expect(marks.becameDurable(.logs, through: 3) == true)
        #expect(session.acknowledgements(marks: marks) == [.acknowledgement(.logs, sequence: 3)])
    }

    @Test func `a frame that comes again on a new connection is stored once and acknowledged again`() throws {
        var marks = ReceiveMarks()
        var first = try made(.established)
        for sequence in 1...4 as ClosedRange<UInt64> {
            _ = try first.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
        }
        _ = marks.becameDurable(.logs, through: 2)
        _ = first.refuse(Refusal(.superseded, "newer connection"))
        #expect(
            try first.received(.data(Samples.data(.logs, 5)), marks: &marks, now: t0) == CoordinatorEffect(),
            "a superseded connection brings nothing more")

        // 3 and 4 are being synced while the agent is back and sends everything after 1.
        var second = try made(.established, marks: marks)
        for sequence in 2...4 as ClosedRange<UInt64> {
            let effect = try second.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
            #expect(effect == CoordinatorEffect())
        }
        #expect(marks.duplicates[.logs] == 3)
        #expect(second.acknowledgements(marks: marks) == [.acknowledgement(.logs, sequence: 2)])
        #expect(second.acknowledgements(marks: marks) == [])
        _ = marks.becameDurable(.logs, through: 4)
        #expect(second.acknowledgements(marks: marks) == [.acknowledgement(.logs, sequence: 4)])
        #expect(try second.received(.data(Samples.data(.logs, 9)), marks: &marks, now: t0).store?.sequence == 9)
    }

    @Test(arguments: [3, 2, 1])
    func `a sequence that does not increase on one connection is an error`(sequence: UInt64) throws {
        var session = try made(.established)
        var marks = ReceiveMarks()
        _ = try session.received(.data(Samples.data(.logs, 3)), marks: &marks, now: t0)
        _ = try session.received(.data(Samples.data(.metrics, 1)), marks: &marks, now: t0)
        #expect(throws: WireError.sequenceNotIncreasing(.logs, sequence: sequence, after: 3)) {
            try session.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
        }
        #expect(session.isClosed)
    }

    @Test func `the window is held in frames and in bytes`() throws {
        var marks = ReceiveMarks()
        var frames = try made(.established, window: Window(frames: 2, bytes: 1_000))
        for sequence in 1...2 as ClosedRange<UInt64> {
            _ = try frames.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
        }
        #expect(throws: WireError.windowExceeded(.logs, framesInFlight: 2, bytesInFlight: 20)) {
            try frames.received(.data(Samples.data(.logs, 3)), marks: &marks, now: t0)
        }
        #expect(marks.received[.logs] == 2)

        var bytes = try made(.established, window: Window(frames: 64, bytes: 100))
        _ = try bytes.received(.data(Samples.data(.health, 1, bytes: 500)), marks: &marks, now: t0)
        #expect(throws: WireError.windowExceeded(.health, framesInFlight: 1, bytesInFlight: 500)) {
            try bytes.received(.data(Samples.data(.health, 2, bytes: 1)), marks: &marks, now: t0)
        }
    }

    @Test func `frames that crossed an acknowledgement do not count against the window`() throws {
        var marks = ReceiveMarks()
        var first = try made(.established)
        for sequence in 1...2 as ClosedRange<UInt64> {
            _ = try first.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
        }
        var second = try made(.established, window: Window(frames: 2, bytes: 1_000), marks: marks)
        _ = marks.becameDurable(.logs, through: 2)
        #expect(second.acknowledgements(marks: marks) == [.acknowledgement(.logs, sequence: 2)])
        // 1 and 2 were on their way; then, with the acknowledgement there, the agent uses its whole window again.
        for sequence in 1...4 as ClosedRange<UInt64> {
            _ = try second.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
        }
        #expect(second.acknowledgements(marks: marks) == [.acknowledgement(.logs, sequence: 2)])
    }

    @Test func `heartbeats must count up`() throws {
        var session = try made(.established)
        var marks = ReceiveMarks()
        _ = try session.received(.heartbeat(Samples.heartbeat), marks: &marks, now: t0)
        #expect(throws: WireError.heartbeatNotIncreasing(counter: 3, after: 3)) {
            try session.received(.heartbeat(Samples.heartbeat), marks: &marks, now: t0)
        }
    }

    @Test func `messages are numbered, bounded and freed by their receipts`() throws {
        var session = try made(.established)
        var marks = ReceiveMarks()
        for id in 1...UInt64(WireLimits.messagesOutstanding) {
            #expect(session.send([1]) == .send(.message(id: id, payload: [1])))
        }
        #expect(session.send([1]) == .full)
        #expect(session.messagesOutstanding == WireLimits.messagesOutstanding)
        #expect(try session.received(.messageReceipt(id: 5), marks: &marks, now: t0) == CoordinatorEffect(receipt: 5))
        let next = UInt64(WireLimits.messagesOutstanding) + 1
        #expect(session.send([2]) == .send(.message(id: next, payload: [2])))
        #expect(throws: WireError.receiptNotExpected(id: 5)) {
            try session.received(.messageReceipt(id: 5), marks: &marks, now: t0)
        }
    }

    @Test func `a message that was not written leaves its number to the next one`() throws {
        var session = try made(.established)
        var marks = ReceiveMarks()
        _ = session.send([1])
        guard case .send(let frame) = session.send([2]) else {
            Issue.record("the message was not sent")
            return
        }
        session.messageNotWritten(frame)
        #expect(session.messagesOutstanding == 1)
        #expect(session.send([3]) == .send(.message(id: 2, payload: [3])))
        // What is not the newest stays: a number taken from the middle would be a gap.
        session.messageNotWritten(.message(id: 1, payload: [1]))
        #expect(session.messagesOutstanding == 2)
        #expect(try session.received(.messageReceipt(id: 1), marks: &marks, now: t0) == CoordinatorEffect(receipt: 1))
    }

    @Test func `a message that fits no frame is not sent`() throws {
        var session = try made(.established)
        let payload = [UInt8](repeating: 0, count: WireLimits.messagePayloadBytes)
        #expect(session.send(payload + [0]) == .tooLarge)
        guard case .send(let frame) = session.send(payload) else {
            Issue.record("the largest message was not sent")
            return
        }
        #expect(try frame.encoded().count == Limits.frameBytes)
    }

    @Test(arguments: [(Duration.milliseconds(1), UInt32(50)), (.hours(9), 60_000), (.seconds(2), 2_000)])
    func `the heartbeat interval stays in its range`(interval: Duration, milliseconds: UInt32) throws {
        var marks = ReceiveMarks()
        var session = CoordinatorSession(certificateHost: Samples.host, heartbeatInterval: interval, now: t0)
        _ = try session.received(.hello(Samples.hello), marks: &marks, now: t0)
        guard case .welcome(let welcome)? = session.admit(marks: marks, now: t0).send.first else {
            Issue.record("no welcome")
            return
        }
        #expect(welcome.heartbeatIntervalMilliseconds == milliseconds)
    }

    @Test func `after a failed store a session takes nothing that follows the loss`() throws {
        var marks = ReceiveMarks()
        var session = try made(.established)
        for sequence: UInt64 in 1...3 {
            let effect = try session.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
            #expect(effect.store?.sequence == sequence)
        }
        _ = marks.becameDurable(.logs, through: 1)
        marks.storeFailed(.logs)
        // Another class goes on; its frames have nothing to do with the loss.
        #expect(try session.received(.data(Samples.data(.metrics, 1)), marks: &marks, now: t0).store != nil)
        let effect = try session.received(.data(Samples.data(.logs, 4)), marks: &marks, now: t0)
        #expect(effect.store == nil)
        guard case .refused(let refusal) = effect.close else {
            Issue.record("the session goes on")
            return
        }
        #expect(refusal.code == .storageFailed)
        #expect(session.isClosed)
        #expect(marks.received[.logs] == 1)
    }

    @Test func `after a failed store the next session brings what is missing`() throws {
        var marks = ReceiveMarks()
        _ = marks.received(.logs, sequence: 1)
        _ = marks.received(.logs, sequence: 2)
        // This session begins while both are being synced, and sees the first again before the sync fails.
        var session = try made(.established, marks: marks)
        #expect(try session.received(.data(Samples.data(.logs, 1)), marks: &marks, now: t0).store == nil)
        marks.storeFailed(.logs)
        #expect(try session.received(.data(Samples.data(.logs, 2)), marks: &marks, now: t0).store == nil)
        #expect(session.isClosed)
        var next = try made(.established, marks: marks)
        for sequence: UInt64 in 1...2 {
            let effect = try next.received(.data(Samples.data(.logs, sequence)), marks: &marks, now: t0)
            #expect(effect.store?.sequence == sequence)
        }
    }
}

struct ReceiveMarksTests {
    @Test func `received and durable move forward only, durable never beyond received`() {
        var marks = ReceiveMarks(durable: PerClass(repeating: 5))
        #expect(marks.received(.logs, sequence: 5) == .duplicate)
        #expect(marks.received(.logs, sequence: 8) == .new)
        #expect(marks.received(.logs, sequence: 7) == .duplicate)
        #expect(marks.durable[.logs] == 5)
        #expect(marks.becameDurable(.logs, through: 100) == true)
        #expect(marks.durable[.logs] == 8)
        #expect(marks.becameDurable(.logs, through: 8) == false)
        #expect(marks.becameDurable(.logs, through: 3) == false)
        #expect(marks.received[.metrics] == 5)
        #expect(marks.duplicates[.logs] == 2)
    }

    @Test func `what could not be stored is new when it comes again`() {
        var marks = ReceiveMarks()
        _ = marks.received(.logs, sequence: 1)
        _ = marks.becameDurable(.logs, through: 1)
        _ = marks.received(.logs, sequence: 2)
        marks.storeFailed(.logs)
        #expect(marks.received(.logs, sequence: 1) == .duplicate)
        #expect(marks.received(.logs, sequence: 2) == .new)
    }
}
