import Foundation
import GRDB
package import MusterModel

extension SQLiteControlStore {
    /// Revisions the history may exceed its limit by before it is cut, so that not every transaction has to.
    private static let compactionSlack: UInt64 = 100
    /// Revisions deleted in one transaction, so that others are not kept waiting.
    private static let compactionBatch: UInt64 = 500

    package func transaction(
        _ preconditions: [ControlPrecondition], _ changes: [ControlChange]
    ) async throws(ControlStoreError) -> UInt64 {
        try ControlLimit.check(preconditions, changes)
        return try await write { db in
            try Self.check(db, preconditions)
            return try self.apply(db, changes)
        }
    }

    package func expire(now: Instant) async throws(ControlStoreError) -> [String] {
        var expired: [String] = []
        while true {
            let batch = try await write { db in
                let keys = try String.fetchAll(
                    db, sql: "SELECT key FROM entry WHERE expires <= ? ORDER BY expires, key LIMIT ?",
                    arguments: [now.nanoseconds, ControlLimit.changes])
                _ = try self.apply(db, keys.map { .delete($0) })
                return keys
            }
            expired += batch
            if batch.count < ControlLimit.changes { return expired }
        }
    }

    package func compact(through revision: UInt64) async throws(ControlStoreError) {
        while true {
            let isDone = try await write { db in
                let (current, compacted) = (try Self.meta(db, "revision"), try Self.meta(db, "compacted"))
                let goal = min(revision, current)
                guard compacted < goal else { return true }
                try Self.forget(db, through: min(goal, compacted + Self.compactionBatch))
                return false
            }
            if isDone { return }
        }
    }

    /// One transaction on the writer, and behind its commit, before any other, the news of it.
    private func write<Value: Sendable>(
        _ body: @Sendable (Database) throws -> Value
    ) async throws(ControlStoreError) -> Value {
        let watches = watches
        do {
            return try await pool.writeWithoutTransaction { db in
                let before = try Self.meta(db, "revision")
                var result: Value?
                try db.inTransaction(.immediate) {
                    result = try body(db)
                    return .commit
                }
                let after = try Self.meta(db, "revision")
                if after > before {
                    let keys = try String.fetchAll(
                        db, sql: "SELECT key FROM history WHERE revision = ?", arguments: [Int64(bitPattern: after)])
                    watches.committed(after, keys: keys)
                }
                guard let result else { throw DatabaseError(resultCode: .SQLITE_INTERNAL, message: "no result") }
                return result
            }
        } catch {
            throw ControlStoreError(error, path: path)
        }
    }

    private static func check(_ db: Database, _ preconditions: [ControlPrecondition]) throws {
        let statement = try db.cachedStatement(sql: "SELECT revision FROM entry WHERE key = ?")
        for precondition in preconditions {
            let actual = try Int64.fetchOne(statement, arguments: [precondition.key]).map { UInt64(bitPattern: $0) }
            let expected: UInt64? =
                switch precondition {
                case .absent: nil
                case .unchanged(_, let revision): revision
                }
            guard actual == expected else {
                throw ControlStoreError.conflict(key: precondition.key, actual: actual)
            }
        }
    }

    /// Returns the revision after the changes.
    private func apply(_ db: Database, _ changes: [ControlChange]) throws -> UInt64 {
        let current = try Self.meta(db, "revision")
        let revision = current + 1
        var ordinal = 0
        for change in changes {
            if try Self.apply(db, change, revision, ordinal) { ordinal += 1 }
        }
        guard ordinal > 0 else { return current }
        try Self.setMeta(db, "revision", revision)
        let compacted = try Self.meta(db, "compacted")
        let kept = UInt64(settings.historyRevisions)
        if revision > compacted + kept + Self.compactionSlack {
            try Self.forget(db, through: min(revision - kept, compacted + Self.compactionBatch))
        }
        return revision
    }

    /// False when it changes nothing: the deletion of an absent key.
    private static func apply(_ db: Database, _ change: ControlChange, _ revision: UInt64, _ ordinal: Int) throws
        -> Bool
    {
        let find = try db.cachedStatement(sql: "SELECT create_revision, version FROM entry WHERE key = ?")
        let old = try Row.fetchOne(find, arguments: [change.key])
        let history = try db.cachedStatement(sql: "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?)")
        let number = Int64(bitPattern: revision)
        switch change {
        case .put(let key, let value, let expires):
            let created: Int64 = old.map { $0["create_revision"] } ?? number
            let version: Int64 = old.map { ($0["version"] as Int64) + 1 } ?? 1
            let data = Data(value)
            let put = try db.cachedStatement(
                sql: """
                    INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value,
                    revision = excluded.revision, version = excluded.version, expires = excluded.expires
                    """)
            try put.execute(arguments: [key, data, created, number, version, expires?.nanoseconds])
            try history.execute(arguments: [number, ordinal, key, data, created, version, expires?.nanoseconds])
        case .delete(let key):
            guard old != nil else { return false }
            try db.cachedStatement(sql: "DELETE FROM entry WHERE key = ?").execute(arguments: [key])
            try history.execute(arguments: [number, ordinal, key, nil, 0, 0, nil])
        }
        return true
    }

    private static func forget(_ db: Database, through revision: UInt64) throws {
        try db.cachedStatement(sql: "DELETE FROM history WHERE revision <= ?")
            .execute(arguments: [Int64(bitPattern: revision)])
        try setMeta(db, "compacted", revision)
    }
}
