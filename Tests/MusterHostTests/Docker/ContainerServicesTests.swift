import MusterHost
import MusterModel
import Testing

@Suite struct ContainerServicesTests {
    let host = ExampleNames.host("h1")

    private func container(
        named name: String = "web-1", _ labels: [String: String], ports: [Container.Port] = [published],
        state: Container.State = .running, health: Container.Health = .none, hostNetwork: Bool = false
    ) -> ObservedContainer {
        ObservedContainer(
            container: Container(
                id: "id-\(name)", name: name, image: "web:1", labels: Labels(labels), state: state, health: health,
                ports: ports, networks: [.init(name: "bridge", address: "172.17.0.2")]),
            usesHostNetwork: hostNetwork)
    }

    static let published = Container.Port(containerPort: 80, protocol: "tcp", hostPort: 32_768, hostAddress: "0.0.0.0")
    static let exposed = Container.Port(containerPort: 9_000, protocol: "tcp")
    static let dns = Container.Port(containerPort: 53, protocol: "udp", hostPort: 5_353)

    private func discover(_ containers: ObservedContainer..., statics: [StaticService] = []) -> DiscoveredServices {
        ContainerServices.discover(containers: containers, statics: statics, host: host, advertisedAddress: "10.1.1.1")
    }

    /// `service id address:port` for each instance.
    private func lines(_ found: DiscoveredServices) -> [String] {
        found.targets.map { "\($0.instance.service) \($0.instance.id) \($0.instance.address):\($0.instance.port)" }
    }

    @Test func aNamedContainerOffersItsPublishedPortAtTheAdvertisedAddress() {
        let found = discover(
            container(["SERVICE_NAME": "web", "SERVICE_TAGS": #"a,b\,c,,d\x"#, "SERVICE_WEIGHT": "7"]))
        #expect(lines(found) == ["web h1:web-1:80 10.1.1.1:32768"])
        #expect(found.targets[0].instance.tags == ["a", "b,c", #"d\x"#])
        #expect(found.targets[0].instance.weight == 7)
        #expect(found.targets[0].instance.container == "id-web-1")
        #expect(found.targets[0].policy == CheckPolicy(kind: .none))
        #expect(found.targets[0].checkAddress == "172.17.0.2")
        #expect(found.targets[0].checkPort == 80)
        #expect(found.complaints.isEmpty)
    }

    @Test func withoutANameNothingIsOffered() {
        #expect(discover(container([:])).targets.isEmpty)
        #expect(discover(container(["SERVICE_TAGS": "x", "SERVICE_80_CHECK_HTTP": "/"])).targets.isEmpty)
    }

    @Test func ofSeveralPortsTheSharedNameIsFollowedByThePort() {
        let ports = [Self.published, Self.exposed, Self.dns]
        #expect(
            lines(discover(container(["SERVICE_NAME": "web"], ports: ports))) == [
                "web-53 h1:web-1:53:udp 10.1.1.1:5353", "web-80 h1:web-1:80 10.1.1.1:32768",
            ])
        #expect(
            lines(discover(container(["SERVICE_NAME": "web", "SERVICE_53_NAME": "dns"], ports: ports))) == [
                "dns h1:web-1:53:udp 10.1.1.1:5353", "web h1:web-1:80 10.1.1.1:32768",
            ])
        #expect(
            lines(discover(container(["SERVICE_NAME": "web", "SERVICE_53_IGNORE": "true"], ports: ports))) == [
                "web-80 h1:web-1:80 10.1.1.1:32768"
            ])
    }

