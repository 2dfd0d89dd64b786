import MusterModel

extension Frame {
    /// Reads the body of a frame: what follows length and kind. Allocates no more than the body is long.
    package static func decode(_ kind: FrameKind, body: ArraySlice<UInt8>) throws(ByteError) -> Frame {
        var reader = ByteReader(body)
        switch kind {
        // Hello and refuse may grow at the end in later versions, so what follows the known fields is skipped.
        case .hello: return .hello(try Hello(from: &reader))
        case .refuse: return .refuse(try Refusal(from: &reader))
        case .data: return .data(try DataFrame(from: &reader))
        case .message:
            let id = try reader.fixed("id", as: UInt64.self)
            return .message(id: id, payload: Array(reader.rest()))
        default: break
        }
        let frame = try small(kind, from: &reader)
        try reader.finish()
        return frame
    }

    /// The frames of fixed shape.
    private static func small(_ kind: FrameKind, from reader: inout ByteReader) throws(ByteError) -> Frame {
        switch kind {
        case .welcome: return .welcome(try Welcome(from: &reader))
        case .acknowledgement:
            let name = try reader.trafficClass()
            return .acknowledgement(name, sequence: try reader.shortSequence())
        case .heartbeat:
            return .heartbeat(
                Heartbeat(
                    counter: try reader.varint("counter"), monotonicMilliseconds: try reader.varint("monotonic clock"),
                    snapshotSequence: try reader.varint("snapshot sequence"),
                    snapshotHash: try reader.fixed("snapshot hash")))
        case .heartbeatEcho: return .heartbeatEcho(counter: try reader.varint("counter"))
        case .messageReceipt: return .messageReceipt(id: try reader.fixed("id"))
        case .hello, .refuse, .data, .message:
            throw reader.error("kind", .notAllowed("\(kind)", allowed: "a frame of fixed shape"))
        }
    }
}

extension Hello {
    fileprivate init(from reader: inout ByteReader) throws(ByteError) {
        version = try reader.fixed("version")
        let spelling = try reader.string("host id", maxBytes: Limits.nameBytes)
        guard let host = HostID(spelling) else {
            throw reader.error("host id", .notAllowed("misspelt", allowed: "1 to 128 bytes of A-Z a-z 0-9 . _ -"))
        }
        self.host = host
        boot = BootID(high: try reader.fixed("boot id"), low: try reader.fixed("boot id"))
        agentVersion = try reader.string("agent version", maxBytes: WireLimits.agentVersionBytes)
        switch try reader.byte("has next sequences") {
        case 0: nextSequences = nil
        case 1:
            nextSequences = try PerClass { _ throws(ByteError) in try reader.sequence("next sequence", from: 1) }
        case let other: throw reader.error("has next sequences", .notAllowed("\(other)", allowed: "0 or 1"))
        }
    }
}

extension Welcome {
    fileprivate init(from reader: inout ByteReader) throws(ByteError) {
        version = try reader.fixed("version")
        serverTimeMilliseconds = try reader.signedVarint("server time")
        heartbeatIntervalMilliseconds = try reader.fixed("heartbeat interval")
        let range = WireLimits.heartbeatIntervalMilliseconds
        guard range.contains(heartbeatIntervalMilliseconds) else {
            throw reader.error(
                "heartbeat interval",
                .notAllowed(
                    "\(heartbeatIntervalMilliseconds)", allowed: "\(range.lowerBound) to \(range.upperBound) ms"))
        }
        let count = try reader.byte("class count")
        guard count == UInt8(TrafficClass.allCases.count) else {
            throw reader.error("class count", .notAllowed("\(count)", allowed: "\(TrafficClass.allCases.count)"))
        }
        durable = PerClass(repeating: 0)
        windows = PerClass(repeating: Window())
        for name in TrafficClass.allCases {
            let found = try reader.trafficClass()
            guard found == name else { throw reader.error("class", .notAllowed("\(found)", allowed: "\(name)")) }
            durable[name] = try reader.sequence("durable sequence", from: 0)
            windows[name] = Window(
                frames: try reader.positive("window frames"), bytes: try reader.positive("window bytes"))
        }
    }
}

extension Refusal {
    fileprivate init(from reader: inout ByteReader) throws(ByteError) {
        let code = RefusalCode(rawValue: try reader.byte("code")) ?? .unspecified
        self.init(code, try reader.string("message", maxBytes: WireLimits.refusalMessageBytes))
    }
}

extension DataFrame {
    fileprivate init(from reader: inout ByteReader) throws(ByteError) {
        self.class = try reader.trafficClass()
        codec = try reader.byte("codec")
        sequence = try reader.shortSequence()
        payload = Array(reader.rest())
    }
}

extension ByteReader {
    fileprivate mutating func trafficClass() throws(ByteError) -> TrafficClass {
        let raw = try byte("class")
        guard let name = TrafficClass(rawValue: raw) else {
            throw error("class", .notAllowed("\(raw)", allowed: "0 to \(TrafficClass.allCases.count - 1)"))
        }
        return name
    }

    fileprivate mutating func sequence(_ field: String, from lowest: UInt64) throws(ByteError) -> UInt64 {
        let sequence = try fixed(field, as: UInt64.self)
        return try checked(sequence, field, from: lowest)
    }

    /// As in frames that come every second.
    fileprivate mutating func shortSequence() throws(ByteError) -> UInt64 {
        let sequence = try varint("sequence")
        return try checked(sequence, "sequence", from: 1)
    }

    private func checked(_ sequence: UInt64, _ field: String, from lowest: UInt64) throws(ByteError) -> UInt64 {
        guard sequence >= lowest, sequence <= WireLimits.sequenceCeiling else {
            throw error(field, .notAllowed("\(sequence)", allowed: "\(lowest) to \(WireLimits.sequenceCeiling)"))
        }
        return sequence
    }

    fileprivate mutating func positive(_ field: String) throws(ByteError) -> UInt32 {
        let number = try fixed(field, as: UInt32.self)
        guard number > 0 else { throw error(field, .notAllowed("0", allowed: "1 or more")) }
        return number
    }
}
