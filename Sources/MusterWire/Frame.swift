package import MusterModel

/// The byte that says what a frame is.
package enum FrameKind: UInt8, CaseIterable, Sendable, CustomStringConvertible {
    case hello = 1
    case welcome = 2
    case refuse = 3
    case data = 4
    case acknowledgement = 5
    case heartbeat = 6
    case heartbeatEcho = 7
    case message = 8
    case messageReceipt = 9

    package var description: String {
        switch self {
        case .hello: "hello"
        case .welcome: "welcome"
        case .refuse: "refuse"
        case .data: "data"
        case .acknowledgement: "acknowledgement"
        case .heartbeat: "heartbeat"
        case .heartbeatEcho: "heartbeat echo"
        case .message: "message"
        case .messageReceipt: "message receipt"
        }
    }
}

/// One frame of a link.
package enum Frame: Equatable, Sendable {
    case hello(Hello)
    case welcome(Welcome)
    case refuse(Refusal)
    case data(DataFrame)
    /// Everything of the class up to and including the sequence is on the coordinator's disk.
    case acknowledgement(TrafficClass, sequence: UInt64)
    case heartbeat(Heartbeat)
    case heartbeatEcho(counter: UInt64)
    /// A command to the agent; the id counts from 1 within the connection. The payload is MusterProtocol's business.
    case message(id: UInt64, payload: [UInt8])
    /// The agent has taken the message over.
    case messageReceipt(id: UInt64)

    package var kind: FrameKind {
        switch self {
        case .hello: .hello
        case .welcome: .welcome
        case .refuse: .refuse
        case .data: .data
        case .acknowledgement: .acknowledgement
        case .heartbeat: .heartbeat
        case .heartbeatEcho: .heartbeatEcho
        case .message: .message
        case .messageReceipt: .messageReceipt
        }
    }
}

/// The agent's first frame.
package struct Hello: Equatable, Sendable {
    package var version: UInt16
    package var host: HostID
    package var boot: BootID
    /// At most `WireLimits.agentVersionBytes`; cut when encoded.
    package var agentVersion: String
    /// For each class the lowest sequence this lineage has certainly never used. Lets the coordinator notice an agent
    /// whose state directory was put back from an older copy.
    package var nextSequences: PerClass<UInt64>?

    package init(
        version: UInt16 = wireVersion, host: HostID, boot: BootID, agentVersion: String,
        nextSequences: PerClass<UInt64>? = nil
    ) {
        self.version = version
        self.host = host
        self.boot = boot
        self.agentVersion = agentVersion
        self.nextSequences = nextSequences
    }
}

/// How much of one class may be sent and not yet acknowledged. The first frame is always allowed, so a window smaller
/// than a frame slows a class down but cannot stop it.
package struct Window: Hashable, Sendable {
    /// At least 1.
    package var frames: UInt32
    /// Payload bytes, at least 1.
    package var bytes: UInt32

    package init(frames: UInt32 = UInt32(Limits.windowFrames), bytes: UInt32 = UInt32(Limits.windowBytes)) {
        self.frames = frames
        self.bytes = bytes
    }

    /// Whether a frame of `payloadBytes` may follow what is in flight.
    package func allows(payloadBytes: Int, framesInFlight: Int, bytesInFlight: Int) -> Bool {
        framesInFlight == 0 || (framesInFlight < Int(frames) && bytesInFlight + payloadBytes <= Int(bytes))
    }
}

/// The coordinator's answer to hello. From here on the agent counts as connected.
package struct Welcome: Equatable, Sendable {
    package var version: UInt16
    package var serverTimeMilliseconds: Int64
    /// For each class the highest sequence of this (host, boot) that is on the coordinator's disk; 0 for none.
    package var durable: PerClass<UInt64>
    package var windows: PerClass<Window>
    /// Within `WireLimits.heartbeatIntervalMilliseconds`.
    package var heartbeatIntervalMilliseconds: UInt32

    package init(
        version: UInt16 = wireVersion, serverTimeMilliseconds: Int64, durable: PerClass<UInt64>,
        windows: PerClass<Window> = PerClass(repeating: Window()), heartbeatIntervalMilliseconds: UInt32 = 500
    ) {
        self.version = version
        self.serverTimeMilliseconds = serverTimeMilliseconds
        self.durable = durable
        self.windows = windows
        self.heartbeatIntervalMilliseconds = heartbeatIntervalMilliseconds
    }
}

/// One unit of telemetry or of command results.
package struct DataFrame: Equatable, Sendable {
    package var `class`: TrafficClass
    /// From 1 to `WireLimits.sequenceCeiling`.
    package var sequence: UInt64
    /// How the payload is written; each class has its own numbering.
    package var codec: UInt8
    /// At most `WireLimits.dataPayloadBytes`.
    package var payload: [UInt8]

    package init(class: TrafficClass, sequence: UInt64, codec: UInt8, payload: [UInt8]) {
        self.class = `class`
        self.sequence = sequence
        self.codec = codec
        self.payload = payload
    }
}

/// The agent is alive; and which snapshot of its host it holds, so that the coordinator notices when it has another.
package struct Heartbeat: Equatable, Sendable {
    /// Strictly increases within a connection, from 1.
    package var counter: UInt64
    /// The agent's monotonic clock.
    package var monotonicMilliseconds: UInt64
    package var snapshotSequence: UInt64
    package var snapshotHash: UInt64

    package init(counter: UInt64, monotonicMilliseconds: UInt64, snapshotSequence: UInt64, snapshotHash: UInt64) {
        self.counter = counter
        self.monotonicMilliseconds = monotonicMilliseconds
        self.snapshotSequence = snapshotSequence
        self.snapshotHash = snapshotHash
    }
}
