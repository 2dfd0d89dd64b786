import Glibc
import MusterModel

/// The series of one container: its open files, and a handle for each thing measured.
struct ContainerMeter: Sendable {
    /// Version 1 says "no limit" with the largest number of pages; cAdvisor shows 0.
    private static let unlimitedBytes = 0x7fff_ffff_ffff_f000 as Double
    private static let ioMetrics = [
        "container_fs_reads_bytes_total", "container_fs_writes_bytes_total", "container_fs_reads_total",
        "container_fs_writes_total",
    ]

    let target: ContainerTarget
    private let labels: Labels
    private let sysRoot: String
    private var files: [(file: ProcFile, what: CgroupFile)] = []
    private var network: ContainerNetwork?
    private var handles: [Int?]
    private var values: [Double]
    private var devices = SeriesRows()
    private var slowDueAt = Instant.distantPast
    private let startSeconds: Double?

    /// Finds the cgroup by the container's first process. Throws when that process is gone or is another one.
    init(
        _ target: ContainerTarget, procRoot: String, sysRoot: String, buffer: inout ReadBuffer
    ) throws(CollectError) {
        self.target = target
        self.sysRoot = sysRoot
        let process = "\(procRoot)/\(target.pid)"
        try ProcFile.readOnce(process + "/cgroup", into: &buffer)
        let paths = CgroupPaths(text: buffer.text, sysRoot: sysRoot, containing: target.id)
        guard !paths.isEmpty else { throw .system(call: "find", path: "the cgroup of \(process)", code: ENOENT) }
        startSeconds = Self.startSeconds(process, procRoot: procRoot, &buffer)
        labels = Labels([("id", paths.name), ("name", target.name), ("image", target.image)]).merging(target.labels)
        handles = [Int?](repeating: nil, count: ContainerColumn.allCases.count)
        values = [Double](repeating: 0, count: ContainerColumn.allCases.count)
        network = ContainerNetwork(process: process, procRoot: procRoot)
        for what in CgroupFile.legacy {
            guard let folder = what.controller.flatMap({ paths.legacy[$0] }) else { continue }
            add(what, folder)
        }
        if let folder = paths.unified {
            for what in CgroupFile.unified where !Self.isLegacy(what, paths) { add(what, folder) }
        }
    }

