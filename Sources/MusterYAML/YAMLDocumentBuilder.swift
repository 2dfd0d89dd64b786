import MusterModel

/// Puts the events of a document together. Recursion is bounded by `Limits.documentDepth`.
struct YAMLDocumentBuilder {
    private var depth = 0

    mutating func document(from events: inout YAMLEvents) throws(ConfigError) -> ConfigNode {
        let (first, start) = try events.next()
        guard case .documentStart = first else {
            return ConfigNode(.scalar("", isQuoted: false), at: start)
        }
        let root = try node(from: &events, path: "")
        _ = try events.next()
        let (after, position) = try events.next()
        guard case .streamEnd = after else {
            throw ConfigError(
                position: position, key: "", problem: "is followed by a second one",
                allowed: "one document in a file; remove the line '---'")
        }
        return root
    }

    private mutating func node(from events: inout YAMLEvents, path: String) throws(ConfigError) -> ConfigNode {
        let (event, position) = try events.next()
        return try node(event, at: position, from: &events, path: path)
    }

    private mutating func node(
        _ event: YAMLEvent, at position: SourcePosition, from events: inout YAMLEvents, path: String
    ) throws(ConfigError) -> ConfigNode {
        switch event {
        case .scalar(let text, let isQuoted):
            return ConfigNode(.scalar(text, isQuoted: isQuoted), at: position)
        case .sequenceStart:
            try enter(path, at: position)
            defer { depth -= 1 }
            return ConfigNode(.sequence(try elements(from: &events, path: path)), at: position)
        case .mappingStart:
            try enter(path, at: position)
            defer { depth -= 1 }
            return ConfigNode(.mapping(try entries(from: &events, path: path)), at: position)
        case .alias(let name):
            throw ConfigError(
                position: position, key: path, problem: "uses the alias '*\(name)'",
                allowed: "values written out in full; anchors and aliases are not read")
        case .documentStart, .documentEnd, .streamEnd, .sequenceEnd, .mappingEnd:
            throw ConfigError(position: position, key: path, problem: "has no value here", allowed: "a value")
        }
    }

    private mutating func enter(_ path: String, at position: SourcePosition) throws(ConfigError) {
        guard depth < Limits.documentDepth else {
            throw ConfigError(
                position: position, key: path, problem: "is nested too deeply",
                allowed: "at most \(Limits.documentDepth) levels")
        }
        depth += 1
    }

    private mutating func elements(from events: inout YAMLEvents, path: String) throws(ConfigError) -> [ConfigNode] {
        var elements: [ConfigNode] = []
        while true {
            let (event, position) = try events.next()
            if case .sequenceEnd = event { return elements }
            elements.append(try node(event, at: position, from: &events, path: "\(path)[\(elements.count)]"))
        }
    }

    private mutating func entries(
        from events: inout YAMLEvents, path: String
    ) throws(ConfigError) -> [ConfigNode.Entry] {
        var entries: [ConfigNode.Entry] = []
        var lines: [String: Int] = [:]
        while true {
            let (event, position) = try events.next()
            if case .mappingEnd = event { return entries }
            guard case .scalar(let key, _) = event else {
                throw ConfigError(
                    position: position, key: path, problem: "has a key that is no text",
                    allowed: "a word as the key of each entry")
            }
            let keyPath = path.isEmpty ? key : "\(path).\(key)"
            if let first = lines.updateValue(position.line, forKey: key) {
                throw ConfigError(
                    position: position, key: keyPath, problem: "is given twice",
                    allowed: "each key once; the first one is on line \(first)")
            }
            let value = try node(from: &events, path: keyPath)
            entries.append(ConfigNode.Entry(key: key, keyPosition: position, value: value))
        }
    }
}
