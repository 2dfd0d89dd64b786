package import MusterInterchange
import MusterModel

/// The series of one source (a scraped target, StatsD, OTLP) in the table: by the source's own numbers, the handles.
///
/// A series that somebody else measures already, or that finds the table full, has no handle; it is counted, and tried
/// again now and then for as long as its source has it.
package struct SourcedSeries: Sendable {
    /// Readings between two attempts to find a place for those that have none.
    static let retryEvery = 16

    private var handles: [Int] = []
    private var refused: [Int: SeriesReading.Start] = [:]
    private var readings = 0

    package init() {}

    /// Series without a place in the table.
    package var refusedCount: Int { refused.count }
    package var count: Int { handles.count { $0 != MetricTable.refused } }

    package mutating func apply(_ reading: SeriesReading, to table: inout MetricTable) {
        for row in reading.ended { end(row, &table) }
        for start in reading.started { begin(start, &table) }
        readings &+= 1
        if !refused.isEmpty, readings.isMultiple(of: Self.retryEvery) {
            for start in refused.values.sorted(by: { $0.row < $1.row }) { begin(start, &table) }
        }
        for value in reading.values where handles.indices.contains(value.row) {
            table.set(handles[value.row], value.value)
        }
    }

    /// The source is gone: all its series end.
    package mutating func ended(_ table: inout MetricTable) {
        for row in handles.indices { end(row, &table) }
        handles = []
    }

    private mutating func begin(_ start: SeriesReading.Start, _ table: inout MetricTable) {
        while handles.count <= start.row { handles.append(MetricTable.refused) }
        var handle = MetricTable.refused
        if table.liveCount < table.seriesMax, !table.isLive(start.labels) {
            handle = table.register(
                start.labels,
                as: MetricFamily(start.labels.metricName, start.kind, unit: start.unit, help: start.help))
        }
        handles[start.row] = handle
        refused[start.row] = handle == MetricTable.refused ? start : nil
    }

    private mutating func end(_ row: Int, _ table: inout MetricTable) {
        guard handles.indices.contains(row) else { return }
        table.end(handles[row])
        handles[row] = MetricTable.refused
        refused[row] = nil
    }
}
