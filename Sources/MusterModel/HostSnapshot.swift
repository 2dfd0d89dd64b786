/// What one agent knows of its host, whole. The truth about a host is owned by its agent: of two snapshots with the
/// same host and boot the one with the higher sequence holds.
package struct HostSnapshot: Equatable, Sendable {
    package var host: HostID
    package var boot: BootID
    package var sequence: UInt64
    /// The host's own name (`uname -n`).
    package var name: String
    package var agentVersion: String
    /// Labels the operator gave this host in the agent's configuration, and facts such as `kernel`.
    package var labels: Labels
    package var containers: [Container]
    package var instances: [Instance]

    package init(
        host: HostID, boot: BootID, sequence: UInt64, name: String, agentVersion: String, labels: Labels = Labels(),
        containers: [Container] = [], instances: [Instance] = []
    ) {
        self.host = host
        self.boot = boot
        self.sequence = sequence
        self.name = name
        self.agentVersion = agentVersion
        self.labels = labels
        self.containers = containers
        self.instances = instances
    }
}

/// One container as its host's engine describes it.
package struct Container: Equatable, Sendable {
    package enum State: String, Sendable, CaseIterable {
        case created, running, paused, restarting, removing, exited, dead
    }

    package enum Health: String, Sendable, CaseIterable {
        /// The image has no health check.
        case none
        case starting, healthy, unhealthy
    }

    package struct Port: Hashable, Sendable {
        package var containerPort: Int
        /// `tcp` or `udp`.
        package var `protocol`: String
        /// Nil when the port is exposed but not published.
        package var hostPort: Int?
        package var hostAddress: String?

        package init(containerPort: Int, protocol: String, hostPort: Int? = nil, hostAddress: String? = nil) {
            self.containerPort = containerPort
            self.protocol = `protocol`
            self.hostPort = hostPort
            self.hostAddress = hostAddress
        }
    }

    package struct Network: Hashable, Sendable {
        package var name: String
        package var address: String

        package init(name: String, address: String) {
            self.name = name
            self.address = address
        }
    }

    /// The runtime's full id, 64 hexadecimal digits for Docker.
    package var id: String
    /// Without the leading slash Docker adds.
    package var name: String
    package var image: String
    /// `sha256:...` of the image.
    package var imageDigest: String
    package var labels: Labels
    package var state: State
    package var health: Health
    package var startedAt: Instant?
    package var restarts: Int
    /// Nil while the container has not exited.
    package var exitCode: Int?
    package var ports: [Port]
    package var networks: [Network]

    package init(
        id: String, name: String, image: String, imageDigest: String = "", labels: Labels = Labels(), state: State,
        health: Health = .none, startedAt: Instant? = nil, restarts: Int = 0, exitCode: Int? = nil, ports: [Port] = [],
        networks: [Network] = []
    ) {
        self.id = id
        self.name = name
        self.image = image
        self.imageDigest = imageDigest
        self.labels = labels
        self.state = state
        self.health = health
        self.startedAt = startedAt
        self.restarts = restarts
        self.exitCode = exitCode
        self.ports = ports
        self.networks = networks
    }
}

/// One place where a service can be reached.
package struct Instance: Equatable, Sendable {
    /// Unique in the fleet and stable for as long as the thing behind it is: `<host>:<container name>:<port>` for
    /// containers, `<host>:<name>:<port>` for services from the agent's configuration.
    package var id: String
    package var service: ServiceName
    package var host: HostID
    /// The container's id, nil for a service that is not a container.
    package var container: String?
    package var address: String
    package var port: Int
    package var tags: [String]
    /// Share of traffic relative to the service's other instances, 0 to 1,000; 100 when nothing says otherwise.
    package var weight: Int
    package var health: CheckState
    /// Why `health` is what it is, for people.
    package var reason: String

    package init(
        id: String, service: ServiceName, host: HostID, container: String? = nil, address: String, port: Int,
        tags: [String] = [], weight: Int = 100, health: CheckState = .starting, reason: String = ""
    ) {
        self.id = id
        self.service = service
        self.host = host
        self.container = container
        self.address = address
        self.port = port
        self.tags = tags
        self.weight = weight
        self.health = health
        self.reason = reason
    }
}

/// What the checks of an instance say, after rise and fall. Only `passing` and `warning` get traffic.
package enum CheckState: String, Sendable, CaseIterable {
    /// Not enough results yet.
    case starting
    case passing
    case warning
    case critical
}

/// What a check does. Runs on the agent.
package enum CheckKind: Equatable, Sendable {
    /// GET; a status from 200 to 399 passes, 429 warns, anything else fails.
    case http(path: String)
    case tcp
    /// The container's own health check, as Docker reports it.
    case docker
    /// No check: the instance passes while its container runs.
    case none
}

/// How a check is run and how many results in a row change its state.
package struct CheckPolicy: Equatable, Sendable {
    package var kind: CheckKind
    package var interval: Duration
    package var timeout: Duration
    /// Passing results in a row before the state becomes passing, at least 1.
    package var rise: Int
    /// Failing results in a row before the state becomes critical, at least 1.
    package var fall: Int

    package init(
        kind: CheckKind, interval: Duration = .seconds(1), timeout: Duration = .seconds(1), rise: Int = 1, fall: Int = 1
    ) {
        self.kind = kind
        self.interval = interval
        self.timeout = timeout
        self.rise = rise
        self.fall = fall
    }
}

/// One run of a check.
package enum CheckResult: Equatable, Sendable {
    case passed(String)
    case warned(String)
    case failed(String)
}

/// Whether the coordinator hears from a host.
package enum HostState: String, Sendable, CaseIterable {
    case alive
    /// Heartbeats are late; its instances keep their traffic.
    case suspect
    /// Silent long enough that its instances get no traffic.
    case unreachable
    /// Silent for so long that nobody waits for it.
    case dead
}
