import Foundation
import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterSeries
import MusterStore
import MusterTestKit
import Testing

/// What becomes of samples on their way from memory into parts and out of them again, on a disk that has an end.
struct KeeperTests {
    private let io = MemoryFileIO()

    /// Ten series with fifty samples, a second apart.
    private func tenSeries(_ number: Int64) -> [SeriesSamples] {
        let times = (0..<50).map { Thing.time(number * 50 + $0) }
        return (0..<10).map { SeriesSamples.test("m\($0)", times) }
    }

    // MARK: Room

    /// `ballast`: parts of some size that are older than everything. Without any there is less to drop than a full disk
    /// asks for.
    @Test(arguments: [0, 3]) func aFullDiskCostsTheOldestAndNothingElse(ballast: Int) async throws {
        try Ballast.write(to: io, parts: ballast, blocks: 5, at: Thing.time(-3_600))
        let ingest = try Ingest.open(io, disk: 8 << 20)
        var rounds: [[SeriesSamples]] = []
        for number in 0..<5 as Range<Int64> {
            let round = tenSeries(number)
            try await ingest.push(round)
            // The last one is in the log and in memory only.
            if number < 4 { await ingest.keeper.checkpoint(now: Thing.start) }
            rounds.append(round)
        }
        io.setCapacity(bytes: io.usedBytes)
        let last = [SeriesSamples.test("m0", (250..<255).map { Thing.time($0) })]
        await #expect(throws: RelayError.self) { try await ingest.push(last) }
        var now = Thing.start
        for _ in 0..<20 where ingest.keeper.counts.evictedParts == 0 {
            now = now + .minutes(5)
            await ingest.keeper.run(now: now)
        }
        let evicted = Int(ingest.keeper.counts.evictedParts)
        #expect(evicted > 0)
        try await ingest.push(last)
        rounds.append(last)
        let kept = Array(rounds.dropFirst(max(0, evicted - ballast)).joined()).contents
        let isThere = try ingest.contents() == kept
        #expect(isThere)
        // Work goes on, too; where the room was too small for what was tried, more of the oldest goes.
        let failures = ingest.keeper.counts.failures
        await ingest.keeper.run(now: now + .minutes(5))
        #expect(ingest.keeper.counts.failures == failures)
        let dropped = Int(ingest.keeper.counts.evictedParts)
        #expect(dropped <= evicted + 1)
        let left = Array(rounds.dropFirst(max(0, dropped - ballast)).joined()).contents
        io.kill()
        io.setCapacity(bytes: nil)
        let again = try Ingest.open(io, disk: 8 << 20).contents() == left
        #expect(again)
    }

    /// Parts, catalogue, manifests and the log together; series with long labels that come and go, and one burst ten
    /// times as large as the others.
    @Test func theDiskNeverHoldsMoreThanTheCap() async throws {
        let cap = 2 << 20
        try Ballast.write(to: io, parts: 5, blocks: 2, at: Thing.time(-3_600))
        let ingest = try Ingest.open(io, disk: cap)
        var generator = SplitMix64(7)
        let paths = (0..<2_800).map { _ in (0..<12).map { _ in String(generator.next(), radix: 16) }.joined() }
        var expected: Contents = [:]
        for burst in 0..<10 {
            let numbers = Array(0..<800) + Array((800 + burst * 200)..<(1_000 + burst * 200))
            let begin = Int64(burst) * 300
            for second in 0..<(burst == 5 ? 10 : 1) as Range<Int64> {
                for first in stride(from: 0, to: numbers.count, by: 250) {
                    let request = numbers[first..<(first + 250)].map { number in
                        SeriesSamples.test(
                            "long_\(number)", [Thing.time(begin + second)], labels: ["path": paths[number]])
                    }
                    try await ingest.push(request, at: Thing.at(begin))
                    expected.merge(request.contents) { _, new in new }
                }
            }
            await ingest.keeper.run(now: Thing.at(begin + 300))
            #expect(io.peakBytes <= cap, "burst \(burst)")
        }
        let counts = ingest.keeper.counts
        #expect(counts.failures == 0 && ingest.counts.failed == 0)
        // No more than what was there before, so all that came is there.
        #expect(counts.evictedParts >= 1 && counts.evictedParts <= 5)
        let found = try ingest.contents()
        #expect(found == expected)
    }

