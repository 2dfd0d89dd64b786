package import MusterModel

extension Expression {
    /// Reads a query in the language of Prometheus 3 and checks the types of all its parts.
    ///
    /// Durations are folded: `[5m * 2]` is `[10m]`. A unary `+` leaves no trace. `compiler` compiles the expressions of
    /// `=~` and `!~`. Throws `.syntax` with the place, `.unsupported` with the name of a construct that only Prometheus
    /// has, and `.refused` for a text that is too long.
    package init(
        parsing text: String, compiler: some PatternCompiler, limits: QueryLimits = QueryLimits()
    ) throws(QueryError) {
        guard text.utf8.count <= limits.expressionBytes else {
            throw .invalid("the query has \(text.utf8.count) bytes, \(limits.expressionBytes) are allowed")
        }
        var parser = try Parser(QueryText(text), compiler: compiler, limits: limits)
        self = try parser.query()
    }
}

/// Recursive descent with one token of look-ahead; binary operators by precedence climbing.
///
/// Everything is checked where it is read, so an error points at the innermost place that is wrong.
struct Parser {
    /// An expression that has been read, with what the parser needs of it again and again.
    struct Node {
        var expression: Expression
        var type: ValueType
        /// Levels of the expression's tree.
        var height: Int
    }

    let text: QueryText
    let compiler: any PatternCompiler
    let limits: QueryLimits
    private var lexer: Lexer
    private(set) var token: Token
    /// Where the last token ends that was taken.
    private(set) var end = 0
    private var depth = 0
    private var nodes = 0

    init(_ text: QueryText, compiler: any PatternCompiler, limits: QueryLimits) throws(QueryError) {
        self.text = text
        self.compiler = compiler
        self.limits = limits
        lexer = Lexer(text)
        token = try lexer.next()
    }

    mutating func query() throws(QueryError) -> Expression {
        guard token.kind != .end else { throw text.error("the query is empty", at: token.range.start) }
        let node = try expression()
        guard token.kind == .end else { throw unexpected("an operator or the end of the query") }
        return node.expression
    }

    // What follows calls itself for each level of a query. The frames of these functions are kept small: what they need
    // before and after is done by others that have returned by then.

    /// Operators of at least this precedence and their operands.
    mutating func expression(from precedence: Int = 1) throws(QueryError) -> Node {
        try enter()
        defer { leave() }
        var left = try operand()
        while let op = token.binaryOperator, op.precedence >= precedence {
            left = try operation(op, left)
        }
        return left
    }

    private mutating func operation(_ op: BinaryOperation.Operator, _ left: Node) throws(QueryError) -> Node {
        let modifiers = try operatorModifiers()
        let right = try expression(from: op.rightPrecedence)
        return try operation(op, modifiers, left, right)
    }

    /// Signs, then a primary expression with its modifiers.
    private mutating func operand() throws(QueryError) -> Node {
        if token.isSign { return try signed() }
        return try modifiers(of: try primary())
    }

    /// A sign binds weaker than `^` and stronger than all else.
    private mutating func signed() throws(QueryError) -> Node {
        let sign = token
        try advance()
        return try signed(sign, try expression(from: BinaryOperation.Operator.power.precedence))
    }

    private mutating func primary() throws(QueryError) -> Node {
        switch token.kind {
        case .leftParenthesis: return try parentheses()
        case .leftBrace: return try selector(name: nil)
        case .word where token.keyword != .inf && token.keyword != .nan: return try word()
        default: return try literal()
        }
    }

    private mutating func parentheses() throws(QueryError) -> Node {
        let start = token.range.start
        try advance()
        let inner = try expression()
        try take(.rightParenthesis)
        return try node(.parentheses(inner.expression, TextRange(start, end)), inner.type, above: inner.height)
    }

    /// A metric's name, a call or an aggregation.
    private mutating func word() throws(QueryError) -> Node {
        let name = try takeName()
        guard let callee = try callee(name) else { return try selector(name: name) }
        let arguments = try arguments()
        return try call(callee, arguments, at: name.range.start)
    }

