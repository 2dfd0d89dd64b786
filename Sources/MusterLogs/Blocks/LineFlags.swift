package import MusterModel

/// What is special about one line: in the two lowest bits what is named here, above them its level.
package struct LineFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package init(level: LogLevel) { rawValue = level.rawValue << 2 }

    /// The line goes on in the next one: it was longer than `Limits.logLineBytes`, or its end was not there in time.
    package static let continues = LineFlags(rawValue: 1)
    /// Written to the container's stderr.
    package static let stderr = LineFlags(rawValue: 2)

    static let ceiling: UInt8 = LogLevel.fatal.rawValue << 2 | 3

    package var level: LogLevel { LogLevel(rawValue: rawValue >> 2) ?? .unknown }
}

/// Which streams the lines of a block came from. Empty for a plain file.
package struct LogStreams: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let stdout = LogStreams(rawValue: 1)
    package static let stderr = LogStreams(rawValue: 2)
}

extension LogStreams {
    /// The label sets that lines of these streams carry.
    package func variants(of labels: Labels) -> [Labels] {
        guard !isEmpty else { return [labels] }
        var variants: [Labels] = []
        for (stream, name) in [(LogStreams.stdout, "stdout"), (.stderr, "stderr")] where contains(stream) {
            variants.append(labels.merging(["stream": name]))
        }
        return variants
    }
}
