import Foundation
import MusterHost
import MusterModel

/// A host made of files in a folder of its own: `proc`, `sys` and `udev`. It is removed with its last owner.
final class HostFixture {
    let root: String

    init() {
        root = NSTemporaryDirectory() + "muster-host-" + UUID().uuidString
        try? FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        for (path, text) in Self.smallHost { write(path, text) }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    /// Writes into the same file, as the kernel does: an open descriptor sees the new text.
    func write(_ path: String, _ text: String) {
        let full = root + "/" + path
        let folder = (full as NSString).deletingLastPathComponent
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        guard let file = fopen(full, "w") else { return }
        let bytes = [UInt8](text.utf8)
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
    }

    func remove(_ path: String) { try? FileManager.default.removeItem(atPath: root + "/" + path) }

    func link(_ path: String, to target: String) {
        let full = root + "/" + path
        let folder = (full as NSString).deletingLastPathComponent
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        symlink(target, full)
    }

    /// Only the collectors asked for, each at every tick.
    func options(_ collectors: CollectorName...) -> HostCollectorOptions {
        var options = HostCollectorOptions()
        options.procRoot = root + "/proc"
        options.sysRoot = root + "/sys"
        options.udevRoot = root + "/udev"
        options.disabled = Set(CollectorName.allCases).subtracting(collectors)
        for name in collectors { options.intervals[name] = .seconds(1) }
        return options
    }

    /// The least every collector needs.
    private static let smallHost = [
        "proc/stat": "cpu  10 0 0 0\ncpu0 10 0 0 0\nbtime 1000\n",
        "proc/loadavg": "0.05 1.10 12.00 1/100 4242\n",
        "proc/meminfo": "MemTotal:       100 kB\n",
        "proc/vmstat": "pgfault 1\n",
        "proc/diskstats": "",
        "proc/net/dev": "Inter-| header\n face | header\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
        "proc/net/netstat": "IpExt: InOctets\nIpExt: 5\n",
        "proc/net/snmp": "Tcp: ActiveOpens\nTcp: 6\n",
        "proc/sys/fs/file-nr": "64\t0\t9223372036854775807\n",
        "proc/sys/kernel/pid_max": "32768\n",
        "proc/sys/kernel/threads-max": "1000\n",
        "proc/1/mounts": "",
        "proc/self/mounts": "",
    ]
}

/// Collectors, their table and a clock that goes on by a second for each tick.
struct Ticker {
    var collectors: HostCollectors
    var table = MetricTable()
    var now = Instant(seconds: 1_800_000_000)

    init(_ options: HostCollectorOptions) { collectors = HostCollectors(options: options) }

    /// What was measured by this tick, by the spelling of the series; the collectors' own metrics are left out.
    mutating func tick(after step: Duration = .seconds(1)) -> [String: Double] {
        now = now + step
        table.tickBegan()
        collectors.collect(now: now, into: &table)
        return table.samples.filter { !$0.key.hasPrefix("muster_agent_") }
    }

    func failure(_ name: CollectorName) -> String { collectors.failures[name]?.description ?? "" }

    func errors(_ name: CollectorName) -> Double? {
        table.series["muster_agent_collector_errors_total{collector=\"\(name.rawValue)\"}"]
    }
}

extension MetricTable {
    /// What was set in this tick.
    var samples: [String: Double] {
        var found: [String: Double] = [:]
        forEachSample { _, labels, value in found[labels.description] = value }
        return found
    }

    /// When the counters of a metric that began in this tick began to count.
    var starts: [String: Int64] {
        var found: [String: Int64] = [:]
        for handle in started { found[labels(handle).metricName] = startMilliseconds(handle) }
        return found
    }

    /// What is live, with the last value.
    var series: [String: Double] {
        var found: [String: Double] = [:]
        forEachSeries { _, labels, value in found[labels.description] = value }
        return found
    }
}
