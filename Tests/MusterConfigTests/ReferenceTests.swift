import Foundation
import MusterAlerts
import MusterModel
import MusterPattern
import MusterRollouts
import MusterYAML
import Testing

/// The pages about documents that other modules decode. A reader that refuses a key names those it knows, so the keys
/// in the tables can be compared with the keys in the code, both ways.
@Suite struct DocumentReference {
    /// One mapping of a document: a whole document with the unknown key `zzz` in it, and where that mapping stands.
    struct Place: Sendable, CustomTestStringConvertible {
        var path: String
        var document: String
        /// Read only to be refused with a reason.
        var refused: Set<String> = []
        var testDescription: String { path.isEmpty ? "the top" : path }
    }

    static let rollouts = [
        Place(path: "", document: "{kind: container, name: n, image: i, target: {select: {a: b}}, zzz: 1}"),
        Place(path: "target", document: "{kind: container, name: n, image: i, target: {select: {a: b}, zzz: 1}}"),
        Place(
            path: "target.expect",
            document: "{kind: container, name: n, image: i, target: {select: {a: b}, expect: {zzz: 1}}}"),
        Place(
            path: "waves[]",
            document: "{kind: container, name: n, image: i, target: {select: {a: b}}, waves: [{hosts: 1, zzz: 1}]}"),
        Place(
            path: "health",
            document: "{kind: container, name: n, image: i, target: {select: {a: b}}, health: {zzz: 1}}"),
    ]

    static let rules = [
        Place(path: "", document: "{groups: [], zzz: 1}"),
        Place(path: "groups[]", document: "{groups: [{name: g, zzz: 1}]}"),
        Place(
            path: "groups[].rules[]", document: "{groups: [{name: g, rules: [{alert: a, expr: up, zzz: 1}]}]}"),
    ]

    private static let team = "{name: t, escalation: [{webhooks: ['http://h/']}]}"
    static let alerting = [
        Place(path: "", document: "{route: {receiver: t}, receivers: [\(team)], zzz: 1}"),
        Place(path: "route", document: "{route: {receiver: t, zzz: 1}, receivers: [\(team)]}"),
        Place(
            path: "receivers[]",
            document: "{route: {receiver: t}, receivers: [{name: t, escalation: [{webhooks: ['http://h/']}], zzz: 1}]}"),
        Place(
            path: "receivers[].escalation[]",
            document: "{route: {receiver: t}, receivers: [{name: t, escalation: [{webhooks: ['http://h/'], zzz: 1}]}]}"),
        Place(
            path: "receivers[].repeat",
            document: "{route: {receiver: t}, "
                + "receivers: [{name: t, escalation: [{webhooks: ['http://h/']}], repeat: {zzz: 1}}]}"),
    ]

    @Test(arguments: rollouts) func `the page about rollouts has every key`(place: Place) throws {
        let page = try Page("rollouts.md")
        try compare(page.keys(in: page.text), place) { document in _ = try RolloutSpec.decode(document) }
    }

    @Test(arguments: rules) func `the page about alerting has every key of rule files`(place: Place) throws {
        let page = try Page("alerting.md")
        try compare(page.keys(in: try page.section("Rules")), place) { document in _ = try RuleFile.decode(document) }
    }

    @Test(arguments: alerting) func `the page about alerting has every key of routes`(place: Place) throws {
        let page = try Page("alerting.md")
        try compare(page.keys(in: try page.section("Routes and receivers")), place) { document in
            _ = try AlertingConfig.decode(document, path: "", compiler: RE2Compiler())
        }
    }

    @Test func `the examples are valid`() throws {
        let spec = try RolloutSpec.decode(try YAML.parse(try Page("rollouts.md").example(0), file: "web.yaml"))
        #expect(spec.name == "web-2.4.1" && spec.waves.count == 2 && spec.expect == 2...50)
        let page = try Page("alerting.md")
        #expect(
            try RuleFile.decode(try YAML.parse(page.example(0), file: "web.yaml")).flatMap(\.rules).map(\.name) == [
                "WebMemory", "service:memory:sum",
            ])
        var reader = try ConfigReader(try YAML.parse(page.example(1), file: "muster.yaml"))
        let node = try reader.required("alerting", allowed: "")
        let config = try AlertingConfig.decode(node, compiler: RE2Compiler())
        #expect(config.route.routes.map(\.receiver) == ["on-call"] && config.receivers.count == 2)
    }

    private func compare(
        _ documented: Set<String>, _ place: Place, decode: (ConfigNode) throws -> Void
    ) throws {
        let prefix = place.path.isEmpty ? "" : place.path + "."
        let error = #expect(throws: ConfigError.self) { try decode(try YAML.parse(place.document, file: "f")) }
        let found = try #require(error)
        try #require(found.problem == "is unknown" && found.key.hasSuffix("zzz"), "\(found)")
        let known = Set(found.allowed.split(separator: ", ").map(String.init)).subtracting(place.refused)
        #expect(known.count > 0)
        // A key that only holds further keys has no row of its own.
        let here = documented.filter { $0.hasPrefix(prefix) }.map { key in
            key.dropFirst(prefix.count).prefix { $0 != "." && $0 != "[" }
        }
        #expect(Set(here.map(String.init)) == known)
    }
}

/// A page of docs/reference.
private struct Page {
    let text: String

    init(_ name: String) throws {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        text = try String(contentsOf: root.appending(path: "docs/reference/\(name)"), encoding: .utf8)
    }

    func section(_ title: String) throws -> String {
        try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix(title) })
    }

    /// What stands in backquotes in the first cell of the tables of keys.
    func keys(in part: String) -> Set<String> {
        var keys: Set<String> = []
        var isTable = false
        for line in part.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("| Key |") { isTable = true }
            guard line.hasPrefix("|") else {
                isTable = false
                continue
            }
            guard isTable, line.hasPrefix("| `") else { continue }
            let cell = line.dropFirst().prefix { $0 != "|" }
            let parts = cell.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            keys.formUnion(parts.filter { $0.offset % 2 == 1 }.map { String($0.element) })
        }
        return keys
    }

    /// The YAML block with this number, from 0.
    func example(_ number: Int) throws -> String {
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map {
            $0.components(separatedBy: "```")[0]
        }
        try #require(number < blocks.count)
        return blocks[number]
    }
}
