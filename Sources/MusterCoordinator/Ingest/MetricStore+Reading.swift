package import MusterInterchange
package import MusterModel
package import MusterQuery
package import MusterSeries
import Synchronization

extension MetricStore: SampleSource {
    package func view() -> any SampleView { MetricView(self, older: nil) }
}

// What readers ask.
extension MetricStore {
    /// A picture of some series, and who has the blocks in it. Expressions are tried without the lock.
    func picture(_ requests: [SeriesRequest]) -> (view: SeriesView, sources: [UInt32: BlockSource]) {
        while true {
            var draft = state.withLock { $0.series.draft(requests) }
            draft.resolve()
            let found = state.withLock { state in state.series.view(draft).map { ($0, state.sources) } }
            // Labels were forgotten in between, which is rare: once more.
            if let found { return found }
        }
    }

    /// Which series a listing is about.
    package struct Listing: Sendable {
        /// The series of any of them; empty means all.
        package var selectors: [[LabelMatcher]]
        /// Milliseconds; nil sets no bound.
        package var from: Int64?
        package var to: Int64?
        package var limit: Int

        package init(selectors: [[LabelMatcher]], from: Int64? = nil, to: Int64? = nil, limit: Int) {
            self.selectors = selectors
            self.from = from
            self.to = to
            self.limit = limit
        }

        fileprivate var requests: [SeriesRequest] {
            (selectors.isEmpty ? [[]] : selectors).map {
                SeriesRequest(matchers: $0, from: from ?? .min, to: to ?? .max)
            }
        }

        /// Whether the index alone can answer.
        fileprivate var isUnbounded: Bool { selectors.isEmpty && from == nil && to == nil }
    }

    package struct Found<Item: Sendable>: Sendable {
        package var items: [Item]
        /// There are more than the limit allowed.
        package var isCut: Bool

        init(_ all: [Item], limit: Int) {
            items = Array(all.prefix(limit))
            isCut = all.count > limit
        }
    }

    package func series(_ listing: Listing) -> Found<Labels> {
        let view = picture(listing.requests).view
        var seen: Set<Labels> = []
        var found: [Labels] = []
        for selection in view.selections where found.count <= listing.limit {
            for labels in view.labels(of: selection, limit: listing.limit + 1) where seen.insert(labels).inserted {
                found.append(labels)
            }
        }
        return Found(found, limit: listing.limit)
    }

    package func labelNames(_ listing: Listing) -> Found<String> {
        if listing.isUnbounded {
            let names = state.withLock { $0.series.labelNames }
            return Found(names.sorted(), limit: listing.limit)
        }
        return Found(picture(listing.requests).view.labelNames, limit: listing.limit)
    }

    package func labelValues(_ name: String, _ listing: Listing) -> Found<String> {
        if listing.isUnbounded {
            let values = state.withLock { $0.series.labelValues(name) }
            return Found(values.sorted(), limit: listing.limit)
        }
        return Found(picture(listing.requests).view.labelValues(name), limit: listing.limit)
    }

    /// In order of names; one metric's when it is named.
    package func metadata(metric: String?, limit: Int) -> [FamilyMetadata] {
        let found = state.withLock { state in
            metric.map { name in state.series.metadata(of: name).map { [(metric: name, metadata: $0)] } ?? [] }
                ?? state.series.allMetadata(limit: limit)
        }
        return found.map { name, metadata in
            FamilyMetadata(
                name: name, type: FamilyType(name: metadata.type) ?? .unknown, help: metadata.help, unit: metadata.unit)
        }
    }

    package struct Cardinality: Sendable {
        package typealias Count = (name: String, value: Int)

        package var series = 0
        package var labelPairs = 0
        package var blocks = 0
        /// Milliseconds of the oldest and the newest sample; 0 without any.
        package var from: Int64 = 0
        package var to: Int64 = 0
        package var byMetric: [Count] = []
        package var byLabelName: [Count] = []
        package var bytesByLabelName: [Count] = []
        package var byPair: [Count] = []
        package var refusedByMetric: [Count] = []
        package var byOwner: [(name: String, series: Int, budget: Int, refused: Int)] = []
    }

    /// The largest of each, at most `limit`.
    package func cardinality(limit: Int) -> Cardinality {
        state.withLock { state in
            let report = state.series.cardinality(limit: limit)
            var found = Cardinality()
            found.series = state.series.seriesCount
            let extent = state.series.extent
            (found.labelPairs, found.blocks) = (extent.labelPairs, extent.blocks)
            (found.from, found.to) = extent.times.map { ($0.lowerBound, $0.upperBound) } ?? (0, 0)
            found.byMetric = report.metrics.map { ($0.name, $0.count) }
            found.byLabelName = report.labelNames.map { ($0.name, $0.count) }
            found.bytesByLabelName = state.series.labelNameBytes(limit: limit).map { ($0.name, $0.count) }
            found.byPair = report.labelPairs.map { ($0.name, $0.count) }
            found.refusedByMetric = report.refusedByMetric.map { ($0.name, $0.count) }
            found.byOwner = state.series.ownerBudgets(limit: limit).map {
                ($0.key, $0.seriesCount, $0.budget, Int(clamping: $0.refused))
            }
            return found
        }
    }

    /// Milliseconds: there may be nothing from before, there is everything since.
    var oldestKept: Int64 {
        state.withLock { state in
            max(state.series.extent.times?.lowerBound ?? .max, state.series.oldestTaken)
        }
    }

    package var seriesCount: Int { state.withLock { $0.series.seriesCount } }
    package var memoryBytes: Int { state.withLock { $0.series.memoryBytes } }
    package var undecodable: UInt64 { state.withLock { $0.undecodable } }
    package var damagedBlocks: UInt64 { state.withLock { $0.damagedBlocks } }
    package var counters: SeriesStore.Counters { state.withLock { $0.series.counters } }

    package var sampleCounts: [(name: String, value: UInt64)] {
        let counters = counters
        return [
            ("stored", counters.stored), ("duplicate", counters.duplicate), ("conflicting", counters.conflicting),
            ("too_old", counters.tooOld), ("too_far_ahead", counters.tooFarAhead),
            ("unknown_series", counters.unknownSeries), ("out_of_memory", counters.full + counters.undecidedDropped),
        ]
    }

    package var refusalCounts: [(name: String, value: UInt64)] {
        let counters = counters
        return [
            ("owner_budget", counters.refusedOverOwnerBudget), ("metric_budget", counters.refusedOverMetricBudget),
            ("out_of_memory", counters.refusedOutOfMemory), ("bad_labels", counters.refusedBadLabels),
            ("owners", counters.refusedOwners),
        ]
    }
}
