/// Random texts in the grammar of the language, typed, with all of its spellings.
struct RandomQueries {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    mutating func next() -> String { Bool.random(using: &generator) ? vector(4) : pick(3) == 0 ? string() : scalar(4) }

    mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }

    mutating func one<Element>(of elements: [Element]) -> Element { elements[pick(elements.count)] }

    private mutating func space() -> String { one(of: ["", " ", "", "\n", " # why\n "]) }

    private mutating func scalar(_ depth: Int) -> String {
        guard depth > 0 else {
            return one(of: [
                "1", ".5", "0x1F", "1e3", "007", "1_000", "Inf", "nan", "1h30m", "5.", "250ms", "time()", "pi()",
            ])
        }
        switch pick(7) {
        case 0: return "(" + scalar(depth - 1) + space() + ")"
        case 1: return one(of: ["-", "+", "- "]) + scalar(depth - 1)
        case 2: return "scalar(" + vector(depth - 1) + ")"
        case 3: return scalar(depth - 1) + " " + one(of: ["==", ">=", "!="]) + " bool " + scalar(depth - 1)
        case 4, 5:
            return scalar(depth - 1) + space() + " " + one(of: ["+", "-", "*", "/", "%", "^", "ATAN2"]) + " "
                + scalar(depth - 1)
        default: return scalar(0)
        }
    }

    private mutating func vector(_ depth: Int) -> String {
        guard depth > 0 else { return selector() + modifiers() }
        switch pick(10) {
        case 0: return "(" + space() + vector(depth - 1) + ")"
        case 1: return one(of: ["-", "+"]) + vector(depth - 1)
        case 2:
            return operand(depth - 1) + " " + one(of: ["+", "*", "^", "atan2", "< bool", ">"]) + " " + closed(depth - 1)
        case 3:
            return closed(depth - 1) + " " + one(of: ["-", "/", "<=", "== bool"]) + matching() + " "
                + closed(depth - 1)
        case 4:
            return vector(depth - 1) + " " + one(of: ["and", "or", "unless"]) + setMatching() + " " + vector(depth - 1)
        case 5: return aggregation(depth - 1)
        case 6:
            return one(of: ["abs", "ceil", "sort", "absent", "timestamp", "year"]) + space() + "(" + vector(depth - 1)
                + ")"
        case 7: return one(of: ["rate", "avg_over_time", "changes"]) + "(" + matrix(depth - 1) + ")"
        case 8: return one(of: ["clamp_min", "round"]) + "(" + vector(depth - 1) + ", " + scalar(depth - 1) + ")"
        default: return selector() + modifiers()
        }
    }

    private mutating func operand(_ depth: Int) -> String {
        Bool.random(using: &generator) ? vector(depth) : scalar(depth)
    }

    /// A vector that no operator takes apart.
    private mutating func closed(_ depth: Int) -> String {
        Bool.random(using: &generator) ? "(" + vector(depth) + space() + ")" : selector() + modifiers()
    }

    private mutating func matrix(_ depth: Int) -> String {
        guard Bool.random(using: &generator) else { return selector() + "[\(duration())]" + modifiers() }
        return "(" + vector(depth) + ")[\(duration()):\(one(of: ["", duration()]))]" + modifiers()
    }

    private mutating func aggregation(_ depth: Int) -> String {
        let labels = one(of: ["by", "without", "BY"]) + " (" + names() + ")"
        let arguments =
            switch pick(3) {
            case 0: ("topk", "(" + scalar(depth) + ", " + vector(depth) + ")")
            case 1: ("count_values", "(" + string() + ", " + vector(depth) + ")")
            default: (one(of: ["sum", "Max", "group", "stddev"]), "(" + vector(depth) + ")")
            }
        return one(of: [
            arguments.0 + arguments.1, "\(arguments.0) \(labels) \(arguments.1)",
            "\(arguments.0)\(arguments.1) \(labels)",
        ])
    }

    private mutating func selector() -> String {
        let name = one(of: ["up", "a:b", "sum", "offset", "or", "node_cpu_seconds_total", "start"])
        let matchers = (0..<pick(3)).map { _ in
            one(of: ["job", "by", "\"a.b\"", "'l'", "inf"]) + space() + one(of: ["=", "!=", "=~", "!~"]) + string()
        }.joined(separator: ",")
        return one(of: [name, name + "{" + matchers + "}", "{\"x y\"" + (matchers.isEmpty ? "" : "," + matchers) + "}"])
    }

    private mutating func modifiers() -> String {
        one(of: [
            "", "", " offset \(one(of: ["", "-"]))\(duration())",
            " @ \(one(of: ["start()", "END()", "-1.5", "1700000000.123"]))",
            " @ 7 offset 1w",
        ])
    }

    private mutating func duration() -> String {
        one(of: ["5m", "1h30m", "600", "1.5", "7d", "(1m + 90)", "max_of(1m, 2^5)", "1y"])
    }

    private mutating func names() -> String { one(of: ["", "a", "a, job,", "\"x.y\", by", "on , bool"]) }

    private mutating func setMatching() -> String { one(of: ["", " on(\(names()))", " ignoring (\(names()))"]) }

    private mutating func matching() -> String {
        one(of: [setMatching(), " on(a) group_left(\(one(of: ["", "b", "b, c"])))", " ignoring(a) group_right()"])
    }

    private mutating func string() -> String {
        one(of: ["\"\"", "'a'", "`b|c`", #""é\n\\d\x41""#, #"'\''"#, "\"日本\u{200b}\""])
    }
}