    private mutating func arguments() throws(QueryError) -> [Node] {
        try take(.leftParenthesis)
        var arguments: [Node] = []
        if token.kind != .rightParenthesis {
            arguments.append(try expression())
            while token.kind == .comma {
                try advance()
                arguments.append(try expression())
            }
        }
        try take(.rightParenthesis, or: "\",\"")
        return arguments
    }

    // MARK: Literals and signs

    private mutating func literal() throws(QueryError) -> Node {
        let range = token.range
        switch token.kind {
        case .number, .duration, .word:
            let value = try literalNumber()
            return try node(.number(value, range), .scalar)
        case .string:
            let value = try Literal.string(in: text, range)
            try advance()
            return try node(.string(value, range), .string)
        default:
            throw unexpected("an expression")
        }
    }

    private mutating func signed(_ sign: Token, _ operand: Node) throws(QueryError) -> Node {
        guard operand.type == .scalar || operand.type == .vector else {
            throw text.error(
                "\(sign.kind.rawValue) needs a scalar or an instant vector, not \(operand.type.phrase)",
                at: sign.range.start)
        }
        guard sign.kind == .subtract else { return operand }
        let range = TextRange(sign.range.start, end)
        if case .number(let number, _) = operand.expression {
            return Node(expression: .number(-number, range), type: .scalar, height: 1)
        }
        return try node(.negate(operand.expression, range), operand.type, above: operand.height)
    }

    /// A number, or the seconds of a duration, `Inf` and `NaN` included.
    mutating func literalNumber() throws(QueryError) -> Double {
        let spelling = text[token.range]
        let value: Double? =
            switch token.kind {
            case .number: Literal.number(spelling)
            case .duration: Literal.duration(spelling)
            case .word where token.keyword == .inf: .infinity
            case .word where token.keyword == .nan: .nan
            default: nil
            }
        guard let value else { throw unexpected("a number") }
        try advance()
        return value
    }

    // MARK: Tokens

    mutating func advance() throws(QueryError) {
        end = token.range.end
        token = try lexer.next()
    }

    /// `other` is what else could stand here, for the message.
    mutating func take(_ kind: Token.Kind, or other: String? = nil) throws(QueryError) {
        guard token.kind == kind else {
            throw unexpected("\"\(kind.rawValue)\"" + (other.map { " or \($0)" } ?? ""))
        }
        try advance()
    }

    /// The token behind the current one.
    func following() throws(QueryError) -> Token {
        var ahead = lexer
        return try ahead.next()
    }

    /// An error that the current token is something else.
    func unexpected(_ expected: String) -> QueryError {
        let found =
            switch token.kind {
            case .end: token.kind.rawValue
            case .string: "the string \(text[token.range])"
            default: "\"\(text[token.range])\""
            }
        return text.error("expected \(expected), found \(found)", at: token.range.start)
    }

    // MARK: Limits

    /// Every function that can come back to itself enters and leaves.
    mutating func enter() throws(QueryError) {
        depth += 1
        if depth > limits.depth { throw tooDeep }
    }

    mutating func leave() { depth -= 1 }

    /// Counts a new level above parts that are `height` levels high.
    mutating func node(
        _ expression: Expression, _ type: ValueType, above height: Int = 0
    ) throws(QueryError) -> Node {
        nodes += 1
        guard nodes <= limits.nodes else {
            throw text.error("the query has more than \(limits.nodes) parts", at: expression.position.start)
        }
        guard height < limits.depth else { throw tooDeep }
        return Node(expression: expression, type: type, height: height + 1)
    }

    private var tooDeep: QueryError {
        text.error("the query is nested more than \(limits.depth) levels deep", at: token.range.start)
    }
}

extension ValueType {
    /// As a message calls it.
    var phrase: String { (self == .vector ? "an " : "a ") + rawValue }
}
