import Foundation
import MusterQuery
import Testing

/// Runs on a thread with the smallest stack that a platform gives to threads of its own accord: 512 KiB.
private func onSmallStack<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        let thread = Thread { continuation.resume(returning: body()) }
        thread.stackSize = 512 << 10
        thread.start()
    }
}

@Suite struct QueryLimitsOfSyntax {
    static let depth = QueryLimits().depth

    /// Texts whose tree, or the way to it, is `levels` deep.
    static func nested(_ levels: Int) -> [String] {
        func around(_ open: String, _ inner: String, _ close: String, _ count: Int) -> String {
            String(repeating: open, count: count) + inner + String(repeating: close, count: count)
        }
        return [
            around("(", "1", ")", levels - 1), around("-", "x", "", levels - 1), around("abs(", "x", ")", levels - 1),
            around("sum by (a) (", "x", ")", levels - 1), around("2 ^ ", "2", "", levels - 1),
            around("", "a", " + a", levels - 1), around("a or ", "a", "", levels - 1),
            around("max_over_time(", "x", "[5m:])", (levels - 1) / 2), "x[" + around("(", "5m", ")", levels - 2) + "]",
            "x[" + around("-", "5m", "", (levels - 2) / 2 * 2) + "]", "x[" + around("1 ^ ", "1", "", levels - 2) + "]",
            around("(1 + ", "1", ")", (levels - 1) / 2),
        ]
    }

    @Test(arguments: nested(depth))
    func `the deepest query fits a small stack`(text: String) async throws {
        let isPrintedAlike = await onSmallStack { () -> Bool in
            guard let expression = try? parsed(text) else { return false }
            // Spread over lines, the deepest ones are longer than a text may be.
            var limits = QueryLimits()
            limits.expressionBytes *= 4
            return (try? parsed(expression.description).description) == expression.description
                && (try? parsed(expression.prettyPrinted, limits: limits).description) == expression.description
        }
        #expect(isPrintedAlike)
    }

    @Test(arguments: nested(depth + 2) + nested(5_000).filter { $0.utf8.count <= QueryLimits().expressionBytes })
    func `one level more is a clear error`(text: String) async {
        let error = await onSmallStack { refusal(text) }
        guard case .syntax(_, _, let message, _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(message == "the query is nested more than \(Self.depth) levels deep")
    }

    @Test func `the height of a tree counts, whichever side it grows on`() {
        let limits = { (depth: Int) in
            var limits = QueryLimits()
            limits.depth = depth
            return limits
        }
        #expect(refusal("((((1)))) + 1", limits: limits(6)) == nil)
        #expect(refusal("((((1)))) + 1", limits: limits(5)) != nil)
        #expect(refusal("1 + 1 + 1", limits: limits(3)) == nil)
        #expect(refusal("1 + 1 + 1", limits: limits(2)) != nil)
        #expect(refusal("(1 + 1 + 1) + 1", limits: limits(5)) == nil)
        #expect(refusal("(1 + 1 + 1) + 1", limits: limits(4)) != nil)
    }

    @Test func `a text has a limit of bytes`() {
        var limits = QueryLimits()
        limits.expressionBytes = 8
        #expect(refusal("éé + 12", limits: limits) == .invalid("the query has 9 bytes, 8 are allowed"))
        #expect(refusal("éé+ 12", limits: limits) != .invalid("the query has 9 bytes, 8 are allowed"))
        #expect(refusal("12345678", limits: limits) == nil)
    }

    @Test func `an expression has a limit of parts`() {
        var limits = QueryLimits()
        limits.nodes = 5
        #expect(refusal("sum(a + b * 2)", limits: limits)?.description.contains("more than 5 parts") == true)
        #expect(refusal("a + b * 2", limits: limits) == nil)
        // Wide, not deep: within the depth, beyond the parts.
        let strings = Array(repeating: "\"\"", count: 5_000).joined(separator: ",")
        #expect(refusal("label_join(a,\(strings))")?.description.contains("more than 4096 parts") == true)
    }

    @Test func `a selector has a limit of matchers`() {
        var limits = QueryLimits()
        limits.matchers = 2
        #expect(refusal("a{b=\"c\"}", limits: limits) == nil)
        #expect(
            refusal("a{b=\"c\",d=\"e\"}", limits: limits)?.description.hasPrefix("1:9: more than 2 matchers") == true)
    }
}
