import MusterModel
import MusterWire

/// Small, fast, and the same on every machine: a run is a function of its seed.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

enum Samples {
    static let host = hostID("web-1")
    static let boot = BootID(high: 0x0102_0304_0506_0708, low: 0x1112_1314_1516_1718)
    static let hello = Hello(host: host, boot: boot, agentVersion: "0.1.0")
    static let fullHello = Hello(
        host: host, boot: boot, agentVersion: "0.1.0 (é)",
        nextSequences: PerClass(control: 1, health: 2, metrics: 3_000, logs: WireLimits.sequenceCeiling))
    static let welcome = Welcome(
        serverTimeMilliseconds: 1_772_357_400_250,
        durable: PerClass(control: 0, health: 7, metrics: 4_096, logs: WireLimits.sequenceCeiling),
        windows: PerClass(
            control: Window(frames: 1, bytes: 1), health: Window(), metrics: Window(frames: .max, bytes: .max),
            logs: Window(frames: 64, bytes: 8 << 20)),
        heartbeatIntervalMilliseconds: 500)
    static let heartbeat = Heartbeat(
        counter: 3, monotonicMilliseconds: 123_456, snapshotSequence: 9, snapshotHash: 0xfeed_beef)

    /// Every kind, its fields at ordinary and at extreme values.
    static let frames: [Frame] = [
        .hello(hello), .hello(fullHello),
        .hello(Hello(version: 9, host: hostID(String(repeating: "x", count: 128)), boot: boot, agentVersion: "")),
        .welcome(welcome),
        .welcome(
            Welcome(
                serverTimeMilliseconds: .min, durable: PerClass(repeating: 0), heartbeatIntervalMilliseconds: 60_000)),
        .refuse(Refusal(.revoked, "this host was revoked; enrol it again")), .refuse(Refusal(.unspecified, "")),
        .data(DataFrame(class: .metrics, sequence: 1, codec: 1, payload: [1, 2, 3])),
        .data(DataFrame(class: .logs, sequence: WireLimits.sequenceCeiling, codec: 255, payload: [])),
        .acknowledgement(.control, sequence: 1), .acknowledgement(.logs, sequence: WireLimits.sequenceCeiling),
        .heartbeat(heartbeat), .heartbeatEcho(counter: .max), .message(id: 1, payload: [9, 9]),
        .message(id: .max, payload: []), .messageReceipt(id: 0),
    ]

    static func hostID(_ text: String) -> HostID {
        guard let host = HostID(text) else { preconditionFailure("\(text) is no host id") }
        return host
    }

    static func data(
        _ name: TrafficClass, _ sequence: UInt64, bytes: Int = 10, codec: UInt8 = 1
    ) -> DataFrame {
        DataFrame(
            class: name, sequence: sequence, codec: codec,
            payload: [UInt8](repeating: UInt8(truncatingIfNeeded: sequence), count: bytes))
    }

    static func seconds(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 1_772_357_400_000_000_000 + Int64(seconds * 1e9))
    }
}

/// Everything a decoder gives for bytes that arrive in these pieces: the frames, then the error if there is one.
struct Decoded: Equatable {
    var frames: [Frame] = []
    var error: WireError?
    var peakBuffered = 0

    init(_ pieces: [ArraySlice<UInt8>], decoder: FrameDecoder = FrameDecoder()) {
        var decoder = decoder
        for piece in pieces {
            decoder.append(piece)
            do {
                while let frame = try decoder.next() { frames.append(frame) }
            } catch {
                self.error = error
                return
            }
            peakBuffered = max(peakBuffered, decoder.bufferedBytes)
        }
    }

    init(_ bytes: [UInt8]) { self.init([bytes[...]]) }

    static func == (a: Decoded, b: Decoded) -> Bool { a.frames == b.frames && a.error == b.error }
}
