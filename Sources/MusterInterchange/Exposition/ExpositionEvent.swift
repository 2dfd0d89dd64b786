/// The two text formats.
package enum ExpositionFormat: Sendable, Equatable {
    /// Prometheus text 0.0.4: lenient with white space, times in milliseconds.
    case prometheus
    /// OpenMetrics 1.0: strict, times in seconds, ends with `# EOF`.
    case openMetrics

    /// By the content type of an answer; the Prometheus format when there is none or another.
    package init(contentType: String?) {
        let type = (contentType ?? "").lowercased()
        self = type.hasPrefix("application/openmetrics-text") ? .openMetrics : .prometheus
    }
}

/// One value of one series. Places are in the parser's `bytes` and hold until it is fed again.
package struct ExpositionSample: Equatable, Sendable {
    /// Name and labels as they are written, from the name to the closing brace: the key by which a series that was
    /// seen before can be found without looking into it.
    package var series: Range<Int>
    package var value: Double
    /// Nil when the line has no time.
    package var milliseconds: Int64?
    /// From 1.
    package var line: Int
    package var lineStart: Int
}

/// What a line says.
package enum ExpositionEvent: Equatable, Sendable {
    case sample(ExpositionSample)
    /// The text is still escaped: `ExpositionText.unescaped`.
    case help(name: Range<Int>, text: Range<Int>)
    case type(name: Range<Int>, FamilyType)
    case unit(name: Range<Int>, unit: Range<Int>)
    /// `# EOF` of OpenMetrics.
    case endOfFile
}

/// A line that cannot be read. Line and column count from 1, columns in bytes.
package struct ExpositionError: Error, Equatable, Sendable, CustomStringConvertible {
    package var problem: String
    package var line: Int
    package var column: Int

    package init(_ problem: String, line: Int, column: Int) {
        self.problem = problem
        self.line = line
        self.column = column
    }

    package var description: String { "line \(line), column \(column): \(problem)" }
}
