import MusterModel
import MusterWire

/// An agent's end whose coordinator and disk do as they like.
struct AgentWorld {
    private static let memoryBytes = 4_000
    private let hello = Hello(host: Script.host(0), boot: BootID(high: 1, low: 1), agentVersion: "1")
    private var outbound: Outbound
    private var session: AgentSession
    private var spilled = PerClass<[DataFrame]>(repeating: [])
    private var windows = PerClass<Window>(repeating: Window())
    private var lastSent = PerClass<UInt64>(repeating: 0)

    init() {
        let settings = PerClass<LaneSettings> { name in
            LaneSettings(memoryBytes: Self.memoryBytes, overflow: name < .metrics ? .refuse : .spill)
        }
        outbound = Outbound(
            settings: settings, handedOut: PerClass(repeating: 3), now: Instant(seconds: 1_700_000_000))
        session = AgentSession(hello: hello)
    }

    mutating func step(_ choice: UInt8, _ script: inout Script, now: Instant) {
        switch choice % 10 {
        case 0:
            session.linkClosed(outbound: &outbound, now: now)
            session = AgentSession(hello: hello)
        case 1: _ = session.connected(now: now)
        case 2, 3: receive(script.frame(), now: now)
        case 4:
            let facts = HeartbeatFacts(monotonicMilliseconds: 0, snapshotSequence: 0, snapshotHash: 0)
            let effect = session.woke(facts: facts, outbound: &outbound, now: now)
            precondition(effect.send.count <= 1)
        case 5: enqueue(script.data(), now: now)
        case 6: send()
        case 7: _ = session.messageHandled(script.number())
        case 8: spool(&script)
        default: session.linkClosed(outbound: &outbound, now: now)
        }
        check()
    }

    private mutating func receive(_ frame: Frame, now: Instant) {
        do throws(WireError) {
            let effect = try session.received(frame, outbound: &outbound, now: now)
            if let welcome = effect.welcome {
                windows = welcome.windows
                lastSent = PerClass(repeating: 0)
            }
        } catch {
            precondition(session.isClosed && !outbound.isUp, "an error leaves the session open")
            precondition(!error.description.isEmpty)
        }
    }

    private mutating func enqueue(_ frame: DataFrame, now: Instant) {
        guard case .spill(let frames) = outbound.enqueue(frame, now: now) else { return }
        precondition(frames.last == frame)
        precondition(zip(frames, frames.dropFirst()).allSatisfy { $0.sequence < $1.sequence })
        spilled[frame.class] += frames
    }

    private mutating func send() {
        guard case .data(let data)? = outbound.nextFrame() else { return }
        precondition(outbound.isUp)
        precondition(data.sequence > lastSent[data.class], "a sequence does not increase on one connection")
        lastSent[data.class] = data.sequence
        let state = outbound.state(data.class)
        let window = windows[data.class]
        precondition(state.framesInFlight <= max(1, Int(window.frames)), "the window is exceeded")
        precondition(state.framesInFlight == 1 || state.bytesInFlight <= Int(window.bytes), "the window is exceeded")
    }

    private mutating func spool(_ script: inout Script) {
        let name = script.trafficClass()
        switch script.small() % 5 {
        case 0: outbound.spooled(name, through: spilled[name].last?.sequence ?? 0)
        case 1:
            _ = outbound.spoolFailed(name, spilled[name].suffix(2))
            spilled[name].removeLast(min(2, spilled[name].count))
        case 2:
            _ = outbound.spoolDropped(name, spilled[name].prefix(3).map(\.sequence))
            spilled[name].removeFirst(min(3, spilled[name].count))
        case 3:
            guard let read = outbound.wantsFromSpool() else { return }
            precondition(read.roomBytes > 0)
            outbound.unspooled(read.class, Array(spilled[read.class].drop { $0.sequence <= read.after }.prefix(2)))
        default: for frame in outbound.stopping() { spilled[frame.class].append(frame) }
        }
    }

    private func check() {
        precondition(!session.isClosed || session.wakeAt == nil)
        for name in TrafficClass.allCases {
            let state = outbound.state(name)
            precondition(state.framesInFlight <= state.memoryFrames)
            precondition(state.bytesInFlight <= state.memoryBytes)
            precondition((state.memoryFrames == 0) == (state.memoryBytes == 0))
            precondition(outbound.isUp || state.framesInFlight == 0)
            // One read of two frames may go beyond the budget, and one frame may be larger than all of it.
            precondition(state.memoryBytes <= Self.memoryBytes + 2 * (255 * 15 + 64), "memory is not bounded")
        }
    }
}
