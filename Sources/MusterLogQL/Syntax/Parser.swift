package import MusterModel

extension LogQLQuery {
    /// Reads a query and checks all that can be checked without lines. `compiler` compiles its regular expressions.
    /// Throws `.syntax` or `.unsupported` with the place, and `.limit` for a text that is too long or too deep.
    package init(parsing text: String, compiler: some PatternCompiler) throws(LogQLError) {
        guard text.utf8.count <= LogQLLimits.queryBytes else {
            throw LogQLError(
                .limit, "it has \(text.utf8.count) bytes, \(LogQLLimits.queryBytes) are allowed; split it in two")
        }
        var parser = try Parser(QueryText(text), compiler: compiler)
        self = try parser.query()
    }
}

/// Recursive descent with one token of look-ahead; everything is checked where it is read, so an error points at the
/// innermost place that is wrong.
struct Parser {
    let text: QueryText
    let compiler: any PatternCompiler
    private var lexer: Lexer
    private(set) var token: Token
    private var depth = 0
    private var parts = 0

    init(_ text: QueryText, compiler: any PatternCompiler) throws(LogQLError) {
        self.text = text
        self.compiler = compiler
        lexer = Lexer(text)
        token = try lexer.next()
    }

    mutating func query() throws(LogQLError) -> LogQLQuery {
        guard token.kind != .end else {
            throw text.error("it is empty; choose streams, for example {job=\"api\"}", at: token.range.lowerBound)
        }
        let query: LogQLQuery =
            if try beginsStreams() { .logs(try logQuery()) } else { .metric(try expression()) }
        guard token.kind == .end else { throw unexpected("the end of the query") }
        return query
    }

    /// Whether a brace comes first, whatever parentheses stand before it.
    private func beginsStreams() throws(LogQLError) -> Bool {
        var (ahead, next) = (lexer, token)
        while next.text == "(", next.kind == .punctuation { next = try ahead.next() }
        return next.kind == .punctuation && next.text == "{"
    }

    /// A query for lines: nothing is unwrapped.
    private mutating func logQuery() throws(LogQLError) -> LogStreamQuery {
        try enter()
        defer { leave() }
        var query: LogStreamQuery
        if try takeIf("(") {
            query = try logQuery()
            try take(")")
        } else {
            query = LogStreamQuery(matchers: try selector())
        }
        query.stages += try stages(mayUnwrap: false)
        return query
    }

    // MARK: Streams

    /// `{job="api",path=~"/v1/.*"}`
    mutating func selector() throws(LogQLError) -> [LabelTest] {
        let start = token.range.lowerBound
        try take("{")
        var tests: [LabelTest] = []
        while !self.is("}") {
            tests.append(try labelTest())
            guard try takeIf(",") else { break }
        }
        try take("}", or: "\",\"")
        let narrows = tests.contains { test in
            (try? LabelMatcher(test.name, test.operator, test.value, compiler: compiler).isMatch("")) == false
        }
        guard narrows else {
            throw text.error(
                "the braces need a condition that no empty value fulfils, for example {job=\"api\"} or {job=~\".+\"}",
                at: start)
        }
        return tests
    }

    /// `name="value"`
    mutating func labelTest() throws(LogQLError) -> LabelTest {
        let name = try takeName("a label's name")
        guard token.kind == .punctuation, let op = LabelMatcher.Operator(rawValue: token.text) else {
            throw unexpected("=, !=, =~ or !~")
        }
        try advance()
        return try labelTest(name, op)
    }

    /// The value of a condition; its operator has been taken.
    mutating func labelTest(_ name: String, _ op: LabelMatcher.Operator) throws(LogQLError) -> LabelTest {
        let place = token.range.lowerBound
        let value = try takeString()
        do throws(PatternError) {
            _ = try LabelMatcher(name, op, value, compiler: compiler)
        } catch {
            throw text.error(error.description, at: place)
        }
        try count()
        return LabelTest(name, op, value)
    }

    // MARK: Tokens

    mutating func advance() throws(LogQLError) { token = try lexer.next() }

    /// True when the current token is this punctuation.
    func `is`(_ punctuation: String) -> Bool { token.kind == .punctuation && token.text == punctuation }

    /// True when the current token is this word; words of the language are written in small letters.
    func isWord(_ word: String) -> Bool { token.kind == .word && token.text == word }

    mutating func takeIf(_ punctuation: String) throws(LogQLError) -> Bool {
        guard self.is(punctuation) else { return false }
        try advance()
        return true
    }

    mutating func takeIfWord(_ word: String) throws(LogQLError) -> Bool {
        guard isWord(word) else { return false }
        try advance()
        return true
    }

    /// `other` is what else could stand here, for the message.
    mutating func take(_ punctuation: String, or other: String? = nil) throws(LogQLError) {
        guard try takeIf(punctuation) else {
            throw unexpected("\"\(punctuation)\"" + (other.map { " or \($0)" } ?? ""))
        }
    }

    mutating func takeName(_ what: String) throws(LogQLError) -> String {
        guard token.kind == .word else { throw unexpected(what) }
        let name = token.text
        try advance()
        return name
    }

    mutating func takeString() throws(LogQLError) -> String {
        guard token.kind == .string else { throw unexpected("a text in double quotes or in `") }
        let value = token.value
        try advance()
        return value
    }

    func following() throws(LogQLError) -> Token {
        var ahead = lexer
        return try ahead.next()
    }

    func unexpected(_ expected: String) -> LogQLError {
        let found = token.kind == .end ? token.kind.rawValue : token.kind == .string ? token.text : "\"\(token.text)\""
        return text.error("expected \(expected), found \(found)", at: token.range.lowerBound)
    }

    func unsupported(_ what: String, _ wayOut: String, at offset: Int) -> LogQLError {
        text.error("\(what) is not supported here; \(wayOut)", at: offset, .unsupported)
    }

    // MARK: Limits

    /// Every function that can come back to itself enters and leaves.
    mutating func enter() throws(LogQLError) {
        depth += 1
        guard depth <= LogQLLimits.depth else {
            throw text.error(
                "it is nested more than \(LogQLLimits.depth) levels deep; take parentheses away",
                at: token.range.lowerBound, .limit)
        }
    }

    mutating func leave() { depth -= 1 }

    /// Counts a part of the query.
    mutating func count() throws(LogQLError) {
        parts += 1
        guard parts <= LogQLLimits.parts else {
            throw text.error(
                "it has more than \(LogQLLimits.parts) parts; split it in two", at: token.range.lowerBound, .limit)
        }
    }
}
