import Foundation
import GRDB
import MusterModel
import Synchronization

extension SQLiteControlStore {
    /// Nothing is buffered for a reader: a watch is a place in the history and a wake-up, and each element is read when
    /// it is asked for.
    package func watch(
        prefix: String, after revision: UInt64
    ) async throws(ControlStoreError) -> AsyncThrowingStream<ControlRevision, any Error> {
        try ControlLimit.check(prefix: prefix)
        let (current, compacted) = try await read { db in
            (try Self.meta(db, "revision"), try Self.meta(db, "compacted"))
        }
        guard revision <= current else { throw .futureRevision(asked: revision, current: current) }
        guard revision >= compacted else { throw .compacted(oldest: compacted) }
        let (wake, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let watches = watches
        guard let id = watches.add(prefix: prefix, cursor: revision, wake: continuation) else {
            throw .tooLarge("one more watch", limit: ControlLimit.watches)
        }
        continuation.onTermination = { _ in watches.remove(id) }
        let unread = WatchPage()
        return AsyncThrowingStream {
            while true {
                if let next = unread.take() { return next }
                guard let cursor = watches.cursor(id) else { return nil }
                let (revisions, readThrough) = try await self.page(prefix: prefix, after: cursor)
                watches.advance(id, to: readThrough)
                unread.fill(revisions)
                guard revisions.isEmpty, !watches.hasNews(id) else { continue }
                var iterator = wake.makeAsyncIterator()
                guard await iterator.next() != nil else { return nil }
            }
        }
    }

    /// Whole revisions behind `cursor`, and the revision up to which nothing was left out.
    private func page(
        prefix: String, after cursor: UInt64
    ) async throws(ControlStoreError) -> (revisions: [ControlRevision], readThrough: UInt64) {
        try await read { db in
            let (current, compacted) = (try Self.meta(db, "revision"), try Self.meta(db, "compacted"))
            guard cursor >= compacted else { throw ControlStoreError.compacted(oldest: compacted) }
            let statement = try db.cachedStatement(
                sql: """
                    SELECT * FROM history WHERE revision > ? AND key >= ? AND key < ? ORDER BY revision, ordinal LIMIT ?
                    """)
            let rows = try Row.fetchAll(
                statement,
                arguments: [Int64(bitPattern: cursor), prefix, Self.end(of: prefix), ControlLimit.watchPage])
            var revisions: [ControlRevision] = []
            for row in rows {
                let revision = UInt64(bitPattern: row["revision"] as Int64)
                let isDeletion = (row["value"] as Data?) == nil
                let event: ControlRevision.Event = isDeletion ? .deleted(row["key"]) : .put(Self.entry(row))
                if revisions.last?.revision == revision {
                    revisions[revisions.count - 1].events.append(event)
                } else {
                    revisions.append(ControlRevision(revision: revision, events: [event]))
                }
            }
            guard rows.count == ControlLimit.watchPage else { return (revisions, current) }
            // The last one may go on behind the page; it is read again. A page holds several transactions of any size.
            let cut = revisions.removeLast()
            return (revisions, cut.revision - 1)
        }
    }
}

/// Revisions read and not yet given out.
private final class WatchPage: Sendable {
    private let revisions = Mutex<[ControlRevision]>([])

    func take() -> ControlRevision? { revisions.withLock { $0.isEmpty ? nil : $0.removeFirst() } }
    func fill(_ more: [ControlRevision]) { revisions.withLock { $0 = more } }
}

/// Where each watch stands. A watch whose keys nobody touches moves along with the revision, so that compaction never
/// leaves it behind.
final class WatchRegistry: Sendable {
    private struct Watch: Sendable {
        var prefix: String
        var wake: AsyncStream<Void>.Continuation
        /// Everything up to here was read, or does not concern it.
        var cursor: UInt64
        /// The last revision that may concern it.
        var lastMatch: UInt64
    }

    private struct State: Sendable {
        var watches: [Int: Watch] = [:]
        var nextID = 0
        var revision: UInt64 = 0
    }

    private let state = Mutex(State())

    /// Nil when there are too many.
    func add(prefix: String, cursor: UInt64, wake: AsyncStream<Void>.Continuation) -> Int? {
        state.withLock { state in
            guard state.watches.count < ControlLimit.watches else { return nil }
            state.nextID += 1
            // What was committed so far may concern it; the first read finds out.
            state.watches[state.nextID] = Watch(prefix: prefix, wake: wake, cursor: cursor, lastMatch: .max)
            return state.nextID
        }
    }

    func remove(_ id: Int) { state.withLock { _ = $0.watches.removeValue(forKey: id) } }

    func cursor(_ id: Int) -> UInt64? { state.withLock { $0.watches[id]?.cursor } }

    /// Whether something was committed that the watch has not read.
    func hasNews(_ id: Int) -> Bool {
        state.withLock { state in state.watches[id].map { $0.lastMatch > $0.cursor } ?? true }
    }

    func advance(_ id: Int, to revision: UInt64) {
        state.withLock { state in
            guard var watch = state.watches[id] else { return }
            watch.cursor = max(watch.cursor, revision)
            // The first read: what came after its snapshot has been noted in `revision`.
            if watch.lastMatch == .max { watch.lastMatch = state.revision }
            state.watches[id] = watch
        }
    }

    func committed(_ revision: UInt64, keys: [String]) {
        let woken = state.withLock { state in
            state.revision = max(state.revision, revision)
            var woken: [AsyncStream<Void>.Continuation] = []
            for (id, watch) in state.watches {
                if keys.contains(where: { $0.hasPrefix(watch.prefix) }) {
                    if watch.lastMatch != .max { state.watches[id]?.lastMatch = revision }
                    woken.append(watch.wake)
                } else if watch.lastMatch <= watch.cursor {
                    state.watches[id]?.cursor = max(watch.cursor, revision)
                }
            }
            return woken
        }
        for wake in woken { wake.yield() }
    }

    func finishAll() {
        let all = state.withLock { state in
            defer { state.watches.removeAll() }
            return state.watches.values.map(\.wake)
        }
        for wake in all { wake.finish() }
    }
}
