import MusterModel

extension Parser {
    /// Operators of at least this precedence and their operands.
    mutating func expression(from precedence: Int = 1) throws(LogQLError) -> LogMetricExpression {
        try enter()
        defer { leave() }
        var left = try primary()
        while let op = MetricOperation.Operator(rawValue: token.text), token.kind != .string,
            op.precedence >= precedence
        {
            left = try operation(op, left)
        }
        return left
    }

    private mutating func operation(
        _ op: MetricOperation.Operator, _ left: LogMetricExpression
    ) throws(LogQLError) -> LogMetricExpression {
        let place = token.range.lowerBound
        try advance()
        try count()
        let returnsBool = try takeIfWord("bool")
        if returnsBool, !op.isComparison {
            throw text.error("bool goes with comparisons, not with \(op.rawValue)", at: place)
        }
        var matching: MetricOperation.Matching?
        if isWord("on") || isWord("ignoring") {
            let isOn = isWord("on")
            try advance()
            matching = MetricOperation.Matching(isOn: isOn, labels: try labelList())
        }
        if isWord("group_left") || isWord("group_right") {
            throw unsupported(
                token.text, "bring both sides to the same labels with sum by (...)", at: token.range.lowerBound)
        }
        // `^` groups to the right, all others to the left.
        let right = try expression(from: op == .power ? op.precedence : op.precedence + 1)
        if op.isSet || matching != nil, left.isScalar || right.isScalar {
            let what = op.isSet ? op.rawValue : matching?.isOn == true ? "on" : "ignoring"
            throw text.error("\(what) needs series on both sides; write vector(1) for a plain number", at: place)
        }
        return .binary(
            MetricOperation(op: op, left: left, right: right, returnsBool: returnsBool, matching: matching))
    }

    private mutating func primary() throws(LogQLError) -> LogMetricExpression {
        try count()
        if try takeIf("(") {
            let inner = try expression()
            try take(")")
            return inner
        }
        if token.kind == .number || self.is("-") || self.is("+") { return .number(try number()) }
        let place = token.range.lowerBound
        guard token.kind == .word else { throw unexpected("a metric expression such as rate({job=\"api\"}[5m])") }
        let name = try takeName("a function")
        if let op = RangeAggregation.Operator(rawValue: name) { return .range(try rangeAggregation(op, at: place)) }
        if let op = VectorAggregation.Operator(rawValue: name) { return .aggregate(try aggregation(op, at: place)) }
        switch name {
        case "vector":
            try take("(")
            let value = try number()
            try take(")")
            return .vector(value)
        case "label_replace": return .labelReplace(try labelReplacement())
        case "rate_counter": throw unsupported(name, "write rate(... | unwrap ...)", at: place)
        case "approx_topk": throw unsupported(name, "write topk", at: place)
        default:
            throw text.error(
                "\"\(name)\" is no function of LogQL; write one such as count_over_time({job=\"api\"}[5m]), "
                    + "or choose lines with {...}", at: place)
        }
    }

    mutating func number() throws(LogQLError) -> Double {
        let place = token.range.lowerBound
        let isNegative = self.is("-")
        if isNegative || self.is("+") { try advance() }
        guard token.kind == .number else { throw unexpected("a number") }
        guard let value = Units.number(token.text), value.isFinite else {
            throw text.error("\"\(token.text)\" is no number", at: place)
        }
        try advance()
        return isNegative ? -value : value
    }

    // MARK: Aggregations over series

    private mutating func aggregation(
        _ op: VectorAggregation.Operator, at place: Int
    ) throws(LogQLError) -> VectorAggregation {
        var grouping = try grouping()
        try take("(")
        var parameter: Int?
        if op.takesParameter {
            let place = token.range.lowerBound
            let value = try number()
            guard let whole = Int(exactly: value), whole >= 1 else {
                throw text.error("\(op.rawValue) needs a whole number of at least 1 before its series", at: place)
            }
            parameter = whole
            try take(",")
        }
        let operandPlace = token.range.lowerBound
        let operand = try expression()
        try take(")")
        if grouping == nil { grouping = try self.grouping() }
        if op.sorts, grouping != nil {
            throw text.error("\(op.rawValue) takes no by or without", at: place)
        }
        guard !operand.isScalar else {
            throw text.error("\(op.rawValue) needs series, not a number; write vector(1)", at: operandPlace)
        }
        return VectorAggregation(op: op, parameter: parameter, operand: operand, grouping: grouping)
    }

    private mutating func grouping() throws(LogQLError) -> LogGrouping? {
        guard isWord("by") || isWord("without") else { return nil }
        let isWithout = isWord("without")
        try advance()
        return LogGrouping(labels: try labelList(), isWithout: isWithout)
    }

