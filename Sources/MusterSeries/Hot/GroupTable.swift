/// All groups. A group has a place, which is used again, and an id, which is not.
package struct GroupTable: Sendable {
    private static let nobody = UInt32.max

    /// By place.
    private(set) var heads: [GroupHead] = []
    private var places: [UInt32: UInt32] = [:]
    private var pool = NumberPool()
    /// Ids from here on have not been used.
    private(set) var nextID: UInt32 = 0
    private var headBytes = 0

    package init() {}

    package var count: Int { places.count }

    package func place(of id: GroupID) -> UInt32? { places[id.number] }

    /// Places of all groups, ascending.
    var inUse: [UInt32] { (0..<UInt32(heads.count)).filter { heads[Int($0)].owner != Self.nobody } }

    /// A new group; nil when there are no ids left.
    mutating func create(owner: UInt32, kind: OwnerKind) -> UInt32? {
        guard nextID < .max else { return nil }
        return create(id: GroupID(number: nextID), owner: owner, kind: kind)
    }

    /// A new group with an id that nobody has; nil when somebody has it.
    mutating func create(id: GroupID, owner: UInt32, kind: OwnerKind) -> UInt32? {
        guard places[id.number] == nil, id.number < .max, let place = pool.take() else { return nil }
        nextID = max(nextID, id.number + 1)
        let head = GroupHead(id: id, owner: owner, kind: kind)
        if Int(place) == heads.count { heads.appendSparing(head) } else { heads[Int(place)] = head }
        places[id.number] = place
        return place
    }

    /// Ids below this were in use some time.
    mutating func reserveIDs(below limit: UInt32) { nextID = max(nextID, limit) }

    /// Changes a group and keeps account of what it holds.
    @inline(__always)
    mutating func change<R>(_ place: UInt32, _ body: (inout GroupHead) -> R) -> R {
        headBytes -= heads[Int(place)].bytes
        defer { headBytes += heads[Int(place)].bytes }
        return body(&heads[Int(place)])
    }

    /// Direct access for what does not change how much a group holds.
    @inline(__always)
    mutating func fill(_ place: UInt32, slot: Int, milliseconds: Int64, bits: UInt64) -> Bool {
        heads[Int(place)].fill(slot: slot, milliseconds: milliseconds, bits: bits)
    }

    @inline(__always)
    mutating func fill(
        _ place: UInt32, milliseconds: Int64, refs: Span<SeriesRef>, bits: Span<UInt64>, from start: Int,
        records: [SeriesRecord]
    ) -> Int {
        heads[Int(place)].fill(
            milliseconds: milliseconds, refs: refs, bits: bits, from: start, group: place, records: records)
    }

    mutating func becameFull(_ place: UInt32, rowsPerBlock: Int) -> Bool {
        heads[Int(place)].becameFull(rowsPerBlock: rowsPerBlock)
    }

    mutating func remove(_ gone: [UInt32]) {
        for place in gone {
            headBytes -= heads[Int(place)].bytes
            places[heads[Int(place)].id.number] = nil
            heads[Int(place)] = GroupHead(id: GroupID(number: .max), owner: Self.nobody, kind: .agent)
        }
        pool.giveBack(gone)
        heads.removeLast(heads.count - Int(pool.limit))
        heads.trim()
    }

    var bytes: Int {
        headBytes + heads.capacity * MemoryLayout<GroupHead>.stride + pool.bytes + places.count * 24
    }
}
