import Foundation
import MusterConfig
import MusterModel
import MusterYAML
import Testing

private func coordinator(_ text: String) throws(ConfigError) -> CoordinatorConfig {
    try CoordinatorConfig(try YAML.parse(text, file: "c.yaml"))
}

@Suite struct CoordinatorFiles {
    @Test func `an empty file has every default`() throws {
        let config = try coordinator("")
        #expect(config == CoordinatorConfig())
        #expect(config.link.description == "0.0.0.0:7443" && config.api.description == "0.0.0.0:7444")
        #expect(config.dataDirectory == "/var/lib/muster/coordinator")
        #expect(config.metrics.retention == .hours(24) && config.metrics.maxBytes == 10 << 30)
        #expect(config.logs.retention == .hours(168) && config.logs.maxBytes == 10 << 30)
        #expect(config.rules == [] && config.alerting == nil)
        #expect(config.liveness.suspect == .milliseconds(1_500))
        #expect(config.liveness.unreachable == .seconds(3) && config.liveness.dead == .seconds(60))
    }

    @Test func `every key is read`() throws {
        let config = try coordinator(
            """
            listen: {link: "127.0.0.1:0", api: "[::]:8443"}
            dataDirectory: /srv/muster
            metrics:
              retention: 30m
              maxBytes: 64MiB
              maxMemory: 128MiB
              seriesPerHost: 2000
              seriesPerMetric: 500
              handOff:
                - {name: vm, url: "http://vm:8428/api/v1/write", query: "http://vm:8428"}
                - {url: "https://mimir.example.com/api/v1/push", version: "2", tokenFile: /etc/t, caFile: /etc/c}
            logs: {retention: 1d, maxBytes: 1GiB}
            rules: [/etc/rules/*.yaml]
            alerting:
              route: {receiver: ops}
            liveness: {suspect: 1s, unreachable: 2s, dead: 10s}
            """)
        #expect(config.link.port == 0 && config.api == Endpoint(host: "::", port: 8443))
        #expect(config.dataDirectory == "/srv/muster" && config.rules == ["/etc/rules/*.yaml"])
        #expect(config.metrics.retention == .minutes(30) && config.metrics.maxBytes == 64 << 20)
        #expect(config.metrics.maxMemory == 128 << 20)
        #expect(config.metrics.seriesPerHost == 2_000 && config.metrics.seriesPerMetric == 500)
        let engines = config.metrics.handOff
        #expect(engines.map(\.name) == ["vm", "mimir.example.com"] && engines.map(\.version) == [.v1, .v2])
        #expect(engines[0].write.description == "http://vm:8428/api/v1/write")
        #expect(engines[0].query?.path == "/" && engines[1].query == nil)
        #expect(engines[1].write.isSecure && engines[1].write.port == 443 && engines[1].write.path == "/api/v1/push")
        #expect(engines[1].tokenFile == "/etc/t" && engines[1].caFile == "/etc/c")
        #expect(config.logs == .init(retention: .hours(24), maxBytes: 1 << 30))
        #expect(config.liveness.dead == .seconds(10))
        #expect(config.alerting?.position.line == 15)
    }

    @Test func `both addresses may take a free port`() throws {
        #expect(try coordinator("listen: {link: 127.0.0.1:0, api: 127.0.0.1:0}").api.port == 0)
    }

