extension Expression {
    /// As Prometheus's `format_query` answers: a part that has more than 100 characters is spread over lines, its own
    /// parts below it by two spaces.
    package var prettyPrinted: String { pretty(0) }

    private static let lineLength = 100

    private func pretty(_ level: Int) -> String {
        let indent = String(repeating: "  ", count: level)
        let line = description
        guard line.utf8.count > Self.lineLength else { return indent + line }
        switch self {
        case .number, .string, .selector, .range: return indent + line
        case .subquery(let subquery):
            return subquery.expression.pretty(level) + subquery.suffix
        case .call(let call):
            return indent + Self.block(call.function.rawValue, call.arguments, level)
        case .aggregate(let aggregation):
            let parts = (aggregation.parameter.map { [$0] } ?? []) + [aggregation.operand]
            return indent + Self.block(aggregation.head, parts, level)
        case .binary(let operation):
            return """
                \(operation.left.pretty(level + 1))
                \(indent)\(operation.op.rawValue)\(operation.modifiers)
                \(operation.right.pretty(level + 1))
                """
        case .negate(let operand, _):
            return indent + "-" + operand.pretty(level).drop { $0 == " " }
        case .parentheses(let inner, _):
            return indent + Self.block("", [inner], level)
        }
    }

    /// `head(`, a line for each part, and `)` below the head.
    private static func block(_ head: String, _ parts: [Expression], _ level: Int) -> String {
        let lines = parts.map { $0.pretty(level + 1) }.joined(separator: ",\n")
        return "\(head)(\n\(lines)\n\(String(repeating: "  ", count: level)))"
    }
}
