import MusterHost
import MusterModel
import Testing

@Suite struct ContainerRecipeTests {
    private func json(_ text: String) throws -> DockerJSON { try DockerJSON(parsing: Array(text.utf8)) }

    private func made(
        _ old: String, image: String = "{}", kept: Set<String> = [], version: DockerAPI.Version = .init(1, 41)
    ) throws -> ContainerRecipe.Made {
        ContainerRecipe.made(
            from: try json(old), oldImage: try json(image), image: "web:2", keptLabels: kept,
            addedLabels: ["muster.rollout": "r2"], version: version)
    }

    @Test func whatTheOldImageSetIsLeftToTheNewOne() throws {
        let image = #"""
            {"Config":{"Env":["PATH=/bin","VERSION=1","MODE=slow"],"Cmd":["serve"],"Entrypoint":["/init"],"WorkingDir":"/srv",
             "User":"app","Labels":{"built":"one","team":"a"},"ExposedPorts":{"80/tcp":{}},"Volumes":{"/cache":{}},
             "Healthcheck":{"Test":["CMD","x"]},"StopSignal":"SIGINT"}}
            """#
        let body = try made(
            #"""
            {"Id":"0123456789abcdef","Config":{"Env":["OWN=1","PATH=/bin","VERSION=1","MODE=fast"],"Cmd":["serve"],"Entrypoint":["/init"],
             "WorkingDir":"/srv","User":"root","Labels":{"built":"one","team":"b","app":"web","muster.rollout":"r1","muster.old":"x"},
             "ExposedPorts":{"80/tcp":{},"81/tcp":{}},"Volumes":{"/cache":{}},"Healthcheck":{"Test":["CMD","x"]},
             "StopSignal":"SIGINT","Hostname":"0123456789ab","Domainname":"","Image":"web:1","OnBuild":null}}
            """#, image: image
        ).body
        #expect(body["Image"]?.string == "web:2")
        #expect(body["Env"]?.strings == ["OWN=1", "MODE=fast"])
        #expect(body["User"]?.string == "root")
        #expect(body["Labels"]?.texts == ["team": "b", "app": "web", "muster.rollout": "r2"])
        #expect(body["ExposedPorts"]?.members.map(\.key) == ["81/tcp"])
        for key in ["Cmd", "Entrypoint", "WorkingDir", "Volumes", "Healthcheck", "StopSignal", "Hostname", "OnBuild"] {
            #expect(body[key] == nil, "\(key)")
        }
    }

    @Test func aCommandOfOnesOwnStaysAndAnEntryPointTakesItsCommandAlong() throws {
        let image = #"{"Config":{"Cmd":["serve"],"Entrypoint":["/init"]}}"#
        let command = try made(#"{"Config":{"Cmd":["debug"],"Entrypoint":["/init"]}}"#, image: image).body
        #expect(command["Cmd"]?.strings == ["debug"])
        #expect(command["Entrypoint"] == nil)
        let entry = try made(#"{"Config":{"Cmd":["serve"],"Entrypoint":["/own"]}}"#, image: image).body
        #expect(entry["Cmd"]?.strings == ["serve"])
        #expect(entry["Entrypoint"]?.strings == ["/own"])
    }

    @Test func labelsTheStepFindsItsContainersByAreKept() throws {
        let labels = #"{"Config":{"Labels":{"app":"web"}}}"#
        #expect(try made(labels, image: labels).body["Labels"]?.texts["app"] == nil)
        #expect(try made(labels, image: labels, kept: ["app"]).body["Labels"]?.texts["app"] == "web")
    }

    @Test func theHostConfigurationIsCarriedWhole() throws {
        let body = try made(
            #"""
            {"Config":{},"HostConfig":{"Memory":67108864,"CpuQuota":null,"NanoCpus":1500000000,"ContainerIDFile":"/x",
             "Links":["/db:/web/database"],"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"ShmSize":12345678901234}}
            """#
        ).body
        #expect(
            body["HostConfig"]?.description
                == #"{"Memory":67108864,"NanoCpus":1500000000,"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3},"ShmSize":12345678901234,"Links":["db:database"]}"#
        )
    }

    @Test func volumesNobodyNamedAreTakenOver() throws {
        let body = try made(
            #"""
            {"Config":{},"HostConfig":{"Binds":["/srv:/srv:ro","named:/named"],
             "Mounts":[{"Type":"volume","Target":"/fresh"},{"Type":"volume","Source":"own","Target":"/own"},{"Type":"tmpfs","Target":"/tmp"}]},
             "Mounts":[{"Type":"bind","Source":"/srv","Destination":"/srv"},{"Type":"volume","Name":"named","Destination":"/named"},
              {"Type":"volume","Name":"f00","Destination":"/fresh","RW":true},{"Type":"volume","Name":"own","Destination":"/own"},
              {"Type":"volume","Name":"a11","Destination":"/data","RW":false}]}
            """#
        ).body
        #expect(
            body["HostConfig"]?["Binds"]?.strings == ["/srv:/srv:ro", "named:/named", "a11:/data:ro", "f00:/fresh"])
        #expect(body["HostConfig"]?["Mounts"]?.elements.compactMap { $0["Target"]?.string } == ["/own", "/tmp"])
    }

    static let twoNetworks = #"""
        {"Id":"0123456789abcdef","Config":{"MacAddress":"02:42:00:00:00:09"},"HostConfig":{"NetworkMode":"front"},
         "NetworkSettings":{"Networks":{
          "back":{"Aliases":["0123456789ab"],"IPAddress":"10.2.0.2","IPAMConfig":null},
          "front":{"Aliases":["web","0123456789ab"],"IPAddress":"10.1.0.2","MacAddress":"02:42:0a:01:00:02","IPAMConfig":{"IPv4Address":"10.1.0.9"}}}}}
        """#

    @Test func networksKeepWhatPeopleSetAndLoseWhatDockerChose() throws {
        let made = try made(Self.twoNetworks)
        #expect(
            made.body["NetworkingConfig"]?.description
                == #"{"EndpointsConfig":{"front":{"Aliases":["web"],"IPAMConfig":{"IPv4Address":"10.1.0.9"}}}}"#)
        #expect(made.furtherNetworks == [ContainerRecipe.Network(name: "back", endpoint: .object([]))])
        #expect(made.body["MacAddress"]?.string == "02:42:00:00:00:09")
        // From API 1.44 on the address belongs to the network.
        let newer = try self.made(Self.twoNetworks, version: .init(1, 44))
        #expect(newer.body["MacAddress"] == nil)
        #expect(
            newer.body["NetworkingConfig"]?["EndpointsConfig"]?["front"]?["MacAddress"]?.string == "02:42:00:00:00:09")
    }

    @Test func theDefaultBridgeIsSaidByTheModeAlone() throws {
        let plain = try made(
            #"""
            {"Config":{},"HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{"bridge":{"Aliases":null,"IPAddress":"172.17.0.2"}}}}
            """#)
        #expect(plain.body["NetworkingConfig"] == nil)
        #expect(plain.furtherNetworks.isEmpty)
        let more = try made(
            #"""
            {"Config":{},"HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{"bridge":{},"back":{"Aliases":["x"]}}}}
            """#)
        #expect(more.furtherNetworks.map(\.name) == ["back"])
    }

    @Test(arguments: ["host", "none", "container:abc"])
    func networksOfOthersAreNotJoined(_ mode: String) throws {
        let made = try made(
            #"""
            {"Id":"0123456789abcdef","Config":{"Hostname":"box","ExposedPorts":{"80/tcp":{}},"Domainname":"d"},
             "HostConfig":{"NetworkMode":"\#(mode)"},"NetworkSettings":{"Networks":{"host":{}}}}
            """#)
        #expect(made.body["NetworkingConfig"] == nil)
        #expect(made.furtherNetworks.isEmpty)
        #expect((made.body["Hostname"] == nil) == (mode != "none"))
        #expect((made.body["ExposedPorts"] == nil) == mode.hasPrefix("container:"))
    }
}
