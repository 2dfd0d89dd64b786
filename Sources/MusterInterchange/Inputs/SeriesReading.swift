package import MusterModel

/// What a source of series says at one tick: which series begin, which end, and the values there are. Every source
/// (a scrape, StatsD, OTLP) numbers its series itself, from 0 and densely; the number of a series that ended may be
/// given to another. So a series costs its labels once, and a number and a value from then on.
package struct SeriesReading: Sendable {
    package struct Start: Sendable, Equatable {
        package var row: Int
        package var labels: Labels
        package var kind: MetricKind
        package var unit: String
        package var help: String

        package init(_ row: Int, _ labels: Labels, _ kind: MetricKind, unit: String = "", help: String = "") {
            self.row = row
            self.labels = labels
            self.kind = kind
            self.unit = unit
            self.help = help
        }
    }

    package struct Value: Sendable {
        package var row: Int
        package var value: Double

        package init(_ row: Int, _ value: Double) {
            self.row = row
            self.value = value
        }
    }

    // In the order in which they are to be done.
    package var ended: [Int] = []
    package var started: [Start] = []
    package var values: [Value] = []

    package init() {}

    package var isEmpty: Bool { ended.isEmpty && started.isEmpty && values.isEmpty }
}

/// The numbers of a source's series.
struct RowNumbers: Sendable {
    private var free: [Int] = []
    private var next: Int

    init(from first: Int = 0) { next = first }

    mutating func take() -> Int {
        if let row = free.popLast() { return row }
        defer { next += 1 }
        return next
    }

    mutating func giveBack(_ row: Int) { free.append(row) }
}

extension FamilyMetadata {
    /// Whether a metric is of this family: it has its name, or its name and one of the suffixes of its type.
    package func covers(_ metric: String) -> Bool {
        guard metric.hasPrefix(name) else { return false }
        switch metric.dropFirst(name.count) {
        case "": return true
        case "_total", "_created": return type == .counter || type == .unknown
        case "_bucket": return type == .histogram || type == .gaugeHistogram
        case "_sum", "_count": return type == .histogram || type == .summary
        case "_gsum", "_gcount": return type == .gaugeHistogram
        case "_info": return type == .info
        default: return false
        }
    }

    /// The kind of one metric of the family.
    package func kind(of metric: String) -> MetricKind {
        // The times at which counters and histograms were created do not count.
        metric.hasSuffix("_created") && metric != name ? .gauge : family.kind
    }
}
