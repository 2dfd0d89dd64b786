import Foundation
import MusterCoordinator
import MusterInterchange
import MusterModel
import MusterQuery
import MusterSeries
import MusterSnappy
import MusterStore
import MusterTestKit
import MusterTransport
import Testing

/// Pushed requests behind the doors: what is in the log is in the store, to the bit, also after a restart.
struct RelayTests {
    private let scratch: Scratch
    private let now = MachineClock.wall

    init() throws { scratch = try Scratch("relay") }

    private func open(
        _ directory: String, io: any FileIO = SystemFileIO(), lateAfter: Duration? = nil
    ) throws -> Ingest {
        try Ingest.open(
            Ingest.Settings(
                directory: directory, metrics: .init(retention: .hours(2), maxBytes: 64 << 20), metricBytes: 64 << 20,
                logRetention: .hours(24), logBytes: 64 << 20, lateAfter: lateAfter),
            io: io, compressor: ZlibCompressor(), now: now, logger: LogRecord().logger("test"))
    }

    private func relay(
        _ ingest: Ingest, _ version: RemoteWriteVersion, _ series: SeriesSamples
    ) async throws -> RelayedOutcome {
        let body = Snappy.compress(Push.message(version, [series]))
        let codec = RelayedBatch.Codec(version)
        return try await ingest.relay(try RelayedBatch(body, codec), body, codec, now: now)
    }

    /// Bit patterns of the samples of a metric.
    private func bits(_ ingest: Ingest, _ metric: String) throws -> [UInt64] {
        let matchers = [LabelMatcher("__name__", equals: metric)]
        let request = SelectRequest(matchers: matchers, from: 0, to: .max, maxSeries: 10, maxSamples: 1_000)
        return try ingest.metrics.view().select([request])[0].bits
    }

    private func values(_ ingest: Ingest, _ metric: String) throws -> [Double] {
        try bits(ingest, metric).map { Double(bitPattern: $0) }
    }

    /// Values that formats like to lose: stale markers among other values, NaNs with payloads, both zeros, the ends of
    /// the range, whole numbers where doubles cease to have all of them.
    private static let awkward: [UInt64] = [
        0, (-0.0 as Double).bitPattern, StaleMarker.bitPattern, 1.0.bitPattern, Double.nan.bitPattern,
        0x7ff8_0000_dead_beef, 0xfff0_0000_0000_0001, 0x7ff0_0000_0000_0001, UInt64.max, StaleMarker.bitPattern,
        StaleMarker.bitPattern, Double.infinity.bitPattern, (-Double.infinity).bitPattern, 1, 0x8000_0000_0000_0001,
        Double.leastNormalMagnitude.bitPattern, Double.greatestFiniteMagnitude.bitPattern,
        9_007_199_254_740_991.0.bitPattern, 9_007_199_254_740_992.0.bitPattern, 9_007_199_254_740_994.0.bitPattern,
        (-9_007_199_254_740_991.0).bitPattern, 0.1.bitPattern, StaleMarker.bitPattern,
    ]

