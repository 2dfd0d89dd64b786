package import MusterModel

/// Everything the agent has made and the coordinator has not acknowledged, across connections.
///
/// Each class has its own queue, window and memory budget. The most urgent class that has something to send and room in
/// its window goes first. What cannot wait in memory goes to the disk spool: the machine says what to write and what to
/// read back, the wiring does it. A frame keeps its sequence and its bytes however often it is sent.
///
/// Where frames of a class build on each other, `canBegin` says at which of them reading can begin. Acknowledged frames
/// are retained, within `WireLimits.retainedBytes`, from the last such frame on that is not behind the first
/// unacknowledged one. A coordinator whose welcome says that it holds less than it once acknowledged has lost its
/// state: it is sent the retained frames that it misses once more, under their own sequences, and can read all that
/// follows. The spool begins at such a frame too.
///
///     event                        link down                          link up
///     enqueue                      queued; spill after `spillAfter`   queued; spill when the budget is used up
///     welcomed                     forget what is durable, send the rest again from its beginning
///     acknowledged                 -                                  forget it
///     disconnected                 -                                  what is unacknowledged waits for the next link
///     nextFrame, wantsFromSpool    nil                                the next in turn
///
/// While a class has frames on the disk that are not read back, its newer frames go there too: order is kept.
package struct Outbound: Sendable {
    /// How long the link may be down before what can spill does, so that a short break costs no write.
    package static let spillAfter = Duration.seconds(2)

    private var queues: PerClass<OutboundQueue>
    /// Nil while the link is down.
    private var windows: PerClass<Window>?
    private var downSince: Instant

    /// `handedOut`: for each class the highest sequence this lineage may have used, in this process or an earlier one
    /// (the ceilings of `SequenceReservation` as read from the disk). `canBegin`: whether a frame can be read without
    /// those before it, for classes whose frames build on each other; nil where none does.
    package init(
        settings: PerClass<LaneSettings> = LaneSettings.standard, handedOut: PerClass<UInt64>,
        canBegin: PerClass<(@Sendable (DataFrame) -> Bool)?> = PerClass(repeating: nil), now: Instant
    ) {
        queues = PerClass {
            OutboundQueue($0, settings: settings[$0], handedOut: handedOut[$0], canBegin: canBegin[$0])
        }
        downSince = now
    }

    package var isUp: Bool { windows != nil }

    package func state(_ name: TrafficClass) -> LaneState { queues[name].state }

    // MARK: In

    /// Takes a frame over. Sequences of a class must increase; a frame that was dropped for want of memory may come
    /// again under its sequence.
    package mutating func enqueue(_ frame: DataFrame, now: Instant) -> EnqueueEffect {
        let isSpillDue = !isUp && now - downSince >= Self.spillAfter
        return queues[frame.class].enqueue(frame, isSpillDue: isSpillDue)
    }

    /// Whether a frame with this much payload would be queued in memory: the log tailer stops reading when not.
    package func hasRoom(_ name: TrafficClass, payloadBytes: Int = 0) -> Bool {
        queues[name].hasRoom(payloadBytes: payloadBytes)
    }

    /// The agent stops: everything that is in memory only and can spill, in order, to be appended to the spool.
    package mutating func stopping() -> [DataFrame] {
        TrafficClass.allCases.flatMap { name in
            queues[name].settings.overflow == .spill ? queues[name].takeUnspilled() : []
        }
    }

    // MARK: The link

    /// Throws `durableBeyondHandedOut` when the coordinator has frames this lineage cannot have made yet; nothing is
    /// changed then. Answers what may be forgotten.
    package mutating func welcomed(
        durable: PerClass<UInt64>, windows: PerClass<Window>
    ) throws(WireError) -> [Released] {
        for name in TrafficClass.allCases where durable[name] > queues[name].everSent {
            throw .durableBeyondHandedOut(name, durable: durable[name], handedOut: queues[name].everSent)
        }
        self.windows = windows
        return TrafficClass.allCases.compactMap { name in
            queues[name].rewind()
            queues[name].restore(after: durable[name])
            return queues[name].release(through: durable[name])
        }
    }

    /// Nil when that much was known to be durable. Throws `acknowledgedBeyondSent`.
    ///
    /// A frame that was sent on an earlier connection may be acknowledged on this one before it is sent again: the
    /// coordinator received it then and has it on its disk now.
    package mutating func acknowledged(_ name: TrafficClass, sequence: UInt64) throws(WireError) -> Released? {
        guard sequence <= queues[name].everSent else {
            throw .acknowledgedBeyondSent(name, sequence: sequence, sent: queues[name].everSent)
        }
        return queues[name].release(through: sequence)
    }

    package mutating func disconnected(now: Instant) {
        guard isUp else { return }
        windows = nil
        downSince = now
        for name in TrafficClass.allCases { queues[name].rewind() }
    }

    /// The next frame to write; nil when the link is down, nothing waits or the windows are full.
    package mutating func nextFrame() -> Frame? {
        guard let windows else { return nil }
        for name in TrafficClass.allCases {
            if let frame = queues[name].next(windows[name]) { return .data(frame) }
        }
        return nil
    }

    // MARK: The spool

    /// Everything of the class up to the sequence that was to be spilled is in the spool. Also said at start, once for
    /// each class, of what the spool holds from before.
    package mutating func spooled(_ name: TrafficClass, through sequence: UInt64) {
        queues[name].spooled(through: sequence)
    }

    /// The spool did not take the frames of one spill. Answers how many are lost; they are counted.
    package mutating func spoolFailed(_ name: TrafficClass, _ frames: [DataFrame]) -> Int {
        queues[name].spoolFailed(frames)
    }

    /// The spool forgot these, oldest first, to stay within its budget. Answers how many are lost; they are counted.
    package mutating func spoolDropped(_ name: TrafficClass, _ sequences: some Sequence<UInt64>) -> Int {
        queues[name].spoolDropped(sequences)
    }

    /// The disk failed before it had these, which are the newest of the spool. What is in memory stays there. Answers
    /// how many are lost; they are counted.
    package mutating func spoolLost(_ name: TrafficClass, _ sequences: some Sequence<UInt64>) -> Int {
        queues[name].spoolLost(sequences)
    }

    /// The most urgent class whose spool should be read, once until `unspooled` answers; nil when none.
    package mutating func wantsFromSpool() -> SpoolRead? {
        guard isUp else { return nil }
        for name in TrafficClass.allCases {
            if let read = queues[name].wantsFromSpool() { return read }
        }
        return nil
    }

    /// What was read for `wantsFromSpool`, in order. Answers how many are lost; they are counted.
    @discardableResult
    package mutating func unspooled(
        _ name: TrafficClass, _ frames: [DataFrame], _ end: SpoolReadEnd = .whole
    ) -> Int {
        queues[name].unspooled(frames, end)
    }
}
