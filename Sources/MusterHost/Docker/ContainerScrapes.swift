package import MusterInterchange
import MusterModel

/// How containers that ask for it are scraped.
package struct ContainerScrapePolicy: Equatable, Sendable {
    package var interval: Duration
    package var timeout: Duration
    package var maxSeries: Int

    package init(interval: Duration, timeout: Duration, maxSeries: Int) {
        self.interval = interval
        self.timeout = timeout
        self.maxSeries = maxSeries
    }
}

/// From containers to the endpoints they ask to be scraped at, by labels `prometheus.io/<key>` or `prometheus-<key>`:
///
/// - `scrape`: `true` asks for it and `false` forbids it; without it a `port` asks for it.
/// - `port`: inside the container; without it the one TCP port the container has.
/// - `path`: `/metrics` without it. `scheme`: only `http`.
/// - `job`: without it the container's service, or else its name. `instance` is the container's name.
///
/// The address is the container's own; on the host's network the loopback address; without an address of its own the
/// one its port is published at. Containers that do not run, or that a rollout has parked, are left out.
package enum ContainerScrapes {
    /// Of a job's name.
    private static let jobBytes = 256

    /// `services`: by container id, the name of its service.
    package static func targets(
        of containers: [ObservedContainer], services: [String: String], policy: ContainerScrapePolicy
    ) -> (targets: [ScrapeTarget], complaints: [LabelComplaint]) {
        var targets: [ScrapeTarget] = []
        var complaints: [LabelComplaint] = []
        for observed in containers where observed.pid != nil && !ParkedName.isParked(observed.container.name) {
            var labels = ScrapeLabels(container: observed.container)
            let service = services[observed.container.id]
            if let target = target(of: observed, &labels, service: service, policy) { targets.append(target) }
            complaints += labels.complaints.prefix(ContainerServices.complaintLimit - complaints.count)
        }
        return (targets, complaints)
    }

    private static func target(
        of observed: ObservedContainer, _ labels: inout ScrapeLabels, service: String?, _ policy: ContainerScrapePolicy
    ) -> ScrapeTarget? {
        guard labels.isAsking, labels.isPlain, let port = port(observed, &labels), let path = labels.path,
            let endpoint = endpoint(observed, port: port, &labels)
        else { return nil }
        let container = observed.container
        let job = labels.text("job")?.text ?? service ?? container.name
        return ScrapeTarget(
            endpoint: endpoint, path: path,
            labels: TargetLabels(["job": String(job.prefix(jobBytes)), "instance": container.name]),
            interval: policy.interval, timeout: policy.timeout, maxSeries: policy.maxSeries)
    }

    private static func port(_ observed: ObservedContainer, _ labels: inout ScrapeLabels) -> Int? {
        if let (label, text) = labels.text("port") {
            if let port = Int(text), (1...65_535).contains(port) { return port }
            labels.complain(label, "is \"\(text.prefix(100))\"", allowed: "a port from 1 to 65535")
            return nil
        }
        let ports = Set(observed.container.ports.filter { $0.protocol == "tcp" }.map(\.containerPort))
        if ports.count == 1 { return ports.first }
        labels.complain(
            "prometheus.io/port", "is missing, and the container has \(ports.count) TCP ports",
            allowed: "the port its metrics are at")
        return nil
    }

    private static func endpoint(
        _ observed: ObservedContainer, port: Int, _ labels: inout ScrapeLabels
    ) -> HTTPEndpoint? {
        if let own = observed.ownAddress { return .tcp(host: own, port: port) }
        if observed.usesHostNetwork { return .tcp(host: "127.0.0.1", port: port) }
        let published = observed.container.ports.first {
            $0.containerPort == port && $0.protocol == "tcp" && $0.hostPort != nil
        }
        guard let published, let hostPort = published.hostPort else {
            labels.complain(
                "prometheus.io/port", "is \(port), and the container has no address of its own",
                allowed: "a published port, a network with addresses, or the host's network")
            return nil
        }
        let bound = published.hostAddress ?? "0.0.0.0"
        let isAny = bound == "0.0.0.0" || bound == "::"
        return .tcp(host: isAny ? "127.0.0.1" : bound, port: hostPort)
    }
}

extension ObservedContainer {
    /// Where the container is reached from its host; nil on the host's network and without any network.
    var ownAddress: String? {
        usesHostNetwork ? nil : container.networks.first { !$0.address.isEmpty }?.address
    }
}

/// The labels of one container that speak of scraping.
private struct ScrapeLabels {
    let container: Container
    private(set) var complaints: [LabelComplaint] = []

    init(container: Container) { self.container = container }

    func text(_ key: String) -> (label: String, text: String)? {
        for label in ["prometheus.io/\(key)", "prometheus-\(key)"] {
            if let text = container.labels[label], !text.isEmpty { return (label, text) }
        }
        return nil
    }

    var isAsking: Bool {
        mutating get {
            guard let (label, text) = text("scrape") else { return text("port") != nil }
            guard let isAsking = Bool(text.lowercased()) else {
                complain(label, "is \"\(text.prefix(100))\"", allowed: "true or false")
                return false
            }
            return isAsking
        }
    }

    var isPlain: Bool {
        mutating get {
            guard let (label, text) = text("scheme"), text.lowercased() != "http" else { return true }
            complain(label, "is \"\(text.prefix(100))\"", allowed: "http")
            return false
        }
    }

    var path: String? {
        mutating get {
            guard let (label, text) = text("path") else { return "/metrics" }
            if text.hasPrefix("/"), text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) { return text }
            complain(label, "is \"\(text.prefix(100))\"", allowed: "a path such as /metrics, or one with a query")
            return nil
        }
    }

    mutating func complain(_ label: String, _ problem: String, allowed: String) {
        complaints.append(LabelComplaint(container: container.name, label: label, problem: problem, allowed: allowed))
    }
}
