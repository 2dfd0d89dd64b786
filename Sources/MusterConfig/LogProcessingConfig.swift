package import MusterModel

// Reads the mapping `processing` of a log source. Expressions stay text that knows its place: whoever compiles them
// reports what is wrong with the same file, line and key.
extension LogProcessing {
    package init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        self.init()
        if let inner = try reader.mapping("multiline") { multiline = try Multiline(inner) }
        if let inner = try reader.mapping("redact") { redaction = try Redaction(inner) }
        if let inner = try reader.mapping("fields") { fields = try Fields(inner) }
        findsLevel = try reader.boolean("level") ?? true
        drops =
            try reader.list("drop") { node, path throws(ConfigError) in
                try Drop(try ConfigReader(node, path: path))
            } ?? []
        guard drops.count <= Self.maxDropRules else {
            throw reader.error("drop", "has \(drops.count) rules", allowed: "at most \(Self.maxDropRules)")
        }
        if let inner = try reader.mapping("sample") { sample = try Sample(inner) }
        if let inner = try reader.mapping("rate") { rate = try Rate(inner) }
        try reader.finish()
    }
}

extension ConfigReader {
    /// A regular expression, not yet compiled.
    fileprivate mutating func expression(_ key: String) throws(ConfigError) -> LogProcessing.Expression? {
        guard let text = try shortText(key, what: "a regular expression") else { return nil }
        return LogProcessing.Expression(text, key: path(key), position: position(key))
    }

    fileprivate mutating func shortText(_ key: String, what: String) throws(ConfigError) -> String? {
        let limit = LogProcessing.expressionBytes
        return try value(key, allowed: "\(what) of 1 to \(limit) bytes") { text, _ in
            (1...limit).contains(text.utf8.count) ? text : nil
        }
    }

    /// A list of some of these, each once and by its name.
    fileprivate mutating func some<Choice: Equatable>(
        _ key: String, of choices: [Choice], _ name: (Choice) -> String
    ) throws(ConfigError) -> [Choice]? {
        let allowed = choices.map(name).joined(separator: ", ")
        let found = try list(key) { node, path throws(ConfigError) in
            try Self.scalar(node, path: path, allowed: allowed) { text, _ in choices.first { name($0) == text } }
        }
        guard let found else { return nil }
        guard !found.isEmpty else { throw error(key, "is empty", allowed: "some of \(allowed)") }
        for (index, choice) in found.enumerated() where found[..<index].contains(choice) {
            throw error(key, "has \(name(choice)) twice", allowed: "each name once")
        }
        return found
    }
}

extension LogProcessing.Multiline {
    static let kinds = ["java", "python", "go", "indented"]

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let name = try reader.string("kind", oneOf: Self.kinds)
        let start = try reader.expression("start")
        let lines = try reader.integer("maxLines", in: LogProcessing.multilineLinesRange)
        try reader.finish()
        let kind: Kind
        switch (name, start) {
        case (nil, let start?): kind = .start(start)
        case ("java", nil): kind = .java
        case ("python", nil): kind = .python
        case ("go", nil): kind = .go
        case ("indented", nil): kind = .indented
        case (nil, nil):
            throw reader.error(
                "kind", "is missing", allowed: "\(Self.kinds.joined(separator: ", ")); or 'start' with an expression")
        default:
            throw reader.error("start", "stands beside 'kind'", allowed: "one of the two")
        }
        self.init(kind, maxLines: lines ?? LogProcessing.defaultMultilineLines)
    }
}

extension LogProcessing.Redaction {
    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let named = try reader.some("secrets", of: LogProcessing.Secret.allCases, \.rawValue)
        let patterns =
            try reader.list("patterns") { node, path throws(ConfigError) in
                try Pattern(try ConfigReader(node, path: path))
            } ?? []
        let limit = LogProcessing.maxSecretPatterns
        guard patterns.count <= limit else {
            throw reader.error("patterns", "has \(patterns.count) entries", allowed: "at most \(limit)")
        }
        for (index, pattern) in patterns.enumerated()
        where patterns[..<index].contains(where: { $0.name == pattern.name }) {
            throw reader.error("patterns", "has the name \(pattern.name) twice", allowed: "a name for each")
        }
        try reader.finish()
        self.init(secrets: named ?? LogProcessing.Secret.allCases, patterns: patterns)
    }
}

