import MusterModel

/// Builds a `logproto.PushRequest` to hand logs on to a Loki; snappy is the caller's step.
///
/// Loki knows structured metadata for fields, in the characters of labels: names are written as `Field.labelName`, and
/// a name of which no character is left is left out with its value. A severity becomes the field `severity_number`, as
/// Loki's own OTLP endpoint makes it. A line that is no UTF-8 is repaired with U+FFFD: the format demands it, and a
/// strict receiver would refuse the whole push for ever.
package struct LokiPushEncoder: Sendable {
    private var writer = ProtobufWriter()

    package init() {}

    /// The request as it is so far.
    package var bytes: [UInt8] { writer.bytes }

    package mutating func add(_ stream: PushedLogs.Stream) {
        let shared = Self.named(stream.fields)
        writer.message(1) { message in
            message.string(1, LokiLabelText.text(stream.labels))
            for entry in stream.entries { message.entry(entry, shared) }
        }
    }

    fileprivate static func named(_ fields: [PushedLogs.Field]) -> [PushedLogs.Field] {
        fields.compactMap { field in field.labelName.map { PushedLogs.Field($0, field.value) } }
    }
}

extension ProtobufWriter {
    fileprivate mutating func entry(_ entry: PushedLogs.Entry, _ shared: [PushedLogs.Field]) {
        var fields = LokiPushEncoder.named(entry.fields)
        if !shared.isEmpty {
            let own = Set(fields.map(\.name))
            fields = shared.filter { !own.contains($0.name) } + fields
        }
        if entry.severity > 0, !fields.contains(where: { $0.name == "severity_number" }) {
            fields.append(PushedLogs.Field("severity_number", "\(entry.severity)"))
        }
        message(2) { message in
            // Written also when it is 1970: an absent timestamp is no time.
            message.message(1) { $0.timestamp(entry.time) }
            if !entry.line.isEmpty { message.raw(2, UTF8Text.repaired(entry.line)) }
            for field in fields {
                message.message(3) { pair in
                    pair.string(1, field.name)
                    pair.string(2, field.value)
                }
            }
        }
    }

    /// `google.protobuf.Timestamp`: nanoseconds count forward, also before 1970.
    private mutating func timestamp(_ time: Instant) {
        varint(1, UInt64(bitPattern: time.seconds))
        let rest = time.nanoseconds % 1_000_000_000
        varint(2, UInt64(rest < 0 ? rest + 1_000_000_000 : rest))
    }
}
