package import MusterLogs
import MusterModel
import MusterStore
import NIOPosix

/// What a search looked at so far.
package struct LogSearchProgress: Equatable, Sendable {
    /// Blocks that labels and times left.
    package var candidates = 0
    /// Those of them whose words say that nothing is in them.
    package var skipped = 0
    package var blocks = 0
    package var lines = 0
    /// Bytes of the lines looked at.
    package var bytes = 0
    /// Segments looked through, and those that the times left.
    package var segments = 0
    package var segmentsInAll = 0
}

/// What a search found, and how much of what it should have looked at it could not read.
package struct LogsFound: Sendable {
    package var entries: [LogEntry] = []
    /// Blocks that are stored and could not be read; lines of theirs may be missing.
    package var unreadableBlocks = 0
    /// Why the first of them could not be.
    package var firstReason = ""
    package var progress = LogSearchProgress()
}

extension LogStore {
    /// Blocks that one thread searches before the answer so far is looked at.
    private static let blocksPerTurn = 16

    private struct Turn: Sendable {
        var runs: [LogSearch.Run] = []
        var unreadable = 0
        var firstReason = ""
    }

    /// The answer to a question, read on threads that may block, as many at once as there are processors. Segments are
    /// looked through in the order of the answer's time, and within one the blocks; the search ends where nothing can
    /// be better than what was found, and with its task.
    package func search(
        _ question: LogQuestion, progress report: (LogSearchProgress) async throws -> Void = { _ in }
    ) async throws -> LogsFound {
        var search = LogSearch(question)
        var found = LogsFound()
        let isForward = question.direction == .forward
        let segments = segments(from: question.from, through: question.through).sorted { a, b in
            isForward
                ? (a.span.lowerBound, a.segment) < (b.span.lowerBound, b.segment)
                : (a.span.upperBound, a.segment) > (b.span.upperBound, b.segment)
        }
        found.progress.segmentsInAll = segments.count
        for (segment, span) in segments {
            try Task.checkCancellation()
            found.progress.segments += 1
            guard search.mayHold(first: span.lowerBound, last: span.upperBound) else { continue }
            let candidates: [LogSegmentIndex.Block]
            do {
                candidates = try await onThread { try self.candidates(in: segment, for: question, &$0) }
                    .merged(into: &found.progress)
            } catch {
                found.note(unreadable: 1, "\(error)")
                continue
            }
            try await read(candidates, of: segment, for: question, &found) { blocks in
                blocks.filter { search.mayHold(first: $0.first, last: $0.last) }
            } take: { run in
                search.add(run)
            }
            try await report(found.progress)
        }
        found.entries = search.entries()
        return found
    }

    /// Gives every entry of the answer to a question to `take`, in no order; the question's limit does not count. What
    /// `take` throws ends it.
    package func visit(_ question: LogQuestion, _ take: (LogEntry) throws -> Void) async throws -> LogsFound {
        var found = LogsFound()
        let segments = segments(from: question.from, through: question.through)
        found.progress.segmentsInAll = segments.count
        for (segment, _) in segments {
            try Task.checkCancellation()
            found.progress.segments += 1
            let candidates: [LogSegmentIndex.Block]
            do {
                candidates = try await onThread { try self.candidates(in: segment, for: question, &$0) }
                    .merged(into: &found.progress)
            } catch {
                found.note(unreadable: 1, "\(error)")
                continue
            }
            try await read(candidates, of: segment, for: question, isBounded: false, &found) {
                $0
            } take: { run in
                for entry in run.entries { try take(entry) }
            }
        }
        return found
    }

    /// Work together with what it counted.
    private struct Counted<Value: Sendable>: Sendable {
        var value: Value
        var counts: LogSearchProgress

        func merged(into progress: inout LogSearchProgress) -> Value {
            progress.candidates += counts.candidates
            progress.skipped += counts.skipped
            return value
        }
    }

    private func onThread<Value: Sendable>(
        _ work: @escaping @Sendable (inout LogSearchProgress) throws -> Value
    ) async throws -> Counted<Value> {
        try await NIOThreadPool.singleton.runIfActive {
            var counts = LogSearchProgress()
            return Counted(value: try work(&counts), counts: counts)
        }
    }

