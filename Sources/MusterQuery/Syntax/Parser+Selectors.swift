import MusterModel

extension Parser {
    /// `name{a="b"}`; the name, if there is one, has been taken.
    mutating func selector(name: Token?) throws(QueryError) -> Node {
        let start = name?.range.start ?? token.range.start
        let metric = name.map { text[$0.range] }
        var matchers = metric.map { [LabelMatcher("__name__", equals: $0)] } ?? []
        if token.kind == .leftBrace { try braces(name: metric, into: &matchers) }
        guard matchers.contains(where: { !$0.isMatch("") }) else {
            throw text.error(
                "the selector would match every series; at least one matcher must exclude the empty value", at: start)
        }
        return try node(
            .selector(VectorSelector(name: metric, matchers: matchers, position: TextRange(start, end))), .vector)
    }

    /// `metric` is the name before the braces; its matcher is the first of `matchers`.
    private mutating func braces(
        name metric: String?, into matchers: inout [LabelMatcher]
    ) throws(QueryError) {
        var name = metric
        try advance()
        while token.kind != .rightBrace {
            let start = token.range.start
            guard matchers.count < limits.matchers else {
                throw text.error("more than \(limits.matchers) matchers", at: start)
            }
            let isQuoted = token.kind == .string
            let label = try labelName(or: "\"}\"")
            let isName = isQuoted && (token.kind == .comma || token.kind == .rightBrace)
            if let set = isName ? name : label == "__name__" ? metric : nil {
                throw text.error("the metric's name is set twice, here and as \(set)", at: start)
            }
            if isName { name = label }
            matchers.append(isName ? LabelMatcher("__name__", equals: label) : try matcher(label))
            if token.kind != .rightBrace { try take(.comma, or: "\"}\"") }
        }
        try advance()
    }

    private mutating func matcher(_ label: String) throws(QueryError) -> LabelMatcher {
        guard let op = LabelMatcher.Operator(rawValue: token.kind.rawValue) else {
            throw unexpected("one of = != =~ !~")
        }
        try advance()
        guard token.kind == .string else { throw unexpected("a quoted value") }
        let place = token.range.start
        let value = try Literal.string(in: text, token.range)
        try advance()
        do throws(PatternError) {
            return try LabelMatcher(label, op, value, compiler: compiler)
        } catch {
            throw text.error(error.description, at: place)
        }
    }

    /// The list behind by, without, on, ignoring, group_left and group_right.
    mutating func labelNames() throws(QueryError) -> [String] {
        try take(.leftParenthesis)
        var labels: [String] = []
        while token.kind != .rightParenthesis {
            let start = token.range.start
            let label = try labelName(or: "\")\"")
            guard !label.isEmpty else { throw text.error("a label's name is empty", at: start) }
            labels.append(label)
            if token.kind != .rightParenthesis { try take(.comma, or: "\")\"") }
        }
        try advance()
        return labels
    }

    /// As a word, keywords included, or quoted.
    private mutating func labelName(or other: String) throws(QueryError) -> String {
        let label: String
        switch token.kind {
        case .word: label = text[token.range]
        case .string: label = try Literal.string(in: text, token.range)
        default: throw unexpected("a label's name or \(other)")
        }
        try advance()
        return label
    }

    // MARK: Ranges, offset, @

    /// What may stand behind an expression; it binds tighter than every operator.
    mutating func modifiers(of node: Node) throws(QueryError) -> Node {
        var node = node
        while true {
            let keyword = token
            if token.kind == .leftBracket {
                node = try brackets(node)
            } else if token.kind == .at {
                try advance()
                let modifier = try atModifier()
                node = try shift(node, by: keyword) { _, at in
                    defer { at = modifier }
                    return at == nil
                }
            } else if token.keyword == .offset {
                try advance()
                let milliseconds = try offsetDuration()
                node = try shift(node, by: keyword) { offset, _ in
                    defer { offset = milliseconds }
                    return offset == 0
                }
            } else if let keyword = token.keyword, Unsupported.rangeModifiers.contains(keyword) {
                throw .unsupported(keyword.rawValue)
            } else if Unsupported.operators.contains(token.kind) {
                throw .unsupported(token.kind.rawValue)
            } else {
                return node
            }
        }
    }

    /// `change` writes an offset or an @ and tells whether there was none before.
    private func shift(
        _ node: Node, by keyword: Token, _ change: (inout Int64, inout AtModifier?) -> Bool
    ) throws(QueryError) -> Node {
        var node = node
        let isFirst: Bool
        switch node.expression {
        case .selector(var selector):
            isFirst = change(&selector.offset, &selector.at)
            selector.position.end = end
            node.expression = .selector(selector)
        case .range(var selector, let milliseconds, var range):
            isFirst = change(&selector.offset, &selector.at)
            range.end = end
            node.expression = .range(selector, milliseconds: milliseconds, range)
        case .subquery(var subquery):
            isFirst = change(&subquery.offset, &subquery.at)
            subquery.position.end = end
            node.expression = .subquery(subquery)
        default:
            throw text.error(
                "\(text[keyword.range]) needs a selector or a subquery before it", at: keyword.range.start)
        }
        guard isFirst else {
            throw text.error("\(text[keyword.range]) is given twice", at: keyword.range.start)
        }
        return node
    }

    private mutating func atModifier() throws(QueryError) -> AtModifier {
        if token.keyword == .start || token.keyword == .end {
            let modifier: AtModifier = token.keyword == .start ? .start : .end
            try advance()
            try take(.leftParenthesis)
            try take(.rightParenthesis)
            return modifier
        }
        let place = token.range.start
        let isNegative = token.kind == .subtract
        if token.isSign { try advance() }
        let seconds = try literalNumber() * (isNegative ? -1 : 1)
        guard let milliseconds = Int64(exactly: (seconds * 1_000).rounded()) else {
            throw text.error("this time is out of range", at: place)
        }
        return .time(milliseconds: milliseconds)
    }

    /// `[range]` or `[range:step]`
    private mutating func brackets(_ node: Node) throws(QueryError) -> Node {
        let place = token.range.start
        try advance()
        let range = try positiveDuration()
        guard token.kind == .colon else {
            try take(.rightBracket, or: "\":\"")
            guard case .selector(let selector) = node.expression else {
                throw text.error(
                    "only a selector has a range; for another expression write a subquery, [5m:]", at: place)
            }
            guard selector.offset == 0, selector.at == nil else {
                throw text.error("offset and @ stand behind the range", at: place)
            }
            return Node(
                expression: .range(selector, milliseconds: range, TextRange(selector.position.start, end)),
                type: .matrix, height: node.height)
        }
        try advance()
        let step = token.kind == .rightBracket ? nil : try positiveDuration()
        try take(.rightBracket)
        guard node.type == .vector else {
            throw text.error("a subquery needs an instant vector before it, not \(node.type.phrase)", at: place)
        }
        let subquery = Subquery(
            expression: node.expression, range: range, step: step,
            position: TextRange(node.expression.position.start, end))
        return try self.node(.subquery(subquery), .matrix, above: node.height)
    }
}
