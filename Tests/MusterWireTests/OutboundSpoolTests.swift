import MusterModel
import MusterWire
import Testing

/// The part of `Outbound` that goes through the disk. The "disk" is an array.
struct OutboundSpoolTests {
    private let t0 = Samples.seconds(0)
    private let late = Samples.seconds(2)
    private let cost = 10 + WireLimits.queuedFrameOverheadBytes

    private func outbound(frames: Int) -> Outbound {
        Outbound(
            settings: PerClass(repeating: LaneSettings(memoryBytes: frames * cost, overflow: .spill)),
            handedOut: PerClass(repeating: 1_000), now: t0)
    }

    private func frame(_ sequence: UInt64) -> DataFrame { Samples.data(.metrics, sequence) }

    private func up(_ outbound: inout Outbound, durable: UInt64 = 0) throws {
        _ = try outbound.welcomed(durable: PerClass(repeating: durable), windows: PerClass(repeating: Window()))
    }

    private func sent(_ outbound: inout Outbound) -> [UInt64] {
        var sequences: [UInt64] = []
        while case .data(let data)? = outbound.nextFrame() { sequences.append(data.sequence) }
        return sequences
    }

    @Test func `a short break of the link writes nothing`() {
        var outbound = outbound(frames: 10)
        #expect(outbound.enqueue(frame(1), now: Samples.seconds(1.999)) == .queued)
        #expect(outbound.enqueue(frame(2), now: late) == .spill([frame(1), frame(2)]))
    }

    @Test func `a long one writes all that waits, then every newer frame alone`() {
        var outbound = outbound(frames: 10)
        _ = outbound.enqueue(frame(1), now: t0)
        _ = outbound.enqueue(frame(2), now: t0)
        #expect(outbound.enqueue(frame(3), now: late) == .spill([frame(1), frame(2), frame(3)]))
        outbound.spooled(.metrics, through: 3)
        #expect(outbound.enqueue(frame(4), now: late) == .spill([frame(4)]))
        #expect(outbound.state(.metrics).isSpooling)
        #expect(outbound.state(.metrics).memoryFrames == 2)
        #expect(!outbound.hasRoom(.metrics))
    }

    @Test func `a full memory spills also while the link is up, and comes back in order`() throws {
        var outbound = outbound(frames: 2)
        try up(&outbound)
        _ = outbound.enqueue(frame(1), now: t0)
        _ = outbound.enqueue(frame(2), now: t0)
        #expect(outbound.enqueue(frame(3), now: t0) == .spill([frame(1), frame(2), frame(3)]))
        #expect(outbound.wantsFromSpool() == nil, "nothing is confirmed to be on the disk")
        outbound.spooled(.metrics, through: 3)
        #expect(outbound.enqueue(frame(4), now: t0) == .spill([frame(4)]))
        outbound.spooled(.metrics, through: 4)
        #expect(outbound.wantsFromSpool() == nil, "memory is more than half full")
        #expect(sent(&outbound) == [1, 2])
        _ = try outbound.acknowledged(.metrics, sequence: 1)
        let read = outbound.wantsFromSpool()
        #expect(read == SpoolRead(class: .metrics, after: 2, roomBytes: cost))
        #expect(outbound.wantsFromSpool() == nil, "one read at a time")
        outbound.unspooled(.metrics, [frame(3)])
        #expect(sent(&outbound) == [3])
        #expect(outbound.enqueue(frame(5), now: t0) == .spill([frame(5)]), "4 is still on the disk")
        outbound.spooled(.metrics, through: 5)
        _ = try outbound.acknowledged(.metrics, sequence: 3)
        #expect(outbound.wantsFromSpool() == SpoolRead(class: .metrics, after: 3, roomBytes: 2 * cost))
        outbound.unspooled(.metrics, [frame(4), frame(5)])
        #expect(sent(&outbound) == [4, 5])
        #expect(!outbound.state(.metrics).isSpooling)
        _ = try outbound.acknowledged(.metrics, sequence: 5)
        #expect(outbound.enqueue(frame(6), now: t0) == .queued, "the spool is read back: memory again")
        #expect(sent(&outbound) == [6])
    }

