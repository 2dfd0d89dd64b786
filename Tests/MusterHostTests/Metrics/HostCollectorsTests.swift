import Foundation
import MusterHost
import MusterModel
import Testing

@Suite struct HostCollectorsTests {
    private let host = HostFixture()

    @Test func aCollectorRunsOnItsOwnInterval() {
        var options = host.options(.loadavg, .filefd)
        options.intervals[.filefd] = .seconds(10)
        var ticker = Ticker(options)
        var loads = 0
        var files = 0
        for _ in 0..<60 {
            let samples = ticker.tick()
            loads += samples["node_load1"] == nil ? 0 : 1
            files += samples["node_filefd_maximum"] == nil ? 0 : 1
        }
        #expect(loads == 60)
        #expect((5...7).contains(files))
    }

    @Test func ticksThatJitterAreNotSkipped() {
        var ticker = Ticker(host.options(.loadavg))
        for step in [1_000, 960, 1_040, 950, 1_050, 1_000, 990, 1_010, 3_000, 1_000] {
            #expect(ticker.tick(after: .milliseconds(step))["node_load1"] == 0.05)
        }
    }

    @Test func aDisabledCollectorHasNoSeriesAtAll() {
        var ticker = Ticker(host.options(.filefd))
        _ = ticker.tick()
        #expect(ticker.table.series.keys.allSatisfy { $0.contains("filefd") })
        #expect(ticker.errors(.filefd) == 0)
        #expect(ticker.table.series["muster_agent_collector_duration_seconds{collector=\"filefd\"}"] ?? -1 >= 0)
        #expect(ticker.errors(.loadavg) == nil)
    }

    @Test func theKernelCountsSinceTheBootAndCollectorsSinceTheProcessBegan() {
        var ticker = Ticker(host.options(.stat))
        ticker.table.countersStarted = 7
        _ = ticker.tick()
        #expect(
            ticker.table.starts == [
                "node_cpu_seconds_total": 1_000_000, "node_cpu_guest_seconds_total": 1_000_000,
                "muster_agent_collector_errors_total": 7,
            ])
    }

    @Test func withoutABootTimeCountersHaveNoStart() {
        host.write("proc/stat", "cpu  10 0 0 0\ncpu0 10 0 0 0\nbtime 99999999999999999\n")
        var ticker = Ticker(host.options(.stat))
        _ = ticker.tick()
        #expect(ticker.table.starts.isEmpty)
    }

    @Test func thisHostIsMeasuredWithoutErrors() {
        var ticker = Ticker(HostCollectorOptions())
        let first = ticker.tick()
        #expect(first.count > 150)
        #expect(ticker.collectors.failures.isEmpty)
        for _ in 0..<5 { _ = ticker.tick() }
        #expect(ticker.collectors.failures.isEmpty)
        for name in CollectorName.allCases { #expect(ticker.errors(name) == 0) }
    }

    @Test func descriptorsAreKeptUpToABudgetAndReturned() {
        // Other tests open files at the same time: only this host's count.
        func open() -> Int {
            let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
            return numbers.filter {
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
                return target?.hasPrefix(host.root) ?? false
            }.count
        }
        let line = { (name: String) in " \(name): " + (1...16).map(String.init).joined(separator: " ") + "\n" }
        host.write("proc/net/dev", (0..<600).map { line("veth\($0)") }.joined())
        for number in 0..<600 { host.write("sys/class/net/veth\(number)/statistics/rx_nohandler", "\(number)\n") }
        var ticker: Ticker? = Ticker(host.options(.netdev))
        let samples = ticker?.tick() ?? [:]
        #expect(samples["node_network_receive_nohandler_total{device=\"veth599\"}"] == 599)
        #expect((500...513).contains(open()))
        #expect(ticker?.tick() == samples)
        ticker = nil
        #expect(open() == 0)
    }

    @Test func anIntervalBelongsToEveryCollector() {
        for name in CollectorName.allCases {
            #expect([Duration.seconds(1), .seconds(10)].contains(name.defaultInterval))
        }
    }
}
