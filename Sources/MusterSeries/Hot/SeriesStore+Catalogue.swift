/// Series and where they stand, in flat arrays: what the disk keeps so that blocks can be read after a start. Every
/// text and every label stands in it once.
package struct SeriesCatalogue: Equatable, Sendable {
    package struct Label: Hashable, BitwiseCopyable, Sendable {
        /// Indices in `texts`.
        package var name: UInt32
        package var value: UInt32

        package init(name: UInt32, value: UInt32) {
            self.name = name
            self.value = value
        }
    }

    package struct Owner: Equatable, Sendable {
        package var key: String
        package var kind: OwnerKind

        package init(key: String, kind: OwnerKind) {
            self.key = key
            self.kind = kind
        }
    }

    package struct Entry: Equatable, Sendable {
        package var group: GroupID
        package var slot: UInt8
        /// How many labels: the next ones of `labelIndices`.
        package var labelCount: UInt8
        /// Index in `owners`.
        package var owner: UInt32

        package init(group: GroupID, slot: UInt8, labelCount: UInt8, owner: UInt32) {
            self.group = group
            self.slot = slot
            self.labelCount = labelCount
            self.owner = owner
        }
    }

    /// UTF-8, one behind the other; text `i` ends at `textEnds[i]`.
    package var texts: [UInt8] = []
    package var textEnds: [UInt32] = []
    package var labels: [Label] = []
    package var owners: [Owner] = []
    package var entries: [Entry] = []
    /// Indices in `labels`, entry by entry.
    package var labelIndices: [UInt32] = []

    package init() {}
}

/// Series that a catalogue is to be made of. Making it (`catalogue`) needs no lock.
package struct CatalogueDraft: Sendable {
    struct Entry: Sendable {
        var labels: UInt32
        var group: GroupID
        var owner: UInt32
        var labelCount: UInt8
        var slot: UInt8
    }

    var entries: [Entry] = []
    var owners: [SeriesCatalogue.Owner] = []
    let texts: SymbolTexts
    let pairs: Paged<SymbolPair>
    let runs: RunArena<UInt32>

    package var count: Int { entries.count }

    package func catalogue() -> SeriesCatalogue {
        var made = SeriesCatalogue()
        made.owners = owners
        made.entries.reserveCapacity(entries.count)
        var labelIndex = [UInt32](repeating: .max, count: pairs.count)
        var textIndex = [UInt32](repeating: .max, count: Int(texts.limit))
        for entry in entries {
            made.entries.append(
                .init(group: entry.group, slot: entry.slot, labelCount: entry.labelCount, owner: entry.owner))
            for pair in runs.run(entry.labels, count: Int(entry.labelCount)) {
                if labelIndex[Int(pair)] == .max {
                    labelIndex[Int(pair)] = UInt32(made.labels.count)
                    let label = pairs[Int(pair)]
                    let name = index(of: label.name, &textIndex, &made)
                    made.labels.append(.init(name: name, value: index(of: label.value, &textIndex, &made)))
                }
                made.labelIndices.append(labelIndex[Int(pair)])
            }
        }
        return made
    }

    private func index(of symbol: UInt32, _ known: inout [UInt32], _ made: inout SeriesCatalogue) -> UInt32 {
        if known[Int(symbol)] == .max {
            known[Int(symbol)] = UInt32(made.textEnds.count)
            made.texts.append(contentsOf: texts.text(of: symbol).utf8)
            made.textEnds.append(UInt32(clamping: made.texts.count))
        }
        return known[Int(symbol)]
    }
}

// The catalogue.
extension SeriesStore {
    /// The series that no call before has named. When they could not be written, take `allSeries` the next time.
    package mutating func takeCatalogue() -> CatalogueDraft {
        let new = uncatalogued
        uncatalogued = []
        return draft(new.filter { $0 < table.records.count && !table.records[Int($0)].isCatalogued })
    }

    /// All series: to begin a catalogue anew without the forgotten ones.
    package mutating func takeWholeCatalogue() -> CatalogueDraft {
        uncatalogued = []
        return draft(table.records.indices.map(UInt32.init))
    }

    /// Groups that were dropped since the last call: what a catalogue says of them is past.
    package mutating func takeDroppedGroups() -> [GroupID] {
        defer { droppedGroups = [] }
        return droppedGroups
    }

    /// Numbers that nobody has are left out.
    private mutating func draft(_ numbers: [UInt32]) -> CatalogueDraft {
        var draft = CatalogueDraft(texts: symbols.texts, pairs: pairs.pairs, runs: table.runs)
        draft.entries.reserveCapacity(numbers.count)
        var ownerIndex = [UInt32](repeating: .max, count: owners.owners.count)
        for number in numbers {
            let record = table.records[Int(number)]
            guard record.birth != 0 else { continue }
            let owner = Int(groups.heads[Int(record.group)].owner)
            if ownerIndex[owner] == .max, let owning = owners.owners[owner] {
                ownerIndex[owner] = UInt32(draft.owners.count)
                draft.owners.append(.init(key: owning.key, kind: owning.kind))
            }
            draft.entries.append(
                .init(
                    labels: record.labels, group: groups.heads[Int(record.group)].id, owner: ownerIndex[owner],
                    labelCount: record.labelCount, slot: record.slot))
            table.setCatalogued(number)
        }
        return draft
    }

