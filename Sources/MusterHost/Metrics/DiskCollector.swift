import MusterModel

/// `/proc/diskstats`, one row for each block device, and what udev knows of it.
struct DiskCollector: HostCollector {
    /// What the kernel counts, and so what a number has to become.
    private enum Unit: Sendable {
        case count, sectors, milliseconds

        func value(_ number: Double) -> Double {
            switch self {
            case .count: number
            case .sectors: number * 512
            // Not multiplied by 0.001: a division gives the double nearest to the decimal.
            case .milliseconds: number / 1_000
            }
        }
    }

    private static let columns: [(name: String, unit: Unit)] = [
        ("node_disk_reads_completed_total", .count), ("node_disk_reads_merged_total", .count),
        ("node_disk_read_bytes_total", .sectors), ("node_disk_read_time_seconds_total", .milliseconds),
        ("node_disk_writes_completed_total", .count), ("node_disk_writes_merged_total", .count),
        ("node_disk_written_bytes_total", .sectors), ("node_disk_write_time_seconds_total", .milliseconds),
        ("node_disk_io_now", .count), ("node_disk_io_time_seconds_total", .milliseconds),
        ("node_disk_io_time_weighted_seconds_total", .milliseconds),
        // Since Linux 4.18.
        ("node_disk_discards_completed_total", .count), ("node_disk_discards_merged_total", .count),
        ("node_disk_discarded_sectors_total", .count), ("node_disk_discard_time_seconds_total", .milliseconds),
        // Since Linux 5.5.
        ("node_disk_flush_requests_total", .count), ("node_disk_flush_requests_time_seconds_total", .milliseconds),
    ]

    private var file: ProcFile
    private let udevRoot: String
    private let isExcluded: @Sendable (String) -> Bool
    private var rows = SeriesRows()

    init(procRoot: String, udevRoot: String, isExcluded: @escaping @Sendable (String) -> Bool) {
        file = ProcFile(procRoot + "/diskstats")
        self.udevRoot = udevRoot
        self.isExcluded = isExcluded
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        // A machine may have no block devices; then the file is empty.
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        rows.passBegan()
        while var line = lines.line(bytes) {
            guard let major = line.field(bytes), ByteScanner.number(bytes, major) != nil,
                let minor = line.field(bytes), let name = line.field(bytes)
            else { throw .malformed(path: file.path, expected: "`major minor name numbers` in every line") }
            let row =
                rows.row(bytes, name)
                ?? rows.inserted(
                    bytes.copy(name),
                    series(
                        bytes.text(name), bytes.text(major), bytes.text(minor), columns: line.fields(bytes), &table))
            guard rows.isMeasured(row) else { continue }
            var column = 0
            while column < Self.columns.count, let value = line.number(bytes) {
                table.set(rows.handle(row, column + 1), Self.columns[column].unit.value(value))
                column += 1
            }
            table.set(rows.handle(row, 0), 1)
        }
        rows.passEnded(&table)
    }

    mutating func ended(_ table: inout MetricTable) { rows.ended(&table) }

    private func series(
        _ device: String, _ major: String, _ minor: String, columns: Int, _ table: inout MetricTable
    ) -> [Int] {
        guard !isExcluded(device) else { return [] }
        let udev = UdevProperties(path: "\(udevRoot)/b\(major):\(minor)")
        let info = table.series(
            "node_disk_info", ("device", device), ("major", major), ("minor", minor), ("model", udev["ID_MODEL"]),
            ("path", udev["ID_PATH"]), ("revision", udev["ID_REVISION"]), ("serial", udev["ID_SERIAL_SHORT"]),
            ("wwn", udev["ID_WWN"]))
        return [info] + Self.columns.prefix(columns).map { table.series($0.name, ("device", device)) }
    }

    /// node_exporter's default exclusion, `^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`, without a regular
    /// expression: RAM disks, loop devices, floppies, and partitions.
    static func isExcludedByDefault(_ device: String) -> Bool {
        let trunk = device.trimmingDigits
        guard trunk.count < device.count else { return false }
        switch trunk {
        case "ram", "loop", "fd": return true
        default: break
        }
        for disk in ["hd", "sd", "vd", "xvd"] where trunk.hasPrefix(disk) {
            let letters = trunk.dropFirst(disk.count)
            if letters.count == 1, letters.allSatisfy({ ("a"..."z").contains($0) }) { return true }
        }
        guard trunk.hasPrefix("nvme"), trunk.hasSuffix("p") else { return false }
        // nvme<digits>n<digits>p
        let namespace = String(trunk.dropFirst(4).dropLast()).trimmingDigits
        guard namespace.count < trunk.count - 5, namespace.hasSuffix("n") else { return false }
        let controller = namespace.dropLast()
        return !controller.isEmpty && controller.allSatisfy { ("0"..."9").contains($0) }
    }
}

/// The properties udev stored for a device: lines `E:NAME=value`. Absent where no udev runs.
private struct UdevProperties {
    private var values: [String: String] = [:]

    init(path: String) {
        var buffer = ReadBuffer()
        guard (try? ProcFile.readOnce(path, into: &buffer)) != nil else { return }
        for line in buffer.text.split(separator: "\n") where line.hasPrefix("E:") {
            let pair = line.dropFirst(2).split(separator: "=", maxSplits: 1)
            if pair.count == 2 { values[String(pair[0])] = String(pair[1]) }
        }
    }

    subscript(name: String) -> String { values[name] ?? "" }
}

extension String {
    /// Without the ASCII digits at its end.
    fileprivate var trimmingDigits: String {
        var rest = Substring(self)
        while let last = rest.last, ("0"..."9").contains(last) { rest.removeLast() }
        return String(rest)
    }
}

extension ByteScanner {
    /// How many fields are left in this line.
    func fields(_ bytes: Span<UInt8>) -> Int {
        var rest = self
        var count = 0
        while rest.field(bytes) != nil { count += 1 }
        return count
    }
}
