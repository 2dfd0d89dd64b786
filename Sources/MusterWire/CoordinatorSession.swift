package import MusterModel

/// One connection as the coordinator sees it, from the finished handshake to the close.
///
///     state           event                          -> state, effect
///     awaitingHello   hello                          -> identified: look the host up, then admit or refuse
///                     hello of another version/host  -> closed: refuse
///                     welcomeDeadline passed         -> closed
///     identified      admit                          -> established: send welcome
///                     welcomeDeadline passed         -> closed
///     established     data, above the mark           -> store it; acknowledged when it is durable
///                     data after `storeFailed`       -> closed: refuse, what was lost has to come before it
///                     data, at or below the mark     -> counted; acknowledged when it is durable
///                     heartbeat                      -> tell liveness, send echo
///                     messageReceipt                 -> one message less outstanding
///                     silenceDeadline passed         -> closed
///     any but closed  refuse (ours)                  -> closed: send refuse
///                     refuse (the peer's)            -> closed
///
/// Every other frame is a `WireError` and closes the session; a closed session ignores everything.
package struct CoordinatorSession: Sendable {
    private enum State {
        case awaitingHello
        case identified(Hello)
        case established
        case closed
    }

    private let certificateHost: HostID
    private let windows: PerClass<Window>
    private let heartbeatInterval: Duration
    private var state = State.awaitingHello
    private var deadline: Instant
    private var lastHeard: Instant
    private var lastHeartbeat: UInt64 = 0
    private var inbound: PerClass<InboundWindow>
    private var messages = MessageWindow()

    /// `certificateHost`: the identity the TLS layer has verified. The time to say hello and be welcomed begins now.
    package init(
        certificateHost: HostID, windows: PerClass<Window> = PerClass(repeating: Window()),
        heartbeatInterval: Duration = Limits.heartbeatInterval, now: Instant
    ) {
        self.certificateHost = certificateHost
        self.windows = windows
        self.heartbeatInterval = heartbeatInterval
        deadline = now + Limits.welcomeDeadline
        lastHeard = now
        inbound = PerClass { InboundWindow($0, windows[$0]) }
    }

    package var isEstablished: Bool {
        if case .established = state { true } else { false }
    }
    package var isClosed: Bool {
        if case .closed = state { true } else { false }
    }
    package var messagesOutstanding: Int { messages.outstanding.count }

    /// When to call `woke` at the latest; nil when closed.
    package var wakeAt: Instant? {
        switch state {
        case .awaitingHello, .identified: deadline
        case .established: lastHeard + Limits.silenceDeadline
        case .closed: nil
        }
    }

    // MARK: Events

    /// Some bytes came, whether they complete a frame or not.
    package mutating func bytesReceived(now: Instant) { lastHeard = max(lastHeard, now) }

    /// A frame came. `marks` are those of the host and boot that said hello; before that they are not touched. After a
    /// throw the session is closed: send `error.refusal` and close the connection.
    package mutating func received(
        _ frame: Frame, marks: inout ReceiveMarks, now: Instant
    ) throws(WireError) -> CoordinatorEffect {
        bytesReceived(now: now)
        do throws(WireError) {
            switch (state, frame) {
            case (.closed, _): return CoordinatorEffect()
            case (_, .refuse(let refusal)):
                state = .closed
                return CoordinatorEffect(close: .refusedByPeer(refusal))
            case (.awaitingHello, .hello(let hello)): return greeted(hello)
            case (.awaitingHello, _): throw .unexpectedFrame(frame.kind, state: "awaiting hello")
            case (.identified, _): throw .unexpectedFrame(frame.kind, state: "the welcome was not sent yet")
            case (.established, _): return try established(frame, marks: &marks)
            }
        } catch {
            state = .closed
            throw error
        }
    }

    /// The host may join; sent after `identify`. Refuses an agent that would use sequences again.
    package mutating func admit(marks: ReceiveMarks, now: Instant) -> CoordinatorEffect {
        guard case .identified(let hello) = state else { return CoordinatorEffect() }
        if let next = hello.nextSequences {
            for name in TrafficClass.allCases where next[name] <= marks.received[name] {
                return refuse(
                    Refusal(
                        .staleState,
                        "\(name) would go on at \(next[name]), but \(marks.received[name]) is here already: the "
                            + "agent's state directory was put back from an older copy; begin a new boot id"))
            }
        }
        state = .established
        for name in TrafficClass.allCases { inbound[name].welcomed(durable: marks.durable[name]) }
        let range = WireLimits.heartbeatIntervalMilliseconds
        let interval = heartbeatInterval.nanoseconds / 1_000_000
        let welcome = Welcome(
            serverTimeMilliseconds: now.milliseconds, durable: marks.durable, windows: windows,
            heartbeatIntervalMilliseconds: UInt32(
                max(Int64(range.lowerBound), min(Int64(range.upperBound), interval))))
        return CoordinatorEffect(send: [.welcome(welcome)])
    }

    /// Something made durable, or duplicates came: the acknowledgements that are owed, at most one for each class. Call
    /// it after each read and after each group commit.
    package mutating func acknowledgements(marks: ReceiveMarks) -> [Frame] {
        guard isEstablished else { return [] }
        return TrafficClass.allCases.compactMap { inbound[$0].acknowledgement(durable: marks.durable[$0]) }
    }

    /// Sends a command. Its receipt is awaited; what has none when the session closes may or may not have arrived.
    package mutating func send(_ payload: [UInt8]) -> MessageOutcome {
        guard isEstablished else { return .notEstablished }
        return messages.send(payload)
    }

    /// The frame that the last `send` gave out could not be written and never will be. The agent expects every number
    /// once, so the next message gets this one's. Without a call of `send` in between.
    package mutating func messageNotWritten(_ frame: Frame) {
        guard case .message(let id, _) = frame else { return }
        messages.notWritten(id)
    }

    /// The wiring turns the peer away: revoked, superseded by a newer connection, overloaded and so on.
    package mutating func refuse(_ refusal: Refusal) -> CoordinatorEffect {
        guard !isClosed else { return CoordinatorEffect() }
        state = .closed
        return CoordinatorEffect(send: [.refuse(refusal)], close: .refused(refusal))
    }

    /// The clock reached `wakeAt`. Early calls are harmless.
    package mutating func woke(now: Instant) -> CoordinatorEffect {
        guard let wakeAt, now >= wakeAt else { return CoordinatorEffect() }
        let reason: CloseReason = isEstablished ? .silence : .helloTimedOut
        state = .closed
        return CoordinatorEffect(close: reason)
    }

    package mutating func linkClosed() { state = .closed }

    // MARK: Steps

    private mutating func greeted(_ hello: Hello) -> CoordinatorEffect {
        guard hello.version == wireVersion else {
            return refuse(WireError.protocolVersion(theirs: hello.version, ours: wireVersion).refusal)
        }
        guard hello.host == certificateHost else {
            return refuse(
                Refusal(
                    .wrongHost,
                    "the certificate is for \(certificateHost), but hello says \(hello.host); enrol this host again"))
        }
        state = .identified(hello)
        return CoordinatorEffect(identify: hello)
    }

    private mutating func established(
        _ frame: Frame, marks: inout ReceiveMarks
    ) throws(WireError) -> CoordinatorEffect {
        switch frame {
        case .data(let data):
            // The marks are behind what this session brought: the store failed, and a frame is missing before this one.
            guard inbound[data.class].lastSequence <= marks.received[data.class] else {
                return refuse(
                    Refusal(.storageFailed, "\(data.class) frames could not be stored; connect and send them again"))
            }
            try inbound[data.class].received(data)
            switch marks.received(data.class, sequence: data.sequence) {
            case .new: return CoordinatorEffect(store: data)
            case .duplicate: return CoordinatorEffect()
            }
        case .heartbeat(let heartbeat):
            guard heartbeat.counter > lastHeartbeat else {
                throw .heartbeatNotIncreasing(counter: heartbeat.counter, after: lastHeartbeat)
            }
            lastHeartbeat = heartbeat.counter
            return CoordinatorEffect(heartbeat: heartbeat, send: [.heartbeatEcho(counter: heartbeat.counter)])
        case .messageReceipt(let id):
            try messages.receipted(id)
            return CoordinatorEffect(receipt: id)
        default: throw .unexpectedFrame(frame.kind, state: "the link is established")
        }
    }
}
