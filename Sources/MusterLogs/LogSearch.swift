package import MusterModel

/// What is asked of the logs.
package struct LogQuestion: Sendable {
    package enum Direction: String, Sendable {
        /// Oldest first.
        case forward
        /// Newest first.
        case backward
    }

    package var matchers: [LabelMatcher]
    /// All have to hold.
    package var filters: [LineFilter]
    /// Words that every line of the answer has, known beside those of the filters.
    package var words: [NeedleWord]
    package var from: Instant
    /// Lines at exactly this time count.
    package var through: Instant
    /// 1 to `LogLimits.searchEntries`.
    package var limit: Int
    package var direction: Direction
    /// What becomes of an entry that meets every condition; nil drops it. Its time must stay.
    package var process: (@Sendable (LogEntry) -> LogEntry?)?

    package init(
        matchers: [LabelMatcher] = [], filters: [LineFilter] = [], words: [NeedleWord] = [],
        from: Instant = .distantPast, through: Instant = .distantFuture, limit: Int = 1_000,
        direction: Direction = .backward
    ) {
        self.matchers = matchers
        self.filters = filters
        self.words = words
        self.from = from
        self.through = through
        self.limit = min(max(limit, 1), LogLimits.searchEntries)
        self.direction = direction
    }

    /// True when labels satisfy every condition.
    package func isMatch(_ labels: Labels) -> Bool { matchers.allSatisfy { $0.isMatch(labels) } }

    /// All words a block has to hold to be read.
    package var neededWords: [NeedleWord] { words + filters.flatMap(\.words) }

    /// Whether one entry, not yet stored or from elsewhere, belongs to the answer. Times are not looked at.
    package func isMatch(_ entry: LogEntry) -> Bool {
        guard isMatch(entry.labels) else { return false }
        return unsafe entry.line.withUnsafeBytes { line in
            filters.allSatisfy { unsafe $0.isMatch(line, LineFlags(level: entry.level)) }
        }
    }
}

/// One search over blocks in any order. Keeps the best `limit` entries, so its memory does not grow with what it reads.
///
/// Entries with one time keep the order of their blocks' numbers, and within a block the order of the source; newest
/// first is the exact reverse of oldest first.
package struct LogSearch {
    package let question: LogQuestion
    private var runs: [[Found]] = []
    private var heldEntries = 0
    /// The worst time that still has a place, once `limit` entries are known.
    private var worst: Instant?

    /// Blocks that were searched line by line, and what is in them.
    package private(set) var blocksSearched = 0
    package private(set) var linesSearched = 0
    package private(set) var bytesSearched = 0

    /// A block's place in the order of entries with one time.
    package typealias BlockNumber = BlockPosition

    fileprivate struct Found: Sendable {
        var entry: LogEntry
        var block: BlockNumber
        var line: Int
    }

    /// What one block gave.
    package struct Run: Sendable {
        fileprivate var found: [Found] = []
        /// Looked at, not found.
        package fileprivate(set) var lines = 0
        package fileprivate(set) var bytes = 0
        package var count: Int { found.count }
        /// What was found, in the question's direction.
        package var entries: [LogEntry] { found.map(\.entry) }
    }

    package init(_ question: LogQuestion) { self.question = question }

    /// False when nothing in this range of time can be part of the answer any more. With candidates in the order of
    /// time the first false ends the search.
    package func mayHold(first: Instant, last: Instant) -> Bool {
        guard first <= question.through, last >= question.from else { return false }
        guard let worst else { return true }
        return question.direction == .forward ? first < worst : last >= worst
    }

    /// The lines of a block that belong to the answer, at most the question's `limit` unless not `isBounded`. Pure:
    /// blocks may be searched side by side.
    package static func search(
        _ block: LogBlock, at number: BlockNumber, for question: LogQuestion, isBounded: Bool = true
    ) -> Run {
        var run = Run()
        run.lines = block.lines.count
        run.bytes = block.header.rawBytes
        let variants = Variants(block, question)
        unsafe block.body.withUnsafeBytes { body in
            for (index, line) in block.lines.enumerated() {
                guard line.timestamp >= question.from, line.timestamp <= question.through,
                    let labels = variants[line]
                else { continue }
                let bytes = unsafe UnsafeRawBufferPointer(rebasing: body[line.range])
                guard question.filters.allSatisfy({ unsafe $0.isMatch(bytes, line.flags) }) else { continue }
                let entry = block.entry(line, labels)
                guard let entry = question.process == nil ? entry : question.process?(entry) else { continue }
                run.found.append(Found(entry: entry, block: number, line: index))
            }
        }
        run.found.sort { isBefore($0, $1, question.direction) }
        if isBounded, run.found.count > question.limit { run.found.removeLast(run.found.count - question.limit) }
        return run
    }

    /// Takes in what a block gave.
    package mutating func add(_ run: Run) {
        blocksSearched += 1
        linesSearched += run.lines
        bytesSearched += run.bytes
        guard !run.found.isEmpty else { return }
        heldEntries += run.found.count
        runs.append(run.found)
        if heldEntries >= question.limit { keepBest() }
    }

    /// The answer so far, in the question's direction.
    package func entries() -> [LogEntry] { merged().map(\.entry) }

    private func merged() -> [Found] {
        let direction = question.direction
        return LogMerge.merged(runs, limit: question.limit) { Self.isBefore($0, $1, direction) }
    }

    private mutating func keepBest() {
        let best = merged()
        runs = [best]
        heldEntries = best.count
        worst = best.count == question.limit ? best.last?.entry.timestamp : nil
    }

    private static func isBefore(_ a: Found, _ b: Found, _ direction: LogQuestion.Direction) -> Bool {
        let (a, b) = direction == .forward ? (a, b) : (b, a)
        return (a.entry.timestamp, a.block, a.line) < (b.entry.timestamp, b.block, b.line)
    }

    /// The labels of the block's lines, worked out once per stream; nil for a stream that was not asked for.
    private struct Variants {
        private let plain: Labels?
        private let stderr: Labels?

        init(_ block: LogBlock, _ question: LogQuestion) {
            func wanted(_ labels: Labels) -> Labels? { question.isMatch(labels) ? labels : nil }
            let streams = block.header.streams
            guard !streams.isEmpty else {
                plain = wanted(block.header.labels)
                stderr = plain
                return
            }
            plain = LogStreams.stdout.variants(of: block.header.labels).first.flatMap(wanted)
            stderr = LogStreams.stderr.variants(of: block.header.labels).first.flatMap(wanted)
        }

        subscript(line: LogBlock.Line) -> Labels? { line.flags.contains(.stderr) ? stderr : plain }
    }
}

/// Where the coordinator keeps a block, in the store's words: a segment and an offset in it. Later ones are larger.
package struct BlockPosition: Hashable, Comparable, Sendable {
    package var segment: UInt64
    package var offset: UInt64

    package init(segment: UInt64, offset: UInt64) {
        self.segment = segment
        self.offset = offset
    }

    package static func < (a: BlockPosition, b: BlockPosition) -> Bool { (a.segment, a.offset) < (b.segment, b.offset) }
}
