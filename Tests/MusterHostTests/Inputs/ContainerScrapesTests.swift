import MusterHost
import MusterInterchange
import MusterModel
import Testing

@Suite struct ContainerScrapesTests {
    private static let published = Container.Port(containerPort: 80, protocol: "tcp", hostPort: 32_768)
    private static let policy = ContainerScrapePolicy(interval: .seconds(5), timeout: .seconds(2), maxSeries: 7)

    private func container(
        _ labels: [String: String], name: String = "web-1", ports: [Container.Port] = [published],
        address: String = "172.17.0.2", hostNetwork: Bool = false, pid: Int? = 5
    ) -> ObservedContainer {
        ObservedContainer(
            container: Container(
                id: "id-\(name)", name: name, image: "web:1", labels: Labels(labels), state: .running, ports: ports,
                networks: [.init(name: "bridge", address: address)]),
            pid: pid, usesHostNetwork: hostNetwork)
    }

    private func found(
        _ containers: ObservedContainer..., services: [String: String] = [:]
    ) -> (lines: [String], complaints: [String]) {
        let found = ContainerScrapes.targets(of: containers, services: services, policy: Self.policy)
        return (
            found.targets.map { target in
                let labels = target.labels.labels
                return "\(target) \(labels["job"] ?? "") \(labels["instance"] ?? "")"
            }, found.complaints.map(\.description)
        )
    }

    @Test(
        arguments: [
            (["prometheus.io/scrape": "true"], "http://172.17.0.2:80/metrics web-1 web-1"),
            (
                ["prometheus.io/scrape": "True", "prometheus.io/port": "9100"],
                "http://172.17.0.2:9100/metrics web-1 web-1"
            ),
            (
                [
                    "prometheus-scrape": "true", "prometheus-port": "9100", "prometheus-path": "/m?a=b",
                    "prometheus-job": "j",
                ],
                "http://172.17.0.2:9100/m?a=b j web-1"
            ),
            (["prometheus-port": "1"], "http://172.17.0.2:1/metrics web-1 web-1"),
            (["prometheus.io/port": "2", "prometheus.io/scheme": "HTTP"], "http://172.17.0.2:2/metrics web-1 web-1"),
            (["prometheus.io/port": "3", "prometheus-port": "4"], "http://172.17.0.2:3/metrics web-1 web-1"),
            (["prometheus.io/scrape": "false", "prometheus.io/port": "2"], nil), (["prometheus.io/path": "/m"], nil),
            ([:], nil), (["prometheus-job": "j"], nil),
        ] as [([String: String], String?)])
    func `labels ask for a scrape`(labels: [String: String], target: String?) {
        let found = found(container(labels))
        #expect(found.lines == (target.map { [$0] } ?? []) && found.complaints == [])
    }

    @Test(
        arguments: [
            (["prometheus.io/scrape": "yes"], "label prometheus.io/scrape is \"yes\"; allowed: true or false"),
            (["prometheus-port": "0"], "label prometheus-port is \"0\"; allowed: a port"),
            (["prometheus-port": "80/tcp"], "label prometheus-port is"),
            (["prometheus-port": "1", "prometheus-path": "metrics"], "label prometheus-path is \"metrics\""),
            (["prometheus-port": "1", "prometheus-path": "/a b"], "label prometheus-path is \"/a b\""),
            (
                ["prometheus-port": "1", "prometheus.io/scheme": "https"],
                "label prometheus.io/scheme is \"https\"; allowed: http"
            ),
        ] as [([String: String], String)])
    func `labels that make no sense are told`(labels: [String: String], complaint: String) {
        let found = found(container(labels))
        #expect(found.lines.isEmpty && found.complaints.count == 1)
        #expect(found.complaints.first?.contains("container web-1: \(complaint)") == true, "\(found.complaints)")
    }

    @Test func `the address is the one at which the host reaches the container`() {
        let asks = ["prometheus.io/scrape": "true", "prometheus.io/port": "80"]
        #expect(found(container(asks, hostNetwork: true)).lines == ["http://127.0.0.1:80/metrics web-1 web-1"])
        #expect(found(container(asks, address: "")).lines == ["http://127.0.0.1:32768/metrics web-1 web-1"])
        let bound = Container.Port(containerPort: 80, protocol: "tcp", hostPort: 81, hostAddress: "10.0.0.7")
        #expect(found(container(asks, ports: [bound], address: "")).lines == ["http://10.0.0.7:81/metrics web-1 web-1"])
        let hidden = found(container(asks, ports: [.init(containerPort: 80, protocol: "tcp")], address: ""))
        #expect(hidden.lines.isEmpty && hidden.complaints[0].contains("has no address of its own"))
        #expect(found(container(asks, address: "fd00::2")).lines == ["http://[fd00::2]:80/metrics web-1 web-1"])
    }

    @Test func `without a port there must be one that is meant`() {
        let asks = ["prometheus.io/scrape": "true"]
        let udp = Container.Port(containerPort: 53, protocol: "udp")
        #expect(
            found(container(asks, ports: [Self.published, udp])).lines == ["http://172.17.0.2:80/metrics web-1 web-1"])
        let both = found(container(asks, ports: [Self.published, .init(containerPort: 81, protocol: "tcp")]))
        #expect(both.lines.isEmpty && both.complaints[0].contains("the container has 2 TCP ports"))
        #expect(found(container(asks, ports: [])).complaints[0].contains("has 0 TCP ports"))
    }

    @Test func `only containers that run and are not parked, with the job of their service`() {
        let asks = ["prometheus-port": "1"]
        let parked = ParkedName.old("web-1", step: "s")
        let found = found(
            container(asks, name: "a"), container(asks, name: "b", pid: nil), container(asks, name: parked),
            container(asks.merging(["prometheus-job": "own"]) { $1 }, name: "c"),
            services: ["id-a": "shop", "id-c": "shop"])
        #expect(
            found.lines == ["http://172.17.0.2:1/metrics shop a", "http://172.17.0.2:1/metrics own c"])
        let target = ContainerScrapes.targets(of: [container(asks)], services: [:], policy: Self.policy).targets[0]
        #expect(target.interval == .seconds(5) && target.timeout == .seconds(2) && target.maxSeries == 7)
        #expect(!target.labels.honorsLabels)
    }
}
