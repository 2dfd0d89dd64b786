import MusterModel
import MusterWire
import Testing

struct OutboundTests {
    private let t0 = Samples.seconds(0)

    private func outbound(memoryBytes: Int = 10_000, handedOut: UInt64 = 0) -> Outbound {
        Outbound(
            settings: PerClass { name in
                LaneSettings(memoryBytes: memoryBytes, overflow: name == .logs || name == .control ? .refuse : .spill)
            }, handedOut: PerClass(repeating: handedOut), now: t0)
    }

    private func up(
        _ outbound: inout Outbound, durable: UInt64 = 0, window: Window = Window()
    ) throws -> [Released] {
        try outbound.welcomed(durable: PerClass(repeating: durable), windows: PerClass(repeating: window))
    }

    private func drain(_ outbound: inout Outbound) -> [Frame] {
        var frames: [Frame] = []
        while let frame = outbound.nextFrame() { frames.append(frame) }
        return frames
    }

    @Test func `nothing is sent while the link is down`() throws {
        var outbound = outbound()
        #expect(outbound.enqueue(Samples.data(.logs, 1), now: t0) == .queued)
        #expect(outbound.nextFrame() == nil)
        #expect(!outbound.isUp)
        #expect(try up(&outbound) == [])
        #expect(outbound.nextFrame() == .data(Samples.data(.logs, 1)))
        #expect(outbound.nextFrame() == nil)
    }

