import MusterModel

/// `POST /loki/api/v1/push`: what Promtail, Alloy, Fluent Bit, Vector and the Docker driver send.
///
/// A request that cannot be read is refused whole. A stream whose labels break a rule and an entry that is too long or
/// has no usable time are refused alone: they are counted in `PushedLogs.refusals`, and the sender is told with 400
/// after the rest was stored, as Loki does. Loki knows no severity; entries have 0.
package enum LokiPush {
    /// The two spellings of a push.
    package enum Encoding: Sendable, Equatable {
        /// Under snappy's block format, which the caller undoes.
        case protobuf
        /// As it is, or under gzip or deflate, which the caller undoes.
        case json

        /// Whatever is no JSON is protobuf, the absent type included, as Loki reads it.
        package init(contentType: String?) {
            let type = (contentType ?? "").split(separator: ";").first.map { String($0).trimmedASCII.lowercased() }
            self = type == "application/json" ? .json : .protobuf
        }
    }

    /// Reads a `logproto.PushRequest`: streams 1; in a stream labels 1, entries 2; in an entry the timestamp 1, the
    /// line 2, pairs of structured metadata 3. A stream's hash and an entry's parsed labels are read over.
    package static func decode(protobuf bytes: [UInt8]) throws(ProtobufError) -> PushedLogs {
        try LogBudget.checkSize(protobuf: bytes)
        let span = bytes.span
        var reader = ProtobufReader(0..<span.count)
        var logs = PushedLogs()
        var budget = LogBudget()
        while let key = try reader.key(span) {
            switch key {
            case 0x0a:
                try budget.take(streams: 1, at: reader)
                try LokiProtobuf.stream(span, reader.message(span), &budget, into: &logs)
            default: try reader.skip(key, span, known: 1...1)
            }
        }
        return logs
    }
}

private enum LokiProtobuf {
    typealias Bytes = Span<UInt8>

    static func stream(
        _ bytes: Bytes, _ message: ProtobufReader, _ budget: inout LogBudget, into logs: inout PushedLogs
    ) throws(ProtobufError) {
        var reader = message
        var labels = reader.offset..<reader.offset
        var stream = LogStreamReading()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: labels = try reader.range(bytes)
            case 0x12:
                try budget.take(entries: 1, at: reader)
                try entry(bytes, reader.message(bytes), &budget, into: &stream)
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        let checked: Result<Labels, LogRefusal>
        do throws(LogRefusal) {
            checked = .success(try LokiLabelText.parse(bytes, labels))
        } catch {
            checked = .failure(error)
        }
        stream.finish(checked, into: &logs)
    }

    private static func entry(
        _ bytes: Bytes, _ message: ProtobufReader, _ budget: inout LogBudget, into stream: inout LogStreamReading
    ) throws(ProtobufError) {
        var reader = message
        var time: (seconds: Int64, nanoseconds: Int64)?
        var line = reader.offset..<reader.offset
        var fields: [PushedLogs.Field] = []
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: time = try timestamp(bytes, reader.message(bytes))
            case 0x12: line = try reader.range(bytes)
            case 0x1a:
                try budget.take(fields: 1, at: reader)
                fields.append(try field(bytes, reader.message(bytes)))
            default: try reader.skip(key, bytes, known: 1...3)
            }
        }
        guard let time else { return stream.refuse(.noTime, "an entry without a timestamp") }
        guard let instant = instant(time.seconds, time.nanoseconds) else {
            return stream.refuse(
                .timeOutOfRange,
                "an entry of second \(time.seconds) and nanosecond \(time.nanoseconds); "
                    + "times are from 1677 to 2262, nanoseconds below 1000000000")
        }
        stream.add(PushedLogs.Entry(time: instant, line: Array(bytes, line), fields: fields))
    }

    /// `google.protobuf.Timestamp`.
    private static func timestamp(
        _ bytes: Bytes, _ message: ProtobufReader
    ) throws(ProtobufError) -> (seconds: Int64, nanoseconds: Int64) {
        var reader = message
        var time: (seconds: Int64, nanoseconds: Int64) = (0, 0)
        while let key = try reader.key(bytes) {
            switch key {
            case 0x08: time.seconds = Int64(bitPattern: try reader.varint(bytes))
            case 0x10: time.nanoseconds = Int64(bitPattern: try reader.varint(bytes))
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        return time
    }

    private static func instant(_ seconds: Int64, _ nanoseconds: Int64) -> Instant? {
        guard (0..<1_000_000_000).contains(nanoseconds) else { return nil }
        // Before 1970 the two parts have different signs: the product alone may pass the end of the range that the sum
        // keeps. So the last second before the range is counted from its end.
        let isBefore = seconds < 0
        let (whole, overflow) = (isBefore ? seconds + 1 : seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let rest = isBefore ? nanoseconds - 1_000_000_000 : nanoseconds
        let (sum, sumOverflow) = whole.addingReportingOverflow(rest)
        return overflow || sumOverflow ? nil : Instant(nanoseconds: sum)
    }

    /// Names and values are text: what is no UTF-8 in them is repaired, a line is kept as it is.
    private static func field(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> PushedLogs.Field {
        var reader = message
        var field = PushedLogs.Field("", "")
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: field.name = String(decoding: Array(bytes, try reader.range(bytes)), as: UTF8.self)
            case 0x12: field.value = String(decoding: Array(bytes, try reader.range(bytes)), as: UTF8.self)
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        return field
    }
}
