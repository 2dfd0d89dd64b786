import Foundation
import MusterCoordinator
import MusterLogs
import MusterModel
import MusterQuery
import MusterSeries
import MusterStore
import MusterTestKit
import MusterTransport
import MusterWire
import Synchronization
import Testing

/// Frames become durable, then readable, and stay so.
struct IngestTests {
    private let scratch: Scratch
    private let key = StreamKey(host: Thing.host("a"), boot: Thing.boot)
    private let now = MachineClock.wall

    init() throws { scratch = try Scratch("ingest") }

    private func open(_ folder: String = "data", logBytes: Int = 64 << 20) throws -> Ingest {
        try Ingest.open(
            Ingest.Settings(
                directory: scratch(folder), metrics: .init(retention: .hours(2), maxBytes: 64 << 20),
                metricBytes: 64 << 20, logRetention: .hours(24), logBytes: logBytes),
            io: SystemFileIO(), compressor: ZlibCompressor(), now: now, logger: LogRecord().logger("test"))
    }

    /// As a session does it: the marks decide, then it is stored. Nil for a duplicate.
    private func receive(
        _ ingest: Ingest, _ name: TrafficClass, _ sequence: UInt64, _ payload: [UInt8], at: Instant? = nil
    ) async throws -> Ingest.Stored? {
        guard ingest.marks.with(key, { $0.received(name, sequence: sequence) }) == .new else { return nil }
        let outcome = Mutex<Ingest.Stored?>(nil)
        let frame = DataFrame(class: name, sequence: sequence, codec: 1, payload: payload)
        #expect(
            ingest.frameReceived(frame, of: key, now: at ?? now) { stored in outcome.withLock { $0 = stored } }
                != .refused)
        return try await awaited("\(name) \(sequence) is stored") { outcome.withLock { $0 } }
    }

    private func durable(_ ingest: Ingest, _ name: TrafficClass) -> UInt64 {
        ingest.marks.with(key) { $0.durable[name] }
    }

    private func load(_ ingest: Ingest) throws -> [Double] {
        try samples(ingest).map { Double(bitPattern: $0) }
    }

    /// Bit patterns of the samples of node_load1.
    private func samples(_ ingest: Ingest) throws -> [UInt64] {
        let matchers = [LabelMatcher("__name__", equals: "node_load1")]
        let request = SelectRequest(matchers: matchers, from: 0, to: .max, maxSeries: 10, maxSamples: 100)
        return try ingest.metrics.view().select([request])[0].bits
    }

    private func lines(_ ingest: Ingest) async throws -> [String] {
        try await ingest.logs.search(LogQuestion(direction: .forward)).entries
            .map { String(decoding: $0.line, as: UTF8.self) }
    }

    @Test
    func aFrameIsDurableBeforeItCountsAndIsThereAfterARestart() async throws {
        var stream = MetricStream()
        let first = stream.frame([("node_load1", 1)], at: now - .seconds(2))
        let second = stream.frame([("node_load1", 2)], at: now - .seconds(1))
        let block = Thing.logBlock(["one", "two"], host: "a")
        do {
            let ingest = try open()
            #expect(durable(ingest, .metrics) == 0)
            _ = try await receive(ingest, .metrics, 1, first)
            #expect(durable(ingest, .metrics) == 1)
            _ = try await receive(ingest, .metrics, 2, second)
            _ = try await receive(ingest, .logs, 7, block)
            #expect(durable(ingest, .metrics) == 2 && durable(ingest, .logs) == 7)
            #expect(try load(ingest) == [1, 2])
            #expect(try await lines(ingest) == ["one", "two"])
            #expect(ingest.counts.metricFrames == 2 && ingest.counts.logFrames == 1)
            await ingest.close(now: now)
        }
        let ingest = try open()
        #expect(durable(ingest, .metrics) == 2 && durable(ingest, .logs) == 7)
        #expect(try load(ingest) == [1, 2])
        #expect(try await lines(ingest) == ["one", "two"])
        // What comes again is known by its name, and nothing is doubled.
        #expect(try await receive(ingest, .metrics, 2, second) == nil)
        #expect(try await receive(ingest, .logs, 7, block) == nil)
        #expect(ingest.marks.duplicates == 2)
        #expect(try await lines(ingest) == ["one", "two"])
        await ingest.close(now: now)
    }

    /// A batch whose sync failed, and that could not be cut off again, is sent once more and stored once more.
    @Test
    func whatIsOnTheDiskTwiceIsReadOnceAfterARestart() async throws {
        let blocks = [Thing.logBlock(["one"], host: "a"), Thing.logBlock(["two"], host: "a")]
        do {
            let (log, _) = try SegmentLog.open(
                directory: scratch("data") + "/logs", io: SystemFileIO(), settings: .init(maxBytes: 64 << 20))
            let records = zip(blocks, 1...2 as ClosedRange<UInt64>).map { block, sequence in
                SegmentRecord(
                    id: FrameID(host: key.host, boot: key.boot, class: .logs, sequence: sequence), codec: 1,
                    received: now, payload: block)
            }
            _ = try log.append([records[0]])
            _ = try log.append(records)
            try log.sync()
        }
        let ingest = try open()
        #expect(try await lines(ingest) == ["one", "two"])
        #expect(durable(ingest, .logs) == 2)
        await ingest.close(now: now)
    }

    @Test
    func twoBootsOfAHostHaveMarksOfTheirOwn() async throws {
        let ingest = try open()
        _ = try await receive(ingest, .logs, 3, Thing.logBlock(["x"], host: "a"))
        let other = StreamKey(host: key.host, boot: BootID(high: 1, low: 1))
        #expect(ingest.marks.with(other) { $0.received(.logs, sequence: 1) } == .new)
        #expect(ingest.marks.with(key) { $0.received(.logs, sequence: 1) } == .duplicate)
        await ingest.close(now: now)
    }

    @Test
    func aStreamWithoutItsBeginningAsksForAKeyframe() async throws {
        let ingest = try open()
        var stream = MetricStream()
        _ = stream.frame([("node_load1", 1)], at: now - .seconds(3))
        let lost = stream.frame([("node_load1", 2)], at: now - .seconds(2))
        guard case .keyframeNeeded? = try await receive(ingest, .metrics, 2, lost) else {
            Issue.record("a frame without its dictionary was read")
            return
        }
        // It is durable all the same: the agent has no other.
        #expect(durable(ingest, .metrics) == 2)
        stream.beginEpoch()
        let whole = stream.frame([("node_load1", 3)], at: now - .seconds(1))
        guard case .durable? = try await receive(ingest, .metrics, 3, whole) else {
            Issue.record("the keyframe was not read")
            return
        }
        #expect(try load(ingest) == [3])
        await ingest.close(now: now)
    }

    @Test
    func aBlockThatCannotBeReadOrSpeaksOfAnotherHostIsKeptAndNotFound() async throws {
        let ingest = try open()
        _ = try await receive(ingest, .logs, 1, [1, 2, 3])
        _ = try await receive(ingest, .logs, 2, Thing.logBlock(["forged"], host: "b"))
        _ = try await receive(ingest, .logs, 3, Thing.logBlock(["true"], host: "a"))
        #expect(try await lines(ingest) == ["true"])
        #expect(ingest.logs.counts.unreadable == 2)
        #expect(durable(ingest, .logs) == 3)
        await ingest.close(now: now)
    }

    @Test
    func whatIsOlderThanItsRetentionLeavesTheDiskAndTheIndex() async throws {
        let ingest = try open(logBytes: 64 << 10)
        let received: [(sequence: UInt64, at: Instant)] = [(1, now - .hours(30)), (2, now - .hours(25)), (3, now)]
        for (sequence, at) in received {
            // Random bytes do not become small: each block has a segment to itself.
            let line = (0..<12_000).map { _ in UInt8.random(in: 0x21...0x7E) }
            let block = Thing.logBlock([line], labels: ["host": "a"])
            _ = try await receive(ingest, .logs, sequence, block, at: at)
        }
        #expect(ingest.logs.counts.blocks == 3)
        await ingest.tidyLogs(now: now, logger: LogRecord().logger("test"))
        // The second began before the limit; that it ended before it as well, only its follower's age could say.
        #expect(ingest.logs.counts.blocks == 2)
        #expect(try await lines(ingest).count == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch("data") + "/logs").count == 2)
        #expect(durable(ingest, .logs) == 3)
        await ingest.close(now: now)
    }

    @Test
    func aSearchSaysHowMuchItCouldNotRead() async throws {
        let ingest = try open()
        _ = try await receive(ingest, .logs, 1, Thing.logBlock(["one"], host: "a"))
        let folder = scratch("data") + "/logs"
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
        var bytes = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
        bytes[bytes.count - 1] ^= 0xFF
        try bytes.write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
        let found = try await ingest.logs.search(LogQuestion(direction: .forward))
        #expect(found.entries.isEmpty)
        #expect(found.unreadableBlocks == 1)
        #expect(found.firstReason.contains(name))
        await ingest.close(now: now)
    }

    @Test
    func aHostThatIsGoneHasNoValuesNow() async throws {
        let ingest = try open()
        var stream = MetricStream()
        _ = try await receive(ingest, .metrics, 1, stream.frame([("node_load1", 1)], at: now))
        ingest.metrics.hostLost(key.host)
        #expect(try samples(ingest).last == StaleMarker.bitPattern)
        await ingest.close(now: now)
    }

    /// By the coordinator's clock the host is silent; what it measured meanwhile, by its own, still has its place.
    @Test
    func aHostWhoseTickIsOverdueHasNoValuesUntilItsNextOne() async throws {
        let ingest = try open()
        var stream = MetricStream()
        let measured = now - .seconds(30)
        _ = try await receive(ingest, .metrics, 1, stream.frame([("node_load1", 1)], at: measured))
        ingest.metrics.endSilent(now: now + .milliseconds(1_900))
        #expect(try load(ingest) == [1])
        ingest.metrics.endSilent(now: now + .milliseconds(2_100))
        #expect(try samples(ingest).last == StaleMarker.bitPattern)
        _ = try await receive(ingest, .metrics, 2, stream.frame([("node_load1", 2)], at: measured + .seconds(1)))
        #expect(try samples(ingest) == [Double(1).bitPattern, StaleMarker.bitPattern, Double(2).bitPattern])
        #expect(ingest.metrics.counters.tooOld == 0)
        await ingest.close(now: now)
    }

    @Test
    func aHostThatDoesNotComeBackAfterARestartHasNoValuesThen() async throws {
        do {
            let ingest = try open()
            var stream = MetricStream()
            _ = try await receive(ingest, .metrics, 1, stream.frame([("node_load1", 1)], at: now))
            await ingest.close(now: now)
        }
        let ingest = try open()
        ingest.metrics.endSilent(now: now + .seconds(9))
        #expect(try load(ingest) == [1])
        ingest.metrics.endSilent(now: now + .seconds(11))
        #expect(try samples(ingest).last == StaleMarker.bitPattern)
        await ingest.close(now: now)
    }

    /// An agent whose coordinator forgot what it had says it once more, in another stream.
    @Test(arguments: [5.0, 6.0])
    func whatComesAgainAfterItWasSealedIsDecidedAtOnce(again: Double) async throws {
        let ingest = try open()
        let measured = now - .seconds(5)
        var stream = MetricStream()
        _ = try await receive(ingest, .metrics, 1, stream.frame([("node_load1", 5)], at: measured))
        await ingest.keeper.checkpoint(now: now)
        #expect(ingest.keeper.counts.checkpoints == 1)
        var other = MetricStream()
        _ = try await receive(ingest, .metrics, 2, other.frame([("node_load1", again)], at: measured))
        let counters = ingest.metrics.counters
        #expect(counters.stored == 1)
        #expect(counters.duplicate == (again == 5 ? 1 : 0) && counters.conflicting == (again == 5 ? 0 : 1))
        #expect(try load(ingest) == [5])
        await ingest.close(now: now)
    }

    /// Killed some time after a checkpoint: what the parts have is not applied once more, what came behind is.
    @Test
    func aRestartAppliesWhatCameBehindTheLastCheckpoint() async throws {
        let running = try open()
        var stream = MetricStream()
        for second in 1...3 as ClosedRange<UInt64> {
            let measured = now - .seconds(10 - Int(second))
            _ = try await receive(
                running, .metrics, second, stream.frame([("node_load1", Double(second))], at: measured))
            if second == 2 { await running.keeper.checkpoint(now: now) }
        }
        try FileManager.default.copyItem(atPath: scratch("data"), toPath: scratch("copy"))
        await running.close(now: now)
        let ingest = try open("copy")
        #expect(try load(ingest) == [1, 2, 3])
        let counters = ingest.metrics.counters
        #expect(counters.stored == 1 && counters.duplicate == 0 && counters.tooOld == 0)
        // The dictionary that the stream needs was read before the checkpoint's place.
        #expect(durable(ingest, .metrics) == 3)
        let next = stream.frame([("node_load1", 4)], at: now - .seconds(6))
        guard case .durable? = try await receive(ingest, .metrics, 4, next) else {
            Issue.record("the stream does not go on")
            return
        }
        #expect(try load(ingest) == [1, 2, 3, 4])
        await ingest.close(now: now)
    }
}

