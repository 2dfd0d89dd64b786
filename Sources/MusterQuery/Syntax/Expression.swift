package import MusterModel

/// Where a piece of a query stands in its text: UTF-8 offsets, `end` not included.
package struct TextRange: Hashable, Sendable {
    package var start: Int
    package var end: Int

    package init(_ start: Int, _ end: Int) {
        self.start = start
        self.end = end
    }
}

/// The type of an expression, by Prometheus's names.
package enum ValueType: String, Sendable {
    case scalar
    case string
    case vector = "instant vector"
    case matrix = "range vector"
}

/// A query as it was written, types checked. Durations and times are milliseconds.
package indirect enum Expression: Sendable {
    case number(Double, TextRange)
    case string(String, TextRange)
    case selector(VectorSelector)
    /// `selector[range]`
    case range(VectorSelector, milliseconds: Int64, TextRange)
    case subquery(Subquery)
    case call(Call)
    case aggregate(Aggregation)
    case binary(BinaryOperation)
    case negate(Expression, TextRange)
    case parentheses(Expression, TextRange)
}

/// The time an `@` names.
package enum AtModifier: Hashable, Sendable {
    case time(milliseconds: Int64)
    /// The first step of the question.
    case start
    /// Its last.
    case end
}

/// `name{a="b"} offset 5m @ start()`
package struct VectorSelector: Sendable {
    /// The metric's name written before the braces; nil when there is none, or only a matcher on `__name__`.
    package var name: String?
    /// All of them, the name's included; at least one excludes the empty value.
    package var matchers: [LabelMatcher]
    package var offset: Int64
    package var at: AtModifier?
    package var position: TextRange

    package init(
        name: String?, matchers: [LabelMatcher], offset: Int64 = 0, at: AtModifier? = nil, position: TextRange
    ) {
        self.name = name
        self.matchers = matchers
        self.offset = offset
        self.at = at
        self.position = position
    }
}

/// `expression[range:step] offset 5m @ end()`
package struct Subquery: Sendable {
    package var expression: Expression
    package var range: Int64
    /// Nil asks for the default step.
    package var step: Int64?
    package var offset: Int64
    package var at: AtModifier?
    package var position: TextRange

    package init(
        expression: Expression, range: Int64, step: Int64?, offset: Int64 = 0, at: AtModifier? = nil,
        position: TextRange
    ) {
        self.expression = expression
        self.range = range
        self.step = step
        self.offset = offset
        self.at = at
        self.position = position
    }
}

/// A function with its arguments.
package struct Call: Sendable {
    package var function: Function
    package var arguments: [Expression]
    package var position: TextRange

    package init(function: Function, arguments: [Expression], position: TextRange) {
        self.function = function
        self.arguments = arguments
        self.position = position
    }
}

/// `sum by (a) (expression)`, `topk(3, expression)`.
package struct Aggregation: Sendable {
    package enum Operator: String, Sendable, CaseIterable {
        case sum, avg, count, min, max, group, stddev, stdvar, topk, bottomk, quantile
        case countValues = "count_values"

        package var takesParameter: Bool {
            switch self {
            case .topk, .bottomk, .quantile, .countValues: true
            case .sum, .avg, .count, .min, .max, .group, .stddev, .stdvar: false
            }
        }
    }

    package var op: Operator
    /// The `k` of topk, the label's name of count_values, ...
    package var parameter: Expression?
    package var operand: Expression
    /// Names after `by` or `without`, as written.
    package var labels: [String]
    package var isWithout: Bool
    package var position: TextRange

    package init(
        op: Operator, parameter: Expression?, operand: Expression, labels: [String], isWithout: Bool,
        position: TextRange
    ) {
        self.op = op
        self.parameter = parameter
        self.operand = operand
        self.labels = labels
        self.isWithout = isWithout
        self.position = position
    }
}

/// `left + on (a) group_left (b) right`.
package struct BinaryOperation: Sendable {
    package enum Operator: String, Sendable, CaseIterable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case modulo = "%"
        case power = "^"
        case atan2
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case greater = ">"
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case and, or, unless

        package var isComparison: Bool {
            switch self {
            case .equal, .notEqual, .less, .greater, .lessOrEqual, .greaterOrEqual: true
            default: false
            }
        }
        package var isSet: Bool { self == .and || self == .or || self == .unless }
    }

    package enum Cardinality: String, Sendable {
        case oneToOne = "one-to-one"
        /// `group_left`: many on the left.
        case manyToOne = "many-to-one"
        /// `group_right`: many on the right.
        case oneToMany = "one-to-many"
        /// Set operators.
        case manyToMany = "many-to-many"
    }

    /// How the samples of two vectors find each other.
    package struct Matching: Sendable {
        package var cardinality: Cardinality
        /// Names after `on` or `ignoring`.
        package var labels: [String]
        package var isOn: Bool
        /// Names after `group_left` or `group_right`: copied from the one side.
        package var include: [String]

        package init(
            cardinality: Cardinality = .oneToOne, labels: [String] = [], isOn: Bool = false, include: [String] = []
        ) {
            self.cardinality = cardinality
            self.labels = labels
            self.isOn = isOn
            self.include = include
        }
    }

    package var op: Operator
    package var left: Expression
    package var right: Expression
    /// Comparisons give 0 or 1 instead of filtering.
    package var returnsBool: Bool
    /// Nil unless both sides are vectors.
    package var matching: Matching?
    package var position: TextRange

    package init(
        op: Operator, left: Expression, right: Expression, returnsBool: Bool, matching: Matching?, position: TextRange
    ) {
        self.op = op
        self.left = left
        self.right = right
        self.returnsBool = returnsBool
        self.matching = matching
        self.position = position
    }
}

extension Expression {
    package var type: ValueType {
        switch self {
        case .number: .scalar
        case .string: .string
        case .selector, .aggregate: .vector
        case .range, .subquery: .matrix
        case .call(let call): call.function.result
        case .binary(let operation):
            operation.left.type == .scalar && operation.right.type == .scalar ? .scalar : .vector
        case .negate(let operand, _): operand.type
        case .parentheses(let inner, _): inner.type
        }
    }

    package var position: TextRange {
        switch self {
        case .number(_, let range), .string(_, let range), .range(_, _, let range), .negate(_, let range),
            .parentheses(_, let range):
            range
        case .selector(let selector): selector.position
        case .subquery(let subquery): subquery.position
        case .call(let call): call.position
        case .aggregate(let aggregation): aggregation.position
        case .binary(let operation): operation.position
        }
    }
}
