import RealModule

/// Durations are arithmetic over seconds, `[5m * 2]`, and folded while they are read. `step()` and `range()` would need
/// the question's steps.
extension Parser {
    /// Milliseconds of a range or a step: at least 1.
    mutating func positiveDuration() throws(QueryError) -> Int64 {
        let place = token.range.start
        let milliseconds = try milliseconds(of: try duration(), at: place)
        guard milliseconds > 0 else { throw text.error("the duration must be at least 1ms", at: place) }
        return milliseconds
    }

    /// Milliseconds behind `offset`: one signed duration. Arithmetic needs parentheses, `x offset 5m ^ 2` is the square
    /// of x.
    mutating func offsetDuration() throws(QueryError) -> Int64 {
        let place = token.range.start
        let isNegative = token.kind == .subtract
        if token.isSign { try advance() }
        let seconds = try durationOperand()
        return try milliseconds(of: isNegative ? -seconds : seconds, at: place)
    }

    private func milliseconds(of seconds: Double, at place: Int) throws(QueryError) -> Int64 {
        guard let nanoseconds = Int64(exactly: (seconds * 1e9).rounded()) else {
            throw text.error("this duration is out of range", at: place)
        }
        return nanoseconds / 1_000_000
    }

    private mutating func duration(from precedence: Int = 1) throws(QueryError) -> Double {
        try enter()
        defer { leave() }
        var left = try durationOperand()
        while let op = token.binaryOperator, op.precedence >= precedence {
            left = try durationOperation(op, left)
        }
        return left
    }

    private mutating func durationOperation(
        _ op: BinaryOperation.Operator, _ left: Double
    ) throws(QueryError) -> Double {
        let place = token.range.start
        try advance()
        return try apply(op, left, try duration(from: op.rightPrecedence), at: place)
    }

    private func apply(
        _ op: BinaryOperation.Operator, _ left: Double, _ right: Double, at place: Int
    ) throws(QueryError) -> Double {
        switch op {
        case .add: return left + right
        case .subtract: return left - right
        case .multiply: return left * right
        case .divide, .modulo:
            guard right != 0 else { throw text.error("this duration divides by zero", at: place) }
            return op == .divide ? left / right : left.truncatingRemainder(dividingBy: right)
        case .power:
            // RealModule's power of two doubles leaves out negative bases.
            return Int(exactly: right).map { Double.pow(left, $0) } ?? Double.pow(left, right)
        default: throw text.error("\(op.rawValue) is no arithmetic for durations", at: place)
        }
    }

    private mutating func durationOperand() throws(QueryError) -> Double {
        if token.isSign { return try signedDuration() }
        switch token.keyword {
        case .minOf, .maxOf: return try chosenDuration()
        case .step, .range: throw .unsupported("\(text[token.range].lowercased())() in a duration")
        default: break
        }
        switch token.kind {
        case .number, .duration: return try literalNumber()
        case .leftParenthesis: return try durationInParentheses()
        default: throw unexpected("a duration")
        }
    }

    private mutating func signedDuration() throws(QueryError) -> Double {
        let isNegative = token.kind == .subtract
        try advance()
        let seconds = try duration(from: BinaryOperation.Operator.power.precedence)
        return isNegative ? -seconds : seconds
    }

    private mutating func durationInParentheses() throws(QueryError) -> Double {
        try advance()
        let seconds = try duration()
        try take(.rightParenthesis)
        return seconds
    }

    /// `min_of(a, b)` or `max_of(a, b)`
    private mutating func chosenDuration() throws(QueryError) -> Double {
        let isLeast = token.keyword == .minOf
        try advance()
        try take(.leftParenthesis)
        let first = try duration()
        try take(.comma)
        let second = try duration()
        try take(.rightParenthesis)
        return isLeast ? smaller(first, second) : larger(first, second)
    }
}
