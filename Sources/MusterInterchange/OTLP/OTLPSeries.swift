package import MusterModel

/// What an export became.
package struct OTLPSeries: Equatable, Sendable {
    /// Each set of labels once, in the order of its first point.
    package var series: [SeriesSamples] = []
    /// For each sample of each series what it came from.
    package var origins: [[Origin]] = []
    package var families: [FamilyMetadata] = []
    /// Data points that are not taken; the sender hears of them in `partial_success`.
    package var refusals = RefusalTally()
    /// Points two attributes of which became one label: the values stand there joined by `;`.
    package var attributeCollisions = 0
    /// Points taken.
    package var points = 0

    package init() {}

    /// Where a sample came from.
    package struct Origin: Equatable, Sendable {
        /// Counts the data points of the export; nil for what no point stands for.
        package var point: Int?
        /// When its counter began to count, milliseconds; 0 when it does not count or that was not said.
        package var start: Int64

        package init(point: Int?, start: Int64) {
            self.point = point
            self.start = start
        }
    }

    /// The families and series in the same order, cut where a part passes `maxBytes` (by its texts, and 32 for each
    /// sample). Refusals and counts are of the whole and stay with it.
    package func portions(maxBytes: Int) -> [OTLPSeries] {
        var portions: [OTLPSeries] = []
        var portion = OTLPSeries()
        var bytes = 0
        func added(_ count: Int) {
            bytes += count
            guard bytes >= maxBytes else { return }
            portions.append(portion)
            portion = OTLPSeries()
            bytes = 0
        }
        for family in families {
            portion.families.append(family)
            added(family.name.utf8.count + family.help.utf8.count + family.unit.utf8.count)
        }
        for (one, origins) in zip(series, origins) {
            portion.series.append(one)
            portion.origins.append(origins)
            added(one.labels.pairs.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count } + 32 * one.samples.count)
        }
        if bytes > 0 { portions.append(portion) }
        return portions
    }
}
