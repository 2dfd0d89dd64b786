/// What follows from an event of an `AgentSession`, in the order in which it is to be done.
package struct AgentEffect: Equatable, Sendable {
    package struct Message: Equatable, Sendable {
        package let id: UInt64
        package let payload: [UInt8]

        package init(id: UInt64, payload: [UInt8]) {
            self.id = id
            self.payload = payload
        }
    }

    /// The link is established: tell `Reconnect`, admit larger frames, begin to send.
    package var welcome: Welcome?
    /// On the coordinator's disk: move cursors, trim the spool.
    package var released: [Released]
    /// Take it over, then call `messageHandled`.
    package var message: Message?
    /// Write these.
    package var send: [Frame]
    /// From the newest heartbeat to its echo.
    package var roundTrip: Duration?
    /// Close the connection after what is to be sent.
    package var close: CloseReason?

    package init(
        welcome: Welcome? = nil, released: [Released] = [], message: Message? = nil, send: [Frame] = [],
        roundTrip: Duration? = nil, close: CloseReason? = nil
    ) {
        self.welcome = welcome
        self.released = released
        self.message = message
        self.send = send
        self.roundTrip = roundTrip
        self.close = close
    }
}

/// What the agent says of itself in a heartbeat.
package struct HeartbeatFacts: Equatable, Sendable {
    package var monotonicMilliseconds: UInt64
    package var snapshotSequence: UInt64
    package var snapshotHash: UInt64

    package init(monotonicMilliseconds: UInt64, snapshotSequence: UInt64, snapshotHash: UInt64) {
        self.monotonicMilliseconds = monotonicMilliseconds
        self.snapshotSequence = snapshotSequence
        self.snapshotHash = snapshotHash
    }

    func heartbeat(counter: UInt64) -> Heartbeat {
        Heartbeat(
            counter: counter, monotonicMilliseconds: monotonicMilliseconds, snapshotSequence: snapshotSequence,
            snapshotHash: snapshotHash)
    }
}
