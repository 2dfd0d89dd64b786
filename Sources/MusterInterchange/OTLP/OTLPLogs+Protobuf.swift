extension OTLPLogs {
    /// Reads an `ExportLogsServiceRequest`. Field numbers are those of opentelemetry-proto 1.x.
    package init(protobuf bytes: [UInt8]) throws(ProtobufError) {
        try LogBudget.checkSize(protobuf: bytes)
        self.init()
        let span = bytes.span
        var reader = ProtobufReader(0..<span.count)
        var budget = LogBudget()
        while let key = try reader.key(span) {
            switch key {
            case 0x0a:
                try budget.take(streams: 1, at: reader)
                resources.append(try OTLPLogsProtobuf.resource(span, reader.message(span), &budget))
            default: try reader.skip(key, span, known: 1...1)
            }
        }
    }
}

private enum OTLPLogsProtobuf {
    typealias Bytes = Span<UInt8>

    static func resource(
        _ bytes: Bytes, _ message: ProtobufReader, _ budget: inout LogBudget
    ) throws(ProtobufError) -> OTLPLogs.Resource {
        var reader = message
        var value = OTLPLogs.Resource()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a:
                var inner = try reader.message(bytes)
                while let key = try inner.key(bytes) {
                    switch key {
                    case 0x0a:
                        try budget.take(fields: 1, at: inner)
                        try OTLPProtobuf.attribute(bytes, inner.message(bytes), into: &value.attributes)
                    default: try inner.skip(key, bytes, known: 1...1)
                    }
                }
            case 0x12:
                try budget.take(streams: 1, at: reader)
                value.scopes.append(try scope(bytes, reader.message(bytes), &budget))
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        return value
    }

    private static func scope(
        _ bytes: Bytes, _ message: ProtobufReader, _ budget: inout LogBudget
    ) throws(ProtobufError) -> OTLPLogs.Scope {
        var reader = message
        var value = OTLPLogs.Scope()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: try library(bytes, reader.message(bytes), &budget, into: &value)
            case 0x12:
                try budget.take(entries: 1, at: reader)
                value.records.append(try record(bytes, reader.message(bytes), &budget))
            default: try reader.skip(key, bytes, known: 1...2)
            }
        }
        return value
    }

    /// `InstrumentationScope`.
    private static func library(
        _ bytes: Bytes, _ message: ProtobufReader, _ budget: inout LogBudget, into value: inout OTLPLogs.Scope
    ) throws(ProtobufError) {
        var reader = message
        while let key = try reader.key(bytes) {
            switch key {
            case 0x0a: value.name = try reader.string(bytes)
            case 0x12: value.version = try reader.string(bytes)
            case 0x1a:
                try budget.take(fields: 1, at: reader)
                try OTLPProtobuf.attribute(bytes, reader.message(bytes), into: &value.attributes)
            default: try reader.skip(key, bytes, known: 1...3)
            }
        }
    }

    private static func record(
        _ bytes: Bytes, _ message: ProtobufReader, _ budget: inout LogBudget
    ) throws(ProtobufError) -> OTLPLogs.Record {
        var reader = message
        var value = OTLPLogs.Record()
        while let key = try reader.key(bytes) {
            switch key {
            case 0x09: value.time = try reader.fixed64(bytes)
            case 0x10:
                let number = Int(truncatingIfNeeded: try reader.varint(bytes))
                value.severity = OTLPSeverity.range.contains(number) ? number : 0
            case 0x1a: value.severityText = try reader.string(bytes)
            case 0x2a: value.body = try body(bytes, reader.message(bytes))
            case 0x32:
                try budget.take(fields: 1, at: reader)
                try OTLPProtobuf.attribute(bytes, reader.message(bytes), into: &value.attributes)
            case 0x38: value.droppedAttributes = try reader.varint(bytes)
            case 0x45: value.flags = try reader.fixed32(bytes)
            case 0x4a:
                value.traceID = OTLPTraceID.valid(try id(bytes, &reader), count: OTLPTraceID.traceBytes)
            case 0x52: value.spanID = OTLPTraceID.valid(try id(bytes, &reader), count: OTLPTraceID.spanBytes)
            case 0x59: value.observed = try reader.fixed64(bytes)
            case 0x62: value.eventName = try reader.string(bytes)
            default:
                // 4 was a name and is reserved.
                let known: ClosedRange<UInt32> = key >> 3 <= 3 ? 1...3 : 5...12
                try reader.skip(key, bytes, known: known)
            }
        }
        return value
    }

    /// A text is taken as bytes: of all texts in an export the body is the one that programs write without looking, and
    /// one line that is no UTF-8 shall not cost the export.
    private static func body(_ bytes: Bytes, _ message: ProtobufReader) throws(ProtobufError) -> [UInt8] {
        var reader = message
        guard try reader.key(bytes) == 0x0a else {
            return Array(try OTLPProtobuf.value(bytes, message).text.utf8)
        }
        let text = try reader.range(bytes)
        guard reader.offset == reader.end else { return Array(try OTLPProtobuf.value(bytes, message).text.utf8) }
        return Array(bytes, text)
    }

    /// Not copied when it is far too long.
    private static func id(_ bytes: Bytes, _ reader: inout ProtobufReader) throws(ProtobufError) -> [UInt8] {
        let range = try reader.range(bytes)
        return range.count <= OTLPTraceID.traceBytes ? Array(bytes, range) : []
    }
}

extension ProtobufReader {
    fileprivate mutating func fixed32(_ bytes: Span<UInt8>) throws(ProtobufError) -> UInt32 {
        let start = offset
        try skip(0x0d, bytes)
        return (start..<offset).reversed().reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
    }
}
