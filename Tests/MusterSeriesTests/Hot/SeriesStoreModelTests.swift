import MusterModel
import MusterSeries
import Testing

/// What a store should do, with dictionaries and without a thought for speed.
private struct StoreModel {
    struct Series {
        var ref: SeriesRef
        var isAgent: Bool
        var group: GroupID
        var slot: Int
        var newest = Int64.min
        var hasEnded = false
        /// By time; the part is nil for what is in memory.
        var samples: [Int64: (bits: UInt64, part: UInt32?)] = [:]
    }

    static let retention: Int64 = 200_000
    static let future: Int64 = 10_000
    static let window: Int64 = 5_000

    var series: [Labels: Series] = [:]
    var groupNewest: [GroupID: Int64] = [:]
    var groupCreation: [GroupID: Int64] = [:]
    var now: Int64 = 1_000_000

    var content: Content {
        series.mapValues { $0.samples.mapValues(\.bits) }.filter { !$0.value.isEmpty }
    }

    mutating func store(_ labels: Labels, _ time: Int64, _ bits: UInt64) {
        guard var one = series[labels] else { return }
        one.samples[time] = (bits, nil)
        if time >= one.newest { one.hasEnded = bits == StaleMarker.bitPattern }
        one.newest = max(one.newest, time)
        groupNewest[one.group] = max(groupNewest[one.group] ?? .min, time)
        series[labels] = one
    }

    func outcome(_ one: Series, _ time: Int64, _ bits: UInt64) -> SampleOutcome {
        if time > now + Self.future { return .tooFarAhead }
        if time < now - Self.retention { return .tooOld }
        if time > one.newest { return .stored }
        if time < one.newest - (one.isAgent ? 0 : Self.window) { return .tooOld }
        guard let known = one.samples[time] else { return .stored }
        return known.bits == bits ? .duplicate : .conflicting
    }

    mutating func end(_ labels: Labels, _ time: Int64) {
        guard let one = series[labels], !one.hasEnded, one.newest < time, time <= now + Self.future else { return }
        series[labels]?.hasEnded = true
        if one.newest != .min { store(labels, time, StaleMarker.bitPattern) }
    }

    mutating func lose(where isOwned: (Labels) -> Bool) {
        for group in Set(series.filter { isOwned($0.key) }.values.map(\.group)) {
            let at = (groupNewest[group] ?? .min) &+ 1
            for (labels, one) in series where one.group == group {
                if !one.hasEnded, one.newest != .min { store(labels, at, StaleMarker.bitPattern) }
                series[labels]?.hasEnded = true
            }
        }
    }

    mutating func sealed(_ group: GroupID, _ rows: BlockRows, part: UInt32) {
        for (labels, one) in series where one.group == group {
            for row in rows.times.indices where rows.masks[row] >> UInt64(one.slot) & 1 == 1 {
                series[labels]?.samples[rows.times[row]]?.part = part
            }
        }
    }

    mutating func drop(part: UInt32) {
        for labels in series.keys {
            let kept = series[labels]?.samples.filter { $0.value.part != part } ?? [:]
            series[labels]?.samples = kept
        }
    }

    mutating func move(_ parts: Set<UInt32>, to new: UInt32) {
        for labels in series.keys {
            let moved =
                series[labels]?.samples.mapValues { sample in
                    sample.part.map(parts.contains) == true ? (sample.bits, new) : sample
                } ?? [:]
            series[labels]?.samples = moved
        }
    }

    /// The references of the series that have to be forgotten, which are.
    mutating func forget() -> [SeriesRef] {
        var oldest: [GroupID: Int64] = [:]
        for one in series.values {
            for time in one.samples.keys { oldest[one.group] = min(oldest[one.group] ?? .max, time) }
        }
        let gone = series.filter { _, one in
            guard one.newest < oldest[one.group] ?? .max || one.newest == .min else { return false }
            return one.hasEnded || max(one.newest, groupCreation[one.group] ?? .min) < now - Self.retention
        }
        for labels in gone.keys { series[labels] = nil }
        return gone.values.map(\.ref)
    }
}

/// A store beside its model, driven by chance.
private struct StoreRun: ~Copyable {
    var store: SeriesStore
    var model = StoreModel()
    var disk = TestDisk()
    var chance: Seeded
    var parts: [UInt32] = []
    var nextPart: UInt32 = 1
    var sealing: [SealableHead] = []
    var views: [(view: SeriesView, expected: Content)] = []

