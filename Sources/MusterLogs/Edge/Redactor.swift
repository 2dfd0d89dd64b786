package import MusterModel

/// One pattern of the user's own.
package struct SecretPattern: Sendable {
    package let name: String
    package let pattern: any SearchPattern
    /// What this group captured is replaced; 0 is the whole match.
    package let group: Int

    package init(name: String, pattern: any SearchPattern, group: Int = 0) {
        self.name = name
        self.pattern = pattern
        self.group = group
    }
}

/// Replaces secrets in lines by `[redacted:<rule>]`, before anything of them reaches a disk or the wire.
///
/// What is found, and what is meant by it, stands with `LogProcessing.Secret` and in `SecretMatch`, `SecretText` and
/// `CardNumbers`. In doubt more is replaced rather than less. Known to be replaced without being secret: `pwd=/a/path`,
/// `next_token=...`, all that follows a secret up to the next blank where no quote or `&` of a query string ends it
/// (`password=a;user=b`), numbers that look like cards. Known not to be found: secrets without a shape and without a
/// key (`--password x`), the second word of a value without quotes, a password in a URL with a bare `/`, what is split
/// over two events.
///
/// A private key that begins in one line and ends in another is followed: until its end, at most `openKeyLines` lines,
/// runs of base64 are replaced. Otherwise a line's outcome depends on that line alone.
package struct Redactor: Sendable {
    /// What a line may have after replacing; the rest is cut off, at a character, and counted.
    package static let outputBytes = Limits.logLineBytes
    /// Lines behind the first of a private key in which more of it is looked for.
    package static let openKeyLines = 200
    /// Lines without any of it end the search.
    private static let openKeyIdleLines = 4
    /// A run of base64 in such a line, unless it is the whole line.
    private static let openKeyRunBytes = 16

    /// By rule, in the order of `counts`: the built-in ones, then the user's own.
    package let ruleNames: [String]
    /// Secrets replaced, by rule.
    package private(set) var counts: [UInt64]
    /// Lines that became too long by replacing.
    package private(set) var cutLines: UInt64 = 0
    /// The line with its secrets replaced, after `redact` gave true.
    package private(set) var output: [UInt8] = []

    private let labels: [[UInt8]]
    private let table: TriggerTable
    private let anchors: WordTable<SecretAnchor>
    /// Rules by number, where a key decides between two; nil when off.
    private let keyedRule: Int?
    private let awsRule: Int?
    private let cardRule: Int?
    private let patterns: [SecretPattern]
    private var matches: [SecretMatch] = []
    private var openLines = 0
    private var idleLines = 0

    package init(
        secrets: some Sequence<LogProcessing.Secret> = LogProcessing.Secret.allCases, patterns: [SecretPattern] = []
    ) {
        let enabled = Set(secrets)
        ruleNames = LogProcessing.Secret.allCases.map(\.rawValue) + patterns.map(\.name)
        labels = ruleNames.map { Array("[redacted:\($0)]".utf8) }
        counts = Array(repeating: 0, count: ruleNames.count)
        keyedRule = enabled.contains(.keyedValue) ? LogProcessing.Secret.keyedValue.number : nil
        awsRule = enabled.contains(.awsSecretKey) ? LogProcessing.Secret.awsSecretKey.number : nil
        cardRule = enabled.contains(.card) ? LogProcessing.Secret.card.number : nil
        self.patterns = patterns
        var table = TriggerTable()
        var words: [(String, SecretAnchor)] = []
        for (trigram, anchor, found) in SecretAnchor.trigrams where !found.isDisjoint(with: enabled) {
            table.insert(Array(trigram.utf8))
            words.append((trigram, anchor))
        }
        self.table = table
        anchors = WordTable(words)
    }

    /// Forgets a private key that is still open: lines of another source follow.
    package mutating func reset() {
        openLines = 0
        idleLines = 0
    }

    /// True when something was replaced: `output` then holds the line. False when the line is clean.
    package mutating func redact(_ line: Span<UInt8>) -> Bool {
        matches.removeAll(keepingCapacity: true)
        var start = 0
        if openLines > 0 { start = followKey(line) }
        findTriggered(line, from: start)
        var isSorted = true
        if let cardRule {
            let before = matches.count
            CardNumbers.scan(line) { matches.append(SecretMatch($0, rule: cardRule)) }
            if matches.count > before { isSorted = before == 0 }
        }
        for (index, pattern) in patterns.enumerated() {
            let before = matches.count
            find(pattern, rule: LogProcessing.Secret.allCases.count + index, in: line)
            if matches.count > before { isSorted = isSorted && before == 0 }
        }
        guard !matches.isEmpty else { return false }
        if !isSorted { matches.sort { $0.range.lowerBound < $1.range.lowerBound } }
        write(line)
        return true
    }

    // MARK: Finding

    private mutating func findTriggered(_ line: Span<UInt8>, from start: Int) {
        var index = start
        // Nothing before here is looked at again.
        var floor = start
        while true {
            index = table.firstHit(in: line, from: index)
            guard index < line.count else { return }
            if let match = candidate(line, at: index, floor: floor), match.range.lowerBound >= floor {
                matches.append(match)
                floor = match.range.upperBound
                index = max(index &+ 1, floor)
            } else {
                index &+= 1
            }
        }
    }

    private mutating func candidate(_ line: Span<UInt8>, at index: Int, floor: Int) -> SecretMatch? {
        guard index >= 2 else { return nil }
        let a = UInt64(ASCIIByte.lower(line[index &- 2]))
        let b = UInt64(ASCIIByte.lower(line[index &- 1]))
        let c = UInt64(ASCIIByte.lower(line[index]))
        guard let anchor = anchors[a | b &<< 8 | c &<< 16, 3] else { return nil }
        switch anchor {
        case .token(let shape, let offset):
            return shape.range(in: line, at: index &- offset).map { SecretMatch($0, rule: shape.secret.number) }
        case .jwt(let offset):
            return SecretText.jwt(line, at: index &- offset).map {
                SecretMatch($0, rule: LogProcessing.Secret.jwt.number)
            }
        case .privateKey(let offset):
            var isOpen = false
            let range = SecretText.privateKey(line, at: index &- offset, isOpen: &isOpen)
            if isOpen { openLines = Self.openKeyLines }
            return range.map { SecretMatch($0, rule: LogProcessing.Secret.privateKey.number) }
        case .authorization(let offset):
            return SecretText.authorization(line, at: index &- offset, rule: LogProcessing.Secret.authorization.number)
        case .url(let offset):
            return SecretText.urlPassword(line, at: index &- offset).map {
                SecretMatch($0, rule: LogProcessing.Secret.urlPassword.number)
            }
        case .key(let word, let offset):
            return SecretText.keyed(
                line, word, at: index &- offset, rule: keyedRule, awsRule: awsRule)
        }
    }

    private mutating func find(_ own: SecretPattern, rule: Int, in line: Span<UInt8>) {
        var start = 0
        while start <= line.count, let groups = own.pattern.firstMatch(in: line, from: start), let whole = groups.first,
            let whole, whole.lowerBound >= start, whole.upperBound <= line.count
        {
            // A pattern that lacks the group must not let the secret pass.
            let range = groups.indices.contains(own.group) ? groups[own.group] : whole
            if let range, !range.isEmpty, range.lowerBound >= 0, range.upperBound <= line.count {
                matches.append(SecretMatch(Self.whole(line, range), rule: rule))
            }
            start = max(whole.upperBound, start &+ 1)
        }
    }

    /// Widened to whole characters.
    private static func whole(_ line: Span<UInt8>, _ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower > 0, lower > range.lowerBound &- 3, line[lower] & 0xc0 == 0x80 { lower &-= 1 }
        while upper < line.count, upper < range.upperBound &+ 3, line[upper] & 0xc0 == 0x80 { upper &+= 1 }
        return lower..<upper
    }

    /// A line while a private key is open. Gives the index from which the line is searched as any other.
    private mutating func followKey(_ line: Span<UInt8>) -> Int {
        let rule = LogProcessing.Secret.privateKey.number
        openLines -= 1
        if let end = SecretText.keyEnd(line, from: 0) {
            reset()
            matches.append(SecretMatch(0..<end, rule: rule))
            return end
        }
        let before = matches.count
        var index = 0
        while index < line.count {
            var end = index
            while end < line.count, ASCIIByte.isBase64(line[end]) { end &+= 1 }
            if end > index, end &- index >= Self.openKeyRunBytes || end &- index == line.count {
                matches.append(SecretMatch(index..<end, rule: rule))
            }
            index = end &+ 1
        }
        idleLines = matches.count > before ? 0 : idleLines + 1
        if idleLines >= Self.openKeyIdleLines { reset() }
        return matches.last?.range.upperBound ?? 0
    }

    // MARK: Writing

    private mutating func write(_ line: Span<UInt8>) {
        output.removeAll(keepingCapacity: true)
        output.reserveCapacity(line.count + matches.count * LogProcessing.ruleNameBytes)
        var copied = 0
        for match in matches {
            counts[match.rule] &+= 1
            guard match.range.upperBound > copied else { continue }
            if match.range.lowerBound >= copied {
                copy(line, copied..<match.range.lowerBound)
                if let quote = match.quote { copy(line, quote) }
                output.append(contentsOf: labels[match.rule])
                if let quote = match.quote { copy(line, quote) }
            }
            copied = match.range.upperBound
        }
        copy(line, copied..<line.count)
        guard output.count > Self.outputBytes else { return }
        let kept = output.span.characterBoundary(atMost: Self.outputBytes)
        output.removeLast(output.count - kept)
        cutLines &+= 1
    }

    private mutating func copy(_ line: Span<UInt8>, _ range: Range<Int>) {
        let start = output.count
        output.append(contentsOf: repeatElement(0, count: range.count))
        let piece = line.extracting(range)
        var room = output.mutableSpan
        for index in piece.indices { room[start &+ index] = piece[index] }
    }
}

extension TokenShape {
    var secret: LogProcessing.Secret {
        switch self {
        case .awsKeyID: .awsKeyID
        case .github, .githubPAT: .githubToken
        case .gitlab: .gitlabToken
        case .slack: .slackToken
        case .stripe: .stripeKey
        case .google: .googleKey
        }
    }
}

extension LogProcessing.Secret {
    /// Its place in `allCases`, without a search: names of rules and counts stand in that order.
    var number: Int {
        switch self {
        case .awsKeyID: 0
        case .awsSecretKey: 1
        case .githubToken: 2
        case .gitlabToken: 3
        case .slackToken: 4
        case .stripeKey: 5
        case .googleKey: 6
        case .jwt: 7
        case .privateKey: 8
        case .authorization: 9
        case .urlPassword: 10
        case .keyedValue: 11
        case .card: 12
        }
    }
}
