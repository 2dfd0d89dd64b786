package import MusterModel

/// A service that is no container, as the agent's configuration names it.
package struct StaticService: Equatable, Sendable {
    package var name: ServiceName
    /// Where it is reached; the agent's advertised address when nil.
    package var address: String?
    package var port: Int
    package var tags: [String]
    /// 0 to 1,000.
    package var weight: Int
    package var check: CheckPolicy

    package init(
        name: ServiceName, address: String? = nil, port: Int, tags: [String] = [], weight: Int = 100,
        check: CheckPolicy = CheckPolicy(kind: .tcp)
    ) {
        self.name = name
        self.address = address
        self.port = port
        self.tags = tags
        self.weight = weight
        self.check = check
    }

    func instance(host: HostID, advertised: String) -> Instance {
        Instance(
            id: "\(host):\(name):\(port)", service: name, host: host, address: address ?? advertised, port: port,
            tags: tags, weight: weight)
    }
}
