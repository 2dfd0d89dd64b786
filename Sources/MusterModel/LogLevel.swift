/// How grave a line says it is. The order is the order of gravity; `unknown` stands below all.
package enum LogLevel: UInt8, CaseIterable, Comparable, Sendable {
    case unknown = 0
    case trace = 1
    case debug = 2
    case info = 3
    case warn = 4
    case error = 5
    case fatal = 6

    /// The value of the label `level`.
    package var text: String {
        switch self {
        case .unknown: "unknown"
        case .trace: "trace"
        case .debug: "debug"
        case .info: "info"
        case .warn: "warn"
        case .error: "error"
        case .fatal: "fatal"
        }
    }

    package static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}
