import MusterModel

/// `/proc/net/netstat`, `snmp` and `snmp6`: node_exporter's default fields, under `node_netstat_<Protocol>_<Field>`.
struct NetstatCollector: HostCollector {
    private static let fields: Set<String> = {
        var fields: Set<String> = [
            "Ip_Forwarding", "Ip6_InOctets", "Ip6_OutOctets", "IpExt_InOctets", "IpExt_OutOctets",
            "TcpExt_TCPSynRetrans", "TcpExt_TCPTimeouts",
        ]
        for name in ["InMsgs", "OutMsgs"] { fields.formUnion(["Icmp_\(name)", "Icmp6_\(name)"]) }
        for name in ["ActiveOpens", "InSegs", "OutSegs", "OutRsts", "PassiveOpens", "RetransSegs", "CurrEstab"] {
            fields.insert("Tcp_\(name)")
        }
        for name in ["InDatagrams", "OutDatagrams", "NoPorts", "RcvbufErrors", "SndbufErrors"] {
            fields.formUnion(["Udp_\(name)", "Udp6_\(name)"])
        }
        return fields
    }()

    /// Two lines belong together: the names of the fields, then their values.
    private var paired: [ProcFile]
    private var snmp6: ProcFile
    /// A row's key is the whole line of names, so a kernel with other fields has another row.
    private var headers = [SeriesRows(), SeriesRows()]
    private var keys = SeriesRows()

    init(procRoot: String) {
        paired = [ProcFile(procRoot + "/net/netstat"), ProcFile(procRoot + "/net/snmp")]
        snmp6 = ProcFile(procRoot + "/net/snmp6")
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        for index in paired.indices {
            try paired[index].read(into: &buffer)
            try readPairs(index, buffer, &table)
        }
        keys.passBegan()
        if try snmp6.readIfPresent(into: &buffer) {
            let bytes = buffer.bytes.span
            var lines = buffer.scanner
            while var line = lines.line(bytes) {
                guard let key = line.field(bytes), let value = line.number(bytes) else { continue }
                let row = keys.row(bytes, key) ?? keys.inserted(bytes.copy(key), Self.snmp6(bytes.text(key), &table))
                table.set(keys.handle(row, 0), value)
            }
        }
        keys.passEnded(&table)
    }

    mutating func ended(_ table: inout MetricTable) {
        headers[0].ended(&table)
        headers[1].ended(&table)
        keys.ended(&table)
    }

    private mutating func readPairs(
        _ index: Int, _ buffer: ReadBuffer, _ table: inout MetricTable
    ) throws(CollectError) {
        let bytes = buffer.bytes.span
        var lines = buffer.scanner
        headers[index].passBegan()
        while let names = lines.line(bytes) {
            guard var values = lines.line(bytes) else {
                throw .malformed(path: paired[index].path, expected: "a line of values after each line of names")
            }
            let header = names.at..<names.end
            let row =
                headers[index].row(bytes, header)
                ?? headers[index].inserted(bytes.copy(header), Self.columns(bytes, names, &table))
            _ = values.field(bytes)
            var column = 0
            while column < headers[index].width(row), let value = values.number(bytes) {
                table.set(headers[index].handle(row, column), value)
                column += 1
            }
        }
        headers[index].passEnded(&table)
    }

    /// A handle for each column; `MetricTable.refused` for a field that is not wanted.
    private static func columns(_ bytes: Span<UInt8>, _ line: ByteScanner, _ table: inout MetricTable) -> [Int] {
        var line = line
        guard let family = line.field(bytes) else { return [] }
        let prefix = bytes.text(family.lowerBound..<family.upperBound - 1)
        var handles: [Int] = []
        while let field = line.field(bytes) {
            let name = "\(prefix)_\(bytes.text(field))"
            handles.append(isWanted(name) ? table.series("node_netstat_" + name) : MetricTable.refused)
        }
        return handles
    }

    /// `Udp6InErrors` is called `Udp6_InErrors`: the protocol ends with the 6.
    private static func snmp6(_ key: String, _ table: inout MetricTable) -> [Int] {
        guard let six = key.firstIndex(of: "6") else { return [] }
        let name = key[...six] + "_" + key[key.index(after: six)...]
        return isWanted(String(name)) ? [table.series("node_netstat_" + name)] : []
    }

    private static func isWanted(_ name: String) -> Bool {
        fields.contains(name) || name.hasSuffix("_InErrors") || name.hasSuffix("_InErrs")
            || name.hasPrefix("TcpExt_Listen") || name.hasPrefix("TcpExt_Syncookies")
    }
}
