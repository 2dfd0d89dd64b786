import MusterModel

/// `/proc/net/dev`, one row for each interface, with the packets nobody wanted (`nohandler`) from sysfs.
struct NetDeviceCollector: HostCollector {
    private static let columns = [
        "receive_bytes", "receive_packets", "receive_errs", "receive_drop", "receive_fifo", "receive_frame",
        "receive_compressed", "receive_multicast", "transmit_bytes", "transmit_packets", "transmit_errs",
        "transmit_drop", "transmit_fifo", "transmit_colls", "transmit_carrier", "transmit_compressed",
    ]

    private var file: ProcFile
    private let sysRoot: String
    private let excluded: Set<String>
    private var rows = SeriesRows()
    private var nohandler: [(handle: Int, file: ProcFile)] = []

    init(procRoot: String, sysRoot: String, excluded: Set<String>) {
        file = ProcFile(procRoot + "/net/dev")
        self.sysRoot = sysRoot
        self.excluded = excluded
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try file.read(into: &buffer)
        do {
            let bytes = buffer.bytes.span
            var lines = buffer.scanner
            rows.passBegan()
            while let line = lines.line(bytes) {
                guard let (name, numbers) = NetDeviceLine.split(bytes, line) else { continue }
                let row = rows.row(bytes, name) ?? inserted(bytes, name, &table)
                guard rows.isMeasured(row) else { continue }
                var fields = numbers
                var column = 0
                while column < Self.columns.count, let value = fields.number(bytes) {
                    table.set(rows.handle(row, column), value)
                    column += 1
                }
            }
            rows.passEnded(&table)
        }
        guard rows.count > 0 else { throw .malformed(path: file.path, expected: "a line for each interface") }
        try readNohandler(&buffer, &table)
    }

    mutating func ended(_ table: inout MetricTable) {
        rows.ended(&table)
        nohandler.removeAll()
    }

    private mutating func inserted(_ bytes: Span<UInt8>, _ name: Range<Int>, _ table: inout MetricTable) -> Int {
        let device = bytes.text(name)
        guard !excluded.contains(device) else { return rows.inserted(bytes.copy(name), []) }
        var handles = Self.columns.map { table.series("node_network_\($0)_total", ("device", device)) }
        let path = "\(sysRoot)/class/net/\(device)/statistics/rx_nohandler"
        if PathProbe.exists(path) {
            let handle = table.series("node_network_receive_nohandler_total", ("device", device))
            handles.append(handle)
            nohandler.append((handle, ProcFile(path)))
        }
        return rows.inserted(bytes.copy(name), handles)
    }

    private mutating func readNohandler(_ buffer: inout ReadBuffer, _ table: inout MetricTable) throws(CollectError) {
        for index in nohandler.indices.reversed() {
            guard table.isLive(nohandler[index].handle) else {
                nohandler.remove(at: index)
                continue
            }
            // The interface may go away between the two files.
            guard try nohandler[index].file.readIfPresent(into: &buffer) else { continue }
            var fields = buffer.scanner
            if let value = fields.number(buffer.bytes.span) { table.set(nohandler[index].handle, value) }
        }
    }
}

/// One line of `/proc/net/dev`: `  eth0: numbers`. The name may hold a colon itself, and the numbers may touch the
/// colon.
enum NetDeviceLine {
    /// Nil for the two header lines.
    static func split(_ bytes: Span<UInt8>, _ line: ByteScanner) -> (name: Range<Int>, numbers: ByteScanner)? {
        var colon = line.end - 1
        while colon >= line.at, bytes[colon] != UInt8(ascii: ":") { colon -= 1 }
        guard colon > line.at else { return nil }
        var start = line.at
        while start < colon, bytes[start] == 0x20 { start += 1 }
        guard start < colon else { return nil }
        return (start..<colon, ByteScanner(at: colon + 1, end: line.end))
    }
}

/// `/proc/net/sockstat` and `sockstat6`: every pair `name value` of every line `protocol: pairs`.
struct SockstatCollector: HostCollector {
    private var files: [ProcFile]
    private var rows: [SeriesRows]
    private let pageBytes = MemoryPage.bytes

    init(procRoot: String) {
        files = [ProcFile(procRoot + "/net/sockstat"), ProcFile(procRoot + "/net/sockstat6")]
        rows = [SeriesRows(), SeriesRows()]
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        for index in files.indices {
            rows[index].passBegan()
            // Without IPv6 the second file does not exist.
            if try files[index].readIfPresent(into: &buffer) {
                let bytes = buffer.bytes.span
                var lines = buffer.scanner
                while var line = lines.line(bytes) {
                    guard let name = line.field(bytes) else { continue }
                    let row =
                        rows[index].row(bytes, name)
                        ?? rows[index].inserted(bytes.copy(name), Self.series(bytes, name, line, &table))
                    set(index, row, bytes, line, &table)
                }
            }
            rows[index].passEnded(&table)
        }
    }

    mutating func ended(_ table: inout MetricTable) {
        for index in rows.indices { rows[index].ended(&table) }
    }

    private func set(_ index: Int, _ row: Int, _ bytes: Span<UInt8>, _ pairs: ByteScanner, _ table: inout MetricTable) {
        var pairs = pairs
        var column = 0
        while let key = pairs.field(bytes), let value = pairs.number(bytes) {
            table.set(rows[index].handle(row, column), value)
            column += 1
            if Self.isPages(bytes, key) {
                table.set(rows[index].handle(row, column), value * pageBytes)
                column += 1
            }
        }
    }

    private static func series(
        _ bytes: Span<UInt8>, _ name: Range<Int>, _ pairs: ByteScanner, _ table: inout MetricTable
    ) -> [Int] {
        let family = bytes.text(name.lowerBound..<name.upperBound - 1)
        var handles: [Int] = []
        var pairs = pairs
        while let key = pairs.field(bytes), pairs.number(bytes) != nil {
            handles.append(table.series("node_sockstat_\(family)_\(bytes.text(key))"))
            if isPages(bytes, key) { handles.append(table.series("node_sockstat_\(family)_mem_bytes")) }
        }
        return handles
    }

    /// `mem` counts pages and is given in bytes as well.
    private static func isPages(_ bytes: Span<UInt8>, _ key: Range<Int>) -> Bool {
        key.count == 3 && bytes[key.lowerBound] == UInt8(ascii: "m") && bytes[key.upperBound - 1] == UInt8(ascii: "m")
    }
}