    /// Takes in series as a catalogue has them, regardless of budgets: they were accepted once. What does not fit
    /// (an index out of range, a slot or a label set that another series has, a bad text) is left out. Returns how many
    /// that were.
    package mutating func restore(_ catalogue: SeriesCatalogue) -> Int {
        var restoring = RestoredLabels(catalogue, symbols: &symbols, pairs: &pairs)
        defer { restoring.release(symbols: &symbols, pairs: &pairs) }
        table.reserve(catalogue.entries.count)
        let places = catalogue.owners.map { owner(key: $0.key, kind: $0.kind) }
        var refused = 0
        var position = 0
        for entry in catalogue.entries {
            let end = position + Int(entry.labelCount)
            guard end <= catalogue.labelIndices.count else { return refused + 1 }
            scratchPairs.removeAll(keepingCapacity: true)
            for index in catalogue.labelIndices[position..<end] {
                if let pair = restoring.pair(index) { scratchPairs.append(pair) }
            }
            position = end
            let isComplete = scratchPairs.count == Int(entry.labelCount) && restoreSort()
            if !isComplete || !restore(entry, places) { refused += 1 }
        }
        return refused
    }

    /// Sorts `scratchPairs` by the symbol of the name; false when a name stands twice or there is none.
    private mutating func restoreSort() -> Bool {
        guard !scratchPairs.isEmpty else { return false }
        var isSorted = true
        for index in scratchPairs.indices.dropFirst() {
            let before = pairs.pairs[Int(scratchPairs[index - 1])].name
            if before >= pairs.pairs[Int(scratchPairs[index])].name { isSorted = false }
        }
        if isSorted { return true }
        let names = pairs.pairs
        scratchPairs.sort { names[Int($0)].name < names[Int($1)].name }
        return zip(scratchPairs, scratchPairs.dropFirst()).allSatisfy {
            names[Int($0.0)].name < names[Int($0.1)].name
        }
    }

    private mutating func restore(_ entry: SeriesCatalogue.Entry, _ places: [OwnerRef?]) -> Bool {
        guard entry.slot < BlockRows.slots, entry.owner < places.count, let owner = places[Int(entry.owner)],
            table.hasRoom(labels: scratchPairs.count)
        else { return false }
        let hash = table.hash(scratchPairs)
        guard table.find(scratchPairs, hash: hash) == nil else { return false }
        let group: UInt32
        if let known = groups.place(of: entry.group) {
            guard groups.heads[Int(known)].owner == owner.number else { return false }
            group = known
        } else {
            guard let kind = owners[owner]?.kind,
                let made = groups.create(id: entry.group, owner: owner.number, kind: kind)
            else { return false }
            owners.update(owner.number) { $0.groups.append(made) }
            group = made
        }
        guard let number = insertScratch(hash: hash, owner: owner.number, group: group, slot: entry.slot) else {
            return false
        }
        table.setCatalogued(number)
        return true
    }

    /// Names the blocks of the groups, behind `restore`; blocks of groups that nobody has are left out. No group that
    /// is made from now on has an id below `groupsBelow`.
    package mutating func restoreBlocks(_ blocks: [(GroupID, BlockRef)], groupsBelow: UInt32) {
        var byPlace: [UInt32: [BlockRef]] = [:]
        for (group, block) in blocks {
            if let place = groups.place(of: group) { byPlace[place, default: []].append(block) }
        }
        for (place, refs) in byPlace {
            groups.change(place) {
                $0.add(refs)
                $0.assumeSealed()
            }
        }
        groups.reserveIDs(below: groupsBelow)
    }

    /// What `restoreBlocks` needs to be told after a start.
    package var groupsBelow: UInt32 { groups.nextID }
}

/// The labels of a catalogue while its series are taken in: each is interned when it is first used.
private struct RestoredLabels {
    /// By index in the catalogue's labels; `.max` for a bad one.
    private var numbers: [UInt32] = []
    /// References that hold the texts until their pairs do.
    private var retained: [UInt32] = []

    init(_ catalogue: SeriesCatalogue, symbols: inout SymbolTable, pairs: inout PairTable) {
        var bySymbol: [UInt32] = []
        var start = 0
        for end in catalogue.textEnds {
            let end = Int(end)
            var symbol = UInt32.max
            // An empty text is no name and no value.
            if start < end, end <= catalogue.texts.count, symbols.hasRoom(1),
                let found = symbols.intern(catalogue.texts.span.extracting(start..<end))
            {
                symbols.retain(found)
                symbol = found
                retained.append(found)
            }
            bySymbol.append(symbol)
            start = max(start, end)
        }
        numbers.reserveCapacity(catalogue.labels.count)
        for label in catalogue.labels {
            var number = UInt32.max
            if label.name < bySymbol.count, label.value < bySymbol.count, bySymbol[Int(label.name)] != .max,
                bySymbol[Int(label.value)] != .max, pairs.hasRoom(1)
            {
                let pair = SymbolPair(name: bySymbol[Int(label.name)], value: bySymbol[Int(label.value)])
                number = pairs.insert(pair, symbols: &symbols) ?? .max
            }
            numbers.append(number)
        }
    }

    func pair(_ index: UInt32) -> UInt32? {
        guard index < numbers.count, numbers[Int(index)] != .max else { return nil }
        return numbers[Int(index)]
    }

    /// Lets go of the texts, and of labels whose series were all left out.
    mutating func release(symbols: inout SymbolTable, pairs: inout PairTable) {
        let unused = Set(numbers).filter { $0 != .max && pairs.lists[Int($0)].count == 0 }
        pairs.remove(series: NumberSet(limit: 0), from: Array(unused), symbols: &symbols)
        symbols.release(retained)
    }
}
