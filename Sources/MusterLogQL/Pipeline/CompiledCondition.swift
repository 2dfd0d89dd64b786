import MusterModel

/// A condition on labels ready to run.
indirect enum CompiledCondition: Sendable {
    enum Quantity: Sendable {
        case number
        /// Nanoseconds.
        case duration
        case bytes

        func value(_ text: String) -> Double? {
            switch self {
            case .number: Units.number(text)
            case .duration: Units.duration(text).map { Double($0) }
            case .bytes: Units.bytes(text)
            }
        }
    }

    case string(LabelMatcher)
    case quantity(String, Quantity, LabelCondition.Comparison, Double)
    case and(CompiledCondition, CompiledCondition)
    case or(CompiledCondition, CompiledCondition)

    init(_ condition: LabelCondition, compiler: some PatternCompiler) throws(LogQLError) {
        switch condition {
        case .string(let test): self = .string(try LabelMatcher(test, compiler: compiler))
        case .number(let name, let op, let value): self = .quantity(name, .number, op, value)
        case .duration(let name, let op, let value): self = .quantity(name, .duration, op, Double(value))
        case .bytes(let name, let op, let value): self = .quantity(name, .bytes, op, value)
        case .and(let left, let right):
            self = .and(
                try CompiledCondition(left, compiler: compiler), try CompiledCondition(right, compiler: compiler))
        case .or(let left, let right):
            self = .or(
                try CompiledCondition(left, compiler: compiler), try CompiledCondition(right, compiler: compiler))
        }
    }

    /// A label that should be a quantity and is none marks the line as wrong and lets it pass, so that it is seen; so
    /// does a line that is wrong already.
    func isTrue(_ line: inout PipelineLine) -> Bool {
        switch self {
        case .string(let matcher): return matcher.isMatch(line.labels)
        case .quantity(let name, let quantity, let comparison, let wanted):
            guard !line.hasError else { return true }
            guard let text = line.labels[name], !text.isEmpty else { return false }
            guard let value = quantity.value(text) else {
                line.fail("LabelFilterErr", "the label \(name) is no \(quantity): \(text.prefix(100))")
                return true
            }
            return comparison.isTrue(value, wanted)
        case .and(let left, let right): return left.isTrue(&line) && right.isTrue(&line)
        case .or(let left, let right): return left.isTrue(&line) || right.isTrue(&line)
        }
    }

    /// Texts of ASCII letters and digits that certain labels have to be, whatever else holds.
    static func equalities(of condition: LabelCondition) -> [(name: String, value: String)] {
        switch condition {
        case .string(let test):
            guard test.operator == .equal, !test.value.isEmpty, test.value.utf8.allSatisfy(\.isAlphanumeric) else {
                return []
            }
            return [(test.name, test.value)]
        case .and(let left, let right): return equalities(of: left) + equalities(of: right)
        default: return []
        }
    }
}

extension LabelMatcher {
    init(_ test: LabelTest, compiler: some PatternCompiler) throws(LogQLError) {
        do throws(PatternError) {
            try self.init(test.name, test.operator, test.value, compiler: compiler)
        } catch {
            throw LogQLError(.syntax, error.description)
        }
    }
}
