import MusterModel

/// What `muster top` asks in PromQL: one question for hosts and one for containers. Each figure is an expression of its
/// own with a label that says which it is, joined by `or`, so that all figures are of one time and cost one request.
///
/// Only samples of the last `window` count: the figures of a host that fell silent end, they do not stand still.
package enum TopQuestion {
    /// The label that tells figures apart.
    static let label = "figure"

    package enum HostFigure: String, CaseIterable, Sendable {
        /// Percent of all cores that are not idle.
        case cpu
        case load1
        /// Percent that is not available.
        case memory
        /// Percent in use of the fullest file system, whose mount point is a label.
        case disk
        /// Bytes a second over all real interfaces.
        case receive
        case transmit
    }

    package enum ContainerFigure: String, CaseIterable, Sendable {
        /// Percent of one core.
        case cpu
        /// Bytes of the working set.
        case memory
        /// Bytes a second.
        case receive
        case transmit
    }

    /// `host` narrows the question to one host's id.
    package static func hosts(window: Duration, host: String? = nil) -> String {
        let series = Selector(window: window, host: host)
        return joined(
            HostFigure.allCases.map { figure in
                switch figure {
                case .cpu:
                    let idle = series("node_cpu_seconds_total", "mode=\"idle\"")
                    return (figure.rawValue, "100 * (1 - avg by (host) (rate(\(idle))))")
                case .load1: return (figure.rawValue, "max by (host) (last_over_time(\(series("node_load1"))))")
                case .memory:
                    let available = "max by (host) (last_over_time(\(series("node_memory_MemAvailable_bytes"))))"
                    let total = "max by (host) (last_over_time(\(series("node_memory_MemTotal_bytes"))))"
                    return (figure.rawValue, "100 * (1 - \(available) / \(total))")
                case .disk:
                    // Images that can only be read are always full.
                    let real = "fstype!~\"tmpfs|ramfs|squashfs|erofs|iso9660|overlay|fuse[.].*\""
                    let available = "last_over_time(\(series("node_filesystem_avail_bytes", real)))"
                    let size = "last_over_time(\(series("node_filesystem_size_bytes", real)))"
                    return (figure.rawValue, "topk by (host) (1, 100 * (1 - \(available) / (\(size) > 0)))")
                case .receive, .transmit:
                    // What goes through a bridge or to a container is counted at the real interface already.
                    let real = "device!~\"lo|veth.*|docker.*|br-.*|cni.*|virbr.*|tap.*\""
                    let bytes = series("node_network_\(figure.rawValue)_bytes_total", real)
                    return (figure.rawValue, "sum by (host) (rate(\(bytes)))")
                }
            })
    }

    package static func containers(window: Duration, host: String? = nil) -> String {
        let series = Selector(window: window, host: host)
        return joined(
            ContainerFigure.allCases.map { figure in
                switch figure {
                case .cpu:
                    let used = series("container_cpu_usage_seconds_total")
                    return (figure.rawValue, "100 * sum by (host, name) (rate(\(used)))")
                case .memory:
                    let used = series("container_memory_working_set_bytes")
                    return (figure.rawValue, "max by (host, name) (last_over_time(\(used)))")
                case .receive, .transmit:
                    let bytes = series("container_network_\(figure.rawValue)_bytes_total")
                    return (figure.rawValue, "sum by (host, name) (rate(\(bytes)))")
                }
            })
    }

    private static func joined(_ figures: [(name: String, expression: String)]) -> String {
        figures.map { "label_replace(\($0.expression), \"\(label)\", \"\($0.name)\", \"host\", \".*\")" }
            .joined(separator: " or ")
    }

    private struct Selector {
        var window: Duration
        var host: String?

        func callAsFunction(_ metric: String, _ matcher: String? = nil) -> String {
            let own = host.map { "host=\"\(Labels.escaped($0))\"" }
            let matchers = [own, matcher].compactMap { $0 }
            return metric + (matchers.isEmpty ? "" : "{\(matchers.joined(separator: ","))}") + "[\(window.shortText)]"
        }
    }
}
