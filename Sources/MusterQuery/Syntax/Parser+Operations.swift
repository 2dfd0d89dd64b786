/// What may stand between an operator and its right operand.
struct OperatorModifiers {
    var returnsBool: Bool
    var matching: BinaryOperation.Matching?
    /// Where the operator stands.
    var place: Int
}

extension Parser {
    /// `> bool on(a) group_left(b)`; the operator is the current token.
    mutating func operatorModifiers() throws(QueryError) -> OperatorModifiers {
        let place = token.range.start
        try advance()
        let returnsBool = token.keyword == .bool
        if returnsBool { try advance() }
        let matching = try matching()
        if let keyword = token.keyword, Unsupported.fillModifiers.contains(keyword),
            try following().kind == .leftParenthesis
        {
            throw .unsupported(keyword.rawValue)
        }
        return OperatorModifiers(returnsBool: returnsBool, matching: matching, place: place)
    }

    mutating func operation(
        _ op: BinaryOperation.Operator, _ modifiers: OperatorModifiers, _ left: Node, _ right: Node
    ) throws(QueryError) -> Node {
        var operation = BinaryOperation(
            op: op, left: left.expression, right: right.expression, returnsBool: modifiers.returnsBool,
            matching: modifiers.matching, position: TextRange(left.expression.position.start, end))
        try checkTypes(operation, left.type, right.type, at: modifiers.place)
        let areVectors = left.type == .vector && right.type == .vector
        try checkModifiers(operation, areVectors: areVectors, at: modifiers.place)
        operation.matching = areVectors ? modifiers.matching ?? BinaryOperation.Matching() : nil
        if op.isSet { operation.matching?.cardinality = .manyToMany }
        return try node(
            .binary(operation), left.type == .scalar && right.type == .scalar ? .scalar : .vector,
            above: max(left.height, right.height))
    }

    /// `on(...) group_left(...)`
    private mutating func matching() throws(QueryError) -> BinaryOperation.Matching? {
        guard token.keyword == .on || token.keyword == .ignoring else {
            if token.keyword == .groupLeft || token.keyword == .groupRight {
                throw text.error("\(text[token.range]) needs on(...) or ignoring(...) before it", at: token.range.start)
            }
            return nil
        }
        var matching = BinaryOperation.Matching(isOn: token.keyword == .on)
        try advance()
        matching.labels = try labelNames()
        guard token.keyword == .groupLeft || token.keyword == .groupRight else { return matching }
        matching.cardinality = token.keyword == .groupLeft ? .manyToOne : .oneToMany
        try advance()
        if token.kind == .leftParenthesis { matching.include = try labelNames() }
        return matching
    }

    private func checkTypes(
        _ operation: BinaryOperation, _ left: ValueType, _ right: ValueType, at place: Int
    ) throws(QueryError) {
        for (type, side) in [(left, operation.left), (right, operation.right)]
        where type != .scalar && type != .vector {
            throw text.error(
                "\(operation.op.rawValue) needs scalars or instant vectors, not \(type.phrase)",
                at: side.position.start)
        }
        if operation.op.isSet, left == .scalar || right == .scalar {
            throw text.error("\(operation.op.rawValue) needs an instant vector on both sides", at: place)
        }
        if operation.op.isComparison, !operation.returnsBool, left == .scalar, right == .scalar {
            throw text.error(
                "a comparison of two scalars must be written with bool: \(operation.op.rawValue) bool", at: place)
        }
    }

    private func checkModifiers(
        _ operation: BinaryOperation, areVectors: Bool, at place: Int
    ) throws(QueryError) {
        if operation.returnsBool, !operation.op.isComparison {
            throw text.error("bool goes with comparisons, not with \(operation.op.rawValue)", at: place)
        }
        guard let matching = operation.matching else { return }
        let clause = matching.isOn ? "on" : "ignoring"
        guard areVectors || matching.labels.isEmpty else {
            throw text.error("\(clause) needs an instant vector on both sides", at: place)
        }
        let group = matching.cardinality == .manyToOne ? "group_left" : "group_right"
        if operation.op.isSet, matching.cardinality != .oneToOne {
            throw text.error("\(group) is not allowed with \(operation.op.rawValue)", at: place)
        }
        if matching.isOn, let both = matching.include.first(where: matching.labels.contains) {
            throw text.error("the label \"\(both)\" stands in on and in \(group)", at: place)
        }
    }
}
