import MusterModel

/// A condition on a container's labels: carries `name` with `value`.
package struct LabelSelector: Hashable, Sendable, CustomStringConvertible {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    package var description: String { "\(name)=\(value)" }
}

extension DockerAPI {
    /// The ids of all containers, running or not, that carry every one of the labels.
    package func containerIDs(labels: [LabelSelector] = []) async throws(DockerError) -> [String] {
        var path = "/containers/json?all=1"
        if !labels.isEmpty {
            let filters = DockerJSON.object([.init("label", .strings(labels.map(\.description)))])
            path += "&filters=" + Self.escaped(filters.description)
        }
        return try await get(path).elements.compactMap { $0["Id"]?.string }
    }

    /// What the daemon knows of a container, by id or name; nil when there is no such container.
    package func inspect(container: String) async throws(DockerError) -> DockerJSON? {
        do {
            return try await get("/containers/\(Self.escaped(container))/json")
        } catch {
            if error.isNotFound { return nil }
            throw error
        }
    }

    /// Makes a container and gives its id. 409 when the name is taken.
    package func create(name: String, body: DockerJSON) async throws(DockerError) -> String {
        let answer = try await change("POST", "/containers/create?name=\(Self.escaped(name))", body: body)
        guard let id = answer["Id"]?.string else {
            throw .unreadable(asked: "POST /containers/create", problem: "it names no Id")
        }
        return id
    }

    /// Starting what runs, and stopping what is stopped, is no error.
    package func start(container: String) async throws(DockerError) {
        try await change("POST", "/containers/\(Self.escaped(container))/start")
    }

    /// Waits up to `grace` for the main process to end after its stop signal, then kills it.
    package func stop(container: String, grace: Duration) async throws(DockerError) {
        let seconds = max(0, grace.components.seconds)
        try await change(
            "POST", "/containers/\(Self.escaped(container))/stop?t=\(seconds)",
            timeout: grace + DockerAPI.changeTimeout)
    }

    package func rename(container: String, to name: String) async throws(DockerError) {
        try await change("POST", "/containers/\(Self.escaped(container))/rename?name=\(Self.escaped(name))")
    }

    /// `policy` is the object `RestartPolicy` of a host configuration.
    package func update(container: String, restartPolicy policy: DockerJSON) async throws(DockerError) {
        try await change(
            "POST", "/containers/\(Self.escaped(container))/update",
            body: .object([.init("RestartPolicy", policy)]))
    }

    /// Removes a container, running or not; one that is gone is no error. `withAnonymousVolumes` also removes volumes
    /// nobody named and no other container uses.
    package func remove(container: String, withAnonymousVolumes: Bool) async throws(DockerError) {
        try await change(
            "DELETE", "/containers/\(Self.escaped(container))?force=1&v=\(withAnonymousVolumes ? 1 : 0)",
            accepted: [304, 404])
    }

    /// Joins a container that does not run yet to one more network. Being joined already is no error.
    package func connect(container: String, network: String, endpoint: DockerJSON) async throws(DockerError) {
        let body = DockerJSON.object([.init("Container", .string(container)), .init("EndpointConfig", endpoint)])
        do {
            try await change("POST", "/networks/\(Self.escaped(network))/connect", body: body)
        } catch {
            if case .refused(_, status: 403, let message) = error, message.contains("already exists in network") {
                return
            }
            throw error
        }
    }
}

extension DockerAPI {
    /// The last line a container wrote, cut; empty when there is none or it cannot be read.
    package func lastOutput(container: String) async -> String {
        let path = "/containers/\(Self.escaped(container))/logs?stdout=1&stderr=1&tail=5"
        guard let target = try? await versioned(path),
            let response = try? await client.send(
                Self.withHost(HTTPRequest("GET", target)), to: endpoint, timeout: Self.readTimeout, maxBytes: 1 << 20),
            response.isSuccess
        else { return "" }
        let text = String(decoding: Self.unframed(response.body), as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { $0 >= " " } }
        return String((lines.last { !$0.isEmpty } ?? "").prefix(200))
    }

    /// Without a terminal, output comes in frames: stream, three zeros, length (4 bytes, big-endian), bytes.
    static func unframed(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var rest = bytes[...]
        while rest.count >= 8, let stream = rest.first, stream <= 2, rest.dropFirst().prefix(3).allSatisfy({ $0 == 0 })
        {
            let length = rest.dropFirst(4).prefix(4).reduce(0) { $0 << 8 | Int($1) }
            output += rest.dropFirst(8).prefix(length)
            rest = rest.dropFirst(8 + min(length, rest.count))
        }
        return output.isEmpty ? bytes : output
    }
}