    /// The blocks of a segment that can hold an answer, in the order in which they are to be read.
    private func candidates(
        in segment: UInt64, for question: LogQuestion, _ counts: inout LogSearchProgress
    ) throws -> [LogSegmentIndex.Block] {
        guard let (index, file) = try index(of: segment) else { return [] }
        var blocks = index.select(question.matchers, from: question.from, through: question.through)
        counts.candidates = blocks.count
        let words = question.neededWords
        if !words.isEmpty, !blocks.isEmpty {
            blocks = Self.filtered(blocks, words, index, file)
            counts.skipped = counts.candidates - blocks.count
        }
        if question.direction == .forward {
            blocks.sort { ($0.first, $0.offset) < ($1.first, $1.offset) }
        } else {
            blocks.sort { ($0.last, $0.offset) > ($1.last, $1.offset) }
        }
        return blocks
    }

    private static func filtered(
        _ blocks: [LogSegmentIndex.Block], _ words: [NeedleWord], _ index: LogSegmentIndex, _ file: SectionFile?
    ) -> [LogSegmentIndex.Block] {
        guard let file else { return blocks.filter { index.mayHold(words, $0) } }
        let pieces = LogSegmentIndex.filterPieces(index.blocks, bytes: filterPieceBytes)
        var left: [LogSegmentIndex.Block] = []
        var next = 0
        for (number, piece) in pieces.enumerated() {
            let start = next
            while next < blocks.count, blocks[next].filterRange.upperBound <= piece.upperBound { next += 1 }
            guard next > start else { continue }
            // Without its filters, which are damaged, a block has to be read.
            guard let filters = try? file.read(1 + number) else {
                left += blocks[start..<next]
                continue
            }
            left += blocks[start..<next].filter {
                LogSegmentIndex.mayHold(words, $0, filters: filters[...], from: piece.lowerBound)
            }
        }
        // Behind the last piece stand blocks without a filter.
        left += blocks[next...].filter { block in
            LogSegmentIndex.mayHold(words, block, filters: [], from: block.filterRange.lowerBound)
        }
        return left
    }

    /// Reads blocks side by side and gives what each holds to `take`, in their order; `wanted` is asked before each
    /// turn which of the next are still of use.
    private func read(
        _ blocks: [LogSegmentIndex.Block], of segment: UInt64, for question: LogQuestion, isBounded: Bool = true,
        _ found: inout LogsFound, wanted: ([LogSegmentIndex.Block]) -> [LogSegmentIndex.Block],
        take: (LogSearch.Run) throws -> Void
    ) async throws {
        var next = blocks.startIndex
        while next < blocks.endIndex {
            try Task.checkCancellation()
            let turns = min(NIOThreadPool.singleton.numberOfThreads, 64)
            var shares: [[LogSegmentIndex.Block]] = []
            while shares.count < turns, next < blocks.endIndex {
                let end = min(next + Self.blocksPerTurn, blocks.endIndex)
                shares.append(wanted(Array(blocks[next..<end])))
                next = end
            }
            let results = try await withThrowingTaskGroup(of: (Int, Turn).self) { group in
                for (number, share) in shares.enumerated() where !share.isEmpty {
                    group.addTask {
                        let turn = try await self.onThread { _ in
                            self.read(share, of: segment, for: question, isBounded: isBounded)
                        }
                        return (number, turn.value)
                    }
                }
                var results: [(Int, Turn)] = []
                for try await result in group { results.append(result) }
                return results.sorted { $0.0 < $1.0 }
            }
            for (_, turn) in results {
                for run in turn.runs {
                    found.progress.blocks += 1
                    found.progress.lines += run.lines
                    found.progress.bytes += run.bytes
                    try take(run)
                }
                if turn.unreadable > 0 { found.note(unreadable: turn.unreadable, turn.firstReason) }
            }
        }
    }

    private func read(
        _ blocks: [LogSegmentIndex.Block], of segment: UInt64, for question: LogQuestion, isBounded: Bool
    ) -> Turn {
        var turn = Turn()
        for block in blocks {
            do {
                let record = try log.read(SegmentPosition(segment: segment, offset: Int(block.offset)))
                let lines = try LogBlock.decode(record.payload[...], compressor: compressor)
                let position = BlockPosition(segment: segment, offset: block.offset)
                turn.runs.append(LogSearch.search(lines, at: position, for: question, isBounded: isBounded))
            } catch {
                // Retention may have removed the segment since the index was asked.
                guard log.segments.contains(segment) else { continue }
                if turn.unreadable == 0 { turn.firstReason = "\(error)" }
                turn.unreadable += 1
            }
        }
        return turn
    }
}

extension LogsFound {
    fileprivate mutating func note(unreadable count: Int, _ reason: String) {
        if unreadableBlocks == 0 { firstReason = reason }
        unreadableBlocks += count
    }
}
