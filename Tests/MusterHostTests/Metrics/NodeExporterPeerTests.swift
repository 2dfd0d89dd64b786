import Foundation
import MusterHost
import MusterModel
import MusterTestKit
import Testing

/// Measures this host beside node_exporter and compares names, labels, kinds and values.
@Suite struct NodeExporterPeerTests {
    private static let binary = ["/usr/bin/prometheus-node-exporter", "/usr/local/bin/node_exporter"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    private static let isRequired = ProcessInfo.processInfo.environment["MUSTER_REQUIRE_PEERS"] == "1"

    /// The collectors of node_exporter that are measured here too, and the flags that undo a distribution's narrowing.
    private static let flags =
        ["--collector.disable-defaults"]
        + [
            "conntrack", "cpu", "diskstats", "filefd", "filesystem", "loadavg", "meminfo", "netclass", "netdev",
            "netstat", "pressure", "processes", "sockstat", "softnet", "stat", "time", "uname", "vmstat",
        ].map { "--collector.\($0)" }
        + [
            "--collector.netdev.device-exclude=^$",
            "--collector.filesystem.mount-points-exclude="
                + "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
        ]

    /// Names node_exporter has and this module leaves out, each with its reason.
    private static let leftOut = [
        // About the exporter itself.
        "node_exporter_build_info", "node_scrape_collector_",
        // Every thread of every process would have to be read.
        "node_processes_threads_state",
        // Counters of connection tracking by CPU; the gauges that alerts use are there.
        "node_nf_conntrack_stat_",
        // Thermal throttling, where the machine has it.
        "node_cpu_core_throttles_total", "node_cpu_package_throttles_total",
        // Device mapper, file system and ATA details of disks, from udev.
        "node_disk_device_mapper_info", "node_disk_filesystem_info", "node_disk_ata_",
    ]

    private struct Page {
        var samples: [String: Double] = [:]
        var kinds: [String: String] = [:]
    }

    @Test(.enabled(if: binary != nil || isRequired, "prometheus-node-exporter is not installed"))
    func namesLabelsKindsAndValuesAreNodeExporters() async throws {
        let binary = try #require(Self.binary, "MUSTER_REQUIRE_PEERS=1, and prometheus-node-exporter is not installed")
        let before = try measure()
        let page = try await scrape(binary)
        let after = try measure()
        #expect(page.samples.count > 150)
        let wanted = page.samples.filter { sample in !Self.leftOut.contains { sample.key.hasPrefix($0) } }
        let missing = Set(wanted.keys).subtracting(after.keys).subtracting(before.keys)
            // A state a process is in for a moment.
            .filter { !$0.hasPrefix("node_processes_state") }
        #expect(missing.isEmpty, "node_exporter has these and Muster has not: \(missing.sorted())")
        let more = Set(after.keys).subtracting(page.samples.keys).filter { !$0.hasPrefix("node_processes_state") }
        #expect(more.isEmpty, "Muster has these and node_exporter has not: \(more.sorted())")
        for (series, value) in wanted {
            guard let low = before[series], let high = after[series] else { continue }
            #expect(isClose(series, value, low, high), "\(series): node_exporter \(value), Muster \(low) and \(high)")
        }
        for (name, kind) in page.kinds where after.keys.contains(where: { $0 == name || $0.hasPrefix(name + "{") }) {
            #expect("\(MetricKind(ofMetric: name))" == kind, "\(name) is a \(kind)")
        }
    }

    /// Counters lie between the reading before and the one after; gauges move as they like, so the ones that hold still
    /// are compared to the bit and the others by their size.
    private func isClose(_ series: String, _ value: Double, _ low: Double, _ high: Double) -> Bool {
        if low == high, value == low { return true }
        let slack = max(abs(low), abs(high)) * 1e-12
        let isCounter =
            series.contains("_total") || series.hasPrefix("node_vmstat")
            || (series.hasPrefix("node_netstat") && series != "node_netstat_Tcp_CurrEstab")
        if isCounter {
            // Per-CPU counters are not summed at one instant: they may seem to step back by a little.
            return value >= min(low, high) - slack - 0.05 && value <= max(low, high) + slack + 0.05
        }
        let drift = max(abs(low), abs(high)) * 0.5 + 200 * 1_048_576
        return value >= min(low, high) - drift && value <= max(low, high) + drift
    }

    private func measure() throws -> [String: Double] {
        var options = HostCollectorOptions()
        options.mountPatience = .seconds(5)
        var ticker = Ticker(options)
        ticker.now = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
        let samples = ticker.tick()
        #expect(ticker.collectors.failures.isEmpty)
        return samples
    }

    private func scrape(_ binary: String) async throws -> Page {
        // A few ports, in case one is taken.
        for port in [19_764, 23_117, 28_441, 31_973] {
            let exporter = Process()
            exporter.executableURL = URL(fileURLWithPath: binary)
            exporter.arguments = Self.flags + ["--web.listen-address=127.0.0.1:\(port)"]
            exporter.standardError = FileHandle.nullDevice
            exporter.standardOutput = FileHandle.nullDevice
            try exporter.run()
            defer {
                exporter.terminate()
                exporter.waitUntilExit()
            }
            var page: Page?
            try await eventually("node_exporter answers on port \(port), or has ended") {
                let text = Loopback.get(port: UInt16(port), path: "/metrics") ?? ""
                if text.contains("node_load1") { page = parse(text) }
                return page != nil || !exporter.isRunning
            }
            if let page { return page }
        }
        throw CocoaError(.fileReadUnknown)
    }

    private func parse(_ text: String) -> Page {
        var page = Page()
        for line in text.split(separator: "\n") where line.contains("node_") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE ") {
                page.kinds[String(words[2])] = String(words[3])
            } else if !line.hasPrefix("#"), let space = line.lastIndex(of: " "), line.hasPrefix("node_") {
                page.samples[spelled(String(line[..<space]))] = Double(line[line.index(after: space)...])
            }
        }
        return page
    }

    /// The exporter's labels in Muster's order, which is that of their names.
    private func spelled(_ series: String) -> String {
        guard let brace = series.firstIndex(of: "{") else { return series }
        var labels = [("__name__", String(series[..<brace]))]
        var rest = series[series.index(after: brace)...].dropLast()
        while let equals = rest.firstIndex(of: "=") {
            let name = String(rest[..<equals])
            var value = ""
            var index = rest.index(equals, offsetBy: 2)
            while index < rest.endIndex, rest[index] != "\"" {
                if rest[index] == "\\" { index = rest.index(after: index) }
                value.append(rest[index])
                index = rest.index(after: index)
            }
            labels.append((name, value))
            rest = rest[index...].dropFirst(2)
        }
        return Labels(labels).description
    }
}

/// The least of HTTP, on loopback.
private enum Loopback {
    static func get(port: UInt16, path: String) -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else { return nil }
        let request = [UInt8]("GET \(path) HTTP/1.0\r\nHost: localhost\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, 0) == request.count else { return nil }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
