/// What a function over windows walks along: series with their samples, no stale markers.
struct RangeVector {
    var series: SelectedSeries
    /// For each entry; empty when none does.
    var dropsName: [Bool]
    var window: QueryPlan.Window

    /// What a range selector found.
    init(_ selected: SelectedSeries, window: QueryPlan.Window) {
        self.window = window
        series = selected.bits.contains(SeriesTable.absent.bitPattern) ? selected.withoutStaleMarkers() : selected
        dropsName = []
    }

    /// What a subquery gave at the steps of `grid`.
    init(_ table: SeriesTable, grid: StepGrid, window: QueryPlan.Window) {
        self.window = window
        series = SelectedSeries()
        series.pairs = table.pairs
        series.entries.reserveCapacity(table.rows.count)
        series.times.reserveCapacity(table.cells)
        series.bits.reserveCapacity(table.cells)
        for row in table.rows.indices {
            let first = series.times.count
            for step in 0..<grid.count where !table.value(row, step).isAbsent {
                series.times.append(grid.time(step))
                series.bits.append(table.value(row, step).bitPattern)
            }
            series.entries.append(
                SelectedSeries.Entry(labels: table.rows[row].labels, samples: first..<series.times.count))
        }
        dropsName = table.rows.map(\.dropsName)
    }
}

extension SelectedSeries {
    fileprivate func withoutStaleMarkers() -> SelectedSeries {
        var kept = SelectedSeries()
        kept.pairs = pairs
        kept.times.reserveCapacity(times.count)
        kept.bits.reserveCapacity(bits.count)
        for entry in entries {
            let first = kept.times.count
            for index in entry.samples where bits[index] != SeriesTable.absent.bitPattern {
                kept.times.append(times[index])
                kept.bits.append(bits[index])
            }
            kept.entries.append(Entry(labels: entry.labels, samples: first..<kept.times.count))
        }
        return kept
    }
}

extension QueryPlan.Window {
    /// Calls `body` with each step whose window holds samples and with the range of these samples. Both ends only move
    /// forward, so a series is walked once however much its windows overlap.
    @inline(__always)
    func forEach<Failure: Error>(
        _ times: Span<Int64>, _ samples: Range<Int>,
        _ body: (_ step: Int, _ end: Int64, _ window: Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        var low = samples.lowerBound
        var high = samples.lowerBound
        var end = ends.start
        for step in 0..<ends.count {
            while high < samples.upperBound, times[high] <= end { high += 1 }
            let start = end - range
            while low < high, times[low] <= start { low += 1 }
            if low < high {
                try body(step, end, low..<high)
            } else if low == samples.upperBound {
                return
            }
            end += ends.step
        }
    }
}
