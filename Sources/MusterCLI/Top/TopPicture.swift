import Foundation

/// The fleet at one time: what the coordinator knows of each host and container, and its latest figures. A figure that
/// is nil was not measured lately.
package struct TopPicture: Encodable, Equatable, Sendable {
    package struct Host: Encodable, Equatable, Sendable {
        package var id: String
        package var name: String
        package var state: String
        package var reason: String
        /// RFC 3339; empty when it was never heard of.
        package var lastSeen: String
        @Nullable package var cpuPercent: Double?
        @Nullable package var load1: Double?
        @Nullable package var memoryPercent: Double?
        @Nullable package var diskPercent: Double?
        /// Where the file system is mounted that `diskPercent` is of.
        @Nullable package var fullestMount: String?
        @Nullable package var receiveBytesPerSecond: Double?
        @Nullable package var transmitBytesPerSecond: Double?
        package var containers: Int
        package var runningContainers: Int
        @Nullable package var series: Int?

        /// Without figures.
        package init(id: String, name: String, state: String, reason: String, lastSeen: String) {
            self.id = id
            self.name = name
            self.state = state
            self.reason = reason
            self.lastSeen = lastSeen
            containers = 0
            runningContainers = 0
        }
    }

    package struct Container: Encodable, Equatable, Sendable {
        package var id: String
        package var host: String
        package var name: String
        package var state: String
        /// Of one core.
        @Nullable package var cpuPercent: Double?
        @Nullable package var memoryBytes: Double?
        @Nullable package var receiveBytesPerSecond: Double?
        @Nullable package var transmitBytesPerSecond: Double?

        /// Without figures.
        package init(id: String, host: String, name: String, state: String) {
            self.id = id
            self.host = host
            self.name = name
            self.state = state
        }
    }

    package enum Order: String, CaseIterable, Sendable {
        case cpu
        case memory
        case name
    }

    /// RFC 3339.
    package var time: String
    package var hosts: [Host]
    package var containers: [Container]
    /// What Prometheus's routes had to say about their answers.
    package var warnings: [String]

    package init(time: String, hosts: [Host], containers: [Container], warnings: [String] = []) {
        self.time = time
        self.hosts = hosts
        self.containers = containers
        self.warnings = warnings
    }

    /// The greatest first; what was not measured comes last, and equals by their names.
    package mutating func sort(by order: Order) {
        hosts.sort { a, b in
            let names = (a.name, a.id) < (b.name, b.id)
            return switch order {
            case .cpu: Self.precedes(a.cpuPercent, b.cpuPercent) ?? names
            case .memory: Self.precedes(a.memoryPercent, b.memoryPercent) ?? names
            case .name: names
            }
        }
        containers.sort { a, b in
            let names = (a.name, a.host, a.id) < (b.name, b.host, b.id)
            return switch order {
            case .cpu: Self.precedes(a.cpuPercent, b.cpuPercent) ?? names
            case .memory: Self.precedes(a.memoryBytes, b.memoryBytes) ?? names
            case .name: names
            }
        }
    }

    /// At most `count` of each.
    package mutating func keep(_ count: Int) {
        hosts = Array(hosts.prefix(count))
        containers = Array(containers.prefix(count))
    }

    /// Nil for equals.
    private static func precedes(_ a: Double?, _ b: Double?) -> Bool? {
        let (a, b) = (a ?? -.infinity, b ?? -.infinity)
        return a == b ? nil : a > b
    }

    /// One line, its keys in the order of the alphabet.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// What is absent is written as null: programs see every field every time.
@propertyWrapper
package struct Nullable<Value: Encodable & Equatable & Sendable>: Encodable, Equatable, Sendable {
    package var wrappedValue: Value?

    package init(wrappedValue: Value? = nil) { self.wrappedValue = wrappedValue }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
    }
}
