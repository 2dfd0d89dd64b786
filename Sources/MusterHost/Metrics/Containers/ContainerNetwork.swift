import MusterModel

/// The interfaces of a container, from the `net/dev` its first process sees.
struct ContainerNetwork: Sendable {
    /// By column of the file: errors and drops are there too, the rest is not of interest.
    private static let metrics: [(column: Int, name: String)] = [
        (0, "receive_bytes"), (1, "receive_packets"), (2, "receive_errors"), (3, "receive_packets_dropped"),
        (8, "transmit_bytes"), (9, "transmit_packets"), (10, "transmit_errors"), (11, "transmit_packets_dropped"),
    ]

    /// Opened for each reading: an open file of a network namespace would keep it alive after its container.
    private let path: String
    private var rows = SeriesRows()

    /// Nil for a container in the host's own network, whose interfaces are the host's.
    init?(process: String, procRoot: String) {
        let own = PathProbe.linkTarget(process + "/ns/net")
        guard own == nil || own != PathProbe.linkTarget(procRoot + "/1/ns/net"),
            own == nil || own != PathProbe.linkTarget(procRoot + "/self/ns/net")
        else { return nil }
        path = process + "/net/dev"
    }

    mutating func collect(
        labels: Labels, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        try ProcFile.readOnce(path, into: &buffer)
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        rows.passBegan()
        while let line = lines.line(bytes) {
            guard let (name, numbers) = NetDeviceLine.split(bytes, line) else { continue }
            let row = rows.row(bytes, name) ?? inserted(bytes, name, labels, &table)
            guard rows.isMeasured(row) else { continue }
            var fields = numbers
            var column = 0
            var wanted = 0
            while wanted < Self.metrics.count, let value = fields.number(bytes) {
                if Self.metrics[wanted].column == column {
                    table.set(rows.handle(row, wanted), value)
                    wanted += 1
                }
                column += 1
            }
        }
        rows.passEnded(&table)
    }

    mutating func ended(_ table: inout MetricTable) { rows.ended(&table) }

    private mutating func inserted(
        _ bytes: Span<UInt8>, _ name: Range<Int>, _ labels: Labels, _ table: inout MetricTable
    ) -> Int {
        let interface = bytes.text(name)
        guard interface != "lo" else { return rows.inserted(bytes.copy(name), []) }
        let handles = Self.metrics.map { metric in
            table.register(
                labels.merging(["__name__": "container_network_\(metric.name)_total", "interface": interface]))
        }
        return rows.inserted(bytes.copy(name), handles)
    }
}
