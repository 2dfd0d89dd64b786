import MusterHost
import MusterModel
import Testing

@Suite struct MetricTableTests {
    private let load: Labels = ["__name__": "load", "host": "a"]
    private let disk: Labels = ["__name__": "disk"]

    @Test func aRegisteredSeriesIsStartedOnceAndKeepsItsHandle() {
        var table = MetricTable()
        let handle = table.register(load)
        #expect(table.started == [handle])
        #expect(table.register(load) == handle)
        #expect(table.started == [handle])
        #expect(table.liveCount == 1)
        table.tickBegan()
        #expect(table.started.isEmpty)
        #expect(table.labels(handle) == load)
    }

    @Test func onlyWhatWasSetInThisTickIsASample() {
        var table = MetricTable()
        let (first, second) = (table.register(load), table.register(disk))
        table.set(first, 1)
        table.set(second, 2)
        #expect(table.samples == ["load{host=\"a\"}": 1, "disk": 2])
        table.tickBegan()
        table.set(second, 3)
        #expect(table.samples == ["disk": 3])
        #expect(table.series == ["load{host=\"a\"}": 1, "disk": 3])
        #expect(!table.isFresh(first))
        #expect(table.isFresh(second))
    }

    @Test func aSeriesEndsWithItsLastUser() {
        var table = MetricTable()
        let handle = table.register(load)
        _ = table.register(load)
        table.tickBegan()
        table.end(handle)
        #expect(table.ended.isEmpty)
        table.end(handle)
        #expect(table.ended == [handle])
        #expect(table.labels(handle) == load)
        #expect(!table.isLive(handle))
        table.end(handle)
        #expect(table.ended == [handle])
        #expect(table.liveCount == 0)
    }

    @Test func aFreedHandleIsGivenOutAgainWithANewGeneration() {
        var table = MetricTable()
        let handle = table.register(load)
        let generation = table.generation(handle)
        table.tickBegan()
        table.end(handle)
        #expect(table.register(disk) != handle)
        table.tickBegan()
        #expect(table.ended.isEmpty)
        let third = table.register(["__name__": "third"])
        #expect(third == handle)
        #expect(table.generation(third) == generation + 1)
        #expect(table.started == [third])
        #expect(table.series["third"] == 0)
    }

    @Test func anEndIsTakenBackWithinItsTick() {
        var table = MetricTable()
        let handle = table.register(load)
        table.set(handle, 1)
        table.tickBegan()
        table.end(handle)
        #expect(table.register(load) == handle)
        #expect(table.ended.isEmpty)
        #expect(table.started.isEmpty)
        table.tickBegan()
        #expect(table.isLive(handle))
        #expect(table.series == ["load{host=\"a\"}": 1])
    }

    @Test func aSeriesOfOneTickIsNeitherStartedNorEnded() {
        var table = MetricTable()
        let handle = table.register(load)
        table.set(handle, 1)
        table.end(handle)
        #expect(table.started.isEmpty && table.ended.isEmpty && table.samples.isEmpty)
        // And back again: now somebody has to hear of it.
        #expect(table.register(load) == handle)
        #expect(table.started == [handle])
        table.end(handle)
        table.tickBegan()
        #expect(table.register(disk) == handle)
    }

    @Test func aFullTableRefusesAndCounts() {
        var table = MetricTable(seriesMax: 2)
        _ = table.register(load)
        let second = table.register(disk)
        let third = table.register(["__name__": "third"])
        #expect(third == MetricTable.refused)
        #expect(table.refusedCount == 1)
        table.set(third, 5)
        table.end(third)
        #expect(table.samples.isEmpty)
        #expect(table.liveCount == 2)
        // A live series is never refused, and an ended one makes room.
        #expect(table.register(load) != MetricTable.refused)
        table.end(second)
        #expect(table.register(["__name__": "third"]) != MetricTable.refused)
    }

