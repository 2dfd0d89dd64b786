import MusterModel
import MusterSeries
import Testing

private let all = LabelMatcher("__name__", equals: "m")

private func store(
    retention: Duration = .hours(2), maxBytes: Int = 64 << 20, seriesPerHost: Int = 1_000
) -> HotStore {
    HotStore(settings: .init(retention: retention, maxBytes: maxBytes, seriesPerHost: seriesPerHost))
}

extension HotStore {
    fileprivate mutating func add(_ labels: Labels, of host: HostID = hostA) throws -> SeriesID {
        let id = series(labels, of: host)
        return try #require(id)
    }

    fileprivate func samples(_ matcher: LabelMatcher = all, from: Int64 = .min, to: Int64 = .max) -> [[Sample]] {
        select([matcher], from: from, to: to).map(\.samples)
    }
}

@Suite struct HotStoreSamples {
    @Test func `samples come back to the bit in any shape of time`() throws {
        var chance = Seeded(state: 3)
        for seed in 0..<40 {
            var store = store()
            let id = try store.add(["__name__": "m"])
            var expected: [Sample] = []
            var milliseconds: Int64 = seed % 4 == 0 ? -5_000_000 : 1_700_000_000_000
            var value = 0.0
            for _ in 0..<700 {
                milliseconds += seed % 3 == 0 ? 1_000 : Int64.random(in: 1...100_000, using: &chance)
                switch Int.random(in: 0..<5, using: &chance) {
                case 0: value = Double(bitPattern: chance.next())
                case 1: value = Double(bitPattern: awkwardBits.randomElement(using: &chance) ?? 0)
                case 2: value += Double(Int.random(in: 0...1_000, using: &chance))
                case 3: value = Double.random(in: -1...1, using: &chance)
                default: break
                }
                #expect(store.append(id, milliseconds: milliseconds, value: value) == .stored)
                expected.append(Sample(milliseconds: milliseconds, value: value))
            }
            #expect(store.samples() == [expected])
            let from = expected[130].milliseconds
            let to = expected[400].milliseconds
            #expect(store.samples(from: from, to: to) == [Array(expected[130...400])])
            #expect(store.samples(from: from + 1, to: to - 1) == [Array(expected[131...399])])
        }
    }

