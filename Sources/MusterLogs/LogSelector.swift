package import MusterModel

/// Why a selector cannot be read. `offset` counts characters from 0.
package struct LogSelectorError: Error, Equatable, CustomStringConvertible {
    package let offset: Int
    package let problem: String

    package var description: String {
        "the log selector \(problem) at character \(offset + 1); "
            + "write {service=\"web\",path=~\"/var/.*\"} or service=web host!=db-1"
    }
}

/// Reads what a person types to choose logs: `{label="x",other=~"y"}`, or bare `label=value` pairs separated by spaces
/// or commas. Operators `=`, `!=`, `=~`, `!~`. An empty text chooses everything.
package enum LogSelector {
    package static func parse(
        _ text: String, compiler: some PatternCompiler
    ) throws(LogSelectorError) -> [LabelMatcher] {
        guard text.utf8.count <= LogLimits.selectorBytes else {
            throw LogSelectorError(offset: 0, problem: "is longer than \(LogLimits.selectorBytes) bytes")
        }
        var reader = SelectorReader(characters: Array(text))
        return try reader.matchers(compiler: compiler)
    }
}

private struct SelectorReader {
    let characters: [Character]
    var index = 0

    mutating func matchers(compiler: some PatternCompiler) throws(LogSelectorError) -> [LabelMatcher] {
        var found: [LabelMatcher] = []
        skipSpace()
        let isBraced = take("{")
        while true {
            skipSpace()
            if isBraced, take("}") { break }
            if !isBraced, index == characters.count { break }
            guard found.count < LogLimits.selectorMatchers else {
                throw error("has more than \(LogLimits.selectorMatchers) conditions")
            }
            found.append(try matcher(isBraced: isBraced, compiler: compiler))
            skipSpace()
            let hasComma = take(",")
            if isBraced, !hasComma {
                guard take("}") else { throw error("lacks a comma or the closing brace") }
                break
            }
        }
        skipSpace()
        guard index == characters.count else { throw error("goes on after its end") }
        return found
    }

    private mutating func matcher(
        isBraced: Bool, compiler: some PatternCompiler
    ) throws(LogSelectorError) -> LabelMatcher {
        let start = index
        let name = take { $0 == "_" || ($0.isASCII && ($0.isLetter || $0.isNumber)) }
        guard !name.isEmpty, name.first?.isNumber == false else { throw error("needs a label name") }
        skipSpace()
        let op = try readOperator()
        skipSpace()
        let value = try readValue(isBraced: isBraced)
        do throws(PatternError) {
            return try LabelMatcher(name, op, value, compiler: compiler)
        } catch {
            throw LogSelectorError(offset: start, problem: "holds a bad pattern (\(error.reason))")
        }
    }

    private mutating func readOperator() throws(LogSelectorError) -> LabelMatcher.Operator {
        if take("=") { return take("~") ? .matches : .equal }
        guard take("!") else { throw error("needs =, !=, =~ or !~") }
        if take("=") { return .notEqual }
        guard take("~") else { throw error("needs != or !~") }
        return .notMatches
    }

    private mutating func readValue(isBraced: Bool) throws(LogSelectorError) -> String {
        if take("\"") { return try quoted() }
        if take("`") {
            let value = take { $0 != "`" }
            guard take("`") else { throw error("lacks the closing `") }
            return value
        }
        guard !isBraced else { throw error("needs a value in quotes") }
        return take { !$0.isWhitespace && $0 != "," }
    }

    private mutating func quoted() throws(LogSelectorError) -> String {
        var value = ""
        while index < characters.count {
            let next = characters[index]
            index += 1
            if next == "\"" { return value }
            guard next == "\\" else {
                value.append(next)
                continue
            }
            guard index < characters.count else { break }
            switch characters[index] {
            case "n": value.append("\n")
            case "t": value.append("\t")
            case "\\": value.append("\\")
            case "\"": value.append("\"")
            default: throw error("knows only \\n, \\t, \\\\ and \\\" after a backslash, not this")
            }
            index += 1
        }
        throw error("lacks the closing quote")
    }

    private mutating func skipSpace() {
        while index < characters.count, characters[index].isWhitespace { index += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        guard index < characters.count, characters[index] == character else { return false }
        index += 1
        return true
    }

    private mutating func take(while isWanted: (Character) -> Bool) -> String {
        let start = index
        while index < characters.count, isWanted(characters[index]) { index += 1 }
        return String(characters[start..<index])
    }

    private func error(_ problem: String) -> LogSelectorError { LogSelectorError(offset: index, problem: problem) }
}
