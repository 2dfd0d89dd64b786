import MusterModel

extension Parser {
    /// `a >= 5 and (b="x" or c < 10ms)`; `and`, a comma and nothing at all mean the same and bind tighter than `or`.
    mutating func condition() throws(LogQLError) -> LabelCondition {
        try enter()
        defer { leave() }
        var left = try conjunction()
        while try takeIfWord("or") {
            left = .or(left, try conjunction())
        }
        return left
    }

    private mutating func conjunction() throws(LogQLError) -> LabelCondition {
        var left = try simpleCondition()
        while true {
            let hasAnd = try takeIfWord("and")
            let isJoined = try hasAnd ? true : takeIf(",")
            if isJoined || (token.kind == .word && !isWord("or") && !isWord("offset"))
                || self.is("(")
            {
                left = .and(left, try simpleCondition())
            } else {
                return left
            }
        }
    }

    private mutating func simpleCondition() throws(LogQLError) -> LabelCondition {
        try count()
        if try takeIf("(") {
            let inner = try condition()
            try take(")")
            return inner
        }
        let name = try takeName("a stage such as json, or a condition such as status >= 500")
        let op = token
        guard op.kind == .punctuation,
            LabelMatcher.Operator(rawValue: op.text) != nil || LabelCondition.Comparison(rawValue: op.text) != nil
        else { throw unexpected("a comparison such as = or >=") }
        try advance()
        if token.kind == .string, let matcher = LabelMatcher.Operator(rawValue: op.text) {
            return .string(try labelTest(name, matcher))
        }
        if isWord("ip") {
            throw unsupported("ip(...)", "compare with =~ and a regular expression", at: token.range.lowerBound)
        }
        guard let comparison = LabelCondition.Comparison(rawValue: op.text == "=" ? "==" : op.text) else {
            throw unexpected("a text in double quotes, which \(op.text) compares with")
        }
        guard token.kind != .string else {
            throw unexpected("a number, a duration or an amount of bytes, which \(op.text) compares with")
        }
        return try quantity(name, comparison)
    }

    private mutating func quantity(
        _ name: String, _ comparison: LabelCondition.Comparison
    ) throws(LogQLError) -> LabelCondition {
        let place = token.range.lowerBound
        let sign = try takeIf("-") ? "-" : ""
        guard token.kind == .number else {
            throw unexpected("a text in double quotes, a number, a duration or an amount of bytes")
        }
        let spelling = token.text
        try advance()
        if let number = Units.number(spelling), number.isFinite {
            return .number(name, comparison, sign.isEmpty ? number : -number)
        }
        if let duration = Units.duration(sign + spelling) { return .duration(name, comparison, duration) }
        if sign.isEmpty, let bytes = Units.bytes(spelling), bytes.isFinite { return .bytes(name, comparison, bytes) }
        throw text.error(
            "\"\(sign)\(spelling)\" is no number, duration (1h30m, 250ms) or amount of bytes (20KB, 5MiB)", at: place)
    }
}