    @Test
    func everyBitPatternIsTheSameInMemoryInTheLogAndInAPart() async throws {
        let names = Push.versions.map { "awkward_\($0)" } + ["awkward_made"]
        func awkward(_ name: String) -> SeriesSamples {
            let samples = Self.awkward.enumerated().map { offset, bits in
                let at = now.milliseconds - 60_000 + Int64(offset) * 1_000
                return Sample(milliseconds: at, value: Double(bitPattern: bits))
            }
            return SeriesSamples(labels: ["__name__": name, "host": "a"], samples: samples)
        }
        func expectAll(_ ingest: Ingest, _ place: String) throws {
            for name in names { #expect(try bits(ingest, name) == Self.awkward, "\(name) \(place)") }
            #expect(ingest.metrics.damagedBlocks == 0)
        }
        let running = try open(scratch("data"))
        for (version, name) in zip(Push.versions, names) {
            let outcome = try await relay(running, version, awkward(name))
            #expect(outcome.written == Self.awkward.count && outcome.storeRefusals == nil)
        }
        // As the results of rules and translated formats come.
        let made = RelayedBatch([awkward("awkward_made")])
        let outcome = try await running.relay(made, made.remoteWriteBody, .remoteWriteV1, now: now)
        #expect(outcome.written == Self.awkward.count && outcome.storeRefusals == nil)
        try expectAll(running, "in memory")
        // Killed before any checkpoint: everything is in the log.
        try FileManager.default.copyItem(atPath: scratch("data"), toPath: scratch("copy"))
        await running.close(now: now)
        let replayed = try open(scratch("copy"))
        try expectAll(replayed, "read back from the log")
        await replayed.keeper.checkpoint(now: now)
        #expect(replayed.keeper.counts.checkpoints == 1 && replayed.keeper.counts.failures == 0)
        try expectAll(replayed, "in a part")
        await replayed.close(now: now)
        let restarted = try open(scratch("copy"))
        #expect(restarted.metrics.counters.stored == 0)
        try expectAll(restarted, "in a part after a restart")
        await restarted.close(now: now)
    }

    /// A zero stands where a counter began: of a new series, and of one that began again at once to a higher value.
    @Test(arguments: [RemoteWriteVersion.v1, .v2])
    func aCounterBeginsWithAZeroAtItsStartAlsoAfterARestart(version: RemoteWriteVersion) async throws {
        let at = now.milliseconds - 60_000
        let given: [(name: String, type: FamilyType?, samples: [(Int64, Double)], starts: [Int64], read: [Double])] = [
            ("began_total", .counter, [(at, 50)], [at - 20_000], [0, 50]),
            ("unsaid_total", .counter, [(at, 50)], [0], [50]),
            ("at_once_total", .counter, [(at, 50)], [at], [50]),
            ("later_total", .counter, [(at, 50)], [at + 5_000], [50]),
            ("again_total", .counter, [(at, 50), (at + 10_000, 80)], [at - 20_000, at + 5_000], [0, 50, 0, 80]),
            ("same_total", nil, [(at, 50), (at + 10_000, 80)], [at - 20_000, at - 20_000], [0, 50, 80]),
            ("partly_total", nil, [(at, 50), (at + 10_000, 80)], [0, at + 5_000], [50, 0, 80]),
            ("gauge", .gauge, [(at, 50)], [at - 20_000], version == .v1 ? [0, 50] : [50]),
        ]
        var first = RemoteWriteV1Encoder()
        var second = RemoteWriteV2Encoder()
        for one in given {
            let samples = one.samples.map { Sample(milliseconds: $0.0, value: $0.1) }
            let series = SeriesSamples(labels: ["__name__": one.name, "host": "a"], samples: samples)
            first.add(labels: LabelBytes.encode(series.labels), samples: samples, starts: one.starts)
            second.add(series, starts: one.starts, family: one.type.map { FamilyMetadata(name: one.name, type: $0) })
        }
        let body = Snappy.compress(version == .v1 ? first.bytes : second.bytes)
        let running = try open(scratch("data"))
        let codec = RelayedBatch.Codec(version)
        for _ in 0..<2 {
            // The second time everything is there already, the zeros too.
            let outcome = try await running.relay(try RelayedBatch(body, codec), body, codec, now: now)
            #expect(outcome.written == 11 && outcome.storeRefusals == nil && outcome.unstored.isEmpty)
        }
        for one in given { #expect(try values(running, one.name) == one.read, "\(one.name)") }
        try FileManager.default.copyItem(atPath: scratch("data"), toPath: scratch("copy"))
        await running.close(now: now)
        let replayed = try open(scratch("copy"))
        for one in given { #expect(try values(replayed, one.name) == one.read, "\(one.name) after a restart") }
        await replayed.close(now: now)
    }

    /// A zero lies behind what was handed off already: its window goes to the other engines again.
    @Test
    func theTimeAtWhichACounterBeganCameLate() async throws {
        let ingest = try open(scratch("data"), lateAfter: .seconds(13))
        let (at, pushed, measured) = (now.milliseconds, now.milliseconds - 1_200_000, now.milliseconds - 1_500_000)
        let series = SeriesSamples(
            labels: ["__name__": "began_total", "host": "a"], samples: [Sample(milliseconds: at, value: 50)])
        let batch = RelayedBatch([series], starts: [[pushed]])
        _ = try await ingest.relay(batch, batch.remoteWriteBody, .remoteWriteV1, now: now)
        #expect(ingest.metrics.takeLateSeconds() == [pushed / 1_000])
        // It is there now: nothing begins again.
        _ = try await ingest.relay(batch, batch.remoteWriteBody, .remoteWriteV1, now: now)
        #expect(ingest.metrics.takeLateSeconds() == [])

        var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1, compressor: ZlibCompressor())
        encoder.beginTick(milliseconds: at)
        encoder.set(0, 7, MetricSeries(["__name__": "node_total"], startMilliseconds: measured))
        let frame = try #require(encoder.endTick().first)
        ingest.metrics.frameStored(
            frame, of: StreamKey(host: Thing.host("web"), boot: Thing.boot), at: SegmentPosition(segment: 1, offset: 0),
            now: now)
        #expect(ingest.metrics.takeLateSeconds() == [measured / 1_000])
        await ingest.close(now: now)
    }

    /// Translated exports stand in the log as requests of 1.0 with what was said of their starts.
    @Test
    func whatIsTranslatedKeepsItsStartsInTheLog() throws {
        let series = [
            SeriesSamples(labels: ["__name__": "a"], samples: [Sample(milliseconds: 5, value: 1)]),
            SeriesSamples(
                labels: ["__name__": "b"],
                samples: [Sample(milliseconds: 5, value: 1), Sample(milliseconds: 6, value: 2)]),
            SeriesSamples(labels: ["__name__": "c"], samples: [Sample(milliseconds: 7, value: 3)]),
        ]
        let made = RelayedBatch(series, starts: [[0], [0, 4], [0]])
        #expect(made.starts == [0, 0, 4, 0])
        #expect(try RelayedBatch(made.remoteWriteBody, .remoteWriteV1).starts == [0, 0, 4, 0])
        #expect(RelayedBatch(series).starts.isEmpty)
    }

    /// The disk failed, the sender comes again; then the process is killed, and the sender comes once more.
    @Test
    func whatCouldNotBeMadeDurableIsTakenOnceWhenItComesAgain() async throws {
        let io = MemoryFileIO()
        let running = try open("/data", io: io)
        let at = now.milliseconds - 5_000
        let series = Push.series("again", [(at, 1), (at + 1_000, 2), (at + 2_000, 3)])
        io.inject(
            MemoryFileIO.Fault(
                at: io.operationCount + 1, operation: .sync, effect: .fails(.inputOutput), isLasting: true))
        await #expect(throws: RelayError.self) { _ = try await relay(running, .v1, series) }
        #expect(running.counts.failed == 1 && running.counts.relayedRequests == 0)
        #expect(try values(running, "again") == [])
        io.clearFaults()
        for version in Push.versions {
            let outcome = try await relay(running, version, series)
            #expect(outcome.written == 3 && outcome.storeRefusals == nil)
        }
        #expect(try values(running, "again") == [1, 2, 3])
        let before = running.metrics.counters
        #expect(before.stored == 3 && before.duplicate == 3 && before.conflicting == 0)
        io.kill()
        let restarted = try open("/data", io: io)
        #expect(try values(restarted, "again") == [1, 2, 3])
        let outcome = try await relay(restarted, .v2, series)
        #expect(outcome.written == 3 && outcome.storeRefusals == nil)
        #expect(restarted.metrics.counters.stored == 3 && restarted.metrics.counters.conflicting == 0)
        #expect(try values(restarted, "again") == [1, 2, 3])
        await restarted.close(now: now)
        withExtendedLifetime(running) {}
    }

    @Test(arguments: Push.versions)
    func whatComesAgainAfterItWasSealedIsKnownAndAnotherValueIsRefusedByName(version: RemoteWriteVersion) async throws {
        let ingest = try open(scratch("data"))
        let at = now.milliseconds - 5_000
        let series = Push.series("sealed", [(at, 5), (at + 1_000, 6)])
        _ = try await relay(ingest, version, series)
        await ingest.keeper.checkpoint(now: now)
        #expect(ingest.keeper.counts.checkpoints == 1)
        let again = try await relay(ingest, version, series)
        #expect(again.written == 2 && again.storeRefusals == nil)
        let other = try await relay(
            ingest, version, Push.series("sealed", [(at, 7), (at + 1_000, 6), (at + 2_000, 8)]))
        #expect(other.written == 2)
        #expect(
            other.storeRefusals
                == "not stored: 1 samples with another value for a time that has one; "
                + "for example sealed{host=\"a\"} at \(Instant(milliseconds: at))")
        let counters = ingest.metrics.counters
        #expect(counters.stored == 3 && counters.duplicate == 3 && counters.conflicting == 1)
        #expect(try values(ingest, "sealed") == [5, 6, 8])
        await ingest.close(now: now)
    }

    /// They are in the log, so a restart meets them once more.
    @Test
    func timesThatNoClockShowsAreRefusedAlsoWhenTheyAreReadBack() async throws {
        let times: [Int64] = [0, -1, .min, now.milliseconds, (now + .hours(24 * 365)).milliseconds, .max]
        let series = Push.series("odd", times.enumerated().map { ($0.element, Double($0.offset)) })
        func expectOne(_ ingest: Ingest) throws {
            #expect(try values(ingest, "odd") == [3])
            let counters = ingest.metrics.counters
            #expect(counters.stored == 1 && counters.tooOld == 3 && counters.tooFarAhead == 2)
        }
        let running = try open(scratch("data"))
        let outcome = try await relay(running, .v1, series)
        #expect(outcome.written == 1)
        try expectOne(running)
        try FileManager.default.copyItem(atPath: scratch("data"), toPath: scratch("copy"))
        await running.close(now: now)
        let restarted = try open(scratch("copy"))
        try expectOne(restarted)
        await restarted.close(now: now)
    }
}
