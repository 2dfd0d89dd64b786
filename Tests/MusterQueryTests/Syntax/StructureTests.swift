import MusterModel
import MusterQuery
import Testing

/// All operations in parentheses, so that a text shows how a query was grouped.
private func grouped(_ expression: Expression) -> String {
    switch expression {
    case .binary(let operation):
        "(\(grouped(operation.left)) \(operation.op.rawValue) \(grouped(operation.right)))"
    case .negate(let operand, _): "(-\(grouped(operand)))"
    case .parentheses(let inner, _): grouped(inner)
    default: expression.description
    }
}

@Suite struct QueryStructure {
    @Test(
        arguments: [
            ("a + b * c", "(a + (b * c))"), ("a * b + c", "((a * b) + c)"), ("a - b - c", "((a - b) - c)"),
            ("a / b * c % d", "(((a / b) * c) % d)"), ("a ^ b ^ c", "(a ^ (b ^ c))"), ("-a ^ b", "(-(a ^ b))"),
            ("-a * b", "((-a) * b)"), ("a ^ -b ^ c", "(a ^ (-(b ^ c)))"), ("a ^ -b * c", "((a ^ (-b)) * c)"),
            ("a * -b ^ c", "(a * (-(b ^ c)))"), ("a == b + c", "(a == (b + c))"),
            ("a + b == c > d", "(((a + b) == c) > d)"),
            ("a and b or c and d", "((a and b) or (c and d))"), ("a or b unless c", "(a or (b unless c))"),
            ("a and b == c", "(a and (b == c))"), ("a atan2 b + c", "((a atan2 b) + c)"),
            ("a * b atan2 c", "((a * b) atan2 c)"),
            ("a or b or c", "((a or b) or c)"), ("a unless b and c", "((a unless b) and c)"),
            ("-a - -b", "((-a) - (-b))"),
            ("2 ^ 3 * -1 ^ 2", "((2 ^ 3) * (-(1 ^ 2)))"), ("--a", "(-(-a))"),
            ("a + -b offset 5m", "(a + (-b offset 5m))"),
        ])
    func `operators bind as in Prometheus`(text: String, expected: String) throws {
        #expect(grouped(try parsed(text)) == expected)
    }

    @Test func `a selector knows its parts`() throws {
        guard case .selector(let selector) = try parsed(#"up{job=~"a|b", x!="y"} offset -5m @ 1.5"#) else {
            Issue.record("no selector")
            return
        }
        #expect(selector.name == "up")
        #expect(selector.matchers.map(\.name) == ["__name__", "job", "x"])
        #expect(selector.matchers.map(\.operator) == [.equal, .matches, .notEqual])
        #expect(selector.matchers[1].isMatch("b") && !selector.matchers[1].isMatch("ab"))
        #expect(selector.offset == -300_000)
        #expect(selector.at == .time(milliseconds: 1_500))
        #expect(selector.position == TextRange(0, 39))
        guard case .selector(let quoted) = try parsed(#"{"a.b"}"#) else {
            Issue.record("no selector")
            return
        }
        #expect(quoted.name == nil && quoted.matchers.map(\.value) == ["a.b"])
    }

    @Test func `ranges and subqueries carry milliseconds`() throws {
        guard case .range(let selector, let milliseconds, let range) = try parsed("up[5m] offset 1h @ end()") else {
            Issue.record("no range")
            return
        }
        #expect(selector.offset == 3_600_000 && selector.at == .end)
        #expect(milliseconds == 300_000)
        #expect(range == TextRange(0, 24))
        guard case .subquery(let subquery) = try parsed("rate(up[1m])[1h:30s] @ start() offset 2m") else {
            Issue.record("no subquery")
            return
        }
        #expect(subquery.range == 3_600_000 && subquery.step == 30_000)
        #expect(subquery.offset == 120_000 && subquery.at == .start)
        #expect(subquery.expression.position == TextRange(0, 12))
        guard case .subquery(let open) = try parsed("up[1h:]") else {
            Issue.record("no subquery")
            return
        }
        #expect(open.step == nil)
    }

