import MusterModel

extension Expression: CustomStringConvertible {
    /// One line in the spelling of Prometheus; reads back as the same expression.
    package var description: String {
        switch self {
        case .number(let number, _): GoFloat.fixed(number)
        case .string(let value, _): Spelling.quoted(value)
        case .selector(let selector): selector.description
        case .range(let selector, let milliseconds, _): Self.range(selector, milliseconds)
        case .subquery(let subquery): subquery.expression.description + subquery.suffix
        case .call(let call):
            "\(call.function.rawValue)(\(call.arguments.map(\.description).joined(separator: ", ")))"
        case .aggregate(let aggregation): aggregation.description
        case .binary(let operation):
            "\(operation.left) \(operation.op.rawValue)\(operation.modifiers) \(operation.right)"
        case .negate(let operand, _): "-\(operand)"
        case .parentheses(let inner, _): "(\(inner))"
        }
    }

    private static func range(_ selector: VectorSelector, _ milliseconds: Int64) -> String {
        selector.bare + "[\(Spelling.duration(milliseconds))]" + Spelling.shift(selector.offset, selector.at)
    }
}

extension VectorSelector: CustomStringConvertible {
    package var description: String { bare + Spelling.shift(offset, at) }

    /// Without offset and @. Matchers are sorted by their spelling.
    fileprivate var bare: String {
        let rest = matchers.filter { $0.name != "__name__" || name == nil }
            .map { Spelling.label($0.name) + $0.operator.rawValue + Spelling.quoted($0.value) }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return (name ?? "") + (rest.isEmpty ? "" : "{\(rest.joined(separator: ","))}")
    }
}

extension Subquery {
    /// `[5m:1m] @ end() offset 1h`
    var suffix: String {
        let step = step.map(Spelling.duration) ?? ""
        return "[\(Spelling.duration(range)):\(step)]" + Spelling.shift(offset, at)
    }
}

extension Aggregation: CustomStringConvertible {
    package var description: String {
        head + "(" + (parameter.map { "\($0), " } ?? "") + "\(operand))"
    }

    /// What stands before the parenthesis: `sum by (a) `.
    var head: String {
        guard isWithout || !labels.isEmpty else { return op.rawValue }
        return "\(op.rawValue) \(isWithout ? "without" : "by") (\(Spelling.labels(labels))) "
    }
}

extension BinaryOperation {
    /// What stands behind the operator: ` bool on (a) group_left (b)`.
    var modifiers: String {
        let bool = returnsBool ? " bool" : ""
        guard let matching else { return bool }
        let isGrouped = matching.cardinality == .manyToOne || matching.cardinality == .oneToMany
        guard matching.isOn || isGrouped || !matching.labels.isEmpty else { return bool }
        var text = "\(bool) \(matching.isOn ? "on" : "ignoring") (\(Spelling.labels(matching.labels)))"
        if isGrouped {
            let side = matching.cardinality == .manyToOne ? "left" : "right"
            text += " group_\(side) (\(Spelling.labels(matching.include)))"
        }
        return text
    }
}

/// The pieces of a query as Prometheus writes them.
enum Spelling {
    /// Largest unit first. Years and weeks only when nothing is left over.
    static func duration(_ milliseconds: Int64) -> String {
        guard milliseconds != 0 else { return "0s" }
        var rest = milliseconds.magnitude
        var text = milliseconds < 0 ? "-" : ""
        let units: [(name: String, size: UInt64, isExact: Bool)] = [
            ("y", 31_536_000_000, true), ("w", 604_800_000, true), ("d", 86_400_000, false), ("h", 3_600_000, false),
            ("m", 60_000, false), ("s", 1_000, false), ("ms", 1, false),
        ]
        for unit in units where rest >= unit.size && (!unit.isExact || rest % unit.size == 0) {
            text += "\(rest / unit.size)\(unit.name)"
            rest %= unit.size
        }
        return text
    }

    /// ` @ 1.500 offset 5m`
    static func shift(_ offset: Int64, _ at: AtModifier?) -> String {
        let time =
            switch at {
            case nil: ""
            case .start: " @ start()"
            case .end: " @ end()"
            case .time(let milliseconds): " @ \(seconds(milliseconds))"
            }
        return time + (offset == 0 ? "" : " offset \(duration(offset))")
    }

    /// Seconds with three decimals.
    private static func seconds(_ milliseconds: Int64) -> String {
        let (whole, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1_000)
        let digits = String(rest)
        return (milliseconds < 0 ? "-" : "") + "\(whole)." + String(repeating: "0", count: 3 - digits.count) + digits
    }

    static func labels(_ names: [String]) -> String { names.map(label).joined(separator: ", ") }

    /// Quoted when it could not be written as a word.
    static func label(_ name: String) -> String { Labels.isName(name) ? name : quoted(name) }

    /// In double quotes; what is not printable is escaped, as Go's strconv does.
    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars { quoted += escaped(scalar) }
        return quoted + "\""
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"": "\\\""
        case "\\": "\\\\"
        case "\u{07}": "\\a"
        case "\u{08}": "\\b"
        case "\u{0C}": "\\f"
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        case "\u{0B}": "\\v"
        case " "..."~": String(scalar)
        case _ where scalar.value < 0x80: "\\x" + hexadecimal(scalar.value, 2)
        case _ where isPrintable(scalar): String(scalar)
        case _ where scalar.value < 0x10000: "\\u" + hexadecimal(scalar.value, 4)
        default: "\\U" + hexadecimal(scalar.value, 8)
        }
    }

    /// Letters, marks, numbers, punctuation and symbols.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }

    private static func hexadecimal(_ value: UInt32, _ width: Int) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: width - digits.count) + digits
    }
}
