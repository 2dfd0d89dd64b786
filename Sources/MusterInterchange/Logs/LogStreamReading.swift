package import MusterModel

/// The rules for the labels of a stream, applied wherever one enters. A label without a value says the same as no label
/// and is left out.
package enum LogStreamLabels {
    package static func checked(_ pairs: [(name: String, value: String)]) throws(LogRefusal) -> Labels {
        let kept = pairs.filter { !$0.value.isEmpty }
        let name = { Labels(kept.prefix(8).map { ($0.name, $0.value) }).description }
        guard !kept.isEmpty else {
            throw LogRefusal(.noLabels, "no label; a stream has at least one", stream: "{}")
        }
        guard kept.count <= Limits.labelsPerSet else {
            throw LogRefusal(
                .tooManyLabels, "more than the \(Limits.labelsPerSet) labels allowed; make fields of the others",
                stream: name())
        }
        for label in kept { try check(label, stream: name) }
        let labels = Labels(kept.map { ($0.name, $0.value) })
        guard labels.count == kept.count else {
            throw LogRefusal(.duplicateLabel, "two labels of one name", stream: name())
        }
        return labels
    }

    private static func check(
        _ label: (name: String, value: String), stream: () -> String
    ) throws(LogRefusal) {
        guard label.name.utf8.count <= Limits.labelNameBytes else {
            throw LogRefusal(
                .labelNameTooLong,
                "a label name of \(label.name.utf8.count) bytes, \(Limits.labelNameBytes) are allowed",
                stream: stream())
        }
        guard Labels.isName(label.name) else {
            throw LogRefusal(
                .badLabelName,
                "\(JSONText.quoted(label.name)) is no label name; names have letters, digits and _ and do not begin "
                    + "with a digit", stream: stream())
        }
        guard label.value.utf8.count <= Limits.labelValueBytes else {
            throw LogRefusal(
                .labelValueTooLong,
                "the label \(label.name) has a value of \(label.value.utf8.count) bytes, \(Limits.labelValueBytes) "
                    + "are allowed; make it a field", stream: stream())
        }
    }
}

/// One stream while it is read: holds its entries to the limits. What the stream is called may come last.
struct LogStreamReading {
    private var entries: [PushedLogs.Entry] = []
    private var refusals = LogRefusalTally()

    mutating func add(_ entry: PushedLogs.Entry) {
        guard entry.line.count <= Limits.logLineBytes else {
            return refuse(
                .lineTooLong, "a line of \(entry.line.count) bytes, \(Limits.logLineBytes) are allowed; split it")
        }
        guard entry.fields.count <= InterchangeLimits.logFieldsPerEntry else {
            return refuse(.tooManyFields, "more than the \(InterchangeLimits.logFieldsPerEntry) fields allowed")
        }
        let bytes = entry.fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        guard bytes <= InterchangeLimits.logFieldBytes else {
            return refuse(
                .fieldsTooLong, "fields of \(bytes) bytes, \(InterchangeLimits.logFieldBytes) are allowed")
        }
        entries.append(entry)
    }

    mutating func refuse(_ reason: LogRefusal.Reason, _ detail: String) {
        refusals.add(LogRefusal(reason, detail))
    }

    /// The stream is read: it goes into `logs`, or all its entries are refused with its labels.
    func finish(
        _ labels: Result<Labels, LogRefusal>, fields: [PushedLogs.Field] = [], into logs: inout PushedLogs
    ) {
        switch labels {
        case .failure(let refusal):
            logs.refusals.add(refusal, entries: entries.count + refusals.total)
        case .success(let labels):
            if refusals.total > 0 { logs.refusals.add(refusals.named(labels.description)) }
            guard !entries.isEmpty else { return }
            logs.streams.append(PushedLogs.Stream(labels: labels, fields: fields, entries: entries))
        }
    }
}
