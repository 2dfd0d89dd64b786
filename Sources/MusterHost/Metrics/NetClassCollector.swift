import MusterModel

/// `/sys/class/net`: the settings and the state of each interface.
struct NetClassCollector: HostCollector {
    /// Interfaces that are looked at; each costs about twenty small files. More are left out, and counted as an error.
    static let devicesMax = 128

    private enum Form { case decimal, hexadecimal, megabits }

    private static let attributes: [(file: String, metric: String, form: Form)] = [
        ("addr_assign_type", "address_assign_type", .decimal), ("carrier", "carrier", .decimal),
        ("carrier_changes", "carrier_changes_total", .decimal),
        ("carrier_up_count", "carrier_up_changes_total", .decimal),
        ("carrier_down_count", "carrier_down_changes_total", .decimal), ("dev_id", "device_id", .hexadecimal),
        ("dormant", "dormant", .decimal), ("flags", "flags", .hexadecimal), ("ifindex", "iface_id", .decimal),
        ("iflink", "iface_link", .decimal), ("link_mode", "iface_link_mode", .decimal), ("mtu", "mtu_bytes", .decimal),
        ("name_assign_type", "name_assign_type", .decimal), ("netdev_group", "net_dev_group", .decimal),
        ("speed", "speed_bytes", .megabits), ("tx_queue_len", "transmit_queue_length", .decimal),
        ("type", "protocol_type", .decimal),
    ]

    private struct Device: Sendable {
        /// By attribute; nil until it had a value.
        var handles = [Int?](repeating: nil, count: attributes.count)
        var up: Int
        var info: (labels: Labels, handle: Int)?
    }

    private let root: String
    private var devices: [String: Device] = [:]

    init(sysRoot: String) { root = sysRoot + "/class/net" }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        guard let listed = PathProbe.names(in: root) else { return ended(&table) }
        // A bonding driver puts a plain file beside the interfaces.
        let names = listed.filter { PathProbe.exists("\(root)/\($0)/ifindex") }.sorted()
        let measured = names.prefix(Self.devicesMax)
        for name in devices.keys where !measured.contains(name) { forget(name, &table) }
        for name in measured { measure(name, &buffer, &table) }
        guard names.count <= Self.devicesMax else { throw .tooMany(path: root, max: Self.devicesMax) }
    }

    mutating func ended(_ table: inout MetricTable) {
        for name in devices.keys { forget(name, &table) }
    }

    private mutating func measure(_ name: String, _ buffer: inout ReadBuffer, _ table: inout MetricTable) {
        var device = devices[name] ?? Device(up: table.series("node_network_up", ("device", name)))
        for (index, attribute) in Self.attributes.enumerated() {
            // An interface that is down refuses some of them: then there is no value.
            let value = read("\(root)/\(name)/\(attribute.file)", attribute.form, &buffer)
            if let value {
                let handle = device.handles[index] ?? table.series("node_network_\(attribute.metric)", ("device", name))
                device.handles[index] = handle
                table.set(handle, value)
            } else if let handle = device.handles[index] {
                table.end(handle)
                device.handles[index] = nil
            }
        }
        let state = word("\(root)/\(name)/operstate", &buffer)
        table.set(device.up, state == "up" ? 1 : 0)
        let labels: Labels = [
            "__name__": "node_network_info", "device": name, "operstate": state,
            "address": word("\(root)/\(name)/address", &buffer),
            "broadcast": word("\(root)/\(name)/broadcast", &buffer),
            "duplex": word("\(root)/\(name)/duplex", &buffer), "ifalias": word("\(root)/\(name)/ifalias", &buffer),
        ]
        if device.info?.labels != labels {
            if let old = device.info { table.end(old.handle) }
            device.info = (labels, table.register(labels))
        }
        if let info = device.info { table.set(info.handle, 1) }
        devices[name] = device
    }

    private func read(_ path: String, _ form: Form, _ buffer: inout ReadBuffer) -> Double? {
        guard (try? ProcFile.readOnce(path, into: &buffer)) != nil else { return nil }
        var fields = ByteScanner(at: 0, end: buffer.bytes[..<buffer.count].firstIndex(of: 0x0a) ?? buffer.count)
        let bytes = buffer.bytes.span
        switch form {
        case .decimal: return fields.number(bytes)
        case .hexadecimal: return fields.hexadecimal(bytes).map { Double($0) }
        // Where the speed is unknown the kernel says -1, and node_exporter shows it.
        case .megabits: return fields.number(bytes).map { $0 * 1_000_000 / 8 }
        }
    }

    private func word(_ path: String, _ buffer: inout ReadBuffer) -> String {
        guard (try? ProcFile.readOnce(path, into: &buffer)) != nil else { return "" }
        return String(buffer.text.prefix { $0 != "\n" })
    }

    private mutating func forget(_ name: String, _ table: inout MetricTable) {
        guard let device = devices.removeValue(forKey: name) else { return }
        for case let handle? in device.handles { table.end(handle) }
        table.end(device.up)
        if let info = device.info { table.end(info.handle) }
    }
}
