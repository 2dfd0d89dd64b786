import MusterModel
import MusterWire

/// Reads decisions from the fuzzer's bytes. When they are used up every number is 0.
struct Script {
    private var bytes: ArraySlice<UInt8>
    private var now = Instant(seconds: 1_700_000_000)

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    mutating func byte() -> UInt8? { bytes.popFirst() }

    mutating func small() -> UInt8 { byte() ?? 0 }

    mutating func number() -> UInt64 {
        let kind = small()
        switch kind {
        case 0...249: return UInt64(kind)
        case 250: return .max
        case 251: return WireLimits.sequenceCeiling
        default: return (0..<8).reduce(0) { number, _ in number << 8 | UInt64(small()) }
        }
    }

    /// Time goes on by 0 to 25 s.
    mutating func advance() -> Instant {
        now = now + .milliseconds(Int64(small()) * 100)
        return now
    }

    mutating func trafficClass() -> TrafficClass { TrafficClass(rawValue: small() & 3) ?? .control }

    mutating func perClass() -> PerClass<UInt64> { PerClass { _ in number() } }

    mutating func payload() -> [UInt8] { [UInt8](repeating: 7, count: Int(small()) * Int(small() & 15)) }

    /// Any frame; its values need not be ones that a decoder would let through.
    mutating func frame() -> Frame {
        switch small() % 10 {
        case 0:
            .hello(
                Hello(
                    version: UInt16(small() & 3), host: Self.host(small() & 1), boot: BootID(high: 1, low: 1),
                    agentVersion: "1", nextSequences: small() & 1 == 0 ? nil : perClass()))
        case 1:
            .welcome(
                Welcome(
                    version: wireVersion + UInt16(small() >> 7), serverTimeMilliseconds: 0, durable: perClass(),
                    windows: PerClass { _ in
                        Window(frames: UInt32(small()) + 1, bytes: UInt32(truncatingIfNeeded: number()))
                    }, heartbeatIntervalMilliseconds: 50 + UInt32(small())))
        case 2: .refuse(Refusal(.badFrame, "x"))
        case 3, 9: .data(data())
        case 4: .acknowledgement(trafficClass(), sequence: number())
        case 5:
            .heartbeat(
                Heartbeat(counter: number(), monotonicMilliseconds: 1, snapshotSequence: 1, snapshotHash: 1))
        case 6: .heartbeatEcho(counter: number())
        case 7: .message(id: number(), payload: payload())
        default: .messageReceipt(id: number())
        }
    }

    mutating func data() -> DataFrame {
        DataFrame(class: trafficClass(), sequence: number(), codec: small(), payload: payload())
    }

    static func host(_ index: UInt8) -> HostID {
        guard let host = HostID("h\(index)") else { preconditionFailure("h\(index) is no host id") }
        return host
    }
}
