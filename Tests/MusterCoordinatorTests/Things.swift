import MusterLogs
import MusterModel
import MusterSeries
import MusterTransport
import MusterWire

/// Small things that many tests here talk about.
enum Thing {
    static let start = Instant(seconds: 1_800_000_000)
    static let boot = BootID(high: 7, low: 9)

    static func host(_ text: String) -> HostID {
        guard let host = HostID(text) else { preconditionFailure("\(text) is no host id") }
        return host
    }

    static func service(_ text: String) -> ServiceName {
        guard let service = ServiceName(text) else { preconditionFailure("\(text) is no service name") }
        return service
    }

    static func instance(
        _ service: String, on host: String, port: Int = 80, health: CheckState = .passing, container: String? = nil
    ) -> Instance {
        Instance(
            id: "\(host):\(service):\(port)", service: self.service(service), host: self.host(host),
            container: container, address: "10.0.0.1", port: port, tags: ["a"], health: health, reason: "200 OK")
    }

    static func container(_ name: String, image: String = "web:1", labels: Labels = ["app": "web"]) -> Container {
        let id = name + String(repeating: "0", count: max(0, 64 - name.count))
        return Container(id: id, name: name, image: image, labels: labels, state: .running, health: .healthy)
    }

    static func snapshot(
        _ host: String, boot: BootID = boot, sequence: UInt64 = 1, containers: [Container] = [],
        instances: [Instance] = []
    ) -> HostSnapshot {
        HostSnapshot(
            host: self.host(host), boot: boot, sequence: sequence, name: "\(host).example", agentVersion: "0.1.0",
            labels: ["zone": "a"], containers: containers, instances: instances)
    }

    /// A log block of these lines, one a millisecond from `at`.
    static func logBlock(_ lines: [[UInt8]], labels: Labels, at: Instant = MachineClock.wall) -> [UInt8] {
        var builder = LogBlockBuilder()
        for (index, line) in lines.enumerated() {
            _ = line.withUnsafeBytes {
                builder.append($0, timestamp: at.nanoseconds + Int64(index) * 1_000_000)
            }
        }
        return builder.finish(labels: labels, compressor: ZlibCompressor()) ?? []
    }

    static func logBlock(_ lines: [String], host: String, at: Instant = MachineClock.wall) -> [UInt8] {
        logBlock(lines.map { Array($0.utf8) }, labels: ["host": host, "path": "/var/log/app.log"], at: at)
    }
}

/// The metric stream of one host.
struct MetricStream {
    private var encoder = MetricFrameEncoder(interval: 1_000, firstNumber: 1, compressor: ZlibCompressor())

    /// The frame of a tick with these values by metric name.
    mutating func frame(_ values: [(String, Double)], at: Instant = MachineClock.wall) -> [UInt8] {
        encoder.beginTick(milliseconds: at.milliseconds)
        for (handle, (name, value)) in values.enumerated() {
            encoder.set(handle, value, MetricSeries(["__name__": name, "cpu": "0"]))
        }
        return encoder.endTick().first ?? []
    }

    mutating func beginEpoch() { encoder.beginEpoch() }
}
