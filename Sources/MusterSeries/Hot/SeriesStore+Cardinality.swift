/// What uses the series, largest first.
package struct CardinalityReport: Equatable, Sendable {
    package struct Count: Equatable, Sendable {
        package var name: String
        package var count: Int

        package init(name: String, count: Int) {
            self.name = name
            self.count = count
        }
    }

    /// Series of each metric name.
    package var metrics: [Count] = []
    /// Values of each label name.
    package var labelNames: [Count] = []
    /// Series of each label, as `name=value`.
    package var labelPairs: [Count] = []
    /// Series of each owner's key.
    package var owners: [Count] = []
    /// Refused series of each owner's key and of each metric name; only those with any.
    package var refusedByOwner: [Count] = []
    package var refusedByMetric: [Count] = []

    package init() {}
}

/// The largest of many counts, in a list that stays short.
private struct Largest<Key> {
    private let limit: Int
    private(set) var entries: [(key: Key, count: Int)] = []

    init(_ limit: Int) { self.limit = limit }

    mutating func offer(_ key: Key, _ count: Int) {
        guard limit > 0, count > 0, entries.count < limit || count > entries[entries.count - 1].count else { return }
        if entries.count == limit { entries.removeLast() }
        let place = entries.firstIndex { $0.count < count } ?? entries.count
        entries.insert((key, count), at: place)
    }

    func counts(_ name: (Key) -> String) -> [CardinalityReport.Count] {
        entries.map { CardinalityReport.Count(name: name($0.key), count: $0.count) }
    }
}

// Who uses how much, and what metrics are.
extension SeriesStore {
    /// The `limit` largest of each kind. Looks at every label once.
    package func cardinality(limit: Int) -> CardinalityReport {
        var report = CardinalityReport()
        let texts = symbols.texts
        var largest = Largest<UInt32>(limit)
        if let name = texts.symbol(for: metricName.span) {
            for pair in pairs.values[name] ?? [] { largest.offer(pair, pairs.lists[Int(pair)].count) }
        }
        report.metrics = largest.counts { texts.text(of: pairs.pairs[Int($0)].value) }
        largest = Largest(limit)
        for (name, values) in pairs.values { largest.offer(name, values.count) }
        report.labelNames = largest.counts { texts.text(of: $0) }
        largest = Largest(limit)
        for pair in pairs.lists.indices { largest.offer(UInt32(pair), pairs.lists[pair].count) }
        report.labelPairs = largest.counts { pair in
            let label = pairs.pairs[Int(pair)]
            return "\(texts.text(of: label.name))=\(texts.text(of: label.value))"
        }
        addOwners(to: &report, limit: limit)
        largest = Largest(limit)
        for (pair, refused) in refusedByMetric { largest.offer(pair, Int(clamping: refused)) }
        report.refusedByMetric = largest.counts { texts.text(of: pairs.pairs[Int($0)].value) }
        return report
    }

    private func addOwners(to report: inout CardinalityReport, limit: Int) {
        var largest = Largest<String>(limit)
        var refused = Largest<String>(limit)
        for owner in owners.owners {
            guard let owner else { continue }
            largest.offer(owner.key, owner.seriesCount)
            refused.offer(owner.key, Int(clamping: owner.refused))
        }
        report.owners = largest.counts { $0 }
        report.refusedByOwner = refused.counts { $0 }
    }

    /// Says what a metric is. False (and counted) when there are `Settings.maxMetadata`, or a text is longer than
    /// `SymbolTable.maxTextBytes`.
    package mutating func setMetadata(_ new: MetricMetadata, of metric: String) -> Bool {
        let isSet = metadata.set(new, of: metric, limit: settings.maxMetadata, symbols: &symbols)
        if !isSet { counters.refusedMetadata += 1 }
        return isSet
    }

    package func metadata(of metric: String) -> MetricMetadata? {
        symbols.texts.symbol(for: metric).flatMap { metadata.metadata(of: $0, texts: symbols.texts) }
    }

    /// By metric, in order of names, at most `limit`.
    package func allMetadata(limit: Int = .max) -> [(metric: String, metadata: MetricMetadata)] {
        metadata(of: metadata.metrics, limit: limit)
    }

    /// What was said of metrics since the last call, by metric. When it could not be written, take `allMetadata`.
    package mutating func takeMetadata() -> [(metric: String, metadata: MetricMetadata)] {
        metadata(of: metadata.takeChanged(), limit: .max)
    }

    private func metadata(of metrics: [UInt32], limit: Int) -> [(metric: String, metadata: MetricMetadata)] {
        let names = metrics.map { ($0, symbols.texts.text(of: $0)) }.sorted { $0.1 < $1.1 }.prefix(limit)
        return names.compactMap { symbol, name in
            metadata.metadata(of: symbol, texts: symbols.texts).map { (name, $0) }
        }
    }
}
