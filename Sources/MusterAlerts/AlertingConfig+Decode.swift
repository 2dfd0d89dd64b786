package import MusterModel

extension AlertingConfig {
    /// Reads the value of the key `alerting`; `path` is its place in the document.
    package static func decode(
        _ node: ConfigNode, path: String = "alerting", compiler: some PatternCompiler
    ) throws(ConfigError) -> AlertingConfig {
        var reader = try ConfigReader(node, path: path)
        let externalURL = try reader.string("external_url") ?? ""
        let receivers =
            try reader.list("receivers") { node, path throws(ConfigError) in try receiver(node, path) } ?? []
        var names: Set<String> = []
        for receiver in receivers where !names.insert(receiver.name).inserted {
            throw reader.error("receivers", "has \"\(receiver.name)\" twice", allowed: "one receiver of each name")
        }
        let rootNode = try reader.required("route", allowed: "the root of the routing tree, with a receiver")
        try reader.finish()
        var decoder = RouteDecoder(receivers: names, compiler: compiler)
        let root = try decoder.root(rootNode, "\(path).route")
        return AlertingConfig(route: root, receivers: receivers, externalURL: externalURL)
    }

    private static func receiver(_ node: ConfigNode, _ path: String) throws(ConfigError) -> AlertReceiver {
        var reader = try ConfigReader(node, path: path)
        guard let name = try reader.string("name"), !name.isEmpty else {
            throw reader.error("name", "is missing", allowed: "the receiver's name")
        }
        let levels = try reader.list("escalation") { node, path throws(ConfigError) in try level(node, path) } ?? []
        guard (1...AlertLimits.escalationLevels).contains(levels.count) else {
            throw reader.error(
                "escalation", "has \(levels.count) levels",
                allowed: "1 to \(AlertLimits.escalationLevels) levels, each with webhooks")
        }
        for (index, level) in levels.enumerated() where (level.after == .zero) != (index == 0) {
            throw reader.error(
                "escalation", index == 0 ? "waits before its first level" : "does not wait before level \(index + 1)",
                allowed: "`after` on every level but the first: how long the level before may stay unacknowledged")
        }
        var times = 0
        var after = Duration.minutes(5)
        if var ladder = try reader.mapping("repeat") {
            times = try ladder.integer("times", in: 0...AlertLimits.escalationRepeats) ?? 1
            after = try ladder.duration("after", in: .seconds(1)...(.hours(24 * 7))) ?? after
            try ladder.finish()
        }
        try reader.finish()
        return AlertReceiver(name: name, levels: levels, repeatTimes: times, repeatAfter: after)
    }

    private static func level(_ node: ConfigNode, _ path: String) throws(ConfigError) -> AlertReceiver.Level {
        var reader = try ConfigReader(node, path: path)
        let webhooks = try reader.strings("webhooks") ?? []
        guard (1...AlertLimits.webhooksPerLevel).contains(webhooks.count), Set(webhooks).count == webhooks.count else {
            throw reader.error(
                "webhooks", webhooks.isEmpty ? "is missing" : "has \(webhooks.count) URLs, or one of them twice",
                allowed: "1 to \(AlertLimits.webhooksPerLevel) different URLs")
        }
        for (index, url) in webhooks.enumerated() where !isURL(url) {
            throw ConfigError(
                position: reader.position("webhooks"), key: "\(reader.path("webhooks"))[\(index)]",
                problem: "is \"\(url)\"", allowed: "a URL such as https://page.example.com/hook")
        }
        let after = try reader.duration("after", in: .seconds(1)...(.hours(24 * 7))) ?? .zero
        try reader.finish()
        return AlertReceiver.Level(webhooks: webhooks, after: after)
    }

    private static func isURL(_ text: String) -> Bool {
        let rest = text.hasPrefix("https://") ? text.dropFirst(8) : text.hasPrefix("http://") ? text.dropFirst(7) : ""
        guard let first = rest.first, first != "/" else { return false }
        return !rest.contains { $0.isWhitespace }
    }
}

/// Walks the tree, fills in what is inherited, and gives every route a path of its own.
private struct RouteDecoder<Compiler: PatternCompiler> {
    let receivers: Set<String>
    let compiler: Compiler
    private var paths: Set<String> = []

    init(receivers: Set<String>, compiler: Compiler) {
        self.receivers = receivers
        self.compiler = compiler
    }

    mutating func root(_ node: ConfigNode, _ path: String) throws(ConfigError) -> AlertRoute {
        try route(node, path, parent: nil)
    }

