package import MusterModel

/// One line with where it came from.
package struct LogEntry: Equatable, Sendable {
    package var timestamp: Instant
    package var labels: Labels
    /// Without its terminator. Any bytes: what was written is what is here.
    package var line: [UInt8]
    /// What came with the line and is no part of it, as a JSON object of strings; empty for nothing.
    package var fields: [UInt8]
    package var level: LogLevel
    /// The line goes on in the source's next entry.
    package var isContinued: Bool

    package init(
        timestamp: Instant, labels: Labels, line: [UInt8], fields: [UInt8] = [], level: LogLevel = .unknown,
        isContinued: Bool = false
    ) {
        self.timestamp = timestamp
        self.labels = labels
        self.line = line
        self.fields = fields
        self.level = level
        self.isContinued = isContinued
    }
}

/// An inflated block: every line is a range of `body`.
package struct LogBlock: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package var timestamp: Instant
        package var range: Range<Int>
        /// Of `fieldBytes`.
        package var fields: Range<Int>
        package var flags: LineFlags
    }

    package let header: LogBlockHeader
    package let body: [UInt8]
    package let fieldBytes: [UInt8]
    /// In the order of the source.
    package let lines: [Line]

    /// Inflates and checks a block: counts, lengths and the time range have to agree with the header.
    package static func decode(
        _ bytes: ArraySlice<UInt8>, compressor: some Compressor
    ) throws(LogBlockError) -> LogBlock {
        let (header, deflated) = try LogBlockHeader.decode(bytes)
        let columns: [UInt8]
        do throws(CompressionError) {
            columns = try compressor.inflate(deflated, maxBytes: header.columnBytes)
        } catch {
            throw .compression(error)
        }
        guard columns.count == header.columnBytes else { throw .contradiction(what: "column size") }
        let block: LogBlock
        do throws(ByteCursor.Malformed) {
            block = try read(columns, header)
        } catch {
            throw .malformed(what: error.what)
        }
        guard block.lines.allSatisfy({ $0.timestamp >= header.first && $0.timestamp <= header.last }) else {
            throw .contradiction(what: "time range")
        }
        guard block.lines.reduce(0, { $0 + $1.range.count }) == header.rawBytes else {
            throw .contradiction(what: "raw size")
        }
        return block
    }

    private static func read(_ columns: [UInt8], _ header: LogBlockHeader) throws(ByteCursor.Malformed) -> LogBlock {
        var cursor = ByteCursor(columns[...])
        let count = header.lineCount
        let times = try NumberColumn.read(&cursor, count: count)
        let flags = try NumberColumn.read(&cursor, count: count)
        let hasFields = try cursor.byte("fields") == 1
        let (body, pieces) = try LineColumns.read(&cursor, count: count, maxBytes: header.rawBytes)
        let (fieldBytes, fieldPieces) =
            try hasFields
            ? LineColumns.read(&cursor, count: count, maxBytes: Limits.logBlockBytes) : ([], [])
        guard cursor.isAtEnd else { throw ByteCursor.Malformed(what: "line count") }
        var lines: [Line] = []
        lines.reserveCapacity(count)
        for index in 0..<count {
            guard let flags = UInt8(exactly: flags[index]), flags <= LineFlags.ceiling else {
                throw ByteCursor.Malformed(what: "line flags")
            }
            let fields = hasFields ? fieldPieces[index].lower..<fieldPieces[index].upper : 0..<0
            lines.append(
                Line(
                    timestamp: Instant(nanoseconds: times[index]),
                    range: pieces[index].lower..<pieces[index].upper, fields: fields,
                    flags: LineFlags(rawValue: flags)))
        }
        return LogBlock(header: header, body: body, fieldBytes: fieldBytes, lines: lines)
    }

    /// The labels of a line: the block's, and `stream` when the block knows streams.
    package func labels(of line: Line) -> Labels {
        guard !header.streams.isEmpty else { return header.labels }
        return header.labels.merging(["stream": line.flags.contains(.stderr) ? "stderr" : "stdout"])
    }

    /// A line as an entry with these labels.
    package func entry(_ line: Line, _ labels: Labels) -> LogEntry {
        LogEntry(
            timestamp: line.timestamp, labels: labels, line: Array(body[line.range]),
            fields: Array(fieldBytes[line.fields]), level: line.flags.level,
            isContinued: line.flags.contains(.continues))
    }

    /// All lines as entries, in the order of the source.
    package var entries: [LogEntry] { lines.map { entry($0, labels(of: $0)) } }
}
