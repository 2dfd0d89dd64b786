/// One condition on a label, as in `{job="api",path=~"/v1/.*"}`. A label that is absent counts as empty.
package struct LabelMatcher: Sendable, CustomStringConvertible {
    package enum Operator: String, Sendable {
        case equal = "="
        case notEqual = "!="
        case matches = "=~"
        case notMatches = "!~"
    }

    package let name: String
    package let `operator`: Operator
    package let value: String
    private let expression: MatchExpression

    /// `compiler` is asked for a pattern only by `=~` and `!~`, and by those only when the expression is more than a
    /// literal, an alternation of literals, or a literal with `.*` or `.+` around it; it throws when the expression is
    /// not valid RE2.
    package init(_ name: String, _ op: Operator, _ value: String, compiler: some PatternCompiler) throws(PatternError) {
        self.name = name
        self.operator = op
        self.value = value
        switch op {
        case .equal, .notEqual: expression = MatchExpression(literals: [value])
        case .matches, .notMatches:
            if let simple = MatchExpression(simple: value) {
                expression = simple
            } else {
                expression = .pattern(try compiler.compile(value))
            }
        }
    }

    /// A condition without a pattern: `name="value"`.
    package init(_ name: String, equals value: String) {
        self.name = name
        self.operator = .equal
        self.value = value
        expression = MatchExpression(literals: [value])
    }

    package func isMatch(_ actual: String) -> Bool {
        switch self.operator {
        case .equal, .matches: expression.isMatch(actual)
        case .notEqual, .notMatches: !expression.isMatch(actual)
        }
    }

    package func isMatch(_ labels: Labels) -> Bool { isMatch(labels[name] ?? "") }

    /// The only values that match, each once, in the order written; nil when they cannot be listed. A store looks these
    /// up instead of asking for each of its values.
    package var literals: [String]? {
        guard self.operator == .equal || self.operator == .matches, case .literals(let texts, _) = expression else {
            return nil
        }
        return texts
    }

    package var description: String { "\(name)\(self.operator.rawValue)\"\(Labels.escaped(value))\"" }
}

/// A compiled regular expression. Linear time, anchored at both ends.
package protocol Pattern: Sendable {
    func isFullMatch(_ text: String) -> Bool
    /// What the whole text (first) and each group captured; nil when the text does not match. A group that took no part
    /// is nil.
    func captures(_ text: String) -> [String?]?
    /// Numbers of the groups that have a name; the first group is 1.
    var groupNames: [String: Int] { get }
}

extension Pattern {
    /// A pattern without groups.
    package func captures(_ text: String) -> [String?]? { isFullMatch(text) ? [text] : nil }
    package var groupNames: [String: Int] { [:] }
}

/// Turns an expression (RE2 syntax) into a `Pattern`. The driver MusterPattern does it with libre2; cores receive it.
package protocol PatternCompiler: Sendable {
    func compile(_ expression: String) throws(PatternError) -> any Pattern
    /// For searching in bytes. Case counts unless the expression says `(?i)`; `.` matches no newline.
    func compileSearch(_ expression: String) throws(PatternError) -> any SearchPattern
}

/// A compiled regular expression that is looked for anywhere in bytes. Linear time. Invalid UTF-8 matches no character
/// but does not hide the rest.
package protocol SearchPattern: Sendable {
    func isFound(in bytes: Span<UInt8>) -> Bool
    /// The first match at or behind `start`: the range of the whole match, then of each group; a group that took no
    /// part is nil. Nil without a match, or when `start` is behind the end.
    func firstMatch(in bytes: Span<UInt8>, from start: Int) -> [Range<Int>?]?
    /// Numbers of the groups that have a name; the first group is 1.
    var groupNames: [String: Int] { get }
}

package struct PatternError: Error, Equatable, CustomStringConvertible {
    package let expression: String
    package let reason: String

    package init(expression: String, reason: String) {
        self.expression = expression
        self.reason = reason
    }

    package var description: String { "the regular expression \"\(expression)\" is not valid: \(reason)" }
}
