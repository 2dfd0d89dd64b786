/// How the replacement of a container is made: the old one's own configuration on another image.
///
/// Carried over: environment, labels, command, entry point, user, working folder, stop signal, health check, exposed
/// ports, as far as the old container differs from its image; the whole host configuration (published ports, binds and
/// mounts, restart policy, resources, capabilities, log driver, links, devices, extra hosts, ...); volumes that nobody
/// named, so that their data stays; networks with aliases, static addresses and driver options; a host name and a MAC
/// address that a person set.
///
/// Not carried over: what came from the old image, which the new image may have changed; addresses, MAC addresses, host
/// names and host ports that Docker chose; labels of an earlier rollout; files written inside the container. Other
/// containers that share the old one's network (`container:<name>`) keep pointing at the old one.
package enum ContainerRecipe {
    package struct Network: Equatable {
        package var name: String
        package var endpoint: DockerJSON

        package init(name: String, endpoint: DockerJSON) {
            self.name = name
            self.endpoint = endpoint
        }
    }

    package struct Made: Equatable {
        package var body: DockerJSON
        /// To be joined before the start. The first network is part of the body: API 1.41 takes only one there.
        package var furtherNetworks: [Network]
    }

    /// `keptLabels` are carried over also when the old image set them: the step finds its containers by them.
    package static func made(
        from old: DockerJSON, oldImage: DockerJSON, image: String, keptLabels: Set<String>,
        addedLabels: [String: String],
        version: DockerAPI.Version
    ) -> Made {
        let imageConfig = oldImage["Config"] ?? .object([])
        var body = config(old, imageConfig: imageConfig)
        body["Image"] = .string(image)
        body["Labels"] = .texts(
            labels(old, imageConfig: imageConfig, kept: keptLabels).merging(addedLabels) { $1 })
        var networks = networks(of: old)
        if version >= DockerAPI.Version(1, 44), let address = body["MacAddress"] {
            body["MacAddress"] = nil
            if !networks.isEmpty { networks[0].endpoint["MacAddress"] = address }
        }
        body["HostConfig"] = hostConfig(old)
        if let first = networks.first {
            body["NetworkingConfig"] = .object([
                .init("EndpointsConfig", .object([.init(first.name, first.endpoint)]))
            ])
        }
        return Made(body: body, furtherNetworks: Array(networks.dropFirst()))
    }

    private static func networkMode(_ old: DockerJSON) -> String {
        old["HostConfig"]?["NetworkMode"]?.string ?? "default"
    }

    private static func config(_ old: DockerJSON, imageConfig: DockerJSON) -> DockerJSON {
        var config = DockerJSON.object((old["Config"]?.members ?? []).filter { $0.value != .null })
        for key in ["WorkingDir", "User", "StopSignal", "Healthcheck", "Shell"] where config[key] == imageConfig[key] {
            config[key] = nil
        }
        // An entry point of one's own hides the image's command, so the two are judged together.
        if config["Entrypoint"] == imageConfig["Entrypoint"] {
            config["Entrypoint"] = nil
            if config["Cmd"] == imageConfig["Cmd"] { config["Cmd"] = nil }
        }
        let imageEnvironment = Set(imageConfig["Env"]?.strings ?? [])
        config["Env"] = .strings((config["Env"]?.strings ?? []).filter { !imageEnvironment.contains($0) })
        for key in ["Volumes", "ExposedPorts"] {
            let ofImage = Set((imageConfig[key]?.members ?? []).map(\.key))
            let own = (config[key]?.members ?? []).filter { !ofImage.contains($0.key) }
            config[key] = own.isEmpty ? nil : .object(own)
        }
        config["OnBuild"] = nil
        let mode = networkMode(old)
        let id = old["Id"]?.string ?? ""
        let isSharing = mode.hasPrefix("container:")
        if mode == "host" || isSharing || id.hasPrefix(config["Hostname"]?.string ?? "") { config["Hostname"] = nil }
        if isSharing {
            for key in ["Domainname", "ExposedPorts", "MacAddress"] { config[key] = nil }
        }
        if config["MacAddress"]?.isEmpty == true { config["MacAddress"] = nil }
        return config
    }

    private static func labels(_ old: DockerJSON, imageConfig: DockerJSON, kept: Set<String>) -> [String: String] {
        let ofImage = imageConfig["Labels"]?.texts ?? [:]
        return (old["Config"]?["Labels"]?.texts ?? [:]).filter { name, value in
            !StepLabels.all.contains(name) && (kept.contains(name) || ofImage[name] != value)
        }
    }

    private static func hostConfig(_ old: DockerJSON) -> DockerJSON {
        var host = DockerJSON.object((old["HostConfig"]?.members ?? []).filter { $0.value != .null })
        host["ContainerIDFile"] = nil
        // Docker tells a link as `/other:/this/alias` and takes it as `other:alias`.
        if let links = host["Links"]?.strings {
            host["Links"] = .strings(
                links.compactMap { link in
                    let parts = link.split(separator: ":")
                    guard parts.count == 2, let alias = parts[1].split(separator: "/").last else { return nil }
                    return "\(parts[0].drop { $0 == "/" }):\(alias)"
                })
        }
        return withVolumesNamed(host, old)
    }

    /// Volumes that nobody named are bound by the name Docker gave them.
    private static func withVolumesNamed(_ host: DockerJSON, _ old: DockerJSON) -> DockerJSON {
        var host = host
        var volumes: [String: String] = [:]
        for mount in old["Mounts"]?.elements ?? [] where mount["Type"]?.string == "volume" {
            guard let name = mount["Name"]?.string, let place = mount["Destination"]?.string else { continue }
            volumes[place] = mount["RW"]?.bool == false ? "\(name):\(place):ro" : "\(name):\(place)"
        }
        var binds = host["Binds"]?.strings ?? []
        for bind in binds {
            let parts = bind.split(separator: ":", omittingEmptySubsequences: false)
            volumes[String(parts.count > 1 ? parts[1] : parts[0])] = nil
        }
        // A mount without a source would become a fresh volume; it gives way to a bind of the old one.
        let mounts = (host["Mounts"]?.elements ?? []).filter { mount in
            let place = mount["Target"]?.string ?? ""
            let isNamed = !(mount["Source"]?.string ?? "").isEmpty
            if isNamed || mount["Type"]?.string != "volume" { volumes[place] = nil }
            return volumes[place] == nil
        }
        if host["Mounts"] != nil { host["Mounts"] = .array(mounts) }
        binds += volumes.sorted { $0.key < $1.key }.map(\.value)
        if !binds.isEmpty { host["Binds"] = .strings(binds) }
        return host
    }

    /// The networks to join, the one of the network mode first. None for the default bridge, the host's network and
    /// another container's: the network mode alone says those.
    private static func networks(of old: DockerJSON) -> [Network] {
        let mode = networkMode(old)
        guard mode != "host", mode != "none", !mode.hasPrefix("container:") else { return [] }
        let shortID = String((old["Id"]?.string ?? "").prefix(12))
        let isDefault = mode == "default" || mode == "bridge"
        var first: [Network] = []
        var further: [Network] = []
        for member in old["NetworkSettings"]?["Networks"]?.members ?? [] {
            let isFirst =
                isDefault ? member.key == "bridge" : member.key == mode || member.value["NetworkID"]?.string == mode
            if isFirst, isDefault { continue }
            var endpoint = DockerJSON.object([])
            let aliases = (member.value["Aliases"]?.strings ?? []).filter { $0 != shortID }
            if !aliases.isEmpty { endpoint["Aliases"] = .strings(aliases) }
            for key in ["IPAMConfig", "Links", "DriverOpts"] {
                if let value = member.value[key], !value.isEmpty { endpoint[key] = value }
            }
            if isFirst {
                first.append(Network(name: member.key, endpoint: endpoint))
            } else {
                further.append(Network(name: member.key, endpoint: endpoint))
            }
        }
        // On the default bridge the body carries no network, and all others are joined.
        if first.isEmpty { return further.isEmpty ? [] : [Network(name: "bridge", endpoint: .object([]))] + further }
        return first + further
    }
}
