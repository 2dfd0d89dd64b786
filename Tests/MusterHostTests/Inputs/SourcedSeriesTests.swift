import MusterHost
import MusterInterchange
import MusterModel
import Testing

@Suite struct SourcedSeriesTests {
    private func reading(
        started: [(Int, Labels)] = [], ended: [Int] = [], values: [(Int, Double)] = []
    ) -> SeriesReading {
        var reading = SeriesReading()
        reading.started = started.map { .init($0.0, $0.1, .counter, unit: "seconds", help: "Help") }
        reading.ended = ended
        reading.values = values.map { .init($0.0, $0.1) }
        return reading
    }

    @Test func `series have their values in the table for as long as the source has them`() {
        var table = MetricTable()
        var source = SourcedSeries()
        table.tickBegan()
        source.apply(
            reading(started: [(0, ["__name__": "a"]), (2, ["__name__": "b"])], values: [(0, 1), (2, 2)]), to: &table)
        #expect(table.samples == ["a": 1, "b": 2] && source.count == 2)
        table.tickBegan()
        source.apply(reading(values: [(2, 3)]), to: &table)
        #expect(table.samples == ["b": 3] && table.series == ["a": 1, "b": 3])
        table.tickBegan()
        // Its number goes to another in the same reading.
        source.apply(reading(started: [(0, ["__name__": "c"])], ended: [0], values: [(0, 4)]), to: &table)
        #expect(table.samples == ["c": 4] && table.ended.count == 1)
        table.tickBegan()
        source.ended(&table)
        #expect(table.liveCount == 0 && table.ended.count == 2 && source.count == 0)
    }

    @Test func `what is known of a family reaches whoever sends it, and no counter's beginning is made up`() {
        var table = MetricTable()
        table.countersStarted = 5
        var source = SourcedSeries()
        table.tickBegan()
        source.apply(reading(started: [(0, ["__name__": "x_total"])]), to: &table)
        let handle = table.started[0]
        #expect(table.family(handle) == MetricFamily("x_total", .counter, unit: "seconds", help: "Help"))
        #expect(table.startMilliseconds(handle) == nil)
        let own = table.register(["__name__": "own_total"])
        #expect(table.family(own) == MetricFamily("own_total", .counter) && table.startMilliseconds(own) == 5)
        source.ended(&table)
        table.tickBegan()
        // The handle's next life is another series' own.
        table.tickBegan()
        let next = table.register(["__name__": "gauge"])
        #expect(table.family(next) == MetricFamily("gauge", .gauge))
    }

    @Test func `a series somebody else measures stays theirs until they end it`() {
        var table = MetricTable()
        let theirs = table.register(["__name__": "node_load1"])
        table.set(theirs, 1)
        var source = SourcedSeries()
        table.tickBegan()
        table.set(theirs, 1)
        source.apply(reading(started: [(0, ["__name__": "node_load1"])], values: [(0, 99)]), to: &table)
        #expect(table.samples == ["node_load1": 1] && source.refusedCount == 1 && source.count == 0)
        table.end(theirs)
        for _ in 0..<20 {
            table.tickBegan()
            source.apply(reading(values: [(0, 99)]), to: &table)
        }
        #expect(table.samples == ["node_load1": 99] && source.refusedCount == 0)
        source.apply(reading(ended: [0]), to: &table)
        #expect(table.liveCount == 0)
    }

    @Test func `a full table takes a series as soon as there is room`() {
        var table = MetricTable(seriesMax: 2)
        let first = table.register(["__name__": "first"])
        var source = SourcedSeries()
        table.tickBegan()
        source.apply(
            reading(started: [(0, ["__name__": "a"]), (1, ["__name__": "b"])], values: [(0, 1), (1, 2)]), to: &table)
        #expect(table.samples == ["a": 1] && source.refusedCount == 1)
        #expect(table.refusedCount == 0)
        // One that ends before it found a place is not looked for any more.
        source.apply(reading(started: [(2, ["__name__": "c"])]), to: &table)
        source.apply(reading(ended: [2]), to: &table)
        #expect(source.refusedCount == 1)
        table.end(first)
        for _ in 0..<20 {
            table.tickBegan()
            source.apply(reading(values: [(0, 1), (1, 2)]), to: &table)
        }
        #expect(table.samples == ["a": 1, "b": 2] && source.refusedCount == 0)
    }

    @Test func `numbers the source never gave out change nothing`() {
        var table = MetricTable()
        var source = SourcedSeries()
        source.apply(reading(ended: [7, -1], values: [(3, 1), (-5, 2)]), to: &table)
        #expect(table.liveCount == 0 && source.count == 0)
    }
}
