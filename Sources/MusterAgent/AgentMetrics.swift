import MusterHost
import MusterLogs
import MusterModel
import MusterStore
import MusterTransport
import MusterWire
import Synchronization

/// The agent's own health as metrics.
final class AgentMetrics: Sendable {
    /// Since when this process counts.
    static let started = MachineClock.wall
    /// A tick later than this counts as late.
    static let lateAfter = Duration.milliseconds(20)

    private let tailer = Mutex<(@Sendable () -> LogTailCounters)?>(nil)
    private let complaints = Mutex(0)

    func reads(_ counters: @escaping @Sendable () -> LogTailCounters) { tailer.withLock { $0 = counters } }
    func labelComplaints(_ count: Int) { complaints.withLock { $0 = count } }
    var logs: LogTailCounters { tailer.withLock { $0 }?() ?? LogTailCounters() }
    var badLabels: Int { complaints.withLock { $0 } }

    var series: Series { Series(metrics: self) }

    /// The handles, owned by the metrics loop.
    struct Series {
        private let metrics: AgentMetrics
        private var handles: [String: Int] = [:]
        private var lateTicks: UInt64 = 0
        private var missedTicks: UInt64 = 0

        init(metrics: AgentMetrics) { self.metrics = metrics }

        mutating func collect(into table: inout MetricTable, _ tick: TickGrid.Tick, uplink: Uplink) {
            if tick.lateness > AgentMetrics.lateAfter { lateTicks += 1 }
            missedTicks += tick.missed
            set("muster_agent_metrics_tick_lateness_seconds", Double(tick.lateness.nanoseconds / 1_000) / 1e6, &table)
            set("muster_agent_metrics_late_ticks_total", Double(lateTicks), &table)
            set("muster_agent_metrics_missed_ticks_total", Double(missedTicks), &table)
            set("muster_agent_build_info", ("version", Agent.version), 1, &table)
            process(&table)
            link(uplink, &table)
            logs(&table)
            set("muster_agent_label_complaints", Double(metrics.badLabels), &table)
        }

        private mutating func process(_ table: inout MetricTable) {
            set("muster_agent_cpu_seconds_total", ProcessUsage.cpuSeconds, &table)
            set("muster_agent_resident_memory_bytes", ProcessUsage.residentBytes, &table)
        }

        private mutating func link(_ uplink: Uplink, _ table: inout MetricTable) {
            let counters = uplink.counters
            set("muster_agent_link_up", uplink.isUp ? 1 : 0, &table)
            set("muster_agent_link_connects_total", Double(counters.connects), &table)
            set("muster_agent_link_sent_bytes_total", Double(counters.bytesSent), &table)
            if let roundTrip = counters.roundTrip {
                set("muster_agent_link_round_trip_seconds", Double(roundTrip.nanoseconds / 1_000) / 1e6, &table)
            }
            for name in TrafficClass.allCases {
                let lane = uplink.lane(name)
                let label = ("class", name.description)
                set("muster_agent_queue_bytes", label, Double(lane.memoryBytes), &table)
                set("muster_agent_queue_frames", label, Double(lane.memoryFrames), &table)
                set("muster_agent_retained_bytes", label, Double(lane.retainedBytes), &table)
                set("muster_agent_sent_frames_total", label, Double(counters.framesSent[name]), &table)
                set("muster_agent_spool_bytes", label, Double(uplink.spool.bytesOnDisk(name)), &table)
            }
            for (key, count) in counters.dropped {
                set(
                    "muster_agent_dropped_frames_total", ("class", key.name.description),
                    ("reason", key.reason.description), Double(count), &table)
            }
        }

        private mutating func logs(_ table: inout MetricTable) {
            let logs = metrics.logs
            set("muster_agent_log_lines_total", Double(logs.lines), &table)
            set("muster_agent_log_read_bytes_total", Double(logs.bytesRead), &table)
            set("muster_agent_log_blocks_total", Double(logs.blocks), &table)
            set("muster_agent_log_files", Double(logs.files), &table)
            set("muster_agent_log_rotations_total", Double(logs.rotations), &table)
            set("muster_agent_log_truncations_total", Double(logs.truncations), &table)
            set("muster_agent_log_gaps_total", Double(logs.gaps), &table)
            set("muster_agent_log_lost_lines_total", Double(logs.lostLines), &table)
            set("muster_agent_log_redacted_lines_total", Double(logs.edge.redactedLines), &table)
            set("muster_agent_log_unparsed_lines_total", Double(logs.edge.parseFailures), &table)
            for reason in EdgeDropReason.allCases {
                for level in LogLevel.allCases where logs.edge[reason][level] > 0 {
                    set(
                        "muster_agent_log_dropped_lines_total", ("reason", reason.text), ("level", level.text),
                        Double(logs.edge[reason][level]), &table)
                }
            }
            set("muster_agent_log_polling", logs.isPolling ? 1 : 0, &table)
            for (fault, count) in logs.faults {
                set("muster_agent_log_faults_total", ("reason", fault.rawValue), Double(count), &table)
            }
        }

        /// Whether a series with these values of labels is there.
        func isKnown(_ name: String, _ values: String...) -> Bool { handles[Self.key(name, values)] != nil }

        private static func key(_ name: String, _ values: [String]) -> String {
            values.reduce(name) { "\($0)\u{0}\($1)" }
        }

        mutating func set(
            _ name: String, _ labels: (String, String)..., value: Double, _ table: inout MetricTable
        ) {
            let key = Self.key(name, labels.map(\.1))
            if handles[key] == nil {
                handles[key] = table.register(Labels([("__name__", name)] + labels))
            }
            if let handle = handles[key] { table.set(handle, value) }
        }

        mutating func set(_ name: String, _ value: Double, _ table: inout MetricTable) {
            set(name, value: value, &table)
        }

        mutating func set(
            _ name: String, _ label: (String, String), _ value: Double, _ table: inout MetricTable
        ) {
            set(name, label, value: value, &table)
        }

        mutating func set(
            _ name: String, _ first: (String, String), _ second: (String, String), _ value: Double,
            _ table: inout MetricTable
        ) {
            set(name, first, second, value: value, &table)
        }
    }
}
