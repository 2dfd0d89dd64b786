/// Reads one mapping of a document key by key. Whoever reads asks for every key it knows and then calls `finish()`,
/// which refuses the keys nobody asked for: the list of what is allowed is the list of what was read, so it cannot
/// drift.
package struct ConfigReader {
    package let path: String
    package let position: SourcePosition
    private let entries: [ConfigNode.Entry]
    private var known: [String] = []

    /// Throws when the node is no mapping. A null scalar reads as an empty mapping.
    package init(_ node: ConfigNode, path: String = "") throws(ConfigError) {
        self.path = path
        position = node.position
        switch node.content {
        case .mapping(let entries): self.entries = entries
        case .scalar(let text, isQuoted: false) where Self.isNull(text): entries = []
        default:
            throw ConfigError(
                position: node.position, key: path, problem: "is \(Self.describe(node))", allowed: "a mapping of keys")
        }
    }

    package static func isNull(_ text: String) -> Bool { ["", "~", "null"].contains(text) }

    package static func describe(_ node: ConfigNode) -> String {
        switch node.content {
        case .scalar(let text, _): "\"\(text)\""
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// The dotted path of a key below this mapping.
    package func path(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// Where a key stands, or the mapping itself when it is absent.
    package func position(_ key: String) -> SourcePosition {
        entries.first { $0.key == key }?.value.position ?? position
    }

    /// An error about a key of this mapping, for checks that need more than one value.
    package func error(_ key: String, _ problem: String, allowed: String) -> ConfigError {
        ConfigError(position: position(key), key: path(key), problem: problem, allowed: allowed)
    }

    /// The raw node of a key; nil when absent or null.
    package mutating func node(_ key: String) -> ConfigNode? {
        if !known.contains(key) { known.append(key) }
        guard let entry = entries.first(where: { $0.key == key }) else { return nil }
        if case .scalar(let text, isQuoted: false) = entry.value.content, Self.isNull(text) { return nil }
        return entry.value
    }

    package mutating func required(_ key: String, allowed: String) throws(ConfigError) -> ConfigNode {
        guard let found = node(key) else {
            throw ConfigError(position: position, key: path(key), problem: "is missing", allowed: allowed)
        }
        return found
    }

    /// A scalar turned into a value by `parse`; nil when the key is absent. `allowed` tells people what parses.
    package mutating func value<Value>(
        _ key: String, allowed: String, parse: (_ text: String, _ isQuoted: Bool) -> Value?
    ) throws(ConfigError) -> Value? {
        guard let node = node(key) else { return nil }
        return try Self.scalar(node, path: path(key), allowed: allowed, parse: parse)
    }

    package mutating func string(_ key: String) throws(ConfigError) -> String? {
        try value(key, allowed: "a text") { text, _ in text }
    }

    package mutating func string(_ key: String, oneOf choices: [String]) throws(ConfigError) -> String? {
        try value(key, allowed: choices.joined(separator: ", ")) { text, _ in choices.contains(text) ? text : nil }
    }

    package mutating func integer(_ key: String, in range: ClosedRange<Int>) throws(ConfigError) -> Int? {
        try value(key, allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text, isQuoted in
            guard !isQuoted, let number = Int(text), range.contains(number) else { return nil }
            return number
        }
    }

    package mutating func boolean(_ key: String) throws(ConfigError) -> Bool? {
        try value(key, allowed: "true or false") { text, isQuoted in isQuoted ? nil : Bool(text) }
    }

    package mutating func duration(_ key: String, in range: ClosedRange<Duration>) throws(ConfigError) -> Duration? {
        let allowed =
            "a duration such as 10s or 1m30s, from \(range.lowerBound.shortText) to \(range.upperBound.shortText)"
        return try value(key, allowed: allowed) { text, _ in
            guard let duration = Duration(shortText: text), range.contains(duration) else { return nil }
            return duration
        }
    }

    /// A size in bytes: a whole number, or one with KiB, MiB or GiB.
    package mutating func bytes(_ key: String, in range: ClosedRange<Int>) throws(ConfigError) -> Int? {
        try value(key, allowed: "a size such as 64MiB, from \(range.lowerBound) to \(range.upperBound) bytes") {
            text, _ in
            let digits = text.prefix { $0.isNumber }
            let unit = text.dropFirst(digits.count)
            let scales = ["": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40]
            guard let number = Int(digits), let scale = scales[String(unit)], number <= Int.max >> scale else {
                return nil
            }
            let size = number << scale
            return range.contains(size) ? size : nil
        }
    }

    /// A list; nil when absent. Each element comes with its own path.
    package mutating func list<Element>(
        _ key: String, of element: (ConfigNode, _ path: String) throws(ConfigError) -> Element
    ) throws(ConfigError) -> [Element]? {
        guard let node = node(key) else { return nil }
        guard case .sequence(let nodes) = node.content else {
            throw error(key, "is \(Self.describe(node))", allowed: "a list")
        }
        var elements: [Element] = []
        for (index, node) in nodes.enumerated() { elements.append(try element(node, "\(path(key))[\(index)]")) }
        return elements
    }

    package mutating func strings(_ key: String) throws(ConfigError) -> [String]? {
        try list(key) { node, path throws(ConfigError) in
            try Self.scalar(node, path: path, allowed: "a text") { text, _ in text }
        }
    }

    /// A mapping of texts, such as labels; nil when absent.
    package mutating func labels(_ key: String) throws(ConfigError) -> Labels? {
        guard let node = node(key) else { return nil }
        let inner = try ConfigReader(node, path: path(key))
        var labels = Labels()
        for entry in inner.entries {
            labels[entry.key] = try Self.scalar(entry.value, path: inner.path(entry.key), allowed: "a text") {
                text, _ in
                text
            }
        }
        return labels
    }

    /// A reader for a mapping below this one; nil when the key is absent.
    package mutating func mapping(_ key: String) throws(ConfigError) -> ConfigReader? {
        guard let node = node(key) else { return nil }
        return try ConfigReader(node, path: path(key))
    }

    /// Refuses the first key that nobody asked for.
    package func finish() throws(ConfigError) {
        guard let stranger = entries.first(where: { !known.contains($0.key) }) else { return }
        throw ConfigError(
            position: stranger.keyPosition, key: path(stranger.key), problem: "is unknown",
            allowed: known.isEmpty ? "no keys here" : known.joined(separator: ", "))
    }

    package static func scalar<Value>(
        _ node: ConfigNode, path: String, allowed: String, parse: (_ text: String, _ isQuoted: Bool) -> Value?
    ) throws(ConfigError) -> Value {
        guard case .scalar(let text, let isQuoted) = node.content, let value = parse(text, isQuoted) else {
            throw ConfigError(position: node.position, key: path, problem: "is \(describe(node))", allowed: allowed)
        }
        return value
    }
}
