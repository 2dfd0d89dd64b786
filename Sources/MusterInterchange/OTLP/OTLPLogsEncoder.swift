import MusterModel

/// Builds an `ExportLogsServiceRequest` to hand logs on to an engine that speaks OTLP: the way back of
/// `OTLPLogs.pushed`. Labels and fields of a stream become attributes of its resource (labels that were attributes
/// under their old names, others under their own), fields of an entry attributes of its record; fields with a place of
/// their own (`trace_id`, `scope_name`, ...) go there. Attributes of a scope become attributes of the resource.
///
/// A line that is no UTF-8 is repaired with U+FFFD, since a receiver may refuse the whole request for it.
package struct OTLPLogsEncoder: Sendable {
    private var writer = ProtobufWriter()

    package init() {}

    /// The request as it is so far.
    package var bytes: [UInt8] { writer.bytes }

    package mutating func add(_ stream: PushedLogs.Stream) {
        writer.message(1) { group in
            group.message(1) { resource in
                for label in stream.labels.pairs {
                    resource.attribute(1, OTLPLogLabels.attribute(label: label.name) ?? label.name, label.value)
                }
                for field in stream.fields where !Self.isScope(field) {
                    resource.attribute(1, field.name, field.value)
                }
            }
            group.message(2) { scope in
                if stream.fields.contains(where: Self.isScope) {
                    scope.message(1) { library in
                        library.string(1, stream.fields.last { $0.name == OTLPLogFields.scopeName }?.value ?? "")
                        library.string(2, stream.fields.last { $0.name == OTLPLogFields.scopeVersion }?.value ?? "")
                    }
                }
                for entry in stream.entries { scope.message(2) { $0.record(entry) } }
            }
        }
    }

    private static func isScope(_ field: PushedLogs.Field) -> Bool {
        field.name == OTLPLogFields.scopeName || field.name == OTLPLogFields.scopeVersion
    }
}

extension ProtobufWriter {
    /// `KeyValue` with a text.
    fileprivate mutating func attribute(_ field: Int, _ key: String, _ value: String) {
        message(field) { attribute in
            attribute.string(1, key)
            // An empty text is written: it is a value, unlike none.
            attribute.message(2) { $0.raw(1, Array(value.utf8)) }
        }
    }

    /// An entry before 1970 has no time there that could be written: it has the first one.
    fileprivate mutating func record(_ entry: PushedLogs.Entry) {
        fixed64(1, UInt64(max(1, entry.time.nanoseconds)))
        varint(2, UInt64(max(0, entry.severity)))
        message(5) { $0.raw(1, UTF8Text.repaired(entry.line)) }
        for field in entry.fields where !place(field) { attribute(6, field.name, field.value) }
    }

    /// Writes a field that has a place of its own; false for any other, and for one whose value does not fit there.
    private mutating func place(_ field: PushedLogs.Field) -> Bool {
        switch field.name {
        case OTLPLogFields.severityText: string(3, field.value)
        case OTLPLogFields.eventName: string(12, field.value)
        case OTLPLogFields.traceID: return id(9, field.value, count: OTLPTraceID.traceBytes)
        case OTLPLogFields.spanID: return id(10, field.value, count: OTLPTraceID.spanBytes)
        case OTLPLogFields.flags:
            guard let flags = UInt32(field.value) else { return false }
            rawVarint(Self.key(8, 5))
            append((0..<4).map { UInt8(truncatingIfNeeded: flags >> (8 * $0)) })
        case OTLPLogFields.droppedAttributes:
            guard let count = UInt32(field.value) else { return false }
            varint(7, UInt64(count))
        case OTLPLogFields.observed:
            guard let time = UInt64(field.value) else { return false }
            fixed64(11, time)
        default: return false
        }
        return true
    }

    private mutating func id(_ number: Int, _ text: String, count: Int) -> Bool {
        let bytes = OTLPTraceID.parse(text, count: count)
        guard !bytes.isEmpty else { return false }
        raw(number, bytes)
        return true
    }
}
