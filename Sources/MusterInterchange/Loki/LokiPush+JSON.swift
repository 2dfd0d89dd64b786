import MusterModel

extension LokiPush {
    /// Reads `{"streams":[{"stream":{"label":"value"},"values":[["<nanoseconds>","line",{"field":"value"}]]}]}`. Times
    /// are texts: a number is refused, as Loki does, since most writers of JSON round it. Unknown keys are skipped.
    package static func decode(json bytes: [UInt8]) throws(JSONError) -> PushedLogs {
        try LogBudget.checkSize(json: bytes)
        var reader = JSONReader(bytes)
        var logs = PushedLogs()
        var budget = LogBudget()
        try reader.members { (reader, key) throws(JSONError) in
            guard key == "streams" else { return try reader.skipValue() }
            try reader.elements { (reader) throws(JSONError) in
                try budget.take(streams: 1, at: reader)
                try LokiPushJSON.stream(&reader, &budget, into: &logs)
            }
        }
        try reader.end()
        return logs
    }
}

private enum LokiPushJSON {
    static func stream(
        _ reader: inout JSONReader, _ budget: inout LogBudget, into logs: inout PushedLogs
    ) throws(JSONError) {
        var labels: [(name: String, value: String)] = []
        var stream = LogStreamReading()
        try reader.members { (reader, key) throws(JSONError) in
            switch key {
            case "stream": labels = try self.labels(&reader)
            case "values":
                try reader.elements { (reader) throws(JSONError) in
                    try budget.take(entries: 1, at: reader)
                    stream.add(try entry(&reader, &budget))
                }
            default: try reader.skipValue()
            }
        }
        let checked: Result<Labels, LogRefusal>
        do throws(LogRefusal) {
            checked = .success(try LogStreamLabels.checked(labels))
        } catch {
            checked = .failure(error)
        }
        stream.finish(checked, into: &logs)
    }

    private static func labels(_ reader: inout JSONReader) throws(JSONError) -> [(name: String, value: String)] {
        var labels: [(name: String, value: String)] = []
        try reader.members { (reader, key) throws(JSONError) in
            let value = try reader.string()
            // One more than allowed is enough to refuse, and bounds the memory.
            if labels.count <= Limits.labelsPerSet { labels.append((key, value)) }
        }
        return labels
    }

    private static func entry(
        _ reader: inout JSONReader, _ budget: inout LogBudget
    ) throws(JSONError) -> PushedLogs.Entry {
        try reader.beginArray()
        guard try reader.nextElement() else { throw JSONError("an entry without a timestamp", at: reader.offset) }
        let time = try time(&reader)
        guard try reader.nextElement() else { throw JSONError("an entry without a line", at: reader.offset) }
        var entry = PushedLogs.Entry(time: time, line: Array(try reader.string().utf8))
        guard try reader.nextElement() else { return entry }
        try reader.beginObject()
        while let key = try reader.nextKey() {
            try budget.take(fields: 1, at: reader)
            entry.fields.append(PushedLogs.Field(key, try reader.string()))
        }
        guard try !reader.nextElement() else {
            throw JSONError("more than a timestamp, a line and fields in an entry", at: reader.offset)
        }
        return entry
    }

    private static func time(_ reader: inout JSONReader) throws(JSONError) -> Instant {
        guard try reader.peek() == .string else {
            throw JSONError("a timestamp that is no text; write nanoseconds since 1970 in quotes", at: reader.offset)
        }
        let start = reader.offset
        guard let nanoseconds = Int64(try reader.string()) else {
            throw JSONError("a timestamp that is no whole number of nanoseconds since 1970", at: start)
        }
        return Instant(nanoseconds: nanoseconds)
    }
}
