package import MusterModel

/// Logs as other tools push them, in one flat shape whatever format they came in: streams in the order they were sent,
/// each with its entries in the order they were sent. Streams may repeat their labels; whoever stores them joins them.
package struct PushedLogs: Equatable, Sendable {
    /// A name and a value that belong to an entry and are no label of its stream.
    package struct Field: Hashable, Sendable {
        /// As it was sent: `http.method` keeps its dot.
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }

        /// The name in the characters of a label, by which LogQL calls the field: `http_method`. Nil when no character
        /// of the name is left.
        package var labelName: String? { Labels.isName(name) ? name : OTLPNames.label(name) }
    }

    /// One line with its time.
    package struct Entry: Equatable, Sendable {
        package var time: Instant
        /// OpenTelemetry's number, 1 (trace) to 24 (fatal4); 0 when the sender said none.
        package var severity: Int
        /// As it was sent, at most `Limits.logLineBytes`. May be no UTF-8.
        package var line: [UInt8]
        package var fields: [Field]

        package init(time: Instant, severity: Int = 0, line: [UInt8], fields: [Field] = []) {
            self.time = time
            self.severity = severity
            self.line = line
            self.fields = fields
        }
    }

    /// Entries with the same labels.
    package struct Stream: Equatable, Sendable {
        /// At least one, held to `LogStreamLabels`.
        package var labels: Labels
        /// What is the same for every entry and said once. Of two fields of one name the entry's own counts.
        package var fields: [Field]
        /// At least one.
        package var entries: [Entry]

        package init(labels: Labels, fields: [Field] = [], entries: [Entry]) {
            self.labels = labels
            self.fields = fields
            self.entries = entries
        }
    }

    package var streams: [Stream] = []
    /// Entries that were not taken, and why. The rest of the request goes on without them.
    package var refusals = LogRefusalTally()

    package init() {}

    package var entryCount: Int { streams.reduce(0) { $0 + $1.entries.count } }
}

extension InterchangeLimits {
    /// A push of logs after it was uncompressed.
    package static let logRequestBytes = 16 << 20
    /// Streams of one push; resources and their scopes where it is an export of OTLP.
    package static let logStreamsPerRequest = 10_000
    package static let logEntriesPerRequest = 200_000
    /// Fields of all entries of one push, and attributes.
    package static let logFieldsPerRequest = 1_000_000
    package static let logFieldsPerEntry = 128
    /// Names and values of the fields of one entry, in bytes.
    package static let logFieldBytes = 64 << 10
}

/// What one request has brought so far, so that a few bytes of it cannot become many in memory.
struct LogBudget {
    private var streams = 0
    private var entries = 0
    private var fields = 0

    /// Says what came; gives the name of the limit that is passed with it, nil while there is room.
    mutating func take(streams: Int = 0, entries: Int = 0, fields: Int = 0) -> String? {
        self.streams += streams
        self.entries += entries
        self.fields += fields
        if self.streams > InterchangeLimits.logStreamsPerRequest {
            return "logStreamsPerRequest (\(InterchangeLimits.logStreamsPerRequest))"
        }
        if self.entries > InterchangeLimits.logEntriesPerRequest {
            return "logEntriesPerRequest (\(InterchangeLimits.logEntriesPerRequest))"
        }
        if self.fields > InterchangeLimits.logFieldsPerRequest {
            return "logFieldsPerRequest (\(InterchangeLimits.logFieldsPerRequest))"
        }
        return nil
    }

    /// The same for a reader of protobuf.
    mutating func take(
        streams: Int = 0, entries: Int = 0, fields: Int = 0, at reader: ProtobufReader
    ) throws(ProtobufError) {
        guard let limit = take(streams: streams, entries: entries, fields: fields) else { return }
        throw ProtobufError(.overLimit(limit), at: reader.offset)
    }

    /// The same for a reader of JSON.
    mutating func take(
        streams: Int = 0, entries: Int = 0, fields: Int = 0, at reader: JSONReader
    ) throws(JSONError) {
        guard let limit = take(streams: streams, entries: entries, fields: fields) else { return }
        throw JSONError("the limit \(limit) is passed", at: reader.offset)
    }

    static func checkSize(protobuf bytes: [UInt8]) throws(ProtobufError) {
        guard bytes.count <= InterchangeLimits.logRequestBytes else {
            throw ProtobufError(.overLimit("logRequestBytes (\(InterchangeLimits.logRequestBytes))"), at: 0)
        }
    }

    static func checkSize(json bytes: [UInt8]) throws(JSONError) {
        guard bytes.count <= InterchangeLimits.logRequestBytes else {
            throw JSONError("the limit logRequestBytes (\(InterchangeLimits.logRequestBytes)) is passed", at: 0)
        }
    }
}

/// Texts that have to be UTF-8 where they go.
enum UTF8Text {
    /// The same bytes when they are UTF-8; else every stretch that is none becomes U+FFFD.
    static func repaired(_ bytes: [UInt8]) -> [UInt8] {
        if (try? UTF8Span(validating: bytes.span)) != nil { return bytes }
        return Array(String(decoding: bytes, as: UTF8.self).utf8)
    }
}
