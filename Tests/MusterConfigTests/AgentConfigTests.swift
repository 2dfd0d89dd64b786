import MusterConfig
import MusterModel
import MusterYAML
import Testing

private func agent(_ text: String) throws(ConfigError) -> AgentConfig {
    try AgentConfig(try YAML.parse(text, file: "agent.yaml"))
}

/// A file that is whole but for `text`.
private func agentWith(_ text: String) throws(ConfigError) -> AgentConfig { try agent("coordinator: [c]\n" + text) }

@Suite struct AgentFiles {
    @Test func `the shortest file has every default`() throws {
        let config = try agent("coordinator: [muster.example.com:7443]")
        #expect(config == AgentConfig(coordinators: [Endpoint(host: "muster.example.com", port: 7443)]))
        #expect(config.stateDirectory == "/var/lib/muster/agent")
        #expect(config.metrics.interval == .seconds(1))
        #expect(config.metrics["meminfo"] == .init(isEnabled: true, interval: .seconds(1)))
        #expect(config.metrics["filesystem"] == .init(isEnabled: true, interval: .seconds(10)))
        #expect(config.metrics["nobody"].isEnabled == false)
        #expect(
            config.docker.isEnabled && config.docker.socket == "/var/run/docker.sock" && config.docker.select.isEmpty)
        #expect(config.logs.startAt == .beginning && config.logs.readsContainers && config.logs.files.isEmpty)
        #expect(config.spoolBytes == 256 << 20 && config.mayReplaceContainers && config.services.isEmpty)
        #expect(config.hostName == nil && config.advertiseAddress == nil && config.labels.isEmpty)
    }

    @Test func `every key is read`() throws {
        let config = try agent(
            """
            coordinator: [a:1, "[::1]:2", 10.0.0.1]
            stateDirectory: /tmp/state
            hostName: web-1
            advertiseAddress: 10.1.2.3
            labels: {zone: eu, rack: "7"}
            metrics:
              interval: 500ms
              collectors:
                meminfo: {enabled: false}
                netdev: {interval: 2s}
                filesystem:
              families: {node_vmstat_*: 10s, node_filesystem_files: 5m, ignored: ~, "*": 2s}
            docker: {enabled: false, socket: /run/d.sock, select: {team.name: x}}
            logs:
              startAt: end
              files:
                - {path: /var/log/*.log, labels: {app: nginx}, service: web}
                - path: /b
              containers: {enabled: false}
            services:
              - {name: db, port: 5432, check: {tcp: true, interval: 2s, timeout: 500ms, rise: 2, fall: 3}}
              - {name: web, address: "::1", port: 80, tags: [a, b], weight: 0, check: {http: "/health?x=1"}}
              - {name: plain, port: 1}
            spool: {maxBytes: 1GiB}
            actions: {containers: false}
            """)
        #expect(config.coordinators.map(\.description) == ["a:1", "[::1]:2", "10.0.0.1:7443"])
        #expect(config.stateDirectory == "/tmp/state" && config.hostName == "web-1")
        #expect(config.advertiseAddress == "10.1.2.3" && config.labels == ["zone": "eu", "rack": "7"])
        #expect(config.metrics["meminfo"].isEnabled == false)
        #expect(config.metrics["netdev"] == .init(isEnabled: true, interval: .seconds(2)))
        #expect(config.metrics["stat"] == .init(isEnabled: true, interval: .milliseconds(500)))
        #expect(config.metrics["filesystem"] == .init(isEnabled: true, interval: .seconds(10)))
        #expect(
            config.metrics.families == [
                .init(pattern: "node_vmstat_*", interval: .seconds(10)),
                .init(pattern: "node_filesystem_files", interval: .minutes(5)),
                .init(pattern: "*", interval: .seconds(2)),
            ])
        #expect(config.docker.isEnabled == false && config.docker.socket == "/run/d.sock")
        #expect(config.docker.select == ["team.name": "x"])
        #expect(config.logs.startAt == .end && !config.logs.readsContainers)
        #expect(
            config.logs.files == [
                .init(path: "/var/log/*.log", labels: ["app": "nginx"], service: ServiceName("web")), .init(path: "/b"),
            ])
        #expect(
            config.services.map(\.check) == [
                CheckPolicy(kind: .tcp, interval: .seconds(2), timeout: .milliseconds(500), rise: 2, fall: 3),
                CheckPolicy(kind: .http(path: "/health?x=1")), CheckPolicy(kind: .none),
            ])
        #expect(config.services.map(\.name.text) == ["db", "web", "plain"])
        #expect(config.services.map(\.weight) == [100, 0, 100] && config.services[1].tags == ["a", "b"])
        #expect(config.services[1].address == "::1" && config.services[0].address == nil)
        #expect(config.spoolBytes == 1 << 30 && config.mayReplaceContainers == false)
    }

    @Test(arguments: [
        ("", "agent.yaml:1:1: 'coordinator' is missing; allowed: a list of host:port"),
        ("coordinator: a:1", "agent.yaml:1:14: 'coordinator' is \"a:1\"; allowed: a list"),
        ("coordinator: []", "'coordinator' has 0 addresses; allowed: 1 to 16"),
        ("coordinator: [a, 'b:x']", "agent.yaml:1:18: 'coordinator[1]' is \"b:x\"; allowed: host:port"),
        ("coordinator: [a:0]", "'coordinator[0]' is \"a:0\""), ("coordinator: ['a:65536']", "'coordinator[0]' is"),
        ("coordinator: [[a]]", "'coordinator[0]' is a list"),
        ("[1]", "agent.yaml:1:1: the document is a list; allowed: a mapping of keys"),
        ("text", "the document is \"text\""),
    ])
    func `the coordinator's addresses are checked`(text: String, message: String) {
        expectError(message) { () throws(ConfigError) in try agent(text) }
    }

    @Test(arguments: [
        ("color: red", "agent.yaml:2:1: 'color' is unknown; allowed: coordinator, stateDirectory, hostName"),
        ("stateDirectory: state", "agent.yaml:2:17: 'stateDirectory' is \"state\"; allowed: an absolute path"),
        ("stateDirectory: [/a]", "'stateDirectory' is a list"),
        ("hostName: a b", "'hostName' is \"a b\"; allowed: 1 to 128"),
        ("advertiseAddress: 10.0.0.1:80", "'advertiseAddress' is"),
        ("advertiseAddress: {}", "'advertiseAddress' is a mapping"),
        ("labels: {1a: x}", "'labels' has the label name \"1a\"; allowed: names of letters"),
        ("labels: {__a: x}", "has the label name \"__a\""), ("labels: {a-b: x}", "has the label name \"a-b\""),
        ("labels: [a]", "'labels' is a list; allowed: a mapping"),
        ("labels: {a: [b]}", "'labels.a' is a list; allowed: a text"),
        (
            "metrics: {interval: 1}",
            "'metrics.interval' is \"1\"; allowed: a duration such as 10s or 1m30s, from 100ms to 5m"
        ),
        ("metrics: {interval: 50ms}", "'metrics.interval' is \"50ms\""),
        ("metrics: {every: 1s}", "'metrics.every' is unknown; allowed: interval, collectors"),
        ("metrics: {collectors: {gpu: {}}}", "'metrics.collectors.gpu' is unknown; allowed: conntrack, container"),
        (
            "metrics: {collectors: {meminfo: {enabled: 1}}}",
            "'metrics.collectors.meminfo.enabled' is \"1\"; allowed: true or false"
        ),
        ("metrics: {collectors: {meminfo: {enabled: \"true\"}}}", "'metrics.collectors.meminfo.enabled' is \"true\""),
        (
            "metrics: {collectors: {meminfo: {x: 1}}}",
            "'metrics.collectors.meminfo.x' is unknown; allowed: enabled, interval"
        ),
        ("metrics: {families: [a]}", "'metrics.families' is a list; allowed: a mapping of keys"),
        ("metrics: {families: {node_load1: 1}}", "'metrics.families.node_load1' is \"1\"; allowed: a duration"),
        ("metrics: {families: {node_load1: 10m}}", "'metrics.families.node_load1' is \"10m\"; allowed: a duration"),
        (
            "metrics: {families: {\"node_*_total\": 10s}}",
            "'metrics.families' has the name \"node_*_total\"; allowed: the name of a metric or its beginning and *"
        ),
        ("metrics: {families: {1a: 10s}}", "'metrics.families' has the name \"1a\""),
        (
            "metrics: {families: {\((0...200).map { "m\($0): 1s" }.joined(separator: ", "))}}",
            "'metrics.families' has 201 entries; allowed: at most 200"
        ),
        ("metrics: 5", "'metrics' is \"5\"; allowed: a mapping of keys"),
        ("docker: {socket: run}", "'docker.socket' is \"run\""),
        ("docker: {select: x}", "'docker.select' is \"x\""),
        ("docker: {enable: true}", "'docker.enable' is unknown; allowed: enabled, socket, select"),
        ("logs: {startAt: middle}", "'logs.startAt' is \"middle\"; allowed: end, beginning"),
        ("logs: {files: [{path: a.log}]}", "'logs.files[0].path' is \"a.log\"; allowed: an absolute path"),
        ("logs: {files: [{}]}", "'logs.files[0].path' is missing"),
        ("logs: {files: [/a]}", "'logs.files[0]' is \"/a\"; allowed: a mapping of keys"),
        ("logs: {files: [{path: /a, service: a b}]}", "'logs.files[0].service' is \"a b\""),
        ("logs: {files: [{path: /a, tag: b}]}", "'logs.files[0].tag' is unknown; allowed: path, labels, service"),
        ("logs: {containers: {on: true}}", "'logs.containers.on' is unknown; allowed: enabled"),
        ("services: {}", "'services' is a mapping; allowed: a list"),
        ("services: [{port: 1}]", "'services[0].name' is missing"),
        ("services: [{name: a}]", "'services[0].port' is missing"),
        ("services: [{name: a, port: 0}]", "'services[0].port' is \"0\"; allowed: a whole number from 1 to 65535"),
        ("services: [{name: a, port: \"80\"}]", "'services[0].port' is"),
        ("services: [{name: a/b, port: 1}]", "'services[0].name' is \"a/b\""),
        (
            "services: [{name: a, port: 1, weight: 1001}]",
            "'services[0].weight' is \"1001\"; allowed: a whole number from 0 to 1000"
        ),
        ("services: [{name: a, port: 1, check: {}}]", "'services[0].check' says not what to check"),
        (
            "services: [{name: a, port: 1, check: {http: /a, tcp: true}}]",
            "'services[0].check.tcp' stands beside 'http'"
        ),
        (
            "services: [{name: a, port: 1, check: {http: a}}]",
            "'services[0].check.http' is \"a\"; allowed: a path such as /health"
        ),
        ("services: [{name: a, port: 1, check: {tcp: true, rise: 0}}]", "'services[0].check.rise' is \"0\""),
        (
            "services: [{name: a, port: 1, check: {tcp: true, interval: 1ms}}]",
            "'services[0].check.interval' is \"1ms\""
        ),
        ("services: [{name: a, port: 1, check: {tcp: true, timeout: 2m}}]", "'services[0].check.timeout' is \"2m\""),
        ("spool: {maxBytes: 1KiB}", "'spool.maxBytes' is \"1KiB\"; allowed: a size such as 64MiB, from 1048576"),
        ("spool: {maxBytes: lots}", "'spool.maxBytes' is \"lots\""),
        ("spool: {bytes: 1}", "'spool.bytes' is unknown; allowed: maxBytes"),
        ("actions: {containers: maybe}", "'actions.containers' is \"maybe\"; allowed: true or false"),
        ("actions: {reboot: true}", "'actions.reboot' is unknown; allowed: containers"),
    ])
    func `a wrong value names file, line, key and what is allowed`(text: String, message: String) {
        expectError("agent.yaml:2:") { () throws(ConfigError) in try agentWith(text) }
        expectError(message) { () throws(ConfigError) in try agentWith(text) }
    }

    @Test func `lists have limits`() {
        let many = { (count: Int, item: String) in Array(repeating: item, count: count).joined(separator: ", ") }
        let cases: [(String, Int, String)] = [
            ("services", AgentConfig.maxServices, "{name: a, port: 1}"),
            ("logs: {files", LogsConfig.maxFiles, "{path: /a}"),
        ]
        for (key, limit, item) in cases {
            let end = key.contains("{") ? "}" : ""
            #expect(throws: Never.self) { try agentWith("\(key): [\(many(limit, item))]\(end)") }
            #expect(throws: ConfigError.self) { try agentWith("\(key): [\(many(limit + 1, item))]\(end)") }
        }
        #expect(throws: ConfigError.self) { try agent("coordinator: [\(many(AgentConfig.maxCoordinators + 1, "a"))]") }
        #expect(throws: ConfigError.self) {
            try agentWith("services: [{name: a, port: 1, tags: [\(many(ServiceConfig.maxTags + 1, "t"))]}]")
        }
        let labels = (0...Limits.labelsPerSet / 2).map { "l\($0): v" }.joined(separator: ", ")
        #expect(throws: ConfigError.self) { try agentWith("labels: {\(labels)}") }
        let long = String(repeating: "v", count: Limits.labelValueBytes + 1)
        #expect(throws: ConfigError.self) { try agentWith("labels: {a: \(long)}") }
    }
}