    @Test(
        arguments: [
            ("a + b", BinaryOperation.Cardinality.oneToOne, false, [], []), ("a and b", .manyToMany, false, [], []),
            ("a or on(x) b", .manyToMany, true, ["x"], []), ("a * ignoring(x, y) b", .oneToOne, false, ["x", "y"], []),
            ("a * on(x) group_left(y) b", .manyToOne, true, ["x"], ["y"]),
            ("a * on() group_right b", .oneToMany, true, [], []),
            ("a * ignoring(x) group_left(x) b", .manyToOne, false, ["x"], ["x"]),
        ] as [(String, BinaryOperation.Cardinality, Bool, [String], [String])])
    func `two vectors say how they match`(
        text: String, cardinality: BinaryOperation.Cardinality, isOn: Bool, labels: [String], include: [String]
    ) throws {
        guard case .binary(let operation) = try parsed(text) else {
            Issue.record("no operation")
            return
        }
        let matching = try #require(operation.matching)
        #expect(matching.cardinality == cardinality && matching.isOn == isOn)
        #expect(matching.labels == labels && matching.include == include)
    }

    @Test(arguments: ["1 + 1", "a + 1", "1 > bool a", "1 + on() a"])
    func `an operation with a scalar matches nothing`(text: String) throws {
        guard case .binary(let operation) = try parsed(text) else {
            Issue.record("no operation")
            return
        }
        #expect(operation.matching == nil)
    }

    @Test(
        arguments: [
            ("1", .scalar), ("\"a\"", .string), ("a", .vector), ("a[5m]", .matrix), ("a[5m:]", .matrix),
            ("-1", .scalar),
            ("-a", .vector), ("(1)", .scalar), ("(\"a\")", .string), ("1 + 1", .scalar), ("1 + a", .vector),
            ("a == 1", .vector),
            ("time()", .scalar), ("scalar(a)", .scalar), ("vector(1)", .vector), ("sum(a)", .vector),
            ("rate(a[5m])", .vector),
            ("((a[5m:]))", .matrix), ("1 == bool 2", .scalar), ("pi() * 2", .scalar),
        ] as [(String, ValueType)])
    func `an expression has a type`(text: String, type: ValueType) throws {
        #expect(try parsed(text).type == type)
    }

    @Test func `parts know where they stand, in bytes`() throws {
        let text = #"sum by (a) ({"é"} + 2) "#
        guard case .aggregate(let aggregation) = try parsed(text),
            case .binary(let operation) = aggregation.operand
        else {
            Issue.record("no aggregation")
            return
        }
        let query = QueryText(text)
        #expect(query[aggregation.position] == #"sum by (a) ({"é"} + 2)"#)
        #expect(query[operation.position] == #"{"é"} + 2"#)
        #expect(query[operation.left.position] == #"{"é"}"#)
        #expect(query[operation.right.position] == "2")
        #expect(query.place(of: operation.right.position.start) == (1, 21))
    }

    @Test func `positions reach over signs, parentheses, modifiers and labels behind`() throws {
        for text in ["-up offset 5m", "(up)", "sum(up) by (a)", "rate(up[5m])", "up[5m:] @ 5", "-1", "up * on(a) b"] {
            #expect(QueryText(text)[try parsed("  \(text)  ").position.moved(by: -2)] == text)
        }
    }

    @Test func `places are counted in characters and lines`() {
        let text = QueryText("é\nab\n")
        #expect(text.place(of: 0) == (1, 1))
        #expect(text.place(of: 2) == (1, 2))
        #expect(text.place(of: 3) == (2, 1))
        #expect(text.place(of: 6) == (3, 1))
        #expect(text.place(of: 99) == (3, 1))
        #expect(text.place(of: -1) == (1, 1))
        #expect(text[TextRange(-3, 99)] == "é\nab\n")
        #expect(text[TextRange(5, 2)] == "")
    }
}

extension TextRange {
    fileprivate func moved(by offset: Int) -> TextRange { TextRange(start + offset, end + offset) }
}
