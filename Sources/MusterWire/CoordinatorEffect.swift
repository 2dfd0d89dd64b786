/// What follows from an event of a `CoordinatorSession`, in the order in which it is to be done.
package struct CoordinatorEffect: Equatable, Sendable {
    /// The peer is who its certificate says: close an older session of this host as superseded, find the marks of
    /// (host, boot), then call `admit` or `refuse`.
    package var identify: Hello?
    /// Append it; when it is synced call `ReceiveMarks.becameDurable` and `acknowledgements`.
    package var store: DataFrame?
    package var heartbeat: Heartbeat?
    /// The agent took this message over.
    package var receipt: UInt64?
    /// Write these.
    package var send: [Frame]
    /// Close the connection after what is to be sent.
    package var close: CloseReason?

    package init(
        identify: Hello? = nil, store: DataFrame? = nil, heartbeat: Heartbeat? = nil, receipt: UInt64? = nil,
        send: [Frame] = [], close: CloseReason? = nil
    ) {
        self.identify = identify
        self.store = store
        self.heartbeat = heartbeat
        self.receipt = receipt
        self.send = send
        self.close = close
    }
}

/// What became of a message that was to be sent.
package enum MessageOutcome: Equatable, Sendable {
    case send(Frame)
    /// `WireLimits.messagesOutstanding` wait for a receipt; try again after the next one.
    case full
    /// Larger than `WireLimits.messagePayloadBytes`.
    case tooLarge
    case notEstablished
}

/// Messages of one connection that have no receipt yet.
struct MessageWindow: Sendable {
    private(set) var outstanding: Set<UInt64> = []
    private var lastID: UInt64 = 0

    mutating func send(_ payload: [UInt8]) -> MessageOutcome {
        guard payload.count <= WireLimits.messagePayloadBytes else { return .tooLarge }
        guard outstanding.count < WireLimits.messagesOutstanding else { return .full }
        lastID &+= 1
        outstanding.insert(lastID)
        return .send(.message(id: lastID, payload: payload))
    }

    /// The message was not written: its number is the next one's. Only the newest can be taken back, or there would be
    /// a gap.
    mutating func notWritten(_ id: UInt64) {
        guard id == lastID, outstanding.remove(id) != nil else { return }
        lastID &-= 1
    }

    mutating func receipted(_ id: UInt64) throws(WireError) {
        guard outstanding.remove(id) != nil else { throw .receiptNotExpected(id: id) }
    }
}
