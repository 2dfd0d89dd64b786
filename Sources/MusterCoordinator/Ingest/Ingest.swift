package import Logging
package import MusterModel
package import MusterSeries
package import MusterStore
package import MusterWire
import NIOPosix
import Synchronization

/// From received frames to durable ones. A frame is acknowledged only after the sync that holds it returned; then, and
/// not before, readers see it.
package final class Ingest: Sendable {
    package let marks = StreamMarks()
    package let metrics: MetricStore
    package let logs: LogStore
    package let keeper: MetricKeeper
    private let metricLog: SegmentLog
    private let logLog: SegmentLog
    private let metricCommit: GroupCommit
    private let logCommit: GroupCommit
    private let counters = Mutex(Counters())

    package struct Counters: Sendable {
        package var metricFrames = 0
        package var logFrames = 0
        package var bytes = 0
        package var failed = 0
        package var relayedRequests = 0
    }

    /// What the session that sent a frame is told.
    package enum Stored: Sendable {
        case durable
        case keyframeNeeded(String)
        case failed(StoreError)
    }

    private init(
        metrics: MetricStore, keeper: MetricKeeper, logs: LogStore, metricLog: SegmentLog, logLog: SegmentLog,
        metricCommit: GroupCommit, logCommit: GroupCommit
    ) {
        self.metrics = metrics
        self.keeper = keeper
        self.logs = logs
        self.metricLog = metricLog
        self.logLog = logLog
        self.metricCommit = metricCommit
        self.logCommit = logCommit
    }

    package struct Settings: Sendable {
        package var directory: String
        package var metrics: SeriesStore.Settings
        /// Disk of metrics, everything counted.
        package var metricBytes: Int
        package var logRetention: Duration
        package var logBytes: Int
        /// How long after its time a sample counts as late for those whom samples are handed to; nil without any.
        package var lateAfter: Duration?

        package init(
            directory: String, metrics: SeriesStore.Settings, metricBytes: Int, logRetention: Duration, logBytes: Int,
            lateAfter: Duration? = nil
        ) {
            self.directory = directory
            self.metrics = metrics
            self.metricBytes = metricBytes
            self.logRetention = logRetention
            self.logBytes = logBytes
            self.lateAfter = lateAfter
        }
    }

    /// Opens what is on disk and reads it back: marks of all streams, the metric store, the log index.
    package static func open(
        _ settings: Settings, io: any FileIO, compressor: any Compressor, now: Instant, logger: Logger
    ) throws -> Ingest {
        let keeping = MetricKeeper.Settings(maxBytes: settings.metricBytes)
        let (metricLog, metricRecovery) = try SegmentLog.open(
            directory: settings.directory + "/metrics/log", io: io,
            settings: .init(segmentBytes: 16 << 20, maxBytes: keeping.logMaxBytes))
        let (logLog, logRecovery) = try SegmentLog.open(
            directory: settings.directory + "/logs", io: io,
            settings: .init(
                maxBytes: settings.logBytes - settings.logBytes / LogStore.indexShare, maxAge: settings.logRetention,
                isDaily: true))
        for (name, recovery) in [("metrics", metricRecovery), ("logs", logRecovery)]
        where recovery.trimmedBytes > 0 || recovery.damagedRegions > 0 || !recovery.unreadable.isEmpty {
            logger.warning(
                "stored telemetry was damaged; the rest is intact",
                metadata: [
                    "store": "\(name)", "trimmedBytes": "\(recovery.trimmedBytes)",
                    "damagedRegions": "\(recovery.damagedRegions)", "unreadable": "\(recovery.unreadable)",
                ])
        }
        let metrics = MetricStore(
            settings: settings.metrics, seed: HashSeed(io.randomWord(), io.randomWord()), compressor: compressor,
            lateAfter: settings.lateAfter)
        let (directory, replay) = try MetricRecovery.open(
            settings.directory + "/metrics/parts", maxBytes: settings.metricBytes, into: metrics, io: io, logger: logger
        )
        let logs = LogStore(
            log: logLog, directory: settings.directory + "/log-index", maxBytes: settings.logBytes, io: io,
            compressor: compressor)
        let keeper = MetricKeeper(
            store: metrics, log: metricLog, directory: directory, settings: keeping, now: now, logger: logger)
        let ingest = Ingest(
            metrics: metrics, keeper: keeper, logs: logs, metricLog: metricLog, logLog: logLog,
            metricCommit: try GroupCommit(
                log: metricLog,
                onRemoved: { removed in
                    logger.error(
                        "metrics: the log of frames is full and lost its oldest; a crash now would lose samples",
                        metadata: ["bytes": "\(removed.reduce(0) { $0 + $1.bytes })"])
                }),
            logCommit: try GroupCommit(
                log: logLog, onRemoved: { removed in for segment in removed { logs.segmentRemoved(segment.segment) } }))
        try ingest.restore(replay, now: now, logger: logger)
        return ingest
    }

    private func restore(_ replay: MetricRecovery.Replay, now: Instant, logger: Logger) throws {
        var durable: [StreamKey: PerClass<UInt64>] = [:]
        // A batch whose sync failed, and that could not be cut off again, was sent and stored a second time.
        func isFirst(_ id: FrameID) -> Bool {
            let key = StreamKey(host: id.host, boot: id.boot)
            guard id.sequence > durable[key]?[id.class] ?? 0 else { return false }
            durable[key, default: PerClass(repeating: 0)][id.class] = id.sequence
            return true
        }
        let frames = try metricLog.scan(from: replay.from, .records) { record in
            keeper.relieve()
            // Samples that are there already change nothing, so a pushed request needs no such care.
            if let codec = RelayedBatch.Codec(rawValue: record.codec) {
                nextRelay.withLock { $0 = max($0, record.id.sequence + 1) }
                guard record.position > replay.appliedThrough,
                    let batch = try? RelayedBatch(record.payload, codec)
                else { return .next }
                _ = metrics.relayed(batch, at: record.position, now: record.received)
            } else if isFirst(record.id) {
                metrics.frameStored(
                    record.payload, of: StreamKey(host: record.id.host, boot: record.id.boot), at: record.position,
                    now: record.received, isKnown: record.position <= replay.appliedThrough)
            }
            return .next
        }
        let blocksRead = try logs.restore(isFirst: isFirst)
        if let host = Self.pushedHost {
            let pushed = durable.removeValue(forKey: StreamKey(host: host, boot: BootID(high: 0, low: 0)))
            nextPushedBlock.withLock { $0 = (pushed?[.logs] ?? 0) + 1 }
        }
        metrics.restored(now: now)
        marks.restored(Dictionary(uniqueKeysWithValues: durable.map(forgettingMetrics)))
        logger.info(
            "telemetry restored",
            metadata: [
                "replayedFrames": "\(frames.records)", "series": "\(metrics.seriesCount)",
                "logBlocks": "\(logs.counts.blocks)", "logBlocksRead": "\(blocksRead)",
                "streams": "\(durable.count)",
            ])
    }

    /// A stream whose dictionary is not known can be read only from its keyframe on: without its mark its agent, which
    /// still has that keyframe, sends from there again.
    private func forgettingMetrics(
        _ stream: (key: StreamKey, value: PerClass<UInt64>)
    ) -> (StreamKey, PerClass<UInt64>) {
        var marks = stream.value
        if metrics.isUnreadable(stream.key) { marks[.metrics] = 0 }
        return (stream.key, marks)
    }

    /// Queues a new frame of class metrics or logs; called with the marks of its stream held, so that frames are queued
    /// in the order in which they were received. Refused when the queue is full: then it was not received, and the
    /// session has to end so that it comes again. `stored` is called on the commit thread.
    package func frameReceived(
        _ frame: DataFrame, of key: StreamKey, now: Instant, stored: @escaping @Sendable (Stored) -> Void
    ) -> GroupCommit.Admission {
        let id = FrameID(host: key.host, boot: key.boot, class: frame.class, sequence: frame.sequence)
        let record = SegmentRecord(id: id, codec: frame.codec, received: now, payload: frame.payload)
        let commit = frame.class == .logs ? logCommit : metricCommit
        return commit.submit(record) { [self] result in
            switch result {
            case .success(let position):
                let outcome = becameReadable(record, at: position)
                _ = marks.with(key) { $0.becameDurable(frame.class, through: frame.sequence) }
                stored(outcome)
            case .failure(let error):
                counters.withLock { $0.failed += 1 }
                if error.cause == .diskFull, frame.class != .logs { keeper.diskIsFull() }
                marks.with(key) { $0.storeFailed(frame.class) }
                stored(.failed(error))
            }
        }
    }

    private func becameReadable(_ record: SegmentRecord, at position: SegmentPosition) -> Stored {
        counters.withLock { counters in
            counters.bytes += record.payload.count
            if record.id.class == .logs { counters.logFrames += 1 } else { counters.metricFrames += 1 }
        }
        guard record.id.class == .metrics else {
            logs.blockStored(record.payload, as: record.id, at: position)
            return .durable
        }
        let key = StreamKey(host: record.id.host, boot: record.id.boot)
        switch metrics.frameStored(record.payload, of: key, at: position, now: record.received) {
        case .done: return .durable
        case .needsKeyframe(let reason): return .keyframeNeeded(reason)
        }
    }

    // MARK: Pushed samples

    /// Who is named in the records of pushed requests: no host can have this name, it begins with a dot.
    static let pushedHost = HostID(".pushed")
    private let nextRelay = Mutex<UInt64>(1)
    private let nextPushedBlock = Mutex<UInt64>(1)

    /// Stores a pushed request as it came and returns when its samples are durable and readable.
    package func relay(
        _ batch: RelayedBatch, _ body: [UInt8], _ codec: RelayedBatch.Codec, now: Instant
    ) async throws(RelayError) -> RelayedOutcome {
        guard body.count <= SegmentLog.payloadBytes, let host = Self.pushedHost else {
            throw .tooLarge(bytes: body.count)
        }
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<RelayedOutcome, RelayError>, Never>) in
            // Queued while the number is held, so that records stand in the order of their numbers.
            let admission = nextRelay.withLock { next in
                let record = SegmentRecord(
                    id: FrameID(host: host, boot: BootID(high: 0, low: 0), class: .metrics, sequence: next),
                    codec: codec.rawValue, received: now, payload: body)
                let admission = metricCommit.submit(record) { [self] result in
                    switch result {
                    case .success(let position):
                        counters.withLock { $0.relayedRequests += 1 }
                        continuation.resume(returning: .success(metrics.relayed(batch, at: position, now: now)))
                    case .failure(let error):
                        counters.withLock { $0.failed += 1 }
                        if error.cause == .diskFull { keeper.diskIsFull() }
                        continuation.resume(returning: .failure(.failed("\(error)")))
                    }
                }
                if admission != .refused { next += 1 }
                return admission
            }
            if admission == .refused { continuation.resume(returning: .failure(.overloaded)) }
        }
        return try result.get()
    }

    /// Queues a block of pushed lines; `done` is called when it is durable and readable, or with why it is not. False,
    /// and no call, when the queue is full.
    func logsPushed(_ block: [UInt8], now: Instant, done: @escaping @Sendable (RelayError?) -> Void) -> Bool {
        guard let host = Self.pushedHost else { return false }
        // Queued while the number is held, so that records stand in the order of their numbers.
        return nextPushedBlock.withLock { next in
            let id = FrameID(host: host, boot: BootID(high: 0, low: 0), class: .logs, sequence: next)
            let record = SegmentRecord(id: id, codec: 1, received: now, payload: block)
            let admission = logCommit.submit(record) { [self] result in
                switch result {
                case .success(let position):
                    logs.blockStored(block, as: id, at: position)
                    done(nil)
                case .failure(let error):
                    counters.withLock { $0.failed += 1 }
                    done(.failed("\(error)"))
                }
            }
            guard admission != .refused else { return false }
            next += 1
            return true
        }
    }

    /// Removes logs that are older than their retention, writes the index files of full segments, and makes room for
    /// them. On a thread that may block: it unlinks, and waits for the commit thread's write or sync.
    package func tidyLogs(now: Instant, logger: Logger) async {
        try? await NIOThreadPool.singleton.runIfActive { self.logs.tidy(now: now, logger: logger) }
    }

    /// Submitted and not yet durable; readers of links pause above a limit.
    package var queuedBytes: Int { metricCommit.queuedBytes + logCommit.queuedBytes }
    package var counts: Counters { counters.withLock { $0 } }

    /// Ends with a checkpoint, so that the next start has nothing to read again.
    package func close(now: Instant) async {
        await metricCommit.close()
        await logCommit.close()
        await keeper.checkpoint(now: now)
    }
}
