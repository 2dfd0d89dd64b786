package import MusterModel

/// The newest value of each series between two ticks, for samples that are pushed with times of their own: they become
/// samples of the tick after they came. Of several for one series the one with the latest time counts.
///
/// Bounded in series. One that nothing comes for during `idle` ends, and so does one that is said to have ended.
package struct LatestSeries: Sendable {
    private struct Row: Sendable {
        let labels: Labels
        var touched: Instant
        /// Given out by a reading.
        var isStarted = false
        /// What came since the last tick.
        var waiting: Sample?
    }

    private let maxSeries: Int
    private let idle: Duration
    private var rows: [Row?] = []
    private var places: [Labels: Int] = [:]
    private var numbers = RowNumbers()
    /// Rows with something to say, in the order it came.
    private var changed: [Int] = []
    private var descriptions: [Int: SeriesReading.Start] = [:]
    /// Samples since the last tick, those that were overtaken too.
    package private(set) var pending = 0

    package init(maxSeries: Int, idle: Duration) {
        self.maxSeries = maxSeries
        self.idle = idle
    }

    package var seriesCount: Int { places.count }

    /// Takes the samples of one series; false when there are too many series already. `family` is asked for when the
    /// series is new.
    package mutating func received(
        _ series: SeriesSamples, now: Instant, family: (_ metric: String) -> FamilyMetadata?
    ) -> Bool {
        guard let newest = series.samples.max(by: { $0.milliseconds < $1.milliseconds }) else { return true }
        let labels = TargetLabels().applied(to: series.labels)
        let row: Int
        if let known = places[labels] {
            row = known
        } else {
            // What ends before it began is nothing.
            guard !StaleMarker.isMarker(newest.value) else { return true }
            guard places.count < maxSeries else { return false }
            row = begin(labels, family(labels.metricName), now: now)
        }
        pending += series.samples.count
        guard var entry = rows[row] else { return true }
        entry.touched = now
        if let waiting = entry.waiting {
            if newest.milliseconds >= waiting.milliseconds { entry.waiting = newest }
        } else {
            entry.waiting = newest
            changed.append(row)
        }
        rows[row] = entry
        return true
    }

    private mutating func begin(_ labels: Labels, _ family: FamilyMetadata?, now: Instant) -> Int {
        let row = numbers.take()
        while rows.count <= row { rows.append(nil) }
        rows[row] = Row(labels: labels, touched: now)
        places[labels] = row
        let metric = labels.metricName
        descriptions[row] = SeriesReading.Start(
            row, labels, family?.kind(of: metric) ?? .untyped, unit: family?.unit ?? "", help: family?.help ?? "")
        return row
    }

    /// What came since the last tick.
    package mutating func tickBegan(now: Instant) -> SeriesReading {
        var reading = SeriesReading()
        for row in changed {
            guard var entry = rows[row], let sample = entry.waiting else { continue }
            entry.waiting = nil
            guard !StaleMarker.isMarker(sample.value) else {
                forget(row, entry, &reading)
                continue
            }
            if !entry.isStarted, let start = descriptions.removeValue(forKey: row) { reading.started.append(start) }
            entry.isStarted = true
            rows[row] = entry
            reading.values.append(SeriesReading.Value(row, sample.value))
        }
        changed.removeAll(keepingCapacity: true)
        pending = 0
        for row in rows.indices {
            guard let entry = rows[row], now - entry.touched >= idle else { continue }
            forget(row, entry, &reading)
        }
        return reading
    }

    private mutating func forget(_ row: Int, _ entry: Row, _ reading: inout SeriesReading) {
        if entry.isStarted { reading.ended.append(row) }
        rows[row] = nil
        places[entry.labels] = nil
        descriptions[row] = nil
        numbers.giveBack(row)
    }
}
