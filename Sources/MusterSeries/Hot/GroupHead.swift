import MusterModel

/// Up to 64 series of one owner, in slots: the rows in memory, and where the sealed ones are.
///
/// Samples go into the open row; it is closed when one of another time comes, and then immutable.
package struct GroupHead: Sendable {
    /// What became of a sample.
    package enum Placement: Equatable, Sendable {
        case stored
        /// The slot has this value at that time already.
        case exists(UInt64)
        case tooOld
        /// A sealed block covers the time and has to be asked.
        case maybeSealed
    }

    static let noSeries = UInt32.max

    package let id: GroupID
    /// The owner's number and kind.
    let owner: UInt32
    let kind: OwnerKind
    /// By slot, `noSeries` for one that nobody has. A slot is given out once.
    private(set) var numbers: [UInt32] = []
    package private(set) var live: UInt64 = 0
    /// Slots whose newest sample is a stale marker.
    package private(set) var ended: UInt64 = 0
    /// When the youngest series was created, by the store's time.
    private(set) var lastCreation = Int64.min

    /// The latest time of any row.
    package private(set) var newest = Int64.min
    package private(set) var tile = RowTile()
    package private(set) var rows = HeadRows()
    /// Rows that are being sealed, or have to be again.
    package private(set) var sealing: [HeadRows] = []
    /// Somebody is sealing `sealing`.
    package private(set) var isSealing = false
    /// The rows were reported as enough for a block.
    private var isReported = false
    /// Ascending by `from`.
    package private(set) var blocks: [BlockRef] = []
    /// Slots whose series are known from before a start, and the end of the last block then: no more is known of how
    /// late their samples are.
    private var restored: UInt64 = 0
    private var restoredTo = Int64.min

    package init(id: GroupID, owner: UInt32, kind: OwnerKind) {
        self.id = id
        self.owner = owner
        self.kind = kind
    }

    package var isFull: Bool { numbers.count == BlockRows.slots }

    package var bytes: Int {
        tile.bytes + numbers.capacity * 4 + blocks.capacity * MemoryLayout<BlockRef>.stride + rows.bytes
            + sealing.reduce(0) { $0 + $1.bytes }
    }

    /// Gives a slot, below 64, to a series. False when it has been given out.
    mutating func occupy(_ slot: UInt8, series: UInt32, now: Int64) -> Bool {
        let slot = Int(slot)
        guard slot >= numbers.count || numbers[slot] == Self.noSeries else { return false }
        while numbers.count <= slot { numbers.appendSparing(Self.noSeries) }
        numbers[slot] = series
        live |= 1 << UInt64(slot)
        lastCreation = max(lastCreation, now)
        tile.widen(toHold: slot)
        return true
    }

    /// The time of the slot's newest sample, `Int64.min` when it has none; of a series from before a start it may be
    /// earlier than this.
    package func newest(of slot: Int) -> Int64 {
        let known = tile.newest(of: slot)
        return restored >> UInt64(slot) & 1 == 1 ? max(known, restoredTo) : known
    }

    @inline(__always)
    mutating func fill(slot: Int, milliseconds: Int64, bits: UInt64) -> Bool {
        guard tile.fill(slot: slot, time: milliseconds, bits: bits) else { return false }
        noteEnd(1 << UInt64(slot), bits)
        return true
    }

    @inline(__always)
    private mutating func noteEnd(_ bit: UInt64, _ bits: UInt64) {
        ended = bits == StaleMarker.bitPattern ? ended | bit : ended & ~bit
    }

    /// `fill` for samples of this group that stand together, as far as it goes. Returns the index behind them.
    @inline(__always)
    mutating func fill(
        milliseconds: Int64, refs: Span<SeriesRef>, bits: Span<UInt64>, from start: Int, group: UInt32,
        records: [SeriesRecord]
    ) -> Int {
        let before = tile.mask
        let (next, stale) = tile.fill(
            time: milliseconds, refs: refs, bits: bits, from: start, group: group, records: records,
            staleBits: StaleMarker.bitPattern)
        ended = ended & ~(tile.mask & ~before) | stale
        return next
    }

    /// Places a sample wherever it belongs. `window` is how far it may lie behind the slot's newest; `asked` are blocks
    /// that are known not to have it.
    mutating func place(
        slot: Int, milliseconds: Int64, bits: UInt64, window: Int64, asked: [BlockRef] = []
    ) -> Placement {
        let known = tile.newest(of: slot)
        if milliseconds <= newest(of: slot) {
            // What was taken before a start is read again after it: nothing is too old by what is only assumed.
            let (oldest, overflow) = known.subtractingReportingOverflow(window)
            if !overflow, milliseconds < oldest { return .tooOld }
            if let known = value(slot: slot, milliseconds: milliseconds) { return .exists(known) }
            if covering(milliseconds).contains(where: { !asked.contains($0) }) { return .maybeSealed }
        }
        if !tile.isOpen || tile.time != milliseconds { open(milliseconds) }
        tile.set(slot: slot, bits: bits)
        if milliseconds >= known { noteEnd(1 << UInt64(slot), bits) }
        return .stored
    }

    /// Sealed blocks in whose time this is.
    func covering(_ milliseconds: Int64) -> [BlockRef] {
        blocks.filter { $0.from <= milliseconds && milliseconds <= $0.to }
    }

    /// `isOpenToAll` false: other samples of this time are looked at one by one.
    private mutating func open(_ milliseconds: Int64, isOpenToAll: Bool = true) {
        tile.close(into: &rows)
        tile.open(time: milliseconds, isFresh: isOpenToAll && milliseconds > newest)
        newest = max(newest, milliseconds)
    }

    /// The value of a slot at a time in the rows in memory.
    private func value(slot: Int, milliseconds: Int64) -> UInt64? {
        if let value = tile.value(slot: slot, time: milliseconds) { return value }
        if let value = rows.value(slot: slot, time: milliseconds) { return value }
        return sealing.lazy.compactMap { $0.value(slot: slot, time: milliseconds) }.first
    }
}

