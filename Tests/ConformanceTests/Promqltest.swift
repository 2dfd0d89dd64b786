import MusterModel
import MusterPattern
import MusterQuery

/// A file in the format of Prometheus's promqltest: a list of commands, most of them with lines of their own below.
struct Promqltest {
    enum Command {
        case clear
        case load(step: Int64, [SeriesNotation], addsHistograms: Bool)
        case eval(Case)
    }

    struct Case {
        var line: Int
        var query: String
        var time: QueryTime
        var expectation = Expectation()
    }

    /// What an annotation or an error has to say.
    enum TextMatch {
        case anything
        case exactly(String)
        case containing(any Pattern)

        func isMatch(_ text: String) -> Bool {
            switch self {
            case .anything: true
            case .exactly(let expected): text == expected
            case .containing(let pattern): pattern.isFullMatch(text)
            }
        }
    }

    struct Expectation {
        var failure: TextMatch?
        var warnings: [TextMatch] = []
        var infos: [TextMatch] = []
        var hasNoWarnings = false
        var hasNoInfos = false
        var isOrdered = false
        var string: String?
        var scalar: Double?
        var series: [SeriesNotation] = []
        /// Times of the values; an instant has one.
        var steps: StepGrid
        /// The answer is a matrix although the question is for an instant.
        var isRangeVector = false

        init(steps: StepGrid = StepGrid(instant: 0)) { self.steps = steps }
    }

    struct Malformed: Error, CustomStringConvertible {
        var line: Int
        var reason: String
        var description: String { "line \(line): \(reason)" }
    }

    private(set) var commands: [Command] = []
    /// A comment counts as an empty line, which ends a command.
    private var lines: [String]
    private var next = 0

    init(_ text: String) throws {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let trimmed = Self.trimmed(line)
            return trimmed.hasPrefix("#") ? "" : trimmed
        }
        while next < lines.count {
            let line = lines[next]
            next += 1
            guard !line.isEmpty else { continue }
            let word = line.prefix { $0 != " " && $0 != "\t" }.lowercased()
            if word == "clear" {
                commands.append(.clear)
            } else if word.hasPrefix("load") {
                try load(line)
            } else if word.hasPrefix("eval") {
                try eval(line)
            } else {
                throw Malformed(line: next, reason: "\(line) is no command")
            }
        }
    }

    /// The lines below the current command.
    private mutating func body() -> [(line: Int, text: String)] {
        var body: [(Int, String)] = []
        while next < lines.count, !lines[next].isEmpty {
            next += 1
            body.append((next, lines[next - 1]))
        }
        return body
    }

    private mutating func load(_ line: String) throws {
        let here = next
        guard let match = line.wholeMatch(of: /load(_with_nhcb)?\s+(\S+)/),
            let step = Self.milliseconds(match.2)
        else { throw Malformed(line: here, reason: "\(line) loads nothing") }
        let series = try body().map { line, text in try Self.series(text, line) }
        let hasHistograms = series.contains { $0.values.contains(.histogram) }
        commands.append(.load(step: step, series, addsHistograms: match.1 != nil || hasHistograms))
    }

    private mutating func eval(_ line: String) throws {
        let here = next
        var found: Case
        let legacy: Substring?
        if let match = line.wholeMatch(of: /eval(?:_(fail|warn|ordered|info))?\s+instant\s+at\s+(\S+)\s+(.+)/),
            let at = Self.milliseconds(match.2)
        {
            found = Case(line: here, query: String(match.3), time: .instant(at))
            found.expectation.steps = StepGrid(instant: at)
            legacy = match.1
        } else if let match = line.wholeMatch(
            of: /eval(?:_(fail|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)/),
            let grid = Self.grid(match.2, match.3, match.4)
        {
            found = Case(
                line: here, query: String(match.5), time: .range(start: grid.start, end: grid.end, step: grid.step))
            found.expectation.steps = grid
            legacy = match.1
        } else {
            throw Malformed(line: here, reason: "\(line) evaluates nothing")
        }
        if let legacy { try found.expectation.add(String(legacy), .anything, here) }
        for (line, text) in body() { try Self.read(text, line, into: &found.expectation) }
        commands.append(.eval(found))
    }

    private static func read(_ text: String, _ line: Int, into expectation: inout Expectation) throws {
        if text.hasPrefix("expect string") {
            guard
                case .string(let value, _) = try Expression(
                    parsing: String(text.dropFirst("expect string".count)), compiler: RE2Compiler())
            else { throw Malformed(line: line, reason: "\(text) expects no string") }
            expectation.string = value
        } else if let match = text.wholeMatch(of: /expect range vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)/),
            let grid = grid(match.1, match.2, match.3)
        {
            expectation.steps = grid
            expectation.isRangeVector = true
        } else if let match = text.wholeMatch(of: /expect\s+(\w+)(?:\s+(regex|msg):(.+))?/) {
            let argument = match.3.map(trimmed) ?? ""
            let check: TextMatch =
                switch match.2 {
                case "msg": .exactly(argument)
                case "regex": .containing(try RE2Compiler().compile("(?s:.*)(?:\(argument))(?s:.*)"))
                default: .anything
                }
            try expectation.add(String(match.1), check, line)
        } else if let scalar = SeriesNotation.parse(text) {
            expectation.scalar = scalar
        } else {
            expectation.series.append(try series(text, line))
        }
    }

    private static func series(_ text: String, _ line: Int) throws -> SeriesNotation {
        do {
            return try SeriesNotation(text)
        } catch {
            throw Malformed(line: line, reason: "\(error)")
        }
    }

    private static func grid(_ from: Substring, _ to: Substring, _ step: Substring) -> StepGrid? {
        guard let from = milliseconds(from), let to = milliseconds(to), let step = milliseconds(step), step > 0,
            from <= to
        else { return nil }
        return StepGrid(from: from, to: to, step: step)
    }

    private static func milliseconds(_ text: Substring) -> Int64? {
        Duration(shortText: text).map { $0.nanoseconds / 1_000_000 }
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var rest = Substring(text)
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest.drop { $0.isWhitespace })
    }
}

extension Promqltest.Expectation {
    fileprivate mutating func add(_ word: String, _ check: Promqltest.TextMatch, _ line: Int) throws {
        switch word {
        case "fail": failure = check
        case "warn": warnings.append(check)
        case "info": infos.append(check)
        case "no_warn": hasNoWarnings = true
        case "no_info": hasNoInfos = true
        case "ordered": isOrdered = true
        default: throw Promqltest.Malformed(line: line, reason: "expect \(word) is unknown")
        }
    }
}
