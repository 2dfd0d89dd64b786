/// Rows to be made into a block. Making them (`rows`) needs no lock.
package struct SealableHead: Sendable {
    package let group: GroupID
    let pieces: [HeadRows]

    /// All of them by time, rows of one time made one.
    package func rows() -> BlockRows { BlockRows.merged(pieces.map { $0.rows() }) }
}

/// Which heads to seal.
package enum SealChoice: Equatable, Sendable {
    /// All that have rows, the open ones included: for a checkpoint.
    case all
    /// Those with `Settings.rowsPerBlock` closed rows.
    case full
    /// Those with a row before this time (milliseconds), the open ones included.
    case olderThan(Int64)
}

// Sealing and forgetting.
extension SeriesStore {
    /// Sets rows aside and hands them out: for each group exactly one of `sealed` and `sealingFailed` has to follow.
    /// Samples go on behind them. A group whose rows are out already is left out, so a checkpoint begins when the
    /// sealing before has ended.
    package mutating func takeSealable(_ choice: SealChoice) -> [SealableHead] {
        let chosen: [UInt32]
        switch choice {
        case .all: chosen = groups.inUse
        case .olderThan(let time): chosen = groups.inUse.filter { groups.heads[Int($0)].oldestUnsealed < time }
        case .full:
            chosen = fullGroups.filter { $0 < groups.heads.count }
            fullGroups = []
        }
        var found: [SealableHead] = []
        for place in chosen {
            let pieces = groups.change(place) { $0.beginSealing(includingOpen: choice != .full) }
            guard !pieces.isEmpty else { continue }
            found.append(SealableHead(group: groups.heads[Int(place)].id, pieces: pieces))
        }
        return found
    }

    /// The rows that were handed out are in these blocks now.
    package mutating func sealed(_ group: GroupID, _ blocks: [BlockRef]) {
        guard let place = groups.place(of: group) else { return }
        groups.change(place) { $0.endSealing(blocks) }
    }

    /// The rows could not be written: they stay in memory and are handed out again.
    package mutating func sealingFailed(_ group: GroupID) {
        guard let place = groups.place(of: group) else { return }
        groups.change(place) { $0.sealingFailed() }
        if groups.heads[Int(place)].sealing.contains(where: { $0.rowCount >= settings.rowsPerBlock }) {
            fullGroups.append(place)
        }
    }

    /// The blocks of some parts stand in others now (written out, or merged). Older views read the old ones.
    package mutating func blocksMoved(from old: Set<UInt32>, to new: [(GroupID, BlockRef)]) {
        for place in groups.inUse { groups.change(place) { $0.drop(parts: old) } }
        for (group, block) in new {
            guard let place = groups.place(of: group) else { continue }
            groups.change(place) { $0.add([block]) }
        }
    }

    /// Parts are gone. Series that have no sample left and ended, or were not heard of for the retention, are
    /// forgotten, with everything that only they used.
    package mutating func partsDropped(_ parts: Set<UInt32>) {
        for place in groups.inUse { groups.change(place) { $0.drop(parts: parts) } }
        forgetSeries()
    }

    /// What `partsDropped` does behind the parts; for a store without parts call it now and then.
    package mutating func forgetSeries() {
        let idleBefore = now == .min ? Int64.min : earliest
        var gone: [UInt32] = []
        var goneGroups: [UInt32] = []
        for place in groups.inUse {
            let slots = groups.heads[Int(place)].forgettable(idleBefore: idleBefore)
            guard slots != 0 else { continue }
            let owner = groups.heads[Int(place)].owner
            for slot in groups.heads[Int(place)].numbers.indices where slots >> UInt64(slot) & 1 == 1 {
                gone.append(groups.heads[Int(place)].numbers[slot])
                groups.change(place) { $0.forget(slot: slot) }
            }
            owners.update(owner) { $0.seriesCount -= slots.nonzeroBitCount }
            if groups.heads[Int(place)].live == 0 { goneGroups.append(place) }
        }
        if !gone.isEmpty { forget(gone) }
        if !goneGroups.isEmpty { drop(groups: goneGroups) }
        owners.forgetIdle()
    }

    private mutating func forget(_ gone: [UInt32]) {
        var dead = NumberSet(limit: table.records.count)
        var touched = NumberSet(limit: pairs.pairs.count)
        for number in gone {
            dead.insert(number)
            for pair in table.pairs(of: table.records[Int(number)]) { touched.insert(pair) }
        }
        pairs.remove(series: dead, from: touched.numbers, symbols: &symbols)
        table.remove(gone)
        fingerprints.trim(table)
        refusedByMetric = refusedByMetric.filter { $0.key < pairs.lists.count && pairs.lists[Int($0.key)].count > 0 }
        uncatalogued.removeAll { dead.contains($0) }
        uncatalogued.trim()
        metadata.forget(symbols: &symbols, keeping: pairs, metricName: symbols.texts.symbol(for: metricName.span))
        counters.seriesForgotten += UInt64(gone.count)
    }

    private mutating func drop(groups gone: [UInt32]) {
        let set = Set(gone)
        var touchedOwners: Set<UInt32> = []
        for place in gone { touchedOwners.insert(groups.heads[Int(place)].owner) }
        for owner in touchedOwners { owners.update(owner) { $0.groups.removeAll { set.contains($0) } } }
        fullGroups.removeAll { set.contains($0) }
        droppedGroups.append(contentsOf: gone.map { groups.heads[Int($0)].id })
        groups.remove(gone)
    }
}