    private mutating func route(
        _ node: ConfigNode, _ path: String, parent: AlertRoute?
    ) throws(ConfigError) -> AlertRoute {
        var reader = try ConfigReader(node, path: path)
        let matchers = try matchers(&reader)
        let isContinued = try reader.boolean("continue") ?? false
        if parent == nil, !matchers.isEmpty || isContinued {
            throw reader.error(
                matchers.isEmpty ? "continue" : "matchers", "stands at the root",
                allowed: "a root that takes every alert")
        }
        guard let receiver = try reader.string("receiver") ?? parent?.receiver else {
            throw reader.error("receiver", "is missing", allowed: "the name of a receiver")
        }
        guard receivers.contains(receiver) else {
            throw reader.error(
                "receiver", "is \"\(receiver)\", which is not among the receivers",
                allowed: receivers.sorted().joined(separator: ", "))
        }
        let longest = Duration.hours(24 * 365)
        let second = Duration.seconds(1)
        let bare = AlertRoute(
            path: claim(parent, matchers), matchers: matchers, receiver: receiver,
            groupBy: try grouping(&reader) ?? parent?.groupBy ?? .labels([]),
            groupWait: try reader.duration("group_wait", in: .zero...longest) ?? parent?.groupWait ?? .seconds(30),
            groupInterval: try reader.duration("group_interval", in: second...longest) ?? parent?.groupInterval
                ?? .minutes(5),
            repeatInterval: try reader.duration("repeat_interval", in: second...longest) ?? parent?.repeatInterval
                ?? .hours(4),
            isContinued: isContinued)
        let routes = try children(&reader, of: bare)
        try reader.finish()
        return AlertRoute(
            path: bare.path, matchers: matchers, receiver: receiver, groupBy: bare.groupBy, groupWait: bare.groupWait,
            groupInterval: bare.groupInterval, repeatInterval: bare.repeatInterval, isContinued: isContinued,
            routes: routes)
    }

    private mutating func children(
        _ reader: inout ConfigReader, of parent: AlertRoute
    ) throws(ConfigError) -> [AlertRoute] {
        guard let node = reader.node("routes") else { return [] }
        guard case .sequence(let nodes) = node.content else {
            throw reader.error("routes", "is \(ConfigReader.describe(node))", allowed: "a list of routes")
        }
        var routes: [AlertRoute] = []
        for (index, node) in nodes.enumerated() {
            guard paths.count < AlertLimits.routesMax else {
                throw reader.error("routes", "has too many routes", allowed: "at most \(AlertLimits.routesMax) in all")
            }
            routes.append(try route(node, "\(reader.path("routes"))[\(index)]", parent: parent))
        }
        return routes
    }

    /// Two siblings with the same matchers need keys of their own, or one would take the other's log for its own.
    private mutating func claim(_ parent: AlertRoute?, _ matchers: [LabelMatcher]) -> String {
        let own = "{" + matchers.map(\.description).joined(separator: ",") + "}"
        let base = parent.map { "\($0.path)/\(own)" } ?? own
        var path = base
        var number = 1
        while !paths.insert(path).inserted {
            number += 1
            path = "\(base)#\(number)"
        }
        return path
    }

    private func grouping(_ reader: inout ConfigReader) throws(ConfigError) -> AlertGrouping? {
        guard let names = try reader.strings("group_by") else { return nil }
        if names == ["..."] { return .each }
        guard !names.contains("..."), Set(names).count == names.count else {
            throw reader.error("group_by", "mixes '...' with labels, or names one twice", allowed: "labels, or ['...']")
        }
        return .labels(names)
    }

    /// `matchers`, and the older `match` and `match_re`.
    private func matchers(_ reader: inout ConfigReader) throws(ConfigError) -> [LabelMatcher] {
        var all: [LabelMatcher] = []
        for (index, text) in (try reader.strings("matchers") ?? []).enumerated() {
            do throws(MatcherTextError) {
                all += try MatcherText.parse(text, compiler: compiler)
            } catch {
                throw ConfigError(
                    position: reader.position("matchers"), key: "\(reader.path("matchers"))[\(index)]",
                    problem: error.reason, allowed: MatcherText.allowed)
            }
        }
        for pair in try reader.labels("match")?.pairs ?? [] { all.append(LabelMatcher(pair.name, equals: pair.value)) }
        for pair in try reader.labels("match_re")?.pairs ?? [] {
            do throws(PatternError) {
                all.append(try LabelMatcher(pair.name, .matches, pair.value, compiler: compiler))
            } catch {
                throw ConfigError(
                    position: reader.position("match_re"), key: "\(reader.path("match_re")).\(pair.name)",
                    problem: "is not usable: \(error)", allowed: "a regular expression in RE2's syntax")
            }
        }
        return all.sorted { ($0.name, $0.value) < ($1.name, $1.value) }
    }
}
