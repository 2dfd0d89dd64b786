import MusterModel

/// `/proc/stat`: seconds of each CPU by mode, interrupts, context switches, forks, boot time, runnable processes.
struct StatCollector: HostCollector {
    private static let modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]
    private static let idleColumn = 3
    private static let iowaitColumn = 4
    /// A step back of idle time by more than this is a CPU that came back, not the kernel's rounding.
    private static let jitterSeconds = 3.0

    private var file: ProcFile
    private var cpus = SeriesRows()
    private var totals = SeriesRows()
    private let ticksPerSecond = UserClock.ticksPerSecond

    init(procRoot: String) { file = ProcFile(procRoot + "/stat") }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        cpus.passBegan()
        totals.passBegan()
        while var line = lines.line(bytes) {
            guard let key = line.field(bytes) else { continue }
            if key.count > 3, bytes[key.lowerBound] == UInt8(ascii: "c"), bytes[key.lowerBound + 1] == UInt8(ascii: "p")
            {
                let row = cpus.row(bytes, key) ?? cpus.inserted(bytes.copy(key), Self.cpuSeries(bytes, key, &table))
                set(row, bytes, line, &table)
            } else {
                let row = totals.row(bytes, key) ?? totals.inserted(bytes.copy(key), Self.total(bytes, key, &table))
                // The first number of an interrupt line is the sum of the others.
                if totals.isMeasured(row), let value = line.number(bytes) { table.set(totals.handle(row, 0), value) }
            }
        }
        cpus.passEnded(&table)
        totals.passEnded(&table)
        guard cpus.count > 0 else { throw .malformed(path: file.path, expected: "a line for each CPU") }
    }

    mutating func ended(_ table: inout MetricTable) {
        cpus.ended(&table)
        totals.ended(&table)
    }

    private func set(_ row: Int, _ bytes: Span<UInt8>, _ fields: ByteScanner, _ table: inout MetricTable) {
        var fields = fields
        var column = 0
        while column < cpus.width(row), let ticks = fields.number(bytes) {
            let handle = cpus.handle(row, column)
            var value = ticks / ticksPerSecond
            if column == Self.idleColumn || column == Self.iowaitColumn, handle >= 0 {
                // The kernel computes these on the side and they step back by a tick now and then; a counter may not.
                let previous = table.values[handle]
                if value < previous, previous - value < Self.jitterSeconds { value = previous }
            }
            table.set(handle, value)
            column += 1
        }
    }

    private static func cpuSeries(_ bytes: Span<UInt8>, _ key: Range<Int>, _ table: inout MetricTable) -> [Int] {
        let cpu = bytes.text(key.lowerBound + 3..<key.upperBound)
        return modes.map { table.series("node_cpu_seconds_total", ("cpu", cpu), ("mode", $0)) }
            + ["user", "nice"].map { table.series("node_cpu_guest_seconds_total", ("cpu", cpu), ("mode", $0)) }
    }

    private static func total(_ bytes: Span<UInt8>, _ key: Range<Int>, _ table: inout MetricTable) -> [Int] {
        let name: String
        switch bytes.text(key) {
        case "intr": name = "node_intr_total"
        case "ctxt": name = "node_context_switches_total"
        case "btime": name = "node_boot_time_seconds"
        case "processes": name = "node_forks_total"
        case "procs_running": name = "node_procs_running"
        case "procs_blocked": name = "node_procs_blocked"
        default: return []
        }
        return [table.series(name)]
    }
}
