import MusterModel
import Synchronization

/// Something happened to a container, or to its place in a network.
package struct DockerEvent: Equatable, Sendable {
    package var containerID: String
    /// `start`, `die`, `health_status: unhealthy`, `destroy`, ...
    package var action: String
    /// The container's labels among others; empty for events of networks.
    package var attributes: [String: String]

    package init(containerID: String, action: String, attributes: [String: String] = [:]) {
        self.containerID = containerID
        self.action = action
        self.attributes = attributes
    }

    /// Nil for an event that concerns no container.
    init?(_ json: DockerJSON) {
        let attributes = json["Actor"]?["Attributes"]?.texts ?? [:]
        let isNetwork = json["Type"]?.string == "network"
        guard let action = json["Action"]?.string,
            let id = isNetwork ? attributes["container"] : json["Actor"]?["ID"]?.string ?? json["id"]?.string
        else { return nil }
        self.init(containerID: id, action: action, attributes: isNetwork ? [:] : attributes)
    }
}

extension DockerAPI {
    /// The events that change what `ObservedContainer` says. The daemon filters, so that health checks run with `exec`
    /// (two events each) do not wake the agent.
    static let watchedEvents = [
        "create", "start", "die", "pause", "unpause", "rename", "update", "destroy", "health_status", "connect",
        "disconnect",
    ]
    /// One event as a line. Labels are part of it.
    static let eventBytes = 1 << 20

    /// Events from now on: `opened` when the daemon listens, then `event` for each. Returns when the daemon ends the
    /// stream, when `event` returns false, when an event is too long to be read, and when the task is cancelled.
    package func events(
        opened: @escaping @Sendable () -> Void, event: @escaping @Sendable (DockerEvent) -> Bool
    ) async throws(DockerError) {
        let filters = DockerJSON.object([
            .init("event", .strings(Self.watchedEvents)), .init("type", .strings(["container", "network"])),
        ])
        let path = "/events?filters=\(Self.escaped(filters.description))"
        let request = Self.withHost(HTTPRequest("GET", try await versioned(path)))
        let status = Mutex(0)
        let lines = Mutex(DockerOutputLines(lineBytes: Self.eventBytes))
        do {
            try await client.stream(
                request, to: endpoint, idle: nil,
                head: { response in
                    status.withLock { $0 = response.status }
                    if response.isSuccess { opened() }
                },
                chunk: { bytes in
                    for line in lines.withLock({ $0.append(bytes) }) {
                        guard let json = try? DockerJSON(parsing: line), let found = DockerEvent(json) else { continue }
                        if !event(found) { return false }
                    }
                    return lines.withLock { $0.droppedLines == 0 }
                })
        } catch {
            throw .exchange(asked: "GET /events", error)
        }
        let ended = status.withLock { $0 }
        guard (200..<300).contains(ended) else {
            throw .refused(asked: "GET /events", status: ended, message: "no events")
        }
    }
}