    /// Reads every file that is due. Throws `isGone` when the container has ended.
    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        let hostCounters = table.countersStarted
        table.countersStarted = startSeconds.map { Int64($0 * 1_000) } ?? hostCounters
        defer { table.countersStarted = hostCounters }
        let isSlowDue = now >= slowDueAt
        if isSlowDue { slowDueAt = now + .seconds(10) }
        devices.passBegan()
        for index in files.indices where isSlowDue || !files[index].what.isSlow {
            try files[index].file.read(into: &buffer)
            measure(files[index].what.form, buffer, &table)
        }
        devices.passEnded(&table)
        try network?.collect(labels: labels, buffer: &buffer, table: &table)
        set(.lastSeen, Double(now.seconds), &table)
        if let startSeconds { set(.startTime, startSeconds, &table) }
    }

    mutating func ended(_ table: inout MetricTable) {
        for case let handle? in handles { table.end(handle) }
        handles = handles.map { _ in nil }
        devices.ended(&table)
        network?.ended(&table)
    }

    private mutating func add(_ what: CgroupFile, _ folder: String) {
        let path = "\(folder)/\(what.name)"
        // Kernels and configurations differ in the files they have; what is missing is not measured.
        if PathProbe.exists(path) { files.append((ProcFile(path), what)) }
    }

    /// On a hybrid host version 2 has the folder but not the controllers: it may say the CPU time a second time.
    private static func isLegacy(_ what: CgroupFile, _ paths: CgroupPaths) -> Bool {
        let controller = what.name.prefix { $0 != "." }
        switch controller {
        case "io": return paths.legacy[.blkio] != nil
        case "cpu", "cgroup": return paths.legacy[.cpuacct] != nil
        default: return CgroupPaths.Controller(rawValue: String(controller)).map { paths.legacy[$0] != nil } ?? false
        }
    }

    private mutating func measure(_ form: CgroupFile.Form, _ buffer: ReadBuffer, _ table: inout MetricTable) {
        let bytes = buffer.bytes.span
        var fields = buffer.scanner
        switch form {
        case .number(let column, let divisor):
            set(column, (fields.number(bytes) ?? 0) / divisor, &table)
        case .keys(let keys):
            while var line = fields.line(bytes) {
                guard let name = line.field(bytes) else { continue }
                for key in keys where bytes.spells(name, key.key) {
                    if let value = line.number(bytes) { set(key.column, value / key.divisor, &table) }
                }
            }
        case .quota:
            guard var line = fields.line(bytes), let quota = line.field(bytes) else { return }
            set(.cpuQuota, ByteScanner.number(bytes, quota) ?? 0, &table)
            if let period = line.number(bytes) { set(.cpuPeriod, period, &table) }
        case .weight:
            // The kernel's own conversion, backwards.
            guard var line = fields.line(bytes), let weight = line.number(bytes) else { return }
            set(.cpuShares, (2 + (weight - 1) * 262_142 / 9_999).rounded(.down), &table)
        case .lines(let column):
            var count = 0.0
            while fields.line(bytes) != nil { count += 1 }
            set(column, count, &table)
        case .legacyIO(let base):
            while var line = fields.line(bytes) { measureLegacyIO(base, bytes, &line, &table) }
        case .unifiedIO:
            while var line = fields.line(bytes) { measureUnifiedIO(bytes, &line, &table) }
        }
    }

    private mutating func set(_ column: ContainerColumn, _ measured: Double, _ table: inout MetricTable) {
        var value = measured
        switch column {
        case .memoryLimit where value >= Self.unlimitedBytes, .cpuQuota where value < 0: value = 0
        case .memoryUsage:
            set(.memoryWorkingSet, max(0, value - values[ContainerColumn.inactiveFile.rawValue]), &table)
        default: break
        }
        values[column.rawValue] = value
        guard let metric = column.metric else { return }
        let handle = handles[column.rawValue] ?? register(column, metric, &table)
        table.set(handle, value)
    }

    private mutating func register(_ column: ContainerColumn, _ metric: String, _ table: inout MetricTable) -> Int {
        var full = labels
        full["__name__"] = metric
        if column == .cpuUsage { full["cpu"] = "total" }
        let handle = table.register(full)
        handles[column.rawValue] = handle
        return handle
    }

    private mutating func measureLegacyIO(
        _ base: Int, _ bytes: Span<UInt8>, _ line: inout ByteScanner, _ table: inout MetricTable
    ) {
        // The last line, `Total number`, has no device.
        guard let device = line.field(bytes), let operation = line.field(bytes), let value = line.number(bytes)
        else { return }
        let offset: Int
        switch bytes[operation.lowerBound] {
        case UInt8(ascii: "R"): offset = 0
        case UInt8(ascii: "W"): offset = 1
        default: return
        }
        let row = deviceRow(bytes, device, &table)
        table.set(devices.handle(row, base + offset), value)
    }

    private mutating func measureUnifiedIO(
        _ bytes: Span<UInt8>, _ line: inout ByteScanner, _ table: inout MetricTable
    ) {
        guard let device = line.field(bytes) else { return }
        var row: Int?
        while let pair = line.field(bytes) {
            guard let equals = pair.first(where: { bytes[$0] == UInt8(ascii: "=") }),
                let value = ByteScanner.number(bytes, equals + 1..<pair.upperBound)
            else { continue }
            let column: Int
            switch bytes.text(pair.lowerBound..<equals) {
            case "rbytes": column = 0
            case "wbytes": column = 1
            case "rios": column = 2
            case "wios": column = 3
            default: continue
            }
            let known = row ?? deviceRow(bytes, device, &table)
            row = known
            table.set(devices.handle(known, column), value)
        }
    }

    private mutating func deviceRow(_ bytes: Span<UInt8>, _ device: Range<Int>, _ table: inout MetricTable) -> Int {
        if let row = devices.row(bytes, device) { return row }
        let number = bytes.text(device)
        let link = PathProbe.linkTarget("\(sysRoot)/dev/block/\(number)")
        let name = link?.split(separator: "/").last.map { "/dev/" + $0 } ?? number
        let handles = Self.ioMetrics.map { metric in
            table.register(labels.merging(["__name__": metric, "device": name]))
        }
        return devices.inserted(bytes.copy(device), handles)
    }

    /// The boot time of the host plus the start of the process after it.
    private static func startSeconds(_ process: String, procRoot: String, _ buffer: inout ReadBuffer) -> Double? {
        guard (try? ProcFile.readOnce(process + "/stat", into: &buffer)) != nil, let stat = ProcessStat(buffer),
            let boot = BootTime.seconds(procRoot: procRoot, &buffer)
        else { return nil }
        return boot + stat.startTicks / UserClock.ticksPerSecond
    }
}
