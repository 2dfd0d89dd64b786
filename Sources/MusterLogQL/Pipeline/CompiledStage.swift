import MusterModel

/// A stage ready to run.
enum CompiledStage: Sendable {
    case line(CompiledLineTest)
    case json([(label: String, path: JSONPath)])
    case logfmt([LogStage.Extraction], isStrict: Bool, keepsEmpty: Bool)
    case regexp(LabelledSearch)
    case pattern(LinePattern)
    case unpack
    case label(CompiledCondition)
    case lineFormat(LineTemplate)
    case labelFormat([(label: String, source: Source)])
    case decolorize
    case drop([Choice])
    case keep([Choice])
    case unwrap(String, LogStage.Conversion)

    enum Source: Sendable {
        case label(String)
        case template(LineTemplate)
    }

    enum Choice: Sendable {
        case name(String)
        case matcher(LabelMatcher)

        func isChosen(_ label: Labels.Label) -> Bool {
            switch self {
            case .name(let name): label.name == name
            case .matcher(let matcher): label.name == matcher.name && matcher.isMatch(label.value)
            }
        }
    }

    init(_ stage: LogStage, compiler: some PatternCompiler) throws(LogQLError) {
        switch stage {
        case .line(let test): self = .line(try CompiledLineTest(test, compiler: compiler))
        case .json(let extractions):
            var paths: [(label: String, path: JSONPath)] = []
            for extraction in extractions { paths.append((extraction.label, try JSONPath(extraction.path))) }
            self = .json(paths)
        case .logfmt(let extractions, let isStrict, let keepsEmpty):
            self = .logfmt(extractions, isStrict: isStrict, keepsEmpty: keepsEmpty)
        case .regexp(let expression): self = .regexp(try LabelledSearch(expression, compiler: compiler))
        case .pattern(let pattern): self = .pattern(try LinePattern(pattern))
        case .unpack: self = .unpack
        case .label(let condition): self = .label(try CompiledCondition(condition, compiler: compiler))
        case .lineFormat(let template): self = .lineFormat(try LineTemplate(template))
        case .labelFormat(let assignments):
            var compiled: [(label: String, source: Source)] = []
            for assignment in assignments {
                switch assignment.source {
                case .label(let name): compiled.append((assignment.label, .label(name)))
                case .template(let text): compiled.append((assignment.label, .template(try LineTemplate(text))))
                }
            }
            self = .labelFormat(compiled)
        case .decolorize: self = .decolorize
        case .drop(let choices): self = .drop(try Self.compiled(choices, compiler))
        case .keep(let choices): self = .keep(try Self.compiled(choices, compiler))
        case .unwrap(let label, let conversion): self = .unwrap(label, conversion)
        }
    }

    private static func compiled(
        _ choices: [LogStage.LabelChoice], _ compiler: some PatternCompiler
    ) throws(LogQLError) -> [Choice] {
        var compiled: [Choice] = []
        for choice in choices {
            switch choice {
            case .name(let name): compiled.append(.name(name))
            case .test(let test): compiled.append(.matcher(try LabelMatcher(test, compiler: compiler)))
            }
        }
        return compiled
    }

    /// False drops the line.
    func apply(to line: inout PipelineLine) -> Bool {
        switch self {
        case .line(let test): return test.isMatch(line.line)
        case .label(let condition): return condition.isTrue(&line)
        case .unwrap(let label, let conversion): return line.unwrap(label, conversion)
        case .json(let paths): line.parseJSON(paths)
        case .logfmt(let extractions, let isStrict, let keepsEmpty):
            line.parseLogfmt(extractions, isStrict: isStrict, keepsEmpty: keepsEmpty)
        case .regexp(let search): line.add(parsed: search.captures(in: line.line))
        case .pattern(let pattern): line.add(parsed: pattern.captures(in: line.line))
        case .unpack: line.unpack()
        case .lineFormat(let template): line.line = Array(template.text(line).utf8)
        case .labelFormat(let assignments): line.format(assignments)
        case .decolorize: line.decolorize()
        case .drop(let choices):
            line.labels = Labels(
                sortedPairs: line.labels.pairs.filter { label in !choices.contains { $0.isChosen(label) } })
        case .keep(let choices):
            line.labels = Labels(
                sortedPairs: line.labels.pairs.filter { label in
                    PipelineLine.isAboutErrors(label.name) || choices.contains { $0.isChosen(label) }
                })
        }
        return true
    }
}
