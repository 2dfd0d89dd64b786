import MusterQuery
import Testing

private let long = "a_metric_with_a_name_that_is_forty_chars"

@Suite struct PrettyPrinting {
    @Test func `what fits in 100 characters stays on its line`() throws {
        let exact = "\(long) + \(long) + \(String(repeating: "c", count: 100 - 2 * 40 - 6))"
        #expect(exact.utf8.count == 100)
        #expect(try parsed(exact).prettyPrinted == exact)
    }

    @Test func `one character more is spread over lines`() throws {
        let over = "\(long) + \(long) + \(String(repeating: "c", count: 100 - 2 * 40 - 5))"
        #expect(over.utf8.count == 101)
        #expect(
            try parsed(over).prettyPrinted == """
                  \(long) + \(long)
                +
                  ccccccccccccccc
                """)
    }

    @Test func `calls, aggregations and parentheses hold their parts between two lines`() throws {
        let text = """
            (topk by (a, b) (5, label_replace(\(long){job="a"}, "t", "$1", "s", \
            "(.*):.*") * on (x) group_left (y) (\(long))))
            """
        #expect(
            try parsed(text).prettyPrinted == """
                (
                  topk by (a, b) (
                    5,
                      label_replace(\(long){job="a"}, "t", "$1", "s", "(.*):.*")
                    * on (x) group_left (y)
                      (\(long))
                  )
                )
                """)
    }

    @Test func `a subquery's range stands behind its last line`() throws {
        let text = "max_over_time((\(long) > bool \(long) - \(long))[1h:5m] @ end() offset 1w)"
        #expect(
            try parsed(text).prettyPrinted == """
                max_over_time(
                  (
                      \(long)
                    > bool
                      \(long) - \(long)
                  )[1h:5m] @ end() offset 1w
                )
                """)
    }

    @Test func `a sign stays with its operand`() throws {
        let text = "-sum without (instance) (\(long)_1 + \(long)_2)"
        let over = "\(text) or -rate(\(long)[5m])"
        #expect(
            try parsed(over).prettyPrinted == """
                  -sum without (instance) (
                    \(long)_1 + \(long)_2
                  )
                or
                  -rate(\(long)[5m])
                """)
    }

    @Test func `what cannot be split stays long`() throws {
        let selector = "x{\((0..<20).map { "label_\($0 + 10)=\"v\"" }.joined(separator: ","))}[5m] offset 1h"
        #expect(selector.utf8.count > 100)
        #expect(try parsed(selector).prettyPrinted == selector)
        let string = "\"\(String(repeating: "x", count: 150))\""
        #expect(try parsed(string).prettyPrinted == string)
        #expect(try parsed("rate(\(selector))").prettyPrinted == "rate(\n  \(selector)\n)")
    }
}
