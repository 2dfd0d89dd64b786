import Logging
import MusterModel
import MusterSeries
import MusterStore
import Synchronization

/// A start of the metric store: what the last checkpoint says is taken in, and where the log goes on is found out.
enum MetricRecovery {
    /// What of the log is to be read again.
    struct Replay {
        /// The oldest keyframe that a stream is read from.
        var from: SegmentPosition
        /// Samples up to this record are in parts; what the frames before it define is still needed.
        var appliedThrough: SegmentPosition
    }

    static func open(
        _ path: String, maxBytes: Int, into store: MetricStore, io: any FileIO, logger: Logger
    ) throws -> (PartDirectory, Replay) {
        let (directory, recovery) = try PartDirectory.open(
            directory: path, io: io, settings: .init(maxBytes: maxBytes))
        report(recovery, logger)
        var refused = 0
        let damage = try directory.readCatalogue(compressor: store.compressor) { chunk in
            store.state.withLock { state in
                refused += state.series.restore(SeriesCatalogue(chunk))
                for (metric, metadata) in SeriesCatalogue.metadata(of: chunk) {
                    _ = state.series.setMetadata(metadata, of: metric)
                }
            }
        }
        if damage == RecordDamage() { store.state.withLock { _ = $0.series.takeMetadata() } }
        if damage.regions > 0 || refused > 0 {
            logger.error(
                "metric store: pieces of the catalogue are damaged; the samples of their series are lost",
                metadata: ["pieces": "\(damage.regions)", "bytes": "\(damage.bytes)", "series": "\(refused)"])
        }
        var blocks: [(GroupID, BlockRef)] = []
        for part in directory.parts { blocks += try part.index().map { ($0.group, $0.block) } }
        store.state.withLock { state in
            for part in directory.parts { state.sources[part.number] = .file(part) }
            state.series.restoreBlocks(blocks, groupsBelow: directory.manifest.nextGroup)
            state.applied = SegmentPosition(directory.manifest.appliedThrough)
        }
        return (
            directory,
            Replay(
                from: SegmentPosition(directory.manifest.replayFrom),
                appliedThrough: SegmentPosition(directory.manifest.appliedThrough))
        )
    }

    private static func report(_ recovery: PartRecovery, _ logger: Logger) {
        for error in recovery.setAside {
            logger.error("metric store: a file is damaged and was set aside", metadata: ["reason": "\(error)"])
        }
        if !recovery.missing.isEmpty {
            logger.error("metric store: parts are missing", metadata: ["parts": "\(recovery.missing)"])
        }
        if recovery.fellBack {
            logger.error("metric store: the newest manifest is damaged; the one before it counts")
        }
        if !recovery.ignored.isEmpty {
            logger.warning("metric store: files of somebody else", metadata: ["names": "\(recovery.ignored)"])
        }
    }
}

extension SegmentPosition {
    init(_ place: StoreManifest.LogPlace) {
        self.init(segment: place.segment, offset: Int(clamping: place.offset))
    }
}