    @Test func `the most urgent class goes first, each in its own order`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        for sequence in 1...2 as ClosedRange<UInt64> {
            for name in TrafficClass.allCases.reversed() {
                #expect(outbound.enqueue(Samples.data(name, sequence), now: t0) == .queued)
            }
        }
        let expected = TrafficClass.allCases.flatMap { name in
            (1...2).map { Frame.data(Samples.data(name, UInt64($0))) }
        }
        #expect(drain(&outbound) == expected)
    }

    @Test func `a full window of one class stops that class alone`() throws {
        var outbound = outbound()
        _ = try up(&outbound, window: Window(frames: 2, bytes: 1_000))
        for sequence in 1...3 as ClosedRange<UInt64> {
            _ = outbound.enqueue(Samples.data(.logs, sequence), now: t0)
        }
        #expect(drain(&outbound).count == 2)
        _ = outbound.enqueue(Samples.data(.control, 1), now: t0)
        #expect(outbound.nextFrame() == .data(Samples.data(.control, 1)))
        let released = try outbound.acknowledged(.logs, sequence: 1)
        #expect(released == Released(class: .logs, frames: 1, bytes: 10, highest: 1))
        #expect(drain(&outbound) == [.data(Samples.data(.logs, 3))])
    }

    @Test func `the window counts bytes, and the first frame always goes`() throws {
        var outbound = outbound()
        _ = try up(&outbound, window: Window(frames: 64, bytes: 100))
        _ = outbound.enqueue(Samples.data(.logs, 1, bytes: 500), now: t0)
        _ = outbound.enqueue(Samples.data(.logs, 2, bytes: 60), now: t0)
        _ = outbound.enqueue(Samples.data(.logs, 3, bytes: 40), now: t0)
        _ = outbound.enqueue(Samples.data(.logs, 4, bytes: 1), now: t0)
        #expect(drain(&outbound).count == 1)
        _ = try outbound.acknowledged(.logs, sequence: 1)
        #expect(drain(&outbound).count == 2)
        #expect(outbound.state(.logs).bytesInFlight == 100)
        #expect(outbound.state(.logs).framesInFlight == 2)
    }

    @Test func `what is not acknowledged is sent again under the same sequence after a reconnect`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        let frames = (1...5).map { Samples.data(.metrics, UInt64($0 * 10)) }
        for frame in frames { _ = outbound.enqueue(frame, now: t0) }
        #expect(drain(&outbound).count == 5)
        #expect(try outbound.acknowledged(.metrics, sequence: 10)?.frames == 1)
        outbound.disconnected(now: t0)
        #expect(outbound.nextFrame() == nil)
        // The coordinator had 30 on its disk before the link broke; its acknowledgement was lost.
        let released = try up(&outbound, durable: 0)
        #expect(released == [])
        outbound.disconnected(now: t0)
        let marks = PerClass<UInt64>(control: 0, health: 0, metrics: 30, logs: 0)
        #expect(
            try outbound.welcomed(durable: marks, windows: PerClass(repeating: Window()))
                == [Released(class: .metrics, frames: 2, bytes: 20, highest: 30)])
        #expect(drain(&outbound) == frames[3...].map { .data($0) })
    }

    @Test func `an acknowledgement may come before the frame is sent again`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        for sequence in 1...4 as ClosedRange<UInt64> { _ = outbound.enqueue(Samples.data(.logs, sequence), now: t0) }
        _ = drain(&outbound)
        outbound.disconnected(now: t0)
        _ = try up(&outbound)
        #expect(outbound.nextFrame() == .data(Samples.data(.logs, 1)))
        #expect(try outbound.acknowledged(.logs, sequence: 3)?.frames == 3)
        #expect(outbound.state(.logs).framesInFlight == 0)
        #expect(drain(&outbound) == [.data(Samples.data(.logs, 4))])
    }

    @Test func `an acknowledgement beyond what was sent is the peer's fault`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        _ = outbound.enqueue(Samples.data(.logs, 1), now: t0)
        _ = outbound.enqueue(Samples.data(.logs, 2), now: t0)
        _ = outbound.nextFrame()
        #expect(throws: WireError.acknowledgedBeyondSent(.logs, sequence: 2, sent: 1)) {
            try outbound.acknowledged(.logs, sequence: 2)
        }
        #expect(try outbound.acknowledged(.logs, sequence: 1) != nil)
        #expect(try outbound.acknowledged(.logs, sequence: 1) == nil, "the same acknowledgement again is nothing new")
    }

    @Test func `a coordinator that knows more than was ever handed out is noticed and nothing is forgotten`() throws {
        var outbound = outbound(handedOut: 100)
        _ = outbound.enqueue(Samples.data(.metrics, 101), now: t0)
        let error = WireError.durableBeyondHandedOut(.control, durable: 101, handedOut: 100)
        #expect(throws: error) {
            try outbound.welcomed(
                durable: PerClass(control: 101, health: 0, metrics: 100, logs: 0),
                windows: PerClass(repeating: Window()))
        }
        #expect(error.refusal.code == .staleState)
        #expect(!outbound.isUp)
        #expect(outbound.state(.metrics).memoryFrames == 1)
        #expect(outbound.state(.metrics).acknowledged == 0)
    }

    @Test func `after a restart what an earlier process sent may be acknowledged`() throws {
        var outbound = outbound(handedOut: 100)
        #expect(outbound.enqueue(Samples.data(.logs, 97), now: t0) == .queued)
        #expect(outbound.enqueue(Samples.data(.logs, 98), now: t0) == .queued)
        let released = try up(&outbound, durable: 97)
        #expect(released.first { $0.class == .logs } == Released(class: .logs, frames: 1, bytes: 10, highest: 97))
        #expect(released.first { $0.class == .control } == Released(class: .control, frames: 0, bytes: 0, highest: 97))
        #expect(try outbound.acknowledged(.logs, sequence: 98)?.frames == 1)
        #expect(outbound.enqueue(Samples.data(.logs, 98), now: t0) == .alreadyDurable)
        #expect(outbound.nextFrame() == nil)
    }

    @Test func `memory is bounded, a frame that found no room may come again`() throws {
        let cost = 10 + WireLimits.queuedFrameOverheadBytes
        var outbound = outbound(memoryBytes: 3 * cost)
        _ = try up(&outbound)
        for sequence in 1...3 as ClosedRange<UInt64> {
            #expect(outbound.hasRoom(.logs, payloadBytes: 10))
            #expect(outbound.enqueue(Samples.data(.logs, sequence), now: t0) == .queued)
        }
        #expect(!outbound.hasRoom(.logs))
        #expect(outbound.enqueue(Samples.data(.logs, 4), now: t0) == .dropped(.memoryFull))
        #expect(outbound.state(.logs).memoryBytes == 3 * cost)
        #expect(outbound.state(.logs).drops == [.memoryFull: 1])
        _ = outbound.nextFrame()
        _ = try outbound.acknowledged(.logs, sequence: 1)
        #expect(outbound.enqueue(Samples.data(.logs, 4), now: t0) == .queued)
    }

    @Test func `a frame larger than the whole budget is taken when nothing else waits`() {
        var outbound = outbound(memoryBytes: 100)
        #expect(outbound.enqueue(Samples.data(.logs, 1, bytes: 500), now: t0) == .queued)
        #expect(outbound.enqueue(Samples.data(.logs, 2, bytes: 1), now: t0) == .dropped(.memoryFull))
    }

    @Test func `what no frame can carry and what is out of order is dropped and counted`() {
        var outbound = outbound(memoryBytes: 4 << 20)
        let huge = Samples.data(.metrics, 1, bytes: WireLimits.dataPayloadBytes + 1)
        #expect(outbound.enqueue(huge, now: t0) == .dropped(.tooLarge))
        #expect(outbound.enqueue(Samples.data(.metrics, 5), now: t0) == .queued)
        #expect(outbound.enqueue(Samples.data(.metrics, 5), now: t0) == .dropped(.sequenceNotIncreasing))
        #expect(outbound.enqueue(Samples.data(.metrics, 4), now: t0) == .dropped(.sequenceNotIncreasing))
        #expect(outbound.state(.metrics).drops == [.tooLarge: 1, .sequenceNotIncreasing: 2])
        #expect(Set(DropReason.allCases.map(\.description)).count == DropReason.allCases.count)
    }
}
