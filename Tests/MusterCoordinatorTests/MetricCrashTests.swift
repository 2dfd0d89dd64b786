import MusterCoordinator
import MusterModel
import MusterStore
import Testing

/// The machine dies behind any call to the disk: what was acknowledged is there, and nothing that was never sent.
struct MetricCrashTests {
    enum Ending: CaseIterable {
        /// The call is done, the process is gone, the kernel writes the rest.
        case kill
        /// The call is done, and whatever was not synced is torn, lost or kept.
        case powerLoss
        /// The call fails once, life goes on, and the process is killed at its end.
        case failure
    }

    /// What a life has seen.
    private struct Life {
        var sent: Contents = [:]
        var acknowledged: Contents = [:]
    }

    /// Nine rounds: samples that are pushed, ticks of a host, and a checkpoint after each; then a merge of the parts
    /// and a clean stop with samples that are in the log only.
    private static func live(_ io: MemoryFileIO, _ life: inout Life) async {
        guard let ingest = try? Ingest.open(io) else { return }
        var stream = TestStream("a")
        for round in 0..<9 as Range<Int64> {
            let times = (0..<3).map { Thing.time(round * 10 + $0) }
            let pushed = [SeriesSamples.test("m", times), .test("n_\(round)", times)]
            life.sent.merge(pushed.contents) { _, new in new }
            if (try? await ingest.push(pushed)) != nil {
                life.acknowledged.merge(pushed.contents) { _, new in new }
            }
            for time in times {
                let frames = stream.ticks(["up", "load"], at: [time])
                life.sent.merge(frames.contents) { _, new in new }
                if case .durable = await ingest.receive(frames) {
                    life.acknowledged.merge(frames.contents) { _, new in new }
                } else {
                    // Nobody can read what follows; an agent is told so and begins anew.
                    stream.beginEpoch()
                }
            }
            if round < 8 { await ingest.keeper.checkpoint(now: Thing.start) }
        }
        await ingest.keeper.run(now: Thing.start)
        await ingest.close(now: Thing.start)
    }

    private static func end(_ io: MemoryFileIO, _ ending: Ending, seed: Int) {
        switch ending {
        case .kill, .failure: io.kill()
        case .powerLoss:
            var generator = SplitMix64(UInt64(seed))
            io.crash(using: &generator)
        }
        io.clearFaults()
    }

    /// Some forty places of each ending, evenly: all of them take minutes.
    @Test(.timeLimit(.minutes(2)), arguments: Ending.allCases)
    func whatWasAcknowledgedIsThere(ending: Ending) async throws {
        let whole = MemoryFileIO()
        var undisturbed = Life()
        await Self.live(whole, &undisturbed)
        let isAcknowledged = undisturbed.acknowledged == undisturbed.sent
        #expect(isAcknowledged && undisturbed.sent.count == 9 * 12)
        let calls = whole.operationCount
        try #require(calls > 200)
        var losses = 0
        for place in stride(from: 1, to: calls, by: max(1, calls / 40)) {
            let io = MemoryFileIO(seed: UInt64(place))
            io.inject(.init(at: place, effect: ending == .failure ? .fails(.inputOutput) : .processDies))
            var life = Life()
            await Self.live(io, &life)
            Self.end(io, ending, seed: place)
            losses += life.acknowledged.count < undisturbed.sent.count ? 1 : 0
            try await Self.check(io, life, "\(ending) at call \(place) of \(calls)")
        }
        // The faults were where they hurt.
        #expect(ending == .failure || losses > 20)
    }

    private static func check(_ io: MemoryFileIO, _ life: Life, _ place: String) async throws {
        let ingest = try Ingest.open(io)
        let found = try ingest.contents()
        let lost = life.acknowledged.filter { found[$0.key] != $0.value }
        let strange = found.filter { life.sent[$0.key] != $0.value }
        #expect(lost.isEmpty, "\(lost.count) samples are lost, \(place)")
        #expect(strange.isEmpty, "\(strange.count) samples were never sent, \(place)")
        #expect(ingest.metrics.damagedBlocks == 0, "\(place)")
        // And the store is as good as new.
        let more = [SeriesSamples.test("m", [Thing.time(200)])]
        try await ingest.push(more)
        await ingest.keeper.checkpoint(now: Thing.start)
        #expect(ingest.keeper.counts.failures == 0, "\(place)")
        io.kill()
        let again = try Ingest.open(io).contents()
        let expected = found.merging(more.contents) { _, new in new }
        let isWhole = again == expected
        #expect(isWhole, "not usable: \(place)")
    }
}

/// A longer life: hours pass, so the oldest parts expire while others are merged. What could not be stored comes again,
/// as agents send it again.
struct MetricExpiryCrashTests {
    enum Ending: Int, CaseIterable {
        case kill, powerLoss, failure
    }

    private static let later = Thing.at(7_200)
    /// What is older may be gone.
    private static let cutoff = (later - .hours(1)).milliseconds
    /// Of each ending. All calls would take minutes, so they are taken evenly; each ending begins at another one.
    private static let places = 20

    private struct Life {
        var sent: Contents = [:]
        var acknowledged: Contents = [:]
        var stream = TestStream("a")
        /// Of a life that came to its end.
        var counts: MetricKeeper.Counters?

        mutating func acknowledge(_ contents: Contents) { acknowledged.merge(contents) { _, new in new } }
        mutating func send(_ contents: Contents) { sent.merge(contents) { _, new in new } }
    }

