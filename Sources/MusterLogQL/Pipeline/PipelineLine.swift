import MusterLogs
import MusterModel

/// A line on its way through a pipeline.
struct PipelineLine {
    let timestamp: Instant
    var line: [UInt8]
    var labels: Labels
    /// What `unwrap` read.
    var value: Double?
    /// Labels that parsers may not replace: those of the stream and the fields.
    private let base: Labels
    private var parsed = 0

    static let errorLabel = "__error__"
    static let detailsLabel = "__error_details__"

    /// The fields of an entry become labels, a field that is called like a label of the stream with `_extracted`. The
    /// level that was detected is the label `level` unless there is one; a parser that finds a `level` replaces it.
    init(_ entry: LogEntry) {
        timestamp = entry.timestamp
        line = entry.line
        var labels = entry.labels
        if !entry.fields.isEmpty, case .object(let members, _) = JSONValue(entry.fields) {
            for member in members.prefix(LogQLLimits.parsedLabels) {
                guard case .string(let text) = member.value, let name = Self.labelName(member.key) else { continue }
                labels[entry.labels[name] == nil ? name : name + "_extracted"] = text
            }
        }
        base = labels
        if entry.level != .unknown, labels["level"] == nil { labels["level"] = entry.level.text }
        self.labels = labels
    }

    /// What may be part of a label's name stays, all else becomes `_`.
    static func labelName(_ text: String) -> String? {
        guard let first = text.utf8.first else { return nil }
        let bytes = text.unicodeScalars.map { scalar -> UInt8 in
            UInt8(exactly: scalar.value).flatMap { $0.isLetter || $0.isDigit ? $0 : nil } ?? UInt8(ascii: "_")
        }
        return (first.isDigit ? "_" : "") + String(decoding: bytes, as: UTF8.self)
    }

    var hasError: Bool { labels[Self.errorLabel]?.isEmpty == false }

    mutating func fail(_ error: String, _ details: String) {
        guard !hasError else { return }
        labels[Self.errorLabel] = error
        labels[Self.detailsLabel] = details
    }

    /// Adds what a parser found. Empty values are no labels.
    mutating func add(parsed name: String, _ value: String) {
        guard !value.isEmpty, parsed < LogQLLimits.parsedLabels else { return }
        parsed += 1
        labels[base[name] == nil ? name : name + "_extracted"] = value
    }
}