// What happens to series.
extension GroupHead {
    /// Writes a stale marker. Nothing happens when the series has ended, has no sample, or one then or later. Returns
    /// whether a marker was written.
    mutating func end(slot: Int, milliseconds: Int64) -> Bool {
        let bit: UInt64 = 1 << UInt64(slot)
        guard ended & bit == 0 else { return false }
        let last = newest(of: slot)
        guard last < milliseconds else { return false }
        ended |= bit
        guard last != .min else { return false }
        return place(slot: slot, milliseconds: milliseconds, bits: StaleMarker.bitPattern, window: 0) == .stored
    }

    /// Ends every live series that has a sample and has not ended, all in one row just behind the newest one. Returns
    /// how many.
    mutating func endAll() -> Int {
        var mask: UInt64 = 0
        for slot in numbers.indices where live & ~ended & 1 << UInt64(slot) != 0 && newest(of: slot) != .min {
            mask |= 1 << UInt64(slot)
        }
        ended |= live
        guard mask != 0, newest < .max else { return 0 }
        open(newest + 1, isOpenToAll: false)
        while mask != 0 {
            tile.set(slot: mask.trailingZeroBitCount, bits: StaleMarker.bitPattern)
            mask &= mask - 1
        }
        return tile.mask.nonzeroBitCount
    }

    /// Slots whose series can be forgotten: none of their samples is left, and they ended, or have not been heard of
    /// since `idleBefore` (milliseconds).
    func forgettable(idleBefore: Int64) -> UInt64 {
        let oldest = oldest
        var found: UInt64 = 0
        for slot in numbers.indices where live & 1 << UInt64(slot) != 0 {
            let bit: UInt64 = 1 << UInt64(slot)
            let last = newest(of: slot)
            guard last < oldest || last == .min else { continue }
            if ended & bit != 0 || max(last, lastCreation) < idleBefore { found |= bit }
        }
        return found
    }

    mutating func forget(slot: Int) {
        live &= ~(1 << UInt64(slot))
        ended &= ~(1 << UInt64(slot))
    }

    /// The earliest time that is left, `Int64.max` when nothing is.
    package var oldest: Int64 {
        var oldest = blocks.first?.from ?? .max
        for piece in sealing { oldest = min(oldest, piece.from) }
        oldest = min(oldest, rows.from)
        return tile.isOpen ? min(oldest, tile.time) : oldest
    }
}

// Sealing.
extension GroupHead {
    /// Rows in memory that nobody is sealing, the open one included.
    var unsealedRows: Int {
        (isSealing ? 0 : sealing.reduce(0) { $0 + $1.rowCount }) + rows.rowCount + (tile.isOpen ? 1 : 0)
    }

    /// The earliest time among them, `Int64.max` when there are none.
    var oldestUnsealed: Int64 {
        var oldest = min(rows.from, tile.isOpen ? tile.time : .max)
        if !isSealing { for piece in sealing { oldest = min(oldest, piece.from) } }
        return oldest
    }

    /// True once when the rows have become enough for a block.
    mutating func becameFull(rowsPerBlock: Int) -> Bool {
        guard !isReported, rows.rowCount >= rowsPerBlock else { return false }
        isReported = true
        return true
    }

    /// Sets the rows aside for sealing. Empty when there are none or the ones before are not sealed yet.
    mutating func beginSealing(includingOpen: Bool) -> [HeadRows] {
        guard !isSealing else { return [] }
        if includingOpen { tile.close(into: &rows) }
        if !rows.isEmpty {
            sealing.append(rows)
            rows = HeadRows()
            tile.startAfresh()
            isReported = false
        }
        isSealing = !sealing.isEmpty
        return sealing
    }

    /// The rows set aside are in these blocks now.
    mutating func endSealing(_ refs: [BlockRef]) {
        guard isSealing else { return }
        isSealing = false
        sealing = []
        add(refs)
    }

    /// Sealing did not work: the rows stay and are handed out again.
    mutating func sealingFailed() { isSealing = false }

    mutating func add(_ refs: [BlockRef]) {
        blocks.append(contentsOf: refs)
        blocks.sort { $0.from < $1.from }
    }

    /// Drops the blocks in these parts.
    mutating func drop(parts: Set<UInt32>) {
        guard blocks.contains(where: { parts.contains($0.part) }) else { return }
        blocks.removeAll { parts.contains($0.part) }
        blocks.trim()
    }

    /// After a start, when only the blocks are known: every series of now may have a sample as late as the last block.
    mutating func assumeSealed() {
        restoredTo = blocks.reduce(Int64.min) { max($0, $1.to) }
        restored = live
        newest = max(newest, restoredTo)
    }
}