    init(seed: UInt64) {
        chance = Seeded(state: seed)
        store = SeriesStore(
            settings: .init(
                retention: .milliseconds(StoreModel.retention), futureTolerance: .milliseconds(StoreModel.future),
                outOfOrderWindow: .milliseconds(StoreModel.window), rowsPerBlock: 4),
            seed: HashSeed(seed, ~seed))
        store.timeAdvanced(to: Instant(milliseconds: model.now))
    }

    private mutating func pick(_ range: Range<Int>) -> Int { Int.random(in: range, using: &chance) }

    private mutating func value() -> UInt64 {
        pick(0..<12) == 0 ? awkwardBits[pick(0..<awkwardBits.count)] : UInt64(pick(0..<3))
    }

    mutating func step() throws {
        switch pick(0..<100) {
        case 0..<12: try create()
        case 12..<55: try appendOne()
        case 55..<68: try appendTick()
        case 68..<72: end()
        case 72..<74: loseOwner()
        case 74..<82: seal()
        case 82..<85: finishSealing()
        case 85..<88: merge()
        case 88..<91: drop()
        case 91..<95:
            model.now += Int64(pick(0..<30_000))
            store.timeAdvanced(to: Instant(milliseconds: model.now))
        default: look()
        }
    }

    private mutating func create() throws {
        let owner = pick(0..<3)
        let key = "owner-\(owner)"
        let found = store.owner(key: key, kind: owner == 0 ? .agent : .relayed)
        var labels: Labels = ["owner": key, "n": "\(pick(0..<80))"]
        if pick(0..<3) == 0 { labels["extra"] = "\(pick(0..<2))" }
        let ref = try store.series(of: try #require(found), labels)
        if let known = model.series[labels] {
            #expect(known.ref == ref)
            return
        }
        let position = store.position(of: ref)
        let (group, slot) = try #require(position)
        model.series[labels] = .init(ref: ref, isAgent: owner == 0, group: group, slot: slot)
        model.groupCreation[group] = model.now
        #expect(model.series.values.filter { $0.group == group && $0.slot == slot }.count == 1)
    }

    private mutating func anySeries() -> Labels? {
        // Sorted: a dictionary's order is another in each process.
        let all = model.series.keys.sorted { $0.description < $1.description }
        return all.isEmpty ? nil : all[pick(0..<all.count)]
    }

    private mutating func time(_ one: StoreModel.Series) -> Int64 {
        switch pick(0..<12) {
        case 0: return model.now + StoreModel.future + Int64(pick(0..<2))
        case 1: return model.now - StoreModel.retention - Int64(pick(0..<2))
        case 2..<5 where one.newest != .min: return one.newest - Int64(pick(0..<8)) * 1_000
        case 5 where one.newest != .min: return one.newest
        case 6: return one.samples.keys.sorted().first ?? model.now
        default: return model.now / 1_000 * 1_000 + Int64(pick(0..<3)) * 1_000
        }
    }

    private mutating func appendOne() throws {
        guard let labels = anySeries(), let one = model.series[labels] else { return }
        let time = time(one)
        let bits = pick(0..<3) == 0 ? one.samples[time]?.bits ?? value() : value()
        let outcome = settled(store.append(one.ref, milliseconds: time, bits: bits))
        expect(outcome, labels, time, bits)
    }

    private mutating func expect(_ outcome: SampleOutcome, _ labels: Labels, _ time: Int64, _ bits: UInt64) {
        guard let one = model.series[labels] else { return }
        let expected = model.outcome(one, time, bits)
        // A row that is open still takes what is past the retention by now.
        let isLate = expected == .tooOld && time < model.now - StoreModel.retention && time > one.newest
        #expect(
            outcome == expected || (outcome == .stored && isLate),
            "\(labels) at \(time): \(outcome), not \(expected); \(one), now \(model.now)")
        if outcome == .stored { model.store(labels, time, bits) }
    }

    /// Looks into the blocks until it is decided.
    private mutating func settled(_ outcome: SampleOutcome) -> SampleOutcome {
        var outcome = outcome
        for _ in 0..<3 where outcome == .undecided {
            let waiting = store.takeUndecided()
            #expect(waiting.count == 1)
            for sample in waiting {
                let known = sample.blocks.lazy.compactMap { [disk] in sample.value(in: disk.read($0)) }.first
                outcome = store.settle(sample, known: known)
            }
        }
        return outcome
    }

