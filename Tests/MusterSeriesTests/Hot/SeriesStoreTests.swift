import MusterModel
import MusterSeries
import Testing

/// A store with one owner of each kind.
struct OwnedStore: ~Copyable {
    var store: SeriesStore
    let agent: OwnerRef
    let relayed: OwnerRef

    init(_ settings: SeriesStore.Settings = SeriesStore.Settings()) throws {
        store = SeriesStore(settings: settings, seed: testSeed)
        let agent = store.owner(key: "host-a", kind: .agent)
        let relayed = store.owner(key: "target", kind: .relayed)
        guard let agent, let relayed else { preconditionFailure("a new store has room for owners") }
        self.agent = agent
        self.relayed = relayed
    }

    mutating func append(_ ref: SeriesRef, _ milliseconds: Int64, _ value: UInt64) -> SampleOutcome {
        store.append(ref, milliseconds: milliseconds, bits: value)
    }
}

@Suite struct SeriesStoreSeries {
    @Test func `labels name a series in any order and whoever asks`() throws {
        var owned = try OwnedStore()
        let labels: Labels = ["__name__": "m", "b": "2", "a": "1"]
        let ref = try owned.store.series(of: owned.agent, labels)
        var shuffled = LabelBuffer()
        for (name, value) in [("a", "1"), ("empty", ""), ("__name__", "m"), ("b", "2")] { shuffled.append(name, value) }
        #expect(try owned.store.series(of: owned.relayed, shuffled) == ref)
        #expect(try owned.store.series(of: owned.agent, ["__name__": "m", "a": "1"]) != ref)
        #expect(owned.store.seriesCount == 2 && owned.store.counters.seriesCreated == 2)
        #expect(owned.store[owned.agent]?.seriesCount == 2 && owned.store[owned.relayed]?.seriesCount == 0)
        let position = owned.store.position(of: ref)
        #expect(position?.slot == 0 && position?.group == GroupID(number: 0))
        #expect(owned.append(ref, 5, 1) == .stored)
        #expect(owned.store.content() == [labels: [5: 1]])
    }

