package import MusterLogs
package import MusterModel
import NIOPosix

/// What is asked of the logs without reading a block.
extension LogStore {
    /// Label sets of an answer.
    package static let labelSetsMax = 100_000

    /// What the blocks of a selection hold. Blocks count whole when their time touches the range.
    package struct Volume: Equatable, Sendable {
        package var blocks = 0
        package var bytes = 0
        package var lines = 0
        package var levels = LevelCounts()
    }

    /// For each label set with lines in the range, `stream` left out, what its blocks hold. At most `labelSetsMax`
    /// label sets; which are left out of more is not said.
    package func volumes(
        _ matchers: [LabelMatcher], from: Instant, through: Instant
    ) async throws -> [Labels: Volume] {
        try await NIOThreadPool.singleton.runIfActive {
            var volumes: [Labels: Volume] = [:]
            for (segment, _) in self.segments(from: from, through: through) {
                guard let (index, _) = try self.index(of: segment) else { continue }
                for block in index.select(matchers, from: from, through: through) {
                    let labels = index.labels(of: block)
                    guard volumes[labels] != nil || volumes.count < Self.labelSetsMax else { continue }
                    volumes[labels, default: Volume()].add(block)
                }
            }
            return volumes
        }
    }

    /// Every label set with lines in the range, `stream` included.
    package func labelSets(
        _ matchers: [LabelMatcher], from: Instant, through: Instant
    ) async throws -> Set<Labels> {
        try await NIOThreadPool.singleton.runIfActive {
            var sets: Set<Labels> = []
            for (segment, _) in self.segments(from: from, through: through) {
                guard let (index, _) = try self.index(of: segment) else { continue }
                for block in index.select(matchers, from: from, through: through) {
                    for labels in index.variants(of: block) where matchers.allSatisfy({ $0.isMatch(labels) }) {
                        if sets.count < Self.labelSetsMax { sets.insert(labels) }
                    }
                }
            }
            return sets
        }
    }
}

extension LogStore.Volume {
    fileprivate mutating func add(_ block: LogSegmentIndex.Block) {
        blocks += 1
        bytes += block.rawBytes
        lines += block.lineCount
        levels += block.levels
    }
}
