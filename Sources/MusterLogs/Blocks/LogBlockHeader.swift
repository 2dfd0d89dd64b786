package import MusterModel

/// Why bytes are no log block.
package enum LogBlockError: Error, Equatable, CustomStringConvertible {
    case unknownVersion(UInt8)
    case unknownCodec(UInt8)
    /// The bytes end too early, or a value is outside of its range; `what` names it.
    case malformed(what: String)
    case compression(CompressionError)
    /// Header and body do not tell the same story.
    case contradiction(what: String)

    package var description: String {
        switch self {
        case .unknownVersion(let version):
            "log block version \(version) is unknown; this program reads version 2: update it"
        case .unknownCodec(let codec): "log block codec \(codec) is unknown; this program reads codec 1: update it"
        case .malformed(let what): "the log block is damaged at its \(what)"
        case .compression(let error): "the log block's body: \(error)"
        case .contradiction(let what): "the log block's header and body disagree on the \(what)"
        }
    }
}

/// What a block says of itself, readable without inflating its body.
///
/// Bytes: version 2, codec 1, streams, then as varints: labels (count, name and value each with its length), line
/// count, first and last time (nanoseconds, zigzag), bytes of all lines, bytes of the inflated columns; the levels; the
/// lengths of words; the word filter (length, bytes); the length of the body.
package struct LogBlockHeader: Equatable, Sendable {
    static let version: UInt8 = 2
    static let codec: UInt8 = 1

    package var labels: Labels
    package var streams: LogStreams
    package var lineCount: Int
    /// The earliest and the latest time of a line, not those of the first and last line: times may step back.
    package var first: Instant
    package var last: Instant
    /// Bytes of all lines together, without terminators.
    package var rawBytes: Int
    /// Bytes of the columns before they are deflated.
    package var columnBytes: Int
    package var levels: LevelCounts
    package var words: WordFilter

    package init(
        labels: Labels, streams: LogStreams, lineCount: Int, first: Instant, last: Instant, rawBytes: Int,
        columnBytes: Int, levels: LevelCounts, words: WordFilter
    ) {
        self.labels = labels
        self.streams = streams
        self.lineCount = lineCount
        self.first = first
        self.last = last
        self.rawBytes = rawBytes
        self.columnBytes = columnBytes
        self.levels = levels
        self.words = words
    }

    /// The label sets of the lines: one per stream with the label `stream`, or the labels alone for a plain file.
    package var variants: [Labels] { streams.variants(of: labels) }

    /// Reads a header; `body` is what follows it. Bytes after the body are an error.
    package static func decode(
        _ bytes: ArraySlice<UInt8>
    ) throws(LogBlockError) -> (header: LogBlockHeader, body: ArraySlice<UInt8>) {
        guard let version = bytes.first else { throw .malformed(what: "version") }
        guard version == Self.version else { throw .unknownVersion(version) }
        guard let codec = bytes.dropFirst().first else { throw .malformed(what: "codec") }
        guard codec == Self.codec else { throw .unknownCodec(codec) }
        do throws(ByteCursor.Malformed) {
            var cursor = ByteCursor(bytes.dropFirst(2))
            return try read(&cursor)
        } catch {
            throw .malformed(what: error.what)
        }
    }

    private static func read(
        _ cursor: inout ByteCursor
    ) throws(ByteCursor.Malformed) -> (header: LogBlockHeader, body: ArraySlice<UInt8>) {
        let streams = LogStreams(rawValue: try cursor.byte("streams"))
        guard streams.isSubset(of: [.stdout, .stderr]) else { throw ByteCursor.Malformed(what: "streams") }
        let labels = try Labels(reading: &cursor)
        let lineCount = try cursor.count("line count", limit: LogLimits.blockLines)
        let first = try cursor.zigzag("first time")
        let last = try cursor.zigzag("last time")
        guard first <= last else { throw ByteCursor.Malformed(what: "time range") }
        let rawBytes = try cursor.count("raw size", limit: Limits.logBlockBytes)
        let columnBytes = try cursor.count("column size", limit: LogLimits.columnBytes)
        let levels = try LevelCounts(reading: &cursor)
        let words = try WordFilter(reading: &cursor)
        let body = try cursor.slice(try cursor.count("body", limit: Limits.frameBytes), "body")
        guard cursor.isAtEnd else { throw ByteCursor.Malformed(what: "end") }
        let header = LogBlockHeader(
            labels: labels, streams: streams, lineCount: lineCount, first: Instant(nanoseconds: first),
            last: Instant(nanoseconds: last), rawBytes: rawBytes, columnBytes: columnBytes, levels: levels, words: words
        )
        return (header, body)
    }

    func encoded(body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(body.count + 512 + words.bits.count)
        bytes += [Self.version, Self.codec, streams.rawValue]
        labels.append(to: &bytes)
        bytes.appendVarint(UInt64(lineCount))
        bytes.appendZigzag(first.nanoseconds)
        bytes.appendZigzag(last.nanoseconds)
        bytes.appendVarint(UInt64(rawBytes))
        bytes.appendVarint(UInt64(columnBytes))
        levels.append(to: &bytes)
        words.append(to: &bytes)
        bytes.appendVarint(UInt64(body.count))
        bytes += body
        return bytes
    }
}

extension Labels {
    /// Reads what `append(to:)` wrote; bounded by the limits for labels.
    init(reading cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        let count = try cursor.count("labels", limit: Limits.labelsPerSet)
        var pairs: [(String, String)] = []
        for _ in 0..<count {
            let name = try cursor.text("label name", limit: Limits.labelNameBytes)
            pairs.append((name, try cursor.text("label value", limit: Limits.labelValueBytes)))
        }
        self.init(pairs)
    }

    func append(to bytes: inout [UInt8]) {
        bytes.appendVarint(UInt64(count))
        for label in pairs {
            bytes.appendText(label.name)
            bytes.appendText(label.value)
        }
    }

    /// These labels within the limits: what is too long is cut at a character, what is too many is left out.
    package var bounded: Labels {
        Labels(
            pairs.prefix(Limits.labelsPerSet).map { label in
                (label.name.cut(toBytes: Limits.labelNameBytes), label.value.cut(toBytes: Limits.labelValueBytes))
            })
    }
}

extension String {
    fileprivate func cut(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        var end = utf8.index(startIndex, offsetBy: limit)
        while end > startIndex, end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
