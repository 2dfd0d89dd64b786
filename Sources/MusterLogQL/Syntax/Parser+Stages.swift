import MusterModel

extension Parser {
    /// All stages that follow; none is fine.
    mutating func stages(mayUnwrap: Bool) throws(LogQLError) -> [LogStage] {
        var stages: [LogStage] = []
        while token.kind == .punctuation {
            let place = token.range.lowerBound
            if let op = LineTest.Operator(rawValue: token.text) {
                try advance()
                stages.append(.line(try lineTest(op)))
            } else if self.is("|>") || self.is("!>") {
                throw unsupported("the pattern filter \(token.text)", "write |~ with a regular expression", at: place)
            } else if try takeIf("|") {
                stages.append(try stage(mayUnwrap: mayUnwrap))
            } else {
                break
            }
            try count()
            try checkUnwrap(stages, at: place)
        }
        return stages
    }

    /// What follows an unwrap can only choose among the numbers.
    private func checkUnwrap(_ stages: [LogStage], at place: Int) throws(LogQLError) {
        guard let last = stages.last, stages.dropLast().contains(where: \.isUnwrap) else { return }
        if case .label = last { return }
        throw text.error("only conditions on labels may follow unwrap; write the other stages before it", at: place)
    }

    // MARK: Lines

    /// `"a" or "b"`; the operator has been taken.
    private mutating func lineTest(_ op: LineTest.Operator) throws(LogQLError) -> LineTest {
        var alternatives = [try lineText(op)]
        while try takeIfWord("or") {
            alternatives.append(try lineText(op))
            try count()
        }
        return LineTest(operator: op, alternatives: alternatives)
    }

    private mutating func lineText(_ op: LineTest.Operator) throws(LogQLError) -> String {
        let place = token.range.lowerBound
        if isWord("ip") {
            throw unsupported("ip(...)", "write |~ with a regular expression for the address", at: place)
        }
        let value = try takeString()
        if op == .matches || op == .mismatches {
            do throws(PatternError) {
                _ = try compiler.compileSearch(value)
            } catch {
                throw text.error(error.description, at: place)
            }
        }
        return value
    }

    // MARK: Stages with a name

    /// What stands behind a `|`.
    private mutating func stage(mayUnwrap: Bool) throws(LogQLError) -> LogStage {
        guard token.kind == .word, try !isCondition() else { return .label(try condition()) }
        let place = token.range.lowerBound
        let name = try takeName("a stage")
        switch name {
        case "json": return .json(try extractions())
        case "logfmt": return try logfmt()
        case "regexp":
            return .regexp(
                try checked { expression, compiler throws(LogQLError) in
                    _ = try LabelledSearch(expression, compiler: compiler)
                })
        case "pattern": return .pattern(try checked { pattern, _ throws(LogQLError) in _ = try LinePattern(pattern) })
        case "unpack": return .unpack
        case "line_format":
            return .lineFormat(try checked { template, _ throws(LogQLError) in _ = try LineTemplate(template) })
        case "label_format": return .labelFormat(try assignments())
        case "decolorize": return .decolorize
        case "drop": return .drop(try choices())
        case "keep": return .keep(try choices())
        case "unwrap":
            guard mayUnwrap else {
                throw text.error(
                    "unwrap makes numbers of lines and belongs into a metric query, "
                        + "for example sum_over_time({job=\"api\"} | json | unwrap size [5m])", at: place)
            }
            return try unwrap()
        case "distinct": throw unsupported("distinct", "count lines by label in a metric query", at: place)
        default:
            throw text.error(
                "\"\(name)\" is no stage; stages are json, logfmt, regexp, pattern, unpack, line_format, label_format, "
                    + "decolorize, drop, keep, unwrap, or a condition such as status >= 500", at: place)
        }
    }

    /// A name that is followed by an operator is a label, also when a stage is called so.
    private func isCondition() throws(LogQLError) -> Bool {
        let next = try following()
        return next.kind == .punctuation && ["=", "==", "!=", "=~", "!~", "<", "<=", ">", ">="].contains(next.text)
            && !(next.text.hasPrefix("!") && ["json", "logfmt", "unpack", "decolorize"].contains(token.text))
    }

