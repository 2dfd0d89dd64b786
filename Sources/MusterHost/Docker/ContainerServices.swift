package import MusterModel

/// What a host offers, derived from its containers' labels and its configuration.
package struct DiscoveredServices: Equatable, Sendable {
    /// By instance id.
    package var targets: [CheckTarget] = []
    package var complaints: [LabelComplaint] = []

    package init(targets: [CheckTarget] = [], complaints: [LabelComplaint] = []) {
        self.targets = targets
        self.complaints = complaints
    }
}

/// From containers to instances of services, by Registrator's labels.
///
/// A container offers a service when it carries `SERVICE_NAME` or `SERVICE_<port>_NAME` (`<port>` is the port inside
/// the container). Without either it offers nothing: Registrator would name it after its image, Muster does not guess.
/// - `SERVICE_NAME` covers the published ports, or the exposed ones where none is published. With several such ports
///   the service is `<name>-<port>`, as with Registrator. A port with a name of its own is not counted among them, and
///   needs to be neither published nor exposed.
/// - `SERVICE_TAGS`, `SERVICE_ID`, `SERVICE_WEIGHT`, `SERVICE_CHECK_*` and their `SERVICE_<port>_*` forms, the port's
///   own first. `SERVICE_IGNORE` and `SERVICE_<port>_IGNORE` leave out.
/// - `SERVICE_ID` takes the place of the container's name in the instance's id.
/// - The address is the advertised one with the published port; of a port that is not published, the container's own.
package enum ContainerServices {
    /// Tags of one instance.
    package static let tagLimit = 64
    /// Complaints kept; the labels behind them are written by anybody who may start a container.
    package static let complaintLimit = 1_000

    /// Containers that a rollout has parked offer nothing. An id that comes up twice is kept once, with a complaint.
    package static func discover(
        containers: [ObservedContainer], statics: [StaticService] = [], host: HostID, advertisedAddress: String
    ) -> DiscoveredServices {
        var found = DiscoveredServices()
        var ids: Set<String> = []
        for service in statics {
            let instance = service.instance(host: host, advertised: advertisedAddress)
            guard ids.insert(instance.id).inserted else { continue }
            found.targets.append(CheckTarget(instance: instance, policy: service.check))
        }
        for observed in containers where !ParkedName.isParked(observed.container.name) {
            var labels = ServiceLabels(container: observed.container.name, labels: observed.container.labels)
            for target in targets(of: observed, &labels, host: host, advertisedAddress: advertisedAddress) {
                if ids.contains(target.instance.id) {
                    labels.complain(
                        "SERVICE_ID", "makes the id \(target.instance.id), which is taken", allowed: "an id of its own")
                } else if found.targets.count >= Limits.instancesPerHost {
                    labels.complain(
                        "SERVICE_NAME", "is one instance too many",
                        allowed: "\(Limits.instancesPerHost) instances on one host")
                } else {
                    ids.insert(target.instance.id)
                    found.targets.append(target)
                }
            }
            let room = complaintLimit - found.complaints.count
            found.complaints += labels.complaints.prefix(room)
        }
        found.targets.sort { $0.instance.id < $1.instance.id }
        return found
    }

    private static func targets(
        of observed: ObservedContainer, _ labels: inout ServiceLabels, host: HostID, advertisedAddress: String
    ) -> [CheckTarget] {
        guard !labels.isIgnored else { return [] }
        let named = labels.namedPorts
        let general = labels.labels["SERVICE_NAME"] ?? ""
        guard !named.isEmpty || !general.isEmpty else { return [] }
        var ports = named.map { number in
            observed.container.ports.first { $0.containerPort == number }
                ?? Container.Port(containerPort: number, protocol: "tcp")
        }
        var shared: [Container.Port] = []
        if !general.isEmpty {
            shared = generalPorts(observed.container.ports).filter { !named.contains($0.containerPort) }
            if shared.isEmpty, named.isEmpty {
                labels.complain(
                    "SERVICE_NAME", "names a service, but the container has no port",
                    allowed: "a published or exposed port, or SERVICE_<port>_NAME")
            }
        }
        let isOneOfSeveral = shared.count > 1
        ports += shared
        return ports.filter { !labels.isIgnored(port: $0.containerPort) }.compactMap { port in
            let isShared = !named.contains(port.containerPort)
            let label = isShared ? "SERVICE_NAME" : "SERVICE_\(port.containerPort)_NAME"
            let text = labels.labels[label] ?? ""
            let name = isShared && isOneOfSeveral ? "\(text)-\(port.containerPort)" : text
            guard let service = ServiceName(name) else {
                labels.complain(
                    label, "is \"\(text.prefix(100))\"",
                    allowed: "1 to \(Limits.nameBytes) letters, digits, dots, dashes or underscores")
                return nil
            }
            return target(
                service, port, of: observed, &labels, host: host, advertisedAddress: advertisedAddress)
        }
    }

    /// One for each port inside the container: the published ones, or all when none is.
    private static func generalPorts(_ ports: [Container.Port]) -> [Container.Port] {
        let published = ports.filter { $0.hostPort != nil }
        var seen: Set<String> = []
        return (published.isEmpty ? ports : published).filter {
            seen.insert("\($0.containerPort)/\($0.protocol)").inserted
        }
    }

    private static func target(
        _ service: ServiceName, _ port: Container.Port, of observed: ObservedContainer, _ labels: inout ServiceLabels,
        host: HostID, advertisedAddress: String
    ) -> CheckTarget {
        let container = observed.container
        let number = port.containerPort
        let owner = labels.text("ID", port: number)?.text ?? container.name
        let suffix = port.protocol == "udp" ? ":udp" : ""
        var instance = Instance(
            id: "\(host):\(owner):\(number)\(suffix)", service: service, host: host, container: container.id,
            address: advertisedAddress, port: port.hostPort ?? number, tags: labels.tags(port: number))
        let inner = observed.ownAddress
        if port.hostPort == nil {
            instance.address = inner ?? advertisedAddress
        } else if let bound = port.hostAddress, bound != "0.0.0.0", bound != "::" {
            instance.address = bound
        }
        instance.weight = labels.integer("WEIGHT", port: number, in: 0...1_000) ?? 100
        return CheckTarget(
            instance: instance, policy: labels.check(port: number, health: container.health), checkAddress: inner,
            checkPort: inner == nil ? nil : number, life: ContainerLife(observed))
    }
}
