/// Hands out the sequences of one class so that no number is ever used twice, whatever crashes. Numbers are reserved in
/// batches: a ceiling is put on the disk before the first number of its batch is used, and after a restart counting
/// goes on above the ceiling. What was reserved and not used is a gap, which is legal.
package struct SequenceReservation: Sendable {
    package struct Next: Equatable, Sendable {
        package let sequence: UInt64
        /// Must be on the disk before `sequence` is used; nil when the disk already covers it.
        package let persistCeiling: UInt64?
    }

    /// Numbers for each write to the disk: at one metric frame a second, one write in an hour.
    package static let batch: UInt64 = 4_096

    private var last: UInt64
    private var ceiling: UInt64
    private let batch: UInt64

    /// `persistedCeiling` as read from the disk; 0 for a new lineage. Throws `sequencesExhausted` for a number that
    /// only damage can have written.
    package init(
        persistedCeiling: UInt64, batch: UInt64 = SequenceReservation.batch
    ) throws(WireError) {
        guard persistedCeiling <= WireLimits.sequenceCeiling / 2 else {
            throw .sequencesExhausted(ceiling: persistedCeiling)
        }
        last = persistedCeiling
        ceiling = persistedCeiling
        self.batch = min(max(1, batch), 1 << 32)
    }

    /// The lowest number that was never handed out, nor by an earlier process.
    package var nextUnused: UInt64 { last &+ 1 }

    package mutating func next() -> Next {
        // Cannot wrap: counting began in the lowest quarter of the range.
        last &+= 1
        guard last > ceiling else { return Next(sequence: last, persistCeiling: nil) }
        ceiling = ceiling &+ batch
        return Next(sequence: last, persistCeiling: ceiling)
    }
}
