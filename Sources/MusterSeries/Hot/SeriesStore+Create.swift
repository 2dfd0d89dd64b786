package import MusterModel

// Owners and series.
extension SeriesStore {
    /// The owner with this key, new or known. Nil (and counted) when there is no room for another: there are
    /// `Settings.maxOwners`, or the memory is used up.
    package mutating func owner(key: String, kind: OwnerKind) -> OwnerRef? {
        if let known = owners.ref(key: key) { return known }
        let hasRoom = memoryBytes < kind.share(of: settings.maxBytes)
        let found = hasRoom ? owners.owner(key: key, kind: kind, budget: settings.seriesPerOwner) : nil
        if found == nil { counters.refusedOwners += 1 }
        return found
    }

    /// Nil when it was forgotten.
    package subscript(owner: OwnerRef) -> SeriesOwner? { owners[owner] }

    /// Another budget than `Settings.seriesPerOwner`. Series beyond it stay.
    package mutating func setBudget(_ budget: Int, of owner: OwnerRef) {
        guard owners[owner] != nil else { return }
        owners.update(owner.number) { $0.budget = max(0, budget) }
    }

    /// Where a series stands; nil when it was forgotten.
    package func position(of ref: SeriesRef) -> (group: GroupID, slot: Int)? {
        table.record(of: ref).map { (groups.heads[Int($0.group)].id, Int($0.slot)) }
    }

    /// The series with these labels, new or known, whoever owns it. The labels are complete as given and in any order;
    /// one with an empty value counts as absent.
    package mutating func series(
        of owner: OwnerRef, labels slices: Span<LabelSlice>, in bytes: Span<UInt8>
    ) throws(SeriesRefusal) -> SeriesRef {
        if let known = find(slices, in: bytes) { return known }
        do throws(SeriesRefusal) {
            return try create(owner: owner, slices, in: bytes)
        } catch {
            count(error, owner: owner)
            throw error
        }
    }

    package mutating func series(of owner: OwnerRef, _ labels: Labels) throws(SeriesRefusal) -> SeriesRef {
        try series(of: owner, LabelBuffer(labels))
    }

    package mutating func series(of owner: OwnerRef, _ labels: LabelBuffer) throws(SeriesRefusal) -> SeriesRef {
        try series(of: owner, labels: labels.slices.span, in: labels.bytes.span)
    }

    /// The fingerprint of label bytes as they stand in a message. Needs no lock.
    package static func fingerprint(_ bytes: Span<UInt8>, seed: HashSeed) -> Fingerprint {
        KeyedHash.fingerprint(bytes, seed: seed)
    }

    /// The series that was noted for these bytes, nil when none was or it is forgotten.
    @inline(__always)
    package func series(of fingerprint: Fingerprint) -> SeriesRef? {
        guard let ref = fingerprints.series(of: fingerprint), table.record(of: ref) != nil else { return nil }
        return ref
    }

    /// `series(of:)` for all series of a message: `found` gets one for each, nil for those that are not known.
    package func series(of fingerprints: Span<Fingerprint>, into found: inout [SeriesRef?]) {
        found.removeAll(keepingCapacity: true)
        self.fingerprints.series(of: fingerprints) { ref in
            found.append(ref.flatMap { table.record(of: $0) == nil ? nil : $0 })
        }
    }

    /// Notes a series for bytes that mean it.
    package mutating func note(_ fingerprint: Fingerprint, of ref: SeriesRef) {
        fingerprints.insert(fingerprint, ref, table: table)
    }

    /// The series of labels that are all known. Leaves the symbols that it found in `scratchSymbols`, by label, up to
    /// the first label that is not known.
    private mutating func find(_ slices: Span<LabelSlice>, in bytes: Span<UInt8>) -> SeriesRef? {
        scratch.removeAll(keepingCapacity: true)
        scratchSymbols.removeAll(keepingCapacity: true)
        guard slices.count <= Limits.labelsPerSet else { return nil }
        for index in slices.indices {
            let slice = slices[index]
            guard slice.valueCount > 0 else {
                // Counts as absent; the entry keeps the others at their places.
                scratchSymbols.append(SymbolPair(name: 0, value: 0))
                continue
            }
            guard slice.isWithin(bytes.count), let name = symbols.texts.symbol(for: bytes.extracting(slice.name)),
                let value = symbols.texts.symbol(for: bytes.extracting(slice.value))
            else { return nil }
            scratchSymbols.append(SymbolPair(name: name, value: value))
            guard let pair = pairs.number(of: SymbolPair(name: name, value: value)) else { return nil }
            scratch.append(UInt64(name) << 32 | UInt64(pair))
        }
        sortScratch()
        return table.find(scratchPairs, hash: table.hash(scratchPairs)).map { table.ref(of: $0) }
    }

