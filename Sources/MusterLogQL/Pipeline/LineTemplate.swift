import MusterModel

/// The template of `line_format` and `label_format`: text with `{{.label}}`, `{{__line__}}`, `{{__timestamp__}}` and
/// the functions ToLower, ToUpper (also lower, upper), trim, replace and default.
struct LineTemplate: Sendable {
    private indirect enum Value {
        case text(String)
        case label(String)
        case line
        case timestamp
        case call(Function, [Value])
    }

    private enum Function: String {
        case toLower = "ToLower"
        case toUpper = "ToUpper"
        case lower, upper, trim, replace
        case fallback = "default"

        /// The last argument is the text; a pipe gives it.
        var arity: Int {
            switch self {
            case .toLower, .toUpper, .lower, .upper, .trim: 1
            case .fallback: 2
            case .replace: 3
            }
        }
    }

    private var parts: [Value] = []

    /// Errors have no place: the caller knows where the template stands.
    init(_ text: String) throws(LogQLError) {
        var rest = text[...]
        var trims = false
        while let open = rest.firstRange(of: "{{") {
            var before = rest[..<open.lowerBound]
            rest = rest[open.upperBound...]
            guard let close = rest.firstRange(of: "}}") else {
                throw LogQLError(.syntax, "the template opens {{ and does not close it")
            }
            var action = rest[..<close.lowerBound]
            rest = rest[close.upperBound...]
            if trims { before = Self.trimmedStart(before) }
            if action.hasPrefix("- ") {
                while before.last?.isWhitespace == true { before.removeLast() }
                action.removeFirst()
            }
            trims = action.hasSuffix(" -")
            if trims { action.removeLast() }
            parts.append(.text(String(before)))
            parts.append(try Self.value(action))
        }
        parts.append(.text(String(trims ? Self.trimmedStart(rest) : rest)))
    }

    private static func trimmedStart(_ text: Substring) -> Substring { text.drop { $0.isWhitespace } }

    // MARK: Reading

    private static func value(_ action: Substring) throws(LogQLError) -> Value {
        var piped: Value?
        for words in try pipe(action) {
            piped = try command(words, piped)
        }
        guard let piped else { throw LogQLError(.syntax, "the template has an empty {{}}; write {{.label}}") }
        return piped
    }

    /// The words of each command between `|`.
    private static func pipe(_ action: Substring) throws(LogQLError) -> [[String]] {
        var commands: [[String]] = [[]]
        var rest = action
        while let first = rest.first {
            if first.isWhitespace {
                rest.removeFirst()
            } else if first == "|" {
                commands.append([])
                rest.removeFirst()
            } else if first == "\"" || first == "`" {
                guard let length = quotedLength(rest) else {
                    throw LogQLError(.syntax, "the template has a string without its closing quote")
                }
                commands[commands.count - 1].append(String(rest.prefix(length)))
                rest = rest.dropFirst(length)
            } else {
                let word = rest.prefix { !$0.isWhitespace && $0 != "|" && $0 != "\"" && $0 != "`" }
                commands[commands.count - 1].append(String(word))
                rest = rest.dropFirst(word.count)
            }
        }
        return commands == [[]] ? [] : commands
    }

    /// Characters of the string at the beginning, quotes included.
    private static func quotedLength(_ text: Substring) -> Int? {
        guard let quote = text.first else { return nil }
        var isEscaped = false
        for (index, character) in text.enumerated().dropFirst() {
            if isEscaped {
                isEscaped = false
            } else if character == "\\", quote == "\"" {
                isEscaped = true
            } else if character == quote {
                return index + 1
            }
        }
        return nil
    }

    private static func command(_ words: [String], _ piped: Value?) throws(LogQLError) -> Value {
        guard let first = words.first else {
            throw LogQLError(.syntax, "the template has a | with nothing before or behind it")
        }
        guard !isOperand(first) else {
            guard words.count == 1, piped == nil else {
                throw LogQLError(.syntax, "the template gives something to \(first), which is no function")
            }
            return try operand(first)
        }
        guard let function = Function(rawValue: first) else {
            throw LogQLError(
                .unsupported,
                "the template uses \(first), which is not supported here; it may use .label, __line__, __timestamp__, "
                    + "ToLower, ToUpper, trim, replace and default")
        }
        var arguments: [Value] = []
        for word in words.dropFirst() { arguments.append(try operand(word)) }
        if let piped { arguments.append(piped) }
        guard arguments.count == function.arity else {
            throw LogQLError(
                .syntax, "the template gives \(first) \(arguments.count) values, it takes \(function.arity)")
        }
        return .call(function, arguments)
    }

    private static func isOperand(_ word: String) -> Bool {
        word.hasPrefix(".") || word.hasPrefix("\"") || word.hasPrefix("`") || word == "__line__"
            || word == "__timestamp__"
    }

    private static func operand(_ word: String) throws(LogQLError) -> Value {
        switch word {
        case "__line__": return .line
        case "__timestamp__": return .timestamp
        case _ where word.hasPrefix("`"): return .text(String(word.dropFirst().dropLast()))
        case _ where word.hasPrefix("\""):
            guard case .text(let text) = Escapes.decoded(Array(word.utf8.dropFirst().dropLast())[...]) else {
                throw LogQLError(.syntax, "the template has an unknown escape in \(word)")
            }
            return .text(text)
        case _ where Labels.isName(word.dropFirst()) && word.hasPrefix("."): return .label(String(word.dropFirst()))
        default:
            throw LogQLError(.unsupported, "the template uses \(word); write labels as .label, texts in quotes")
        }
    }

    // MARK: Writing

    /// At most `LogQLLimits.templateBytes` of text.
    func text(_ line: PipelineLine) -> String {
        var text = ""
        for part in parts {
            text += evaluate(part, line)
            guard text.utf8.count < LogQLLimits.templateBytes else { break }
        }
        return Self.cut(text)
    }

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > LogQLLimits.templateBytes else { return text }
        return String(decoding: text.utf8.prefix(LogQLLimits.templateBytes), as: UTF8.self)
    }

    private func evaluate(_ value: Value, _ line: PipelineLine) -> String {
        switch value {
        case .text(let text): return text
        case .label(let name): return line.labels[name] ?? ""
        case .line: return String(decoding: line.line, as: UTF8.self)
        case .timestamp: return line.timestamp.description
        case .call(let function, let arguments):
            let texts = arguments.map { evaluate($0, line) }
            let last = texts.last ?? ""
            switch function {
            case .toLower, .lower: return last.lowercased()
            case .toUpper, .upper: return last.uppercased()
            case .trim:
                let start = last.drop { $0.isWhitespace }
                let kept = start.lastIndex { !$0.isWhitespace }
                return kept.map { String(start[...$0]) } ?? ""
            case .fallback: return last.isEmpty ? texts.first ?? "" : last
            case .replace: return Self.replaced(texts)
            }
        }
    }

    /// From, to, text. An empty `from` replaces nothing.
    private static func replaced(_ texts: [String]) -> String {
        guard texts.count == 3, !texts[0].isEmpty else { return texts.last ?? "" }
        let (from, to, text) = (Array(texts[0].utf8), Array(texts[1].utf8), Array(texts[2].utf8))
        var result: [UInt8] = []
        var start = 0
        while result.count <= LogQLLimits.templateBytes, let place = ByteSearch.first(from, in: text, from: start) {
            result += text[start..<place]
            result += to
            start = place + from.count
        }
        result += text[start...].prefix(LogQLLimits.templateBytes)
        return cut(String(decoding: result, as: UTF8.self))
    }
}
