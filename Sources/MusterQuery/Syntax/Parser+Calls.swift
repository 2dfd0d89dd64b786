/// What arguments are given to.
enum Callee {
    case function(Function)
    /// With the labels that stand before the arguments.
    case aggregation(Aggregation.Operator, Grouping?)

    struct Grouping {
        var labels: [String]
        var isWithout: Bool
    }
}

extension Parser {
    /// The name of a metric, a function or an aggregation.
    mutating func takeName() throws(QueryError) -> Token {
        let name = token
        if let keyword = name.keyword, Keyword.reserved.contains(keyword) {
            let spelling = text[name.range]
            throw text.error(
                "expected an expression, found \"\(spelling)\"; as a metric's name write {__name__=\"\(spelling)\"}",
                at: name.range.start)
        }
        try advance()
        return name
    }

    /// Nil when the name is that of a metric: nothing to be called follows.
    mutating func callee(_ name: Token) throws(QueryError) -> Callee? {
        let isCalled = token.kind == .leftParenthesis
        if isCalled || token.keyword == .by || token.keyword == .without, let keyword = name.keyword {
            if Unsupported.aggregations.contains(keyword) { throw .unsupported(keyword.rawValue) }
            if let op = Aggregation.Operator(rawValue: keyword.rawValue) { return .aggregation(op, try grouping()) }
        }
        return isCalled ? .function(try function(name)) : nil
    }

    private func function(_ name: Token) throws(QueryError) -> Function {
        let spelling = text[name.range]
        if let function = Function(rawValue: spelling) { return function }
        if Unsupported.functions.contains(spelling) { throw .unsupported(spelling) }
        let lower = spelling.lowercased()
        let isKnown = Function(rawValue: lower) != nil || Unsupported.functions.contains(lower)
        throw text.error(
            "there is no function \"\(spelling)\"" + (isKnown ? "; it is written \(lower)" : ""),
            at: name.range.start)
    }

    /// The arguments have been read; the labels of an aggregation may follow.
    mutating func call(_ callee: Callee, _ arguments: [Node], at start: Int) throws(QueryError) -> Node {
        let height = arguments.map(\.height).max() ?? 0
        switch callee {
        case .function(let function):
            try check(arguments, of: function, at: start)
            let call = Call(
                function: function, arguments: arguments.map(\.expression), position: TextRange(start, end))
            return try node(.call(call), function.result, above: height)
        case .aggregation(let op, var grouping):
            if grouping == nil { grouping = try self.grouping() }
            try check(arguments, of: op, at: start)
            let aggregation = Aggregation(
                op: op, parameter: op.takesParameter ? arguments[0].expression : nil,
                operand: arguments[arguments.count - 1].expression, labels: grouping?.labels ?? [],
                isWithout: grouping?.isWithout ?? false, position: TextRange(start, end))
            return try node(.aggregate(aggregation), .vector, above: height)
        }
    }

    /// `by (...)` or `without (...)`, if it is there.
    private mutating func grouping() throws(QueryError) -> Callee.Grouping? {
        guard token.keyword == .by || token.keyword == .without else { return nil }
        let isWithout = token.keyword == .without
        try advance()
        return Callee.Grouping(labels: try labelNames(), isWithout: isWithout)
    }

    private func check(_ arguments: [Node], of op: Aggregation.Operator, at start: Int) throws(QueryError) {
        let types: [ValueType] = op.takesParameter ? [op == .countValues ? .string : .scalar, .vector] : [.vector]
        guard arguments.count == types.count else {
            throw text.error(
                "\(op.rawValue) takes \(Self.countOfArguments(types.count)), got \(arguments.count)", at: start)
        }
        for (argument, type) in zip(arguments, types) { try check(argument, is: type, in: op.rawValue) }
    }

    private func check(_ arguments: [Node], of function: Function, at start: Int) throws(QueryError) {
        try checkCount(arguments.count, of: function, at: start)
        let types = function.signature.arguments
        // The last parameter stands for all that follow when there may be more.
        for (index, argument) in arguments.enumerated() {
            try check(argument, is: types[min(index, types.count - 1)], in: function.rawValue)
        }
    }

    private func checkCount(_ count: Int, of function: Function, at place: Int) throws(QueryError) {
        let signature = function.signature
        let most = signature.arguments.count
        let least = most - signature.optional
        let message: String
        if count < least {
            message = (least < most ? "at least " : "") + Self.countOfArguments(least)
        } else if count > most, !signature.isVariadic {
            message = (least < most ? "at most " : "") + Self.countOfArguments(most)
        } else {
            return
        }
        throw text.error("\(function.rawValue) takes \(message), got \(count)", at: place)
    }

    private static func countOfArguments(_ count: Int) -> String {
        switch count {
        case 0: "no arguments"
        case 1: "1 argument"
        default: "\(count) arguments"
        }
    }

    private func check(_ argument: Node, is type: ValueType, in name: String) throws(QueryError) {
        guard argument.type != type else { return }
        throw text.error(
            "\(name) needs \(type.phrase) here, not \(argument.type.phrase)", at: argument.expression.position.start)
    }
}
