import Foundation
import GRDB
import MusterModel

/// The embedded engine: one SQLite file, one process.
package final class SQLiteControlStore: ControlStore {
    package struct Settings: Sendable {
        /// Revisions kept for watches; older ones are forgotten by and by.
        package var historyRevisions: Int
        /// Size of the database, without its write-ahead log; beyond it transactions throw `.diskFull`.
        package var maxBytes: Int

        package init(historyRevisions: Int = 10_000, maxBytes: Int = 2 << 30) {
            self.historyRevisions = max(1, historyRevisions)
            self.maxBytes = maxBytes
        }
    }

    package static let schemaVersion = 1
    /// "MSTR": tells our files from other SQLite databases.
    private static let applicationID = 0x4D53_5452

    let path: String
    let settings: Settings
    let pool: DatabasePool
    let watches = WatchRegistry()
    private let lock: ProcessLock

    /// Opens or makes the store at `path`; its directory must exist. Throws `.locked`, `.newerSchema` or `.damaged`
    /// with nothing changed.
    package init(path: String, settings: Settings = Settings()) async throws(ControlStoreError) {
        self.path = path
        self.settings = settings
        lock = try ProcessLock(path: path + ".lock", of: path)
        do {
            try Self.checkVersion(path)
            var configuration = Configuration()
            configuration.label = "muster.control"
            configuration.busyMode = .timeout(5)
            configuration.maximumReaderCount = 4
            pool = try DatabasePool(path: path, configuration: configuration)
            let maxBytes = settings.maxBytes
            try await pool.writeWithoutTransaction { db in try Self.prepare(db, maxBytes: maxBytes) }
        } catch {
            throw ControlStoreError(error, path: path)
        }
    }

    /// Waits for running statements; afterwards every call throws `.closed`, and another process may open the file.
    package func close() throws(ControlStoreError) {
        watches.finishAll()
        do { try pool.close() } catch { throw ControlStoreError(error, path: path) }
        lock.release()
    }

    package func revision() async throws(ControlStoreError) -> UInt64 {
        try await read { db in try Self.meta(db, "revision") }
    }

    package func get(_ key: String) async throws(ControlStoreError) -> ControlEntry? {
        try ControlLimit.check(key: key)
        return try await read { db in
            let statement = try db.cachedStatement(sql: "SELECT * FROM entry WHERE key = ?")
            return try Row.fetchOne(statement, arguments: [key]).map(Self.entry)
        }
    }

    package func list(prefix: String) async throws(ControlStoreError) -> ControlListing {
        try ControlLimit.check(prefix: prefix)
        return try await read { db in
            let statement = try db.cachedStatement(sql: "SELECT * FROM entry WHERE key >= ? AND key < ? ORDER BY key")
            let rows = try Row.fetchAll(statement, arguments: [prefix, Self.end(of: prefix)])
            return ControlListing(entries: rows.map(Self.entry), revision: try Self.meta(db, "revision"))
        }
    }

    /// The modes that durability rests on, as the database reports them: `wal` and 2 (FULL).
    package func pragmas() async throws(ControlStoreError) -> (journal: String, synchronous: Int) {
        do {
            return try await pool.writeWithoutTransaction { db in
                (
                    try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "",
                    try Int.fetchOne(db, sql: "PRAGMA synchronous") ?? -1
                )
            }
        } catch {
            throw ControlStoreError(error, path: path)
        }
    }

    /// Changes kept for watches, for metrics.
    package func historyRows() async throws(ControlStoreError) -> Int {
        try await read { db in try Int.fetchOne(db, sql: "SELECT count(*) FROM history") ?? 0 }
    }

    func read<Value: Sendable>(
        _ body: @Sendable (Database) throws -> Value
    ) async throws(ControlStoreError) -> Value {
        do { return try await pool.read(body) } catch { throw ControlStoreError(error, path: path) }
    }

    // MARK: Schema

    /// Looks at an existing file without changing it.
    private static func checkVersion(_ path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            // SQLite gives its side files the mode of the database.
            let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
            guard FileManager.default.createFile(atPath: path, contents: nil, attributes: attributes) else {
                throw ControlStoreError.engine(path: path, "cannot make the file; does its directory exist?")
            }
            return
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        let (version, application) = try queue.read { db in
            (
                try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0,
                try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            )
        }
        try queue.close()
        guard version <= schemaVersion else {
            throw ControlStoreError.newerSchema(path: path, found: version, supported: schemaVersion)
        }
        guard version == 0 || application == applicationID else {
            throw ControlStoreError.invalid("\(path) is a database of another program; choose another data directory")
        }
    }

    private static func prepare(_ db: Database, maxBytes: Int) throws {
        // A commit returns when it is on disk, not when it is in the page cache.
        try db.execute(sql: "PRAGMA synchronous = FULL")
        let pageBytes = try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 4_096
        try db.execute(sql: "PRAGMA max_page_count = \(max(16, maxBytes / pageBytes))")
        guard try Int.fetchOne(db, sql: "PRAGMA user_version") == 0 else { return }
        try db.inTransaction(.immediate) {
            try db.execute(
                sql: """
                    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
                    INSERT INTO meta VALUES ('revision', 0), ('compacted', 0);
                    CREATE TABLE entry (
                        key TEXT PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL,
                        revision INTEGER NOT NULL, version INTEGER NOT NULL, expires INTEGER
                    ) STRICT;
                    CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
                    CREATE TABLE history (
                        revision INTEGER NOT NULL, ordinal INTEGER NOT NULL, key TEXT NOT NULL, value BLOB,
                        create_revision INTEGER NOT NULL, version INTEGER NOT NULL, expires INTEGER,
                        PRIMARY KEY (revision, ordinal)
                    ) STRICT, WITHOUT ROWID;
                    PRAGMA application_id = \(applicationID);
                    PRAGMA user_version = \(schemaVersion);
                    """)
            return .commit
        }
    }

    static func meta(_ db: Database, _ name: String) throws -> UInt64 {
        let statement = try db.cachedStatement(sql: "SELECT value FROM meta WHERE name = ?")
        guard let value = try Int64.fetchOne(statement, arguments: [name]) else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the table meta has no \(name)")
        }
        return UInt64(bitPattern: value)
    }

    static func setMeta(_ db: Database, _ name: String, _ value: UInt64) throws {
        let statement = try db.cachedStatement(sql: "UPDATE meta SET value = ? WHERE name = ?")
        try statement.execute(arguments: [Int64(bitPattern: value), name])
    }

    static func entry(_ row: Row) -> ControlEntry {
        let value: Data = row["value"] ?? Data()
        let expires: Int64? = row["expires"]
        return ControlEntry(
            key: row["key"], value: Array(value), createRevision: UInt64(bitPattern: row["create_revision"] as Int64),
            modRevision: UInt64(bitPattern: row["revision"] as Int64),
            version: UInt64(bitPattern: row["version"] as Int64), expires: expires.map { Instant(nanoseconds: $0) })
    }

    /// Above every key that begins with `prefix`, as keys are printable ASCII.
    static func end(of prefix: String) -> String { prefix + "\u{7F}" }
}
