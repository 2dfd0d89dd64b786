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
    /// Bytes the line has to contain; empty for any line. Case counts.
    package var contains: [UInt8]
    package var from: Instant
    /// Lines at exactly this time count.
    package var through: Instant
    /// 1 to `LogLimits.searchEntries`.
    package var limit: Int
    package var direction: Direction

    package init(
        matchers: [LabelMatcher] = [], contains: [UInt8] = [], from: Instant = .distantPast,
        through: Instant = .distantFuture, limit: Int = 1_000, direction: Direction = .backward
    ) {
        self.matchers = matchers
        self.contains = contains
        self.from = from
        self.through = through
        self.limit = min(max(limit, 1), LogLimits.searchEntries)
        self.direction = direction
    }

    /// True when labels satisfy every condition.
    package func isMatch(_ labels: Labels) -> Bool { matchers.allSatisfy { $0.isMatch(labels) } }
}

/// One search over blocks in any order. Keeps the best `limit` entries, so its memory does not grow with what it reads.
///
/// Entries with one time keep the order in which their blocks were given, and within a block the order of the source;
/// newest first is the exact reverse of oldest first.
package struct LogSearch {
    package let question: LogQuestion
    private let words: [NeedleWord]
    private var runs: [[Found]] = []
    private var heldEntries = 0
    /// The worst time that still has a place, once `limit` entries are known.
    private var worst: Instant?
    private var nextBlock = 0

    /// Blocks that were searched line by line.
    package private(set) var blocksSearched = 0

    private struct Found {
        var entry: LogEntry
        /// Breaks ties of time.
        var order: (block: Int, line: Int)
    }

    package init(_ question: LogQuestion) {
        self.question = question
        words = NeedleWord.words(in: question.contains)
    }

    /// False when no line of a block with this header can be part of the answer: the caller need not inflate it.
    package func mayHold(_ header: LogBlockHeader) -> Bool {
        guard mayHold(first: header.first, last: header.last) else { return false }
        guard header.variants.contains(where: question.isMatch) else { return false }
        return words.allSatisfy(header.words.mayContain)
    }

    /// False when nothing in this range of time can be part of the answer any more. With candidates in the order of
    /// time the first false ends the search.
    package func mayHold(first: Instant, last: Instant) -> Bool {
        guard first <= question.through, last >= question.from else { return false }
        guard let worst else { return true }
        return question.direction == .forward ? first < worst : last >= worst
    }

    /// A block whose header `mayHold` was read.
    package mutating func blockRead(_ block: LogBlock) {
        blocksSearched += 1
        let number = nextBlock
        nextBlock += 1
        var run: [Found] = []
        let variants = Variants(block, question)
        unsafe block.body.withUnsafeBytes { body in
            for (index, line) in block.lines.enumerated() {
                guard line.timestamp >= question.from, line.timestamp <= question.through,
                    let labels = variants[line]
                else { continue }
                let bytes = unsafe UnsafeRawBufferPointer(rebasing: body[line.range])
                guard unsafe ByteScan.contains(question.contains, in: bytes) else { continue }
                run.append(Found(entry: block.entry(line, labels), order: (number, index)))
            }
        }
        guard !run.isEmpty else { return }
        run.sort(by: isBefore)
        heldEntries += run.count
        runs.append(run)
        if heldEntries >= question.limit { keepBest() }
    }

    /// The answer so far, in the question's direction.
    package func entries() -> [LogEntry] {
        LogMerge.merged(runs, limit: question.limit, isBefore: isBefore).map(\.entry)
    }

    private mutating func keepBest() {
        let best = LogMerge.merged(runs, limit: question.limit, isBefore: isBefore)
        runs = [best]
        heldEntries = best.count
        worst = best.count == question.limit ? best.last?.entry.timestamp : nil
    }

    private func isBefore(_ a: Found, _ b: Found) -> Bool {
        let isForward = question.direction == .forward
        let (a, b) = isForward ? (a, b) : (b, a)
        return (a.entry.timestamp, a.order.block, a.order.line) < (b.entry.timestamp, b.order.block, b.order.line)
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
