package import MusterLogs
import MusterModel
import Synchronization

/// Who waits for new lines.
package final class LogFollowers: Sendable {
    /// Followers at the same time.
    package static let countMax = 256
    /// Entries a follower may lag behind before it is cut off.
    package static let lagEntries = 10_000

    private struct Follower {
        let question: LogQuestion
        let entries: AsyncStream<LogEntry>.Continuation
    }

    private struct State {
        var followers: [UInt64: Follower] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())
    private let compressor: any Compressor

    init(compressor: any Compressor) { self.compressor = compressor }

    package var count: Int { state.withLock { $0.followers.count } }

    /// New lines from now on; nil when too many follow already. The stream ends when the follower lags too far behind.
    package func follow(_ question: LogQuestion) -> AsyncStream<LogEntry>? {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LogEntry.self, bufferingPolicy: .bufferingOldest(Self.lagEntries))
        let id = state.withLock { state -> UInt64? in
            guard state.followers.count < Self.countMax else { return nil }
            state.next += 1
            state.followers[state.next] = Follower(question: question, entries: continuation)
            return state.next
        }
        guard let id else { return nil }
        continuation.onTermination = { [weak self] _ in self?.unfollow(id) }
        return stream
    }

    /// Inflates the block only when its labels and words allow that someone waits for it.
    func blockStored(_ payload: [UInt8], _ header: LogBlockHeader) {
        let interested = state.withLock { state in
            state.followers.filter { follower in
                header.variants.contains { follower.value.question.isMatch($0) }
                    && follower.value.question.neededWords.allSatisfy(header.words.mayContain)
            }
        }
        guard !interested.isEmpty, let block = try? LogBlock.decode(payload[...], compressor: compressor) else {
            return
        }
        for (id, follower) in interested {
            for entry in block.entries where follower.question.isMatch(entry) {
                let process = follower.question.process
                guard let entry = process == nil ? entry : process?(entry) else { continue }
                guard case .enqueued = follower.entries.yield(entry) else {
                    unfollow(id)
                    break
                }
            }
        }
    }

    private func unfollow(_ id: UInt64) {
        let follower = state.withLock { $0.followers.removeValue(forKey: id) }
        follower?.entries.finish()
    }
}
