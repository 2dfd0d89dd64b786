/// Where a value stands in a document: `request.headers[0]["user-agent"]`.
struct JSONPath: Equatable {
    enum Step: Equatable {
        case key(String)
        case index(Int)
    }

    private(set) var steps: [Step] = []

    /// Errors have no place: the caller knows where the path stands.
    init(_ text: String) throws(LogQLError) {
        var rest = Substring(text)
        var needsKey = true
        while !rest.isEmpty {
            if rest.first == "[" {
                steps.append(try Self.bracket(&rest, text))
            } else {
                if !steps.isEmpty, !needsKey { throw Self.error(text) }
                let key = rest.prefix { $0 != "." && $0 != "[" }
                guard !key.isEmpty else { throw Self.error(text) }
                steps.append(.key(String(key)))
                rest = rest.dropFirst(key.count)
            }
            needsKey = rest.first == "."
            if needsKey {
                rest = rest.dropFirst()
                guard let next = rest.first, next != "." else { throw Self.error(text) }
            }
            guard steps.count <= LogQLLimits.jsonDepth else { throw Self.error(text) }
        }
        guard !steps.isEmpty else { throw Self.error(text) }
    }

    private static func bracket(_ rest: inout Substring, _ text: String) throws(LogQLError) -> Step {
        rest = rest.dropFirst()
        let isQuoted = rest.first == "\""
        if isQuoted { rest = rest.dropFirst() }
        let end: Character = isQuoted ? "\"" : "]"
        let body = rest.prefix { $0 != end }
        rest = rest.dropFirst(body.count)
        if isQuoted { rest = rest.dropFirst() }
        guard rest.first == "]" else { throw error(text) }
        rest = rest.dropFirst()
        if isQuoted { return .key(String(body)) }
        guard body.utf8.allSatisfy(\.isDigit), let index = Int(body) else { throw error(text) }
        return .index(index)
    }

    private static func error(_ text: String) -> LogQLError {
        LogQLError(.syntax, "\"\(text)\" is no path into JSON; write one such as request.headers[0][\"user-agent\"]")
    }

    /// Of keys that stand twice the first counts.
    func value(in document: JSONValue) -> JSONValue? {
        var value = document
        for step in steps {
            switch (step, value) {
            case (.key(let key), .object(let members, _)):
                guard let member = members.first(where: { $0.key == key }) else { return nil }
                value = member.value
            case (.index(let index), .array(let elements, _)):
                guard index < elements.count else { return nil }
                value = elements[index]
            default: return nil
            }
        }
        return value
    }
}
