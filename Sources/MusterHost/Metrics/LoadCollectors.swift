import Glibc
import MusterModel

/// The unit of CPU time in the kernel's files.
enum UserClock {
    static let ticksPerSecond = Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
}

/// `/proc/loadavg`.
struct LoadCollector: HostCollector {
    private var file: ProcFile
    private var handles: [Int] = []

    init(procRoot: String) { file = ProcFile(procRoot + "/loadavg") }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        let bytes = buffer.bytes.span
        var fields = buffer.scanner
        guard let one = fields.number(bytes), let five = fields.number(bytes), let fifteen = fields.number(bytes)
        else { throw .malformed(path: file.path, expected: "three numbers") }
        if handles.isEmpty { handles = ["node_load1", "node_load5", "node_load15"].map { table.series($0) } }
        table.set(handles[0], one)
        table.set(handles[1], five)
        table.set(handles[2], fifteen)
    }

    mutating func ended(_ table: inout MetricTable) { table.end(&handles) }
}

/// `/proc/pressure`: how long something (`waiting`) or everything (`stalled`) waited for a resource. Kernels without
/// pressure information have none, which is no error.
struct PressureCollector: HostCollector {
    private struct Resource: Sendable {
        var file: ProcFile
        let name: String
        var waiting: Int?
        var stalled: Int?
    }

    private var resources: [Resource]

    init(procRoot: String) {
        resources = ["cpu", "io", "memory"].map { Resource(file: ProcFile("\(procRoot)/pressure/\($0)"), name: $0) }
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        for index in resources.indices {
            guard try resources[index].file.readIfPresent(into: &buffer) else { continue }
            let bytes = buffer.bytes.span
            var lines = buffer.scanner
            while var line = lines.line(bytes) {
                guard let kind = line.field(bytes), let seconds = Self.total(bytes, &line) else { continue }
                set(index, isFull: bytes[kind.lowerBound] == UInt8(ascii: "f"), seconds, &table)
            }
        }
    }

    mutating func ended(_ table: inout MetricTable) {
        for index in resources.indices {
            if let handle = resources[index].waiting { table.end(handle) }
            if let handle = resources[index].stalled { table.end(handle) }
            (resources[index].waiting, resources[index].stalled) = (nil, nil)
        }
    }

    private mutating func set(_ index: Int, isFull: Bool, _ seconds: Double, _ table: inout MetricTable) {
        let name = resources[index].name
        if isFull {
            // A whole machine cannot stall on its CPUs: the kernel prints zeros there, node_exporter leaves them out.
            guard name != "cpu" else { return }
            let handle = resources[index].stalled ?? table.series("node_pressure_\(name)_stalled_seconds_total")
            resources[index].stalled = handle
            table.set(handle, seconds)
        } else {
            let handle = resources[index].waiting ?? table.series("node_pressure_\(name)_waiting_seconds_total")
            resources[index].waiting = handle
            table.set(handle, seconds)
        }
    }

    /// The field `total=<microseconds>`, in seconds.
    private static func total(_ bytes: Span<UInt8>, _ line: inout ByteScanner) -> Double? {
        let prefix = [UInt8]("total=".utf8)
        while let field = line.field(bytes) {
            guard field.count > prefix.count,
                bytes.spells(field.lowerBound..<field.lowerBound + prefix.count, prefix)
            else { continue }
            return ByteScanner.number(bytes, field.lowerBound + prefix.count..<field.upperBound).map { $0 / 1e6 }
        }
        return nil
    }
}

/// `/proc/sys/fs/file-nr`: file handles in use and allowed.
struct FileHandleCollector: HostCollector {
    private var file: ProcFile
    private var handles: [Int] = []

    init(procRoot: String) { file = ProcFile(procRoot + "/sys/fs/file-nr") }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        let bytes = buffer.bytes.span
        var fields = buffer.scanner
        guard let allocated = fields.number(bytes), fields.number(bytes) != nil, let maximum = fields.number(bytes)
        else { throw .malformed(path: file.path, expected: "three numbers") }
        if handles.isEmpty { handles = ["node_filefd_allocated", "node_filefd_maximum"].map { table.series($0) } }
        table.set(handles[0], allocated)
        table.set(handles[1], maximum)
    }

    mutating func ended(_ table: inout MetricTable) { table.end(&handles) }
}

extension MetricTable {
    /// Ends a collector's handles and empties its list.
    mutating func end(_ handles: inout [Int]) {
        for handle in handles { end(handle) }
        handles.removeAll()
    }
}
