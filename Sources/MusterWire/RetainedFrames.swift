import DequeModule
import MusterModel

/// Acknowledged frames of a class whose frames build on each other: from the last at which reading can begin on, in
/// order and without a gap. What is not acknowledged builds on them. At most `WireLimits.retainedBytes`.
struct RetainedFrames: Sendable {
    private var entries: Deque<OutboundQueue.Entry> = []
    /// Payloads and the overhead of each frame.
    private(set) var bytes = 0

    var first: UInt64? { entries.first?.frame.sequence }
    var last: UInt64? { entries.last?.frame.sequence }

    /// The next frame was acknowledged. Without a beginning it is of no use.
    mutating func append(_ entry: OutboundQueue.Entry) {
        if entry.canBegin { removeAll() }
        guard entry.canBegin || !entries.isEmpty else { return }
        entries.append(entry)
        bytes += entry.cost
        if bytes > WireLimits.retainedBytes { removeAll() }
    }

    mutating func removeAll() {
        entries.removeAll()
        bytes = 0
    }

    /// The newest, when the coordinator misses it.
    mutating func popLast(after durable: UInt64) -> OutboundQueue.Entry? {
        guard let last = entries.last, last.frame.sequence > durable else { return nil }
        entries.removeLast()
        bytes -= last.cost
        return last
    }

    /// Those that the spool does not have; from now on they count as spilled.
    mutating func takeUnspilled() -> [DataFrame] {
        var frames: [DataFrame] = []
        for index in entries.indices where !entries[index].isOnDisk {
            frames.append(entries[index].frame)
            entries[index].isOnDisk = true
        }
        return frames
    }

    /// The spool does not have these.
    mutating func notSpilled(_ sequences: some Sequence<UInt64>) {
        guard let first, let last else { return }
        for sequence in sequences where (first...last).contains(sequence) {
            if let index = entries.firstIndex(where: { $0.frame.sequence == sequence }) {
                entries[index].isOnDisk = false
            }
        }
    }

    /// The spool is empty.
    mutating func spoolEmptied() { for index in entries.indices { entries[index].isOnDisk = false } }
}