    private mutating func labelList() throws(LogQLError) -> [String] {
        try take("(")
        var labels: [String] = []
        while token.kind == .word {
            labels.append(token.text)
            try advance()
            try count()
            guard try takeIf(",") else { break }
        }
        try take(")", or: "a label's name")
        return labels
    }

    private mutating func labelReplacement() throws(LogQLError) -> LabelReplacement {
        try take("(")
        let operandPlace = token.range.lowerBound
        let operand = try expression()
        guard !operand.isScalar else { throw text.error("label_replace needs series first", at: operandPlace) }
        try take(",")
        let labelPlace = token.range.lowerBound
        let label = try takeString()
        guard Labels.isName(label) else {
            throw text.error("\"\(label)\" is no label's name: letters, digits and _", at: labelPlace)
        }
        try take(",")
        let replacement = try takeString()
        try take(",")
        let source = try takeString()
        try take(",")
        let place = token.range.lowerBound
        let expression = try takeString()
        do throws(PatternError) {
            _ = try compiler.compile(expression)
        } catch {
            throw text.error(error.description, at: place)
        }
        try take(")")
        return LabelReplacement(
            operand: operand, label: label, replacement: replacement, source: source, expression: expression)
    }

    // MARK: Aggregations over time

    private mutating func rangeAggregation(
        _ op: RangeAggregation.Operator, at place: Int
    ) throws(LogQLError) -> RangeAggregation {
        var before = try grouping()
        try take("(")
        var parameter: Double?
        if op == .quantileOverTime {
            let place = token.range.lowerBound
            let value = try number()
            guard (0...1).contains(value) else {
                throw text.error("the quantile has to be from 0 to 1, for example 0.95", at: place)
            }
            parameter = value
            try take(",")
        }
        let window = try window()
        try take(")")
        if before == nil { before = try grouping() }
        let aggregation = RangeAggregation(
            op: op, parameter: parameter, query: window.query, range: window.range ?? 1, offset: window.offset ?? 0,
            grouping: before)
        try check(aggregation, at: place)
        return aggregation
    }

    private func check(_ aggregation: RangeAggregation, at place: Int) throws(LogQLError) {
        let op = aggregation.op
        if op.needsUnwrap, aggregation.unwrapped == nil {
            throw text.error(
                "\(op.rawValue) needs numbers: put | unwrap with a label before the range, "
                    + "for example | json | unwrap size [5m]", at: place)
        }
        if !op.takesUnwrap, aggregation.unwrapped != nil {
            throw text.error("\(op.rawValue) counts lines; take | unwrap away or write sum_over_time", at: place)
        }
        if aggregation.grouping != nil, !op.takesGrouping {
            throw text.error(
                "\(op.rawValue) takes no by or without; write sum by (...) (\(op.rawValue)(...))", at: place)
        }
    }

    private struct Window {
        var query: LogStreamQuery
        var range: Int64?
        var offset: Int64?
    }

    /// Streams, stages, `[5m]` and `offset 1h`, with the range before or behind the stages.
    private mutating func window() throws(LogQLError) -> Window {
        let window = try innerWindow()
        guard window.range != nil else { throw unexpected("a range such as [5m]") }
        return window
    }

    private mutating func innerWindow() throws(LogQLError) -> Window {
        try enter()
        defer { leave() }
        var window: Window
        if try takeIf("(") {
            window = try innerWindow()
            try take(")")
        } else {
            guard self.is("{") else { throw unexpected("streams such as {job=\"api\"}") }
            window = Window(query: LogStreamQuery(matchers: try selector()))
        }
        try range(&window)
        let place = token.range.lowerBound
        let stages = try stages(mayUnwrap: true)
        guard !window.query.stages.contains(where: \.isUnwrap) || stages.isEmpty else {
            throw text.error("no stage may follow the unwrap in parentheses; write it inside of them", at: place)
        }
        window.query.stages += stages
        try range(&window)
        return window
    }

    private mutating func range(_ window: inout Window) throws(LogQLError) {
        if self.is("["), window.range == nil {
            try advance()
            window.range = try duration("a range such as 5m")
            try take("]")
        }
        if window.range != nil, window.offset == nil, try takeIfWord("offset") {
            let sign: Int64 = try takeIf("-") ? -1 : 1
            window.offset = sign * (try duration("an offset such as 1h"))
        }
    }

    private mutating func duration(_ what: String) throws(LogQLError) -> Int64 {
        guard token.kind == .number else { throw unexpected(what) }
        guard let nanoseconds = Units.duration(token.text), nanoseconds > 0 else {
            throw text.error(
                "\"\(token.text)\" is no duration above 0; write \(what), with ms, s, m, h, d, w or y",
                at: token.range.lowerBound)
        }
        try advance()
        return nanoseconds
    }
}

extension LogMetricExpression {
    /// A number that is no series.
    var isScalar: Bool {
        switch self {
        case .number: true
        case .binary(let operation): operation.left.isScalar && operation.right.isScalar
        default: false
        }
    }
}
