/// Whose series they are.
package struct OwnerRef: Hashable, Sendable {
    package let number: UInt32
    let birth: UInt32
}

/// How an owner's samples arrive.
package enum OwnerKind: UInt8, Sendable {
    /// A host of the fleet: one stream, in order.
    case agent
    /// A target whose samples others pass on; they may be late by `outOfOrderWindow`.
    case relayed

    /// How much of a limit that all owners share new ones of this kind may use. The last fifth is the agents': budgets
    /// hold who pushes series of a few targets, but not who gives each of them a target of its own. A tenth would be
    /// too little, because tables grow by up to that much at once.
    func share(of limit: Int) -> Int { self == .agent ? limit : limit - limit / 5 }
}

/// One owner of series and its budget.
package struct SeriesOwner: Sendable {
    package let key: String
    package let kind: OwnerKind
    /// The most series.
    package var budget: Int
    package var seriesCount = 0
    /// Series that were refused.
    package var refused: UInt64 = 0
    /// Places in the table of groups, in the order of their beginning; only the last one takes new series.
    var groups: [UInt32] = []
    let birth: UInt32
}

/// Owners by key. One that has no series is forgotten with the next round of forgetting.
package struct OwnerTable: Sendable {
    private(set) var owners: [SeriesOwner?] = []
    private var byKey: [String: UInt32] = [:]
    private var free: [UInt32] = []
    private var births: UInt32 = 0
    private let maxOwners: Int

    package init(maxOwners: Int) { self.maxOwners = maxOwners }

    package var count: Int { byKey.count }

    /// The owner with this key, new or known. Nil when there are too many for one of its kind.
    package mutating func owner(key: String, kind: OwnerKind, budget: Int) -> OwnerRef? {
        if let number = byKey[key], let known = owners[Int(number)] {
            return OwnerRef(number: number, birth: known.birth)
        }
        guard count < kind.share(of: maxOwners) else { return nil }
        births &+= 1
        let number = free.popLast() ?? UInt32(owners.count)
        let new = SeriesOwner(key: key, kind: kind, budget: budget, birth: births)
        if Int(number) == owners.count { owners.appendSparing(new) } else { owners[Int(number)] = new }
        byKey[key] = number
        return OwnerRef(number: number, birth: births)
    }

    package func ref(key: String) -> OwnerRef? {
        guard let number = byKey[key], let known = owners[Int(number)] else { return nil }
        return OwnerRef(number: number, birth: known.birth)
    }

    package subscript(ref: OwnerRef) -> SeriesOwner? {
        get {
            guard ref.number < owners.count, let owner = owners[Int(ref.number)], owner.birth == ref.birth else {
                return nil
            }
            return owner
        }
    }

    /// Changes an owner in place. Nothing happens when nobody has the number.
    mutating func update(_ number: UInt32, _ change: (inout SeriesOwner) -> Void) {
        guard var owner = owners[Int(number)] else { return }
        owners[Int(number)] = nil
        change(&owner)
        owners[Int(number)] = owner
    }

    /// Forgets who has neither series nor groups.
    mutating func forgetIdle() {
        for number in owners.indices {
            guard let owner = owners[number], owner.seriesCount == 0, owner.groups.isEmpty else { continue }
            byKey[owner.key] = nil
            owners[number] = nil
            free.append(UInt32(number))
        }
        while let last = owners.last, last == nil { owners.removeLast() }
        free.removeAll { $0 >= owners.count }
        free.sort(by: >)
        owners.trim()
    }

    var bytes: Int {
        owners.capacity * MemoryLayout<SeriesOwner?>.stride + free.capacity * 4 + byKey.count * 96
    }
}
