import Dispatch
import MusterCoordinator
import MusterModel
import MusterQuery
import MusterSeries
import MusterStore
import MusterTransport
import MusterWire
import Synchronization

extension Thing {
    /// So many seconds behind the start.
    static func at(_ seconds: Int64) -> Instant { start + .seconds(seconds) }
    /// The same in milliseconds.
    static func time(_ seconds: Int64) -> Int64 { at(seconds).milliseconds }
}

/// Where a sample is: its series by the name of its metric, and its time in milliseconds.
struct SamplePlace: Hashable {
    var series: String
    var time: Int64

    /// What these tests write here: finite, and nothing that deflates.
    var value: Double {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in series.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var generator = SplitMix64(hash ^ UInt64(bitPattern: time))
        return Double.random(in: 0..<1, using: &generator)
    }
}

/// Bit patterns of values by their places.
typealias Contents = [SamplePlace: UInt64]

extension SeriesSamples {
    /// A series with the samples that belong at these times.
    static func test(
        _ series: String, _ times: some Sequence<Int64>, labels: [String: String] = [:]
    ) -> SeriesSamples {
        let all = labels.merging(["__name__": series, "job": "test"]) { _, new in new }
        let samples = times.map {
            Sample(milliseconds: $0, value: SamplePlace(series: series, time: $0).value)
        }
        return SeriesSamples(labels: Labels(all), samples: samples)
    }
}

extension [SeriesSamples] {
    var contents: Contents {
        var contents: Contents = [:]
        for series in self {
            let name = series.labels["__name__"] ?? ""
            for sample in series.samples {
                contents[SamplePlace(series: name, time: sample.milliseconds)] = sample.value.bitPattern
            }
        }
        return contents
    }
}

/// Frames of one host that follow each other, and what is in them.
struct Frames: Sendable {
    let key: StreamKey
    /// The sequence of the first.
    let first: UInt64
    var payloads: [[UInt8]] = []
    var contents: Contents = [:]
}

/// The frames of one host.
struct TestStream {
    let key: StreamKey
    private var encoder: MetricFrameEncoder
    private var next: UInt64 = 1

    init(_ host: String) {
        key = StreamKey(host: Thing.host(host), boot: Thing.boot)
        encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1, compressor: ZlibCompressor())
    }

    mutating func beginEpoch() { encoder.beginEpoch() }

    /// A tick at each of these times. A series is always in the same place among the names.
    mutating func ticks(_ names: [String], at times: some Sequence<Int64>) -> Frames {
        var frames = Frames(key: key, first: next)
        for time in times {
            encoder.beginTick(milliseconds: time)
            for (handle, name) in names.enumerated() {
                let place = SamplePlace(series: name, time: time)
                encoder.set(handle, place.value, MetricSeries(["__name__": name, "job": "test"]))
                frames.contents[place] = place.value.bitPattern
            }
            frames.payloads += encoder.endTick()
        }
        next += UInt64(frames.payloads.count)
        return frames
    }

    /// Frames of a codec that nobody can read, which fill the log.
    mutating func junk(_ count: Int, bytes: Int) -> Frames {
        var frames = Frames(key: key, first: next)
        frames.payloads = Array(repeating: [UInt8](repeating: 0xFF, count: bytes), count: count)
        next += UInt64(count)
        return frames
    }
}

/// Parts that take room and have nothing that anybody asks for, older than everything else.
enum Ballast {
    static let directory = "/data/metrics/parts"

    /// A block takes some 125 kB.
    static func write(to io: MemoryFileIO, parts: Int, blocks: Int, at time: Int64) throws {
        guard parts > 0 else { return }
        let store = try PartDirectory.open(directory: directory, io: io, settings: .init(maxBytes: 1 << 30)).store
        var generator = SplitMix64(1)
        var rows = BlockRows()
        for row in 0..<240 {
            let values = (0..<BlockRows.slots).map { _ in generator.next() >> 2 }
            rows.append(time: time + Int64(row), mask: .max, values: values)
        }
        let block = try BlockCodec.encode(rows, group: GroupID(number: 1 << 20), compressor: ZlibCompressor())
        let start = StoreManifest.LogPlace(segment: 0, offset: 0)
        for _ in 0..<parts {
            // Of a level that no other part has: it is not merged with any.
            let writer = try store.beginPart(level: 9, expectedBytes: blocks * block.count)
            for _ in 0..<blocks { try writer.append(block) }
            guard let part = try writer.finish() else { continue }
            try store.commit(Checkpoint(replayFrom: start, appliedThrough: start, nextGroup: 0), adding: [part])
        }
    }
}

extension MemoryFileIO {
    /// Bytes of the files in the directory of parts whose names end like this.
    func partDirectoryBytes(_ suffix: String) throws -> Int {
        try list(Ballast.directory).filter { $0.hasSuffix(suffix) }
            .reduce(0) { $0 + (content("\(Ballast.directory)/\($1)")?.count ?? 0) }
    }
}