    /// What a start reads again may be more than there is memory for: checkpoints on the way make room.
    @Test func aStartWithLittleMemoryReadsEverythingAgain() async throws {
        var pushed: [SeriesSamples] = []
        do {
            let ingest = try Ingest.open(io)
            for round in 0..<30 as Range<Int64> {
                let times = (0..<100).map { Thing.time(round * 100 + $0) }
                let series = (0..<100).map { SeriesSamples.test("m\($0)", times) }
                try await ingest.push(series, at: Thing.at(round * 100))
                pushed += series
            }
            #expect(ingest.metrics.memoryBytes > 2 << 20 && ingest.keeper.counts.checkpoints == 0)
        }
        io.kill()
        let again = try Ingest.open(io, memory: 1 << 20, now: Thing.at(3_000))
        #expect(again.keeper.counts.checkpoints > 0 && again.metrics.memoryBytes < 5 << 18)
        let isWhole = try again.contents() == pushed.contents
        #expect(isWhole)
        #expect(again.keeper.counts.failures == 0 && again.keeper.counts.evictedParts == 0)
    }

    /// To merge parts that cannot stand beside what they become is not worth one of them.
    @Test func nothingIsDroppedForTheSakeOfAMerge() async throws {
        let cap = 1 << 20
        let ingest = try Ingest.open(io, retention: .hours(24), disk: cap)
        // Eight parts that take more than half of what the log leaves.
        let samples = (0..<16).map { series in
            (0..<8).map { part in
                SeriesSamples.test("m\(series)", (0..<500).map { Thing.time(Int64(part) * 60) + $0 * 100 })
            }
        }
        for part in 0..<8 {
            try await ingest.push(samples.map { $0[part] }, at: Thing.at(Int64(part) * 60 + 60))
            await ingest.keeper.checkpoint(now: Thing.start)
        }
        #expect(try io.partDirectoryBytes(".part") > cap * 3 / 8)
        await ingest.keeper.run(now: Thing.start)
        #expect(ingest.keeper.counts.evictedParts == 0 && io.peakBytes <= cap)
        let found = try ingest.contents()
        let all = Array(samples.joined()).contents
        #expect(found == all)
    }

    // MARK: Retention

    @Test func whatIsOlderThanTheRetentionGoesByWholeParts() async throws {
        let ingest = try Ingest.open(io, retention: .hours(1))
        let hours = (0..<3).map { hour in
            [SeriesSamples.test("m", [Thing.time(hour * 3_600), Thing.time(hour * 3_600 + 1)])]
        }
        for (hour, samples) in hours.enumerated() {
            let now = Thing.at(Int64(hour) * 3_600 + 1)
            try await ingest.push(samples, at: now)
            await ingest.keeper.checkpoint(now: now)
        }
        // The newest sample of the second hour is as old as the retention, to the millisecond.
        let edge = Thing.at(2 * 3_600 + 1)
        await ingest.keeper.run(now: edge)
        #expect(ingest.keeper.counts.expiredParts == 1)
        #expect(try ingest.contents() == (hours[1] + hours[2]).contents)
        #expect(ingest.metrics.cardinality(limit: 1).from == Thing.time(3_600))
        await ingest.keeper.run(now: edge + .milliseconds(1))
        #expect(ingest.keeper.counts.expiredParts == 2 && ingest.keeper.counts.evictedParts == 0)
        #expect(try ingest.contents() == hours[2].contents)
        #expect(ingest.metrics.cardinality(limit: 1).from == Thing.time(2 * 3_600))
        #expect(ingest.keeper.counts.failures == 0 && ingest.metrics.seriesCount == 1)
        io.kill()
        let again = try Ingest.open(io, retention: .hours(1), now: edge).contents()
        #expect(again == hours[2].contents)
    }