    @Test func `timestamps at the ends of the range survive`() throws {
        var store = store()
        let id = try store.add(["__name__": "m"])
        let times: [Int64] = [.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for time in times { #expect(store.append(id, milliseconds: time, value: 1) == .stored) }
        #expect(store.samples()[0].map(\.milliseconds) == times)
    }

    @Test func `a regular series is cheap`() throws {
        var store = store()
        let id = try store.add(["__name__": "m"])
        let before = store.bytes
        for second in 0..<3_600 {
            store.append(id, milliseconds: 1_700_000_000_000 + Int64(second) * 1_000, value: Double(second) * 4)
        }
        #expect(store.bytes - before < 3_600 * 4)
    }

    @Test func `what does not follow the newest sample is told apart and counted`() throws {
        var store = store()
        let id = try store.add(["__name__": "m"])
        #expect(store.append(id, milliseconds: 10, value: 1) == .stored)
        #expect(store.append(id, milliseconds: 10, value: 1) == .duplicate)
        #expect(store.append(id, milliseconds: 10, value: 2) == .conflicting)
        #expect(store.append(id, milliseconds: 9, value: 1) == .older)
        #expect(store.append(id, milliseconds: 11, value: 1) == .stored)
        #expect(store.samples() == [[Sample(milliseconds: 10, value: 1), Sample(milliseconds: 11, value: 1)]])
        var expected = HotStore.Counters()
        expected.stored = 2
        expected.duplicate = 1
        expected.conflicting = 1
        expected.older = 1
        #expect(store.counters == expected)
    }

    @Test func `an ended series gets one stale marker and goes on when it comes back`() throws {
        var store = store()
        let id = try store.add(["__name__": "m"])
        store.end(id, milliseconds: 5)
        #expect(store.samples() == [], "nothing to end")
        store.append(id, milliseconds: 10, value: 1)
        store.end(id, milliseconds: 10)
        #expect(store.samples()[0].count == 1, "it has a sample then")
        store.end(id, milliseconds: 20)
        store.end(id, milliseconds: 30)
        #expect(store.samples()[0].map(\.milliseconds) == [10, 20])
        #expect(StaleMarker.isMarker(store.samples()[0][1].value))
        #expect(store.append(id, milliseconds: 40, value: 2) == .stored)
    }

    @Test func `a lost host ends its own series just after their newest samples`() throws {
        var store = store()
        let mine = try store.add(["__name__": "m"], of: hostA)
        let other = try store.add(["__name__": "m"], of: hostB)
        store.append(mine, milliseconds: 10, value: 1)
        store.append(other, milliseconds: 10, value: 1)
        store.hostLost(hostA)
        #expect(store.samples(LabelMatcher("host", equals: "host-a"))[0].map(\.milliseconds) == [10, 11])
        #expect(store.samples(LabelMatcher("host", equals: "host-b"))[0].map(\.milliseconds) == [10])
        #expect(store.append(mine, milliseconds: 1_000, value: 2) == .stored, "what was spooled goes on behind")
    }
}

@Suite struct HotStoreLimits {
    @Test func `a host has a number of series and others are not touched`() throws {
        var store = store(seriesPerHost: 2)
        _ = try store.add(["n": "1"])
        _ = try store.add(["n": "2"])
        #expect(store.series(["n": "3"], of: hostA) == nil)
        #expect(store.series(["n": "1"], of: hostA) != nil)
        #expect(store.series(["n": "3"], of: hostB) != nil)
        #expect(store.counters.refusedSeries == 1)
        #expect(store.seriesCount(of: hostA) == 2)
    }

    @Test func `past the retention chunks go and ended series are forgotten`() throws {
        var store = store(retention: .seconds(1_000))
        let living = try store.add(["__name__": "m", "n": "living"])
        let ended = try store.add(["__name__": "m", "n": "ended"])
        for second in 0..<2_000 { store.append(living, milliseconds: Int64(second) * 1_000, value: 1) }
        store.append(ended, milliseconds: 1, value: 1)
        store.end(ended, milliseconds: 2)
        let before = store.bytes
        store.expire(now: Instant(seconds: 2_000))
        #expect(store.bytes < before)
        #expect(store.seriesCount == 1)
        #expect(store.labelValues("n") == ["living"])
        let oldest = try #require(store.samples()[0].first)
        #expect((880_000...1_000_000).contains(oldest.milliseconds), "whole chunks go: \(oldest)")
        #expect(store.append(ended, milliseconds: 5, value: 1) == .unknownSeries)
        let again = try store.add(["__name__": "m", "n": "new"])
        #expect(again != ended, "the number is used again under another generation")
        #expect(store.append(ended, milliseconds: 5, value: 1) == .unknownSeries)
        store.expire(now: Instant(seconds: 1_000_000))
        #expect(store.seriesCount == 2, "series that have not ended stay")
    }

    @Test func `over the bytes the oldest chunks go first`() throws {
        var store = store(maxBytes: 20_000)
        let ids = try (0..<4).map { try store.add(["__name__": "m", "n": "\($0)"]) }
        for second in 0..<5_000 {
            for id in ids {
                #expect(store.append(id, milliseconds: Int64(second) * 1_000, value: Double(second) + 0.1) == .stored)
            }
        }
        #expect(store.bytes <= 20_000 + 200)
        #expect(store.counters.chunksOverBytes > 100)
        for samples in store.samples() {
            #expect(samples.last?.milliseconds == 4_999_000)
            #expect(samples.count > 120)
        }
    }

    @Test func `with nothing to drop samples and series are refused and counted`() throws {
        var store = store(maxBytes: 2_000)
        var ids: [SeriesID] = []
        while let id = store.series(["n": "\(ids.count)"], of: hostA) { ids.append(id) }
        #expect(ids.count >= 2 && store.counters.refusedSeries == 1)
        #expect(store.append(ids[0], milliseconds: 1, value: 1) == .full)
        #expect(store.counters.full == 1)
    }

    @Test func `bytes return to what they were when everything is gone`() throws {
        var store = store(retention: .seconds(10))
        for n in 0..<50 {
            let id = try store.add(["n": "\(n)"])
            for second in 0..<400 { store.append(id, milliseconds: Int64(second), value: Double(second)) }
            store.end(id, milliseconds: 1_000)
        }
        store.expire(now: Instant(seconds: 1_000))
        #expect(store.bytes == 0 && store.seriesCount == 0 && store.labelNames() == [])
    }

    @Test func `a selection stops behind its limits`() throws {
        var store = store()
        for n in 0..<10 {
            let id = try store.add(["__name__": "m", "n": "\(n)"])
            for second in 0..<10 { store.append(id, milliseconds: Int64(second), value: 1) }
        }
        #expect(store.select([all], from: 0, to: 100, maxSeries: 3).count == 4)
        #expect(store.select([all], from: 0, to: 100, maxSamples: 25).count == 3)
        #expect(store.select([all], from: 50, to: 10).isEmpty)
    }
}

@Suite struct HotStoreIndex {
    private func filled() throws -> HotStore {
        var store = store()
        for (name, job, zone) in [("m", "api", "a"), ("m", "api", ""), ("m", "db", "b"), ("other", "api", "b")] {
            var labels: Labels = ["__name__": name, "job": job]
            if !zone.isEmpty { labels["zone"] = zone }
            store.append(try store.add(labels), milliseconds: 1, value: 1)
        }
        return store
    }

    private static func matcher(_ name: String, _ op: LabelMatcher.Operator, _ value: String) throws -> LabelMatcher {
        try LabelMatcher(name, op, value, compiler: LiteralCompiler())
    }

    @Test(arguments: [
        ([("job", .equal, "api")] as [(String, LabelMatcher.Operator, String)], 3),
        ([("job", .equal, "api"), ("__name__", .equal, "m")], 2),
        ([("job", .equal, "nobody")], 0), ([("nothing", .equal, "x")], 0),
        ([("job", .notEqual, "api"), ("__name__", .equal, "m")], 1),
        ([("job", .matches, "api|db"), ("__name__", .equal, "m")], 3),
        ([("job", .notMatches, "api|db"), ("__name__", .equal, "m")], 0),
        ([("zone", .equal, ""), ("__name__", .equal, "m")], 1),
        ([("zone", .notEqual, ""), ("__name__", .equal, "m")], 2),
        ([("zone", .matches, "a|"), ("__name__", .equal, "m")], 2),
        ([("zone", .notEqual, "b")], 2), ([("zone", .matches, ".*")], 4), ([], 4),
    ])
    func `matchers find what they should`(
        _ conditions: [(String, LabelMatcher.Operator, String)], _ count: Int
    ) throws {
        let matchers = try conditions.map { try Self.matcher($0.0, $0.1, $0.2) }
        let store = try filled()
        #expect(store.select(matchers, from: 0, to: 10).count == count)
        #expect(store.labelSets(matchers, limit: 100).count == count)
    }

    @Test func `names and values are listed`() throws {
        let store = try filled()
        #expect(store.labelNames() == ["__name__", "host", "job", "zone"])
        #expect(store.labelValues("job") == ["api", "db"])
        #expect(store.labelValues("nothing") == [])
        #expect(store.labelValues("zone", [LabelMatcher("job", equals: "api")]) == ["a", "b"])
        #expect(store.labelNames([LabelMatcher("zone", equals: "a")]) == ["__name__", "host", "job", "zone"])
    }

    @Test func `labels of the host are added and its identity always wins`() throws {
        var store = store()
        let found = store.series(
            ["__name__": "m", "zone": "own", "host": "liar"], of: hostA, hostLabels: ["zone": "z", "rack": "r"])
        let id = try #require(found)
        store.append(id, milliseconds: 1, value: 1)
        #expect(
            store.select([all], from: 0, to: 2)[0].labels
                == ["__name__": "m", "zone": "own", "rack": "r", "host": "host-a"])
        #expect(store.series(["__name__": "m", "zone": "own"], of: hostA, hostLabels: ["rack": "r"]) == id)
    }

    @Test func `the index agrees with a plain search after random churn`() throws {
        var chance = Seeded(state: 9)
        var store = store(retention: .seconds(100))
        for round in 0..<60 {
            let now = Int64(round) * 20_000
            for _ in 0..<10 {
                let labels: Labels = [
                    "__name__": "m", "a": "\(Int.random(in: 0..<5, using: &chance))",
                    "b": "\(Int.random(in: 0..<5, using: &chance))",
                ]
                let id = try store.add(labels, of: Bool.random(using: &chance) ? hostA : hostB)
                store.append(id, milliseconds: now, value: 1)
                if Bool.random(using: &chance) { store.end(id, milliseconds: now + 1) }
            }
            store.expire(now: Instant(milliseconds: now))
            let everything = store.labelSets([], limit: .max)
            #expect(everything.count == store.seriesCount)
            for a in 0..<5 {
                let matchers = [LabelMatcher("a", equals: "\(a)"), LabelMatcher("host", equals: "host-a")]
                let plain = everything.filter { labels in matchers.allSatisfy { $0.isMatch(labels) } }
                #expect(Set(store.labelSets(matchers, limit: .max)) == Set(plain))
            }
        }
    }
}
