import MusterCoordinator
import MusterModel
import MusterSeries
import MusterStore
import Testing

/// A bit of a stored file is not what it was. What it belongs to is lost and told; all else goes on.
struct KeeperDamageTests {
    private let io = MemoryFileIO()
    private let footerBytes = 32

    /// A sample a second of two owners, so in two groups: a block for each in the part of a round.
    private func samples(_ round: Int64) -> (a: [SeriesSamples], b: [SeriesSamples]) {
        let times = (0..<5).map { Thing.time(round * 10 + $0) }
        return (
            [.test("a", times, labels: ["host": "a"])],
            [.test("b", times, labels: ["host": "b"]), .test("c", times, labels: ["host": "b"])]
        )
    }

    private func all(_ rounds: Range<Int64>) -> Contents {
        let series = rounds.flatMap { round -> [SeriesSamples] in
            let samples = samples(round)
            return samples.a + samples.b
        }
        return series.contents
    }

    /// Each round becomes a part.
    private func write(_ rounds: Range<Int64>, into ingest: Ingest) async throws {
        for round in rounds {
            let samples = samples(round)
            try await ingest.push(samples.a + samples.b)
            await ingest.keeper.checkpoint(now: Thing.start)
        }
    }

    private func firstPart() throws -> Part {
        let directory = try PartDirectory.open(
            directory: Ballast.directory, io: io, settings: .init(maxBytes: 1 << 30)
        ).store
        return try #require(directory.parts.first)
    }

    @Test func aFlippedBitInABlockCostsThatBlock() async throws {
        let ingest = try Ingest.open(io)
        try await write(0..<3, into: ingest)
        let part = try firstPart()
        // Groups stand in the order in which they came to be.
        let block = try #require(try part.index().first).block
        io.flipBit(part.path, offset: Int(block.offset + block.length) - 2, bit: 2)
        let lost = samples(0).a.contents
        let before = try ingest.contents()
        #expect(before == all(0..<3).filter { lost[$0.key] == nil })
        #expect(ingest.metrics.damagedBlocks == 1)
        // Enough for a merge, which leaves the block out.
        try await write(3..<9, into: ingest)
        await ingest.keeper.run(now: Thing.start)
        #expect(ingest.keeper.counts.merges == 1 && ingest.keeper.counts.failures == 0)
        let told = ingest.metrics.damagedBlocks
        #expect(told >= 2)
        let rest = all(0..<9).filter { lost[$0.key] == nil }
        let found = try ingest.contents()
        #expect(found == rest)
        #expect(ingest.metrics.damagedBlocks == told)
        io.kill()
        let again = try Ingest.open(io)
        let reread = try again.contents()
        #expect(reread == rest)
        #expect(again.metrics.damagedBlocks == 0)
    }

    /// Readers know where the blocks are and need no directory, merges read it again.
    @Test func aFlippedBitInTheDirectoryOfAPartStopsNoOtherWork() async throws {
        let ingest = try Ingest.open(io)
        try await write(0..<1, into: ingest)
        let path = try firstPart().path
        let bytes = try #require(io.content(path)).count
        io.flipBit(path, offset: bytes - footerBytes - 5, bit: 0)
        #expect(try ingest.contents() == all(0..<1))
        try await write(1..<11, into: ingest)
        await ingest.keeper.run(now: Thing.start)
        let failures = ingest.keeper.counts.failures
        for _ in 0..<3 { await ingest.keeper.run(now: Thing.start) }
        #expect(ingest.keeper.counts.failures == failures, "the same is tried again and again")
        #expect(ingest.keeper.counts.merges >= 1)
        let found = try ingest.contents()
        let others = all(1..<11)
        #expect(found.filter { others[$0.key] != nil } == others)
        io.kill()
        let log = LogRecord()
        let again = try Ingest.open(io, log: log)
        let reread = try again.contents()
        #expect(reread.filter { others[$0.key] != nil } == others)
        // Samples of the first round are either there or told to be lost.
        #expect(reread.count == all(0..<11).count || log.text.contains("damaged"))
        try await write(11..<12, into: again)
        #expect(again.keeper.counts.failures == 0)
    }

    /// Its series are made anew when they come again, in groups that no block in a file is of.
    @Test func aFlippedBitInTheCatalogueCostsTheSeriesOfThatPiece() async throws {
        let first = try Ingest.open(io)
        try await first.push(samples(0).a)
        await first.keeper.checkpoint(now: Thing.start)
        try await first.push(samples(0).b)
        await first.keeper.checkpoint(now: Thing.start)
        io.kill()
        let name = try #require(try io.list(Ballast.directory).first { $0.hasSuffix(".catalogue") })
        io.flipBit("\(Ballast.directory)/\(name)", offset: 110, bit: 1)
        let log = LogRecord()
        let ingest = try Ingest.open(io, log: log)
        #expect(log.text.contains("pieces of the catalogue are damaged"))
        #expect(try ingest.contents() == samples(0).b.contents)
        #expect(ingest.metrics.damagedBlocks == 0)
        try await write(1..<9, into: ingest)
        await ingest.keeper.run(now: Thing.start)
        #expect(ingest.keeper.counts.merges == 1 && ingest.keeper.counts.failures == 0)
        var rest = all(1..<9)
        rest.merge(samples(0).b.contents) { _, new in new }
        let found = try ingest.contents()
        #expect(found == rest)
        io.kill()
        let again = try Ingest.open(io).contents()
        #expect(again == rest)
    }
}
