import MusterModel

extension LogQLQuery: CustomStringConvertible {
    /// One line that reads back as the same query.
    package var description: String {
        switch self {
        case .logs(let query): query.description
        case .metric(let expression): expression.description
        }
    }
}

extension LogStreamQuery: CustomStringConvertible {
    package var description: String {
        (["{\(matchers.map(\.description).joined(separator: ", "))}"] + stages.map(\.description))
            .joined(separator: " ")
    }
}

extension LabelTest: CustomStringConvertible {
    package var description: String { "\(name)\(self.operator.rawValue)\(Escapes.quoted(value))" }
}

extension LineTest: CustomStringConvertible {
    package var description: String {
        "\(self.operator.rawValue) " + alternatives.map(Escapes.quoted).joined(separator: " or ")
    }
}

extension LogStage: CustomStringConvertible {
    package var description: String {
        switch self {
        case .line(let test): test.description
        case .json(let extractions): "| json" + Self.list(extractions.map(\.description))
        case .logfmt(let extractions, let isStrict, let keepsEmpty):
            "| logfmt" + (isStrict ? " --strict" : "") + (keepsEmpty ? " --keep-empty" : "")
                + Self.list(extractions.map(\.description))
        case .regexp(let expression): "| regexp \(Escapes.quoted(expression))"
        case .pattern(let pattern): "| pattern \(Escapes.quoted(pattern))"
        case .unpack: "| unpack"
        case .label(let condition): "| \(condition)"
        case .lineFormat(let template): "| line_format \(Escapes.quoted(template))"
        case .labelFormat(let assignments): "| label_format" + Self.list(assignments.map(\.description))
        case .decolorize: "| decolorize"
        case .drop(let choices): "| drop" + Self.list(choices.map(\.description))
        case .keep(let choices): "| keep" + Self.list(choices.map(\.description))
        case .unwrap(let label, .number): "| unwrap \(label)"
        case .unwrap(let label, let conversion): "| unwrap \(conversion.rawValue)(\(label))"
        }
    }

    private static func list(_ items: [String]) -> String {
        items.isEmpty ? "" : " " + items.joined(separator: ", ")
    }
}

extension LogStage.Extraction: CustomStringConvertible {
    package var description: String { "\(label)=\(Escapes.quoted(path))" }
}

extension LogStage.LabelAssignment: CustomStringConvertible {
    package var description: String {
        switch source {
        case .label(let name): "\(label)=\(name)"
        case .template(let template): "\(label)=\(Escapes.quoted(template))"
        }
    }
}

extension LogStage.LabelChoice: CustomStringConvertible {
    package var description: String {
        switch self {
        case .name(let name): name
        case .test(let test): test.description
        }
    }
}

extension LabelCondition: CustomStringConvertible {
    package var description: String {
        switch self {
        case .string(let test): test.description
        case .number(let name, let op, let value): "\(name) \(op.rawValue) \(GoFloat.general(value))"
        case .duration(let name, let op, let value): "\(name) \(op.rawValue) \(Units.text(nanoseconds: value))"
        case .bytes(let name, let op, let value): "\(name) \(op.rawValue) \(GoFloat.fixed(value))B"
        case .and(let left, let right):
            "\(left.isAlternative ? "(\(left))" : "\(left)") and \(right.isSimple ? "\(right)" : "(\(right))")"
        case .or(let left, let right): "\(left) or \(right.isAlternative ? "(\(right))" : "\(right)")"
        }
    }

    private var isSimple: Bool {
        switch self {
        case .and, .or: false
        default: true
        }
    }

    private var isAlternative: Bool {
        if case .or = self { true } else { false }
    }
}

extension LogMetricExpression: CustomStringConvertible {
    package var description: String {
        switch self {
        case .number(let value): GoFloat.general(value)
        case .vector(let value): "vector(\(GoFloat.general(value)))"
        case .range(let aggregation): aggregation.description
        case .aggregate(let aggregation): aggregation.description
        case .binary(let operation): operation.description
        case .labelReplace(let replacement): replacement.description
        }
    }

    /// In parentheses where the parts of an operation need them.
    fileprivate func operand(below precedence: Int) -> String {
        guard case .binary(let operation) = self, operation.op.precedence < precedence else { return description }
        return "(\(description))"
    }
}

extension LogGrouping: CustomStringConvertible {
    package var description: String { "\(isWithout ? "without" : "by") (\(labels.joined(separator: ", ")))" }
}

extension RangeAggregation: CustomStringConvertible {
    package var description: String {
        op.rawValue + "(" + (parameter.map { GoFloat.general($0) + ", " } ?? "") + "\(query)"
            + " [\(Units.text(nanoseconds: range))]"
            + (offset == 0 ? "" : " offset \(Units.text(nanoseconds: offset))") + ")"
            + (grouping.map { " \($0)" } ?? "")
    }
}

extension VectorAggregation: CustomStringConvertible {
    package var description: String {
        op.rawValue + (grouping.map { " \($0) " } ?? "") + "(" + (parameter.map { "\($0), " } ?? "") + "\(operand))"
    }
}

extension MetricOperation: CustomStringConvertible {
    package var description: String {
        let isPower = op == .power
        var text = left.operand(below: isPower ? op.precedence + 1 : op.precedence) + " " + op.rawValue
        if returnsBool { text += " bool" }
        if let matching {
            text += " \(matching.isOn ? "on" : "ignoring") (\(matching.labels.joined(separator: ", ")))"
        }
        return text + " " + right.operand(below: isPower ? op.precedence : op.precedence + 1)
    }
}

extension LabelReplacement: CustomStringConvertible {
    package var description: String {
        let texts = [label, replacement, source, expression].map(Escapes.quoted).joined(separator: ", ")
        return "label_replace(\(operand), \(texts))"
    }
}
