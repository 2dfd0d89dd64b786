import MusterModel
import MusterWire
import Testing

/// Frames that build on each other: what is kept of them after the acknowledgement, and when it is sent again.
struct RetainedTests {
    private let t0 = Samples.seconds(0)
    private let late = Samples.seconds(10)

    /// Reading can begin at 1, 11, 21 and so on.
    private func outbound(handedOut: UInt64 = 0) -> Outbound {
        Outbound(
            settings: PerClass(repeating: LaneSettings(memoryBytes: 8 << 20, overflow: .spill)),
            handedOut: PerClass(repeating: handedOut),
            canBegin: PerClass(control: nil, health: nil, metrics: { $0.sequence % 10 == 1 }, logs: nil), now: t0)
    }

    private func up(_ outbound: inout Outbound, durable: UInt64 = 0) throws -> [Released] {
        try outbound.welcomed(
            durable: PerClass(control: 0, health: 0, metrics: durable, logs: 0),
            windows: PerClass(repeating: Window()))
    }

    private func enqueue(_ sequences: ClosedRange<UInt64>, bytes: Int = 10, to outbound: inout Outbound) {
        for sequence in sequences {
            #expect(outbound.enqueue(Samples.data(.metrics, sequence, bytes: bytes), now: t0) == .queued)
        }
    }

    private func sent(_ outbound: inout Outbound) -> [UInt64] {
        var sequences: [UInt64] = []
        while case .data(let data)? = outbound.nextFrame() { sequences.append(data.sequence) }
        return sequences
    }