    @Test func exposedPortsAndPortsOnlyNamedAreOfferedAtTheContainersAddress() {
        #expect(
            lines(discover(container(["SERVICE_NAME": "web"], ports: [Self.exposed]))) == [
                "web h1:web-1:9000 172.17.0.2:9000"
            ])
        #expect(
            lines(discover(container(["SERVICE_7000_NAME": "raft"], ports: []))) == [
                "raft h1:web-1:7000 172.17.0.2:7000"
            ])
        let onHost = discover(container(["SERVICE_7000_NAME": "raft"], ports: [], hostNetwork: true))
        #expect(lines(onHost) == ["raft h1:web-1:7000 10.1.1.1:7000"])
        #expect(onHost.targets[0].checkAddress == "10.1.1.1")
    }

    @Test func aPortPublishedOnOneAddressIsOfferedThere() {
        let port = Container.Port(containerPort: 80, protocol: "tcp", hostPort: 8_080, hostAddress: "127.0.0.1")
        #expect(
            lines(discover(container(["SERVICE_NAME": "web"], ports: [port]))) == ["web h1:web-1:80 127.0.0.1:8080"])
    }

    @Test func bothFamiliesOfOnePublishedPortAreOneInstance() {
        let six = Container.Port(containerPort: 80, protocol: "tcp", hostPort: 32_768, hostAddress: "::")
        #expect(lines(discover(container(["SERVICE_NAME": "web"], ports: [Self.published, six]))).count == 1)
    }

    @Test func ignoredAndParkedContainersOfferNothing() {
        #expect(discover(container(["SERVICE_NAME": "web", "SERVICE_IGNORE": "yes"])).targets.isEmpty)
        #expect(discover(container(["SERVICE_NAME": "web", "SERVICE_IGNORE": "false"])).targets.count == 1)
        for name in [
            ParkedName.old("web", step: "r.s"), ParkedName.new("web", step: "r.s"),
            ParkedName.failed("web", step: "r.s"),
        ] {
            #expect(discover(container(named: name, ["SERVICE_NAME": "web"])).targets.isEmpty)
        }
    }

    @Test func theIdOfALabelTakesTheNamesPlaceAndIsUnique() {
        let found = discover(
            container(named: "a", ["SERVICE_NAME": "web", "SERVICE_ID": "w"]),
            container(named: "b", ["SERVICE_NAME": "web", "SERVICE_80_ID": "w"]))
        #expect(lines(found) == ["web h1:w:80 10.1.1.1:32768"])
        #expect(found.complaints.map(\.label) == ["SERVICE_ID"])
    }

    @Test(arguments: [
        (["SERVICE_CHECK_HTTP": "/health"], CheckKind.http(path: "/health")),
        (["SERVICE_80_CHECK_HTTP": "/h?x=1", "SERVICE_CHECK_HTTP": "/other"], .http(path: "/h?x=1")),
        (["SERVICE_CHECK_TCP": "true"], .tcp), (["SERVICE_CHECK_TCP": "false"], .none), ([:], .none),
    ])
    func checksComeFromLabels(_ labels: [String: String], _ kind: CheckKind) {
        let found = discover(container(labels.merging(["SERVICE_NAME": "web"]) { $1 }))
        #expect(found.targets[0].policy.kind == kind)
        #expect(found.complaints.isEmpty)
    }

    @Test func theImagesOwnHealthCheckIsUsedWhereNoLabelAsksForAnother() {
        #expect(discover(container(["SERVICE_NAME": "web"], health: .starting)).targets[0].policy.kind == .docker)
        #expect(
            discover(container(["SERVICE_NAME": "web", "SERVICE_CHECK_TCP": "true"], health: .healthy)).targets[0]
                .policy.kind == .tcp)
    }

    @Test func timesAndCountsOfChecksAreRead() {
        let found = discover(
            container([
                "SERVICE_NAME": "web", "SERVICE_CHECK_TCP": "1", "SERVICE_CHECK_INTERVAL": "250ms",
                "SERVICE_80_CHECK_TIMEOUT": "2s",
                "SERVICE_CHECK_RISE": "2", "SERVICE_CHECK_FALL": "3", "SERVICE_CHECK_HTTP": "/",
            ]))
        #expect(
            found.targets[0].policy
                == CheckPolicy(
                    kind: .http(path: "/"), interval: .milliseconds(250), timeout: .seconds(2), rise: 2, fall: 3))
        #expect(found.complaints.map(\.label) == ["SERVICE_CHECK_TCP"])
    }

    @Test(arguments: [
        ("SERVICE_CHECK_HTTP", "health"), ("SERVICE_CHECK_HTTP", "/a b"), ("SERVICE_CHECK_INTERVAL", "soon"),
        ("SERVICE_CHECK_INTERVAL", "1ms"), ("SERVICE_CHECK_TIMEOUT", "2h"), ("SERVICE_CHECK_RISE", "0"),
        ("SERVICE_CHECK_FALL", "-1"), ("SERVICE_WEIGHT", "1001"), ("SERVICE_CHECK_SCRIPT", "/x.sh"),
        ("SERVICE_CHECK_TTL", "10s"), ("SERVICE_CHECK_HTTPS", "/"), ("SERVICE_CHECK_TCP", "perhaps"),
    ])
    func aLabelThatCannotBeFollowedIsIgnoredWithAComplaint(_ label: String, _ value: String) {
        let found = discover(container(["SERVICE_NAME": "web", label: value]))
        #expect(found.targets[0].policy == CheckPolicy(kind: .none))
        #expect(found.targets[0].instance.weight == 100)
        #expect(found.complaints.map(\.label) == [label])
        #expect(
            found.complaints.allSatisfy {
                $0.description.contains("container web-1: label \(label)") && !$0.allowed.isEmpty
            })
    }

    @Test func aNameThatIsNoneAndANameWithoutAPortAreComplainedAbout() {
        let bad = discover(container(["SERVICE_NAME": "a/b"]))
        #expect(bad.targets.isEmpty)
        #expect(
            bad.complaints.first?.description
                == #"container web-1: label SERVICE_NAME is "a/b"; allowed: 1 to 128 letters, digits, dots, dashes or underscores"#
        )
        let portless = discover(container(["SERVICE_NAME": "web"], ports: []))
        #expect(portless.targets.isEmpty)
        #expect(portless.complaints.first?.problem == "names a service, but the container has no port")
    }

    @Test func servicesFromTheConfigurationStandBesideContainers() {
        let statics = [
            StaticService(name: ExampleNames.service("db"), port: 5_432, tags: ["pg"]),
            StaticService(
                name: ExampleNames.service("cache"), address: "127.0.0.1", port: 6_379, check: CheckPolicy(kind: .none)),
            StaticService(name: ExampleNames.service("db"), port: 5_432),
        ]
        let found = discover(container(["SERVICE_NAME": "web"]), statics: statics)
        #expect(
            lines(found) == [
                "cache h1:cache:6379 127.0.0.1:6379", "db h1:db:5432 10.1.1.1:5432", "web h1:web-1:80 10.1.1.1:32768",
            ])
        #expect(found.targets[1].policy.kind == .tcp)
        #expect(found.targets[1].life == nil)
    }

    @Test func instancesComplaintsAndTagsAreBounded() {
        let ports = (1...Limits.instancesPerHost + 10).map { Container.Port(containerPort: $0, protocol: "tcp") }
        let tags = [String](repeating: "t", count: 2 * ContainerServices.tagLimit).joined(separator: ",")
        let found = discover(container(["SERVICE_NAME": "web", "SERVICE_TAGS": tags], ports: ports))
        #expect(found.targets.count == Limits.instancesPerHost)
        #expect(found.complaints.count == 10)
        #expect(found.targets[0].instance.tags.count == ContainerServices.tagLimit)
        let noisy = (0..<2_000).map { container(named: "c\($0)", ["SERVICE_NAME": "a/b"]) }
        let all = ContainerServices.discover(containers: noisy, host: host, advertisedAddress: "x")
        #expect(all.complaints.count == ContainerServices.complaintLimit)
    }
}
