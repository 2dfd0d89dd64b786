/// A place in a document that a person wrote.
package struct SourcePosition: Hashable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1.
    package var line: Int
    /// From 1.
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    package var description: String { "\(file):\(line):\(column)" }
}

/// A document as it was written: scalars are text, and every node knows where it stands. The driver MusterYAML makes
/// it, `ConfigReader` turns it into typed values.
package struct ConfigNode: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package var key: String
        package var keyPosition: SourcePosition
        package var value: ConfigNode

        package init(key: String, keyPosition: SourcePosition, value: ConfigNode) {
            self.key = key
            self.keyPosition = keyPosition
            self.value = value
        }
    }

    package indirect enum Content: Equatable, Sendable {
        /// `isQuoted` tells `"3"` from `3`: a quoted scalar is never a number, a boolean or null.
        case scalar(String, isQuoted: Bool)
        case sequence([ConfigNode])
        /// In the order of the document; keys are unique (the parser refuses a second one).
        case mapping([Entry])
    }

    package var content: Content
    package var position: SourcePosition

    package init(_ content: Content, at position: SourcePosition) {
        self.content = content
        self.position = position
    }
}

/// What is wrong in a document, where, and what would be right.
package struct ConfigError: Error, Equatable, Sendable, CustomStringConvertible {
    package var position: SourcePosition
    /// Dotted path of the key: `checks[2].interval`; empty at the top of the document.
    package var key: String
    /// What is wrong: `is "10"`, `is unknown`.
    package var problem: String
    /// What is allowed: `a duration such as 10s or 1m30s`.
    package var allowed: String

    package init(position: SourcePosition, key: String, problem: String, allowed: String) {
        self.position = position
        self.key = key
        self.problem = problem
        self.allowed = allowed
    }

    package var description: String {
        let subject = key.isEmpty ? "the document" : "'\(key)'"
        return "\(position): \(subject) \(problem)" + (allowed.isEmpty ? "" : "; allowed: \(allowed)")
    }
}
