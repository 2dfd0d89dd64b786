import MusterModel
import SwiftProtobuf

extension PBHostSnapshot {
    init(_ snapshot: HostSnapshot) {
        self.init()
        host = snapshot.host.text
        boot = snapshot.boot.description
        sequence = snapshot.sequence
        name = snapshot.name
        agentVersion = snapshot.agentVersion
        labels = snapshot.labels.dictionary
        containers = snapshot.containers.map(PBContainer.init)
        instances = snapshot.instances.map(PBInstance.init)
    }

    func noun() throws(ProtocolError) -> HostSnapshot {
        guard let hostID = HostID(host) else { throw .badField("host", value: host) }
        guard let bootID = BootID(boot) else { throw .badField("boot", value: boot) }
        guard containers.count <= Limits.containersPerHost else {
            throw .tooMany("containers", count: containers.count, limit: Limits.containersPerHost)
        }
        guard instances.count <= Limits.instancesPerHost else {
            throw .tooMany("instances", count: instances.count, limit: Limits.instancesPerHost)
        }
        var snapshot = HostSnapshot(
            host: hostID, boot: bootID, sequence: sequence, name: name, agentVersion: agentVersion,
            labels: Labels(labels))
        for container in containers { snapshot.containers.append(try container.noun()) }
        for instance in instances { snapshot.instances.append(try instance.noun(host: hostID)) }
        return snapshot
    }
}

extension PBContainer {
    init(_ container: Container) {
        self.init()
        id = container.id
        name = container.name
        image = container.image
        imageDigest = container.imageDigest
        labels = container.labels.dictionary
        state = container.state.rawValue
        health = container.health.rawValue
        startedAt = container.startedAt?.nanoseconds ?? 0
        restarts = UInt32(clamping: container.restarts)
        if let code = container.exitCode { exitCode = Int32(clamping: code) }
        ports = container.ports.map(PBPort.init)
        networks = container.networks.map { network in
            var message = PBNetwork()
            message.name = network.name
            message.address = network.address
            return message
        }
    }

    func noun() throws(ProtocolError) -> Container {
        guard let state = Container.State(rawValue: state) else {
            throw .badField("container.state", value: self.state)
        }
        guard let health = Container.Health(rawValue: health) else {
            throw .badField("container.health", value: self.health)
        }
        return Container(
            id: id, name: name, image: image, imageDigest: imageDigest, labels: Labels(labels), state: state,
            health: health, startedAt: startedAt == 0 ? nil : Instant(nanoseconds: startedAt), restarts: Int(restarts),
            exitCode: hasExitCode ? Int(exitCode) : nil, ports: ports.map(\.noun),
            networks: networks.map { Container.Network(name: $0.name, address: $0.address) })
    }
}

extension PBPort {
    init(_ port: Container.Port) {
        self.init()
        containerPort = UInt32(clamping: port.containerPort)
        `protocol` = port.protocol
        if let host = port.hostPort { hostPort = UInt32(clamping: host) }
        if let address = port.hostAddress { hostAddress = address }
    }

    var noun: Container.Port {
        Container.Port(
            containerPort: Int(containerPort), protocol: self.protocol, hostPort: hasHostPort ? Int(hostPort) : nil,
            hostAddress: hasHostAddress ? hostAddress : nil)
    }
}

extension PBInstance {
    init(_ instance: Instance) {
        self.init()
        id = instance.id
        service = instance.service.text
        if let container = instance.container { self.container = container }
        address = instance.address
        port = UInt32(clamping: instance.port)
        tags = instance.tags
        weight = UInt32(clamping: instance.weight)
        health = instance.health.rawValue
        reason = instance.reason
    }

    func noun(host: HostID) throws(ProtocolError) -> Instance {
        guard let service = ServiceName(service) else { throw .badField("instance.service", value: self.service) }
        guard let health = CheckState(rawValue: health) else { throw .badField("instance.health", value: self.health) }
        guard (0...65_535).contains(port) else { throw .badField("instance.port", value: "\(port)") }
        return Instance(
            id: id, service: service, host: host, container: hasContainer ? container : nil, address: address,
            port: Int(port), tags: tags, weight: Int(min(weight, 1_000)), health: health, reason: reason)
    }
}