extension Ingest {
    /// In `/data` of a disk in memory.
    static func open(
        _ io: any FileIO, retention: Duration = .hours(24), memory: Int = 64 << 20, disk: Int = 64 << 20,
        now: Instant = Thing.start, log: LogRecord = LogRecord()
    ) throws -> Ingest {
        try Ingest.open(
            Ingest.Settings(
                directory: "/data", metrics: .init(retention: retention, maxBytes: memory), metricBytes: disk,
                logRetention: .hours(24), logBytes: 1 << 20),
            io: io, compressor: ZlibCompressor(), now: now, logger: log.logger("test"))
    }

    /// Hands in the frames at once, as a session does it. Returns when all are done: what became of the last one, nil
    /// when it had come before.
    @discardableResult
    func receive(_ frames: Frames, at now: Instant = Thing.start) async -> Stored? {
        let last = frames.payloads.count - 1
        guard last >= 0 else { return nil }
        return await withCheckedContinuation { (continuation: CheckedContinuation<Stored?, Never>) in
            for (index, payload) in frames.payloads.enumerated() {
                let sequence = frames.first + UInt64(index)
                guard marks.with(frames.key, { $0.received(.metrics, sequence: sequence) }) == .new else {
                    if index == last { continuation.resume(returning: nil) }
                    continue
                }
                let frame = DataFrame(
                    class: .metrics, sequence: sequence, codec: MetricFrame.codec, payload: payload)
                let admission = frameReceived(frame, of: frames.key, now: now) { stored in
                    if index == last { continuation.resume(returning: stored) }
                }
                if admission == .refused, index == last { continuation.resume(returning: nil) }
            }
        }
    }

    /// Pushes samples with remote write 1.0.
    @discardableResult
    func push(_ series: [SeriesSamples], at now: Instant = Thing.start) async throws -> RelayedOutcome {
        let batch = RelayedBatch(series)
        return try await relay(batch, batch.remoteWriteBody, .remoteWriteV1, now: now)
    }

    /// What a reader finds of the series of these tests, stale markers included.
    func contents(of name: String? = nil, from: Int64 = 0, to: Int64 = .max) throws -> Contents {
        let view = metrics.view()
        var matchers = [LabelMatcher("job", equals: "test")]
        if let name { matchers.append(LabelMatcher("__name__", equals: name)) }
        let request = SelectRequest(
            matchers: matchers, from: from, to: to, maxSeries: 100_000, maxSamples: 10_000_000)
        var contents: Contents = [:]
        for found in try view.select([request]) {
            for entry in found.entries {
                let name = found.pairs[entry.labels].first { view.text(of: $0.name) == "__name__" }
                let series = name.map { view.text(of: $0.value) } ?? ""
                for index in entry.samples {
                    contents[SamplePlace(series: series, time: found.times[index])] = found.bits[index]
                }
            }
        }
        return contents
    }

    /// The highest sequence of a stream that is durable.
    func durable(_ key: StreamKey) -> UInt64 { marks.with(key) { $0.durable[.metrics] } }
}

/// A disk on which one read of a part waits until it is told to go on.
final class PausingIO: FileIO {
    private enum State { case idle, armed, paused }

    private let io: MemoryFileIO
    private let state = Mutex(State.idle)
    private let gate = DispatchSemaphore(value: 0)

    init(_ io: MemoryFileIO) { self.io = io }

    var isPaused: Bool { state.withLock { $0 == .paused } }
    func pauseNextRead() { state.withLock { $0 = .armed } }
    func goOn() { gate.signal() }

    func read(_ file: OpenFile, at offset: Int, count: Int, into buffer: inout [UInt8]) throws(StoreError) -> Int {
        let mustWait = state.withLock { state -> Bool in
            guard state == .armed, file.path.hasSuffix(".part") else { return false }
            state = .paused
            return true
        }
        if mustWait { gate.wait() }
        return try io.read(file, at: offset, count: count, into: &buffer)
    }

    func open(_ path: String, _ mode: OpenMode) throws(StoreError) -> OpenFile { try io.open(path, mode) }
    func close(_ number: Int) { io.close(number) }
    func write(_ file: OpenFile, at offset: Int, _ bytes: [UInt8]) throws(StoreError) {
        try io.write(file, at: offset, bytes)
    }
    func size(_ file: OpenFile) throws(StoreError) -> Int { try io.size(file) }
    func truncate(_ file: OpenFile, to size: Int) throws(StoreError) { try io.truncate(file, to: size) }
    func syncData(_ file: OpenFile) throws(StoreError) { try io.syncData(file) }
    func lock(_ file: OpenFile) throws(StoreError) { try io.lock(file) }
    func syncDirectory(_ path: String) throws(StoreError) { try io.syncDirectory(path) }
    func makeDirectory(_ path: String) throws(StoreError) { try io.makeDirectory(path) }
    func list(_ path: String) throws(StoreError) -> [String] { try io.list(path) }
    func rename(_ path: String, to newPath: String) throws(StoreError) { try io.rename(path, to: newPath) }
    func unlink(_ path: String) throws(StoreError) { try io.unlink(path) }
    func randomWord() -> UInt64 { io.randomWord() }
}
