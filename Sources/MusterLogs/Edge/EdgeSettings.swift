package import MusterModel

/// What is done with the lines of a source, compiled from `LogProcessing`. Made once when the agent starts.
package struct EdgeSettings: Equatable, Sendable {
    /// What it was compiled from.
    private var source = LogProcessing()

    package var multiline: MultilineRule?
    package var multilineLines = LogProcessing.defaultMultilineLines
    package var redaction: Redaction?
    package var fields: FieldFormat?
    package var findsLevel = true
    package var drops: [DropRule] = []
    package var sampler: LineSampler?
    package var rate: LogProcessing.Rate?

    /// Which secrets go.
    package struct Redaction: Sendable {
        package var secrets: [LogProcessing.Secret]
        package var patterns: [SecretPattern]

        package init(secrets: [LogProcessing.Secret] = LogProcessing.Secret.allCases, patterns: [SecretPattern] = []) {
            self.secrets = secrets
            self.patterns = patterns
        }
    }

    /// Nothing is done.
    package init() {}

    /// Throws for an expression that is not valid or has not the groups it needs, with the place where it was written.
    package init(_ processing: LogProcessing, compiler: some PatternCompiler) throws(ConfigError) {
        source = processing
        if let multiline = processing.multiline {
            self.multiline = try Self.rule(multiline.kind, compiler: compiler)
            multilineLines = multiline.maxLines
        }
        if let redaction = processing.redaction {
            var patterns: [SecretPattern] = []
            for pattern in redaction.patterns { patterns.append(try Self.secret(pattern, compiler: compiler)) }
            self.redaction = Redaction(secrets: redaction.secrets, patterns: patterns)
        }
        if let fields = processing.fields { self.fields = try Self.format(fields, compiler: compiler) }
        findsLevel = processing.findsLevel
        for drop in processing.drops {
            let condition: DropRule.Condition
            switch drop.condition {
            case .contains(let text): condition = .contains(Array(text.utf8))
            case .matches(let expression): condition = .matches(try Self.compile(expression, compiler))
            case .always: condition = .always
            }
            let levels = drop.levels.isEmpty ? LevelSet.all : LevelSet(drop.levels)
            drops.append(DropRule(condition, levels: levels, keeps: drop.keeps))
        }
        sampler = processing.sample.map { LineSampler(keepOneOf: $0.keepOneOf, levels: $0.levels) }
        rate = processing.rate
    }

    /// Settings that were written alike are alike.
    package static func == (a: EdgeSettings, b: EdgeSettings) -> Bool { a.source == b.source }

    /// True when lines pass as they are: no pipeline is needed. Levels are found without one.
    package var isEmpty: Bool {
        multiline == nil && redaction == nil && fields == nil && drops.isEmpty && sampler == nil && rate == nil
    }

    /// Whether any part asks for the level.
    var needsLevel: Bool { findsLevel || !drops.isEmpty || sampler != nil || rate != nil }

    private static func compile(
        _ expression: LogProcessing.Expression, _ compiler: some PatternCompiler
    ) throws(ConfigError) -> any SearchPattern {
        do throws(PatternError) {
            return try compiler.compileSearch(expression.text)
        } catch {
            throw expression.error(
                "is \"\(expression.text)\", which is not valid: \(error.reason)",
                allowed: "a regular expression in RE2 syntax")
        }
    }

    private static func rule(
        _ kind: LogProcessing.Multiline.Kind, compiler: some PatternCompiler
    ) throws(ConfigError) -> MultilineRule {
        switch kind {
        case .start(let expression): .start(try compile(expression, compiler))
        case .indented: .indented
        case .java: .java
        case .python: .python
        case .go: .go
        }
    }

    private static func secret(
        _ pattern: LogProcessing.Redaction.Pattern, compiler: some PatternCompiler
    ) throws(ConfigError) -> SecretPattern {
        let compiled = try compile(pattern.expression, compiler)
        if pattern.group > 0, groupCount(of: pattern.expression.text) < pattern.group {
            throw pattern.expression.error(
                "has no group \(pattern.group)", allowed: "parentheses around what is to be replaced, or no 'group'")
        }
        return SecretPattern(name: pattern.name, pattern: compiled, group: pattern.group)
    }

    /// Groups of a valid expression in RE2 syntax: `(` and `(?P<name>`, `(?<name>`, outside classes and quoted text.
    static func groupCount(of expression: String) -> Int {
        let bytes = Array(expression.utf8)
        var groups = 0
        var classStart: Int?
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case 0x5c:
                if bytes.span.byte(at: index + 1) == 0x51 {
                    while index < bytes.count, !bytes.span.has([0x5c, 0x45], at: index) { index += 1 }
                }
                index += 1
            case 0x5b where classStart == nil:
                if bytes.span.byte(at: index + 1) == 0x5e { index += 1 }
                classStart = index
            // A bracket directly behind the opening one is a member.
            case 0x5d: if let start = classStart, index > start + 1 { classStart = nil }
            case 0x28 where classStart == nil:
                let isNamed =
                    bytes.span.has([0x3f, 0x50, 0x3c], at: index + 1) || bytes.span.has([0x3f, 0x3c], at: index + 1)
                if isNamed || bytes.span.byte(at: index + 1) != 0x3f { groups += 1 }
            default: break
            }
            index += 1
        }
        return groups
    }

    private static func format(
        _ fields: LogProcessing.Fields, compiler: some PatternCompiler
    ) throws(ConfigError) -> FieldFormat {
        switch fields {
        case .json: return .json
        case .logfmt: return .logfmt
        case .pattern(let expression):
            let compiled = try compile(expression, compiler)
            guard !compiled.groupNames.isEmpty else {
                throw expression.error(
                    "has no group with a name", allowed: "groups such as (?P<status>[0-9]+), one for each field")
            }
            return .pattern(compiled)
        }
    }
}