    @Test func theTableHoldsAsManySeriesAsAHostMayHave() {
        var table = MetricTable()
        for number in 0..<Limits.seriesPerHost { _ = table.register(["__name__": "m", "n": "\(number)"]) }
        #expect(table.refusedCount == 0)
        #expect(table.register(["__name__": "one more"]) == MetricTable.refused)
    }

    @Test func handlesThatWereNeverGivenOutDoNothing() {
        var table = MetricTable()
        for handle in [-1, 0, 7, Int.max, Int.min] {
            table.set(handle, 1)
            table.end(handle)
            #expect(!table.isLive(handle))
            #expect(table.labels(handle).isEmpty)
            #expect(table.generation(handle) == 0)
        }
        #expect(table.samples.isEmpty)
    }

    @Test func aFamilyMayBeTakenLessOftenThanItIsRead() {
        var table = MetricTable(families: [
            .init(pattern: "node_*", ticks: 3), .init(pattern: "node_load*", ticks: 2),
            .init(pattern: "node_load1", ticks: 1), .init(pattern: "up", ticks: 5), .init(pattern: "zero", ticks: 0),
        ])
        let names = ["node_cpu", "node_load5", "node_load1", "up", "up_time", "zero"]
        let handles = names.map { table.register(["__name__": $0]) }
        var taken: [String: [Int]] = [:]
        for tick in 0..<7 {
            table.tickBegan()
            for handle in handles {
                table.set(handle, Double(tick))
                // A second value in the same tick replaces the first.
                table.set(handle, Double(tick))
            }
            for name in table.samples.keys { taken[name, default: []].append(tick) }
        }
        let always = Array(0..<7)
        #expect(
            taken == [
                "node_cpu": [0, 3, 6], "node_load5": [0, 2, 4, 6], "node_load1": always, "up": [0, 5],
                "up_time": always, "zero": always,
            ])
        #expect(table.values[handles[0]] == 6)
    }

    @Test func missedTicksCountForTheIntervalOfAFamily() {
        var table = MetricTable(families: [.init(pattern: "m", ticks: 3)])
        let handle = table.register(["__name__": "m"])
        var taken: [Bool] = []
        for missed in [0, 1, 0, 4, 0] as [UInt64] {
            table.tickBegan(missed: missed)
            table.set(handle, 1)
            taken.append(table.isFresh(handle))
        }
        #expect(taken == [true, false, true, true, false])
    }

    @Test func aNewSeriesBehindAHandleIsTakenAtOnce() {
        var table = MetricTable(families: [.init(pattern: "m", ticks: 100)])
        let handle = table.register(["__name__": "m", "n": "1"])
        table.set(handle, 1)
        table.end(handle)
        table.tickBegan()
        let next = table.register(["__name__": "m", "n": "2"])
        #expect(next == handle)
        table.set(next, 2)
        #expect(table.isFresh(next))
    }

    @Test func countersKnowWhenTheyBegan() {
        var table = MetricTable()
        let before = table.register(["__name__": "a_total"])
        table.countersStarted = 5_000
        let counter = table.register(["__name__": "b_total"])
        let gauge = table.register(["__name__": "b"])
        #expect(table.startMilliseconds(before) == nil)
        #expect(table.startMilliseconds(counter) == 5_000)
        #expect(table.startMilliseconds(gauge) == nil)
        #expect(table.startMilliseconds(-1) == nil && table.startMilliseconds(99) == nil)
        // The next series behind the handle has a start of its own.
        table.tickBegan()
        table.end(counter)
        table.tickBegan()
        table.countersStarted = 9_000
        let next = table.register(["__name__": "c_total"])
        #expect(next == counter && table.startMilliseconds(next) == 9_000)
    }

    @Test(arguments: [
        ("node_cpu_seconds_total", MetricKind.counter), ("node_load1", .gauge), ("node_vmstat_pgfault", .untyped),
        ("node_netstat_Tcp_InErrs", .untyped), ("container_last_seen", .gauge),
        ("container_network_receive_bytes_total", .counter),
    ])
    func theKindIsToldByTheName(_ name: String, _ kind: MetricKind) {
        #expect(MetricKind(ofMetric: name) == kind)
    }
}
