package import Logging
package import MusterModel
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
    }

    /// What the session that sent a frame is told.
    package enum Stored: Sendable {
        case durable
        case keyframeNeeded(String)
        case failed(StoreError)
    }

    private init(
        metrics: MetricStore, logs: LogStore, metricLog: SegmentLog, logLog: SegmentLog, metricCommit: GroupCommit,
        logCommit: GroupCommit
    ) {
        self.metrics = metrics
        self.logs = logs
        self.metricLog = metricLog
        self.logLog = logLog
        self.metricCommit = metricCommit
        self.logCommit = logCommit
    }

    package struct Settings: Sendable {
        package var directory: String
        package var metricRetention: Duration
        package var metricBytes: Int
        package var logRetention: Duration
        package var logBytes: Int

        package init(
            directory: String, metricRetention: Duration, metricBytes: Int, logRetention: Duration, logBytes: Int
        ) {
            self.directory = directory
            self.metricRetention = metricRetention
            self.metricBytes = metricBytes
            self.logRetention = logRetention
            self.logBytes = logBytes
        }
    }

    /// Opens what is on disk and reads it back: marks of all streams, the hot store, the log index.
    package static func open(
        _ settings: Settings, io: any FileIO, compressor: any Compressor, now: Instant, logger: Logger
    ) throws -> Ingest {
        let (metricLog, metricRecovery) = try SegmentLog.open(
            directory: settings.directory + "/metrics", io: io,
            settings: .init(
                segmentBytes: 16 << 20, maxBytes: settings.metricBytes, maxAge: settings.metricRetention))
        let (logLog, logRecovery) = try SegmentLog.open(
            directory: settings.directory + "/logs", io: io,
            settings: .init(maxBytes: settings.logBytes, maxAge: settings.logRetention))
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
            retention: settings.metricRetention, maxBytes: settings.metricBytes, compressor: compressor)
        let logs = LogStore(log: logLog, compressor: compressor)
        let ingest = Ingest(
            metrics: metrics, logs: logs, metricLog: metricLog, logLog: logLog,
            metricCommit: try GroupCommit(log: metricLog),
            logCommit: try GroupCommit(
                log: logLog, onRemoved: { removed in for segment in removed { logs.segmentRemoved(segment.segment) } }))
        try ingest.restore(metricLog, logLog, logger: logger)
        metrics.expire(now: now)
        return ingest
    }

    private func restore(_ metricLog: SegmentLog, _ logLog: SegmentLog, logger: Logger) throws {
        var durable: [StreamKey: PerClass<UInt64>] = [:]
        // A batch whose sync failed, and that could not be cut off again, was sent and stored a second time.
        func isFirst(_ id: FrameID) -> Bool {
            let key = StreamKey(host: id.host, boot: id.boot)
            guard id.sequence > durable[key]?[id.class] ?? 0 else { return false }
            durable[key, default: PerClass(repeating: 0)][id.class] = id.sequence
            return true
        }
        let frames = try metricLog.scan(.records) { record in
            guard isFirst(record.id) else { return .next }
            metrics.frameStored(
                record.payload, of: StreamKey(host: record.id.host, boot: record.id.boot), now: record.received)
            return .next
        }
        let blocks = try logLog.scan(.records) { record in
            guard isFirst(record.id) else { return .next }
            logs.blockStored(record.payload, of: record.id.host, at: record.position)
            return .next
        }
        marks.restored(durable)
        logger.info(
            "telemetry restored",
            metadata: [
                "metricFrames": "\(frames.records)", "series": "\(metrics.seriesCount)",
                "logBlocks": "\(blocks.records)",
                "streams": "\(durable.count)",
            ])
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
            logs.blockStored(record.payload, of: record.id.host, at: position)
            return .durable
        }
        let key = StreamKey(host: record.id.host, boot: record.id.boot)
        switch metrics.frameStored(record.payload, of: key, now: record.received) {
        case .done: return .durable
        case .needsKeyframe(let reason): return .keyframeNeeded(reason)
        }
    }

    /// Removes from the disk what is older than its retention. On a thread that may block: it unlinks, and waits for
    /// the commit thread's write or sync.
    package func removeExpired(now: Instant, logger: Logger) async {
        try? await NIOThreadPool.singleton.runIfActive { self.removeExpiredHere(now, logger) }
    }

    private func removeExpiredHere(_ now: Instant, _ logger: Logger) {
        for (name, log) in [("metrics", metricLog), ("logs", logLog)] {
            let before = log.segments
            do throws(StoreError) {
                _ = try log.removeExpired(now: now)
            } catch {
                logger.error(
                    "expired telemetry not removed; trying again",
                    metadata: ["store": "\(name)", "reason": "\(error)"])
            }
            // Looked up and not taken from the answer: some may be gone although a later one failed.
            let left = Set(log.segments)
            let gone = before.filter { !left.contains($0) }
            guard !gone.isEmpty else { continue }
            // Segments are removed oldest first and never the last one, whose blocks may not all be in the index yet.
            if log === logLog { for segment in gone { logs.segmentRemoved(segment) } }
            logger.info("expired telemetry removed", metadata: ["store": "\(name)", "segments": "\(gone.count)"])
        }
    }

    /// Submitted and not yet durable; readers of links pause above a limit.
    package var queuedBytes: Int { metricCommit.queuedBytes + logCommit.queuedBytes }
    package var counts: Counters { counters.withLock { $0 } }

    package func close() async {
        await metricCommit.close()
        await logCommit.close()
    }
}
