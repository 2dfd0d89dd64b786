import MusterLogs

/// What a regular expression says about the words of every line it matches. It understands little: what it is not sure
/// of it leaves out, and an alternative outside of groups makes it give up.
///
/// A `\b` beside an ASCII letter, digit or `_` is taken for the border of a word in any language: what stands on its
/// other side may not be a byte beyond ASCII. The pipeline holds lines to that too (`holds`), so `\berror\b` finds
/// `éerror` neither in the logs nor in a pipeline, and blocks without the word need not be read.
struct RegexWords: Sendable {
    /// Words and parts of words that have to be there.
    private(set) var needed: [NeedleWord] = []
    private var bordered: [Bordered] = []
    private var foldsCase = false

    private struct Bordered {
        var bytes: [UInt8]
        var startsAtBorder: Bool
        var endsAtBorder: Bool
    }

    private enum Border {
        case none
        /// The beginning or the end of the line.
        case line
        case word
    }

    /// Text that stands in every match as it is.
    private struct Run {
        var bytes: [UInt8] = []
        var start = Border.none
        var end = Border.none
    }

    init(_ expression: String) {
        var bytes = Array(expression.utf8)[...]
        if bytes.starts(with: "(?i)".utf8) {
            foldsCase = true
            bytes = bytes.dropFirst(4)
        }
        var scanner = Scanner(rest: bytes)
        for run in scanner.runs() ?? [] { add(run) }
    }

    private mutating func add(_ run: Run) {
        var bytes = run.bytes
        if foldsCase {
            bytes = ByteSearch.lowered(bytes)
            // Letters with relatives outside of ASCII: the Kelvin sign and the long s. And case beyond ASCII.
            guard !bytes.contains(where: { $0 == UInt8(ascii: "k") || $0 == UInt8(ascii: "s") || $0 >= 0x80 }) else {
                return
            }
        }
        guard let first = bytes.first, let last = bytes.last else { return }
        let startsAtWord = run.start == .word && (first.isLetter || first.isDigit)
        let endsAtWord = run.end == .word && (last.isLetter || last.isDigit)
        needed += NeedleWord.words(
            in: bytes, startsAtBoundary: startsAtWord || run.start == .line,
            endsAtBoundary: endsAtWord || run.end == .line)
        guard startsAtWord || endsAtWord else { return }
        bordered.append(Bordered(bytes: bytes, startsAtBorder: startsAtWord, endsAtBorder: endsAtWord))
    }

    /// Whether all that has a `\b` beside it stands in the line with a border there.
    func holds(_ line: [UInt8]) -> Bool {
        guard !bordered.isEmpty else { return true }
        let line = foldsCase ? ByteSearch.lowered(line) : line
        return bordered.allSatisfy {
            ByteSearch.has($0.bytes, in: line, startsAtBorder: $0.startsAtBorder, endsAtBorder: $0.endsAtBorder)
        }
    }

    private struct Scanner {
        var rest: ArraySlice<UInt8>
        private var ended: [Run] = []
        private var run = Run()

        init(rest: ArraySlice<UInt8>) { self.rest = rest }

        private enum Atom {
            case literal(UInt8)
            case wordBorder
            case lineBorder
            /// Something of unknown text.
            case other
        }

        /// Nil when nothing is certain.
        mutating func runs() -> [Run]? {
            while !rest.isEmpty {
                guard let atom = atom() else { return nil }
                let isRepeated = skipRepeats()
                switch (atom, isRepeated) {
                case (.literal(let byte), nil): run.bytes.append(byte)
                case (.literal(let byte), .some(let isOptional)):
                    if !isOptional { run.bytes.append(byte) }
                    // A character of several bytes is repeated as a whole.
                    if byte >= 0x80 { return nil }
                    end()
                case (.wordBorder, nil):
                    end(at: .word)
                    run = Run(start: .word)
                case (.lineBorder, nil):
                    end(at: .line)
                    run = Run(start: .line)
                case (.other, _), (.wordBorder, _), (.lineBorder, _): end()
                }
            }
            end()
            return ended
        }

        private mutating func end(at border: Border = .none) {
            run.end = border
            if !run.bytes.isEmpty { ended.append(run) }
            run = Run()
        }

        /// Nil without a repetition; else whether it may be none at all.
        private mutating func skipRepeats() -> Bool? {
            var isOptional: Bool?
            while let byte = rest.first, "*+?{".utf8.contains(byte) {
                rest = rest.dropFirst()
                if byte == UInt8(ascii: "{") { rest = rest.drop { $0 != UInt8(ascii: "}") }.dropFirst() }
                isOptional = (isOptional ?? false) || byte != UInt8(ascii: "+")
            }
            return isOptional
        }

        /// Nil for what makes all else uncertain.
        private mutating func atom() -> Atom? {
            guard let byte = rest.popFirst() else { return nil }
            switch byte {
            case UInt8(ascii: "|"), UInt8(ascii: ")"): return nil
            case UInt8(ascii: "."): return .other
            case UInt8(ascii: "^"), UInt8(ascii: "$"): return .lineBorder
            case UInt8(ascii: "["): return skipClass() ? .other : nil
            case UInt8(ascii: "("): return skipGroup() ? .other : nil
            case UInt8(ascii: "\\"): return escape()
            default: return .literal(byte)
            }
        }

        private mutating func escape() -> Atom? {
            guard let byte = rest.popFirst() else { return nil }
            switch byte {
            case UInt8(ascii: "b"): return .wordBorder
            case _ where "dDwWsS".utf8.contains(byte): return .other
            case UInt8(ascii: "n"): return .literal(10)
            case UInt8(ascii: "t"): return .literal(9)
            case _ where byte.isLetter || byte.isDigit || byte >= 0x80: return nil
            default: return .literal(byte)
            }
        }

        private mutating func skipClass() -> Bool {
            if rest.first == UInt8(ascii: "^") { rest = rest.dropFirst() }
            if rest.first == UInt8(ascii: "]") { rest = rest.dropFirst() }
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "]") { return true }
                if byte == UInt8(ascii: "\\") { rest = rest.dropFirst() }
                // `[[:alpha:]]` and what looks like it.
                if byte == UInt8(ascii: "[") { return false }
            }
            return false
        }

        /// Flags that hold on behind the group, as in `(?i)`, make all uncertain.
        private mutating func skipGroup() -> Bool {
            if rest.first == UInt8(ascii: "?") {
                let head = rest.dropFirst().first
                guard head == UInt8(ascii: ":") || head == UInt8(ascii: "P") || head == UInt8(ascii: "<") else {
                    return false
                }
            }
            var depth = 1
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\\"):
                    guard let next = rest.popFirst(), next != UInt8(ascii: "Q") else { return false }
                case UInt8(ascii: "["): guard skipClass() else { return false }
                case UInt8(ascii: "("): depth += 1
                case UInt8(ascii: ")"):
                    depth -= 1
                    if depth == 0 { return true }
                default: break
                }
            }
            return false
        }
    }
}
