import MusterModel
import MusterSeries
import Testing

private let minute: Int64 = 60_000
private let stale = StaleMarker.bitPattern

@Suite struct SeriesStoreSamples {
    /// A sample at `milliseconds` after one at 1,000,000 with the value 1.
    @Test(arguments: [
        (1_000_001, 2, true, SampleOutcome.stored), (1_000_001, 2, false, .stored), (1_000_000, 1, true, .duplicate),
        (1_000_000, 1, false, .duplicate), (1_000_000, 2, true, .conflicting), (1_000_000, 2, false, .conflicting),
        (999_999, 1, true, .tooOld), (999_999, 1, false, .stored), (1_000_000 - 5 * minute, 1, false, .stored),
        (1_000_000 - 5 * minute - 1, 1, false, .tooOld), (Int64.max, 1, true, .stored), (Int64.min, 1, true, .tooOld),
        (Int64.min, 1, false, .tooOld),
    ])
    func `a second sample meets the first`(
        _ milliseconds: Int64, _ value: UInt64, _ isAgent: Bool, _ expected: SampleOutcome
    ) throws {
        // Before a time is known all times are taken; the outcome is the same in the open row, in a closed one and in
        // one that is being sealed.
        for stage in 0..<3 {
            var owned = try OwnedStore()
            let owner = isAgent ? owned.agent : owned.relayed
            let ref = try owned.store.series(of: owner, ["a": "1"])
            let other = try owned.store.series(of: owner, ["a": "2"])
            #expect(owned.append(ref, 1_000_000, 1) == .stored)
            if stage == 1 { #expect(owned.append(other, 1_000_500, 1) == .stored) }
            if stage == 2 { #expect(owned.store.takeSealable(.all).count == 1) }
            #expect(owned.append(ref, milliseconds, value) == expected)
            var samples: [Int64: UInt64] = [1_000_000: 1]
            if expected == .stored { samples[milliseconds] = value }
            #expect(owned.store.content()[["a": "1"]] == samples)
            #expect(owned.append(ref, milliseconds, value) == (expected == .stored ? .duplicate : expected))
        }
    }

    @Test func `the clock bounds what is taken`() throws {
        var owned = try OwnedStore(.init(retention: .hours(2), futureTolerance: .minutes(10)))
        owned.store.timeAdvanced(to: Instant(milliseconds: 100_000_000))
        let series = try (0..<4).map { try owned.store.series(of: owned.relayed, ["n": "\($0)"]) }
        #expect(owned.append(series[0], 100_000_000 + 10 * minute, 1) == .stored)
        #expect(owned.append(series[1], 100_000_000 + 10 * minute + 1, 1) == .tooFarAhead)
        #expect(owned.append(series[2], 100_000_000 - 120 * minute, 1) == .stored)
        #expect(owned.append(series[3], 100_000_000 - 120 * minute - 1, 1) == .tooOld)
        owned.store.end(series[2], milliseconds: 100_000_000 + 10 * minute + 1)
        #expect(owned.store.content()[["n": "2"]] == [100_000_000 - 120 * minute: 1])
        #expect(owned.store.counters.stored == 2)
        #expect(owned.store.counters.tooOld == 1 && owned.store.counters.tooFarAhead == 1)
    }

    @Test func `every time and every value survives`() throws {
        var owned = try OwnedStore()
        let ref = try owned.store.series(of: owned.relayed, ["a": "1"])
        var expected: [Int64: UInt64] = [:]
        for (index, bits) in awkwardBits.enumerated() {
            let time = index == 0 ? Int64.min : Int64(index * index) - 5
            #expect(owned.append(ref, time, bits) == .stored)
            expected[time] = bits
        }
        #expect(owned.append(ref, .max, stale) == .stored)
        expected[.max] = stale
        #expect(owned.store.content() == [["a": "1"]: expected])
        var disk = TestDisk()
        disk.seal(&owned.store, part: 1)
        #expect(owned.store.content(disk: disk) == [["a": "1"]: expected])
    }

    @Test func `a sample that a block may have waits for a look into it`() throws {
        var owned = try OwnedStore(.init(maxUndecided: 4))
        var disk = TestDisk()
        let ref = try owned.store.series(of: owned.relayed, ["a": "1"])
        for time: Int64 in [1_000, 2_000, 4_000] { #expect(owned.append(ref, time, UInt64(time)) == .stored) }
        disk.seal(&owned.store, part: 1)
        for (time, value): (Int64, UInt64) in [(2_000, 2_000), (2_000, 1), (3_000, 3_000), (4_000, 4_000)] {
            #expect(owned.append(ref, time, value) == .undecided)
        }
        #expect(owned.append(ref, 1_000, 1_000) == .full && owned.store.counters.undecidedDropped == 1)
        // Before the first block there is nothing to look into.
        #expect(owned.append(ref, 999, 5) == .stored)
        let waiting = owned.store.takeUndecided()
        #expect(owned.store.takeUndecided().isEmpty)
        let outcomes = waiting.map { sample in
            owned.store.settle(sample, known: sample.value(in: disk.read(sample.blocks[0])))
        }
        #expect(outcomes == [.duplicate, .conflicting, .stored, .duplicate])
        #expect(
            owned.store.content(disk: disk)
                == [["a": "1"]: [999: 5, 1_000: 1_000, 2_000: 2_000, 3_000: 3_000, 4_000: 4_000]])
        // The head knows the late ones without a block.
        #expect(owned.append(ref, 3_000, 3_000) == .duplicate && owned.append(ref, 3_000, 1) == .conflicting)
    }

    @Test func `a block that came while a sample waited is asked too`() throws {
        var owned = try OwnedStore()
        var disk = TestDisk()
        let ref = try owned.store.series(of: owned.relayed, ["a": "1"])
        for time: Int64 in [1_000, 3_000] { _ = owned.append(ref, time, 1) }
        disk.seal(&owned.store, part: 1)
        #expect(owned.append(ref, 2_000, 7) == .undecided)
        #expect(owned.append(ref, 2_000, 8) == .undecided)
        let waiting = owned.store.takeUndecided()
        #expect(owned.store.settle(waiting[0], known: nil) == .stored)
        disk.seal(&owned.store, part: 2)
        #expect(owned.store.settle(waiting[1], known: nil) == .undecided)
        let again = owned.store.takeUndecided()
        let known = again.flatMap { sample in sample.blocks.compactMap { sample.value(in: disk.read($0)) } }
        #expect(known == [7])
        #expect(owned.store.settle(again[0], known: 7) == .conflicting)
    }

    @Test func `samples for a forgotten series are refused and counted`() throws {
        var owned = try OwnedStore()
        let ref = try owned.store.series(of: owned.agent, ["a": "1"])
        _ = owned.append(ref, 1, 1)
        owned.store.forgetEverything()
        #expect(owned.append(ref, 2, 1) == .unknownSeries)
        let owner = owned.store.owner(key: "host-a", kind: .agent)
        let new = try owned.store.series(of: try #require(owner), ["a": "2"])
        #expect(new.number == ref.number && new.birth != ref.birth)
        #expect(owned.append(ref, 3, 1) == .unknownSeries)
        #expect(owned.append(SeriesRef(number: .max, birth: 1), 3, 1) == .unknownSeries)
        #expect(owned.append(SeriesRef(number: 0, birth: 0), 3, 1) == .unknownSeries)
        owned.store.end(ref, milliseconds: 5)
        #expect(owned.store.counters.unknownSeries == 4 && owned.store.content().isEmpty)
    }

    @Test func `a tick is its samples one by one`() throws {
        var chance = Seeded(state: 12)
        var ticks = try OwnedStore()
        var singles = try OwnedStore()
        var refs: [SeriesRef] = []
        for number in 0..<200 {
            let labels: Labels = ["n": "\(number)"]
            let ref = try ticks.store.series(of: ticks.agent, labels)
            #expect(try singles.store.series(of: singles.agent, labels) == ref)
            refs.append(ref)
        }
        refs.append(SeriesRef(number: 7, birth: 4_000))
        refs.append(SeriesRef(number: .max, birth: 1))
        for round in 0..<60 {
            let time = Int64(round / 2 * 1_000 + Int.random(in: -500...500, using: &chance))
            var chosen = refs.filter { _ in Int.random(in: 0..<10, using: &chance) > 1 }
            if round % 3 == 0 { chosen.shuffle(using: &chance) }
            if round % 7 == 0, let last = chosen.last { chosen.append(last) }
            let bits = chosen.map { _ in Int.random(in: 0..<9, using: &chance) == 0 ? stale : UInt64(round / 4) }
            let outcome = ticks.store.appendTick(milliseconds: time, refs: chosen.span, bits: bits.span)
            var expected = TickOutcome()
            for (index, ref) in chosen.enumerated() {
                switch singles.append(ref, time, bits[index]) {
                case .stored: expected.stored += 1
                case .duplicate: expected.duplicate += 1
                case .conflicting: expected.conflicting += 1
                case .tooOld: expected.tooOld += 1
                case .tooFarAhead: expected.tooFarAhead += 1
                case .unknownSeries: expected.unknown.append(index)
                case .full: expected.full += 1
                case .undecided: expected.undecided += 1
                }
            }
            #expect(outcome == expected)
        }
        #expect(ticks.store.counters == singles.store.counters)
        #expect(ticks.store.content() == singles.store.content())
        let none: [UInt64] = []
        #expect(ticks.store.appendTick(milliseconds: 1 << 40, refs: refs.span, bits: none.span) == TickOutcome())
    }

    @Test func `an end is written once, behind the newest sample`() throws {
        var owned = try OwnedStore()
        let ref = try owned.store.series(of: owned.agent, ["a": "1"])
        let other = try owned.store.series(of: owned.agent, ["a": "2"])
        owned.store.end(ref, milliseconds: 50)
        #expect(owned.append(ref, 100, 1) == .stored)
        owned.store.end(ref, milliseconds: 100)
        owned.store.end(ref, milliseconds: 99)
        #expect(owned.store.content() == [["a": "1"]: [100: 1]])
        owned.store.end(ref, milliseconds: 200)
        owned.store.end(ref, milliseconds: 300)
        #expect(owned.append(other, 300, 2) == .stored)
        #expect(owned.store.content() == [["a": "1"]: [100: 1, 200: stale], ["a": "2"]: [300: 2]])
        #expect(owned.append(ref, 400, 3) == .stored)
        owned.store.end(ref, milliseconds: 500)
        #expect(owned.store.content()[["a": "1"]] == [100: 1, 200: stale, 400: 3, 500: stale])
    }

    @Test func `an owner that is lost ends its live series and nobody else's`() throws {
        var owned = try OwnedStore()
        var refs: [SeriesRef] = []
        for number in 0..<70 { refs.append(try owned.store.series(of: owned.agent, ["n": "\(number)"])) }
        let foreign = try owned.store.series(of: owned.relayed, ["x": "1"])
        _ = owned.append(foreign, 1_000, 1)
        for ref in refs.prefix(67) { _ = owned.append(ref, 1_000, 1) }
        owned.store.end(refs[3], milliseconds: 1_500)
        // The second group is ahead.
        _ = owned.append(refs[65], 9_000, 1)
        owned.store.ownerLost(owned.agent)
        owned.store.ownerLost(owned.agent)
        let content = owned.store.content()
        #expect(content[["n": "0"]] == [1_000: 1, 1_501: stale])
        #expect(content[["n": "3"]] == [1_000: 1, 1_500: stale])
        #expect(content[["n": "64"]] == [1_000: 1, 9_001: stale])
        #expect(content[["n": "65"]] == [1_000: 1, 9_000: 1, 9_001: stale])
        #expect(content[["n": "68"]] == nil && content[["x": "1"]] == [1_000: 1])
        #expect(content.count == 68)
        // What was measured next goes on behind, however late it comes.
        #expect(owned.append(refs[0], 2_000, 4) == .stored)
    }
}
