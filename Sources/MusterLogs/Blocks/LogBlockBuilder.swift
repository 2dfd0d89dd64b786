package import MusterModel

/// Collects the lines of one source and makes a block of them. One builder serves all sources in turn: it keeps its
/// storage.
///
/// Inflated, a body is: times and flags (`NumberColumn`), whether there are fields (0 or 1), the lines (`LineColumns`)
/// and, if so, each line's fields as a JSON object of strings, empty for a line without (`LineColumns`).
package struct LogBlockBuilder {
    /// What a line counts for beside its bytes.
    package static let lineOverhead = 14

    /// Where the builder stood, to take back the lines after it.
    package struct Mark: Sendable {
        fileprivate var bodyCount = 0
        fileprivate var fieldCount = 0
        fileprivate var first = Int64.max
        fileprivate var last = Int64.min
        fileprivate var streams = LogStreams()
        package fileprivate(set) var lineCount = 0
    }

    private var body: [UInt8] = []
    private var lines: [Piece] = []
    private var times: [Int64] = []
    private var flags: [Int64] = []
    private var fields: [UInt8] = []
    /// Of the lines up to the last that has fields.
    private var fieldPieces: [Piece] = []
    private var state = Mark()
    private var words = WordCollector()
    private var columns: [UInt8] = []
    private let detector = LevelDetector()
    private let capacity: Int

    /// Whether lines that come without a level are asked for it.
    package var findsLevels = false
    /// Whether `points` are kept.
    package var recordsPoints = false
    /// Places in the source, in order, from which reading can begin anew: the lines before, and the bytes they took.
    package private(set) var points: [(lines: Int, consumed: Int)] = []

    package init(capacity: Int = Limits.logBlockBytes) {
        self.capacity = min(capacity, Limits.logBlockBytes)
        body.reserveCapacity(self.capacity)
    }

    package var lineCount: Int { state.lineCount }
    package var isEmpty: Bool { state.lineCount == 0 }
    /// Bytes of the lines.
    package var rawBytes: Int { body.count }
    package var mark: Mark { state }

    /// True when lines of these sizes can still be appended.
    package func hasRoom(lines: Int, bytes: Int) -> Bool {
        body.count + fields.count + bytes + (state.lineCount + lines) * Self.lineOverhead <= capacity
    }

    /// Appends one line without its terminator; false when the block is full and the line was left out. `fields`: a
    /// JSON object of strings, or nothing.
    package mutating func append(
        _ line: UnsafeRawBufferPointer, timestamp: Int64, flags: LineFlags = [], stream: LogStreams = [],
        fields: [UInt8] = []
    ) -> Bool {
        guard hasRoom(lines: 1, bytes: line.count + fields.count) else { return false }
        var flags = flags
        if findsLevels, flags.level == .unknown {
            flags.formUnion(LineFlags(level: unsafe detector.level(of: Span(_unsafeBytes: line))))
        }
        lines.append(Piece(body.count, line.count))
        times.append(timestamp)
        self.flags.append(Int64(flags.rawValue))
        unsafe body.append(contentsOf: line)
        if !fields.isEmpty {
            while fieldPieces.count < state.lineCount { fieldPieces.append(Piece(self.fields.count, 0)) }
            fieldPieces.append(Piece(self.fields.count, fields.count))
            self.fields += fields
        }
        state.bodyCount = body.count
        state.fieldCount = self.fields.count
        state.first = min(state.first, timestamp)
        state.last = max(state.last, timestamp)
        state.streams.formUnion(stream)
        state.lineCount += 1
        return true
    }

    /// The same for a line in an array.
    package mutating func append(
        _ line: [UInt8], timestamp: Int64, flags: LineFlags = [], fields: [UInt8] = []
    ) -> Bool {
        unsafe line.withUnsafeBytes { unsafe append($0, timestamp: timestamp, flags: flags, fields: fields) }
    }

    /// The lines so far are those of the first `consumed` bytes of the source, and nothing is half read.
    @inline(__always)
    package mutating func pointReached(consumed: Int) {
        if recordsPoints { points.append((state.lineCount, consumed)) }
    }

    /// A line as it was appended.
    struct Appended {
        var timestamp: Int64
        var flags: LineFlags
        var stream: LogStreams
    }

    func appended(_ index: Int) -> Appended {
        let flags = LineFlags(rawValue: UInt8(truncatingIfNeeded: flags[index]))
        let stream: LogStreams = flags.contains(.stderr) ? .stderr : .stdout
        return Appended(timestamp: times[index], flags: flags, stream: state.streams.isEmpty ? [] : stream)
    }

    /// The bytes of a line.
    func bytes(of index: Int) -> ArraySlice<UInt8> { body[lines[index].lower..<lines[index].upper] }

    /// A line as it was appended, to look at.
    package func content(_ index: Int) -> (line: [UInt8], flags: LineFlags, fields: [UInt8]) {
        let place = fieldPieces.count > index ? fieldPieces[index] : Piece(0, 0)
        return (Array(bytes(of: index)), appended(index).flags, Array(fields[place.lower..<place.upper]))
    }

    /// Takes back every line after the mark.
    package mutating func rewind(to mark: Mark) {
        body.removeLast(body.count - mark.bodyCount)
        fields.removeLast(fields.count - mark.fieldCount)
        lines.removeLast(lines.count - mark.lineCount)
        times.removeLast(times.count - mark.lineCount)
        flags.removeLast(flags.count - mark.lineCount)
        fieldPieces.removeLast(max(0, fieldPieces.count - mark.lineCount))
        while let last = points.last, last.lines > mark.lineCount { points.removeLast() }
        state = mark
    }

    package mutating func reset() {
        rewind(to: Mark())
        points.removeAll(keepingCapacity: true)
    }

    /// The encoded block, compressed at level 1, and an empty builder; nil when there is no line.
    package mutating func finish(labels: Labels, compressor: some Compressor) -> [UInt8]? {
        guard !isEmpty else { return nil }
        words.reset()
        columns.removeAll(keepingCapacity: true)
        NumberColumn.append(times, to: &columns)
        NumberColumn.append(flags, to: &columns)
        columns.append(fieldPieces.isEmpty ? 0 : 1)
        unsafe body.withUnsafeBytes { unsafe LineColumns.append(lines, of: $0, &words, to: &columns) }
        if !fieldPieces.isEmpty {
            while fieldPieces.count < lines.count { fieldPieces.append(Piece(fields.count, 0)) }
            unsafe fields.withUnsafeBytes { unsafe LineColumns.append(fieldPieces, of: $0, &words, to: &columns) }
        }
        var levels = LevelCounts()
        for flags in flags { levels.add(LineFlags(rawValue: UInt8(flags)).level) }
        let header = LogBlockHeader(
            labels: labels.bounded, streams: state.streams, lineCount: state.lineCount,
            first: Instant(nanoseconds: state.first), last: Instant(nanoseconds: state.last), rawBytes: body.count,
            columnBytes: columns.count, levels: levels, words: WordFilter(words))
        let bytes = header.encoded(body: compressor.deflate(columns, level: 1))
        reset()
        return bytes
    }
}
