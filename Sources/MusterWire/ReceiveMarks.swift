package import MusterModel

/// What the coordinator received of one (host, boot) and what of it is on its disk, for each class. Shared by the
/// sessions that follow each other, so that a frame which is being synced when the link breaks is not stored a second
/// time when it comes again.
///
///     received(sequence)       above the mark: new, the mark moves         else: duplicate
///     becameDurable(through)   the durable mark moves, never beyond received
///     storeFailed              what is not durable was not received: it will come again
package struct ReceiveMarks: Equatable, Sendable {
    package enum Receipt: Equatable, Sendable {
        case new
        case duplicate
    }

    package private(set) var received: PerClass<UInt64>
    package private(set) var durable: PerClass<UInt64>
    package private(set) var duplicates = PerClass<UInt64>(repeating: 0)

    /// `durable`: rebuilt from the segments; 0 for none.
    package init(durable: PerClass<UInt64> = PerClass(repeating: 0)) {
        self.durable = durable
        received = durable
    }

    package mutating func received(_ name: TrafficClass, sequence: UInt64) -> Receipt {
        guard sequence > received[name] else {
            duplicates[name] &+= 1
            return .duplicate
        }
        received[name] = sequence
        return .new
    }

    /// Everything of the class up to `sequence` is on the disk. True when that is news.
    package mutating func becameDurable(_ name: TrafficClass, through sequence: UInt64) -> Bool {
        let reached = min(sequence, received[name])
        guard reached > durable[name] else { return false }
        durable[name] = reached
        return true
    }

    /// What was received and is not durable is lost. A session that brought some of it refuses the frame that follows,
    /// for stored without what is missing before it, it would hide the loss.
    package mutating func storeFailed(_ name: TrafficClass) {
        received[name] = durable[name]
    }
}