    @Test func `acknowledged frames are kept from the last beginning on`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...14, to: &outbound)
        #expect(sent(&outbound) == Array(1...14))
        let cost = 10 + WireLimits.queuedFrameOverheadBytes
        _ = try outbound.acknowledged(.metrics, sequence: 5)
        #expect(outbound.state(.metrics).retainedBytes == 5 * cost)
        // The first unacknowledged is a beginning: nothing builds on what came before.
        _ = try outbound.acknowledged(.metrics, sequence: 10)
        #expect(outbound.state(.metrics).retainedBytes == 0)
        _ = try outbound.acknowledged(.metrics, sequence: 14)
        #expect(outbound.state(.metrics).retainedBytes == 4 * cost)
        #expect(outbound.state(.metrics).memoryBytes == 0)
    }

    @Test(
        arguments: [
            // (the coordinator holds, what it is sent)
            (14, [15, 16]), (13, [14, 15, 16]), (11, Array(12...16)), (10, Array(11...16)),
            (0, Array(11...16)),
        ] as [(UInt64, [UInt64])])
    func `a coordinator that lost its state is sent what it misses`(durable: UInt64, expected: [UInt64]) throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...14, to: &outbound)
        _ = sent(&outbound)
        _ = try outbound.acknowledged(.metrics, sequence: 14)
        enqueue(15...16, to: &outbound)
        outbound.disconnected(now: t0)
        #expect(try up(&outbound, durable: durable).isEmpty)
        #expect(sent(&outbound) == expected)
        // Acknowledged once more, all is as it was.
        #expect(try outbound.acknowledged(.metrics, sequence: 16)?.frames == expected.count)
        #expect(outbound.state(.metrics).retainedBytes == 6 * (10 + WireLimits.queuedFrameOverheadBytes))
        #expect(outbound.state(.metrics).memoryFrames == 0)
    }

    @Test func `bytes and sequences are those of the first time`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...3, to: &outbound)
        var first: [Frame] = []
        while let frame = outbound.nextFrame() { first.append(frame) }
        _ = try outbound.acknowledged(.metrics, sequence: 3)
        outbound.disconnected(now: t0)
        _ = try up(&outbound)
        var second: [Frame] = []
        while let frame = outbound.nextFrame() { second.append(frame) }
        #expect(first == second && first.count == 3)
    }

    @Test func `frames that stand alone are not kept`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        for sequence in 1...3 as ClosedRange<UInt64> { _ = outbound.enqueue(Samples.data(.logs, sequence), now: t0) }
        _ = sent(&outbound)
        _ = try outbound.acknowledged(.logs, sequence: 3)
        #expect(outbound.state(.logs).retainedBytes == 0)
        outbound.disconnected(now: t0)
        _ = try up(&outbound)
        #expect(sent(&outbound).isEmpty)
    }

    @Test func `beyond the limit all of them are forgotten`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...5, bytes: 120 << 10, to: &outbound)
        _ = sent(&outbound)
        _ = try outbound.acknowledged(.metrics, sequence: 4)
        #expect(outbound.state(.metrics).retainedBytes > 480 << 10)
        _ = try outbound.acknowledged(.metrics, sequence: 5)
        #expect(outbound.state(.metrics).retainedBytes == 0)
        enqueue(6...7, to: &outbound)
        outbound.disconnected(now: t0)
        _ = try up(&outbound)
        // The coordinator cannot read these and asks for a new beginning.
        #expect(sent(&outbound) == [6, 7])
    }

    @Test func `the spool begins where reading can begin and keeps it`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...4, to: &outbound)
        _ = sent(&outbound)
        #expect(try outbound.acknowledged(.metrics, sequence: 4)?.spoolThrough == 4)
        outbound.disconnected(now: t0)
        let spilled = outbound.enqueue(Samples.data(.metrics, 5), now: late)
        #expect(spilled == .spill((1...5).map { Samples.data(.metrics, $0) }))
        outbound.spooled(.metrics, through: 5)
        #expect(outbound.enqueue(Samples.data(.metrics, 6), now: late) == .spill([Samples.data(.metrics, 6)]))
        outbound.spooled(.metrics, through: 6)
        _ = try up(&outbound, durable: 4)
        let read = outbound.wantsFromSpool()
        #expect(read?.after == 4)
        outbound.unspooled(.metrics, (5...6).map { Samples.data(.metrics, $0) })
        #expect(sent(&outbound) == [5, 6])
        #expect(try outbound.acknowledged(.metrics, sequence: 5)?.spoolThrough == 0)
        #expect(try outbound.acknowledged(.metrics, sequence: 6)?.spoolThrough == 6)
        // The spool is empty now: the next time it begins anew.
        outbound.disconnected(now: t0)
        #expect(
            outbound.enqueue(Samples.data(.metrics, 7), now: late)
                == .spill((1...7).map { Samples.data(.metrics, $0) }))
    }

    @Test func `a frame that begins anew is spilled alone`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...10, to: &outbound)
        _ = sent(&outbound)
        _ = try outbound.acknowledged(.metrics, sequence: 10)
        outbound.disconnected(now: t0)
        #expect(outbound.enqueue(Samples.data(.metrics, 11), now: late) == .spill([Samples.data(.metrics, 11)]))
        #expect(outbound.stopping().isEmpty)
    }

    @Test func `stopping with everything acknowledged writes nothing`() throws {
        var outbound = outbound()
        _ = try up(&outbound)
        enqueue(1...4, to: &outbound)
        _ = sent(&outbound)
        _ = try outbound.acknowledged(.metrics, sequence: 4)
        #expect(outbound.stopping().isEmpty)
        enqueue(5...5, to: &outbound)
        #expect(outbound.stopping().map(\.sequence) == [1, 2, 3, 4, 5])
    }

    /// The process before spilled 1 to 6; the coordinator held 4 of them and lost some before they were read back.
    @Test(
        arguments: [(0, 0, Array(1...6)), (2, 0, Array(3...6)), (0, 2, Array(1...6)), (3, 2, Array(4...6))]
            as [(UInt64, UInt64, [UInt64])])
    func `what is read back after the loss is sent as far as it is missing`(
        durable: UInt64, readBefore: UInt64, expected: [UInt64]
    ) throws {
        var outbound = outbound(handedOut: 20)
        outbound.spooled(.metrics, through: 6)
        _ = try up(&outbound, durable: 4)
        if readBefore > 0 {
            _ = outbound.wantsFromSpool()
            outbound.unspooled(.metrics, (1...readBefore).map { Samples.data(.metrics, $0) })
        }
        outbound.disconnected(now: t0)
        _ = try up(&outbound, durable: durable)
        let read = outbound.wantsFromSpool()
        #expect(read?.after == readBefore)
        outbound.unspooled(.metrics, ((readBefore + 1)...6).map { Samples.data(.metrics, $0) })
        #expect(sent(&outbound) == expected)
    }

    /// The process before spilled 1 to 6, of which the coordinator has acknowledged 4.
    @Test func `the next process retains what it finds in the spool`() throws {
        var outbound = outbound(handedOut: 20)
        outbound.spooled(.metrics, through: 6)
        #expect(try up(&outbound, durable: 4).map(\.spoolThrough) == [0])
        let read = outbound.wantsFromSpool()
        #expect(read?.after == 0)
        outbound.unspooled(.metrics, (1...6).map { Samples.data(.metrics, $0) })
        #expect(sent(&outbound) == [5, 6])
        #expect(try outbound.acknowledged(.metrics, sequence: 5)?.spoolThrough == 0)
        outbound.disconnected(now: t0)
        #expect(try up(&outbound, durable: 0).isEmpty)
        #expect(sent(&outbound) == Array(1...6))
    }
}