/// Runs `body` and expects a `ConfigError` whose text contains `message`.
func expectError<Value>(
    _ message: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(ConfigError) -> Value
) {
    do throws(ConfigError) {
        let value = try body()
        Issue.record("no error but \(value)", sourceLocation: sourceLocation)
    } catch {
        #expect(error.description.contains(message), "\(error)", sourceLocation: sourceLocation)
    }
}

@Suite struct Endpoints {
    @Test(
        arguments: [
            ("a:1", "a:1"), ("[::1]:7443", "[::1]:7443"), ("10.0.0.1:0", "10.0.0.1:0"), ("a", nil), ("a:", nil),
            (":1", nil), ("", nil),
            ("a:1:2", nil), ("::1:80", nil), ("[::1]", nil), ("[::1", nil), ("[]:1", nil), ("a b:1", nil),
            ("a:-1", nil), ("a:+1", nil),
            ("a:65535", "a:65535"), ("a:65536", nil), ("a:99999999999999999999", nil), ("[x]:1", nil), ("[::1]1", nil),
            ("a:١", nil),
        ] as [(String, String?)])
    func `host and port are told apart`(text: String, expected: String?) {
        #expect(Endpoint(text)?.description == expected)
    }

    @Test func `a default port fills in`() {
        #expect(Endpoint("a", defaultPort: 5) == Endpoint(host: "a", port: 5))
        #expect(Endpoint("[::1]", defaultPort: 5) == Endpoint(host: "::1", port: 5))
        #expect(Endpoint("a:1", defaultPort: 5)?.port == 1)
    }
}
