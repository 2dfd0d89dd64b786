import MusterSeries
import Testing

struct MergePlanTests {
    private static let limits = MergePlan.Limits(retention: 8_000, maxBytes: 1_000, fanIn: 4)

    /// Parts of 100 ms one after the other; `(level, bytes)`.
    private static func parts(_ list: (UInt8, UInt64)...) -> [StoreManifest.Part] {
        list.enumerated().map { index, one in
            StoreManifest.Part(
                number: UInt32(index + 1), bytes: one.1, from: Int64(index) * 100, to: Int64(index) * 100 + 99,
                level: one.0)
        }
    }

    private static func next(_ parts: [StoreManifest.Part]) -> MergePlan? { MergePlan.next(parts, limits: limits) }

    @Test func aFullRunOfOneLevelIsDue() {
        #expect(Self.next([]) == nil)
        #expect(Self.next(Self.parts((0, 10), (0, 10), (0, 10))) == nil)
        #expect(
            Self.next(Self.parts((0, 10), (0, 20), (0, 10), (0, 10), (0, 10)))
                == MergePlan(parts: [1, 2, 3, 4], level: 1, bytes: 50))
        #expect(
            Self.next(Self.parts((1, 10), (1, 10), (0, 10), (0, 10), (0, 10), (0, 10)))
                == MergePlan(parts: [3, 4, 5, 6], level: 1, bytes: 40))
    }

    @Test func smallerPartsBehindARunMayStillJoinIt() {
        #expect(Self.next(Self.parts((1, 10), (1, 10), (1, 10), (0, 10))) == nil)
        // Larger ones will not: half a run is enough then.
        #expect(Self.next(Self.parts((0, 10), (0, 10), (1, 10)))?.parts == [1, 2])
        #expect(Self.next(Self.parts((0, 10), (1, 10))) == nil)
    }

    @Test func noPartGetsLargerThanTheLimit() {
        #expect(Self.next(Self.parts((0, 400), (0, 400), (0, 400), (0, 400)))?.parts == [1, 2])
        #expect(Self.next(Self.parts((0, 900), (0, 900), (0, 900))) == nil)
        #expect(Self.next(Self.parts((0, .max), (0, .max), (0, 1), (0, 1))) == nil)
        #expect(Self.next(Self.parts((0, 900), (0, 400), (0, 400), (0, 400)))?.parts == [2, 3])
    }

    @Test func noPartSpansMoreThanAnEighthOfTheRetention() {
        var parts = Self.parts((0, 1), (0, 1), (0, 1), (0, 1))
        parts[3].from = 5_000
        parts[3].to = 6_000
        #expect(Self.next(parts)?.parts == [1, 2, 3])
        parts[1].from = .min
        parts[1].to = .max
        #expect(Self.next(parts) == nil)
    }

    @Test func aLevelHasAnEnd() {
        #expect(Self.next(Self.parts((.max, 1), (.max, 1), (.max, 1), (.max, 1)))?.level == .max)
    }

    /// Checkpoints and merges for a day: what is merged keeps the limits, and few parts are left.
    @Test func aDayOfCheckpointsLeavesFewParts() throws {
        let limits = MergePlan.Limits(retention: 86_400_000)
        var parts: [StoreManifest.Part] = []
        var number: UInt32 = 0
        var rewritten: UInt64 = 0
        for checkpoint in 0..<288 as Range<Int64> {
            number += 1
            parts.append(
                StoreManifest.Part(
                    number: number, bytes: 6 << 20, from: checkpoint * 300_000, to: checkpoint * 300_000 + 299_000,
                    level: 0))
            while let plan = MergePlan.next(parts, limits: limits) {
                let place = try #require(parts.firstIndex { $0.number == plan.parts[0] })
                let sources = parts[place..<(place + plan.parts.count)]
                #expect(sources.map(\.number) == plan.parts)
                let bytes = sources.reduce(0) { $0 + $1.bytes }
                #expect(bytes == plan.bytes && bytes <= limits.maxBytes)
                number += 1
                let merged = StoreManifest.Part(
                    number: number, bytes: bytes, from: sources.map(\.from).min() ?? 0,
                    to: sources.map(\.to).max() ?? 0, level: plan.level)
                #expect(merged.to - merged.from <= limits.maxSpan)
                parts.replaceSubrange(place..<(place + plan.parts.count), with: [merged])
                rewritten += bytes
            }
        }
        #expect(parts.count < 24)
        #expect(rewritten <= 3 * 288 * (6 << 20))
    }
}
