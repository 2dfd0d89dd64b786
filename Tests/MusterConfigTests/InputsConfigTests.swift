import MusterConfig
import MusterModel
import MusterYAML
import Testing

private func inputs(_ text: String) throws(ConfigError) -> InputsConfig {
    try AgentConfig(try YAML.parse("coordinator: [c]\nmetrics: \(text)", file: "agent.yaml")).metrics.inputs
}

@Suite struct InputsFiles {
    @Test func `without keys only containers that ask for it are scraped, and nothing listens`() throws {
        for text in ["", "{}", "{scrape: [], statsd: {}, otlp: {}, scrapeContainers: {}}"] {
            let config = try inputs(text)
            #expect(config == InputsConfig())
            #expect(config.scrape.isEmpty && config.otlp == nil)
            #expect(config.statsD == InputsConfig.StatsD(listen: nil, socket: nil))
            #expect(config.containers?.interval == .seconds(10) && config.containers?.timeout == .seconds(10))
            #expect(config.containers?.maxSeries == 10_000)
        }
    }

    @Test func `every key is read`() throws {
        let config = try inputs(
            """

              scrape:
                - {url: "http://127.0.0.1:9100/metrics", job: node}
                - url: http://app.example.com
                  job: app one
                  interval: 2s
                  timeout: 500ms
                  labels: {zone: eu}
                  honorLabels: true
                  maxSeries: 50
                - {url: "http://[::1]:81/m?collect[]=cpu&x=1", job: n, interval: 200ms}
                - {url: "http://h/", job: root}
              scrapeContainers: {interval: 30s, timeout: 3s, maxSeries: 7}
              statsd: {listen: "127.0.0.1:8125", socket: /run/statsd.sock}
              otlp: {listen: "[::1]:4318"}
            """)
        #expect(config.scrape.map(\.host) == ["127.0.0.1", "app.example.com", "::1", "h"])
        #expect(config.scrape.map(\.port) == [9_100, 80, 81, 80])
        #expect(config.scrape.map(\.path) == ["/metrics", "/metrics", "/m?collect[]=cpu&x=1", "/"])
        #expect(config.scrape.map(\.job) == ["node", "app one", "n", "root"])
        #expect(config.scrape.map(\.honorsLabels) == [false, true, false, false])
        #expect(config.scrape[1].labels == ["zone": "eu"])
        #expect(config.scrape.map(\.rules.interval) == [.seconds(10), .seconds(2), .milliseconds(200), .seconds(10)])
        #expect(
            config.scrape.map(\.rules.timeout) == [.seconds(10), .milliseconds(500), .milliseconds(200), .seconds(10)])
        #expect(config.scrape.map(\.rules.maxSeries) == [10_000, 50, 10_000, 10_000])
        #expect(config.containers?.interval == .seconds(30) && config.containers?.timeout == .seconds(3))
        #expect(config.containers?.maxSeries == 7)
        #expect(config.statsD.listen == Endpoint(host: "127.0.0.1", port: 8_125))
        #expect(config.statsD.socket == "/run/statsd.sock")
        #expect(config.otlp == Endpoint(host: "::1", port: 4_318))
        #expect(try inputs("{scrapeContainers: {enabled: false}}").containers == nil)
    }

    @Test(
        arguments: [
            ("{scrape: [{job: a}]}", "'metrics.scrape[0].url' is missing; allowed: http://HOST"),
            ("{scrape: [{url: 'http://h'}]}", "'metrics.scrape[0].job' is missing; allowed: 1 to 128 bytes"),
            (
                "{scrape: [{url: 'https://h/m', job: a}]}",
                "'metrics.scrape[0].url' is \"https://h/m\"; allowed: http://"
            ),
            ("{scrape: [{url: 'h:1/m', job: a}]}", "'metrics.scrape[0].url' is"),
            ("{scrape: [{url: 'http://u@h/m', job: a}]}", "'metrics.scrape[0].url' is"),
            ("{scrape: [{url: 'http://h:0/m', job: a}]}", "'metrics.scrape[0].url' is"),
            ("{scrape: [{url: 'http://h/a b', job: a}]}", "'metrics.scrape[0].url' is"),
            ("{scrape: [{url: 'http://h/m?a#b', job: a}]}", "'metrics.scrape[0].url' is"),
            ("{scrape: [{url: 'http://h', job: ''}]}", "'metrics.scrape[0].job' is \"\""),
            ("{scrape: [{url: 'http://h', job: a, interval: 10ms}]}", "'metrics.scrape[0].interval' is \"10ms\""),
            (
                "{scrape: [{url: 'http://h', job: a, interval: 1s, timeout: 2s}]}",
                "'metrics.scrape[0].timeout' is 2s; allowed: at most the interval of 1s"
            ),
            ("{scrape: [{url: 'http://h', job: a, maxSeries: 0}]}", "'metrics.scrape[0].maxSeries' is \"0\""),
            (
                "{scrape: [{url: 'http://h', job: a, labels: {job: b}}]}",
                "'metrics.scrape[0].labels' has the label job; allowed: the key 'job'"
            ),
            ("{scrape: [{url: 'http://h', job: a, labels: {host: b}}]}", "has the label host; allowed: other names"),
            ("{scrape: [{url: 'http://h', job: a, labels: {instance: b}}]}", "has the label instance"),
            ("{scrape: [{url: 'http://h', job: a, tls: b}]}", "'metrics.scrape[0].tls' is unknown"),
            (
                "{scrape: [{url: 'http://h/a', job: a}, {url: 'http://h:80/b', job: a}]}",
                "'metrics.scrape' has h:80 twice for the job a; allowed: a 'job' or 'labels' that tell the two apart"
            ),
            ("{scrapeContainers: {timeout: 11s}}", "'metrics.scrapeContainers.timeout' is 11s; allowed: at most the"),
            ("{scrapeContainers: {port: 1}}", "'metrics.scrapeContainers.port' is unknown"),
            (
                "{statsd: {listen: '0.0.0.0:8125'}}",
                "'metrics.statsd.listen' is \"0.0.0.0:8125\"; allowed: a loopback address and a port, such as 127.0.0.1"
            ),
            ("{statsd: {listen: '10.0.0.1:8125'}}", "'metrics.statsd.listen' is"),
            ("{statsd: {listen: 'localhost:8125'}}", "'metrics.statsd.listen' is"),
            ("{statsd: {listen: '127.0.0.1.example.com:1'}}", "'metrics.statsd.listen' is"),
            ("{statsd: {listen: '127.0.0.256:1'}}", "'metrics.statsd.listen' is"),
            ("{statsd: {listen: '[::]:8125'}}", "'metrics.statsd.listen' is"),
            ("{statsd: {listen: 127.0.0.1}}", "'metrics.statsd.listen' is"),
            ("{statsd: {socket: statsd.sock}}", "'metrics.statsd.socket' is \"statsd.sock\"; allowed: an absolute"),
            (
                "{statsd: {socket: /\(String(repeating: "s", count: 107))}}",
                "'metrics.statsd.socket' has 108 bytes; allowed: a path of at most 107 bytes"
            ),
            ("{otlp: {listen: '0.0.0.0:4318'}}", "'metrics.otlp.listen' is \"0.0.0.0:4318\"; allowed: a loopback"),
            ("{otlp: {grpc: 1}}", "'metrics.otlp.grpc' is unknown; allowed: listen"),
        ])
    func `a wrong value says where and what is right`(text: String, message: String) throws {
        let error = #expect(throws: ConfigError.self) { try inputs(text) }
        #expect(error?.description.contains(message) == true, "\(error as Any)")
        #expect(error?.position.line == 2)
    }

    @Test func `entries are bounded, and the same address is good for several jobs`() throws {
        let entries = (0...InputsConfig.scrapeEntries).map { "{url: 'http://h/m', job: 'j\($0)'}" }
        let error = #expect(throws: ConfigError.self) { try inputs("{scrape: [\(entries.joined(separator: ", "))]}") }
        #expect(error?.description.contains("has 201 entries; allowed: at most 200") == true)
        let most = entries.dropLast().joined(separator: ", ")
        #expect(try inputs("{scrape: [\(most)]}").scrape.count == 200)
        let apart = "{url: 'http://h', job: a, labels: {part: x}}, {url: 'http://h', job: a, labels: {part: y}}"
        #expect(try inputs("{scrape: [\(apart)]}").scrape.count == 2)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.8.9.255", true), ("::1", true), ("128.0.0.1", false), ("127.0.0", false),
        ("127.0.0.1.2", false), ("127.0.0.x", false), ("127..0.1", false), ("localhost", false), ("::", false),
        ("::ffff:127.0.0.1", false), ("0.0.0.0", false), ("127.0.0.+1", false),
    ])
    func `loopback is what is written as such`(host: String, isLoopback: Bool) {
        #expect(Endpoint(host: host, port: 1).isLoopback == isLoopback)
    }
}