    @Test(arguments: [
        (
            "port: 1",
            "c.yaml:1:1: 'port' is unknown; allowed: listen, dataDirectory, metrics, logs, rules, alerting, liveness"
        ),
        ("listen: {link: x}", "c.yaml:1:16: 'listen.link' is \"x\"; allowed: address:port"),
        ("listen: {link: 'a:1', api: 'a:1'}", "'listen.api' is the same address as 'listen.link'"),
        ("listen: {http: a:1}", "'listen.http' is unknown; allowed: link, api"),
        ("dataDirectory: x", "'dataDirectory' is \"x\""),
        (
            "metrics: {retention: 1m}",
            "'metrics.retention' is \"1m\"; allowed: a duration such as 10s or 1m30s, from 10m to 31d"
        ),
        ("metrics: {maxBytes: 1MiB}", "'metrics.maxBytes' is \"1MiB\"; allowed: a size"),
        ("metrics: {x: 1}", "'metrics.x' is unknown"),
        ("metrics: {seriesPerHost: 1}", "'metrics.seriesPerHost' is \"1\""),
        ("metrics: {handOff: [{name: a}]}", "'metrics.handOff[0].url' is missing"),
        ("metrics: {handOff: [{url: 'ftp://a'}]}", "'metrics.handOff[0].url' is \"ftp://a\"; allowed: http://HOST"),
        ("metrics: {handOff: [{url: 'http://u@a/'}]}", "'metrics.handOff[0].url'"),
        ("metrics: {handOff: [{url: 'http://a/'}, {url: 'http://a/'}]}", "'metrics.handOff' has a name twice"),
        (
            "metrics: {handOff: [{url: 'http://a/', query: 'http://a'}, {url: 'http://b/', query: 'http://b'}]}",
            "'metrics.handOff' has 'query' twice"
        ),
        ("logs: {retention: 500d}", "'logs.retention' is \"500d\""),
        ("logs: {maxBytes: -1}", "'logs.maxBytes' is \"-1\""),
        ("rules: /a", "'rules' is \"/a\"; allowed: a list"),
        ("rules: [a]", "'rules[0]' is \"a\"; allowed: an absolute path"),
        ("liveness: {suspect: 5s}", "'liveness.unreachable' is 3s; allowed: longer than 'suspect', 5s"),
        ("liveness: {dead: 2s}", "'liveness.dead' is 2s; allowed: longer than 'unreachable', 3s"),
        ("liveness: {suspect: 10ms}", "'liveness.suspect' is \"10ms\""),
        ("liveness: {gone: 1s}", "'liveness.gone' is unknown"),
    ])
    func `a wrong value names file, line, key and what is allowed`(text: String, message: String) {
        expectError(message) { () throws(ConfigError) in try coordinator(text) }
    }
}

@Suite struct ConfigurationReference {
    /// The folder of the repository, from the place of this file.
    private static var root: URL {
        URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    @Test func `the reference names every collector and its examples are valid`() throws {
        let text = try String(contentsOf: Self.root.appending(path: "docs/reference/configuration.md"), encoding: .utf8)
        for (name, _) in MetricsConfig.collectors { #expect(text.contains("`\(name)`"), "\(name)") }
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
        try #require(blocks.count >= 3)
        #expect(try AgentConfig(YAML.parse(blocks[0], file: "agent")).services.count == 1)
        for more in blocks.dropFirst().dropLast() {
            _ = try AgentConfig(YAML.parse("coordinator: [c]\n" + more, file: "agent"))
        }
        let last = try #require(blocks.last)
        #expect(try CoordinatorConfig(YAML.parse(last, file: "coordinator")).dataDirectory == "/srv/muster")
    }

    /// Every key of the tables, unknown to nobody: each is written into a file with a value that is never right, and
    /// the error has to be about the value.
    @Test(arguments: ["agent", "coordinator"])
    func `every key in the reference is known`(which: String) throws {
        let text = try String(contentsOf: Self.root.appending(path: "docs/reference/configuration.md"), encoding: .utf8)
        let part = text.components(separatedBy: "\n## ").first { $0.hasPrefix("The \(which)") } ?? ""
        let keys = part.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { $0.split(separator: "`")[1] }
        #expect(keys.count > 10)
        for key in keys where key != "alerting" {
            let parts = key.replacing("NAME", with: "stat").split(separator: ".")
            var document = "{{wrong}: 1}"
            for part in parts.reversed() {
                document = part.hasSuffix("[]") ? "{\(part.dropLast(2)): [\(document)]}" : "{\(part): \(document)}"
            }
            document =
                which == "agent" && key != "coordinator" ? "{coordinator: [c], " + document.dropFirst() : document
            document = document.replacing("{{wrong}: 1}", with: "{wrong: 1}")
            do throws(ConfigError) {
                let node = try YAML.parse(document, file: "f")
                if which == "agent" { _ = try AgentConfig(node) } else { _ = try CoordinatorConfig(node) }
                // Mappings of free keys (labels) take anything.
                #expect(key.hasSuffix("labels") || key.hasSuffix("select"), "\(key)")
            } catch {
                let isMissingSibling = error.problem == "is missing"
                #expect(isMissingSibling || error.key.hasSuffix("\(parts.last ?? "")"), "\(key): \(error)")
                #expect(error.problem != "is unknown" || key.hasSuffix("select"), "\(key): \(error)")
            }
        }
    }
}
