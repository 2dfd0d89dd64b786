import Glibc
import MusterModel

/// The wall clock of this host, its time zone and its clock sources.
struct TimeCollector: HostCollector {
    private let sourceRoot: String
    private var clock: [Int] = []
    private var infos: [Int] = []
    private var shown = ""

    init(sysRoot: String) { sourceRoot = sysRoot + "/devices/system/clocksource/clocksource0" }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        if clock.isEmpty { clock = [table.series("node_time_seconds")] }
        // This metric is there to compare clocks: it is the host's own, not the tick's time stamp.
        table.set(clock[0], WallClock.seconds)
        guard infos.isEmpty || now.seconds % 60 == 0 else {
            for handle in infos { table.set(handle, table.values[handle]) }
            return
        }
        try showInfos(&buffer, &table)
    }

    mutating func ended(_ table: inout MetricTable) {
        table.end(&clock)
        table.end(&infos)
        shown = ""
    }

    private mutating func showInfos(_ buffer: inout ReadBuffer, _ table: inout MetricTable) throws(CollectError) {
        var zone = unsafe tm()
        var seconds = Glibc.time(nil)
        unsafe localtime_r(&seconds, &zone)
        let name = unsafe zone.tm_zone.map { unsafe String(cString: $0) } ?? ""
        var sources: [(metric: String, source: String)] = []
        for (file, metric) in [("available", "available"), ("current", "current")] {
            guard (try? ProcFile.readOnce("\(sourceRoot)/\(file)_clocksource", into: &buffer)) != nil else { continue }
            for source in buffer.text.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
                sources.append(("node_time_clocksource_\(metric)_info", String(source)))
            }
        }
        let now = "\(name) \(sources)"
        if now != shown {
            table.end(&infos)
            infos = [table.series("node_time_zone_offset_seconds", ("time_zone", name))]
            infos += sources.map { table.series($0.metric, ("clocksource", $0.source), ("device", "0")) }
            shown = now
        }
        for handle in infos { table.set(handle, 1) }
        table.set(infos[0], unsafe Double(zone.tm_gmtoff))
    }
}

/// `uname(2)`: who this host is. A changed host name ends the old series.
struct UnameCollector: HostCollector {
    private var shown: Labels?
    private var handles: [Int] = []

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        var name = utsname()
        guard unsafe uname(&name) == 0 else { throw .system(call: "uname", path: "the kernel", code: errno) }
        let labels: Labels = [
            "__name__": "node_uname_info", "sysname": Self.text(name.sysname), "release": Self.text(name.release),
            "version": Self.text(name.version), "machine": Self.text(name.machine),
            "nodename": Self.text(name.nodename), "domainname": Self.text(name.__domainname),
        ]
        if shown != labels {
            table.end(&handles)
            handles = [table.register(labels)]
            shown = labels
        }
        table.set(handles[0], 1)
    }

    mutating func ended(_ table: inout MetricTable) {
        table.end(&handles)
        shown = nil
    }

    /// A fixed C array as text, up to its first zero.
    private static func text<Field>(_ field: Field) -> String {
        unsafe withUnsafeBytes(of: field) { bytes in unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// Processes by state, their threads, and what the kernel allows of them. It looks at every process, so it runs rarely.
struct ProcessCollector: HostCollector {
    private static let names = [
        "node_processes_pids", "node_processes_threads", "node_processes_max_processes", "node_processes_max_threads",
    ]

    private let procRoot: String
    private var limits: [ProcFile]
    private var handles: [Int] = []
    private var states: [UInt8: Int] = [:]

    init(procRoot: String) {
        self.procRoot = procRoot
        limits = [ProcFile(procRoot + "/sys/kernel/pid_max"), ProcFile(procRoot + "/sys/kernel/threads-max")]
    }

    mutating func collect(
        now: Instant, buffer: inout ReadBuffer, table: inout MetricTable
    ) throws(CollectError) {
        guard let names = PathProbe.names(in: procRoot) else {
            throw .system(call: "opendir", path: procRoot, code: errno)
        }
        var pids = 0.0
        var threads = 0.0
        var counts: [UInt8: Double] = [:]
        for name in names where name.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // A process may end between the listing and here.
            guard (try? ProcFile.readOnce("\(procRoot)/\(name)/stat", into: &buffer)) != nil,
                let process = ProcessStat(buffer)
            else { continue }
            pids += 1
            threads += process.threads
            counts[process.state, default: 0] += 1
        }
        if handles.isEmpty { handles = Self.names.map { table.series($0) } }
        table.set(handles[0], pids)
        table.set(handles[1], threads)
        for index in limits.indices {
            try limits[index].read(into: &buffer)
            var fields = buffer.scanner
            if let value = fields.number(buffer.bytes.span) { table.set(handles[2 + index], value) }
        }
        for state in counts.keys where states[state] == nil {
            let letter = String(UnicodeScalar(state))
            states[state] = table.series("node_processes_state", ("state", letter))
        }
        // A state that was seen once stays, at zero: a series that comes and goes says less.
        for (state, handle) in states { table.set(handle, counts[state] ?? 0) }
    }

    mutating func ended(_ table: inout MetricTable) {
        table.end(&handles)
        for handle in states.values { table.end(handle) }
        states.removeAll()
    }
}

/// The fields of `/proc/<pid>/stat` that are of use. The command's name, in brackets, may hold anything, also brackets.
struct ProcessStat {
    let state: UInt8
    let threads: Double
    /// Ticks of `UserClock` after boot.
    let startTicks: Double

    init?(_ buffer: ReadBuffer) {
        guard let bracket = buffer.bytes[..<buffer.count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let bytes = buffer.bytes.span
        var fields = ByteScanner(at: bracket + 1, end: buffer.count)
        guard let state = fields.field(bytes) else { return nil }
        self.state = bytes[state.lowerBound]
        // Field 3 is the state; 20 the threads; 22 the start.
        for _ in 4...19 { guard fields.field(bytes) != nil else { return nil } }
        guard let threads = fields.number(bytes), fields.field(bytes) != nil, let start = fields.number(bytes)
        else { return nil }
        self.threads = threads
        startTicks = start
    }
}
