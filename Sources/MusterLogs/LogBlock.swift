package import MusterModel

/// One line with where it came from.
package struct LogEntry: Equatable, Sendable {
    package var timestamp: Instant
    package var labels: Labels
    /// Without its terminator. Any bytes: what was written is what is here.
    package var line: [UInt8]
    /// The line goes on in the source's next entry.
    package var isContinued: Bool

    package init(timestamp: Instant, labels: Labels, line: [UInt8], isContinued: Bool = false) {
        self.timestamp = timestamp
        self.labels = labels
        self.line = line
        self.isContinued = isContinued
    }
}

/// An inflated block: every line is a range of `body`.
package struct LogBlock: Equatable, Sendable {
    package struct Line: Equatable, Sendable {
        package var timestamp: Instant
        package var range: Range<Int>
        package var flags: LineFlags
    }

    package let header: LogBlockHeader
    package let body: [UInt8]
    /// In the order of the source.
    package let lines: [Line]

    /// Inflates and checks a block: counts, lengths and the time range have to agree with the header.
    package static func decode(
        _ bytes: ArraySlice<UInt8>, compressor: some Compressor
    ) throws(LogBlockError) -> LogBlock {
        let (header, deflated) = try LogBlockHeader.decode(bytes)
        let body: [UInt8]
        do throws(CompressionError) {
            body = try compressor.inflate(deflated, maxBytes: header.rawBytes)
        } catch {
            throw .compression(error)
        }
        guard body.count == header.rawBytes else { throw .contradiction(what: "raw size") }
        let lines: [Line]
        do throws(ByteCursor.Malformed) {
            lines = try readLines(body, count: header.lineCount)
        } catch {
            throw .malformed(what: error.what)
        }
        guard lines.allSatisfy({ $0.timestamp >= header.first && $0.timestamp <= header.last }) else {
            throw .contradiction(what: "time range")
        }
        return LogBlock(header: header, body: body, lines: lines)
    }

    private static func readLines(_ body: [UInt8], count: Int) throws(ByteCursor.Malformed) -> [Line] {
        var cursor = ByteCursor(body[...])
        var lines: [Line] = []
        // Two bytes is the least a line takes, so a lying count cannot make us reserve more than the body explains.
        lines.reserveCapacity(min(count, body.count / 2))
        var timestamp: Int64 = 0
        while lines.count < count {
            timestamp &+= try cursor.zigzag("line time")
            let lengthAndFlags = try cursor.varint("line length")
            guard lengthAndFlags >> 2 <= UInt64(Limits.logLineBytes) else {
                throw ByteCursor.Malformed(what: "line length")
            }
            let bytes = try cursor.slice(Int(lengthAndFlags >> 2), "line")
            lines.append(
                Line(
                    timestamp: Instant(nanoseconds: timestamp), range: bytes.startIndex..<bytes.endIndex,
                    flags: LineFlags(rawValue: UInt8(lengthAndFlags & 3))))
        }
        guard cursor.isAtEnd else { throw ByteCursor.Malformed(what: "line count") }
        return lines
    }

    /// The labels of a line: the block's, and `stream` when the block knows streams.
    package func labels(of line: Line) -> Labels {
        guard !header.streams.isEmpty else { return header.labels }
        return header.labels.merging(["stream": line.flags.contains(.stderr) ? "stderr" : "stdout"])
    }

    /// All lines as entries, in the order of the source.
    package var entries: [LogEntry] {
        lines.map { line in
            LogEntry(
                timestamp: line.timestamp, labels: labels(of: line), line: Array(body[line.range]),
                isContinued: line.flags.contains(.continues))
        }
    }
}
