/// The classes of frames on a link, most urgent first. Each has its own sequence, window and acknowledgement, so a log
/// backlog never delays a heartbeat or a command.
package enum TrafficClass: UInt8, CaseIterable, Comparable, Sendable, CustomStringConvertible {
    /// Commands and their results.
    case control = 0
    /// What the host says of itself: snapshots of containers, instances and checks.
    case health = 1
    case metrics = 2
    case logs = 3

    package static func < (a: TrafficClass, b: TrafficClass) -> Bool { a.rawValue < b.rawValue }

    package var description: String {
        switch self {
        case .control: "control"
        case .health: "health"
        case .metrics: "metrics"
        case .logs: "logs"
        }
    }
}

/// The name of a frame for ever: no two frames with different content share it.
package struct FrameID: Hashable, Sendable {
    package let host: HostID
    package let boot: BootID
    package let `class`: TrafficClass
    package let sequence: UInt64

    package init(host: HostID, boot: BootID, class: TrafficClass, sequence: UInt64) {
        self.host = host
        self.boot = boot
        self.class = `class`
        self.sequence = sequence
    }
}
