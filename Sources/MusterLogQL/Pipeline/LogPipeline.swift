package import MusterLogs
package import MusterModel

/// A stream query ready to run: which entries to ask the logs for, and what becomes of each.
package struct LogPipeline: Sendable {
    private let matchers: [LabelMatcher]
    /// The conditions on the line that come first; they need no labels.
    private var lineTests: [CompiledLineTest] = []
    private var stages: [CompiledStage] = []

    private var filters: [LineFilter] = []
    private var words: [NeedleWord] = []
    /// Labels that have to be exactly these texts, read from the line, the fields or the stream as it is.
    private var equalities: [(name: String, value: String)] = []

    /// Labels with values that stand neither in the line nor in the fields.
    private static let madeLabels: Set<String> = ["level", PipelineLine.errorLabel, PipelineLine.detailsLabel]

    /// Throws what `LogQLQuery(parsing:compiler:)` would have thrown, without the place.
    package init(_ query: LogStreamQuery, compiler: some PatternCompiler) throws(LogQLError) {
        var matchers: [LabelMatcher] = []
        for test in query.matchers { matchers.append(try LabelMatcher(test, compiler: compiler)) }
        self.matchers = matchers
        var reach = Reach()
        for stage in query.stages {
            let compiled = try CompiledStage(stage, compiler: compiler)
            if case .line(let test) = compiled {
                if stages.isEmpty { lineTests.append(test) } else { stages.append(compiled) }
                if reach.isLineAsStored {
                    filters += test.filters
                    words += test.words
                }
            } else {
                stages.append(compiled)
                if reach.areValuesAsStored, case .label(let condition) = stage {
                    equalities += CompiledCondition.equalities(of: condition)
                }
            }
            reach.pass(stage)
        }
    }

    /// What still is as the logs have it.
    private struct Reach {
        var isLineAsStored = true
        /// Every value that a label can have stands in the line or the fields between bytes that are no part of a word,
        /// unless it is a stream's label or the level.
        var areValuesAsStored = true

        mutating func pass(_ stage: LogStage) {
            switch stage {
            case .line, .json, .logfmt, .label, .drop, .keep, .unwrap: break
            // Captures are parts of words.
            case .regexp, .pattern, .labelFormat: areValuesAsStored = false
            case .unpack, .lineFormat, .decolorize:
                areValuesAsStored = false
                isLineAsStored = false
            }
        }
    }

    /// Whether an entry's labels are those of the streams.
    package func isMatch(_ labels: Labels) -> Bool { matchers.allSatisfy { $0.isMatch(labels) } }

    /// The entry with its new line and labels; nil when it is no part of the answer.
    ///
    /// The entry's fields become labels, and so does its level (`level`) unless there is one. Parsed labels that are
    /// called like one of the stream or of the fields get `_extracted` behind their name; a parsed `level` replaces the
    /// detected one. What cannot be parsed is kept, with the labels `__error__` and `__error_details__`.
    package func process(_ entry: LogEntry) -> LogEntry? {
        guard let line = run(entry) else { return nil }
        var result = entry
        result.line = line.line
        result.labels = line.labels
        return result
    }

    func run(_ entry: LogEntry) -> PipelineLine? {
        guard isMatch(entry.labels), lineTests.allSatisfy({ $0.isMatch(entry.line) }) else { return nil }
        var line = PipelineLine(entry)
        for stage in stages {
            guard stage.apply(to: &line) else { return nil }
        }
        return line
    }

    /// What to ask the logs: every entry that the pipeline keeps is part of the answer, and others may be.
    ///
    /// `from` and `through` both count. `limit` is of entries before the pipeline: with stages that drop lines the
    /// asker goes on behind the last entry it got. `streamLabels` are the names of all labels that streams have, when
    /// the asker knows them: only then conditions on other labels (`| json | trace="abc123"`) give words to skip blocks
    /// by.
    package func question(
        from: Instant, through: Instant, limit: Int, direction: LogQuestion.Direction,
        streamLabels: Set<String>? = nil
    ) -> LogQuestion {
        var words = words
        if let streamLabels {
            let asStored = equalities.filter { !Self.madeLabels.contains($0.name) && !streamLabels.contains($0.name) }
            for (_, value) in asStored {
                words += NeedleWord.words(in: Array(value.utf8), startsAtBoundary: true, endsAtBoundary: true)
            }
        }
        return LogQuestion(
            matchers: matchers, filters: filters, words: words, from: from, through: through, limit: limit,
            direction: direction)
    }
}
