package import MusterModel

/// A container as this host sees it: what the fleet may know, and what only the host needs.
package struct ObservedContainer: Equatable, Sendable {
    package var container: Container
    /// Of the main process in the host's numbering; nil while it does not run.
    package var pid: Int?
    /// Of the current log file; nil when the log driver writes none.
    package var logPath: String?
    /// `json-file`, `local`, `journald`, ...
    package var logDriver: String
    /// The container has no network of its own: its ports are the host's.
    package var usesHostNetwork: Bool
    /// The last output of a failed health check, cut; empty when there is none.
    package var healthOutput: String

    package init(
        container: Container, pid: Int? = nil, logPath: String? = nil, logDriver: String = "json-file",
        usesHostNetwork: Bool = false, healthOutput: String = ""
    ) {
        self.container = container
        self.pid = pid
        self.logPath = logPath
        self.logDriver = logDriver
        self.usesHostNetwork = usesHostNetwork
        self.healthOutput = healthOutput
    }

    package static let healthOutputCharacters = 200

    /// Reads what `inspect` answered; nil when it has no id, name or state.
    package init?(inspected json: DockerJSON) {
        guard let id = json["Id"]?.string, let name = json["Name"]?.string, let state = json["State"],
            let phase = Container.State(rawValue: state["Status"]?.string ?? "")
        else { return nil }
        let host = json["HostConfig"]
        let isRunning = state["Running"]?.bool ?? false
        let hasExited = phase == .exited || phase == .dead || phase == .restarting
        let container = Container(
            id: id, name: String(name.drop { $0 == "/" }), image: json["Config"]?["Image"]?.string ?? "",
            imageDigest: json["Image"]?.string ?? "", labels: Self.bounded(json["Config"]?["Labels"]?.texts ?? [:]),
            state: phase, health: Container.Health(rawValue: state["Health"]?["Status"]?.string ?? "") ?? .none,
            startedAt: state["StartedAt"]?.string.flatMap { Instant(dockerTime: $0) },
            restarts: max(0, json["RestartCount"]?.integer ?? 0),
            exitCode: hasExited ? state["ExitCode"]?.integer : nil,
            ports: Self.ports(json), networks: Self.networks(json))
        let pid = state["Pid"]?.integer ?? 0
        let logPath = json["LogPath"]?.string ?? ""
        self.init(
            container: container, pid: isRunning && pid > 0 ? pid : nil, logPath: logPath.isEmpty ? nil : logPath,
            logDriver: host?["LogConfig"]?["Type"]?.string ?? "",
            usesHostNetwork: host?["NetworkMode"]?.string == "host",
            healthOutput: Self.healthOutput(state))
    }

    /// Labels beyond the model's limits are left out, the last in the order of names first.
    private static func bounded(_ labels: [String: String]) -> Labels {
        let fitting = labels.filter {
            $0.key.utf8.count <= Limits.labelNameBytes && $0.value.utf8.count <= Limits.labelValueBytes
        }
        return Labels(fitting.sorted { $0.key < $1.key }.prefix(Limits.labelsPerSet).map { ($0.key, $0.value) })
    }

    private static func healthOutput(_ state: DockerJSON) -> String {
        let last = state["Health"]?["Log"]?.elements.last?["Output"]?.string ?? ""
        let line = last.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        return String(line.prefix(healthOutputCharacters))
    }

    /// Published and exposed ports, in order. While a container runs, Docker tells the host's ports under
    /// `NetworkSettings`; a stopped one has only its wishes under `HostConfig` left.
    private static func ports(_ json: DockerJSON) -> [Container.Port] {
        var ports: Set<Container.Port> = []
        let bindings =
            (json["NetworkSettings"]?["Ports"]?.members ?? []) + (json["HostConfig"]?["PortBindings"]?.members ?? [])
        var bound: Set<String> = []
        for member in bindings where !bound.contains(member.key) {
            guard let (number, transport) = portAndProtocol(member.key) else { continue }
            for binding in member.value.elements {
                guard let hostPort = binding["HostPort"]?.string.flatMap({ Int($0) }), (1...65_535).contains(hostPort)
                else { continue }
                bound.insert(member.key)
                let address = binding["HostIp"]?.string ?? ""
                ports.insert(
                    Container.Port(
                        containerPort: number, protocol: transport, hostPort: hostPort,
                        hostAddress: address.isEmpty ? nil : address))
            }
        }
        for member in bindings + (json["Config"]?["ExposedPorts"]?.members ?? []) where !bound.contains(member.key) {
            guard let (number, transport) = portAndProtocol(member.key) else { continue }
            ports.insert(Container.Port(containerPort: number, protocol: transport))
        }
        return ports.sorted(by: isBefore)
    }

    private static func isBefore(_ a: Container.Port, _ b: Container.Port) -> Bool {
        (a.containerPort, a.protocol, a.hostPort ?? 0, a.hostAddress ?? "")
            < (b.containerPort, b.protocol, b.hostPort ?? 0, b.hostAddress ?? "")
    }

    /// `80/tcp`.
    static func portAndProtocol(_ text: String) -> (Int, String)? {
        let parts = text.split(separator: "/")
        guard let first = parts.first, let number = Int(first), (1...65_535).contains(number) else { return nil }
        return (number, parts.count > 1 ? String(parts[1]) : "tcp")
    }

    private static func networks(_ json: DockerJSON) -> [Container.Network] {
        (json["NetworkSettings"]?["Networks"]?.members ?? []).map { member in
            let four = member.value["IPAddress"]?.string ?? ""
            let address = four.isEmpty ? member.value["GlobalIPv6Address"]?.string ?? "" : four
            return Container.Network(name: member.key, address: address)
        }.sorted { $0.name < $1.name }
    }
}

/// Names of containers that a rollout step has set aside or is preparing. They are nobody's instances.
package enum ParkedName {
    static let oldMark = ".muster-old-"
    static let newMark = ".muster-new-"
    static let failedMark = ".muster-failed-"

    /// The name of the replaced container.
    package static func old(_ name: String, step: String) -> String { name + oldMark + step }
    /// The name of the replacement until the replaced one has made way.
    package static func new(_ name: String, step: String) -> String { name + newMark + step }
    /// The name of a replacement that did not become good and is about to be removed.
    package static func failed(_ name: String, step: String) -> String { name + failedMark + step }
    package static func isParked(_ name: String) -> Bool {
        [oldMark, newMark, failedMark].contains { name.contains($0) }
    }
}