    /// A text with what is wrong with it at its place.
    private mutating func checked(
        _ check: (String, any PatternCompiler) throws(LogQLError) -> Void
    ) throws(LogQLError) -> String {
        let place = token.range.lowerBound
        let value = try takeString()
        do throws(LogQLError) {
            try check(value, compiler)
        } catch {
            throw text.error(error.message, at: place, error.kind)
        }
        return value
    }

    private mutating func logfmt() throws(LogQLError) -> LogStage {
        var (isStrict, keepsEmpty) = (false, false)
        while self.is("-") {
            try advance()
            try take("-")
            let place = token.range.lowerBound
            switch try takeName("strict or keep-empty") {
            case "strict": isStrict = true
            case "keep":
                try take("-")
                guard try takeIfWord("empty") else { throw unexpected("keep-empty") }
                keepsEmpty = true
            case let flag: throw text.error("logfmt knows --strict and --keep-empty, not --\(flag)", at: place)
            }
        }
        return .logfmt(try extractions(isJSON: false), isStrict: isStrict, keepsEmpty: keepsEmpty)
    }

    /// `a, b="c.d"`
    private mutating func extractions(isJSON: Bool = true) throws(LogQLError) -> [LogStage.Extraction] {
        guard token.kind == .word else { return [] }
        var extractions: [LogStage.Extraction] = []
        repeat {
            let label = try takeName("a label's name")
            guard try takeIf("=") else {
                extractions.append(LogStage.Extraction(label: label, path: label))
                continue
            }
            let path =
                if isJSON {
                    try checked { path, _ throws(LogQLError) in _ = try JSONPath(path) }
                } else {
                    try takeString()
                }
            extractions.append(LogStage.Extraction(label: label, path: path))
            try count()
        } while try takeIf(",")
        return extractions
    }

    /// `to=from, other="template"`
    private mutating func assignments() throws(LogQLError) -> [LogStage.LabelAssignment] {
        var assignments: [LogStage.LabelAssignment] = []
        repeat {
            let place = token.range.lowerBound
            let label = try takeName("a label's name")
            guard !assignments.contains(where: { $0.label == label }) else {
                throw text.error("label_format sets \"\(label)\" twice; write a second label_format", at: place)
            }
            try take("=")
            if token.kind == .word {
                assignments.append(.init(label: label, source: .label(try takeName("a label's name"))))
            } else {
                let template = try checked { template, _ throws(LogQLError) in _ = try LineTemplate(template) }
                assignments.append(.init(label: label, source: .template(template)))
            }
            try count()
        } while try takeIf(",")
        return assignments
    }

    /// `a, b="c"`
    private mutating func choices() throws(LogQLError) -> [LogStage.LabelChoice] {
        var choices: [LogStage.LabelChoice] = []
        repeat {
            let name = try takeName("a label's name")
            if token.kind == .punctuation, let op = LabelMatcher.Operator(rawValue: token.text),
                try following().kind == .string
            {
                try advance()
                choices.append(.test(try labelTest(name, op)))
            } else {
                choices.append(.name(name))
            }
            try count()
        } while try takeIf(",")
        return choices
    }

    /// `latency` or `duration(latency)`
    private mutating func unwrap() throws(LogQLError) -> LogStage {
        let place = token.range.lowerBound
        let name = try takeName("a label's name or a conversion")
        guard try takeIf("(") else { return .unwrap(name, .number) }
        guard let conversion = LogStage.Conversion(rawValue: name), conversion != .number else {
            throw text.error("unwrap converts with duration, duration_seconds or bytes, not \(name)", at: place)
        }
        let label = try takeName("a label's name")
        try take(")")
        return .unwrap(label, conversion)
    }
}

extension LogStage {
    var isUnwrap: Bool {
        if case .unwrap = self { true } else { false }
    }
}