    @Test func `frames read back are not written a second time`() throws {
        var outbound = outbound(frames: 2)
        outbound.spooled(.metrics, through: 2)
        try up(&outbound)
        #expect(outbound.wantsFromSpool()?.after == 0)
        outbound.unspooled(.metrics, [frame(1), frame(2)])
        #expect(outbound.enqueue(frame(3), now: t0) == .spill([frame(3)]))
    }

    @Test func `at start the spool of the earlier process goes first`() throws {
        var outbound = outbound(frames: 10)
        outbound.spooled(.metrics, through: 900)
        #expect(outbound.enqueue(frame(1_001), now: t0) == .spill([frame(1_001)]))
        outbound.spooled(.metrics, through: 1_001)
        #expect(outbound.wantsFromSpool() == nil, "the link is down")
        try up(&outbound, durable: 500)
        #expect(outbound.wantsFromSpool() == SpoolRead(class: .metrics, after: 500, roomBytes: 10 * cost))
        // A slow disk may still answer with what is durable meanwhile.
        outbound.unspooled(.metrics, [frame(400), frame(900)])
        #expect(sent(&outbound) == [900])
    }

    @Test func `a disk that fails loses the new frame only and says so`() throws {
        var outbound = outbound(frames: 2)
        try up(&outbound)
        _ = outbound.enqueue(frame(1), now: t0)
        _ = outbound.enqueue(frame(2), now: t0)
        guard case .spill(let frames) = outbound.enqueue(frame(3), now: t0) else {
            Issue.record("nothing was spilled")
            return
        }
        #expect(outbound.spoolFailed(.metrics, frames) == 1)
        #expect(outbound.state(.metrics).drops == [.spoolFailed: 1])
        #expect(!outbound.state(.metrics).isSpooling)
        #expect(sent(&outbound) == [1, 2])
        #expect(
            outbound.enqueue(frame(4), now: t0) == .spill([frame(1), frame(2), frame(4)]), "the disk is tried again")
    }

    @Test func `a failure between two writes keeps what the others wrote`() throws {
        var outbound = outbound(frames: 1)
        try up(&outbound)
        _ = outbound.enqueue(frame(1), now: t0)
        _ = outbound.enqueue(frame(2), now: t0)
        _ = outbound.enqueue(frame(3), now: t0)
        #expect(outbound.spoolFailed(.metrics, [frame(3)]) == 1)
        #expect(outbound.state(.metrics).isSpooling, "2 is still being written")
        #expect(outbound.enqueue(frame(4), now: t0) == .spill([frame(4)]))
        outbound.spooled(.metrics, through: 2)
        outbound.spooled(.metrics, through: 4)
        #expect(sent(&outbound) == [1])
        _ = try outbound.acknowledged(.metrics, sequence: 1)
        #expect(outbound.wantsFromSpool()?.after == 1)
        outbound.unspooled(.metrics, [frame(2)])
        outbound.unspooled(.metrics, [frame(4)])
        #expect(sent(&outbound) == [2, 4])
    }

    @Test func `a disk that hangs holds up a bounded number of writes`() {
        var outbound = outbound(frames: 1)
        let limit = UInt64(WireLimits.spillsOutstanding)
        for sequence in 1...limit { #expect(outbound.enqueue(frame(sequence), now: late) == .spill([frame(sequence)])) }
        #expect(outbound.enqueue(frame(limit + 1), now: late) == .dropped(.spoolBusy))
        outbound.spooled(.metrics, through: 1)
        #expect(outbound.enqueue(frame(limit + 2), now: late) == .spill([frame(limit + 2)]))
        #expect(outbound.enqueue(frame(limit + 3), now: late) == .dropped(.spoolBusy))
        #expect(outbound.state(.metrics).drops == [.spoolBusy: 2])
    }

    @Test func `what the spool forgets is counted unless it is in memory or durable`() throws {
        var outbound = outbound(frames: 3)
        _ = outbound.enqueue(frame(1), now: t0)
        for sequence in 2...6 as ClosedRange<UInt64> {
            _ = outbound.enqueue(frame(sequence), now: late)
            outbound.spooled(.metrics, through: sequence)
        }
        #expect(outbound.spoolDropped(.metrics, [1, 2, 3]) == 2, "1 is in memory")
        #expect(outbound.state(.metrics).drops == [.spoolFull: 2])
        try up(&outbound)
        #expect(sent(&outbound) == [1])
        #expect(outbound.wantsFromSpool()?.after == 3)
        #expect(outbound.spoolDropped(.metrics, [4, 5, 6]) == 3)
        outbound.unspooled(.metrics, [])
        #expect(!outbound.state(.metrics).isSpooling)
        #expect(outbound.enqueue(frame(7), now: late) == .queued)
    }

    @Test func `a spool that has nothing any more is believed`() throws {
        var outbound = outbound(frames: 3)
        outbound.spooled(.metrics, through: 10)
        try up(&outbound)
        #expect(outbound.wantsFromSpool() != nil)
        outbound.unspooled(.metrics, [])
        #expect(!outbound.state(.metrics).isSpooling)
        #expect(outbound.wantsFromSpool() == nil)
    }

    @Test func `what a damaged spool does not give back is counted`() throws {
        var outbound = outbound(frames: 3)
        outbound.spooled(.metrics, through: 10)
        try up(&outbound)
        #expect(outbound.wantsFromSpool()?.after == 0)
        #expect(outbound.unspooled(.metrics, [frame(1), frame(4)], .damaged(toTheEnd: false)) == 2)
        #expect(sent(&outbound) == [1, 4])
        _ = try outbound.acknowledged(.metrics, sequence: 4)
        #expect(outbound.wantsFromSpool()?.after == 4)
        #expect(outbound.unspooled(.metrics, [frame(5)], .damaged(toTheEnd: true)) == 5)
        #expect(outbound.state(.metrics).drops == [.spoolDamaged: 7])
    }

    @Test func `a spool that cannot be read now is read again`() throws {
        var outbound = outbound(frames: 3)
        outbound.spooled(.metrics, through: 10)
        try up(&outbound)
        #expect(outbound.wantsFromSpool()?.after == 0)
        #expect(outbound.unspooled(.metrics, [], .interrupted) == 0)
        #expect(outbound.wantsFromSpool()?.after == 0)
        #expect(outbound.unspooled(.metrics, [frame(1)], .interrupted) == 0)
        #expect(outbound.wantsFromSpool()?.after == 1)
        #expect(outbound.state(.metrics).drops == [:])
    }

    @Test func `older frames are read back when the disk lost the newest`() throws {
        var outbound = outbound(frames: 3)
        for sequence: UInt64 in 1...6 {
            _ = outbound.enqueue(frame(sequence), now: late)
            outbound.spooled(.metrics, through: sequence)
        }
        #expect(outbound.spoolLost(.metrics, [6]) == 1)
        #expect(outbound.state(.metrics).drops == [.spoolFailed: 1])
        try up(&outbound)
        let read = outbound.wantsFromSpool()
        #expect(try #require(read).after < 5, "5 is on the disk still")
    }

    @Test func `a damaged spool cannot bring in what no frame can carry`() throws {
        var outbound = outbound(frames: 3)
        outbound.spooled(.metrics, through: 10)
        try up(&outbound)
        _ = outbound.wantsFromSpool()
        outbound.unspooled(
            .metrics, [Samples.data(.metrics, 9, bytes: WireLimits.dataPayloadBytes + 1), frame(10)])
        #expect(outbound.state(.metrics).drops == [.tooLarge: 1])
        #expect(sent(&outbound) == [10])
    }

    @Test func `when the agent stops, memory goes to the disk once`() throws {
        var outbound = Outbound(handedOut: PerClass(repeating: 0), now: t0)
        try up(&outbound)
        for name in TrafficClass.allCases { _ = outbound.enqueue(Samples.data(name, 1), now: t0) }
        _ = sent(&outbound)
        #expect(outbound.stopping() == [Samples.data(.health, 1), Samples.data(.metrics, 1)])
        #expect(outbound.stopping() == [])
    }

    @Test func `the most urgent spool is read first`() throws {
        var outbound = outbound(frames: 10)
        outbound.spooled(.metrics, through: 5)
        outbound.spooled(.health, through: 5)
        try up(&outbound)
        #expect(outbound.wantsFromSpool()?.class == .health)
        #expect(outbound.wantsFromSpool()?.class == .metrics)
        #expect(outbound.wantsFromSpool() == nil)
    }
}