/// Followers of new lines.
struct LogFollowingTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch("follow") }

    private func logs() throws -> LogStore {
        let (log, _) = try SegmentLog.open(
            directory: scratch("logs"), io: SystemFileIO(), settings: SegmentLog.Settings(maxBytes: 64 << 20))
        return LogStore(
            log: log, directory: scratch("index"), maxBytes: 64 << 20, io: SystemFileIO(),
            compressor: ZlibCompressor())
    }

    private let nowhere = SegmentPosition(segment: 1, offset: 0)

    private func id(_ host: String) -> FrameID {
        FrameID(host: Thing.host(host), boot: BootID(high: 1, low: 1), class: .logs, sequence: 1)
    }

    @Test(.timeLimit(.minutes(1)))
    func aFollowerHearsWhatItAskedForAndNothingElse() async throws {
        let logs = try logs()
        let stream = try #require(
            logs.followers.follow(
                LogQuestion(
                    matchers: [LabelMatcher("host", equals: "a")], filters: [.contains(Array("needle".utf8))])))
        logs.blockStored(Thing.logBlock(["needle b"], host: "b"), as: id("b"), at: nowhere)
        logs.blockStored(
            Thing.logBlock(["hay", "a needle", "nee", "needle"], host: "a"), as: id("a"), at: nowhere)
        var heard: [String] = []
        for await entry in stream {
            heard.append(String(decoding: entry.line, as: UTF8.self))
            if heard.count == 2 { break }
        }
        #expect(heard == ["a needle", "needle"])
    }

    @Test(.timeLimit(.minutes(1)))
    func thereAreOnlySoManyFollowersAndTheirPlacesComeBack() async throws {
        let logs = try logs()
        var followers = (0..<LogFollowers.countMax).compactMap { _ in logs.followers.follow(LogQuestion()) }
        #expect(followers.count == LogFollowers.countMax)
        #expect(logs.followers.follow(LogQuestion()) == nil)
        followers.removeFirst()
        #expect(logs.followers.count == LogFollowers.countMax - 1)
        #expect(logs.followers.follow(LogQuestion()) != nil)
        followers.removeAll()
        #expect(logs.followers.count == 0)
    }

    @Test(.timeLimit(.minutes(1)))
    func aFollowerThatLagsTooFarBehindIsCutOff() async throws {
        let logs = try logs()
        let slow = try #require(logs.followers.follow(LogQuestion()))
        let thousand = Thing.logBlock((0..<1_000).map { "line \($0)" }, host: "a")
        for _ in 0..<(LogFollowers.lagEntries / 1_000) {
            logs.blockStored(thousand, as: id("a"), at: nowhere)
        }
        #expect(logs.followers.count == 1)
        logs.blockStored(thousand, as: id("a"), at: nowhere)
        #expect(logs.followers.count == 0)
        var heard = 0
        for await _ in slow { heard += 1 }
        #expect(heard == LogFollowers.lagEntries)
    }

    @Test(.timeLimit(.minutes(1)))
    func whatIsBothFoundAndFollowedIsToldOnce() async throws {
        let at = MachineClock.wall
        func entry(_ text: String, _ offset: Int64) -> LogEntry {
            LogEntry(timestamp: at + .nanoseconds(offset), labels: ["host": "a"], line: Array(text.utf8))
        }
        let (stream, more) = AsyncStream.makeStream(of: LogEntry.self)
        for entry in [entry("two", 2), entry("two", 3), entry("three", 4)] { more.yield(entry) }
        more.finish()
        var told: [String] = []
        try await LogLines(found: [entry("one", 1), entry("two", 2)], following: stream).forEachPiece { piece in
            for line in piece.split(separator: UInt8(ascii: "\n")) {
                told.append(try JSON(Array(line))["line"]?.text ?? "")
            }
        }
        #expect(told == ["one", "two", "two", "three"])
    }
}