    /// The budget first, then the age of what it left.
    @Test func whatIsBeyondTheBudgetGoesFromItsOldEnd() async throws {
        let cap = 256 << 10
        let ingest = try Ingest.open(io, retention: .hours(2), disk: cap)
        var rounds: [[SeriesSamples]] = []
        for number in 1...16 as ClosedRange<Int64> {
            let times = (0..<100).map { Thing.time(number * 300 - 100 + $0) }
            let round = (0..<20).map { SeriesSamples.test("m\($0)", times) }
            try await ingest.push(round, at: Thing.at(number * 300))
            await ingest.keeper.run(now: Thing.at(number * 300))
            rounds.append(round)
        }
        let counts = ingest.keeper.counts
        let evicted = Int(counts.evictedParts)
        #expect(evicted > 0 && evicted < 14)
        #expect(counts.expiredParts == 0 && counts.merges == 0 && counts.failures == 0)
        #expect(io.peakBytes <= cap)
        let kept = Array(rounds.dropFirst(evicted).joined()).contents
        let found = try ingest.contents()
        #expect(found == kept)
        // The newest of the fourteenth round is a second and a millisecond too old then.
        await ingest.keeper.run(now: Thing.at(14 * 300) + .hours(2) + .milliseconds(1))
        #expect(ingest.keeper.counts.expiredParts == UInt64(14 - evicted))
        #expect(ingest.keeper.counts.evictedParts == UInt64(evicted))
        let left = try ingest.contents()
        let newest = Array(rounds.suffix(2).joined()).contents
        #expect(left == newest)
    }

    // MARK: Readers

    /// A query waits in the middle of its reading while everything that it reads is written, merged and dropped.
    @Test(.timeLimit(.minutes(1))) func aQueryReadsWhatThereWasWhenItBegan() async throws {
        let paused = PausingIO(io)
        let ingest = try Ingest.open(paused, retention: .hours(2))
        let keeper = ingest.keeper
        var pushed: [SeriesSamples] = []
        func push(_ series: [SeriesSamples]) async throws {
            try await ingest.push(series)
            pushed += series
        }
        for number in 0..<4 as Range<Int64> {
            try await push([.test("m", [Thing.time(number)]), .test("n", [Thing.time(number)])])
            await keeper.checkpoint(now: Thing.start)
        }
        // Rows for a block, which waits in memory, and open ones.
        try await push([.test("m", (4..<200).map { Thing.time($0) })])
        await keeper.run(now: Thing.start)
        try await push([.test("n", [Thing.time(200)])])
        // Nobody has read a block yet, so none is kept.
        let before = pushed.contents
        #expect(before.count == 205)
        paused.pauseNextRead()
        defer { paused.goOn() }
        let reading = Task { try await Self.onThread { try ingest.contents() } }
        try await eventually("a block is being read") { paused.isPaused }
        let later = Thing.at(1_200)
        try await ingest.push([.test("m", [Thing.time(1_200)])], at: later)
        await keeper.checkpoint(now: later)
        await keeper.run(now: Thing.start)
        #expect(keeper.counts.merges == 1)
        #expect(try ingest.contents().count == before.count + 1)
        await keeper.run(now: later + .hours(3))
        #expect(keeper.counts.expiredParts == 2 && keeper.counts.failures == 0)
        #expect(try ingest.contents().isEmpty)
        paused.goOn()
        let found = try await reading.value
        #expect(found == before)
        #expect(ingest.metrics.damagedBlocks == 0)
    }

