import MusterModel

extension Frame {
    /// The bytes of this frame. Throws `frameTooLarge` when a payload is beyond its limit.
    package func encoded() throws(WireError) -> [UInt8] {
        var writer = ByteWriter()
        try encode(into: &writer)
        return writer.bytes
    }

    /// Appends the bytes of this frame; appends nothing when it throws.
    package func encode(into writer: inout ByteWriter) throws(WireError) {
        let start = writer.bytes.count
        writer.reserve(WireLimits.headerBytes + 64 + payloadBytes)
        writer.fixed(UInt32(0))
        writer.byte(kind.rawValue)
        encodeBody(into: &writer)
        let size = writer.bytes.count - start
        let limit = kind == .hello ? WireLimits.helloFrameBytes : Limits.frameBytes
        guard size <= limit else {
            writer.removeAll(from: start)
            throw .frameTooLarge(bytes: UInt64(size), limit: limit, offset: 0)
        }
        writer.patch(UInt32(size - 4), at: start)
    }

    private var payloadBytes: Int {
        switch self {
        case .data(let data): data.payload.count
        case .message(_, let payload): payload.count
        default: 0
        }
    }

    private func encodeBody(into writer: inout ByteWriter) {
        switch self {
        case .hello(let hello): hello.encode(into: &writer)
        case .welcome(let welcome): welcome.encode(into: &writer)
        case .refuse(let refusal):
            writer.byte(refusal.code.rawValue)
            writer.string(refusal.message, maxBytes: WireLimits.refusalMessageBytes)
        case .data(let data):
            writer.byte(data.class.rawValue)
            writer.byte(data.codec)
            writer.varint(data.sequence)
            writer.raw(data.payload)
        case .acknowledgement(let name, let sequence):
            writer.byte(name.rawValue)
            writer.varint(sequence)
        case .heartbeat(let heartbeat):
            writer.varint(heartbeat.counter)
            writer.varint(heartbeat.monotonicMilliseconds)
            writer.varint(heartbeat.snapshotSequence)
            writer.fixed(heartbeat.snapshotHash)
        case .heartbeatEcho(let counter): writer.varint(counter)
        case .message(let id, let payload):
            writer.fixed(id)
            writer.raw(payload)
        case .messageReceipt(let id): writer.fixed(id)
        }
    }
}

extension Hello {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.fixed(version)
        writer.string(host.text, maxBytes: Limits.nameBytes)
        writer.fixed(boot.high)
        writer.fixed(boot.low)
        writer.string(agentVersion, maxBytes: WireLimits.agentVersionBytes)
        writer.byte(nextSequences == nil ? 0 : 1)
        guard let nextSequences else { return }
        for name in TrafficClass.allCases { writer.fixed(nextSequences[name]) }
    }
}

extension Welcome {
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.fixed(version)
        writer.signedVarint(serverTimeMilliseconds)
        writer.fixed(heartbeatIntervalMilliseconds)
        writer.byte(UInt8(TrafficClass.allCases.count))
        for name in TrafficClass.allCases {
            writer.byte(name.rawValue)
            writer.fixed(durable[name])
            writer.fixed(windows[name].frames)
            writer.fixed(windows[name].bytes)
        }
    }
}
