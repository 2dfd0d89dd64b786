import MusterHost
import MusterModel
import Testing

@Suite struct ObservedContainerTests {
    private func inspected(_ text: String) throws -> ObservedContainer? {
        ObservedContainer(inspected: try DockerJSON(parsing: Array(text.utf8)))
    }

    static let running = #"""
        {"Id":"c1","Name":"/web-1","Image":"sha256:11","RestartCount":2,"LogPath":"/var/c1-json.log",
         "State":{"Status":"running","Running":true,"Pid":42,"ExitCode":0,"StartedAt":"2026-03-01T09:30:00.25Z",
          "Health":{"Status":"unhealthy","Log":[{"Output":"old"},{"Output":"no database\nreally"}]}},
         "Config":{"Image":"web:1","Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{},"9000/tcp":{}}},
         "HostConfig":{"NetworkMode":"default","LogConfig":{"Type":"local"},
          "PortBindings":{"80/tcp":[{"HostIp":"","HostPort":""}]}},
         "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"32768"}],"9000/tcp":null},
          "Networks":{"z":{"IPAddress":"10.0.0.2"},"b":{"IPAddress":"","GlobalIPv6Address":"fd00::2"}}}}
        """#

    @Test func everythingTheFleetMayKnowIsRead() throws {
        let seen = try #require(try inspected(Self.running))
        #expect(
            seen.container
                == Container(
                    id: "c1", name: "web-1", image: "web:1", imageDigest: "sha256:11", labels: ["a": "b"],
                    state: .running,
                    health: .unhealthy, startedAt: Instant(nanoseconds: 1_772_357_400_250_000_000), restarts: 2,
                    exitCode: nil,
                    ports: [
                        .init(containerPort: 80, protocol: "tcp", hostPort: 32_768, hostAddress: "0.0.0.0"),
                        .init(containerPort: 9_000, protocol: "tcp"),
                    ],
                    networks: [.init(name: "b", address: "fd00::2"), .init(name: "z", address: "10.0.0.2")]))
        #expect(seen.pid == 42)
        #expect(seen.logPath == "/var/c1-json.log")
        #expect(seen.logDriver == "local")
        #expect(seen.healthOutput == "no database")
    }

    @Test func aStoppedContainerKeepsThePortsItWishesFor() throws {
        let seen = try #require(
            try inspected(
                #"""
                {"Id":"c1","Name":"/w","State":{"Status":"exited","Running":false,"Pid":0,"ExitCode":137,"StartedAt":"0001-01-01T00:00:00Z"},
                 "Config":{"ExposedPorts":{"80/tcp":{}}},"HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"8080"}]}},
                 "NetworkSettings":{"Ports":{}},"LogPath":""}
                """#))
        #expect(seen.container.exitCode == 137)
        #expect(seen.container.startedAt == nil)
        #expect(seen.container.ports == [.init(containerPort: 80, protocol: "tcp", hostPort: 8_080)])
        #expect(seen.pid == nil)
        #expect(seen.logPath == nil)
        #expect(seen.usesHostNetwork)
    }

    @Test(arguments: [
        "{}", "[]", #"{"Id":"c1","Name":"/w"}"#, #"{"Id":"c1","Name":"/w","State":{"Status":"dreaming"}}"#,
        #"{"Id":1,"Name":"/w","State":{"Status":"running"}}"#,
    ])
    func whatMissesTheEssentialsIsNoContainer(_ text: String) throws {
        #expect(try inspected(text) == nil)
    }

    @Test func valuesOutOfRangeAreLeftOutAndNothingTraps() throws {
        let seen = try #require(
            try inspected(
                #"""
                {"Id":"c1","Name":"/w","RestartCount":-3,"State":{"Status":"running","Running":true,"Pid":-1,"ExitCode":99999999999999999999},
                 "NetworkSettings":{"Ports":{"99999/tcp":[{"HostPort":"1"}],"80/tcp":[{"HostPort":"70000"}],"x":[{"HostPort":"1"}]}}}
                """#))
        #expect(seen.container.restarts == 0)
        #expect(seen.pid == nil)
        #expect(seen.container.ports == [.init(containerPort: 80, protocol: "tcp")])
    }

    @Test func labelsAreBounded() throws {
        let long = String(repeating: "x", count: Limits.labelValueBytes + 1)
        let many = (0..<Limits.labelsPerSet + 5).map { ("label\(1_000 + $0)", "v") } + [("a", long)]
        let labels = DockerJSON.texts(Dictionary(uniqueKeysWithValues: many))
        let seen = try #require(
            try inspected(#"{"Id":"c","Name":"/w","State":{"Status":"running"},"Config":{"Labels":\#(labels)}}"#))
        #expect(seen.container.labels.count == Limits.labelsPerSet)
        #expect(seen.container.labels["a"] == nil)
    }
}
