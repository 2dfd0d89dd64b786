import MusterModel

/// `[name] [{matchers}] [comparison number]`, in any number of parentheses around the whole.
struct QueryParser {
    private var lexer: QueryLexer
    private var token: QueryToken
    private let limits: QueryLimits

    init(_ text: String, limits: QueryLimits) throws(QueryError) {
        guard text.utf8.count <= limits.expressionBytes else {
            throw .refused("the query has \(text.utf8.count) bytes, \(limits.expressionBytes) are allowed")
        }
        self.limits = limits
        lexer = QueryLexer(text)
        token = try lexer.next()
    }

    mutating func query(compiler: some PatternCompiler) throws(QueryError) -> Query {
        var open = 0
        while token.kind == .symbol("(") {
            open += 1
            try advance()
        }
        let matchers = try selector(compiler: compiler)
        // `(selector) > 1` and `(selector > 1)` mean the same.
        open = try close(open)
        let filter = try filter()
        open = try close(open)
        guard open == 0 else { throw lexer.error("expected \")\", found \(token.text)", at: token.offset) }
        guard token.kind == .end else { throw unexpected("a comparison or the end of the query") }
        return Query(matchers: matchers, filter: filter)
    }

    private mutating func close(_ open: Int) throws(QueryError) -> Int {
        var open = open
        while open > 0, token.kind == .symbol(")") {
            open -= 1
            try advance()
        }
        return open
    }

    private mutating func advance() throws(QueryError) { token = try lexer.next() }

    private mutating func selector(compiler: some PatternCompiler) throws(QueryError) -> [LabelMatcher] {
        let start = token.offset
        var matchers: [LabelMatcher] = []
        var name: String?
        if case .name(let word) = token.kind {
            name = word
            matchers.append(LabelMatcher("__name__", equals: word))
            try advance()
            if token.kind == .symbol("(") {
                throw lexer.error(
                    "functions are not read by this version; write a selector such as up{job=\"api\"}", at: start)
            }
        }
        if token.kind == .symbol("{") {
            try braces(name: name, into: &matchers, compiler: compiler)
        } else if name == nil {
            throw unexpected("a metric name or \"{\"")
        }
        if token.kind == .symbol("[") {
            throw lexer.error(
                "range selectors are not read by this version; ask for a range of steps", at: token.offset)
        }
        if case .name(let word) = token.kind, word.lowercased() == "offset" {
            throw lexer.error("offset is not read by this version", at: token.offset)
        }
        guard matchers.contains(where: { !$0.isMatch("") }) else {
            throw lexer.error(
                "the selector would match every series; at least one matcher must exclude the empty value", at: start)
        }
        return matchers
    }

    private mutating func braces(
        name: String?, into matchers: inout [LabelMatcher], compiler: some PatternCompiler
    ) throws(QueryError) {
        var name = name
        try advance()
        while token.kind != .symbol("}") {
            guard matchers.count < limits.matchers else {
                throw lexer.error("more than \(limits.matchers) matchers", at: token.offset)
            }
            let start = token.offset
            let label = try labelName()
            if label.isQuoted, token.kind == .symbol(",") || token.kind == .symbol("}") {
                // `{"a metric's name", ...}`
                if let name { throw lexer.error("the metric's name is set twice: \(name), \(label.name)", at: start) }
                name = label.name
                matchers.append(LabelMatcher("__name__", equals: label.name))
            } else {
                matchers.append(try matcher(label.name, at: start, compiler: compiler))
                if label.name == "__name__", name != nil {
                    throw lexer.error("the metric's name is set twice", at: start)
                }
            }
            if token.kind == .symbol(",") {
                try advance()
            } else if token.kind != .symbol("}") {
                throw unexpected("\",\" or \"}\"")
            }
        }
        try advance()
    }

    private mutating func labelName() throws(QueryError) -> (name: String, isQuoted: Bool) {
        switch token.kind {
        case .name(let name) where !name.contains(":"):
            try advance()
            return (name, false)
        case .string(let name):
            guard !name.isEmpty else { throw lexer.error("a name is empty", at: token.offset) }
            try advance()
            return (name, true)
        default: throw unexpected("a label name or \"}\"")
        }
    }

    private mutating func matcher(
        _ name: String, at start: Int, compiler: some PatternCompiler
    ) throws(QueryError) -> LabelMatcher {
        guard case .symbol(let symbol) = token.kind, let op = LabelMatcher.Operator(rawValue: symbol) else {
            throw unexpected("one of = != =~ !~")
        }
        try advance()
        guard case .string(let value) = token.kind else { throw unexpected("a quoted value") }
        let valueOffset = token.offset
        try advance()
        do throws(PatternError) {
            return try LabelMatcher(name, op, value, compiler: compiler)
        } catch {
            throw lexer.error(error.description, at: valueOffset)
        }
    }

    private mutating func filter() throws(QueryError) -> Query.Filter? {
        guard case .symbol(let symbol) = token.kind, symbol != ")" else { return nil }
        guard let comparison = Query.Comparison(rawValue: symbol) else {
            throw unexpected("one of == != > < >= <=, or the end of the query")
        }
        try advance()
        if token.kind == .name("bool") { throw lexer.error("bool is not read by this version", at: token.offset) }
        var sign = 1.0
        while token.kind == .symbol("-") || token.kind == .symbol("+") {
            if token.kind == .symbol("-") { sign = -sign }
            try advance()
        }
        let threshold: Double
        switch token.kind {
        case .number(let number): threshold = number
        case .name(let word) where word.lowercased() == "inf": threshold = .infinity
        case .name(let word) where word.lowercased() == "nan": threshold = .nan
        default: throw unexpected("a number")
        }
        try advance()
        return Query.Filter(comparison: comparison, threshold: sign * threshold)
    }

    private func unexpected(_ expected: String) -> QueryError {
        lexer.error("expected \(expected), found \(token.text)", at: token.offset)
    }
}