    /// On a thread of its own, which may block.
    private static func onThread<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Value, any Error>) in
            Thread.detachNewThread {
                do { continuation.resume(returning: try body()) } catch { continuation.resume(throwing: error) }
            }
        }
    }

    // MARK: Churn

    @Test func seriesThatComeAndGoLeaveNothing() async throws {
        let ingest = try Ingest.open(io, retention: .hours(1))
        var (full, rest, catalogue): ([Int], [Int], [Int]) = ([], [], [])
        for number in 0..<8 as Range<Int64> {
            let begin = number * 8_000
            for request in 0..<4 {
                let series = (0..<650).map {
                    SeriesSamples.test("r\(number)_\(request * 650 + $0)", [Thing.time(begin)])
                }
                try await ingest.push(series, at: Thing.at(begin))
            }
            #expect(ingest.metrics.seriesCount >= 2_600)
            full.append(ingest.metrics.memoryBytes)
            await ingest.keeper.run(now: Thing.at(begin + 300))
            catalogue.append(try io.partDirectoryBytes(".catalogue"))
            // The retention passes, and somebody else goes on.
            let other = SeriesSamples.test("up", [Thing.time(begin + 7_200)], labels: ["instance": "other"])
            try await ingest.push([other], at: Thing.at(begin + 7_200))
            await ingest.keeper.run(now: Thing.at(begin + 7_200))
            #expect(ingest.metrics.seriesCount == 1, "round \(number)")
            rest.append(ingest.metrics.memoryBytes)
        }
        #expect(ingest.keeper.counts.failures == 0 && ingest.metrics.counters.seriesForgotten == 8 * 2_600)
        #expect(full[7] <= full[0] * 5 / 4, "\(full)")
        #expect(rest[7] <= rest[0] * 5 / 4, "\(rest)")
        #expect(catalogue.allSatisfy { $0 <= 6 * catalogue[0] }, "\(catalogue)")
        io.kill()
        let again = try Ingest.open(io, retention: .hours(1), now: Thing.at(7 * 8_000 + 7_200))
        #expect(again.metrics.seriesCount == 1)
    }

    @Test func theCatalogueDoesNotGrowByWhatItSaysAlready() async throws {
        let ingest = try Ingest.open(io)
        let families = (0..<300).map { number in
            FamilyMetadata(
                name: "m\(number)", type: .counter,
                help: "\(SamplePlace(series: "help", time: Int64(number)).value) things of kind \(number)")
        }
        let series = (0..<300).map { SeriesSamples.test("m\($0)", [Thing.time(0)]) }
        let batch = RelayedBatch(series, families: families)
        _ = try await ingest.relay(batch, batch.remoteWriteBody, .remoteWriteV1, now: Thing.start)
        await ingest.keeper.checkpoint(now: Thing.start)
        let first = try io.partDirectoryBytes(".catalogue")
        for second in 1...20 as ClosedRange<Int64> {
            let again = RelayedBatch([.test("m0", [Thing.time(second)])], families: [families[0]])
            _ = try await ingest.relay(again, again.remoteWriteBody, .remoteWriteV1, now: Thing.start)
            await ingest.keeper.checkpoint(now: Thing.start)
        }
        #expect(try io.partDirectoryBytes(".catalogue") <= 2 * first)
        // What is new is written.
        let changed = FamilyMetadata(name: "m1", type: .counter, help: "other things")
        let last = RelayedBatch([.test("m1", [Thing.time(30)])], families: [changed])
        _ = try await ingest.relay(last, last.remoteWriteBody, .remoteWriteV1, now: Thing.start)
        await ingest.close(now: Thing.start)
        io.kill()
        let metrics = try Ingest.open(io).metrics
        #expect(metrics.metadata(metric: nil, limit: 1_000).count == 300)
        #expect(metrics.metadata(metric: "m299", limit: 1).map(\.help) == [families[299].help])
        #expect(metrics.metadata(metric: "m1", limit: 1).map(\.help) == ["other things"])
    }
}
