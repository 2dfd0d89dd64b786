package import MusterModel

/// What is known of the blocks of one segment without reading them: label sets once, a row of numbers for each block,
/// filters apart. While a segment grows its index is in memory; then it is a file whose table and filters are read
/// apart.
package struct LogSegmentIndex: Sendable {
    /// A block in its segment.
    package struct Block: Equatable, Sendable {
        /// Bytes from the start of the segment's file.
        package var offset: UInt64
        /// Bytes of the block.
        package var size: Int
        package var first: Instant
        package var last: Instant
        package var lineCount: Int
        /// Bytes of its lines.
        package var rawBytes: Int
        package var levels: LevelCounts
        /// Which of `streams`.
        var stream: Int
        var lengths: WordLengths
        var hasFilter: Bool
        /// Where its filter stands among all.
        var filter: Range<Int>
    }

    /// A label set as it is in block headers.
    struct Stream: Hashable, Sendable {
        var labels: Labels
        var streams: LogStreams
        var variants: [Labels] { streams.variants(of: labels) }
    }

    /// The highest sequence of each lineage of an agent in the segment.
    package struct Mark: Hashable, Sendable {
        package var host: HostID
        package var boot: BootID

        package init(host: HostID, boot: BootID) {
            self.host = host
            self.boot = boot
        }
    }

    package private(set) var blocks: [Block] = []
    private(set) var streams: [Stream] = []
    private var streamNumbers: [Stream: Int] = [:]
    /// Empty in an index that was read from a table alone.
    private(set) var filters: [UInt8] = []
    package private(set) var marks: [Mark: UInt64] = [:]

    package init() {}

    /// The frame `id` is stored at `offset`, in `size` bytes. Without a header it is no block that can be read: only
    /// its number counts.
    package mutating func frameStored(_ header: LogBlockHeader?, as id: FrameID, at offset: UInt64, size: Int) {
        let mark = Mark(host: id.host, boot: id.boot)
        marks[mark] = max(marks[mark] ?? 0, id.sequence)
        guard let header else { return }
        let stream = Stream(labels: header.labels, streams: header.streams)
        let number = streamNumbers[stream] ?? streams.count
        if number == streams.count {
            streamNumbers[stream] = number
            streams.append(stream)
        }
        let start = filters.count
        filters += header.words.bits
        blocks.append(
            Block(
                offset: offset, size: size, first: header.first, last: header.last, lineCount: header.lineCount,
                rawBytes: header.rawBytes, levels: header.levels, stream: number, lengths: header.words.lengths,
                hasFilter: header.words.isKnown, filter: start..<filters.count))
    }

    package var lineCount: Int { blocks.reduce(0) { $0 + $1.lineCount } }

    /// The times of all lines; nil without a block.
    package var span: ClosedRange<Instant>? {
        guard let first = blocks.lazy.map(\.first).min(), let last = blocks.lazy.map(\.last).max() else { return nil }
        return first...last
    }

    /// Every label set, `stream` included.
    package var labelSets: [Labels] { streams.flatMap(\.variants) }

    /// Names of all labels.
    package var labelNames: Set<String> { Set(streams.flatMap { $0.labels.pairs.map(\.name) }) }

    /// The label sets that lines of a block carry.
    package func variants(of block: Block) -> [Labels] { streams[block.stream].variants }

    /// The labels of a block, without `stream`.
    package func labels(of block: Block) -> Labels { streams[block.stream].labels }

    /// The blocks whose labels satisfy every matcher and whose time touches the range, both ends included, in the order
    /// in which they were stored.
    package func select(_ matchers: [LabelMatcher], from: Instant, through: Instant) -> [Block] {
        let wanted = streams.map { stream in
            stream.variants.contains { labels in matchers.allSatisfy { $0.isMatch(labels) } }
        }
        guard wanted.contains(true) else { return [] }
        return blocks.filter { wanted[$0.stream] && $0.first <= through && $0.last >= from }
    }

    /// Which of some blocks may hold all words. `filters` are the bytes from `start` on of all filters.
    package static func mayHold(
        _ words: [NeedleWord], _ block: Block, filters: ArraySlice<UInt8>, from start: Int
    ) -> Bool {
        guard !words.isEmpty else { return true }
        let lower = filters.startIndex + block.filter.lowerBound - start
        let bits = filters[lower..<(lower + block.filter.count)]
        return words.allSatisfy { WordFilter.mayContain($0, lengths: block.lengths, block.hasFilter, bits) }
    }

    /// The same for an index that has its filters.
    package func mayHold(_ words: [NeedleWord], _ block: Block) -> Bool {
        Self.mayHold(words, block, filters: filters[...], from: 0)
    }
}

extension LogSegmentIndex {
    /// Where blocks' filters lie among all, for reading only some: whole filters, `bytes` at least in each piece.
    package static func filterPieces(_ blocks: [Block], bytes: Int) -> [Range<Int>] {
        var pieces: [Range<Int>] = []
        var start = 0
        for block in blocks where block.filter.upperBound - start >= bytes {
            pieces.append(start..<block.filter.upperBound)
            start = block.filter.upperBound
        }
        if let end = blocks.last?.filter.upperBound, end > start { pieces.append(start..<end) }
        return pieces
    }

    /// All filters, cut where `filterPieces` says.
    package func filterSections(bytes: Int) -> [[UInt8]] {
        Self.filterPieces(blocks, bytes: bytes).map { Array(filters[$0]) }
    }
}

extension LogSegmentIndex.Block {
    /// Where its filter stands among all filters of the segment.
    package var filterRange: Range<Int> { filter }
}