    private mutating func appendTick() throws {
        let owner = "owner-\(pick(0..<3))"
        let time = model.now / 1_000 * 1_000 + Int64(pick(0..<3)) * 1_000
        var chosen = model.series.filter { $0.key["owner"] == owner }.sorted {
            $0.value.ref.number < $1.value.ref.number
        }
        if pick(0..<4) == 0 { chosen.removeAll { _ in Bool.random(using: &chance) } }
        let refs = chosen.map(\.value.ref)
        let bits = chosen.map { _ in value() }
        let before = store.counters
        let outcome = store.appendTick(milliseconds: time, refs: refs.span, bits: bits.span)
        var stored = 0
        for (index, (labels, one)) in chosen.enumerated() {
            let expected = model.outcome(one, time, bits[index])
            if expected == .stored {
                stored += 1
                model.store(labels, time, bits[index])
            }
        }
        for sample in store.takeUndecided() {
            let known = sample.blocks.lazy.compactMap { [disk] in sample.value(in: disk.read($0)) }.first
            if store.settle(sample, known: known) == .undecided { Issue.record("blocks do not change within a step") }
        }
        #expect(store.counters.stored - before.stored == UInt64(stored))
        #expect(outcome.unknown.isEmpty)
    }

    private mutating func end() {
        guard let labels = anySeries(), let one = model.series[labels] else { return }
        let time = model.now + Int64(pick(-5..<12)) * 1_000
        store.end(one.ref, milliseconds: time)
        model.end(labels, time)
    }

    private mutating func loseOwner() {
        let key = "owner-\(pick(0..<3))"
        guard let owner = store.owner(key: key, kind: key == "owner-0" ? .agent : .relayed) else { return }
        store.ownerLost(owner)
        model.lose { $0["owner"] == key }
    }

    private mutating func seal() {
        let choices: [SealChoice] = [.all, .full, .olderThan(model.now - 3_000)]
        sealing += store.takeSealable(choices[pick(0..<3)])
        if pick(0..<3) > 0 { finishSealing() }
    }

    private mutating func finishSealing() {
        guard !sealing.isEmpty else { return }
        let part = nextPart
        nextPart += 1
        parts.append(part)
        for head in sealing {
            if pick(0..<5) == 0 {
                store.sealingFailed(head.group)
            } else {
                let rows = head.rows()
                #expect(rows.isValid)
                let pieces = pick(0..<2) == 0 ? [rows] : rows.split(rows: 3)
                store.sealed(head.group, pieces.map { disk.write($0, of: head.group, part: part) })
                model.sealed(head.group, rows, part: part)
            }
        }
        sealing = []
    }

    private mutating func merge() {
        guard parts.count > 1 else { return }
        let at = pick(0..<parts.count - 1)
        let old = Set(parts[at...at + 1])
        let part = nextPart
        nextPart += 1
        parts.replaceSubrange(at...at + 1, with: [part])
        store.blocksMoved(from: old, to: disk.merge(old, into: part))
        model.move(old, to: part)
    }

    private mutating func drop() {
        guard !parts.isEmpty else { return }
        let part = parts.remove(at: pick(0..<4) == 0 ? pick(0..<parts.count) : 0)
        store.partsDropped([part])
        model.drop(part: part)
        for ref in model.forget() {
            let isKnown = store.position(of: ref) != nil
            #expect(!isKnown)
        }
        for one in model.series.values {
            #expect(store.position(of: one.ref).map { $0 == (one.group, one.slot) } == true)
        }
        #expect(store.seriesCount == model.series.count)
    }

    private mutating func look() {
        let view = store.view([SeriesRequest(matchers: [])])
        let expected = model.content
        #expect(view.content(disk: disk) == expected)
        views.append((view, expected))
        if pick(0..<4) == 0, let labels = anySeries() {
            let matchers = labels.pairs.map { LabelMatcher($0.name, equals: $0.value) }
            let narrow = store.view([SeriesRequest(matchers: matchers)]).content(disk: disk)
            #expect(narrow[labels] == expected[labels])
        }
    }

    mutating func finish() {
        look()
        for (view, expected) in views { #expect(view.content(disk: disk) == expected) }
        let names = Set(model.series.keys.flatMap { $0.pairs.map(\.name) })
        #expect(store.labelNames.sorted() == names.sorted())
        let values = Set(model.series.keys.compactMap { $0["n"] })
        #expect(store.labelValues("n").sorted() == values.sorted())
        #expect(
            Set(store.takeWholeCatalogue().catalogue().entries.map { "\($0.group) \($0.slot)" })
                == Set(model.series.values.map { "\($0.group) \($0.slot)" }))
    }
}

@Suite struct SeriesStoreModels {
    @Test(arguments: 0..<208)
    func `a store is its model whatever happens`(_ seed: Int) throws {
        var run = StoreRun(seed: UInt64(seed))
        for _ in 0..<220 { try run.step() }
        run.finish()
    }
}
