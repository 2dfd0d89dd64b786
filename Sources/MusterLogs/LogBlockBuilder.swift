package import MusterModel

/// Collects the lines of one source into a block's body. One builder serves all sources in turn: it keeps its storage.
///
/// Body, for each line: time as the zigzag difference to the line before (the first to 0), `length << 2 | flags`,
/// bytes.
package struct LogBlockBuilder {
    /// Most bytes that a line takes beside its own.
    package static let lineOverhead = 14

    /// Where the builder stood, to take back the lines after it.
    package struct Mark: Sendable {
        fileprivate var bodyCount = 0
        fileprivate var previous: Int64 = 0
        fileprivate var first = Int64.max
        fileprivate var last = Int64.min
        fileprivate var streams = LogStreams()
        package fileprivate(set) var lineCount = 0
    }

    private var body: [UInt8] = []
    private var state = Mark()
    private var tokens: TokenFilterBuilder?
    private let capacity: Int

    /// `collectsTokens` false leaves the token filter out.
    package init(capacity: Int = Limits.logBlockBytes, collectsTokens: Bool = true) {
        self.capacity = min(capacity, Limits.logBlockBytes)
        tokens = collectsTokens ? TokenFilterBuilder() : nil
        body.reserveCapacity(self.capacity)
    }

    package var lineCount: Int { state.lineCount }
    package var isEmpty: Bool { state.lineCount == 0 }
    package var rawBytes: Int { body.count }
    package var mark: Mark { state }

    /// True when lines of these sizes can still be appended.
    package func hasRoom(lines: Int, bytes: Int) -> Bool {
        body.count + bytes + lines * Self.lineOverhead <= capacity
    }

    /// Appends one line without its terminator; false when the block is full and the line was left out.
    package mutating func append(
        _ line: UnsafeRawBufferPointer, timestamp: Int64, flags: LineFlags = [], stream: LogStreams = []
    ) -> Bool {
        guard hasRoom(lines: 1, bytes: line.count) else { return false }
        body.appendZigzag(timestamp &- state.previous)
        body.appendVarint(UInt64(line.count) << 2 | UInt64(flags.rawValue & 3))
        unsafe body.append(contentsOf: line)
        unsafe tokens?.insert(wordsOf: line)
        state.bodyCount = body.count
        state.previous = timestamp
        state.first = min(state.first, timestamp)
        state.last = max(state.last, timestamp)
        state.streams.formUnion(stream)
        state.lineCount += 1
        return true
    }

    /// Takes back every line after the mark. The token filter keeps their words, which costs precision and nothing
    /// else.
    package mutating func rewind(to mark: Mark) {
        body.removeLast(body.count - mark.bodyCount)
        state = mark
    }

    package mutating func reset() {
        body.removeAll(keepingCapacity: true)
        state = Mark()
        tokens?.reset()
    }

    /// The encoded block, compressed at level 1, and an empty builder; nil when there is no line.
    package mutating func finish(labels: Labels, compressor: some Compressor) -> [UInt8]? {
        guard !isEmpty else { return nil }
        let header = LogBlockHeader(
            labels: labels.bounded, streams: state.streams, lineCount: state.lineCount,
            first: Instant(nanoseconds: state.first), last: Instant(nanoseconds: state.last), rawBytes: body.count,
            tokens: tokens?.finished())
        let bytes = header.encoded(body: compressor.deflate(body, level: 1))
        reset()
        return bytes
    }
}