extension LogProcessing.Redaction.Pattern {
    static let nameAllowed =
        "1 to \(LogProcessing.ruleNameBytes) letters, digits, - and _, and not the name of a built-in secret"

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        _ = try reader.required("name", allowed: Self.nameAllowed)
        let name = try reader.value("name", allowed: Self.nameAllowed) { text, _ in Self.isName(text) ? text : nil }
        _ = try reader.required("pattern", allowed: "a regular expression")
        let found = try reader.expression("pattern")
        let group = try reader.integer("group", in: LogProcessing.groupRange) ?? 0
        try reader.finish()
        guard let name, let found else {
            throw reader.error("pattern", "is missing", allowed: "a regular expression")
        }
        self.init(name: name, expression: found, group: group)
    }

    private static func isName(_ text: String) -> Bool {
        (1...LogProcessing.ruleNameBytes).contains(text.utf8.count)
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") }
            && LogProcessing.Secret(rawValue: text) == nil
    }
}

extension LogProcessing.Fields {
    static let formats = ["json", "logfmt", "pattern"]

    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        _ = try reader.required("format", allowed: Self.formats.joined(separator: ", "))
        let format = try reader.string("format", oneOf: Self.formats)
        let expression = try reader.expression("pattern")
        try reader.finish()
        switch (format, expression) {
        case ("json", nil): self = .json
        case ("logfmt", nil): self = .logfmt
        case ("pattern", let expression?): self = .pattern(expression)
        case ("pattern", nil):
            throw reader.error(
                "pattern", "is missing", allowed: "a regular expression with named groups such as (?P<status>[0-9]+)")
        default:
            throw reader.error("pattern", "stands beside another format", allowed: "the format 'pattern'")
        }
    }
}

extension LogProcessing.Drop {
    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let literal = try reader.shortText("contains", what: "a text")
        let expression = try reader.expression("pattern")
        let levels = try reader.some("levels", of: LogLevel.allCases, \.text) ?? []
        let keeps = try reader.string("action", oneOf: ["drop", "keep"]) == "keep"
        try reader.finish()
        switch (literal, expression) {
        case (let literal?, nil): self.init(.contains(literal), levels: levels, keeps: keeps)
        case (nil, let expression?): self.init(.matches(expression), levels: levels, keeps: keeps)
        case (nil, nil) where !levels.isEmpty: self.init(.always, levels: levels, keeps: keeps)
        case (nil, nil):
            throw reader.error("contains", "is missing", allowed: "'contains', 'pattern' or 'levels'")
        default:
            throw reader.error("pattern", "stands beside 'contains'", allowed: "one of the two, or two rules")
        }
    }
}

extension LogProcessing.Sample {
    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let range = LogProcessing.sampleRange
        _ = try reader.required("keepOneOf", allowed: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        let keepOneOf = try reader.integer("keepOneOf", in: range) ?? range.lowerBound
        let levels = try reader.some("levels", of: Self.defaultLevels, \.text) ?? Self.defaultLevels
        try reader.finish()
        self.init(keepOneOf: keepOneOf, levels: levels)
    }
}

extension LogProcessing.Rate {
    init(_ inner: ConfigReader) throws(ConfigError) {
        var reader = inner
        let lines = try reader.integer("lines", in: LogProcessing.lineRateRange)
        let bytes = try reader.bytes("bytes", in: LogProcessing.byteRateRange)
        let burst = try reader.duration("burst", in: LogProcessing.burstRange) ?? LogProcessing.defaultBurst
        try reader.finish()
        guard lines != nil || bytes != nil else {
            throw reader.error("lines", "is missing", allowed: "'lines' or 'bytes' of a second, or both")
        }
        self.init(lines: lines, bytes: bytes, burst: burst)
    }
}
