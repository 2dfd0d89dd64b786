import Foundation
import MusterHost
import MusterModel
import MusterTestKit
import Testing

/// A real cgroup with a real process in it: how the kernel's files end is not to be had from a fixture.
@Suite struct LiveCgroupTests {
    private static let trees: [String] = {
        let root = "/sys/fs/cgroup"
        if FileManager.default.fileExists(atPath: root + "/cgroup.controllers") { return [root] }
        return ["cpu", "cpuacct", "memory", "blkio", "pids"].map { "\(root)/\($0)" }.filter {
            FileManager.default.fileExists(atPath: $0)
        }
    }()
    private static let isRequired = ProcessInfo.processInfo.environment["MUSTER_REQUIRE_PEERS"] == "1"
    /// Where peers are required the test runs, and fails for what is missing.
    private static let isAllowed =
        isRequired || geteuid() == 0 && !trees.isEmpty && trees.allSatisfy { access($0, W_OK) == 0 }

    @Test(.enabled(if: isAllowed, "needs root and a writable /sys/fs/cgroup"))
    func aContainersCgroupIsMeasuredUntilTheKernelTakesItAway() async throws {
        let id = "muster-test-" + UUID().uuidString.lowercased()
        let folders = Self.trees.map { "\($0)/\(id)" }
        for folder in folders { try #require(mkdir(folder, 0o755) == 0) }
        defer { for folder in folders { rmdir(folder) } }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sleep")
        process.arguments = ["60"]
        try process.run()
        // Killed, not terminated: it may have inherited a mask that blocks everything else.
        defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        for folder in folders {
            try "\(process.processIdentifier)".write(
                toFile: folder + "/cgroup.procs", atomically: false, encoding: .utf8)
        }

        var options = HostCollectorOptions()
        options.disabled = Set(CollectorName.allCases).subtracting([.container])
        var ticker = Ticker(options)
        ticker.now = Instant(seconds: Int64(Date().timeIntervalSince1970))
        ticker.collectors.containersListed([
            ContainerTarget(id: id, name: "live", image: "sleep", pid: process.processIdentifier)
        ])
        let samples = ticker.tick()
        func value(_ name: String) -> Double? { samples.first { $0.key.hasPrefix(name + "{") }?.value }
        #expect(value("container_cpu_usage_seconds_total") != nil)
        #expect(abs((value("container_start_time_seconds") ?? 0) - Double(ticker.now.seconds)) < 30)
        #expect(samples.keys.allSatisfy { $0.contains("id=\"/\(id)\"") && $0.contains("name=\"live\"") })
        // It shares the network of this host.
        #expect(!samples.keys.contains { $0.hasPrefix("container_network") })
        #expect(ticker.tick().count > 5)

        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        for folder in folders {
            try await eventually("\(folder) is empty") { rmdir(folder) == 0 || errno != EBUSY }
        }
        #expect(ticker.tick().isEmpty)
        #expect(ticker.table.ended.count == samples.count)
        #expect(ticker.errors(.container) == 0)
    }
}
