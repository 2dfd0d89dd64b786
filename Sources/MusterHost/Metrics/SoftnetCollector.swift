import MusterModel

/// `/proc/net/softnet_stat`: one line of hexadecimal columns for each CPU.
struct SoftnetCollector: HostCollector {
    private var file: ProcFile
    private var handles: [Int] = []

    init(procRoot: String) { file = ProcFile(procRoot + "/net/softnet_stat") }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        guard try file.readIfPresent(into: &buffer) else { return ended(&table) }
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        var base = 0
        while var line = lines.line(bytes) {
            guard let processed = line.hexadecimal(bytes), let dropped = line.hexadecimal(bytes),
                let squeezed = line.hexadecimal(bytes)
            else { throw .malformed(path: file.path, expected: "hexadecimal columns") }
            if base == handles.count {
                let cpu = String(base / 3)
                handles += ["processed", "dropped", "times_squeezed"].map {
                    table.series("node_softnet_\($0)_total", ("cpu", cpu))
                }
            }
            table.set(handles[base], Double(processed))
            table.set(handles[base + 1], Double(dropped))
            table.set(handles[base + 2], Double(squeezed))
            base += 3
        }
        // CPUs that were taken away: the file has a line for each that is online.
        for handle in handles[base...] { table.end(handle) }
        handles.removeSubrange(base...)
    }

    mutating func ended(_ table: inout MetricTable) { table.end(&handles) }
}

/// `/proc/sys/net/netfilter`: entries of the connection tracking table. Absent while the module is not loaded.
struct ConntrackCollector: HostCollector {
    private var files: [ProcFile]
    private var handles: [Int] = []

    init(procRoot: String) {
        files = ["count", "max"].map { ProcFile("\(procRoot)/sys/net/netfilter/nf_conntrack_\($0)") }
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        var values: [Double] = []
        for index in files.indices {
            guard try files[index].readIfPresent(into: &buffer) else { return ended(&table) }
            var fields = buffer.scanner
            guard let value = fields.number(buffer.bytes.span) else {
                throw .malformed(path: files[index].path, expected: "a number")
            }
            values.append(value)
        }
        if handles.isEmpty {
            handles = ["node_nf_conntrack_entries", "node_nf_conntrack_entries_limit"].map { table.series($0) }
        }
        for index in handles.indices { table.set(handles[index], values[index]) }
    }

    mutating func ended(_ table: inout MetricTable) { table.end(&handles) }
}
