/// What happened to a sample.
package enum SampleOutcome: Equatable, Sendable {
    case stored
    /// The series has this sample already; nothing to do.
    case duplicate
    /// The series has another value at that time, which stays.
    case conflicting
    /// Behind the series' newest by more than may be, or past the retention.
    case tooOld
    /// Ahead of the coordinator's clock by more than may be.
    case tooFarAhead
    /// The series was forgotten.
    case unknownSeries
    /// The memory is used up.
    case full
    /// A sealed block may have it: see `SeriesStore.takeUndecided`.
    case undecided
}

/// A sample that a sealed block may have. Whoever takes it looks into the blocks and says what was there.
package struct UndecidedSample: Sendable {
    package let series: SeriesRef
    package let group: GroupID
    package let slot: Int
    package let milliseconds: Int64
    package let bits: UInt64
    package let blocks: [BlockRef]

    /// The sample's value in rows of its group.
    package func value(in rows: BlockRows) -> UInt64? {
        var position = 0
        for row in rows.times.indices {
            let mask = rows.masks[row]
            if rows.times[row] == milliseconds, mask >> UInt64(slot) & 1 == 1 {
                return rows.values[position + (mask & (1 << UInt64(slot) - 1)).nonzeroBitCount]
            }
            position += mask.nonzeroBitCount
        }
        return nil
    }
}

/// What became of a tick.
package struct TickOutcome: Equatable, Sendable {
    package var stored = 0
    package var duplicate = 0
    package var conflicting = 0
    package var tooOld = 0
    package var tooFarAhead = 0
    package var full = 0
    package var undecided = 0
    /// Positions of the samples whose series are forgotten.
    package var unknown: [Int] = []

    package init() {}
}

// Samples. A hot path.
extension SeriesStore {
    package mutating func append(_ ref: SeriesRef, milliseconds: Int64, bits: UInt64) -> SampleOutcome {
        guard let record = table.record(of: ref) else {
            counters.unknownSeries += 1
            return .unknownSeries
        }
        if groups.fill(record.group, slot: Int(record.slot), milliseconds: milliseconds, bits: bits) {
            counters.stored += 1
            return .stored
        }
        return place(ref, record, milliseconds: milliseconds, bits: bits, asked: [])
    }

    /// The samples of one time, for example a frame of an agent. Samples of a group that stand together cost least.
    /// `refs` and `bits` have the same length; what one has more than the other is left out.
    package mutating func appendTick(
        milliseconds: Int64, refs: Span<SeriesRef>, bits: Span<UInt64>
    ) -> TickOutcome {
        var tick = TickOutcome()
        let count = min(refs.count, bits.count)
        let refs = refs.extracting(0..<count)
        var index = 0
        while index < count {
            if let record = table.record(of: refs[index]) {
                let next = groups.fill(
                    record.group, milliseconds: milliseconds, refs: refs, bits: bits, from: index,
                    records: table.records)
                tick.stored += next - index
                counters.stored += UInt64(next - index)
                index = next
            }
            guard index < count else { break }
            switch append(refs[index], milliseconds: milliseconds, bits: bits[index]) {
            case .stored: tick.stored += 1
            case .duplicate: tick.duplicate += 1
            case .conflicting: tick.conflicting += 1
            case .tooOld: tick.tooOld += 1
            case .tooFarAhead: tick.tooFarAhead += 1
            case .unknownSeries: tick.unknown.append(index)
            case .full: tick.full += 1
            case .undecided: tick.undecided += 1
            }
            index += 1
        }
        return tick
    }