    @Test func `bad labels are refused with a reason and leave nothing behind`() throws {
        var owned = try OwnedStore()
        _ = try owned.store.series(of: owned.agent, ["a": "known", "b": "x"])
        let before = owned.store.memoryBytes
        let long = String(repeating: "n", count: Limits.labelNameBytes + 1)
        let huge = String(repeating: "v", count: Limits.labelValueBytes + 1)
        var tooMany = LabelBuffer()
        for number in 0...Limits.labelsPerSet { tooMany.append("l\(number)", "v") }
        var notText = LabelBuffer()
        let invalid: [UInt8] = [0x61, 0xff]
        notText.append(invalid.span, invalid.span)
        let cases: [(LabelBuffer, LabelFault)] = [
            (LabelBuffer(), .none), (buffer(("a", "")), .none), (buffer(("", "x")), .emptyName),
            (buffer((long, "x")), .nameTooLong(bytes: 257)), (buffer(("x", huge)), .valueTooLong(bytes: 4_097)),
            (tooMany, .tooMany(65)), (notText, .notText), (buffer(("a", "1"), ("b", "2"), ("a", "3")), .twice("a")),
            (buffer(("a", "known"), ("a", "known")), .twice("a")), (buffer(("a", ""), ("a", "known")), .twice("a")),
        ]
        for (labels, fault) in cases {
            #expect(throws: SeriesRefusal.badLabels(fault)) { try owned.store.series(of: owned.agent, labels) }
        }
        let outside = [LabelSlice(nameStart: 0, nameCount: 1, valueStart: 1, valueCount: .max)]
        let bytes = Array("ab".utf8)
        #expect(throws: SeriesRefusal.badLabels(.outsideBuffer)) {
            try owned.store.series(of: owned.agent, labels: outside.span, in: bytes.span)
        }
        #expect(owned.store.counters.refusedBadLabels == UInt64(cases.count + 1))
        #expect(owned.store.seriesCount == 1 && owned.store.memoryBytes == before)
        #expect(owned.store.labelNames.sorted() == ["a", "b"])
    }

    private func buffer(_ labels: (String, String)...) -> LabelBuffer {
        var buffer = LabelBuffer()
        for (name, value) in labels { buffer.append(name, value) }
        return buffer
    }

    @Test func `the largest set of labels is taken`() throws {
        var owned = try OwnedStore()
        var buffer = LabelBuffer()
        for number in 0..<Limits.labelsPerSet {
            let name = String(repeating: "n", count: Limits.labelNameBytes - 2) + "\(10 + number)"
            buffer.append(name, String(repeating: "v", count: Limits.labelValueBytes))
        }
        let ref = try owned.store.series(of: owned.agent, buffer)
        #expect(try owned.store.series(of: owned.agent, buffer) == ref)
    }

    @Test func `budgets refuse new series of their owner or metric and nobody else's`() throws {
        var owned = try OwnedStore(.init(seriesPerOwner: 3, seriesPerMetric: 4))
        let refs = try (0..<3).map { try owned.store.series(of: owned.agent, ["__name__": "m", "n": "\($0)"]) }
        let before = owned.store.memoryBytes
        #expect(throws: SeriesRefusal.overOwnerBudget(limit: 3)) {
            try owned.store.series(of: owned.agent, ["__name__": "m", "n": "3"])
        }
        #expect(owned.store.memoryBytes == before)
        #expect(owned.store.labelValues("n").sorted() == ["0", "1", "2"])
        // Known ones and those of others go on.
        #expect(try owned.store.series(of: owned.agent, ["__name__": "m", "n": "2"]) == refs[2])
        #expect(owned.append(refs[0], 1, 1) == .stored)
        _ = try owned.store.series(of: owned.relayed, ["__name__": "m", "n": "3"])
        #expect(throws: SeriesRefusal.overMetricBudget(limit: 4)) {
            try owned.store.series(of: owned.relayed, ["__name__": "m", "n": "4"])
        }
        _ = try owned.store.series(of: owned.relayed, ["__name__": "other", "n": "4"])
        #expect(owned.store.counters.refusedOverOwnerBudget == 1 && owned.store.counters.refusedOverMetricBudget == 1)
        #expect(owned.store[owned.agent]?.refused == 1 && owned.store[owned.relayed]?.refused == 1)
        owned.store.setBudget(4, of: owned.agent)
        _ = try owned.store.series(of: owned.agent, ["__name__": "third"])
        let report = owned.store.cardinality(limit: 2)
        #expect(report.metrics == [.init(name: "m", count: 4), .init(name: "other", count: 1)])
        #expect(report.refusedByMetric == [.init(name: "m", count: 1)])
        #expect(report.owners.map(\.count) == [4, 2] && report.owners[0].name == "host-a")
        #expect(report.labelNames == [.init(name: "n", count: 5), .init(name: "__name__", count: 3)])
        #expect(report.labelPairs.first == .init(name: "__name__=m", count: 4))
    }

    /// A sender that gives every series another target has no budget; it must not keep hosts out.
    @Test func `the last fifth of memory and owners is for agents`() throws {
        var few = SeriesStore(settings: .init(maxOwners: 10), seed: testSeed)
        for number in 0..<20 { _ = few.owner(key: "instance=\(number)", kind: .relayed) }
        #expect(few.ownerCount == 8 && few.counters.refusedOwners == 12)
        let hosts = ["a", "b", "c"].map { few.owner(key: $0, kind: .agent) != nil }
        #expect(hosts == [true, true, false])

        var store = SeriesStore(settings: .init(maxBytes: 1 << 20), seed: testSeed)
        var refused = 0
        for number in 0..<20_000 {
            let labels: Labels = ["__name__": "bomb", "instance": "\(number)"]
            guard let owner = store.owner(key: "instance=\(number)", kind: .relayed) else {
                refused += 1
                continue
            }
            do throws(SeriesRefusal) {
                _ = try store.series(of: owner, labels)
            } catch {
                #expect(error == .outOfMemoryBudget(limit: (1 << 20) - (1 << 20) / 5))
                refused += 1
            }
        }
        #expect(refused > 10_000)
        #expect(store.counters.refusedOutOfMemory + store.counters.refusedOwners == UInt64(refused))
        let found = store.owner(key: "host-a", kind: .agent)
        let agent = try #require(found)
        for number in 0..<100 { _ = try store.series(of: agent, ["__name__": "node", "n": "\(number)"]) }
        // What there is goes on.
        let known = store.owner(key: "instance=0", kind: .relayed)
        let ref = try store.series(of: try #require(known), ["__name__": "bomb", "instance": "0"])
        let outcome = store.append(ref, milliseconds: 1_000, bits: 1)
        #expect(outcome == .stored)
    }

    @Test func `owners are limited, counted and found again`() throws {
        var store = SeriesStore(settings: .init(maxOwners: 2), seed: testSeed)
        let first = store.owner(key: "a", kind: .agent)
        _ = store.owner(key: "b", kind: .agent)
        #expect(store.owner(key: "c", kind: .agent) == nil && store.counters.refusedOwners == 1)
        #expect(store.owner(key: "a", kind: .agent) == first && store.ownerCount == 2)
        store.forgetSeries()
        #expect(store.ownerCount == 0)
        let gone = try #require(first)
        _ = store.owner(key: "c", kind: .agent)
        // The number is somebody else's now; the old reference is nobody's.
        let isGone = store[gone] == nil
        #expect(isGone && store.ownerCount == 1)
        #expect(throws: SeriesRefusal.unknownOwner) { try store.series(of: gone, ["a": "b"]) }
    }

    @Test func `over the memory budget new series are refused, samples go on, pressure says so`() throws {
        var owned = try OwnedStore(.init(maxBytes: 2 << 20))
        #expect(owned.store.pressure == .none)
        var refs: [SeriesRef] = []
        var refusal: SeriesRefusal?
        var sawHigh = false
        while refusal == nil {
            do throws(SeriesRefusal) {
                refs.append(try owned.store.series(of: owned.agent, ["__name__": "m", "n": "\(refs.count)"]))
            } catch {
                refusal = error
            }
            sawHigh = sawHigh || owned.store.pressure == .high
        }
        #expect(refusal == .outOfMemoryBudget(limit: 2 << 20) && owned.store.pressure == .full && sawHigh)
        #expect(refs.count > 5_000 && owned.store.counters.refusedOutOfMemory == 1)
        #expect(owned.append(refs[0], 1, 1) == .stored)
        var chance = Seeded(state: 1)
        var outcome = SampleOutcome.stored
        var time: Int64 = 2
        while outcome == .stored {
            for ref in refs where outcome == .stored { outcome = owned.append(ref, time, chance.next()) }
            time += 1
        }
        #expect(outcome == .full && owned.store.counters.full == 1)
        #expect(owned.store.memoryBytes < 3 << 20)
        // Sealing makes room again.
        var disk = TestDisk()
        disk.seal(&owned.store, part: 1)
        #expect(owned.append(refs[0], time, 1) == .stored)
    }

    @Test func `fingerprints lead to the series until it is forgotten`() throws {
        var owned = try OwnedStore()
        let ref = try owned.store.series(of: owned.relayed, ["__name__": "m"])
        let bytes = Array("as it stands in the message".utf8)
        let print = SeriesStore.fingerprint(bytes.span, seed: testSeed)
        #expect(owned.store.series(of: print) == nil)
        owned.store.note(print, of: ref)
        #expect(owned.store.series(of: print) == ref)
        var found: [SeriesRef?] = [nil]
        let prints = [print, Fingerprint(low: 1, high: 2)]
        owned.store.series(of: prints.span, into: &found)
        #expect(found == [ref, nil])
        _ = owned.append(ref, 1, 1)
        owned.store.forgetEverything()
        #expect(owned.store.series(of: print) == nil && owned.store.seriesCount == 0)
        owned.store.note(print, of: ref)
        #expect(owned.store.series(of: print) == nil)
    }

    @Test func `groups hold 64 series of one owner`() throws {
        var owned = try OwnedStore()
        for number in 0..<130 {
            let ref = try owned.store.series(of: number % 2 == 0 ? owned.agent : owned.relayed, ["n": "\(number)"])
            let position = owned.store.position(of: ref)
            #expect(position?.slot == number / 2 % 64)
        }
        #expect(owned.store.groupCount == 4)
    }

    @Test func `metadata is interned, limited, and goes with the metric`() throws {
        var owned = try OwnedStore(.init(maxMetadata: 2))
        let ref = try owned.store.series(of: owned.agent, ["__name__": "m"])
        let help = MetricMetadata(type: "counter", unit: "bytes", help: "What it is.")
        #expect(owned.store.setMetadata(help, of: "m") && owned.store.setMetadata(help, of: "m"))
        #expect(owned.store.metadata(of: "m") == help && owned.store.metadata(of: "n") == nil)
        #expect(owned.store.setMetadata(MetricMetadata(type: "gauge"), of: "a") == true)
        #expect(!owned.store.setMetadata(help, of: "third") && owned.store.counters.refusedMetadata == 1)
        let longHelp = MetricMetadata(type: "gauge", help: String(repeating: "x", count: 5_000))
        #expect(!owned.store.setMetadata(longHelp, of: "m") && owned.store.metadata(of: "m") == help)
        #expect(owned.store.setMetadata(MetricMetadata(type: "gauge"), of: "m") == true)
        #expect(owned.store.allMetadata().map(\.metric) == ["a", "m"])
        #expect(owned.store.allMetadata(limit: 1).map(\.metadata) == [MetricMetadata(type: "gauge")])
        _ = owned.append(ref, 1, 1)
        owned.store.forgetEverything()
        #expect(owned.store.metadata(of: "m") == nil && owned.store.allMetadata().isEmpty)
        #expect(owned.store.labelNames.sorted() == [])
    }

    @Test func `series that come and go leave nothing`() throws {
        var store = SeriesStore(seed: testSeed)
        let baseline = store.memoryBytes
        for round in 0..<2 {
            for host in 0..<40 {
                let found = store.owner(key: "host-\(host)", kind: .agent)
                let owner = try #require(found)
                var labels = LabelBuffer()
                for number in 0..<250 {
                    labels.removeAll()
                    labels.append("__name__", "metric_\(number % 100)")
                    labels.append("host", "host-\(host)")
                    labels.append("unique", "\(round)-\(host)-\(number)")
                    let ref = try store.series(of: owner, labels)
                    _ = store.append(ref, milliseconds: Int64(round), bits: UInt64(number))
                    store.note(SeriesStore.fingerprint(labels.bytes.span, seed: testSeed), of: ref)
                }
            }
            #expect(store.seriesCount == 10_000 && store.memoryBytes > baseline + 2_000_000)
            store.forgetEverything()
            #expect(store.seriesCount == 0 && store.groupCount == 0 && store.ownerCount == 0)
            _ = store.takeCatalogue()
            #expect(store.takeDroppedGroups().count == 160)
            #expect(store.memoryBytes < baseline + 60_000)
        }
    }
}