    /// By the symbol of the name, so that equal sets have equal runs.
    private mutating func sortScratch() {
        for index in scratch.indices.dropFirst() {
            var at = index
            while at > 0, scratch[at - 1] > scratch[at] {
                scratch.swapAt(at - 1, at)
                at -= 1
            }
        }
        scratchPairs.removeAll(keepingCapacity: true)
        for word in scratch { scratchPairs.append(UInt32(truncatingIfNeeded: word)) }
    }

    private mutating func create(
        owner: OwnerRef, _ slices: Span<LabelSlice>, in bytes: Span<UInt8>
    ) throws(SeriesRefusal) -> SeriesRef {
        if let fault = LabelFault.first(in: slices, of: bytes) { throw .badLabels(fault) }
        guard let owning = owners[owner] else { throw .unknownOwner }
        guard owning.seriesCount < owning.budget else { throw .overOwnerBudget(limit: owning.budget) }
        if let metric = metricPair(slices, in: bytes), pairs.lists[Int(metric)].count >= settings.seriesPerMetric {
            refusedByMetric[metric, default: 0] += 1
            throw .overMetricBudget(limit: settings.seriesPerMetric)
        }
        let maxBytes = owning.kind.share(of: settings.maxBytes)
        guard memoryBytes < maxBytes, symbols.hasRoom(2 * slices.count), pairs.hasRoom(slices.count),
            table.hasRoom(labels: slices.count), let group = openGroup(owner.number)
        else { throw .outOfMemoryBudget(limit: maxBytes) }
        intern(slices, in: bytes)
        let hash = table.hash(scratchPairs)
        guard let number = insertScratch(hash: hash, owner: owner.number, group: group) else {
            throw .outOfMemoryBudget(limit: maxBytes)
        }
        uncatalogued.appendSparing(number)
        counters.seriesCreated += 1
        return table.ref(of: number)
    }

    /// The pair of the metric's name, when there is one already.
    private func metricPair(_ slices: Span<LabelSlice>, in bytes: Span<UInt8>) -> UInt32? {
        for index in slices.indices where isEqual(bytes.extracting(slices[index].name), metricName.span) {
            guard let name = symbols.texts.symbol(for: metricName.span),
                let value = symbols.texts.symbol(for: bytes.extracting(slices[index].value))
            else { return nil }
            return pairs.number(of: SymbolPair(name: name, value: value))
        }
        return nil
    }

    /// Makes the pairs of valid labels and leaves them in `scratchPairs`. Texts and room were checked.
    private mutating func intern(_ slices: Span<LabelSlice>, in bytes: Span<UInt8>) {
        scratch.removeAll(keepingCapacity: true)
        for index in slices.indices where slices[index].valueCount > 0 {
            let label: SymbolPair
            if index < scratchSymbols.count {
                label = scratchSymbols[index]
            } else {
                guard let name = symbols.intern(bytes.extracting(slices[index].name)),
                    let value = symbols.intern(bytes.extracting(slices[index].value))
                else { continue }
                label = SymbolPair(name: name, value: value)
            }
            guard let pair = pairs.insert(label, symbols: &symbols) else { continue }
            scratch.append(UInt64(label.name) << 32 | UInt64(pair))
        }
        sortScratch()
    }

    /// The group that takes the owner's next series.
    private mutating func openGroup(_ owner: UInt32) -> UInt32? {
        guard let owning = owners.owners[Int(owner)] else { return nil }
        if let last = owning.groups.last, !groups.heads[Int(last)].isFull { return last }
        guard let place = groups.create(owner: owner, kind: owning.kind) else { return nil }
        owners.update(owner) { $0.groups.append(place) }
        return place
    }

    /// Makes the series of `scratchPairs` in a group, in the next slot or in a certain one.
    mutating func insertScratch(hash: UInt32, owner: UInt32, group: UInt32, slot: UInt8? = nil) -> UInt32? {
        let next = slot ?? UInt8(groups.heads[Int(group)].numbers.count)
        guard let number = table.insert(scratchPairs, hash: hash, group: group, slot: next) else {
            return nil
        }
        let isPlaced = groups.change(group) { $0.occupy(next, series: number, now: now) }
        guard isPlaced else {
            table.remove([number])
            return nil
        }
        for pair in scratchPairs { pairs.add(series: number, to: pair) }
        owners.update(owner) { $0.seriesCount += 1 }
        return number
    }

    private mutating func count(_ refusal: SeriesRefusal, owner: OwnerRef) {
        switch refusal {
        case .overOwnerBudget: counters.refusedOverOwnerBudget += 1
        case .overMetricBudget: counters.refusedOverMetricBudget += 1
        case .outOfMemoryBudget: counters.refusedOutOfMemory += 1
        case .tooManyOwners: counters.refusedOwners += 1
        case .badLabels, .unknownOwner: counters.refusedBadLabels += 1
        }
        if owners[owner] != nil { owners.update(owner.number) { $0.refused += 1 } }
    }
}
