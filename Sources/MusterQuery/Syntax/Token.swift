/// A piece of the text. Values stay in the text until the parser asks for them.
struct Token {
    /// Punctuation by its spelling, everything else by what a message calls it.
    enum Kind: String, CaseIterable {
        case end = "the end of the query"
        /// A name or a keyword; the parser knows from the place which of them it is.
        case word = "a name"
        case string = "a string"
        case number = "a number"
        case duration = "a duration"

        case leftParenthesis = "("
        case rightParenthesis = ")"
        case leftBrace = "{"
        case rightBrace = "}"
        case leftBracket = "["
        case rightBracket = "]"
        case comma = ","
        case colon = ":"
        case at = "@"

        case assign = "="
        case matches = "=~"
        case notMatches = "!~"

        case add = "+"
        case subtract = "-"
        case multiply = "*"
        case divide = "/"
        case modulo = "%"
        case power = "^"
        case equal = "=="
        case notEqual = "!="
        case less = "<"
        case greater = ">"
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case trimUpper = "</"
        case trimLower = ">/"

        /// Longest first: `<=` is never `<` and `=`.
        static let punctuation = allCases.filter { $0.rawValue.utf8.count <= 2 }
            .map { (spelling: Array($0.rawValue.utf8), kind: $0) }
            .sorted { $0.spelling.count > $1.spelling.count }
    }

    var kind: Kind
    var range: TextRange
    /// What a word may mean besides a name.
    var keyword: Keyword?

    /// The operator this token is between two operands.
    var binaryOperator: BinaryOperation.Operator? {
        BinaryOperation.Operator(rawValue: keyword?.rawValue ?? kind.rawValue)
    }

    /// Whether it is `+` or `-`.
    var isSign: Bool { kind == .add || kind == .subtract }
}

/// Words with a meaning, in any case. Most of them can name a metric too, and all of them a label.
enum Keyword: String {
    case and, or, unless, atan2
    case sum, avg, count, min, max, group, stddev, stdvar, topk, bottomk, quantile, limitk
    case countValues = "count_values"
    case limitRatio = "limit_ratio"
    case by, without, on, ignoring, bool, offset, anchored, smoothed, fill
    case groupLeft = "group_left"
    case groupRight = "group_right"
    case fillLeft = "fill_left"
    case fillRight = "fill_right"
    case start, end, step, range
    case minOf = "min_of"
    case maxOf = "max_of"
    case inf, nan

    /// Outside of braces these are never a metric's name.
    static let reserved: Set<Keyword> = [.atan2, .bool, .groupLeft, .groupRight, .ignoring, .on]
}

extension BinaryOperation.Operator {
    /// Higher binds tighter.
    var precedence: Int {
        switch self {
        case .or: 1
        case .and, .unless: 2
        case .equal, .notEqual, .less, .greater, .lessOrEqual, .greaterOrEqual: 3
        case .add, .subtract: 4
        case .multiply, .divide, .modulo, .atan2: 5
        case .power: 6
        }
    }

    /// The lowest precedence its right operand may have: `^` groups to the right, all others to the left.
    var rightPrecedence: Int { self == .power ? precedence : precedence + 1 }
}