    /// A sample that opens a row, or has to be compared with what is there.
    private mutating func place(
        _ ref: SeriesRef, _ record: SeriesRecord, milliseconds: Int64, bits: UInt64, asked: [BlockRef]
    ) -> SampleOutcome {
        guard milliseconds <= latest else {
            counters.tooFarAhead += 1
            return .tooFarAhead
        }
        guard milliseconds >= earliest else {
            counters.tooOld += 1
            return .tooOld
        }
        guard memoryBytes - settings.maxBytes < settings.maxBytes / 4 else {
            counters.full += 1
            return .full
        }
        let slot = Int(record.slot)
        let placement = groups.change(record.group) { head in
            head.place(
                slot: slot, milliseconds: milliseconds, bits: bits, window: head.kind == .agent ? 0 : window,
                asked: asked)
        }
        switch placement {
        case .stored:
            counters.stored += 1
            if groups.becameFull(record.group, rowsPerBlock: settings.rowsPerBlock) { fullGroups.append(record.group) }
            return .stored
        case .exists(let known):
            if known == bits { counters.duplicate += 1 } else { counters.conflicting += 1 }
            return known == bits ? .duplicate : .conflicting
        case .tooOld:
            counters.tooOld += 1
            return .tooOld
        case .maybeSealed: return setAside(ref, record, milliseconds: milliseconds, bits: bits)
        }
    }

    private mutating func setAside(
        _ ref: SeriesRef, _ record: SeriesRecord, milliseconds: Int64, bits: UInt64
    ) -> SampleOutcome {
        guard undecided.count < settings.maxUndecided else {
            counters.undecidedDropped += 1
            return .full
        }
        let head = groups.heads[Int(record.group)]
        undecided.append(
            UndecidedSample(
                series: ref, group: head.id, slot: Int(record.slot), milliseconds: milliseconds, bits: bits,
                blocks: head.covering(milliseconds)))
        return .undecided
    }

    /// The samples that wait for a look into sealed blocks. For each the wiring calls `settle`.
    package mutating func takeUndecided() -> [UndecidedSample] {
        defer { undecided = [] }
        return undecided
    }

    /// `known` is the value that the sample's blocks have at its time, nil when they have none. The outcome is
    /// `.undecided` once more when the blocks have changed in between.
    package mutating func settle(_ sample: UndecidedSample, known: UInt64?) -> SampleOutcome {
        if let known {
            if known == sample.bits { counters.duplicate += 1 } else { counters.conflicting += 1 }
            return known == sample.bits ? .duplicate : .conflicting
        }
        guard let record = table.record(of: sample.series) else {
            counters.unknownSeries += 1
            return .unknownSeries
        }
        return place(
            sample.series, record, milliseconds: sample.milliseconds, bits: sample.bits, asked: sample.blocks)
    }

    /// The counter of a series began to count then: a zero stands there, so that what it counted before its first
    /// sample is an increase. Nothing happens when the series has a sample then or later, or the time is not kept.
    package mutating func begin(_ ref: SeriesRef, milliseconds: Int64) {
        guard let record = table.record(of: ref), milliseconds >= earliest, milliseconds <= latest,
            milliseconds > groups.heads[Int(record.group)].newest(of: Int(record.slot))
        else { return }
        guard place(ref, record, milliseconds: milliseconds, bits: 0, asked: []) == .stored else { return }
        begun.insert(milliseconds)
    }

    /// The times of the zeros that were put in since the last call: they may lie far behind the samples they came with.
    package mutating func takeBegun() -> Set<Int64> {
        defer { begun = [] }
        return begun
    }

    /// Marks the series as ended at a time. Nothing happens when it has ended, has no sample, or one then or later.
    package mutating func end(_ ref: SeriesRef, milliseconds: Int64) {
        guard let record = table.record(of: ref), milliseconds <= latest else { return }
        let slot = Int(record.slot)
        if groups.change(record.group, { $0.end(slot: slot, milliseconds: milliseconds) }) { counters.stored += 1 }
    }

    /// The owner is not heard from: its series end, those of a group just behind the group's newest sample. Not at the
    /// time at which it was noticed: what the owner measured since then may still come, by its own clock, and must find
    /// its place free.
    package mutating func ownerLost(_ owner: OwnerRef) {
        for group in owners[owner]?.groups ?? [] {
            let ended = groups.change(group) { $0.endAll() }
            counters.stored += UInt64(ended)
        }
    }
}
