import MusterModel

// What the wiring asks now and then.
extension SeriesStore {
    /// Nil when nobody has this key.
    package func ownerRef(key: String) -> OwnerRef? { owners.ref(key: key) }
    /// The keys of the owners of one kind, in no order.
    package func ownerKeys(_ kind: OwnerKind) -> [String] {
        owners.owners.compactMap { $0?.kind == kind ? $0?.key : nil }
    }

    package func hasGroup(_ group: GroupID) -> Bool { groups.place(of: group) != nil }

    /// Milliseconds; samples from before are past the retention.
    package var oldestTaken: Int64 { earliest }

    /// Labels in use, blocks that are named, and the times of the oldest and the newest sample (nil without any).
    package var extent: (labelPairs: Int, blocks: Int, times: ClosedRange<Int64>?) {
        var blocks = 0
        var (oldest, newest) = (Int64.max, Int64.min)
        for place in groups.inUse {
            let head = groups.heads[Int(place)]
            blocks += head.blocks.count
            oldest = min(oldest, head.oldest)
            newest = max(newest, head.newest)
        }
        return (pairs.values.values.reduce(0) { $0 + $1.count }, blocks, oldest <= newest ? oldest...newest : nil)
    }

    /// Owners with their budgets: those that were refused something first, then the largest; at most `limit` of these.
    package func ownerBudgets(limit: Int) -> [SeriesOwner] {
        let all = owners.owners.compactMap { $0 }
        let refused = all.filter { $0.refused > 0 }.sorted { $0.refused > $1.refused }
        let others = all.filter { $0.refused == 0 }.sorted { $0.seriesCount > $1.seriesCount }
        return refused + others.prefix(limit)
    }

    /// Bytes of the texts of each label's values, largest first.
    package func labelNameBytes(limit: Int) -> [CardinalityReport.Count] {
        let texts = symbols.texts
        let counts = pairs.values.map { name, values in
            CardinalityReport.Count(
                name: texts.text(of: name),
                count: values.reduce(0) { $0 + texts.byteCount(of: pairs.pairs[Int($1)].value) })
        }
        return Array(counts.sorted { ($1.count, $0.name) < ($0.count, $1.name) }.prefix(limit))
    }
}