// MARK: The table as bytes

/// Why bytes are no table of a segment's index.
package struct LogTableError: Error, Equatable, CustomStringConvertible {
    package let what: String
    package init(what: String) { self.what = what }
    package var description: String { "the index of a log segment is damaged at its \(what); it is made again" }
}

extension LogSegmentIndex {
    private static let version: UInt8 = 1
    /// Label sets, rows and marks together.
    package static let tableBytes = 256 << 20

    /// Version 1, then as varints: streams (kinds, labels); marks (host, boot, sequence); blocks (stream, offset since
    /// the one before, size, first time and distance to the last, lines, bytes of lines, levels, lengths of words,
    /// bytes of the filter plus one, 0 for none).
    package func encodedTable() -> [UInt8] {
        var bytes: [UInt8] = [Self.version]
        bytes.appendVarint(UInt64(streams.count))
        for stream in streams {
            bytes.append(stream.streams.rawValue)
            stream.labels.append(to: &bytes)
        }
        bytes.appendVarint(UInt64(marks.count))
        for (mark, sequence) in marks.sorted(by: { ($0.key.host.text, $0.value) < ($1.key.host.text, $1.value) }) {
            bytes.appendText(mark.host.text)
            bytes.appendVarint(mark.boot.high)
            bytes.appendVarint(mark.boot.low)
            bytes.appendVarint(sequence)
        }
        bytes.appendVarint(UInt64(blocks.count))
        var end: UInt64 = 0
        for block in blocks {
            bytes.appendVarint(UInt64(block.stream))
            bytes.appendVarint(block.offset &- end)
            bytes.appendVarint(UInt64(block.size))
            end = block.offset
            bytes.appendZigzag(block.first.nanoseconds)
            bytes.appendVarint(UInt64(bitPattern: block.last.nanoseconds &- block.first.nanoseconds))
            bytes.appendVarint(UInt64(block.lineCount))
            bytes.appendVarint(UInt64(block.rawBytes))
            block.levels.append(to: &bytes)
            bytes.appendVarint(block.lengths.letters)
            bytes.appendVarint(block.lengths.withDigits)
            bytes.appendVarint(block.hasFilter ? UInt64(block.filter.count + 1) : 0)
        }
        return bytes
    }

    /// An index without its filters.
    package init(table bytes: [UInt8]) throws(LogTableError) {
        do throws(ByteCursor.Malformed) {
            var cursor = ByteCursor(bytes[...])
            try self.init(reading: &cursor)
        } catch {
            throw LogTableError(what: error.what)
        }
    }

    private init(reading cursor: inout ByteCursor) throws(ByteCursor.Malformed) {
        guard try cursor.byte("version") == Self.version else { throw ByteCursor.Malformed(what: "version") }
        for _ in 0..<(try cursor.count("streams", limit: cursor.bytes.count)) {
            let streams = LogStreams(rawValue: try cursor.byte("streams"))
            guard streams.isSubset(of: [.stdout, .stderr]) else { throw ByteCursor.Malformed(what: "streams") }
            self.streams.append(Stream(labels: try Labels(reading: &cursor), streams: streams))
        }
        for _ in 0..<(try cursor.count("marks", limit: cursor.bytes.count)) {
            guard let host = HostID(try cursor.text("host", limit: Limits.nameBytes)) else {
                throw ByteCursor.Malformed(what: "host")
            }
            let boot = BootID(high: try cursor.varint("boot"), low: try cursor.varint("boot"))
            marks[Mark(host: host, boot: boot)] = try cursor.varint("sequence")
        }
        let count = try cursor.count("blocks", limit: cursor.bytes.count)
        blocks.reserveCapacity(count)
        var end: UInt64 = 0
        var filterEnd = 0
        for _ in 0..<count {
            let block = try Self.block(&cursor, streams: streams.count, after: end, filterEnd: filterEnd)
            end = block.offset
            filterEnd = block.filter.upperBound
            blocks.append(block)
        }
        guard cursor.isAtEnd else { throw ByteCursor.Malformed(what: "end") }
    }

    private static func block(
        _ cursor: inout ByteCursor, streams: Int, after end: UInt64, filterEnd: Int
    ) throws(ByteCursor.Malformed) -> Block {
        let stream = try cursor.count("stream", limit: max(0, streams - 1))
        guard streams > 0 else { throw ByteCursor.Malformed(what: "stream") }
        let offset = end &+ (try cursor.varint("offset"))
        guard offset >= end, offset <= UInt64(Int64.max) else { throw ByteCursor.Malformed(what: "offset") }
        let size = try cursor.count("size", limit: Limits.frameBytes)
        let first = try cursor.zigzag("first time")
        let last = first &+ Int64(bitPattern: try cursor.varint("last time"))
        guard first <= last else { throw ByteCursor.Malformed(what: "time range") }
        let lineCount = try cursor.count("line count", limit: LogLimits.blockLines)
        let rawBytes = try cursor.count("raw size", limit: Limits.logBlockBytes)
        let levels = try LevelCounts(reading: &cursor)
        let lengths = WordLengths(
            letters: try cursor.varint("word lengths"), withDigits: try cursor.varint("word lengths"))
        let filter = try cursor.count("filter", limit: LogLimits.wordFilterBytes + 1)
        return Block(
            offset: offset, size: size, first: Instant(nanoseconds: first), last: Instant(nanoseconds: last),
            lineCount: lineCount, rawBytes: rawBytes, levels: levels, stream: stream, lengths: lengths,
            hasFilter: filter > 0, filter: filterEnd..<(filterEnd + max(0, filter - 1)))
    }
}
