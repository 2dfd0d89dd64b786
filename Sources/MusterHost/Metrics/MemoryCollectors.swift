import MusterModel

/// `/proc/meminfo`: every line, under `node_memory_<name>_bytes`, or without `_bytes` where the kernel gives no unit.
struct MeminfoCollector: HostCollector {
    private var file: ProcFile
    private var rows = SeriesRows()

    init(procRoot: String) { file = ProcFile(procRoot + "/meminfo") }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        rows.passBegan()
        while var line = lines.line(bytes) {
            guard let key = line.field(bytes), let value = line.number(bytes) else { continue }
            let isKibibytes = line.field(bytes) != nil
            let row =
                rows.row(bytes, key)
                ?? rows.inserted(bytes.copy(key), [table.series(Self.name(bytes, key, isKibibytes: isKibibytes))])
            table.set(rows.handle(row, 0), isKibibytes ? value * 1_024 : value)
        }
        rows.passEnded(&table)
        guard rows.count > 0 else { throw .malformed(path: file.path, expected: "lines such as `MemFree: 1 kB`") }
    }

    mutating func ended(_ table: inout MetricTable) { rows.ended(&table) }

    /// `Active(anon):` is called `node_memory_Active_anon_bytes`.
    private static func name(_ bytes: Span<UInt8>, _ key: Range<Int>, isKibibytes: Bool) -> String {
        var name = ""
        for character in bytes.text(key) {
            switch character {
            case ":", ")": break
            case "(": name += "_"
            default: name.append(character)
            }
        }
        return "node_memory_" + name + (isKibibytes ? "_bytes" : "")
    }
}

/// `/proc/vmstat`: node_exporter's default fields, `^(oom_kill|pgpg|pswp|pg.*fault).*`.
struct VmstatCollector: HostCollector {
    private var file: ProcFile
    private var rows = SeriesRows()

    init(procRoot: String) { file = ProcFile(procRoot + "/vmstat") }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        rows.passBegan()
        while var line = lines.line(bytes) {
            guard let key = line.field(bytes) else { continue }
            let row = rows.row(bytes, key) ?? rows.inserted(bytes.copy(key), Self.series(bytes, key, &table))
            if rows.isMeasured(row), let value = line.number(bytes) { table.set(rows.handle(row, 0), value) }
        }
        rows.passEnded(&table)
        guard rows.count > 0 else { throw .malformed(path: file.path, expected: "lines such as `pgfault 1`") }
    }

    mutating func ended(_ table: inout MetricTable) { rows.ended(&table) }

    private static func series(_ bytes: Span<UInt8>, _ key: Range<Int>, _ table: inout MetricTable) -> [Int] {
        let field = bytes.text(key)
        let isDefault =
            ["oom_kill", "pgpg", "pswp"].contains { field.hasPrefix($0) }
            || (field.hasPrefix("pg") && Self.has("fault", in: field.dropFirst(2)))
        return isDefault ? [table.series("node_vmstat_" + field)] : []
    }

    private static func has(_ needle: String, in text: Substring) -> Bool {
        text.indices.contains { text[$0...].hasPrefix(needle) }
    }
}
