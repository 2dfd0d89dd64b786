import Logging
package import MusterLogs
package import MusterModel
package import MusterStore
import NIOPosix
import Synchronization

/// The log blocks on disk, the index of their headers, and who follows new lines.
package final class LogStore: Sendable {
    /// Followers at the same time.
    package static let followersMax = 256
    /// Entries a follower may lag behind before it is cut off.
    package static let followerEntries = 10_000

    private struct Follower {
        let question: LogQuestion
        let entries: AsyncStream<LogEntry>.Continuation
    }

    private struct State {
        var index = LogIndex()
        var followers: [UInt64: Follower] = [:]
        var nextFollower: UInt64 = 0
        var unreadable: UInt64 = 0
    }

    private let state = Mutex(State())
    private let log: SegmentLog
    private let compressor: any Compressor

    package init(log: SegmentLog, compressor: any Compressor) {
        self.log = log
        self.compressor = compressor
    }

    package var blockCount: Int { state.withLock { $0.index.blockCount } }
    package var unreadable: UInt64 { state.withLock { $0.unreadable } }
    package var followers: Int { state.withLock { $0.followers.count } }

    /// A block of this host is durable. A block that cannot be read, or that speaks of another host, stays on disk and
    /// is not found; it is counted.
    package func blockStored(_ payload: [UInt8], of host: HostID, at position: SegmentPosition) {
        let header = try? LogBlockHeader.decode(payload[...]).header
        guard let header, header.labels["host"] == host.text else {
            return state.withLock { $0.unreadable += 1 }
        }
        let followers = state.withLock { state in
            _ = state.index.blockStored(
                header, at: BlockPosition(segment: position.segment, offset: UInt64(position.offset)))
            return state.followers.filter { follower in
                header.variants.contains { follower.value.question.isMatch($0) }
            }
        }
        guard !followers.isEmpty else { return }
        tell(Array(followers), payload)
    }

    /// Retention removed a segment.
    package func segmentRemoved(_ segment: UInt64) { state.withLock { $0.index.segmentDropped(segment) } }

    private func tell(_ followers: [(key: UInt64, value: Follower)], _ payload: [UInt8]) {
        guard let block = try? LogBlock.decode(payload[...], compressor: compressor) else { return }
        for (id, follower) in followers {
            for entry in block.entries where Self.isWanted(entry, follower.question) {
                guard case .enqueued = follower.entries.yield(entry) else {
                    unfollow(id)
                    break
                }
            }
        }
    }

    private static func isWanted(_ entry: LogEntry, _ question: LogQuestion) -> Bool {
        question.isMatch(entry.labels)
            && (question.contains.isEmpty || entry.line.firstRange(of: question.contains) != nil)
    }

    /// New lines from now on; nil when too many follow already. The stream ends when the follower lags too far behind.
    package func follow(_ question: LogQuestion) -> AsyncStream<LogEntry>? {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LogEntry.self, bufferingPolicy: .bufferingOldest(Self.followerEntries))
        let id = state.withLock { state -> UInt64? in
            guard state.followers.count < Self.followersMax else { return nil }
            state.nextFollower += 1
            state.followers[state.nextFollower] = Follower(question: question, entries: continuation)
            return state.nextFollower
        }
        guard let id else { return nil }
        continuation.onTermination = { [weak self] _ in self?.unfollow(id) }
        return stream
    }

    private func unfollow(_ id: UInt64) {
        let follower = state.withLock { $0.followers.removeValue(forKey: id) }
        follower?.entries.finish()
    }

    /// What a search found, and how much of what it should have looked at it could not read.
    package struct Found: Sendable {
        package var entries: [LogEntry] = []
        /// Blocks that are stored and could not be read; lines of theirs may be missing.
        package var unreadableBlocks = 0
        /// Why the first of them could not be.
        package var firstReason = ""
    }

    /// The answer to a question, read on a thread that may block.
    package func search(_ question: LogQuestion) async throws -> Found {
        try await NIOThreadPool.singleton.runIfActive { self.searchHere(question) }
    }

    private func searchHere(_ question: LogQuestion) -> Found {
        var search = LogSearch(question)
        var found = Found()
        var candidates = state.withLock {
            $0.index.select(question.matchers, from: question.from, through: question.through)
        }
        if question.direction == .backward { candidates.sort { $0.last > $1.last } }
        for candidate in candidates {
            guard search.mayHold(first: candidate.first, last: candidate.last) else {
                // In the order of time nothing later can matter.
                break
            }
            let position = SegmentPosition(segment: candidate.position.segment, offset: Int(candidate.position.offset))
            do {
                let record = try log.read(position)
                guard search.mayHold(try LogBlockHeader.decode(record.payload[...]).header) else { continue }
                search.blockRead(try LogBlock.decode(record.payload[...], compressor: compressor))
            } catch {
                // Retention may have removed the segment since the index was asked.
                guard log.segments.contains(position.segment) else { continue }
                if found.unreadableBlocks == 0 { found.firstReason = "\(error)" }
                found.unreadableBlocks += 1
            }
        }
        found.entries = search.entries()
        return found
    }
}

extension [UInt8] {
    /// Where the bytes occur first. `memmem` would need a pointer; a search reads a block once, so this suffices here.
    fileprivate func firstRange(of needle: [UInt8]) -> Range<Int>? {
        guard let first = needle.first, needle.count <= count else { return nil }
        var start = 0
        while let at = self[start...].firstIndex(of: first), at + needle.count <= count {
            if self[at..<(at + needle.count)].elementsEqual(needle) { return at..<(at + needle.count) }
            start = at + 1
        }
        return nil
    }
}
