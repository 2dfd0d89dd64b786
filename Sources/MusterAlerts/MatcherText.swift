import MusterModel

/// Alertmanager's spelling of matchers: `severity="page"`, `zone=~"eu-.*"`, `team!=web`, several with commas between
/// them, with or without braces around them.
enum MatcherText {
    static let allowed = "matchers such as severity=\"page\" or zone=~\"eu-.*\""

    static func parse(_ text: String, compiler: some PatternCompiler) throws(MatcherTextError) -> [LabelMatcher] {
        var cursor = Cursor(Array(text.unicodeScalars))
        cursor.skipSpace()
        let hasBraces = cursor.take("{")
        var matchers: [LabelMatcher] = []
        while true {
            cursor.skipSpace()
            if cursor.isAtEnd || cursor.peek == "}" { break }
            matchers.append(try matcher(&cursor, compiler))
            cursor.skipSpace()
            guard cursor.take(",") else { break }
        }
        if hasBraces, !cursor.take("}") { throw MatcherTextError(reason: "has no closing brace") }
        cursor.skipSpace()
        guard cursor.isAtEnd else { throw MatcherTextError(reason: "has \"\(cursor.rest)\" after a matcher") }
        guard !matchers.isEmpty || hasBraces else { throw MatcherTextError(reason: "is empty") }
        return matchers
    }

    private static func matcher(
        _ cursor: inout Cursor, _ compiler: some PatternCompiler
    ) throws(MatcherTextError) -> LabelMatcher {
        let name = cursor.peek == "\"" ? try cursor.quoted() : cursor.word(stoppingAt: "=!~,{} \t\n")
        guard !name.isEmpty else { throw MatcherTextError(reason: "has no label name before \"\(cursor.rest)\"") }
        cursor.skipSpace()
        let operation: LabelMatcher.Operator
        switch (cursor.next(), cursor.peek) {
        case ("=", "~"): operation = .matches
        case ("!", "~"): operation = .notMatches
        case ("!", "="): operation = .notEqual
        case ("=", _): operation = .equal
        default: throw MatcherTextError(reason: "has no =, !=, =~ or !~ after \"\(name)\"")
        }
        if operation != .equal { _ = cursor.next() }
        cursor.skipSpace()
        let value = cursor.peek == "\"" ? try cursor.quoted() : cursor.word(stoppingAt: ",{} \t\n\"")
        do throws(PatternError) {
            return try LabelMatcher(name, operation, value, compiler: compiler)
        } catch {
            throw MatcherTextError(reason: error.description)
        }
    }

    private struct Cursor {
        private let scalars: [Unicode.Scalar]
        private var index = 0

        init(_ scalars: [Unicode.Scalar]) { self.scalars = scalars }

        var isAtEnd: Bool { index >= scalars.count }
        var peek: Unicode.Scalar? { isAtEnd ? nil : scalars[index] }
        var rest: String {
            var text = ""
            text.unicodeScalars.append(contentsOf: scalars[index...].prefix(40))
            return text
        }

        mutating func next() -> Unicode.Scalar? {
            guard let scalar = peek else { return nil }
            index += 1
            return scalar
        }

        mutating func take(_ scalar: Unicode.Scalar) -> Bool {
            guard peek == scalar else { return false }
            index += 1
            return true
        }

        mutating func skipSpace() {
            while let scalar = peek, scalar.properties.isWhitespace { index += 1 }
        }

        mutating func word(stoppingAt stops: String) -> String {
            var text = ""
            while let scalar = peek, !stops.unicodeScalars.contains(scalar) {
                text.unicodeScalars.append(scalar)
                index += 1
            }
            return text
        }

        mutating func quoted() throws(MatcherTextError) -> String {
            var text = ""
            index += 1
            while let scalar = next() {
                switch scalar {
                case "\"": return text
                case "\\":
                    switch next() {
                    case "n": text += "\n"
                    case "\"": text += "\""
                    case "\\": text += "\\"
                    // As in Alertmanager any other pair stays as it is, so that regular expressions need no doubling.
                    case let other?:
                        text += "\\"
                        text.unicodeScalars.append(other)
                    case nil: break
                    }
                default: text.unicodeScalars.append(scalar)
                }
            }
            throw MatcherTextError(reason: "has no closing quote")
        }
    }
}

struct MatcherTextError: Error, Equatable {
    let reason: String
}