    /// Three parts that will be too old, eight that become one, and samples that a clean stop seals.
    private static func live(_ io: MemoryFileIO, _ life: inout Life) async {
        guard let ingest = try? Ingest.open(io, retention: .hours(1)) else { return }
        for round in 0..<3 as Range<Int64> {
            await send(round * 10, to: ingest, at: Thing.start, &life)
            await ingest.keeper.checkpoint(now: Thing.start)
        }
        for round in 0..<8 as Range<Int64> {
            await send(7_200 + round * 10, to: ingest, at: later, &life)
            await ingest.keeper.checkpoint(now: later)
        }
        await ingest.keeper.run(now: later)
        await send(7_290, to: ingest, at: later, &life)
        await ingest.close(now: later)
        life.counts = ingest.keeper.counts
    }

    private static func send(_ second: Int64, to ingest: Ingest, at now: Instant, _ life: inout Life) async {
        let times = (0..<2).map { Thing.time(second + $0) }
        let pushed = [SeriesSamples.test("m", times), .test("n_\(second)", times)]
        life.send(pushed.contents)
        if let outcome = try? await ingest.push(pushed, at: now), outcome.storeRefusals == nil {
            life.acknowledge(pushed.contents)
        }
        for time in times {
            let frames = life.stream.ticks(["up", "load"], at: [time])
            life.send(frames.contents)
            var stored = await ingest.receive(frames, at: now)
            if case .failed? = stored { stored = await ingest.receive(frames, at: now) }
            if case .durable? = stored {
                life.acknowledge(frames.contents)
            } else {
                // Nothing can be read behind a frame that is missing, up to a keyframe.
                life.stream.beginEpoch()
            }
        }
    }

    private static func end(_ io: MemoryFileIO, _ ending: Ending, seed: Int) {
        switch ending {
        case .kill, .failure: io.kill()
        case .powerLoss:
            var generator = SplitMix64(UInt64(seed) &* 31)
            io.crash(using: &generator)
        }
        io.clearFaults()
    }

    @Test(.timeLimit(.minutes(2)), arguments: Ending.allCases)
    func whatWasAcknowledgedAndIsNotTooOldIsThere(ending: Ending) async throws {
        let whole = MemoryFileIO()
        var undisturbed = Life()
        await Self.live(whole, &undisturbed)
        let isAcknowledged = undisturbed.acknowledged == undisturbed.sent
        #expect(isAcknowledged && undisturbed.sent.count == 12 * 8)
        let counts = try #require(undisturbed.counts)
        #expect(counts.expiredParts == 3 && counts.merges == 1 && counts.failures == 0, "\(counts)")
        let calls = whole.operationCount
        try #require(calls > 200)
        let step = max(1, calls / Self.places)
        var (tested, losses) = (0, 0)
        for place in stride(from: 1 + ending.rawValue * step / 3, through: calls, by: step) {
            let io = MemoryFileIO(seed: UInt64(place))
            io.inject(.init(at: place, effect: ending == .failure ? .fails(.inputOutput) : .processDies))
            var life = Life()
            await Self.live(io, &life)
            Self.end(io, ending, seed: place)
            tested += 1
            losses += life.acknowledged.count < undisturbed.sent.count ? 1 : 0
            try await Self.check(io, life, "\(ending) at call \(place) of \(calls)")
        }
        #expect(tested >= Self.places)
        // The faults were where they hurt.
        #expect(ending == .failure || losses > tested / 2)
    }

    private static func check(_ io: MemoryFileIO, _ life: Life, _ place: String) async throws {
        let ingest = try Ingest.open(io, retention: .hours(1), now: later)
        let found = try ingest.contents()
        let lost = life.acknowledged.filter { $0.key.time >= cutoff && found[$0.key] != $0.value }
        let strange = found.filter { life.sent[$0.key] != $0.value }
        #expect(lost.isEmpty, "\(lost.count) samples are lost, \(place)")
        #expect(strange.isEmpty, "\(strange.count) samples were never sent, \(place)")
        // What was under way is done now: expiry, a checkpoint, the merge.
        let more = [SeriesSamples.test("m", [Thing.time(7_400)])]
        let outcome = try await ingest.push(more, at: later)
        await ingest.keeper.run(now: later)
        await ingest.keeper.checkpoint(now: later)
        #expect(outcome.storeRefusals == nil && ingest.keeper.counts.failures == 0, "\(place)")
        let before = try ingest.contents()
        #expect(ingest.metrics.damagedBlocks == 0, "\(place)")
        let expected = found.merging(more.contents) { _, new in new }
        let gone = expected.filter { $0.key.time >= cutoff && before[$0.key] != $0.value }
        #expect(gone.isEmpty, "\(gone.count) samples went with the work of the keeper, \(place)")
        io.kill()
        let again = try Ingest.open(io, retention: .hours(1), now: later).contents()
        let isSame = again == before
        #expect(isSame, "not usable: \(place)")
    }

    /// Series of one owner share a group, and a checkpoint has seen one of them at a later time than the other is at:
    /// within its own series the sample was in order, so it was taken and has to stay.
    @Test(arguments: [false, true])
    func whatLagsBehindOthersOfItsOwnerIsThereAfterADeath(isKnown: Bool) async throws {
        let io = MemoryFileIO()
        let ingest = try Ingest.open(io)
        try await ingest.push([.test("ahead", [Thing.time(0)])])
        if isKnown { try await ingest.push([.test("behind", [Thing.time(-1_200)])]) }
        await ingest.keeper.checkpoint(now: Thing.start)
        let outcome = try await ingest.push([.test("behind", [Thing.time(-600)])])
        #expect(outcome.written == 1 && outcome.storeRefusals == nil)
        let before = try ingest.contents(of: "behind")
        #expect(before.count == (isKnown ? 2 : 1))
        io.kill()
        let again = try Ingest.open(io).contents(of: "behind")
        let isSame = again == before
        #expect(isSame, "\(again.count) of \(before.count) samples are left")
    }
}
